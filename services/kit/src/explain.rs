//! How a metric came about, a line a step.

use dualwheel_measure::{Definitions, Entry, IntervalMethod, MONEY_SCALE, Metric, Quantity};
use dualwheel_proto::types;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use crate::{
    Failure, Reason,
    answer::{definition_to_proto, metrics_to_proto},
};

/// The definition of `entry`, those of `metrics` that bear its id, and the steps that led to them: the rule, the
/// parameters in force, then the counts of the whole and of every cut.
#[must_use]
pub fn explanation<P: DeserializeOwned + Serialize>(
    definitions: &Definitions<P>,
    entry: &Entry,
    metrics: &[Metric],
    currency: &str,
    versions: &types::DataVersion,
) -> types::ExplainMetricResponse {
    let mut mine = metrics.to_vec();
    mine.retain(|metric| metric.id == entry.id);
    let mut steps = vec![
        format!("Rule: {}", entry.formula),
        format!("Parameters in force: {}", definitions.parameters_json(entry)),
    ];
    steps.extend(mine.iter().map(|metric| step(metric, currency)));
    types::ExplainMetricResponse {
        definition: Some(definition_to_proto(definitions, entry)),
        metrics: metrics_to_proto(&mine, currency, versions),
        steps,
    }
}

/// The answer to a question about a metric that the service does not have.
#[must_use]
pub fn unknown(id: &str) -> Status {
    let text = format!("this service has no metric `{id}`; list its definitions");
    Failure::new(Reason::MetricUnknown, text)
        .with("metric", id)
        .into()
}

fn step(metric: &Metric, currency: &str) -> String {
    let cuts = metric.segments.iter().map(|(dimension, value)| {
        if value.is_empty() {
            format!("{dimension} not known")
        } else {
            format!("{dimension} `{value}`")
        }
    });
    let cuts: Vec<String> = cuts.collect();
    let name = if cuts.is_empty() {
        "Whole".to_owned()
    } else {
        cuts.join(", ")
    };
    let sides = [metric.numerator, metric.denominator].into_iter().flatten();
    let sides: Vec<String> = sides.map(|side| quantity(side, currency)).collect();
    let counts = sides.join(" ÷ ");
    let outcome = match &metric.value {
        Ok(value) if metric.denominator.is_some() || counts.is_empty() => {
            let equals = if counts.is_empty() { "" } else { " = " };
            format!("{counts}{equals}{value:.6}{}", interval(metric))
        }
        Ok(_) => format!("{counts}{}", interval(metric)),
        Err((_, detail)) if counts.is_empty() => format!("no value, because {detail}"),
        Err((_, detail)) => format!("{counts}: no value, because {detail}"),
    };
    let labels = metric.labels.iter();
    let labels: String = labels
        .map(|label| format!(" [{}: {}]", label.name(), label.meaning()))
        .collect();
    format!(
        "{name}, {}, as of {}: {outcome}{labels}",
        metric.window, metric.as_of
    )
}

fn interval(metric: &Metric) -> String {
    let Ok(interval) = metric.interval else {
        return String::new();
    };
    let method = match interval.method {
        IntervalMethod::Wilson => "Wilson",
        IntervalMethod::Bootstrap => "bootstrap",
        IntervalMethod::Normal => "normal",
    };
    format!(
        ", 95 % interval {:.6} to {:.6} ({method})",
        interval.low, interval.high
    )
}

fn quantity(quantity: Quantity, currency: &str) -> String {
    match quantity {
        Quantity::Count(count) => count.to_string(),
        Quantity::Real(real) => format!("{real:.6}"),
        Quantity::Money(money) => {
            let sign = if money < 0 { "-" } else { "" };
            let (units, rest) = (money.abs() / MONEY_SCALE, money.abs() % MONEY_SCALE);
            format!("{sign}{units}.{rest:04} {currency}")
        }
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::{Absence, Day, Interval, IntervalAbsence, Label, Unit, Window};

    use super::*;

    #[test]
    fn a_step_shows_both_sides_exactly_or_why_there_is_no_value() {
        let whole = Metric {
            id: "super.conversion".to_owned(),
            value: Ok(0.5),
            unit: Unit::Ratio,
            numerator: Some(Quantity::Money(-12_345_678)),
            denominator: Some(Quantity::Count(2)),
            interval: Ok(Interval {
                low: 0.1,
                high: 0.9,
                method: IntervalMethod::Wilson,
            }),
            window: Window::ending(Day(10), 5),
            as_of: Day(10),
            definition_version: "1".to_owned(),
            labels: vec![Label::DwellAssumed],
            segments: Vec::new(),
        };
        assert_eq!(
            step(&whole, "CNY"),
            "Whole, 1970-01-07..1970-01-11, as of 1970-01-11: -1234.5678 CNY ÷ 2 = 0.500000, 95 % interval 0.100000 \
             to 0.900000 (Wilson) [DWELL_ASSUMED: no view says how long it lasted, so every view counts as a reach]"
        );
        let cut = Metric {
            value: Err((Absence::NoDenominator, "nobody visited".to_owned())),
            numerator: None,
            denominator: None,
            interval: Err(IntervalAbsence::NoValue),
            labels: Vec::new(),
            segments: vec![("category".to_owned(), "a/b".to_owned())],
            ..whole
        };
        let told = step(&cut, "CNY");
        assert!(told.starts_with("category `a/b`, "), "{told}");
        assert!(told.ends_with(": no value, because nobody visited"), "{told}");
    }
}
