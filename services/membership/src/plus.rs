//! FAST+ (methodology §5.1): capital, conversion, connection and value of the private domain.

use std::sync::Arc;

use dualwheel_kit::work;
use dualwheel_lake::frames::{
    Behaviors, MemberRow, Members, Orders, Purchases, Reach, Role, Venue, Within,
    members::{deepest, reach_on},
};
use dualwheel_measure::{
    Absence, Ask, Extent, Interval, IntervalAbsence, IntervalMethod, Label, Metric, MetricGroup, Money, Need,
    Quantity, Scope, Window, group::Cases,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Parameters,
    activity::{Activity, Acts},
};

/// Every metric id of the group, in the order in which they are answered.
pub const METRICS: [&str; 7] = [
    "plus.capital",
    "plus.conversion",
    "plus.recruits",
    "plus.leavers",
    "plus.connection",
    "plus.connection.venues",
    "plus.clv",
];

/// What FAST+ can be cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The role: on the last day, and for conversion and leavers on the day before the window.
    Role,
    /// The venue; connection only.
    Venue,
}

impl Cut {
    /// Names of the cuts, as questions spell them.
    pub const NAMES: [&str; 2] = ["role", "venue"];

    /// The cut of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "role" => Some(Self::Role),
            "venue" => Some(Self::Venue),
            _ => None,
        }
    }
}

/// FAST+ as a metric group. A category restricts behaviours and order lines, but not who holds a role.
#[derive(Clone, Copy, Debug)]
pub struct Plus;

/// The facts that FAST+ reads, of some people of a brand.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Behaviours.
    pub behaviors: Arc<Behaviors>,
    /// Order lines.
    pub orders: Arc<Orders>,
    /// Roles.
    pub members: Arc<Members>,
}

/// What is known of some people.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Partial {
    signals: Signals,
    sums: Cases<bool, Sums>,
}

impl MetricGroup for Plus {
    type Parameters = Parameters;
    type Part = Facts;
    type Whole = ();
    type Partial = Partial;

    fn name(&self) -> &'static str {
        "plus"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &Cut::NAMES
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let window = ask.scope.window;
        vec![
            Need::of("behaviors", &["kind", "category", "product", "venue"]).within(window),
            Need::of(
                "order_lines",
                &["category", "product", "quantity", "paid_amount", "refund_amount"],
            )
            .within(window),
            Need::of("members", &["role", "joined_day", "left_day", "reachable_by"]),
            Need::of("products", &["category"]).whole(),
        ]
    }

    fn partial(&self, facts: &Facts, (): &(), extent: Extent, ask: &Ask<'_, Parameters>) -> Partial {
        let window = ask.scope.window;
        let categories = Within::new(&facts.behaviors.names, ask.category);
        let signals = Signals::read(facts, window);
        let count = |case| {
            let acts = Acts {
                behaviors: &facts.behaviors,
                orders: &facts.orders,
                categories: &categories,
                browse_days: ask.parameters.active_browse_days,
                purchases_are_behaviors: case,
            };
            Sums::of(&facts.members, &acts, window)
        };
        Partial {
            signals,
            sums: Cases::count(signals.purchases.cases(extent).iter().copied(), count),
        }
    }

    fn merge(&self, one: Partial, other: Partial) -> Partial {
        Partial {
            signals: one.signals.merge(other.signals),
            sums: one.sums.merge(other.sums, |sum, more| sum.merge(&more)),
        }
    }

    fn finish(&self, partial: Partial, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        // Roles are judged on the window's last day, whatever is known later.
        let scope = ask.scope.over(ask.scope.window);
        let signals = partial.signals;
        if !signals.members {
            let detail = "the brand has no Member facts";
            return METRICS
                .iter()
                .map(|id| scope.absent(id, Absence::SignalNotSupplied, detail))
                .collect();
        }
        let sums = partial.sums.decided(signals.purchases.are_behaviors());
        let sums = sums.unwrap_or_default();
        let mut metrics = sums.whole.answer(&scope, &signals);
        match ask.by.and_then(Cut::named) {
            None => {}
            Some(Cut::Role) => {
                for (role, part) in Role::ALL.into_iter().zip(&sums.by_role) {
                    metrics.extend(part.answer(&scope.cut("role", role.word()), &signals));
                }
            }
            Some(Cut::Venue) => {
                let mut venues = Venue::ALL;
                venues.sort_unstable_by_key(|venue| venue.word());
                for venue in venues {
                    let scope = scope.cut("venue", venue.word());
                    metrics.push(sums.whole.connection_at(venue, &scope, &signals));
                }
            }
        }
        metrics
    }
}

