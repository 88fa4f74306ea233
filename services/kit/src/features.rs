//! Rows for models: every column that a service has, of which each model gets those that it asks for; and what is asked
//! of a model's answer, wherever the model runs.

use std::ops::RangeInclusive;

use dualwheel_plugin_sdk::{Batch, Column, Description, Parameters, Values};

/// Most rows of a batch, as the contract (`plugins/wit`) has it.
pub const MOST_ROWS: usize = 65_536;

/// What a model answers where any finite number will do.
pub const FINITE: RangeInclusive<f64> = f64::MIN..=f64::MAX;

/// Why a model cannot be asked, or its answer not be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A column does not fit its table.
    #[error("column `{column}` has {values} values for {rows} rows; give it one for each row")]
    Length {
        /// Column.
        column: String,
        /// Values that it has.
        values: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// A column that the model requires has no value in any row.
    #[error(
        "model `{model}` cannot do without column `{column}`, which has no value in any row; supply the facts behind it \
         or activate another model"
    )]
    ColumnAbsent {
        /// Model.
        model: String,
        /// Column.
        column: String,
    },
    /// A parameter is given that the model does not have.
    #[error("model `{model}` has no parameter `{parameter}`; leave it out")]
    ParameterUnknown {
        /// Model.
        model: String,
        /// Parameter.
        parameter: String,
    },
    /// A parameter lies outside its bounds.
    #[error("parameter `{parameter}` of model `{model}` is {value}; give {least} to {greatest}")]
    ParameterOutOfBounds {
        /// Model.
        model: String,
        /// Parameter.
        parameter: String,
        /// Value given.
        value: f64,
        /// Least value.
        least: f64,
        /// Greatest value.
        greatest: f64,
    },
    /// The model does not answer.
    #[error("model `{model}` does not answer: {reason}")]
    Refused {
        /// Model.
        model: String,
        /// Its sentence.
        reason: String,
    },
    /// The model answers a wrong number of values.
    #[error(
        "model `{model}` answered {values} values of `{column}` for {rows} rows; its author must mend it"
    )]
    OutputLength {
        /// Model.
        model: String,
        /// Column.
        column: String,
        /// Values answered.
        values: usize,
        /// Rows asked about.
        rows: usize,
    },
    /// The model answers a number that the contract does not admit.
    #[error("model `{model}` answered {value} as `{column}` of row {row}; its author must mend it")]
    OutputValue {
        /// Model.
        model: String,
        /// Column.
        column: String,
        /// Row of the batch, from 0.
        row: usize,
        /// Value answered.
        value: f64,
    },
}

/// A table of named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    rows: usize,
    columns: Vec<Column>,
}

impl Features {
    /// A table of so many rows without columns yet.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        let columns = Vec::new();
        Self { rows, columns }
    }

    /// Adds a column.
    ///
    /// # Errors
    /// [`Error::Length`] when it does not have a value for each row.
    pub fn add(&mut self, name: &str, values: Values) -> Result<(), Error> {
        if len(&values) != self.rows {
            return Err(Error::Length {
                column: name.to_owned(),
                values: len(&values),
                rows: self.rows,
            });
        }
        self.columns.push(Column {
            name: name.to_owned(),
            values,
        });
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The values of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| &column.values)
    }

    /// The rows in order with the columns that a model asks for, in batches of at most `most_rows` (at least 1).
    ///
    /// A column without a value in any row of the table counts as one that the host does not have. That is judged by
    /// the whole table, so that all batches have the same columns, wherever they are cut.
    ///
    /// # Errors
    /// [`Error::ColumnAbsent`] when such a column is required, and there is a row to do without it.
    pub fn batches(&self, description: &Description, most_rows: usize) -> Result<Vec<Batch>, Error> {
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        let mut given: Vec<(&str, &Values)> = Vec::new();
        for wanted in &description.columns {
            match self.column(&wanted.name).filter(|values| is_known(values)) {
                Some(values) => given.push((&wanted.name, values)),
                None if wanted.required => {
                    return Err(Error::ColumnAbsent {
                        model: description.name.clone(),
                        column: wanted.name.clone(),
                    });
                }
                None => {}
            }
        }
        let most_rows = most_rows.max(1);
        let firsts = (0..self.rows).step_by(most_rows);
        Ok(firsts
            .map(|first| {
                let rows = most_rows.min(self.rows - first);
                let cut = |(name, values): &(&str, &Values)| Column {
                    name: (*name).to_owned(),
                    values: part(values, first, rows),
                };
                Batch {
                    rows,
                    columns: given.iter().map(cut).collect(),
                }
            })
            .collect())
    }
}

