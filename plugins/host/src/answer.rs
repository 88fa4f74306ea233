//! Checks what a model answers.

use std::ops::RangeInclusive;

use dualwheel_plugin_sdk::Values;

use crate::{
    text::tidy,
    wire::{GivenColumn, GivenValues},
    world::{Admitted, Answer},
};

/// Bytes of a name that are passed on.
const NAME: usize = 63;

/// Characters of a code.
const CODE: usize = 63;

/// The world's columns, in the world's order; otherwise what is wrong.
pub(crate) fn check(
    answers: &[Answer],
    rows: usize,
    mut given: Vec<GivenColumn>,
) -> Result<Vec<Values>, String> {
    let mut columns = Vec::with_capacity(answers.len());
    for answer in answers {
        let at = given.iter().position(|given| given.name == answer.name);
        let Some(at) = at else {
            return Err(format!("the column `{}` is missing", answer.name));
        };
        columns.push(values(answer, rows, given.swap_remove(at).values)?);
    }
    match given.first() {
        None => Ok(columns),
        Some(other) if answers.iter().any(|answer| answer.name == other.name) => {
            Err(format!("the column `{}` is there twice", other.name))
        }
        Some(other) => Err(format!(
            "nobody asked for the column `{}`",
            tidy(&other.name, NAME)
        )),
    }
}

fn values(answer: &Answer, rows: usize, values: GivenValues) -> Result<Values, String> {
    let name = answer.name;
    let (count, kind) = match &values {
        GivenValues::Numbers(numbers) => (numbers.len(), "numbers"),
        GivenValues::Texts(texts) => (texts.len(), "texts"),
        GivenValues::Series(series) => (series.len(), "series"),
    };
    let wanted = match answer.admitted {
        Admitted::Numbers(_) => "numbers",
        Admitted::Codes => "texts",
    };
    if kind != wanted {
        return Err(format!("the column `{name}` has {count} {kind}, not {wanted}"));
    }
    if count != rows {
        return Err(format!("the column `{name}` has {count} values for {rows} rows"));
    }
    match (values, &answer.admitted) {
        (GivenValues::Numbers(numbers), Admitted::Numbers(range)) => {
            require_within(name, range, &numbers)?;
            Ok(Values::Numbers(numbers))
        }
        (GivenValues::Texts(texts), _) => {
            require_codes(name, &texts)?;
            Ok(Values::Texts(texts))
        }
        // Answered already: no column is to have series.
        _ => Err(format!("the column `{name}` has {kind}, not {wanted}")),
    }
}

fn require_within(name: &str, range: &RangeInclusive<f64>, numbers: &[f64]) -> Result<(), String> {
    if all_within(range, numbers) {
        return Ok(());
    }
    let outside = numbers
        .iter()
        .enumerate()
        .find(|(_, number)| !range.contains(number));
    match outside {
        None => Ok(()),
        Some((row, number)) if number.is_finite() => {
            let (least, most) = (range.start(), range.end());
            Err(format!(
                "the column `{name}` has {number} in row {row}; it must be from {least} to {most}"
            ))
        }
        Some((row, number)) => Err(format!("the column `{name}` has {number} in row {row}")),
    }
}

fn require_codes(name: &str, texts: &[String]) -> Result<(), String> {
    let Some(row) = texts.iter().position(|text| !is_code(text)) else {
        return Ok(());
    };
    let found = texts.get(row).map(|text| tidy(text, NAME)).unwrap_or_default();
    Err(format!(
        "the column `{name}` has `{found}` in row {row}; it must be of A-Z, 0-9 and underscore, start with a letter and \
         have at most {CODE} characters"
    ))
}

