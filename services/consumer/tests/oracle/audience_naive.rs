//! Who belongs to an audience, person by person, by plain loops over raw facts.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::{
    Parameters,
    audience::expression::{
        Accepted, BehaviorMeasure, BehaviorTerm, Days, Expression, Field, Filter, ProfileTerm,
        PurchaseMeasure, PurchaseTerm, Range, RoleTerm, Term,
    },
    parameters::Signal,
};
use dualwheel_lake::frames::{KeywordClass, Kind};
use dualwheel_proto::facts::{BehaviorKind, ConsumerProfile, KeywordClass as RawClass};

use crate::{
    aipl::{Of, stage},
    facts::{Act, Line, Raw, inside, is_active, is_loyal, is_passive},
    grow::audience as strategic,
    models::{four_a, o5a},
};

pub struct Naive<'a> {
    pub raw: &'a Raw,
    pub as_of: i32,
    pub parameters: &'a Parameters,
    pub audiences: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Naive<'_> {
    pub fn belongs(&self, expression: &Expression, who: &str) -> bool {
        match expression {
            Expression::AllOf(parts) => parts.iter().all(|part| self.belongs(part, who)),
            Expression::AnyOf(parts) => parts.iter().any(|part| self.belongs(part, who)),
            Expression::ButNot(from, without) => self.belongs(from, who) && !self.belongs(without, who),
            Expression::Term(term) => self.holds(term, who),
        }
    }

    fn holds(&self, term: &Term, who: &str) -> bool {
        match term {
            Term::Stage(term) => {
                let day = term.day.map_or(self.as_of, |day| day.0);
                day <= self.as_of && self.state(&term.model, &term.category, who, day) == term.state
            }
            Term::Flow(term) => {
                let (first, last) = self.days(term.days);
                first <= last
                    && self.state(&term.model, &term.category, who, first - 1) == term.from
                    && self.state(&term.model, &term.category, who, last) == term.to
            }
            Term::Behavior(term) => self.behaved(term, who),
            Term::Purchase(term) => self.bought(term, who),
            Term::Profile(term) => self.profile(who).is_some_and(|profile| self.fits(term, profile)),
            Term::Label(label) => self
                .profile(who)
                .is_some_and(|profile| profile.labels.contains(label)),
            Term::Role(term) => self.plays(term, who),
            Term::Audience(id) => self.audiences.get(id).is_some_and(|people| people.contains(who)),
            Term::Predicted(_) | Term::Koc(_) => unreachable!("not made here"),
        }
    }

    fn days(&self, days: Days) -> (i32, i32) {
        match days {
            Days::Last(days) => (self.as_of - days + 1, self.as_of),
            Days::Window(window) => (window.first.0, window.last.0.min(self.as_of)),
        }
    }

    fn state(&self, model: &Option<String>, category: &Option<String>, who: &str, day: i32) -> &'static str {
        let target = self.parameters.target_audience.as_deref();
        let codes: &[&str] = match model.as_deref() {
            None => &["OUT", "A", "I", "P", "L"],
            Some("o5a") => &["OUT", "O", "A1", "A2", "A3", "A4", "A5"],
            Some("4a") => &["OUT", "A1", "A2", "A3", "A4"],
            Some(other) => panic!("{other}"),
        };
        let codes: Vec<&'static str> = codes.iter().map(|code| leaked(code)).collect();
        let depth = match (model.as_deref(), category) {
            (None, None) => stage(self.raw, who, day, &Of::Brand),
            (None, Some(path)) => {
                let picks = |of: &Option<String>| inside(of, Some(path));
                stage(self.raw, who, day, &Of::Category(&picks))
            }
            (Some("o5a"), _) => o5a(self.raw, who, day, target),
            _ => four_a(self.raw, who, day),
        };
        codes[depth]
    }

    fn known(&self, who: &str) -> bool {
        let acts = self
            .raw
            .acts
            .iter()
            .any(|act| act.consumer == who && act.day <= self.as_of);
        let lines = self
            .raw
            .lines
            .iter()
            .any(|line| line.consumer == who && line.day <= self.as_of);
        let roles = self
            .raw
            .relations
            .iter()
            .any(|one| one.consumer == who && one.joined <= self.as_of);
        acts || lines || roles
    }

    fn meant(kinds: &[Signal], kind: BehaviorKind) -> bool {
        kinds.is_empty()
            || kinds.iter().any(|signal| match signal {
                Signal::Passive => is_passive(kind),
                Signal::Active => is_active(kind),
                Signal::Loyal => is_loyal(kind),
                Signal::Kind(one) => *one == Kind::from_number(kind as i8),
            })
    }

    /// Days of a consumer's behaviours, purchases by order lines among them.
    fn acts(&self, kinds: &[Signal], filter: &Filter, days: Days, who: &str) -> Vec<i32> {
        let (first, last) = self.days(days);
        let has_lines = !self.raw.lines.is_empty();
        let mut found = Vec::new();
        for act in self.raw.acts.iter().filter(|act| act.consumer == who) {
            let ignored = has_lines && act.kind == BehaviorKind::Purchase;
            if !ignored
                && Self::meant(kinds, act.kind)
                && first <= act.day
                && act.day <= last
                && about_act(filter, act)
            {
                found.push(act.day);
            }
        }
        if has_lines && Self::meant(kinds, BehaviorKind::Purchase) {
            for line in self.lines(filter, days, who).filter(|line| line.quantity > 0) {
                if filter.content.is_none() && filter.keyword_class.is_none() {
                    found.push(line.day);
                }
            }
        }
        found
    }

    fn lines<'b>(&'b self, filter: &'b Filter, days: Days, who: &'b str) -> impl Iterator<Item = &'b Line> {
        let (first, last) = self.days(days);
        self.raw.lines.iter().filter(move |line| {
            line.consumer == who
                && first <= line.day
                && line.day <= last
                && filter
                    .product
                    .as_ref()
                    .is_none_or(|product| line.product == *product)
                && filter
                    .channel
                    .as_ref()
                    .is_none_or(|channel| line.channel.as_ref() == Some(channel))
                && inside(&line.category, filter.category.as_deref())
        })
    }

    fn behaved(&self, term: &BehaviorTerm, who: &str) -> bool {
        let acts = self.acts(&term.kinds, &term.filter, term.days, who);
        let number = match term.measure {
            BehaviorMeasure::Count => acts.len() as i64,
            BehaviorMeasure::Days => acts.iter().collect::<BTreeSet<_>>().len() as i64,
            BehaviorMeasure::Recency => match acts.iter().max() {
                Some(last) => i64::from(self.as_of - last),
                None => return false,
            },
        };
        lies(number, term.range) && (!acts.is_empty() || self.known(who))
    }

    fn bought(&self, term: &PurchaseTerm, who: &str) -> bool {
        let lines: Vec<&Line> = self.lines(&term.filter, term.days, who).collect();
        let bought: Vec<&&Line> = lines.iter().filter(|line| line.quantity > 0).collect();
        let mut days: Vec<i32> = bought.iter().map(|line| line.day).collect();
        if self.raw.lines.is_empty() {
            let purchase = [Signal::Kind(Kind::Purchase)];
            days = self.acts(&purchase, &term.filter, term.days, who);
        }
        let net: i128 = lines.iter().map(|line| line.net).sum();
        let units: i128 = bought.iter().map(|line| i128::from(line.quantity)).sum();
        let number = match term.measure {
            PurchaseMeasure::NetGmv => net,
            PurchaseMeasure::Units => units,
            PurchaseMeasure::Orders => bought
                .iter()
                .map(|line| &line.order)
                .collect::<BTreeSet<_>>()
                .len() as i128,
            PurchaseMeasure::Days => days.iter().collect::<BTreeSet<_>>().len() as i128,
            PurchaseMeasure::AveragePrice => {
                // Amounts and bounds are whole ten-thousandths: a ≤ net ÷ units exactly when a ≤ ⌊net ÷ units⌋.
                if units == 0 {
                    return false;
                }
                let (low, high) = (net.div_euclid(units), -(-net).div_euclid(units));
                return term.range.at_least.is_none_or(|least| least <= low)
                    && term.range.at_most.is_none_or(|most| high <= most);
            }
            PurchaseMeasure::Recency => match days.iter().max() {
                Some(last) => i128::from(self.as_of - last),
                None => return false,
            },
        };
        lies(number, term.range) && (number != 0 || self.known(who))
    }

    fn profile(&self, who: &str) -> Option<&ConsumerProfile> {
        self.raw.profiles.iter().find(|profile| profile.consumer == who)
    }

    fn fits(&self, term: &ProfileTerm, profile: &ConsumerProfile) -> bool {
        let month = profile.child_birth_month.as_ref();
        let number = match term.field {
            Field::Age => profile.age.map(f64::from),
            Field::CityTier => profile.city_tier.map(f64::from),
            Field::ChildBirthMonth => month.map(|date| f64::from(date.year * 100 + date.month)),
            Field::SpendingPower => profile.spending_power,
            _ => None,
        };
        let word = match term.field {
            Field::Gender => ["", "female", "male", "other"][profile.gender as usize].to_owned(),
            Field::HasChild => profile.has_child.map(|has| has.to_string()).unwrap_or_default(),
            Field::Occupation => profile.occupation.clone().unwrap_or_default().to_lowercase(),
            Field::StrategicAudience => strategic(Some(profile)).to_owned(),
            _ => String::new(),
        };
        match &term.accepted {
            Accepted::Numbers(range) => number.is_some_and(|number| lies(number, *range)),
            Accepted::Words(words) => {
                let lower = |one: &String| {
                    if term.field == Field::Occupation {
                        one.to_lowercase()
                    } else {
                        one.clone()
                    }
                };
                !word.is_empty() && words.iter().any(|one| lower(one) == word)
            }
        }
    }

    fn plays(&self, term: &RoleTerm, who: &str) -> bool {
        let day = term.day.map_or(self.as_of, |day| day.0);
        let deepest = self.raw.role(who, day);
        let is_meant = term.roles.is_empty() || term.roles.iter().any(|role| *role as i32 == deepest);
        let open = |joined: i32, left: Option<i32>| joined <= day && left.is_none_or(|left| day < left);
        let has_tier = self.raw.relations.iter().any(|one| {
            one.consumer == who
                && one.role as i32 == deepest
                && open(one.joined, one.left)
                && term
                    .tier
                    .as_ref()
                    .is_none_or(|tier| one.tier.as_ref() == Some(tier))
        });
        day <= self.as_of && deepest > 0 && is_meant && has_tier
    }
}

fn leaked(code: &str) -> &'static str {
    ["OUT", "A", "I", "P", "L", "O", "A1", "A2", "A3", "A4", "A5"]
        .into_iter()
        .find(|known| *known == code)
        .unwrap()
}

fn about_act(filter: &Filter, act: &Act) -> bool {
    let class = match filter.keyword_class {
        None => true,
        Some(KeywordClass::Brand) => act.class == RawClass::Brand,
        Some(KeywordClass::SellingPoint) => act.class == RawClass::SellingPoint,
        Some(KeywordClass::Category) => act.class == RawClass::Category,
        Some(KeywordClass::Other) => act.class == RawClass::Other,
    };
    let is = |wanted: &Option<String>, got: &Option<String>| wanted.is_none() || wanted == got;
    class
        && is(&filter.product, &act.product)
        && is(&filter.content, &act.content)
        && is(&filter.channel, &act.channel)
        && inside(&act.category, filter.category.as_deref())
}

fn lies<T: PartialOrd + Copy>(number: T, range: Range<T>) -> bool {
    let above = match range.at_least {
        Some(least) => number >= least,
        None => true,
    };
    let below = match range.at_most {
        Some(most) => number <= most,
        None => true,
    };
    above && below
}
