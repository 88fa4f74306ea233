//! Rows for models: every column that a service has, of which each model gets those that it asks for.

use dualwheel_plugin_sdk::{Batch, Column, Description, Values};

use crate::{Error, digest, wire::SentColumn};

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
    /// [`Error::Input`] when it does not have a value for each row.
    pub fn add(&mut self, name: &str, values: Values) -> Result<(), Error> {
        if len(&values) != self.rows {
            return Err(Error::Input {
                name: name.to_owned(),
                reason: format!(
                    "has {} values for {} rows; give it one for each",
                    len(&values),
                    self.rows
                ),
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

    /// BLAKE3 of the whole table in hexadecimal, by which it is known again whatever model is asked.
    #[must_use]
    pub fn hash(&self) -> String {
        let sent = self.columns.iter().map(|column| SentColumn {
            name: &column.name,
            values: (&column.values).into(),
        });
        let columns: Vec<SentColumn<'_>> = sent.collect();
        digest::of_input(self.rows, &columns, &[])
    }

    /// The rows in order with the columns that a model asks for, in batches of at most `most_rows` (at least 1).
    ///
    /// A column without a value in any row of the table counts as one that the host does not have. That is judged by
    /// the whole table, so that all batches have the same columns, wherever they are cut.
    ///
    /// # Errors
    /// [`Error::Input`] when such a column is required, and there is a row to do without it.
    pub fn batches(&self, description: &Description, most_rows: usize) -> Result<Vec<Batch>, Error> {
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        let mut given: Vec<(&str, &Values)> = Vec::new();
        for wanted in &description.columns {
            match self.column(&wanted.name).filter(|values| is_known(values)) {
                Some(values) => given.push((&wanted.name, values)),
                None if wanted.required => {
                    return Err(Error::Input {
                        name: wanted.name.clone(),
                        reason: format!(
                            "has no value in any row, and the model {} cannot do without it; supply the facts behind it or \
                             activate another model",
                            description.name
                        ),
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

#[cfg(test)]
mod tests {
    use dualwheel_plugin_sdk::Wanted;

    use super::*;

    fn description(columns: &[(&str, bool)]) -> Description {
        let wanted = |(name, required): &(&str, bool)| Wanted {
            name: (*name).to_owned(),
            required: *required,
        };
        Description {
            name: "m".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A model.".to_owned(),
            columns: columns.iter().map(wanted).collect(),
            parameters: Vec::new(),
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
            let refused = table().batches(&description(&[(column, true)]), 9).unwrap_err();
            assert!(
                matches!(&refused, Error::Input { name, .. } if name == column),
                "{refused}"
            );
        }
        let short = Features::new(2).add("x", Values::Numbers(vec![1.0])).unwrap_err();
        assert_eq!(
            short.to_string(),
            "`x` has 1 values for 2 rows; give it one for each"
        );
    }
}
