//! START (methodology §4.1): reach, interaction, seeding, traffic and transaction of a brand's contents.
//!
//! One pass over the consumers: the reaches of each are set beside what the same consumer did afterwards. People
//! are distinct within the whole and within every cut; the content that wins a purchase is chosen among all
//! contents first, and the purchase then belongs to that content's cuts.

mod board;
mod followup;
mod scan;
mod signals;
mod tally;

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::{Behaviors, Contents, Orders, Products};
use dualwheel_measure::{
    Absence, Ask, Extent, Interval, IntervalAbsence, IntervalMethod, Label, Metric, MetricGroup, Money, Need,
    Quantity, Scope, group::Cases,
};
use serde::{Deserialize, Serialize};

use crate::Parameters;
use board::Board;
use signals::{Case, Signals, Viewed};
use tally::Tally;

/// Every metric id of the group, in the order in which they are answered.
pub const METRICS: [&str; 16] = [
    "start.reach",
    "start.interaction",
    "start.seeding",
    "start.traffic",
    "start.transaction",
    "start.transaction.assisted",
    "start.quality",
    "start.effect.seeding",
    "start.effect.traffic",
    "start.effect.transaction",
    "start.effect.assisted",
    "start.gmv",
    "start.gmv_per_spend",
    "start.matured",
    "start.plays",
    "start.watch_time",
];

/// What START can be cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The content.
    Content,
    /// Its format.
    Format,
    /// Its channel.
    Channel,
    /// Its author.
    Author,
    /// Each product that it carries.
    Product,
    /// The day of the reach.
    Day,
}

impl Cut {
    /// Every cut.
    pub const ALL: [Self; 6] = [
        Self::Content,
        Self::Format,
        Self::Channel,
        Self::Author,
        Self::Product,
        Self::Day,
    ];

    /// Names of the cuts, as questions spell them.
    pub const NAMES: [&str; 6] = ["content", "format", "channel", "author", "product", "day"];

    /// The cut of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cut| cut.name() == name)
    }

    /// The name, as questions and segments spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Format => "format",
            Self::Channel => "channel",
            Self::Author => "author",
            Self::Product => "product",
            Self::Day => "day",
        }
    }
}

/// START as a metric group.
#[derive(Clone, Copy, Debug)]
pub struct Start;

/// What people did.
#[derive(Clone, Debug)]
pub struct Part {
    /// Behaviours.
    pub behaviors: Arc<Behaviors>,
    /// Order lines.
    pub orders: Arc<Orders>,
}

/// What they met.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Products, for their categories.
    pub products: Arc<Products>,
    /// Contents.
    pub contents: Arc<Contents>,
}

impl Whole {
    fn names_products(&self) -> bool {
        self.contents.rows.iter().any(|row| !row.products.is_empty())
    }
}

/// What is known of some people.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Partial {
    signals: Signals,
    /// Views of each content with a spend, by its key; none where the spend cannot be separated anyway.
    viewed: BTreeMap<String, Viewed>,
    tallies: Cases<Case, Tallies>,
}

/// Tallies of the whole, and of every value of the cut with a view in the window.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Tallies {
    whole: Tally,
    by_value: BTreeMap<String, Tally>,
}

impl Tallies {
    fn merge(&mut self, other: Self) {
        self.whole.merge(&other.whole);
        for (value, tally) in other.by_value {
            self.by_value.entry(value).or_default().merge(&tally);
        }
    }
}

