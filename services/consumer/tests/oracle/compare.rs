//! What a metric must be, and the comparison with what the engine says.

use dualwheel_measure::{Absence, Metric, Quantity};

#[derive(Clone, Debug)]
pub struct Expected {
    pub id: String,
    pub segments: Vec<(String, String)>,
    pub value: Result<f64, Absence>,
    pub numerator: Option<Quantity>,
    pub denominator: Option<Quantity>,
    /// How far the value may lie off: the two sides add floating-point numbers in different orders.
    pub tolerance: f64,
}

impl Expected {
    fn new(
        id: &str,
        value: Result<f64, Absence>,
        numerator: Option<Quantity>,
        denominator: Option<Quantity>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            segments: Vec::new(),
            value,
            numerator,
            denominator,
            tolerance: 0.0,
        }
    }

    pub fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }
}

pub fn people(id: &str, count: usize) -> Expected {
    Expected::new(id, Ok(count as f64), Some(Quantity::Count(count as i64)), None)
}

pub fn share(id: &str, part: usize, whole: usize) -> Expected {
    let value = if whole == 0 {
        Err(Absence::NoDenominator)
    } else {
        Ok(part as f64 / whole as f64)
    };
    let (part, whole) = (Quantity::Count(part as i64), Quantity::Count(whole as i64));
    Expected::new(id, value, Some(part), Some(whole))
}

pub fn money(id: &str, amount: i128) -> Expected {
    Expected::new(
        id,
        Ok(amount as f64 / 10_000.0),
        Some(Quantity::Money(amount)),
        None,
    )
}

pub fn money_share(id: &str, part: i128, whole: i128) -> Expected {
    let value = if whole == 0 {
        Err(Absence::NoDenominator)
    } else {
        Ok(part as f64 / whole as f64)
    };
    Expected::new(
        id,
        value,
        Some(Quantity::Money(part)),
        Some(Quantity::Money(whole)),
    )
    .within(1e-9)
}

pub fn real(id: &str, value: f64) -> Expected {
    Expected::new(id, Ok(value), Some(Quantity::Real(value)), None).within(1e-12)
}

pub fn absent(id: &str, absence: Absence) -> Expected {
    Expected::new(id, Err(absence), None, None)
}

pub fn cut_by(dimension: &[(&str, &str)], expected: Vec<Expected>) -> Vec<Expected> {
    let segments: Vec<_> = dimension
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    expected
        .into_iter()
        .map(|one| Expected {
            segments: segments.clone(),
            ..one
        })
        .collect()
}

fn near(got: Option<Quantity>, expected: Option<Quantity>, tolerance: f64) -> bool {
    match (got, expected) {
        (Some(got), Some(expected)) if tolerance > 0.0 => {
            (got.as_f64() - expected.as_f64()).abs() <= tolerance
        }
        (got, expected) => got == expected,
    }
}

/// Fails with both sides where any metric, segment, value, count or reason differs.
pub fn assert_same(got: &[Metric], expected: &[Expected]) {
    let names = |id: &str, segments: &[(String, String)]| format!("{id} {segments:?}");
    let got_names: Vec<String> = got
        .iter()
        .map(|metric| names(&metric.id, &metric.segments))
        .collect();
    let expected_names: Vec<String> = expected
        .iter()
        .map(|metric| names(&metric.id, &metric.segments))
        .collect();
    assert_eq!(got_names, expected_names);
    for (got, expected) in got.iter().zip(expected) {
        let same = match (&got.value, &expected.value) {
            (Ok(got), Ok(expected_value)) => (got - expected_value).abs() <= expected.tolerance,
            (Err((got, _)), Err(expected)) => got == expected,
            _ => false,
        };
        let sides = near(got.numerator, expected.numerator, expected.tolerance)
            && near(got.denominator, expected.denominator, expected.tolerance);
        assert!(same && sides, "got {got:#?}\nexpected {expected:#?}");
        if let (Ok(value), Ok(interval)) = (&got.value, &got.interval) {
            assert!(interval.low <= interval.high && value.is_finite(), "{got:#?}");
        }
    }
}
