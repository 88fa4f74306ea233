//! The tree of an audience expression: operators here, conditions in `terms`.

mod terms;

use dualwheel_measure::{Day, Window};

pub use self::terms::{
    Accepted, BehaviorMeasure, BehaviorTerm, Field, Filter, FlowTerm, Predicted, PredictedTerm, ProfileTerm,
    PurchaseMeasure, PurchaseTerm, RoleTerm, StageTerm,
};

/// Who belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// To all parts.
    AllOf(Vec<Expression>),
    /// To any part.
    AnyOf(Vec<Expression>),
    /// To the first and not to the second.
    ButNot(Box<Expression>, Box<Expression>),
    /// By one condition.
    Term(Term),
}

impl Expression {
    /// Everyone of all `parts`; a single part stands for itself.
    #[must_use]
    pub fn all_of(parts: Vec<Self>) -> Self {
        single(parts).unwrap_or_else(Self::AllOf)
    }

    /// Everyone of any of `parts`; a single part stands for itself.
    #[must_use]
    pub fn any_of(parts: Vec<Self>) -> Self {
        single(parts).unwrap_or_else(Self::AnyOf)
    }

    /// Everyone of `self` who is not in `other`.
    #[must_use]
    pub fn but_not(self, other: Self) -> Self {
        Self::ButNot(Box::new(self), Box::new(other))
    }

    /// Visits every term, in reading order.
    pub fn each_term<'a>(&'a self, visit: &mut impl FnMut(&'a Term)) {
        match self {
            Self::AllOf(parts) | Self::AnyOf(parts) => parts.iter().for_each(|part| part.each_term(visit)),
            Self::ButNot(from, without) => {
                from.each_term(visit);
                without.each_term(visit);
            }
            Self::Term(term) => visit(term),
        }
    }

    /// The terms, in reading order.
    #[must_use]
    pub fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        self.each_term(&mut |term| terms.push(term));
        terms
    }

    /// Ids of the audiences that the expression names.
    #[must_use]
    pub fn named(&self) -> Vec<&str> {
        self.terms()
            .into_iter()
            .filter_map(|term| match term {
                Term::Audience(id) => Some(id.as_str()),
                _ => None,
            })
            .collect()
    }
}

fn single(mut parts: Vec<Expression>) -> Result<Expression, Vec<Expression>> {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            parts.push(last);
            Err(parts)
        }
        (None, _) => Err(parts),
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A stage of a stage model.
    Stage(StageTerm),
    /// A cell of the flow matrix.
    Flow(FlowTerm),
    /// Behaviours.
    Behavior(BehaviorTerm),
    /// Purchases.
    Purchase(PurchaseTerm),
    /// A field of the profile.
    Profile(ProfileTerm),
    /// A label of the profile.
    Label(String),
    /// A role in the private domain.
    Role(RoleTerm),
    /// A predicted value.
    Predicted(PredictedTerm),
    /// A class of KOC.
    Koc(String),
    /// Another audience, by id.
    Audience(String),
}

/// An inclusive range; an end that is not set is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<T> {
    /// Lowest that belongs.
    pub at_least: Option<T>,
    /// Highest that belongs.
    pub at_most: Option<T>,
}

impl<T> Range<T> {
    /// Everything.
    pub fn open() -> Self {
        Self {
            at_least: None,
            at_most: None,
        }
    }

    /// `least` and all above it.
    pub fn from(least: T) -> Self {
        Self {
            at_least: Some(least),
            at_most: None,
        }
    }

    /// Whether both ends are open.
    pub fn is_open(&self) -> bool {
        self.at_least.is_none() && self.at_most.is_none()
    }
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether a value lies in the range.
    pub fn contains(&self, value: T) -> bool {
        self.at_least.is_none_or(|least| least <= value) && self.at_most.is_none_or(|most| value <= most)
    }

    /// Whether no value can lie in it.
    pub fn is_empty(&self) -> bool {
        matches!((self.at_least, self.at_most), (Some(least), Some(most)) if least > most)
    }
}

/// The days that a term looks at. Days after the as-of day never count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// These.
    Window(Window),
    /// So many that end on the as-of day.
    Last(i32),
}

impl Days {
    /// The days, for a as-of day. First after last where none of them has come.
    #[must_use]
    pub fn until(self, as_of: Day) -> Window {
        match self {
            Self::Window(window) => Window {
                first: window.first,
                last: window.last.min(as_of),
            },
            Self::Last(days) => Window::ending(as_of, days),
        }
    }
}

/// The one of `all` that has a name.
pub fn named<T: Copy, const N: usize>(
    wanted: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    all.into_iter().find(|one| name(*one) == wanted)
}