fn is_code(text: &str) -> bool {
    text.len() <= CODE
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a range has all numbers; what is not a number is in none. Without an early end, which would take many numbers one
/// by one.
fn all_within(range: &RangeInclusive<f64>, numbers: &[f64]) -> bool {
    let (least, most) = (*range.start(), *range.end());
    numbers.iter().fold(true, |within, number| {
        within & (least <= *number) & (*number <= most)
    })
}

#[cfg(test)]
mod tests {
    use dualwheel_plugin_sdk::Values;

    use super::{check, is_code};
    use crate::{
        wire::{GivenColumn, GivenValues},
        world::{HIT_ANSWERS, STYLE_ANSWERS},
    };

    fn column(name: &str, numbers: &[f64]) -> GivenColumn {
        GivenColumn {
            name: name.to_owned(),
            values: GivenValues::Numbers(numbers.to_vec()),
        }
    }

    #[test]
    fn takes_the_worlds_columns_in_any_order() {
        let given = vec![column("score", &[0.0, 100.0]), column("growth", &[-3.0, 1e300])];
        let columns = check(&STYLE_ANSWERS, 2, given).unwrap();
        let expected = [vec![-3.0, 1e300], vec![0.0, 100.0]].map(Values::Numbers);
        assert_eq!(columns, expected);
    }

    #[test]
    fn takes_codes_where_the_world_has_them() {
        let reasons = |texts: &[&str]| GivenColumn {
            name: "reason".to_owned(),
            values: GivenValues::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
        };
        let given = |texts: &[&str]| vec![reasons(texts), column("score", &[1.0, 2.0])];
        let columns = check(&HIT_ANSWERS, 2, given(&["GROWTH", "MY_OWN_2"])).unwrap();
        let codes = ["GROWTH", "MY_OWN_2"].map(str::to_owned).to_vec();
        assert_eq!(columns, [Values::Numbers(vec![1.0, 2.0]), Values::Texts(codes)]);
        let told = check(&HIT_ANSWERS, 2, given(&["GROWTH", "it grows\n"])).unwrap_err();
        assert!(
            told.starts_with("the column `reason` has `it grows")
                && told.contains("in row 1; it must be of A-Z"),
            "{told}"
        );
        let told = check(
            &HIT_ANSWERS,
            2,
            vec![column("score", &[1.0, 2.0]), column("reason", &[1.0, 2.0])],
        );
        assert_eq!(told.unwrap_err(), "the column `reason` has 2 numbers, not texts");
        for (text, admitted) in [
            ("A", true),
            ("COST_RATIO", true),
            ("", false),
            ("_A", false),
            ("1A", false),
            ("growth", false),
            ("GROWTH ", false),
            ("增长", false),
            (&"A".repeat(63), true),
            (&"A".repeat(64), false),
        ] {
            assert_eq!(is_code(text), admitted, "{text:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let growth = || column("growth", &[0.0, 0.0]);
        let texts = GivenValues::Texts(vec![String::new(), String::new()]);
        let series = GivenValues::Series(vec![vec![], vec![]]);
        let score = |numbers: &[f64]| vec![growth(), column("score", numbers)];
        for (given, told) in [
            (vec![growth()], "the column `score` is missing"),
            (vec![], "the column `growth` is missing"),
            (score(&[1.0]), "the column `score` has 1 values for 2 rows"),
            (
                score(&[1.0, 2.0, 3.0]),
                "the column `score` has 3 values for 2 rows",
            ),
            (score(&[1.0, f64::NAN]), "the column `score` has NaN in row 1"),
            (
                score(&[f64::INFINITY, 1.0]),
                "the column `score` has inf in row 0",
            ),
            (
                score(&[1.0, 100.5]),
                "the column `score` has 100.5 in row 1; it must be from 0 to 100",
            ),
            (
                score(&[-0.5, 1.0]),
                "the column `score` has -0.5 in row 0; it must be from 0 to 100",
            ),
            (
                vec![
                    growth(),
                    GivenColumn {
                        name: "score".to_owned(),
                        values: texts,
                    },
                ],
                "the column `score` has 2 texts, not numbers",
            ),
            (
                vec![
                    growth(),
                    GivenColumn {
                        name: "score".to_owned(),
                        values: series,
                    },
                ],
                "the column `score` has 2 series, not numbers",
            ),
            (
                [score(&[1.0, 1.0]), vec![column("rank", &[1.0, 1.0])]].concat(),
                "nobody asked for the column `rank`",
            ),
            (
                [score(&[1.0, 1.0]), vec![growth()]].concat(),
                "the column `growth` is there twice",
            ),
        ] {
            assert_eq!(check(&STYLE_ANSWERS, 2, given).unwrap_err(), told);
        }
    }
}
