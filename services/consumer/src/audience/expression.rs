//! The tree of an audience expression.

use dualwheel_lake::frames::Role;
use dualwheel_measure::{Day, Money, Window};

use crate::parameters::Signal;

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

/// The days that a term looks at. Days after the day of judgement never count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// These.
    Window(Window),
    /// So many that end on the day of judgement.
    Last(i32),
}

impl Days {
    /// The days, for a day of judgement. First after last where none of them has come.
    #[must_use]
    pub fn until(self, judged: Day) -> Window {
        match self {
            Self::Window(window) => Window {
                first: window.first,
                last: window.last.min(judged),
            },
            Self::Last(days) => Window::ending(judged, days),
        }
    }
}

/// Everyone in a state of a stage model on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTerm {
    /// Name of the model; AIPL where `None`.
    pub model: Option<String>,
    /// Code of the state.
    pub state: String,
    /// Category that the stage is judged in; the whole brand where `None`.
    pub category: Option<String>,
    /// The day; the day of judgement where `None`.
    pub day: Option<Day>,
}

/// Everyone who was in one state the day before a window and in another on its last day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowTerm {
    /// Name of the model; AIPL where `None`.
    pub model: Option<String>,
    /// Code of the state before, or `OUT`.
    pub from: String,
    /// Code of the state after, or `OUT`.
    pub to: String,
    /// The window.
    pub days: Days,
    /// Category that the stages are judged in; the whole brand where `None`.
    pub category: Option<String>,
}

/// What facts must be about; nothing where `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Product.
    pub product: Option<String>,
    /// Category path, with what lies below it.
    pub category: Option<String>,
    /// Content.
    pub content: Option<String>,
    /// Channel.
    pub channel: Option<String>,
    /// Class of the search word.
    pub keyword_class: Option<KeywordClass>,
}

/// Class of a search word, with the contract's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeywordClass {
    /// Names the brand.
    Brand = 1,
    /// Names a selling point.
    SellingPoint = 2,
    /// Names a category.
    Category = 3,
    /// Any other.
    Other = 4,
}

impl KeywordClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Brand, Self::SellingPoint, Self::Category, Self::Other];

    /// The name in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Brand => "BRAND",
            Self::SellingPoint => "SELLING_POINT",
            Self::Category => "CATEGORY",
            Self::Other => "OTHER",
        }
    }
}

/// What of behaviours is held against the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehaviorMeasure {
    /// Their number.
    Count,
    /// Their distinct days.
    Days,
    /// Days from the last one to the day of judgement.
    Recency,
}

impl BehaviorMeasure {
    /// Every measure.
    pub const ALL: [Self; 3] = [Self::Count, Self::Days, Self::Recency];

    /// The name in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Days => "days",
            Self::Recency => "recency",
        }
    }
}

/// Everyone by their behaviours.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviorTerm {
    /// Kinds and classes; all kinds where empty. `BROWSE` is in no class here, because its class depends on its days.
    /// Purchases are those of the order lines where the brand has any.
    pub kinds: Vec<Signal>,
    /// What the behaviours must be about.
    pub filter: Filter,
    /// The days.
    pub days: Days,
    /// What is measured.
    pub measure: BehaviorMeasure,
    /// What belongs.
    pub range: Range<i64>,
}

impl BehaviorTerm {
    /// The term; a count or days without a range must be at least 1.
    #[must_use]
    pub fn new(
        kinds: Vec<Signal>,
        filter: Filter,
        days: Days,
        measure: BehaviorMeasure,
        range: Range<i64>,
    ) -> Self {
        let some = range.is_open() && measure != BehaviorMeasure::Recency;
        Self {
            kinds,
            filter,
            days,
            measure,
            range: if some { Range::from(1) } else { range },
        }
    }
}

/// What of purchases is held against the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseMeasure {
    /// Net GMV, return-only rows included.
    NetGmv,
    /// Distinct orders with a purchase.
    Orders,
    /// Units bought.
    Units,
    /// Net GMV ÷ units bought.
    AveragePrice,
    /// Distinct days with a purchase.
    Days,
    /// Days from the last purchase to the day of judgement.
    Recency,
}

