//! What both references share: the question, the brand's facts, and who was active.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use dualwheel_measure::{Absence, Day, Metric, Quantity, Window};
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, Member, OrderLine};
use proptest::prelude::*;

use crate::facts::{BRAND, date, micros};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    pub zone: Tz,
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub by: Option<&'static str>,
    pub category: Option<&'static str>,
}

impl Ask {
    pub fn window(&self) -> Window {
        Window::new(Day::from_date(self.first), Day::from_date(self.last)).unwrap()
    }
}

pub fn asks() -> impl Strategy<Value = Ask> {
    let by = prop::sample::select(vec![None, Some("role"), Some("venue")]);
    let category =
        prop_oneof![4 => Just(None), 1 => Just(Some("a/b")), 1 => Just(Some("z")), 1 => Just(Some("q"))];
    let zone = prop_oneof![Just(Tz::America__New_York), Just(Tz::Asia__Shanghai)];
    let length = prop_oneof![4 => 0..25u64, 1 => 150..240u64];
    (zone, 0..45i64, length, by, category).prop_map(|(zone, last, length, by, category)| {
        let last = NaiveDate::from_ymd_opt(2017, 2, 18).unwrap() + chrono::Duration::days(last);
        Ask {
            zone,
            first: last - Days::new(length),
            last,
            by,
            category,
        }
    })
}

/// Value, numerator and denominator, or why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub value: Result<f64, Absence>,
    pub numerator: Option<f64>,
    pub denominator: Option<f64>,
    pub labels: BTreeSet<&'static str>,
}

/// Metric id and value of the cut to what is answered.
pub type Answers = BTreeMap<(String, Option<String>), Expected>;

pub fn answers(metrics: &[Metric]) -> Answers {
    let mut answers = Answers::new();
    for metric in metrics {
        let key = (
            metric.id.clone(),
            metric.segments.first().map(|(_, value)| value.clone()),
        );
        let expected = Expected {
            value: metric.value.clone().map_err(|(absence, _)| absence),
            numerator: metric.numerator.map(Quantity::as_f64),
            denominator: metric.denominator.map(Quantity::as_f64),
            labels: metric.labels.iter().map(|label| label.name()).collect(),
        };
        assert!(
            answers.insert(key, expected).is_none(),
            "{} came twice",
            metric.id
        );
    }
    answers
}

pub fn count(count: usize) -> Expected {
    let count = count as f64;
    Expected {
        value: Ok(count),
        numerator: Some(count),
        denominator: None,
        labels: BTreeSet::new(),
    }
}

pub fn ratio(numerator: f64, denominator: f64) -> Expected {
    let value = if denominator == 0.0 {
        Err(Absence::NoDenominator)
    } else {
        Ok(numerator / denominator)
    };
    Expected {
        value,
        numerator: Some(numerator),
        denominator: Some(denominator),
        labels: BTreeSet::new(),
    }
}

pub fn absent() -> Expected {
    let value = Err(Absence::SignalNotSupplied);
    Expected {
        value,
        numerator: None,
        denominator: None,
        labels: BTreeSet::new(),
    }
}

/// The facts of the brand.
pub struct Naive<'a> {
    pub ask: &'a Ask,
    pub acts: Vec<&'a Behavior>,
    pub lines: Vec<&'a OrderLine>,
    pub members: Vec<&'a Member>,
    categories: BTreeMap<&'a str, &'a str>,
}

impl<'a> Naive<'a> {
    pub fn new(rows: &'a FactRows, ask: &'a Ask) -> Self {
        let mut lines: BTreeMap<(&str, &str), &OrderLine> = BTreeMap::new();
        for line in &rows.order_lines {
            let kept = lines.entry((&line.order, &line.line)).or_insert(line);
            if line.revision > kept.revision {
                *kept = line;
            }
        }
        let mut members: BTreeMap<(&str, i32, i64), &Member> = BTreeMap::new();
        for member in rows.members.iter().filter(|member| member.brand == BRAND) {
            let key = (member.consumer.as_str(), member.role, micros(&member.joined_at));
            let kept = members.entry(key).or_insert(member);
            if member.revision > kept.revision {
                *kept = member;
            }
        }
        let categories = rows
            .products
            .iter()
            .filter_map(|product| Some((product.product.as_str(), product.category.as_deref()?)))
            .collect();
        Self {
            ask,
            acts: rows.behaviors.iter().filter(|act| act.brand == BRAND).collect(),
            lines: lines.into_values().filter(|line| line.brand == BRAND).collect(),
            members: members.into_values().collect(),
            categories,
        }
    }

