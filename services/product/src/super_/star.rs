//! Star products: flagged, or by the rule over available tests.

use std::collections::BTreeMap;

use dualwheel_measure::{Absence, Label, Metric, Scope};
use serde::{Deserialize, Serialize};

use crate::{
    Parameters,
    cut::Slots,
    goods::{BrandFacts, Good, Roster},
    market::{Bars, GoodsMarket, conversion, refund_rate},
    strangers::{WITHHELD, Withheld},
    visits,
};

/// Goods on sale and stars among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Shelf {
    /// Goods on sale.
    pub on_sale: i64,
    /// Stars among them.
    pub stars: i64,
    /// Goods among them that would be stars or not by a test whose bar may not be disclosed.
    pub withheld: i64,
}

impl Shelf {
    /// Adds other goods.
    pub fn merge(&mut self, other: Self) {
        self.on_sale += other.on_sale;
        self.stars += other.stars;
        self.withheld += other.withheld;
    }
}

/// How stars were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By the supplied flag.
    Flag,
    /// By the rule.
    Rule,
    /// Not at all: fewer tests are available than a star must pass.
    TooFewTests,
}

/// The tests of the star rule that a good on sale has a figure for: GMV, conversion, reviews, refunds.
pub type Available = [bool; 4];

impl Source {
    /// How the stars of a brand are found, of whose goods the tests `available` can be made.
    #[must_use]
    pub fn of(is_flagged: bool, available: Available, parameters: &Parameters) -> Self {
        let tests = available.into_iter().filter(|available| *available).count();
        if is_flagged {
            Self::Flag
        } else if tests >= parameters.star_tests_to_pass {
            Self::Rule
        } else {
            Self::TooFewTests
        }
    }
}

/// How the brand's goods are judged, as only all of them together decide.
#[derive(Clone, Copy, Debug)]
pub struct Judging {
    /// By the supplied flag, because a product has it.
    pub is_flagged: bool,
    /// Something was sold in the window, so that a good without sales fails the test of GMV.
    pub sells: bool,
}

/// Whether any product of the brand has the star flag, so that the rule is not needed.
#[must_use]
pub fn is_flagged(facts: &BrandFacts) -> bool {
    facts.products.rows.iter().any(|row| row.star.is_some())
}

/// Counts the stars of `facts` on `day`, slot by slot, and says which tests could be made.
#[must_use]
pub fn count(
    facts: &BrandFacts,
    scope: &Scope<'_>,
    judging: Judging,
    roster: &Roster,
    market: &GoodsMarket,
    slots: &Slots<'_>,
    parameters: &Parameters,
) -> (Available, Vec<Shelf>) {
    let day = scope.as_of;
    let (available, stars) = if judging.is_flagged {
        let flag = |good: &Good| match good.star {
            Some(true) => Verdict::Star,
            _ => Verdict::None,
        };
        (Available::default(), roster.goods.iter().map(flag).collect())
    } else {
        by_rule(facts, scope, judging.sells, roster, market, parameters)
    };
    let mut shelves = vec![Shelf::default(); slots.count()];
    for (good, star) in roster
        .goods
        .iter()
        .zip(stars)
        .filter(|(good, _)| good.is_on_sale(day))
    {
        slots.each(&mut shelves, good.product, good.category, |shelf| {
            shelf.on_sale += 1;
            shelf.stars += i64::from(star == Verdict::Star);
            shelf.withheld += i64::from(star == Verdict::Withheld);
        });
    }
    (available, shelves)
}

/// Whether a good is a star.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Star,
    None,
    /// It hangs on a test whose bar may not be disclosed.
    Withheld,
}

/// The rule for every good, in the order of the roster. Which tests can be made is decided over the brand's
/// goods on sale, whatever the question's category, so that a category's stars are the same however it is asked for.
fn by_rule(
    facts: &BrandFacts,
    scope: &Scope<'_>,
    sells: bool,
    roster: &Roster,
    market: &GoodsMarket,
    parameters: &Parameters,
) -> (Available, Vec<Verdict>) {
    let (window, day) = (scope.window, scope.as_of);
    let traffic = visits::by_good(facts, window, roster, |_| Some(window));
    let reviews = visits::reviews(facts, window, roster);
    let classes = market.classes(&facts.products.names);
    let mut bars: BTreeMap<u32, Bars> = BTreeMap::new();
    let mut available = Available::default();
    let needed = parameters.star_tests_to_pass;
    let mut stars = Vec::with_capacity(roster.goods.len());
    for ((good, traffic), reviews) in roster.goods.iter().zip(&traffic).zip(&reviews) {
        if !good.is_on_sale(day) {
            stars.push(Verdict::None);
            continue;
        }
        let class = classes.of(good.category);
        let bars = bars
            .entry(class)
            .or_insert_with(|| market.bars(classes.name(class), parameters));
        let enough = i128::from(reviews.all) * i128::from(parameters.star_positive_review_percent);
        let tests: [Option<Result<bool, Withheld>>; 4] = [
            sells.then(|| bars.gmv.map(|bar| passes_gmv(good, bar))),
            conversion(traffic).map(|rate| {
                let passes = |bar: Option<f64>| traffic.buyers > 0 && bar.is_some_and(|bar| rate >= bar);
                bars.conversion.map(passes)
            }),
            (reviews.all > 0).then(|| Ok(i128::from(reviews.positive) * 100 >= enough)),
            refund_rate(good.refund, good.paid)
                .map(|rate| bars.refund.map(|bar| bar.is_some_and(|bar| rate <= bar))),
        ];
        for (available, test) in available.iter_mut().zip(&tests) {
            *available |= test.is_some();
        }
        let of = |result| tests.iter().filter(|test| **test == Some(result)).count();
        let passed = of(Ok(true));
        stars.push(match passed + of(Err(Withheld)) {
            _ if passed >= needed => Verdict::Star,
            possible if possible >= needed => Verdict::Withheld,
            _ => Verdict::None,
        });
    }
    (available, stars)
}

fn passes_gmv(good: &Good, bar: Option<f64>) -> bool {
    good.gmv() > 0 && bar.is_some_and(|bar| good.gmv() as f64 >= bar)
}

/// The metric of one slot.
#[must_use]
pub fn metric(scope: &Scope<'_>, source: Source, shelf: Shelf) -> Metric {
    const ID: &str = "super.star";
    match source {
        Source::TooFewTests if shelf.on_sale > 0 => scope.absent(
            ID,
            Absence::SignalNotSupplied,
            "no star flag (Product.star), and too few of GMV, visits, reviews and refunds to tell stars by rule",
        ),
        Source::Rule if shelf.withheld > 0 => scope
            .absent(ID, Absence::SignalNotSupplied, WITHHELD)
            .with_label(Label::StarByRule),
        Source::Rule => scope.share(ID, shelf.stars, shelf.on_sale).with_label(Label::StarByRule),
        Source::Flag | Source::TooFewTests => scope.share(ID, shelf.stars, shelf.on_sale),
    }
}
