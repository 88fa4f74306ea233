//! The people side of NEO brand power: what diagnosis composes with prices and private domain.
//!
//! Source: methodology 6.1. Every numerator is restricted to its denominator's people.

use dualwheel_lake::frames::{Kind, Profiles};
use dualwheel_measure::{Absence, Day, Metric, Scope, Window};

use crate::{
    categories::Categories,
    facts::{Facts, add_all, fold},
    parameters::Parameters,
};

/// Number of the class BRAND of search words in the contract.
const BRAND_WORD: u8 = 1;
/// Number of the class SELLING_POINT.
const SELLING_POINT_WORD: u8 = 2;

/// What is counted, by place in the counts.
#[derive(Clone, Copy)]
enum Counted {
    Buyers,
    PioneerBuyers,
    Visitors,
    BuyingVisitors,
    Recommenders,
    Searchers,
    BrandSearchers,
    SellingPointSearchers,
    LongBuyers,
    Repurchasers,
    /// Behaviours that make visitors.
    Visits,
    /// Searches whose word has a class.
    ClassedSearches,
}

const COUNTS: usize = Counted::ClassedSearches as usize + 1;

type Counts = [i64; COUNTS];

fn add(counts: &mut Counts, what: Counted, number: i64) {
    if let Some(count) = counts.get_mut(what as usize) {
        *count += number;
    }
}

fn get(counts: &Counts, what: Counted) -> i64 {
    counts.get(what as usize).copied().unwrap_or(0)
}

/// Who bears the pioneer label.
#[derive(Clone, Debug)]
pub struct Pioneers {
    by_consumer: Vec<bool>,
    known: i64,
}

impl Pioneers {
    /// Pioneers of `category`; of any category where none is asked for.
    #[must_use]
    pub fn find(profiles: &Profiles, parameters: &Parameters, category: Option<&str>) -> Self {
        let is_pioneer = |label: &String| {
            label
                .strip_prefix(parameters.pioneer_label.as_str())
                .is_some_and(|of| category.is_none_or(|asked| of == asked))
        };
        let consumers = profiles
            .rows
            .iter()
            .map(|row| row.consumer as usize + 1)
            .max()
            .unwrap_or(0);
        let mut pioneers = Self {
            by_consumer: vec![false; consumers],
            known: 0,
        };
        for row in profiles
            .rows
            .iter()
            .filter(|row| row.labels.iter().any(is_pioneer))
        {
            if let Some(slot) = pioneers.by_consumer.get_mut(row.consumer as usize) {
                *slot = true;
                pioneers.known += 1;
            }
        }
        pioneers
    }

    fn has(&self, consumer: u32) -> bool {
        self.by_consumer.get(consumer as usize).copied().unwrap_or(false)
    }
}

/// The seven signals over the scope's window, all ratios of people.
#[must_use]
pub fn measure(
    facts: &Facts,
    pioneers: &Pioneers,
    parameters: &Parameters,
    scope: &Scope<'_>,
    category: Option<&Categories>,
) -> Vec<Metric> {
    let counts = count(facts, pioneers, parameters, scope.window, category);
    let answer = Answer {
        scope,
        counts,
        has_purchases: facts.has_purchase_facts(),
    };
    facts.labelled(answer.metrics(pioneers.known))
}

struct Answer<'a> {
    scope: &'a Scope<'a>,
    counts: Counts,
    has_purchases: bool,
}

impl Answer<'_> {
    fn metrics(&self, pioneers: i64) -> Vec<Metric> {
        let counts = &self.counts;
        let needs_pioneers = (pioneers > 0, "label pioneers in the consumer profiles");
        let needs_purchases = (self.has_purchases, "supply the brand's order lines");
        let needs_visits = (
            get(counts, Counted::Visits) > 0,
            "supply behaviours that make visitors, such as BROWSE",
        );
        let needs_words = (
            get(counts, Counted::ClassedSearches) > 0,
            "supply SEARCH behaviours with the class of their word",
        );
        let share = |id: &str, part, whole, needs: &[(bool, &str)]| {
            let missing = needs.iter().find(|(supplied, _)| !supplied);
            match missing {
                Some((_, cure)) => self.scope.absent(id, Absence::SignalNotSupplied, cure),
                None => self.scope.share(id, get(counts, part), whole),
            }
        };
        let of = |whole| get(counts, whole);
        vec![
            share(
                "neo.novelty.pioneer_density",
                Counted::PioneerBuyers,
                of(Counted::Buyers),
                &[needs_pioneers, needs_purchases],
            ),
            share(
                "neo.novelty.pioneer_penetration",
                Counted::PioneerBuyers,
                pioneers,
                &[needs_pioneers, needs_purchases],
            ),
            share(
                "neo.novelty.selling_point",
                Counted::SellingPointSearchers,
                of(Counted::Searchers),
                &[needs_words],
            ),
            share(
                "neo.engagement.search_heat",
                Counted::BrandSearchers,
                of(Counted::Searchers),
                &[needs_words],
            ),
            share(
                "neo.engagement.recommendation",
                Counted::Recommenders,
                of(Counted::Visitors),
                &[needs_visits],
            ),
            share(
                "neo.solidity.conversion",
                Counted::BuyingVisitors,
                of(Counted::Visitors),
                &[needs_visits, needs_purchases],
            ),
            share(
                "neo.solidity.repurchase",
                Counted::Repurchasers,
                of(Counted::LongBuyers),
                &[needs_purchases],
            ),
        ]
    }
}

