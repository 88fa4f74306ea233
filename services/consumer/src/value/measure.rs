//! The metrics of RFM and of customer value.

use std::collections::{BTreeMap, HashMap};

use dualwheel_kit::work;
use dualwheel_lake::frames::{Members, Names, Orders, Reach, Role, Within, members::reach_on};
use dualwheel_measure::{
    Absence, Day, Interval, IntervalAbsence, IntervalMethod, Label, Metric, Money, Quantity, Scope, Window,
    bootstrap::RatioGroups, sum,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    History, Refusal, bgnbd, gamma_gamma,
    rfm::{self, Buyer},
};
use crate::parameters::Parameters;

/// Two-sided 95 % quantile of the normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;
/// Why customers without repeats have no value.
const NO_MEAN: &str =
    "a customer without a repeat purchase has no expected value: q of Gamma-Gamma is at most 1";

/// Models of a brand's customers, and what they foresee of each.
#[derive(Clone, Debug)]
pub struct Valued {
    /// Model of purchases, or why there is none.
    pub purchases: Result<bgnbd::Model, Refusal>,
    /// Model of spending, or why there is none.
    pub spending: Result<gamma_gamma::Model, Refusal>,
    /// Correlation of value and frequency over repeat customers.
    pub correlation: f64,
    /// Repeat customers whose spending was fitted.
    pub spenders: usize,
    /// Every customer, in the order of the histories.
    pub customers: Vec<Forecast>,
}

/// What is foreseen of one customer within the horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The purchases so far.
    pub history: History,
    /// Times of these, in weeks.
    pub timing: bgnbd::Timing,
    /// Probability of being alive.
    pub alive: Option<f64>,
    /// Expected purchases.
    pub purchases: Option<f64>,
    /// Expected value of a purchase, in currency units.
    pub purchase_value: Option<f64>,
    /// Discounted expected value, in currency units.
    pub lifetime_value: Option<f64>,
}

/// Fits both models to histories as of `end`, and foresees `weeks` for everyone.
#[must_use]
pub fn value(histories: &[History], end: Day, weeks: u32, parameters: &Parameters) -> Valued {
    let fewest = usize::from(parameters.value_repeaters.get());
    let timings: Vec<bgnbd::Timing> = histories.iter().map(|history| history.timing(end)).collect();
    let spendings: Vec<gamma_gamma::Spending> = histories.iter().filter_map(History::spending).collect();
    let limits = gamma_gamma::Limits {
        repeaters: fewest,
        correlation: parameters.value_correlation,
    };
    let purchases = bgnbd::Model::fit(&timings, fewest);
    let spending = gamma_gamma::Model::fit(&spendings, limits);
    let futures = purchases
        .as_ref()
        .map(|model| futures(model, &timings, weeks, parameters.value_discount));
    let foresee = |(history, timing): (&History, &bgnbd::Timing)| {
        let future = futures
            .as_ref()
            .ok()
            .and_then(|futures| futures.get(&key(timing)));
        let purchase_value = spending
            .as_ref()
            .ok()
            .and_then(|model| model.expected(history.spending()));
        Forecast {
            history: *history,
            timing: *timing,
            alive: future.map(|future| future.alive),
            purchases: future.map(|future| future.purchases),
            purchase_value,
            lifetime_value: future
                .zip(purchase_value)
                .map(|(future, value)| future.discounted * value),
        }
    };
    let customers = histories.par_iter().zip(&timings).map(foresee).collect();
    Valued {
        correlation: gamma_gamma::correlation(&spendings),
        spenders: spendings.len(),
        purchases,
        spending,
        customers,
    }
}

/// What a model of purchases foresees of a timing.
struct Future {
    alive: f64,
    purchases: f64,
    discounted: f64,
}

/// A timing as a key: equal timings have equal bits, since all come from whole days.
fn key(timing: &bgnbd::Timing) -> (u32, u64, u64) {
    (timing.repeats, timing.recency.to_bits(), timing.age.to_bits())
}

/// The future of every distinct timing: many customers share one.
fn futures(
    model: &bgnbd::Model,
    timings: &[bgnbd::Timing],
    weeks: u32,
    discount: f64,
) -> HashMap<(u32, u64, u64), Future> {
    let distinct: HashMap<_, bgnbd::Timing> = timings.iter().map(|timing| (key(timing), *timing)).collect();
    work::step("foreseeing purchases", distinct.len());
    let future = |(key, timing): (&(u32, u64, u64), &bgnbd::Timing)| {
        work::advance(1);
        let future = Future {
            alive: model.p_alive(*timing),
            purchases: model.expected(*timing, f64::from(weeks)),
            discounted: model.discounted(*timing, weeks, discount),
        };
        (*key, future)
    };
    distinct.par_iter().map(future).collect()
}

