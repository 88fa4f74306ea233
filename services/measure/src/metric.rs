//! A metric value that can stand on its own, and the scope in which metrics are made.

use crate::{Day, Entry, Money, Window, bootstrap::RatioGroups, money_to_f64, wilson};

/// Unit of a metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Distinct consumers.
    People,
    /// A ratio, 1 meaning 100 %.
    Ratio,
    /// Money in the tenant's currency.
    Money,
    /// Products.
    Products,
    /// Hours.
    Hours,
    /// Seconds.
    Seconds,
    /// Days.
    Days,
    /// Points from 0 to 100.
    Points,
    /// Anything else that is counted.
    Count,
}

impl Unit {
    /// The name in contracts and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Ratio => "ratio",
            Self::Money => "money",
            Self::Products => "products",
            Self::Hours => "hours",
            Self::Seconds => "seconds",
            Self::Days => "days",
            Self::Points => "points",
            Self::Count => "count",
        }
    }
}

/// One side of a ratio, or a counted value, in the kind of number that keeps it exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A whole number.
    Count(i64),
    /// Money.
    Money(Money),
    /// Any other number.
    Real(f64),
}

impl Quantity {
    /// The number, for ratios.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Money(money) => money_to_f64(money),
            Self::Real(real) => real,
        }
    }
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// The denominator is zero.
    NoDenominator,
    /// No fact covers the question.
    NoData,
    /// The kind of fact that the metric needs was never supplied for this question.
    SignalNotSupplied,
    /// Fewer than three members of the reference set have a value.
    TooFewPeers,
    /// The owner of the metric did not answer.
    ServiceUnavailable,
    /// The facts are there, but do not determine the model that the value comes from.
    Undetermined,
}

/// How an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMethod {
    /// Wilson score interval.
    Wilson,
    /// Seeded bootstrap.
    Bootstrap,
    /// Normal interval of a mean.
    Normal,
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Method.
    pub method: IntervalMethod,
}

/// Why there is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalAbsence {
    /// A plain count of a whole population.
    PlainCount,
    /// A sum or identity, not an estimate.
    ExactIdentity,
    /// The units are not available to resample, or too few.
    NoUnitData,
    /// There is no value.
    NoValue,
}

/// An assumption that the reader must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Reachability was not supplied; everyone was counted as reachable.
    ReachabilityAssumed,
    /// Dwell time was not supplied; every view was counted as a reach.
    DwellAssumed,
    /// The market is the sum of the tenant's own brands.
    MarketFromTenantBrands,
    /// The star flag was not supplied; the rule over available tests decided.
    StarByRule,
    /// Purchases came as behaviours; there are no order lines.
    PurchasesFromBehaviors,
}

impl Label {
    /// The name in contracts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReachabilityAssumed => "REACHABILITY_ASSUMED",
            Self::DwellAssumed => "DWELL_ASSUMED",
            Self::MarketFromTenantBrands => "MARKET_FROM_TENANT_BRANDS",
            Self::StarByRule => "STAR_BY_RULE",
            Self::PurchasesFromBehaviors => "PURCHASES_FROM_BEHAVIORS",
        }
    }

    /// What it says about the metric.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ReachabilityAssumed => {
                "no role says how its person may be reached, so everyone counts as reachable"
            }
            Self::DwellAssumed => "no view says how long it lasted, so every view counts as a reach",
            Self::MarketFromTenantBrands => {
                "no supplied statistics cover the question, so all brands of the tenant stand for the market"
            }
            Self::StarByRule => {
                "no product of the brand has a star flag, so the rule over available tests decided"
            }
            Self::PurchasesFromBehaviors => {
                "the brand has no order lines, so supplied PURCHASE behaviours count"
            }
        }
    }
}

/// A metric value with all that explains it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Id in the definition file.
    pub id: String,
    /// Value in `unit`; `Err` says why there is none, in kind and words.
    pub value: Result<f64, (Absence, String)>,
    /// Unit of the value.
    pub unit: Unit,
    /// Above the line.
    pub numerator: Option<Quantity>,
    /// Below the line.
    pub denominator: Option<Quantity>,
    /// 95 % interval, or why there is none.
    pub interval: Result<Interval, IntervalAbsence>,
    /// Days covered.
    pub window: Window,
    /// Day on which standing facts were judged.
    pub as_of: Day,
    /// Version of the definitions in force.
    pub definition_version: String,
    /// Assumptions.
    pub labels: Vec<Label>,
    /// Cuts: dimension and value.
    pub segments: Vec<(String, String)>,
}

impl Metric {
    /// The same metric with an assumption noted.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        if !self.labels.contains(&label) {
            self.labels.push(label);
        }
        self
    }
}

/// What all metrics of one answer share: window, as-of day, definitions and cuts. Makes the metrics.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// Days to cover.
    pub window: Window,
    /// Day on which standing facts are judged.
    pub as_of: Day,
    /// Entries of the definition file in force.
    pub entries: &'a [Entry],
    /// Version of the definitions in force.
    pub version: &'a str,
    /// Cuts: dimension and value.
    pub segments: Vec<(String, String)>,
}