fn count(
    facts: &Facts,
    pioneers: &Pioneers,
    parameters: &Parameters,
    window: Window,
    category: Option<&Categories>,
) -> Counts {
    let long = Window::ending(window.last, i32::from(parameters.repurchase_days.get()));
    let reader = Reader {
        facts,
        window,
        long,
        category,
        counts_purchases: facts.purchases_are_behaviors(),
    };
    let (counts, _) = fold(
        facts.consumers(),
        || ([0; COUNTS], Vec::new()),
        |(counts, days), consumer| {
            let person = reader.read(consumer, counts, days);
            let mut note = |what, holds: bool| add(counts, what, i64::from(holds));
            let visitor = person.visits || person.buys;
            note(Counted::Buyers, person.buys);
            note(Counted::PioneerBuyers, person.buys && pioneers.has(consumer));
            note(Counted::Visitors, visitor);
            note(Counted::BuyingVisitors, person.buys);
            note(Counted::Recommenders, visitor && person.recommends);
            note(Counted::Searchers, person.searches);
            note(Counted::BrandSearchers, person.searches_brand);
            note(Counted::SellingPointSearchers, person.searches_selling_point);
            note(Counted::LongBuyers, !days.is_empty());
            note(
                Counted::Repurchasers,
                days.len() >= usize::from(parameters.repurchase_purchase_days.get()),
            );
        },
        |mut one, other| {
            add_all(&mut one.0, &other.0);
            one
        },
    );
    counts
}

/// What one consumer did in the window.
#[derive(Clone, Copy, Default)]
struct Person {
    buys: bool,
    visits: bool,
    recommends: bool,
    searches: bool,
    searches_brand: bool,
    searches_selling_point: bool,
}

struct Reader<'a> {
    facts: &'a Facts,
    window: Window,
    long: Window,
    category: Option<&'a Categories>,
    counts_purchases: bool,
}

impl Reader<'_> {
    /// Reads one consumer; `days` becomes the distinct purchase days of the long window.
    fn read(&self, consumer: u32, counts: &mut Counts, days: &mut Vec<Day>) -> Person {
        days.clear();
        let mut person = Person::default();
        for line in self.facts.orders.of(consumer) {
            if line.is_purchase() && self.covers(line.category) {
                self.buy(&mut person, line.day, days);
            }
        }
        let frame = &self.facts.behaviors;
        let rows = frame.groups.rows(consumer);
        let columns = (frame.kind.get(rows.clone()), frame.day.get(rows.clone()));
        let more = (frame.category.get(rows.clone()), frame.keyword_class.get(rows));
        if let ((Some(kinds), Some(dates)), (Some(categories), Some(classes))) = (columns, more) {
            for ((kind, day), (category, class)) in
                kinds.iter().zip(dates).zip(categories.iter().zip(classes))
            {
                if self.covers(*category) {
                    self.act(&mut person, (*kind, *day, *class), counts, days);
                }
            }
        }
        days.sort_unstable();
        days.dedup();
        person
    }

    fn covers(&self, category: u32) -> bool {
        self.category.is_none_or(|covered| covered.covers(category))
    }

    fn buy(&self, person: &mut Person, day: Day, days: &mut Vec<Day>) {
        person.buys |= self.window.contains(day);
        if self.long.contains(day) && days.last() != Some(&day) {
            days.push(day);
        }
    }

    fn act(
        &self,
        person: &mut Person,
        (kind, day, class): (Kind, Day, u8),
        counts: &mut Counts,
        days: &mut Vec<Day>,
    ) {
        if kind == Kind::Purchase && self.counts_purchases {
            self.buy(person, day, days);
        }
        if !self.window.contains(day) {
            return;
        }
        if kind.is_visit() {
            person.visits = true;
            add(counts, Counted::Visits, 1);
        }
        person.recommends |= matches!(kind, Kind::Recommend | Kind::PositiveReview | Kind::Share);
        if kind == Kind::Search {
            person.searches = true;
            person.searches_brand |= class == BRAND_WORD;
            person.searches_selling_point |= class == SELLING_POINT_WORD;
            add(counts, Counted::ClassedSearches, i64::from(class != 0));
        }
    }
}