impl Valued {
    /// The metrics of the scope.
    #[must_use]
    pub fn metrics(&self, scope: &Scope<'_>) -> Vec<Metric> {
        let n = self.customers.len();
        let repeaters = self
            .customers
            .iter()
            .filter(|one| one.history.repeats > 0)
            .count();
        let mut metrics = vec![
            scope.count("value.customers", n as i64),
            scope.share("value.repeaters", repeaters as i64, n as i64),
        ];
        let refused = |id: &str, refusal: &Refusal| scope.absent(id, refusal.absence(), &refusal.to_string());
        let total = |id: &str, of: fn(&Forecast) -> Option<f64>| {
            let total = sum(self.customers.iter().filter_map(of));
            scope.real(id, total, Err(IntervalAbsence::NoUnitData))
        };
        match &self.purchases {
            Ok(_) => metrics.extend([
                total("value.alive", |one| one.alive),
                total("value.expected_purchases", |one| one.purchases),
            ]),
            Err(refusal) => metrics.extend([
                refused("value.alive", refusal),
                refused("value.expected_purchases", refusal),
            ]),
        }
        match &self.spending {
            Ok(model) => {
                let unvalued = self.customers.iter().filter(|one| one.purchase_value.is_none());
                metrics.extend([
                    match model.expected(None) {
                        Some(value) => {
                            scope.real("value.purchase_value", value, Err(IntervalAbsence::NoUnitData))
                        }
                        None => scope.absent("value.purchase_value", Absence::Undetermined, NO_MEAN),
                    },
                    scope.count("value.unvalued", unvalued.count() as i64),
                ]);
            }
            Err(refusal) => metrics.extend([
                refused("value.purchase_value", refusal),
                refused("value.unvalued", refusal),
            ]),
        }
        metrics.push(match (&self.purchases, &self.spending) {
            (Ok(_), Ok(_)) => self.lifetime_value(scope),
            (Err(refusal), _) | (_, Err(refusal)) => refused("value.lifetime_value", refusal),
        });
        metrics
    }

    /// The metrics of the people of Capital who have bought, whose `standings` come in the order of the customers: by the
    /// deepest role of each. What one purchase is worth does not depend on roles and is left out.
    #[must_use]
    pub fn by_role(&self, standings: &[Option<Standing>], scope: &Scope<'_>) -> Vec<Metric> {
        let mut parts: BTreeMap<Role, (Vec<Forecast>, bool)> = BTreeMap::new();
        for (one, standing) in self.customers.iter().zip(standings) {
            if let Some(Standing { role, is_assumed }) = standing {
                let (people, assumed) = parts.entry(*role).or_default();
                people.push(*one);
                *assumed |= is_assumed;
            }
        }
        let of_role = |role: Role| {
            let (customers, assumed) = parts.remove(&role).unwrap_or_default();
            let part = Self {
                purchases: self.purchases.clone(),
                spending: self.spending.clone(),
                customers,
                ..*self
            };
            let mut metrics = part.metrics(&scope.cut("role", role.word()));
            metrics.retain(|metric| metric.id != "value.purchase_value");
            metrics.into_iter().map(move |metric| {
                if assumed {
                    metric.with_label(Label::ReachabilityAssumed)
                } else {
                    metric
                }
            })
        };
        Role::ALL.into_iter().flat_map(of_role).collect()
    }

    /// The mean over the customers who have a value, with its normal interval.
    fn lifetime_value(&self, scope: &Scope<'_>) -> Metric {
        let values: Vec<f64> = self
            .customers
            .iter()
            .filter_map(|one| one.lifetime_value)
            .collect();
        if values.is_empty() && !self.customers.is_empty() {
            return scope.absent("value.lifetime_value", Absence::Undetermined, NO_MEAN);
        }
        let n = values.len() as f64;
        let total = sum(values.iter().copied());
        let mean = total / n;
        let variance = sum(values.iter().map(|value| (value - mean).powi(2))) / (n - 1.0).max(1.0);
        let reach = NORMAL_95 * (variance / n).sqrt();
        let interval = Interval {
            low: mean - reach,
            high: mean + reach,
            method: IntervalMethod::Normal,
        };
        scope.ratio(
            "value.lifetime_value",
            Quantity::Real(total),
            Quantity::Count(values.len() as i64),
            Ok(interval),
        )
    }
}