/// What the facts of some people hold.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Signals {
    members: bool,
    behaviors: bool,
    venues: bool,
    purchases: Purchases,
}

impl Signals {
    fn read(facts: &Facts, window: Window) -> Self {
        let behaviors = &facts.behaviors;
        let mut venues = behaviors.venue.iter().zip(&behaviors.day);
        Self {
            members: !facts.members.rows.is_empty(),
            behaviors: !behaviors.is_empty(),
            venues: venues.any(|(venue, day)| venue.is_some() && window.contains(*day)),
            purchases: Purchases::of(Some(behaviors), &facts.orders),
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            members: self.members | other.members,
            behaviors: self.behaviors | other.behaviors,
            venues: self.venues | other.venues,
            purchases: self.purchases.merge(other.purchases),
        }
    }
}

/// Counts of the whole or of one role, all in whole numbers, so that no order of adding matters.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Part {
    capital: i64,
    /// People of Capital who count only because nobody said how they may be reached.
    assumed: i64,
    active: i64,
    by_venue: [i64; Venue::ALL.len()],
    venues: i64,
    venues_squared: i64,
    net: Money,
    net_squared: Money,
    before: i64,
    deeper: i64,
    recruits: i64,
    leavers: i64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Sums {
    whole: Part,
    by_role: [Part; Role::ALL.len()],
}

/// Where one person stands.
struct Standing {
    before: Option<Role>,
    now: Option<Role>,
    /// Whether a permitted channel is known, or assumed, or neither.
    reach: Reach,
}

impl Standing {
    fn of(rows: &[MemberRow], window: Window) -> Self {
        let (yesterday, today) = (window.first.plus(-1), window.last);
        Self {
            before: deepest(rows, yesterday),
            now: deepest(rows, today),
            reach: reach_on(rows, today),
        }
    }

    fn is_capital(&self) -> bool {
        self.now.is_some() && self.reach != Reach::Unreachable
    }
}

impl Sums {
    fn of(members: &Members, acts: &Acts<'_>, window: Window) -> Self {
        let people = members.groups.len();
        let parts = u32::try_from(rayon::current_num_threads()).unwrap_or(1).max(1);
        let size = people.div_ceil(parts).max(1);
        let range =
            |part: u32| part.saturating_mul(size)..part.saturating_add(1).saturating_mul(size).min(people);
        let stop = work::Stop::current();
        (0..parts)
            .into_par_iter()
            .map(|part| {
                let mut sums = Self::default();
                for consumer in range(part) {
                    stop.look();
                    sums.add(members.of(consumer), consumer, acts, window);
                }
                sums
            })
            .reduce(Self::default, |mut sums, more| {
                sums.merge(&more);
                sums
            })
    }

    fn add(&mut self, rows: &[MemberRow], consumer: u32, acts: &Acts<'_>, window: Window) {
        if rows.is_empty() {
            return;
        }
        let standing = Standing::of(rows, window);
        for part in self.parts(standing.before) {
            part.before += 1;
            part.deeper += i64::from(standing.now > standing.before);
            part.leavers += i64::from(standing.now.is_none());
        }
        if standing.before.is_none() {
            self.parts(standing.now).for_each(|part| part.recruits += 1);
        }
        if standing.is_capital() {
            let activity = acts.of(consumer, window);
            let net: Money = acts
                .lines(consumer, window)
                .map(dualwheel_lake::frames::Line::net)
                .sum();
            let assumed = standing.reach == Reach::NotSupplied;
            self.parts(standing.now)
                .for_each(|part| part.add_capital(activity, net, assumed));
        }
    }

    /// The whole and the part of a role; nothing for nobody's role.
    fn parts(&mut self, role: Option<Role>) -> impl Iterator<Item = &mut Part> {
        let place = role.and_then(|role| Role::ALL.iter().position(|other| *other == role));
        let part = place.and_then(|place| self.by_role.get_mut(place));
        role.map(|_| &mut self.whole).into_iter().chain(part)
    }

    fn merge(&mut self, other: &Self) {
        self.whole.merge(&other.whole);
        for (part, more) in self.by_role.iter_mut().zip(&other.by_role) {
            part.merge(more);
        }
    }
}