    pub fn day(&self, act: &Behavior) -> NaiveDate {
        date(&act.occurred_at, self.ask.zone)
    }

    fn fits(&self, path: Option<&str>) -> bool {
        let Some(category) = self.ask.category else {
            return true;
        };
        path.is_some_and(|path| path == category || path.starts_with(&format!("{category}/")))
    }

    fn act_fits(&self, act: &Behavior) -> bool {
        let of_product = act
            .product
            .as_deref()
            .and_then(|product| self.categories.get(product))
            .copied();
        self.fits(of_product.or(act.category.as_deref()))
    }

    /// Whether purchases come as behaviours.
    pub fn bought_by_acts(&self) -> bool {
        self.lines.is_empty()
            && self
                .acts
                .iter()
                .any(|act| act.kind == BehaviorKind::Purchase as i32)
    }

    /// Lines of a person from one day to another, in the category.
    pub fn lines_of(&self, person: &str, first: NaiveDate, last: NaiveDate) -> Vec<&'a OrderLine> {
        let fits = |line: &&&OrderLine| {
            let day = date(&line.paid_at, self.ask.zone);
            let path = line
                .category
                .as_deref()
                .or(self.categories.get(line.product.as_str()).copied());
            line.consumer == person && first <= day && day <= last && self.fits(path)
        };
        self.lines.iter().filter(fits).copied().collect()
    }

    fn acts_of(&self, person: &str, first: NaiveDate, last: NaiveDate) -> Vec<&'a Behavior> {
        let fits = |act: &&&Behavior| {
            act.consumer == person && first <= self.day(act) && self.day(act) <= last && self.act_fits(act)
        };
        self.acts.iter().filter(fits).copied().collect()
    }

    pub fn bought(&self, person: &str, first: NaiveDate, last: NaiveDate) -> bool {
        if self.lines.is_empty() {
            return self
                .acts_of(person, first, last)
                .iter()
                .any(|act| act.kind == BehaviorKind::Purchase as i32);
        }
        self.lines_of(person, first, last)
            .iter()
            .any(|line| line.quantity > 0)
    }

    /// Active behaviours of a person from one day to another.
    pub fn active_acts(&self, person: &str, first: NaiveDate, last: NaiveDate) -> Vec<&'a Behavior> {
        use BehaviorKind::{
            BenefitClaim, Browse, Cart, CheckIn, Comment, Consult, Favorite, Follow, GroupJoin, Join, Like,
            PointsRedeem, PositiveReview, Purchase, Recommend, SampleClaim, Search, Share,
        };
        let active = [
            Search,
            Favorite,
            Cart,
            Follow,
            Join,
            SampleClaim,
            BenefitClaim,
            PointsRedeem,
            CheckIn,
            Like,
            Comment,
            Share,
            Consult,
            GroupJoin,
            PositiveReview,
            Recommend,
        ];
        let acts = self.acts_of(person, first, last);
        let browses = acts.iter().filter(|act| act.kind == Browse as i32);
        let browse_days: BTreeSet<NaiveDate> = browses.map(|act| self.day(act)).collect();
        let is_active = |act: &&Behavior| {
            active.iter().any(|kind| act.kind == *kind as i32)
                || (act.kind == Browse as i32 && browse_days.len() >= 2)
                || (act.kind == Purchase as i32 && self.lines.is_empty())
        };
        acts.into_iter().filter(is_active).collect()
    }

    pub fn is_active(&self, person: &str, first: NaiveDate, last: NaiveDate) -> bool {
        !self.active_acts(person, first, last).is_empty() || self.bought(person, first, last)
    }

    /// Rows of a person that are open on a day.
    pub fn open(&self, person: &str, day: NaiveDate) -> Vec<&'a Member> {
        let is_open = |member: &&&Member| {
            member.consumer == person
                && date(&member.joined_at, self.ask.zone) <= day
                && (member.left_at.is_none() || day < date(&member.left_at, self.ask.zone))
        };
        self.members.iter().filter(is_open).copied().collect()
    }

    /// The deepest role on a day; 0 for none.
    pub fn role(&self, person: &str, day: NaiveDate) -> i32 {
        self.open(person, day)
            .iter()
            .map(|member| member.role)
            .max()
            .unwrap_or(0)
    }
}