/// Where one of the people of Capital stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Standing {
    /// Deepest role.
    pub role: Role,
    /// Whether the person counts as reachable only because nobody said how.
    pub is_assumed: bool,
}

impl Standing {
    /// Where a consumer stands on `day`; nowhere who has no role, or cannot be reached.
    #[must_use]
    pub fn of(members: &Members, consumer: u32, day: Day) -> Option<Self> {
        let (role, reach) = (
            members.role_on(consumer, day)?,
            reach_on(members.of(consumer), day),
        );
        (reach != Reach::Unreachable).then_some(Self {
            role,
            is_assumed: reach == Reach::NotSupplied,
        })
    }
}

/// Those who bought in `window`, in the given categories where there are some, by key.
#[must_use]
pub fn buyers(orders: &Orders, window: Window, category: Option<&Within>) -> BTreeMap<String, Buyer> {
    let keys = orders.names.consumers.view();
    let each = orders.groups.consumers();
    each.filter_map(|consumer| {
        let (mut days, mut net): (Vec<Day>, Money) = (Vec::new(), 0);
        for line in orders.of(consumer) {
            let counts = category.is_none_or(|category| category.covers(line.category));
            if counts && window.contains(line.day) {
                net += line.net();
                if line.is_purchase() {
                    days.push(line.day);
                }
            }
        }
        days.sort_unstable();
        days.dedup();
        let buyer = Buyer {
            recency: window.last.0 - days.last()?.0,
            frequency: u32::try_from(days.len()).unwrap_or(u32::MAX),
            monetary: net,
        };
        Some((keys.key(consumer).to_owned(), buyer))
    })
    .collect()
}

/// The RFM metrics of the whole and of each group.
#[must_use]
pub fn rfm(buyers: &BTreeMap<String, Buyer>, scope: &Scope<'_>) -> Vec<Metric> {
    let people: Vec<Buyer> = buyers.values().copied().collect();
    let groups = rfm::groups(&rfm::points(&people));
    // Everyone is below the line of every share.
    let mut everyone = RatioGroups::default();
    for (key, buyer) in buyers {
        everyone.add(key, 0, buyer.monetary);
    }
    let mut parts: BTreeMap<rfm::Group, Part> = BTreeMap::new();
    for ((key, buyer), group) in buyers.iter().zip(&groups) {
        let part = parts.entry(*group).or_insert_with(|| Part::new(&everyone));
        part.people += 1;
        part.net += buyer.monetary;
        part.units.add(key, buyer.monetary, 0);
    }
    let whole: Money = people.iter().map(|buyer| buyer.monetary).sum();
    let of_whole = Quantity::Money(whole);
    let mut metrics = vec![
        scope.count("rfm.customers", buyers.len() as i64),
        scope.money("rfm.net_gmv", whole),
        scope.ratio(
            "rfm.net_gmv_share",
            of_whole,
            of_whole,
            Err(IntervalAbsence::ExactIdentity),
        ),
    ];
    let nobody = Part::new(&everyone);
    for group in rfm::Group::ALL {
        let (scope, part) = (
            scope.cut("rfm_group", group.id()),
            parts.get(&group).unwrap_or(&nobody),
        );
        metrics.extend([
            scope.count("rfm.customers", part.people),
            scope.money("rfm.net_gmv", part.net),
            scope.ratio_of_sums(
                "rfm.net_gmv_share",
                Quantity::Money(part.net),
                of_whole,
                &part.units,
            ),
        ]);
    }
    metrics
}

/// What an RFM group holds.
struct Part {
    people: i64,
    net: Money,
    /// Its net GMV, and that of everyone, by the hash of their keys.
    units: RatioGroups,
}

impl Part {
    fn new(everyone: &RatioGroups) -> Self {
        Self {
            people: 0,
            net: 0,
            units: everyone.clone(),
        }
    }
}

/// The forecasts with the keys of their consumers, in the order of the keys.
#[must_use]
pub fn by_key(customers: &[Forecast], names: &Names) -> Vec<(String, Forecast)> {
    let keys = names.consumers.view();
    let mut named: Vec<(String, Forecast)> = customers
        .iter()
        .map(|one| (keys.key(one.history.consumer).to_owned(), *one))
        .collect();
    named.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    named
}
