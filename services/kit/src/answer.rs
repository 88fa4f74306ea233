//! Metrics and definitions as the contracts write them.

use dualwheel_measure::{
    Absence, Definitions, Entry, Interval, IntervalAbsence, IntervalMethod, MONEY_SCALE, Metric, Quantity,
    definitions::{Better, Grade},
};
use dualwheel_proto::{Money, types};
use serde::{Serialize, de::DeserializeOwned};

use crate::question::{day_to_proto, window_to_proto};

/// Billionths in a ten-thousandth.
const NANOS: i128 = 1_000_000_000 / MONEY_SCALE;

/// A metric, with money in `currency` (ISO 4217), read at `data_version`.
#[must_use]
pub fn metric_to_proto(metric: &Metric, currency: &str, data_version: &types::DataVersion) -> types::Metric {
    let (value, absence, detail) = match &metric.value {
        Ok(value) => (Some(*value), types::Absence::Unspecified, String::new()),
        Err((absence, detail)) => (None, absence_to_proto(*absence), detail.clone()),
    };
    let (interval, interval_absence) = match metric.interval {
        Ok(interval) => (
            Some(interval_to_proto(interval)),
            types::IntervalAbsence::Unspecified,
        ),
        Err(absence) => (None, interval_absence_to_proto(absence)),
    };
    let segment = |(dimension, value): &(String, String)| types::Segment {
        dimension: dimension.clone(),
        value: value.clone(),
    };
    types::Metric {
        id: metric.id.clone(),
        value,
        unit: metric.unit.name().to_owned(),
        numerator: metric
            .numerator
            .map(|quantity| quantity_to_proto(quantity, currency)),
        denominator: metric
            .denominator
            .map(|quantity| quantity_to_proto(quantity, currency)),
        interval,
        interval_absence: interval_absence.into(),
        absence: absence.into(),
        absence_detail: detail,
        window: Some(window_to_proto(metric.window)),
        as_of: Some(day_to_proto(metric.as_of)),
        definition: Some(types::DefinitionRef {
            id: metric.id.clone(),
            version: metric.definition_version.clone(),
        }),
        data_version: Some(data_version.clone()),
        labels: metric
            .labels
            .iter()
            .map(|label| label.name().to_owned())
            .collect(),
        segments: metric.segments.iter().map(segment).collect(),
    }
}

/// Several metrics; see [`metric_to_proto`].
#[must_use]
pub fn metrics_to_proto(
    metrics: &[Metric],
    currency: &str,
    data_version: &types::DataVersion,
) -> Vec<types::Metric> {
    metrics
        .iter()
        .map(|metric| metric_to_proto(metric, currency, data_version))
        .collect()
}

/// The value of an answered metric; `None` where it is absent.
#[must_use]
pub fn value(metric: &types::Metric) -> Option<f64> {
    metric.value.filter(|value| value.is_finite())
}

/// A quantity, money in `currency`.
#[must_use]
pub fn quantity_to_proto(quantity: Quantity, currency: &str) -> types::Quantity {
    use types::quantity::Amount;
    let amount = match quantity {
        Quantity::Count(count) => Amount::Count(count),
        Quantity::Money(money) => Amount::Money(money_to_proto(money, currency)),
        Quantity::Real(real) => Amount::Real(real),
    };
    types::Quantity { amount: Some(amount) }
}

/// An amount in ten-thousandths of `currency`, exact; amounts beyond 64-bit units are cut to the largest.
#[must_use]
pub fn money_to_proto(money: dualwheel_measure::Money, currency: &str) -> Money {
    let furthest = if money < 0 { i64::MIN } else { i64::MAX };
    Money {
        currency_code: currency.to_owned(),
        units: i64::try_from(money / MONEY_SCALE).unwrap_or(furthest),
        // Below a billion on either side, so it fits; the remainder keeps the amount's sign, as
        // google.type.Money asks.
        nanos: i32::try_from(money % MONEY_SCALE * NANOS).unwrap_or_default(),
    }
}

/// An entry of the definitions in force.
#[must_use]
pub fn definition_to_proto<P: DeserializeOwned + Serialize>(
    definitions: &Definitions<P>,
    entry: &Entry,
) -> types::Definition {
    types::Definition {
        id: entry.id.clone(),
        version: definitions.version.clone(),
        name_en: entry.en.clone(),
        name_zh: entry.zh.clone(),
        unit: entry.unit.name().to_owned(),
        text: entry.text.clone(),
        formula: entry.formula.clone(),
        grade: grade_name(entry.grade).to_owned(),
        better: better_name(entry.better).to_owned(),
        parameters_json: definitions.parameters_json(entry),
    }
}

/// All definitions in force, in the order of the file.
#[must_use]
pub fn list_definitions<P: DeserializeOwned + Serialize>(
    definitions: &Definitions<P>,
) -> types::ListDefinitionsResponse {
    let entries = definitions.metrics.iter();
    types::ListDefinitionsResponse {
        definitions: entries
            .map(|entry| definition_to_proto(definitions, entry))
            .collect(),
    }
}

