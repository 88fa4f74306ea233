//! Checks what a model answers.

use std::ops::RangeInclusive;

use crate::{
    text::tidy,
    wire::{GivenColumn, GivenValues},
    world::Answer,
};

/// Bytes of a name that are passed on.
const NAME: usize = 63;

/// The numbers of the world's columns, in the world's order; otherwise what is wrong.
pub(crate) fn check<const N: usize>(
    answers: &[Answer; N],
    rows: usize,
    mut given: Vec<GivenColumn>,
) -> Result<[Vec<f64>; N], String> {
    let mut columns = [const { Vec::new() }; N];
    for (answer, column) in answers.iter().zip(&mut columns) {
        let at = given.iter().position(|given| given.name == answer.name);
        let Some(at) = at else {
            return Err(format!("the column `{}` is missing", answer.name));
        };
        *column = numbers(answer, rows, given.swap_remove(at).values)?;
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

fn numbers(answer: &Answer, rows: usize, values: GivenValues) -> Result<Vec<f64>, String> {
    let name = answer.name;
    let numbers = match values {
        GivenValues::Numbers(numbers) => numbers,
        GivenValues::Texts(texts) => {
            return Err(format!(
                "the column `{name}` has {} texts, not numbers",
                texts.len()
            ));
        }
        GivenValues::Series(series) => {
            return Err(format!(
                "the column `{name}` has {} series, not numbers",
                series.len()
            ));
        }
    };
    if numbers.len() != rows {
        return Err(format!(
            "the column `{name}` has {} values for {rows} rows",
            numbers.len()
        ));
    }
    if all_within(&answer.range, &numbers) {
        return Ok(numbers);
    }
    let outside = numbers
        .iter()
        .enumerate()
        .find(|(_, number)| !answer.range.contains(number));
    match outside {
        None => Ok(numbers),
        Some((row, number)) if number.is_finite() => {
            let (least, most) = (answer.range.start(), answer.range.end());
            Err(format!(
                "the column `{name}` has {number} in row {row}; it must be from {least} to {most}"
            ))
        }
        Some((row, number)) => Err(format!("the column `{name}` has {number} in row {row}")),
    }
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
    use super::check;
    use crate::{
        wire::{GivenColumn, GivenValues},
        world::STYLE_ANSWERS,
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
        assert_eq!(columns, [vec![-3.0, 1e300], vec![0.0, 100.0]]);
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