impl Scope<'_> {
    /// The same scope cut to one value of a dimension.
    #[must_use]
    pub fn cut(&self, dimension: &str, value: &str) -> Self {
        let mut cut = self.clone();
        cut.segments.push((dimension.to_owned(), value.to_owned()));
        cut
    }

    /// The same scope over other days; the as-of day becomes the last of them.
    #[must_use]
    pub fn over(&self, window: Window) -> Self {
        Self {
            window,
            as_of: window.last,
            ..self.clone()
        }
    }

    /// A plain count.
    #[must_use]
    pub fn count(&self, id: &str, count: i64) -> Metric {
        self.make(
            id,
            Ok(count as f64),
            Some(Quantity::Count(count)),
            None,
            Err(IntervalAbsence::PlainCount),
        )
    }

    /// An exact sum of money.
    #[must_use]
    pub fn money(&self, id: &str, money: Money) -> Metric {
        let value = Ok(money_to_f64(money));
        self.make(
            id,
            value,
            Some(Quantity::Money(money)),
            None,
            Err(IntervalAbsence::ExactIdentity),
        )
    }

    /// A share of units that are a subset of others, with its Wilson interval.
    #[must_use]
    pub fn share(&self, id: &str, part: i64, whole: i64) -> Metric {
        let interval = wilson::interval(part, whole)
            .map(|(low, high)| Interval {
                low,
                high,
                method: IntervalMethod::Wilson,
            })
            .ok_or(IntervalAbsence::NoUnitData);
        self.ratio(id, Quantity::Count(part), Quantity::Count(whole), interval)
    }

    /// A ratio of sums, with the bootstrap interval over the units in `groups`.
    ///
    /// `groups` holds counts as they are and money in ten-thousandths, as the quantities do.
    #[must_use]
    pub fn ratio_of_sums(
        &self,
        id: &str,
        numerator: Quantity,
        denominator: Quantity,
        groups: &RatioGroups,
    ) -> Metric {
        let scale = |quantity: Quantity| match quantity {
            Quantity::Money(_) => 1.0 / crate::MONEY_SCALE as f64,
            Quantity::Count(_) | Quantity::Real(_) => 1.0,
        };
        let interval = groups
            .interval(scale(numerator) / scale(denominator))
            .map(|(low, high)| Interval {
                low,
                high,
                method: IntervalMethod::Bootstrap,
            })
            .ok_or(IntervalAbsence::NoUnitData);
        self.ratio(id, numerator, denominator, interval)
    }

    /// A ratio with a given interval; without a value where the denominator is zero.
    #[must_use]
    pub fn ratio(
        &self,
        id: &str,
        numerator: Quantity,
        denominator: Quantity,
        interval: Result<Interval, IntervalAbsence>,
    ) -> Metric {
        let below = denominator.as_f64();
        let value = if below == 0.0 {
            Err((
                Absence::NoDenominator,
                "nothing in the window counts below the line".to_owned(),
            ))
        } else {
            Ok(numerator.as_f64() / below)
        };
        self.make(id, value, Some(numerator), Some(denominator), interval)
    }

    /// A value that is neither a count nor a ratio, such as a quantile of hours, with its interval.
    #[must_use]
    pub fn real(&self, id: &str, value: f64, interval: Result<Interval, IntervalAbsence>) -> Metric {
        self.make(id, Ok(value), Some(Quantity::Real(value)), None, interval)
    }

    /// A metric without a value. `detail` names the fact to supply.
    #[must_use]
    pub fn absent(&self, id: &str, absence: Absence, detail: &str) -> Metric {
        self.make(
            id,
            Err((absence, detail.to_owned())),
            None,
            None,
            Err(IntervalAbsence::NoValue),
        )
    }

    fn make(
        &self,
        id: &str,
        value: Result<f64, (Absence, String)>,
        numerator: Option<Quantity>,
        denominator: Option<Quantity>,
        interval: Result<Interval, IntervalAbsence>,
    ) -> Metric {
        let interval = if value.is_err() {
            Err(IntervalAbsence::NoValue)
        } else {
            interval
        };
        Metric {
            id: id.to_owned(),
            value,
            unit: self
                .entries
                .iter()
                .find(|entry| entry.id == id)
                .map_or(Unit::Count, |entry| entry.unit),
            numerator,
            denominator,
            interval,
            window: self.window,
            as_of: self.as_of,
            definition_version: self.version.to_owned(),
            labels: Vec::new(),
            segments: self.segments.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope<'static> {
        let window = Window::ending(Day(10), 3);
        Scope {
            window,
            as_of: window.last,
            entries: &[],
            version: "1",
            segments: Vec::new(),
        }
    }

    #[test]
    fn zero_denominators_have_a_reason_and_no_value() {
        let metric = scope().share("x", 0, 0);
        assert_eq!(metric.value.unwrap_err().0, Absence::NoDenominator);
        assert_eq!(metric.interval, Err(IntervalAbsence::NoValue));
        assert_eq!(metric.denominator, Some(Quantity::Count(0)));
    }

    #[test]
    fn ratio_intervals_are_in_the_unit_of_the_value() {
        let mut groups = RatioGroups::default();
        for i in 0..400 {
            groups.add(&i.to_string(), 20_000 + i % 5, 1);
        }
        let metric = scope().ratio_of_sums("x", Quantity::Money(8_000_800), Quantity::Count(400), &groups);
        let interval = metric.interval.unwrap();
        let value = metric.value.unwrap();
        assert!(
            interval.low <= value && value <= interval.high,
            "{interval:?} {value}"
        );
    }
}