impl PurchaseMeasure {
    /// Every measure.
    pub const ALL: [Self; 6] = [
        Self::NetGmv,
        Self::Orders,
        Self::Units,
        Self::AveragePrice,
        Self::Days,
        Self::Recency,
    ];

    /// The name in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NetGmv => "net_gmv",
            Self::Orders => "orders",
            Self::Units => "units",
            Self::AveragePrice => "average_price",
            Self::Days => "days",
            Self::Recency => "recency",
        }
    }

    /// Whether it is an amount of money.
    #[must_use]
    pub fn is_money(self) -> bool {
        matches!(self, Self::NetGmv | Self::AveragePrice)
    }
}

/// Everyone by their purchases.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseTerm {
    /// What is measured.
    pub measure: PurchaseMeasure,
    /// What the order lines must be about: product, category, channel.
    pub filter: Filter,
    /// The days.
    pub days: Days,
    /// What belongs: a number, or money in ten-thousandths.
    pub range: Range<Money>,
}

impl PurchaseTerm {
    /// The term; orders, units and days without a range must be at least 1.
    #[must_use]
    pub fn new(measure: PurchaseMeasure, filter: Filter, days: Days, range: Range<Money>) -> Self {
        let counts = matches!(
            measure,
            PurchaseMeasure::Orders | PurchaseMeasure::Units | PurchaseMeasure::Days
        );
        Self {
            measure,
            filter,
            days,
            range: if range.is_open() && counts {
                Range::from(1)
            } else {
                range
            },
        }
    }
}

/// A field of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Age in years.
    Age,
    /// `female`, `male`, `other`.
    Gender,
    /// City tier, 1 to 6.
    CityTier,
    /// `true`, `false`.
    HasChild,
    /// Month in which the youngest child was born, as the number year · 100 + month.
    ChildBirthMonth,
    /// Spending power, 0 to 1.
    SpendingPower,
    /// Occupation, whatever its case.
    Occupation,
    /// Id of a strategic audience.
    StrategicAudience,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 8] = [
        Self::Age,
        Self::Gender,
        Self::CityTier,
        Self::HasChild,
        Self::ChildBirthMonth,
        Self::SpendingPower,
        Self::Occupation,
        Self::StrategicAudience,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Gender => "gender",
            Self::CityTier => "city_tier",
            Self::HasChild => "has_child",
            Self::ChildBirthMonth => "child_birth_month",
            Self::SpendingPower => "spending_power",
            Self::Occupation => "occupation",
            Self::StrategicAudience => "strategic_audience",
        }
    }

    /// Whether its values are numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Age | Self::CityTier | Self::ChildBirthMonth | Self::SpendingPower
        )
    }
}

/// What of a profile field belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Any of these words.
    Words(Vec<String>),
    /// Numbers of a range.
    Numbers(Range<f64>),
}

/// Everyone by a field of their profile; who has none does not belong.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileTerm {
    /// The field.
    pub field: Field,
    /// What belongs.
    pub accepted: Accepted,
}

/// Everyone whose deepest open role is one of these on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTerm {
    /// The roles; any where empty.
    pub roles: Vec<Role>,
    /// Tier of that role; any where `None`.
    pub tier: Option<String>,
    /// The day; the day of judgement where `None`.
    pub day: Option<Day>,
}

/// A value that a model foresees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicted {
    /// Probability of being alive (BG/NBD).
    AliveProbability,
    /// Expected purchases within the definition's weeks (BG/NBD).
    ExpectedPurchases,
    /// Discounted expected value within the definition's weeks (BG/NBD and Gamma-Gamma).
    LifetimeValue,
}

impl Predicted {
    /// Every value.
    pub const ALL: [Self; 3] = [
        Self::AliveProbability,
        Self::ExpectedPurchases,
        Self::LifetimeValue,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AliveProbability => "alive_probability",
            Self::ExpectedPurchases => "expected_purchases",
            Self::LifetimeValue => "lifetime_value",
        }
    }
}

/// Everyone by a predicted value; customers only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictedTerm {
    /// The value.
    pub value: Predicted,
    /// What belongs.
    pub range: Range<f64>,
}

/// The one of `all` that has a name.
pub fn named<T: Copy, const N: usize>(
    wanted: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    all.into_iter().find(|one| name(*one) == wanted)
}
