//! The people side of NEO brand power: what diagnosis composes with prices and private domain.
//!
//! Source: methodology 6.1. Every numerator is restricted to its denominator's people.

use std::sync::Arc;

use dualwheel_lake::frames::{KeywordClass, Kind, Profiles, Within};
use dualwheel_measure::{Absence, Ask, Day, Extent, Metric, MetricGroup, Need, Scope, Window};
use serde::{Deserialize, Serialize};

use crate::{
    categories,
    facts::{Counted, Facts, add_all, fold},
    parameters::Parameters,
};

/// What is counted, by place in the counts.
#[derive(Clone, Copy)]
enum Place {
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

const COUNTS: usize = Place::ClassedSearches as usize + 1;

type Counts = [i64; COUNTS];

fn add(counts: &mut Counts, what: Place, number: i64) {
    if let Some(count) = counts.get_mut(what as usize) {
        *count += number;
    }
}

fn get(counts: &Counts, what: Place) -> i64 {
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

/// Metric ids, in the order of an answer.
pub const METRICS: [&str; 7] = [
    "neo.novelty.pioneer_density",
    "neo.novelty.pioneer_penetration",
    "neo.novelty.selling_point",
    "neo.engagement.search_heat",
    "neo.engagement.recommendation",
    "neo.solidity.conversion",
    "neo.solidity.repurchase",
];

/// The people side of NEO as a metric group: seven ratios of people over the scope's window.
#[derive(Clone, Copy, Debug)]
pub struct BrandSignals;

/// What the group reads of some people.
#[derive(Clone, Debug)]
pub struct Part {
    /// What they did for the brand.
    pub people: Facts,
    /// Their profiles, known to the brand or not.
    pub profiles: Arc<Profiles>,
}

/// What is known of some people.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Partial {
    counted: Counted<Counts>,
    /// Pioneers, known to the brand or not.
    pioneers: i64,
}

impl MetricGroup for BrandSignals {
    type Parameters = Parameters;
    type Part = Part;
    type Whole = ();
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "brand_signals"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let (window, long) = (ask.scope.window, long(ask.parameters, ask.scope.window));
        let days = Window {
            first: window.first.min(long.first),
            last: window.last,
        };
        vec![
            Need::of("behaviors", &["kind", "category", "product", "keyword_class"]).within(days),
            Need::of("order_lines", &["category", "product", "quantity"]).within(days),
            Need::of("consumer_profiles", &["labels"]),
            Need::of("products", &["category"]).whole(),
        ]
    }

    fn partial(&self, part: &Part, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let pioneers = Pioneers::find(&part.profiles, ask.parameters, ask.category);
        let category = categories::restriction(ask, &part.people.orders.names);
        let window = ask.scope.window;
        Partial {
            counted: Counted::of(&part.people, extent, |facts| {
                count(facts, &pioneers, ask.parameters, window, category.as_ref())
            }),
            pioneers: pioneers.known,
        }
    }

    fn merge(&self, one: Partial, other: Partial) -> Partial {
        Partial {
            counted: one.counted.merge(other.counted, |sum, more| add_all(sum, &more)),
            pioneers: one.pioneers + other.pioneers,
        }
    }

    fn finish(&self, partial: Partial, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let counted = &partial.counted;
        let answer = Answer {
            scope: &ask.scope.over(ask.scope.window),
            counts: counted.get().copied().unwrap_or_default(),
            has_purchases: counted.purchases().are_supplied(),
        };
        counted.labelled(answer.metrics(partial.pioneers))
    }
}

/// The days in which repurchase is judged.
fn long(parameters: &Parameters, window: Window) -> Window {
    Window::ending(window.last, i32::from(parameters.repurchase_days.get()))
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
            get(counts, Place::Visits) > 0,
            "supply behaviours that make visitors, such as BROWSE",
        );
        let needs_words = (
            get(counts, Place::ClassedSearches) > 0,
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
                Place::PioneerBuyers,
                of(Place::Buyers),
                &[needs_pioneers, needs_purchases],
            ),
            share(
                "neo.novelty.pioneer_penetration",
                Place::PioneerBuyers,
                pioneers,
                &[needs_pioneers, needs_purchases],
            ),
            share(
                "neo.novelty.selling_point",
                Place::SellingPointSearchers,
                of(Place::Searchers),
                &[needs_words],
            ),
            share(
                "neo.engagement.search_heat",
                Place::BrandSearchers,
                of(Place::Searchers),
                &[needs_words],
            ),
            share(
                "neo.engagement.recommendation",
                Place::Recommenders,
                of(Place::Visitors),
                &[needs_visits],
            ),
            share(
                "neo.solidity.conversion",
                Place::BuyingVisitors,
                of(Place::Visitors),
                &[needs_visits, needs_purchases],
            ),
            share(
                "neo.solidity.repurchase",
                Place::Repurchasers,
                of(Place::LongBuyers),
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
    category: Option<&Within>,
) -> Counts {
    let long = long(parameters, window);
    let reader = Reader {
        facts,
        window,
        long,
        category,
    };
    let (counts, _) = fold(
        facts.consumers(),
        || ([0; COUNTS], Vec::new()),
        |(counts, days), consumer| {
            let person = reader.read(consumer, counts, days);
            let mut note = |what, holds: bool| add(counts, what, i64::from(holds));
            let visitor = person.visits || person.buys;
            note(Place::Buyers, person.buys);
            note(Place::PioneerBuyers, person.buys && pioneers.has(consumer));
            note(Place::Visitors, visitor);
            note(Place::BuyingVisitors, person.buys);
            note(Place::Recommenders, visitor && person.recommends);
            note(Place::Searchers, person.searches);
            note(Place::BrandSearchers, person.searches_brand);
            note(Place::SellingPointSearchers, person.searches_selling_point);
            note(Place::LongBuyers, !days.is_empty());
            note(
                Place::Repurchasers,
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
    category: Option<&'a Within>,
}

impl Reader<'_> {
    /// Reads one consumer; `days` becomes the distinct purchase days of the long window.
    fn read(&self, consumer: u32, counts: &mut Counts, days: &mut Vec<Day>) -> Person {
        days.clear();
        let mut person = Person::default();
        for purchase in self.facts.purchases(consumer) {
            if self.covers(purchase.category) {
                self.buy(&mut person, purchase.day, days);
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
                    self.act(&mut person, (*kind, *day, *class), counts);
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
        (kind, day, class): (Kind, Day, Option<KeywordClass>),
        counts: &mut Counts,
    ) {
        if !self.window.contains(day) {
            return;
        }
        if kind.is_visit() {
            person.visits = true;
            add(counts, Place::Visits, 1);
        }
        person.recommends |= matches!(kind, Kind::Recommend | Kind::PositiveReview | Kind::Share);
        if kind == Kind::Search {
            person.searches = true;
            person.searches_brand |= class == Some(KeywordClass::Brand);
            person.searches_selling_point |= class == Some(KeywordClass::SellingPoint);
            add(counts, Place::ClassedSearches, i64::from(class.is_some()));
        }
    }
}