/// With a category, only contents that carry a product of it count, and only those of their products.
impl MetricGroup for Start {
    type Parameters = Parameters;
    type Part = Part;
    type Whole = Whole;
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "start"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &Cut::NAMES
    }

    fn needs(&self, _: &Ask<'_, Parameters>) -> Vec<Need> {
        // Spend is shared out over all views of a content, and what was bought before counts: all days.
        vec![
            Need::of("behaviors", &["kind", "product", "content", "dwell_ms"]),
            Need::of(
                "order_lines",
                &["product", "quantity", "paid_amount", "refund_amount"],
            ),
            Need::of("products", &["category"]).whole(),
            Need::of(
                "contents",
                &["format", "channel", "author", "products", "spend", "duration_s"],
            )
            .whole(),
        ]
    }

    fn partial(&self, part: &Part, whole: &Whole, extent: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let (signals, views) = Signals::read(part, &ask.scope);
        let cut = ask.by.and_then(Cut::named);
        let facts = (part, whole);
        let board = Board::build(facts, ask.parameters, &views, cut, ask.category, ask.scope.window);
        let count = |case| {
            let mut tallies = scan::scan(part, ask.parameters, case, &board, &ask.scope).into_iter();
            let whole = tallies.next().unwrap_or_default();
            let by_value = board.values().map(str::to_owned).zip(tallies);
            Tallies {
                whole,
                by_value: by_value.filter(|(_, tally)| tally.views > 0).collect(),
            }
        };
        Partial {
            signals,
            viewed: viewed(&views, whole, ask),
            tallies: Cases::count(signals.cases(extent), count),
        }
    }

    fn merge(&self, mut one: Partial, other: Partial) -> Partial {
        for (content, more) in other.viewed {
            one.viewed.entry(content).or_default().merge(more);
        }
        Partial {
            signals: one.signals.merge(other.signals),
            viewed: one.viewed,
            tallies: one.tallies.merge(other.tallies, Tallies::merge),
        }
    }

    fn finish(&self, partial: Partial, whole: &Whole, ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        let (scope, signals) = (&ask.scope, partial.signals);
        if !signals.views {
            let detail = "the brand has no CONTENT_VIEW or LIVE_WATCH that names a content";
            return METRICS
                .iter()
                .map(|id| scope.absent(id, Absence::SignalNotSupplied, detail))
                .collect();
        }
        let tallies = partial.tallies.decided(signals.case()).unwrap_or_default();
        let cut = ask.by.and_then(Cut::named);
        let spends = Spends::of(&partial.viewed, whole, cut);
        let answer = Answer {
            signals,
            carried: whole.names_products(),
        };
        let spend_is_split = ask.category.is_some();
        let mut metrics = answer.metrics(&tallies.whole, scope, (!spend_is_split).then_some(spends.whole));
        let Some(cut) = cut else { return metrics };
        let spend_is_split = spend_is_split || matches!(cut, Cut::Product | Cut::Day);
        for (value, tally) in &tallies.by_value {
            let spend = (!spend_is_split).then(|| spends.by_value.get(value).copied());
            metrics.extend(answer.metrics(tally, &scope.cut(cut.name(), value), spend));
        }
        metrics
    }
}

/// Views of every content with a spend. With a category there is no telling which part of it went where.
fn viewed(views: &[Viewed], whole: &Whole, ask: &Ask<'_, Parameters>) -> BTreeMap<String, Viewed> {
    if ask.category.is_some() {
        return BTreeMap::new();
    }
    let keys = whole.contents.names.contents.view();
    let with_spend = whole.contents.rows.iter().filter(|row| row.spend.is_some());
    with_spend
        .filter_map(|row| {
            let viewed = views.get(row.content as usize)?;
            viewed.any().then(|| (keys.key(row.content).to_owned(), *viewed))
        })
        .collect()
}

/// What of the spend of contents with views in the window falls on it.
#[derive(Default)]
struct Spends {
    whole: Option<Money>,
    by_value: BTreeMap<String, Money>,
}

impl Spends {
    fn of(viewed: &BTreeMap<String, Viewed>, whole: &Whole, cut: Option<Cut>) -> Self {
        let keys = whole.contents.names.contents.view();
        let mut spends = Self::default();
        for row in &whole.contents.rows {
            let key = keys.key(row.content);
            let (Some(spend), Some(viewed)) = (row.spend, viewed.get(key)) else {
                continue;
            };
            if viewed.within == 0 {
                continue;
            }
            let share = viewed.share_of(Money::from(spend));
            *spends.whole.get_or_insert(0) += share;
            if let Some(value) = board::value_of(whole, cut, Some(row), key, row.products.is_empty()) {
                *spends.by_value.entry(value).or_insert(0) += share;
            }
        }
        spends
    }
}

/// What all tallies are read by.
struct Answer {
    signals: Signals,
    /// Whether any content names the products that it carries.
    carried: bool,
}

impl Answer {
    /// The metrics of one tally, in the order of [`METRICS`]; `spend` is missing where it cannot be separated.
    fn metrics(&self, tally: &Tally, scope: &Scope<'_>, spend: Option<Option<Money>>) -> Vec<Metric> {
        let reached = tally.reached.count;
        let mut metrics = vec![scope.count("start.reach", reached)];
        metrics.extend(self.acts(tally, scope));
        metrics.extend(self.ratios(tally, scope));
        metrics.push(self.gmv(tally, scope));
        metrics.push(self.gmv_per_spend(tally, scope, spend));
        metrics.push(scope.share("start.matured", tally.matured, tally.reaches));
        if self.signals.case().dwell_assumed {
            metrics = metrics
                .into_iter()
                .map(|metric| metric.with_label(Label::DwellAssumed))
                .collect();
        }
        metrics.push(scope.count("start.plays", tally.plays));
        metrics.push(watch_time(tally, scope));
        metrics
    }

    /// The counts of people who did something after, or while, they were reached.
    fn acts(&self, tally: &Tally, scope: &Scope<'_>) -> Vec<Metric> {
        let count = |id: &str, missing: Option<&str>, count: i64| match missing {
            Some(detail) => scope.absent(id, Absence::SignalNotSupplied, detail),
            None => scope.count(id, count),
        };
        let purchases = self.signals.missing_purchases(self.carried);
        vec![
            count(
                "start.interaction",
                self.signals.missing_interaction(),
                tally.interacted.count,
            ),
            self.labelled(count(
                "start.seeding",
                self.signals.missing_seeding(self.carried),
                tally.seeded.count,
            )),
            count("start.traffic", self.signals.missing_traffic(), tally.drawn.count),
            self.labelled(count("start.transaction", purchases, tally.direct.count)),
            self.labelled(count(
                "start.transaction.assisted",
                purchases,
                tally.assisted.count,
            )),
        ]
    }