fn len(values: &Values) -> usize {
    match values {
        Values::Numbers(values) => values.len(),
        Values::Texts(values) => values.len(),
        Values::Series(values) => values.len(),
    }
}

fn is_known(values: &Values) -> bool {
    match values {
        Values::Numbers(values) => values.iter().any(|value| !value.is_nan()),
        Values::Texts(values) => values.iter().any(|value| !value.is_empty()),
        Values::Series(values) => values.iter().flatten().any(|value| !value.is_nan()),
    }
}

fn part(values: &Values, first: usize, rows: usize) -> Values {
    fn cut<T: Clone>(values: &[T], first: usize, rows: usize) -> Vec<T> {
        values.iter().skip(first).take(rows).cloned().collect()
    }
    match values {
        Values::Numbers(values) => Values::Numbers(cut(values, first, rows)),
        Values::Texts(values) => Values::Texts(cut(values, first, rows)),
        Values::Series(values) => Values::Series(cut(values, first, rows)),
    }
}

/// Every parameter that a model has: as given, else its default.
///
/// # Errors
/// [`Error::ParameterUnknown`] or [`Error::ParameterOutOfBounds`] when what is given does not fit the model.
pub fn settle(description: &Description, given: &Parameters) -> Result<Parameters, Error> {
    let known = |name: &String| description.parameters.iter().any(|spec| spec.name == *name);
    if let Some(parameter) = given.keys().find(|name| !known(name)) {
        return Err(Error::ParameterUnknown {
            model: description.name.clone(),
            parameter: parameter.clone(),
        });
    }
    let mut settled = Parameters::new();
    for spec in &description.parameters {
        let value = given.get(&spec.name).copied().unwrap_or(spec.default);
        if !(spec.least..=spec.greatest).contains(&value) {
            return Err(Error::ParameterOutOfBounds {
                model: description.name.clone(),
                parameter: spec.name.clone(),
                value,
                least: spec.least,
                greatest: spec.greatest,
            });
        }
        settled.insert(spec.name.clone(), value);
    }
    Ok(settled)
}

