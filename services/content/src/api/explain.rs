//! How a metric came about, a line a step.

use dualwheel_measure::{Entry, Metric, Quantity};

/// The rule, the parameters, and the counts of the whole and of every cut.
pub(super) fn steps(entry: &Entry, parameters: &str, metrics: &[Metric], currency: &str) -> Vec<String> {
    let mut steps = vec![
        format!("Rule: {}", entry.formula),
        format!("Parameters in force: {parameters}"),
    ];
    for metric in metrics {
        steps.push(step(metric, currency));
    }
    steps
}

fn step(metric: &Metric, currency: &str) -> String {
    let name = match metric.segments.last() {
        None => "Whole brand".to_owned(),
        Some((dimension, value)) => format!("{dimension} `{value}`"),
    };
    let written = |quantity: Quantity| match quantity {
        Quantity::Count(count) => count.to_string(),
        Quantity::Money(_) => format!("{} {currency}", quantity.as_f64()),
        Quantity::Real(real) => real.to_string(),
    };
    let numerator = metric.numerator.map(written).unwrap_or_default();
    let counts = match (metric.numerator, metric.denominator) {
        (Some(_), Some(denominator)) => format!("{numerator} ÷ {}", written(denominator)),
        _ => numerator,
    };
    let outcome = match &metric.value {
        Ok(value) if metric.denominator.is_some() => format!("{counts} = {value}"),
        Ok(_) => counts,
        Err((_, detail)) if counts.is_empty() => format!("no value, because {detail}"),
        Err((_, detail)) => format!("{counts}: no value, because {detail}"),
    };
    let labels: String = metric
        .labels
        .iter()
        .map(|label| format!(" [{}]", label.name()))
        .collect();
    format!(
        "{name}, {}, as of {}: {outcome}{labels}",
        metric.window, metric.as_of
    )
}