impl Part {
    fn add_capital(&mut self, activity: Activity, net: Money, assumed: bool) {
        self.capital += 1;
        self.assumed += i64::from(assumed);
        self.net += net;
        self.net_squared = self.net_squared.saturating_add(net.saturating_mul(net));
        if !activity.is_active {
            return;
        }
        self.active += 1;
        let mut venues = 0;
        for (count, venue) in self.by_venue.iter_mut().zip(Venue::ALL) {
            let there = i64::from(activity.venues >> venue as u16 & 1 == 1);
            *count += there;
            venues += there;
        }
        self.venues += venues;
        self.venues_squared += venues * venues;
    }

    fn merge(&mut self, other: &Self) {
        self.capital += other.capital;
        self.assumed += other.assumed;
        self.active += other.active;
        for (count, more) in self.by_venue.iter_mut().zip(other.by_venue) {
            *count += more;
        }
        self.venues += other.venues;
        self.venues_squared += other.venues_squared;
        self.net += other.net;
        self.net_squared = self.net_squared.saturating_add(other.net_squared);
        self.before += other.before;
        self.deeper += other.deeper;
        self.recruits += other.recruits;
        self.leavers += other.leavers;
    }

    /// The metrics in the order of [`METRICS`].
    fn answer(&self, scope: &Scope<'_>, signals: &Signals) -> Vec<Metric> {
        vec![
            self.labelled(scope.count("plus.capital", self.capital)),
            scope.share("plus.conversion", self.deeper, self.before),
            scope.count("plus.recruits", self.recruits),
            scope.count("plus.leavers", self.leavers),
            self.connection(scope, signals),
            self.mean_venues(scope, signals),
            self.clv(scope, signals),
        ]
    }

    fn connection(&self, scope: &Scope<'_>, signals: &Signals) -> Metric {
        let id = "plus.connection";
        if !signals.behaviors && !signals.purchases.lines {
            let detail = "the brand has neither behaviours nor order lines";
            return scope.absent(id, Absence::SignalNotSupplied, detail);
        }
        self.of_acts(scope.share(id, self.active, self.capital), signals)
    }

    fn connection_at(&self, venue: Venue, scope: &Scope<'_>, signals: &Signals) -> Metric {
        let id = "plus.connection";
        if !signals.venues {
            return scope.absent(id, Absence::SignalNotSupplied, NO_VENUES);
        }
        let counts = self.by_venue.iter().zip(Venue::ALL);
        let active = counts
            .filter(|(_, other)| *other == venue)
            .map(|(count, _)| *count)
            .sum();
        self.of_acts(scope.share(id, active, self.capital), signals)
    }

    fn mean_venues(&self, scope: &Scope<'_>, signals: &Signals) -> Metric {
        let id = "plus.connection.venues";
        if !signals.venues {
            return scope.absent(id, Absence::SignalNotSupplied, NO_VENUES);
        }
        let interval = mean_interval(self.active, self.venues.into(), self.venues_squared.into(), 1.0);
        let (venues, active) = (Quantity::Count(self.venues), Quantity::Count(self.active));
        self.of_acts(scope.ratio(id, venues, active, interval), signals)
    }

    fn clv(&self, scope: &Scope<'_>, signals: &Signals) -> Metric {
        let id = "plus.clv";
        if !signals.purchases.lines {
            return scope.absent(id, Absence::SignalNotSupplied, "the brand has no order lines");
        }
        let unit = dualwheel_measure::MONEY_SCALE as f64;
        let interval = mean_interval(self.capital, self.net, self.net_squared, unit);
        self.labelled(scope.ratio(
            id,
            Quantity::Money(self.net),
            Quantity::Count(self.capital),
            interval,
        ))
    }

    fn of_acts(&self, metric: Metric, signals: &Signals) -> Metric {
        let metric = self.labelled(metric);
        if signals.purchases.are_known_by_behaviors() {
            metric.with_label(Label::PurchasesFromBehaviors)
        } else {
            metric
        }
    }

    fn labelled(&self, metric: Metric) -> Metric {
        if self.assumed > 0 {
            metric.with_label(Label::ReachabilityAssumed)
        } else {
            metric
        }
    }
}

const NO_VENUES: &str = "no behaviour of the window names a venue";

/// The 95 % normal interval of a mean of `count` whole numbers, `unit` of which make one of the value.
fn mean_interval(count: i64, sum: i128, squares: i128, unit: f64) -> Result<Interval, IntervalAbsence> {
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
    let half = dualwheel_measure::wilson::Z_95 * (spread as f64 / (n * n * (n - 1.0))).sqrt();
    Ok(Interval {
        low: (mean - half) / unit,
        high: (mean + half) / unit,
        method: IntervalMethod::Normal,
    })
}
