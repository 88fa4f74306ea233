//! How a metric came about, a line a step.

use dualwheel_measure::{Entry, Metric, Quantity};

/// The rule, the parameters, and the counts of the whole and of every cut.
pub(super) fn steps(entry: &Entry, parameters: &str, metrics: &[Metric], currency: &str) -> Vec<String> {
    let rule = [
        format!("Rule: {}", entry.formula),
        format!("Parameters in force: {parameters}"),
    ];
    rule.into_iter()
        .chain(metrics.iter().map(|metric| step(metric, currency)))
        .collect()
}

fn step(metric: &Metric, currency: &str) -> String {
    let cuts: Vec<String> = metric
        .segments
        .iter()
        .map(|(dimension, value)| format!("{dimension} `{value}`"))
        .collect();
    let name = if cuts.is_empty() {
        "Whole".to_owned()
    } else {
        cuts.join(", ")
    };
    let written = |quantity: Quantity| match quantity {
        Quantity::Count(count) => count.to_string(),
        Quantity::Money(_) => format!("{} {currency}", quantity.as_f64()),
        Quantity::Real(real) => real.to_string(),
    };
    let counts = [metric.numerator, metric.denominator]
        .into_iter()
        .flatten()
        .map(written)
        .collect::<Vec<_>>();
    let counts = counts.join(" ÷ ");
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
