//! How a metric came about, a step a line.

use dualwheel_measure::{Entry, Label, MONEY_SCALE, Metric, Quantity, metric::IntervalMethod};

use crate::queries::Answered;

/// The rule, its parameters, and for the whole and each segment the two sides that the rule joined.
pub(super) fn steps(entry: &Entry, parameters: &str, answered: &Answered) -> Vec<String> {
    let mut steps = vec![format!("Rule: {}", entry.formula)];
    if !entry.parameters.is_empty() {
        steps.push(format!("Parameters in force: {parameters}"));
    }
    for metric in &answered.metrics {
        steps.push(counts(metric, &answered.currency));
    }
    let mut labels: Vec<Label> = Vec::new();
    for label in answered.metrics.iter().flat_map(|metric| &metric.labels) {
        if !labels.contains(label) {
            labels.push(*label);
        }
    }
    steps.extend(
        labels
            .into_iter()
            .map(|label| format!("{}: {}", label.name(), meaning(label))),
    );
    steps
}

fn counts(metric: &Metric, currency: &str) -> String {
    let about = match metric.segments.first() {
        None => format!("Whole, {}", metric.window),
        Some((dimension, value)) if value.is_empty() => format!("{dimension} not known"),
        Some((dimension, value)) => format!("{dimension} {value}"),
    };
    let sides = match (metric.numerator, metric.denominator) {
        (Some(above), Some(below)) => {
            format!("{} ÷ {}", quantity(above, currency), quantity(below, currency))
        }
        (Some(above), None) => quantity(above, currency),
        _ => String::new(),
    };
    let value = match &metric.value {
        Ok(value) => format!("{value:.6}"),
        Err((_, detail)) => format!("no value: {detail}"),
    };
    let interval = metric.interval.map_or_else(
        |_| String::new(),
        |interval| {
            let method = match interval.method {
                IntervalMethod::Wilson => "Wilson",
                IntervalMethod::Bootstrap => "bootstrap",
                IntervalMethod::Normal => "normal",
            };
            format!(
                ", 95 % interval {:.6} to {:.6} ({method})",
                interval.low, interval.high
            )
        },
    );
    if sides.is_empty() {
        format!("{about}: {value}")
    } else {
        format!("{about}: {sides} = {value}{interval}")
    }
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

fn meaning(label: Label) -> &'static str {
    match label {
        Label::MarketFromTenantBrands => {
            "no supplied statistics cover the question, so all brands of the tenant stand for the market"
        }
        Label::StarByRule => {
            "no product of the brand has a star flag, so the rule over available tests decided"
        }
        Label::PurchasesFromBehaviors => {
            "the brand has no order lines, so supplied PURCHASE behaviours count"
        }
        Label::ReachabilityAssumed | Label::DwellAssumed => "an assumption of another service",
    }
}