/// Holds a column of a model's answer against the contract: as many values as the batch has rows, all of them within
/// `range`, which no NaN is.
///
/// # Errors
/// [`Error::OutputLength`] or [`Error::OutputValue`].
pub fn check(
    model: &str,
    column: &str,
    values: &[f64],
    rows: usize,
    range: &RangeInclusive<f64>,
) -> Result<(), Error> {
    if values.len() != rows {
        return Err(Error::OutputLength {
            model: model.to_owned(),
            column: column.to_owned(),
            values: values.len(),
            rows,
        });
    }
    match values
        .iter()
        .enumerate()
        .find(|(_, value)| !range.contains(value))
    {
        None => Ok(()),
        Some((row, value)) => Err(Error::OutputValue {
            model: model.to_owned(),
            column: column.to_owned(),
            row,
            value: *value,
        }),
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_plugin_sdk::{ParameterSpec, Wanted};

    use super::*;

    fn description(columns: &[(&str, bool)]) -> Description {
        let wanted = |(name, required): &(&str, bool)| Wanted {
            name: (*name).to_owned(),
            required: *required,
        };
        let spec = ParameterSpec {
            name: "weight".to_owned(),
            meaning: "Weight.".to_owned(),
            default: 2.0,
            least: 0.0,
            greatest: 10.0,
        };
        Description {
            name: "m".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A model.".to_owned(),
            columns: columns.iter().map(wanted).collect(),
            parameters: vec![spec],
        }
    }

    fn table() -> Features {
        let mut table = Features::new(3);
        let texts = ["a", "", "c"].map(str::to_owned).into();
        table.add("text", Values::Texts(texts)).unwrap();
        let nan = f64::NAN;
        table.add("number", Values::Numbers(vec![1.0, nan, nan])).unwrap();
        table.add("unknown", Values::Numbers(vec![nan; 3])).unwrap();
        let series = vec![vec![], vec![nan], vec![1.0, 2.0]];
        table.add("series", Values::Series(series)).unwrap();
        table.add("empty", Values::Series(vec![vec![nan]; 3])).unwrap();
        table
    }

    #[test]
    fn a_model_gets_what_it_asks_for_in_its_order() {
        let wanted = description(&[
            ("series", true),
            ("empty", false),
            ("unknown", false),
            ("text", false),
        ]);
        let batches = table().batches(&wanted, 2).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [2, 1]);
        for batch in &batches {
            let names: Vec<&str> = batch.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(names, ["series", "text"]);
        }
        assert_eq!(
            batches[0].columns[1].values,
            Values::Texts(vec!["a".to_owned(), String::new()])
        );
        assert_eq!(batches[1].columns[0].values, Values::Series(vec![vec![1.0, 2.0]]));
        // The second batch has no number, and yet the column, because the table has one.
        let numbers = table().batches(&description(&[("number", true)]), 2).unwrap();
        assert!(matches!(&numbers[1].columns[0].values, Values::Numbers(values) if values[0].is_nan()));
        // Nothing is asked about nobody.
        assert_eq!(
            Features::new(0).batches(&description(&[("number", true)]), 2),
            Ok(vec![])
        );
    }

    #[test]
    fn required_columns_must_be_there() {
        for column in ["unknown", "empty", "nowhere"] {
            let refused = table().batches(&description(&[(column, true)]), 9);
            let (model, column) = ("m".to_owned(), column.to_owned());
            assert_eq!(refused, Err(Error::ColumnAbsent { model, column }));
        }
        let short = Features::new(2).add("x", Values::Numbers(vec![1.0]));
        assert!(matches!(
            short,
            Err(Error::Length {
                values: 1,
                rows: 2,
                ..
            })
        ));
    }

    #[test]
    fn parameters_are_settled_within_their_bounds() {
        let settled = |name: &str, value: f64| {
            settle(
                &description(&[]),
                &[(name.to_owned(), value)].into_iter().collect(),
            )
        };
        assert_eq!(
            settle(&description(&[]), &Parameters::new()).unwrap()["weight"],
            2.0
        );
        assert_eq!(settled("weight", 10.0).unwrap()["weight"], 10.0);
        for wrong in [-0.1, 10.1, f64::NAN] {
            assert!(matches!(
                settled("weight", wrong),
                Err(Error::ParameterOutOfBounds { .. })
            ));
        }
        assert!(matches!(
            settled("width", 1.0),
            Err(Error::ParameterUnknown { .. })
        ));
    }

    #[test]
    fn answers_are_held_against_the_contract() {
        let check = |values: &[f64]| check("m", "score", values, 2, &(0.0..=100.0));
        assert_eq!(check(&[0.0, 100.0]), Ok(()));
        assert!(matches!(
            check(&[0.0]),
            Err(Error::OutputLength {
                values: 1,
                rows: 2,
                ..
            })
        ));
        for wrong in [-1.0, 100.5, f64::NAN, f64::INFINITY] {
            let refused = check(&[1.0, wrong]);
            assert!(
                matches!(refused, Err(Error::OutputValue { row: 1, .. })),
                "{wrong}"
            );
        }
        assert!(!FINITE.contains(&f64::INFINITY) && !FINITE.contains(&f64::NAN) && FINITE.contains(&-1e300));
    }
}