    /// The shares of those people in the people reached: quality and effect.
    fn ratios(&self, tally: &Tally, scope: &Scope<'_>) -> Vec<Metric> {
        let share = |id: &str, missing: Option<&str>, part: i64, whole: i64| match missing {
            Some(detail) => scope.absent(id, Absence::SignalNotSupplied, detail),
            None => scope.share(id, part, whole),
        };
        let (reached, carrying) = (tally.reached.count, tally.carrying.count);
        let (seeding, purchases) = (
            self.signals.missing_seeding(self.carried),
            self.signals.missing_purchases(self.carried),
        );
        let (direct, assisted) = (tally.direct.count, tally.assisted.count);
        vec![
            share(
                "start.quality",
                self.signals.missing_interaction(),
                tally.interacted.count,
                reached,
            ),
            self.labelled(share(
                "start.effect.seeding",
                seeding,
                tally.seeded.count,
                carrying,
            )),
            share(
                "start.effect.traffic",
                self.signals.missing_traffic(),
                tally.drawn.count,
                reached,
            ),
            self.labelled(share("start.effect.transaction", purchases, direct, carrying)),
            self.labelled(share("start.effect.assisted", purchases, assisted, carrying)),
        ]
    }

    /// Net GMV of direct transactions.
    fn gmv(&self, tally: &Tally, scope: &Scope<'_>) -> Metric {
        match self.signals.missing_money(self.carried) {
            Some(detail) => scope.absent("start.gmv", Absence::SignalNotSupplied, detail),
            None => scope.money("start.gmv", tally.gmv),
        }
    }

    /// Net GMV of direct transactions won by contents with a known spend ÷ what of the spend of those with views falls on the
    /// window.
    fn gmv_per_spend(&self, tally: &Tally, scope: &Scope<'_>, spend: Option<Option<Money>>) -> Metric {
        let id = "start.gmv_per_spend";
        let Some(spend) = spend else {
            let detail = "spend is supplied for a content as a whole, not by product, category or day";
            return scope.absent(id, Absence::SignalNotSupplied, detail);
        };
        if let Some(detail) = self.signals.missing_money(self.carried) {
            return scope.absent(id, Absence::SignalNotSupplied, detail);
        }
        match spend {
            // One amount stands for all people reached: there are no units to resample.
            Some(spend) => scope.ratio(
                id,
                Quantity::Money(tally.gmv_with_spend),
                Quantity::Money(spend),
                Err(IntervalAbsence::NoUnitData),
            ),
            None => {
                let detail = "no content with views in the window has its spend supplied";
                scope.absent(id, Absence::SignalNotSupplied, detail)
            }
        }
    }

    /// Notes on a metric that reads purchases where they came from.
    fn labelled(&self, metric: Metric) -> Metric {
        if self.signals.purchases().are_known_by_behaviors() {
            metric.with_label(Label::PurchasesFromBehaviors)
        } else {
            metric
        }
    }
}

/// Mean dwell of the plays that tell it, in seconds, with the normal interval of a mean.
fn watch_time(tally: &Tally, scope: &Scope<'_>) -> Metric {
    let id = "start.watch_time";
    if tally.plays > 0 && tally.timed == 0 {
        return scope.absent(
            id,
            Absence::SignalNotSupplied,
            "no play of the window tells its dwell time",
        );
    }
    let seconds = tally.dwell_ms as f64 / 1_000.0;
    let interval = mean_interval(tally.timed, tally.dwell_ms, tally.dwell_ms_squared);
    scope.ratio(
        id,
        Quantity::Real(seconds),
        Quantity::Count(tally.timed),
        interval,
    )
}

/// The 95 % normal interval of a mean of `count` values in milliseconds, in seconds.
fn mean_interval(count: i64, sum: i128, squares: i128) -> Result<Interval, IntervalAbsence> {
    if count < 2 {
        return Err(IntervalAbsence::NoUnitData);
    }
    let n = count as f64;
    let mean = sum as f64 / n;
    // n·Σx² − (Σx)² is exact in whole numbers, so that no digits cancel.
    let spread = i128::from(count)
        .saturating_mul(squares)
        .saturating_sub(sum.saturating_mul(sum))
        .max(0);
    let variance = spread as f64 / (n * (n - 1.0));
    let half = dualwheel_measure::wilson::Z_95 * (variance / n).sqrt();
    let (low, high) = ((mean - half) / 1_000.0, (mean + half) / 1_000.0);
    Ok(Interval {
        low,
        high,
        method: IntervalMethod::Normal,
    })
}
