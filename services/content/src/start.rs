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

use dualwheel_lake::frames::{Behaviors, Contents, Orders, Products};
use dualwheel_measure::{Absence, Interval, IntervalAbsence, IntervalMethod, Label, Metric, Quantity, Scope};

use crate::Parameters;
use board::Board;
use signals::{Purchases, Signals};
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

/// The facts that START reads, of one brand.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Behaviours.
    pub behaviors: &'a Behaviors,
    /// Order lines.
    pub orders: &'a Orders,
    /// Products, for their categories.
    pub products: &'a Products,
    /// Contents.
    pub contents: &'a Contents,
}

/// START for the whole, then for every value of `cut` with at least one view in the window, sorted by value.
///
/// With a `category`, only contents that carry a product of it count, and only those of their products.
#[must_use]
pub fn start(
    facts: Facts<'_>,
    parameters: &Parameters,
    cut: Option<Cut>,
    category: Option<&str>,
    scope: &Scope<'_>,
) -> Vec<Metric> {
    let signals = Signals::read(facts, scope);
    if !signals.views {
        let detail = "the brand has no CONTENT_VIEW or LIVE_WATCH that names a content";
        return METRICS
            .iter()
            .map(|id| scope.absent(id, Absence::SignalNotSupplied, detail))
            .collect();
    }
    let board = Board::build(facts, parameters, &signals, cut, category, scope.window);
    let mut tallies = scan::scan(facts, parameters, &signals, &board, scope);
    board.add_spend(&mut tallies);
    let spend_is_split = category.is_some();
    let mut tallies = tallies.into_iter();
    let whole = tallies.next().unwrap_or_default();
    let mut metrics = answer(&whole, scope, &signals, spend_is_split);
    let Some(cut) = cut else { return metrics };
    let spend_is_split = spend_is_split || matches!(cut, Cut::Product | Cut::Day);
    let mut segments: Vec<(&str, Tally)> = board
        .values()
        .zip(tallies)
        .filter(|(_, tally)| tally.views > 0)
        .collect();
    segments.sort_by(|a, b| a.0.cmp(b.0));
    for (value, tally) in segments {
        metrics.extend(answer(
            &tally,
            &scope.cut(cut.name(), value),
            &signals,
            spend_is_split,
        ));
    }
    metrics
}

/// The metrics of one tally, in the order of [`METRICS`].
fn answer(tally: &Tally, scope: &Scope<'_>, signals: &Signals, spend_is_split: bool) -> Vec<Metric> {
    let reached = tally.reached.count;
    let mut metrics = vec![scope.count("start.reach", reached)];
    metrics.extend(acts(tally, scope, signals));
    metrics.extend(ratios(tally, scope, signals));
    metrics.push(gmv(tally, scope, signals));
    metrics.push(gmv_per_spend(tally, scope, signals, spend_is_split));
    metrics.push(scope.share("start.matured", tally.matured, tally.reaches));
    if signals.dwell_assumed() {
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
fn acts(tally: &Tally, scope: &Scope<'_>, signals: &Signals) -> Vec<Metric> {
    let count = |id: &str, missing: Option<&str>, count: i64| match missing {
        Some(detail) => scope.absent(id, Absence::SignalNotSupplied, detail),
        None => scope.count(id, count),
    };
    let purchases = signals.missing_purchases();
    vec![
        count(
            "start.interaction",
            signals.missing_interaction(),
            tally.interacted.count,
        ),
        labelled(
            count("start.seeding", signals.missing_seeding(), tally.seeded.count),
            signals,
        ),
        count("start.traffic", signals.missing_traffic(), tally.drawn.count),
        labelled(count("start.transaction", purchases, tally.direct.count), signals),
        labelled(
            count("start.transaction.assisted", purchases, tally.assisted.count),
            signals,
        ),
    ]
}

/// The shares of those people in the people reached: quality and effect.
fn ratios(tally: &Tally, scope: &Scope<'_>, signals: &Signals) -> Vec<Metric> {
    let share = |id: &str, missing: Option<&str>, part: i64, whole: i64| match missing {
        Some(detail) => scope.absent(id, Absence::SignalNotSupplied, detail),
        None => scope.share(id, part, whole),
    };
    let (reached, carrying) = (tally.reached.count, tally.carrying.count);
    let (seeding, purchases) = (signals.missing_seeding(), signals.missing_purchases());
    let (direct, assisted) = (tally.direct.count, tally.assisted.count);
    vec![
        share(
            "start.quality",
            signals.missing_interaction(),
            tally.interacted.count,
            reached,
        ),
        labelled(
            share("start.effect.seeding", seeding, tally.seeded.count, carrying),
            signals,
        ),
        share(
            "start.effect.traffic",
            signals.missing_traffic(),
            tally.drawn.count,
            reached,
        ),
        labelled(
            share("start.effect.transaction", purchases, direct, carrying),
            signals,
        ),
        labelled(
            share("start.effect.assisted", purchases, assisted, carrying),
            signals,
        ),
    ]
}

/// Net GMV of direct transactions.
fn gmv(tally: &Tally, scope: &Scope<'_>, signals: &Signals) -> Metric {
    match signals.missing_money() {
        Some(detail) => scope.absent("start.gmv", Absence::SignalNotSupplied, detail),
        None => scope.money("start.gmv", tally.gmv),
    }
}

/// Net GMV of direct transactions won by contents with a known spend ÷ what of the spend of those with views falls on the
/// window.
fn gmv_per_spend(tally: &Tally, scope: &Scope<'_>, signals: &Signals, spend_is_split: bool) -> Metric {
    let id = "start.gmv_per_spend";
    if spend_is_split {
        let detail = "spend is supplied for a content as a whole, not by product, category or day";
        return scope.absent(id, Absence::SignalNotSupplied, detail);
    }
    if let Some(detail) = signals.missing_money() {
        return scope.absent(id, Absence::SignalNotSupplied, detail);
    }
    match tally.spend {
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

/// Notes on a metric that reads purchases where they came from.
fn labelled(metric: Metric, signals: &Signals) -> Metric {
    match signals.purchases {
        Purchases::Behaviors => metric.with_label(Label::PurchasesFromBehaviors),
        Purchases::Orders | Purchases::None => metric,
    }
}