fn interval_to_proto(interval: Interval) -> types::Interval {
    let method = match interval.method {
        IntervalMethod::Wilson => types::IntervalMethod::Wilson,
        IntervalMethod::Bootstrap => types::IntervalMethod::Bootstrap,
        IntervalMethod::Normal => types::IntervalMethod::Normal,
    };
    types::Interval {
        low: interval.low,
        high: interval.high,
        method: method.into(),
    }
}

fn interval_absence_to_proto(absence: IntervalAbsence) -> types::IntervalAbsence {
    match absence {
        IntervalAbsence::PlainCount => types::IntervalAbsence::PlainCount,
        IntervalAbsence::ExactIdentity => types::IntervalAbsence::ExactIdentity,
        IntervalAbsence::NoUnitData => types::IntervalAbsence::NoUnitData,
        IntervalAbsence::NoValue => types::IntervalAbsence::NoValue,
    }
}

/// Why there is no value, as the contracts write it.
#[must_use]
pub fn absence_to_proto(absence: Absence) -> types::Absence {
    match absence {
        Absence::NoDenominator => types::Absence::NoDenominator,
        Absence::NoData => types::Absence::NoData,
        Absence::SignalNotSupplied => types::Absence::SignalNotSupplied,
        Absence::TooFewPeers => types::Absence::TooFewPeers,
        Absence::ServiceUnavailable => types::Absence::ServiceUnavailable,
        Absence::Undetermined => types::Absence::Undetermined,
    }
}

fn grade_name(grade: Grade) -> &'static str {
    match grade {
        Grade::Pub => "pub",
        Grade::Com => "com",
        Grade::Own => "own",
    }
}

fn better_name(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher",
        Better::Lower => "lower",
        Better::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::{Day, Label, Unit, Window};

    use super::*;

    fn metric(value: Result<f64, (Absence, String)>) -> Metric {
        Metric {
            id: "fast.fertility".to_owned(),
            value,
            unit: Unit::Ratio,
            numerator: Some(Quantity::Money(-12_345_678)),
            denominator: Some(Quantity::Count(3)),
            interval: Err(IntervalAbsence::NoUnitData),
            window: Window::ending(Day(10), 5),
            as_of: Day(10),
            definition_version: "1".to_owned(),
            labels: vec![Label::StarByRule],
            segments: vec![("category".to_owned(), "beauty".to_owned())],
        }
    }

    #[test]
    fn a_metric_keeps_all_that_explains_it() {
        let version = types::DataVersion {
            tables: [("orders".to_owned(), 7)].into(),
        };
        let answered = metric_to_proto(&metric(Ok(0.5)), "CNY", &version);
        assert_eq!(value(&answered), Some(0.5));
        assert_eq!(
            (answered.unit.as_str(), answered.labels),
            ("ratio", vec!["STAR_BY_RULE".to_owned()])
        );
        assert_eq!(answered.data_version, Some(version));
        assert_eq!(
            answered.interval_absence,
            i32::from(types::IntervalAbsence::NoUnitData)
        );
        let Some(types::quantity::Amount::Money(money)) = answered.numerator.unwrap().amount else {
            panic!("money expected")
        };
        assert_eq!(
            (money.units, money.nanos, money.currency_code.as_str()),
            (-1_234, -567_800_000, "CNY")
        );
    }

    #[test]
    fn an_absent_value_is_no_zero() {
        let absent = metric(Err((Absence::NoDenominator, "no buyers".to_owned())));
        let answered = metric_to_proto(&absent, "CNY", &types::DataVersion::default());
        assert_eq!(value(&answered), None);
        assert_eq!(answered.absence, i32::from(types::Absence::NoDenominator));
        assert_eq!(answered.absence_detail, "no buyers");
    }

    #[test]
    fn money_is_exact_to_its_limits() {
        let of = |money| money_to_proto(money, "EUR");
        assert_eq!((of(1).units, of(1).nanos), (0, 100_000));
        assert_eq!((of(-9_999).units, of(-9_999).nanos), (0, -999_900_000));
        assert_eq!(of(i128::MAX).units, i64::MAX);
        assert_eq!(of(i128::MIN).units, i64::MIN);
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Parameters {
        days: i32,
        other: i32,
    }

    impl dualwheel_measure::definitions::Ranged for Parameters {
        const RANGES: &'static [(&'static str, std::ops::RangeInclusive<f64>)] = &[("*", 1.0..=99.0)];
    }

    #[test]
    fn definitions_carry_their_parameters() {
        let text = "version: 2\nparameters: {days: 15, other: 1}\nmetrics:\n- {id: x, en: X, zh: 甲, unit: people, \
                    text: t, formula: f, grade: com, better: lower, parameters: [days]}\n";
        let definitions: Definitions<Parameters> = Definitions::shipped(text).unwrap();
        let listed = list_definitions(&definitions).definitions;
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].grade.as_str(), listed[0].better.as_str()),
            ("com", "lower")
        );
        assert_eq!(
            (listed[0].version.as_str(), listed[0].parameters_json.as_str()),
            ("2", r#"{"days":15}"#)
        );
    }
}
