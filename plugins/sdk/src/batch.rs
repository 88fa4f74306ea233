//! Rows by name and kind.

use crate::{Batch, Column, Refusal, Values};

impl Batch {
    /// `rows` rows without columns.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            columns: Vec::new(),
        }
    }

    /// With another column, of numbers.
    #[must_use]
    pub fn with_numbers(self, name: &str, values: Vec<f64>) -> Self {
        self.with(name, Values::Numbers(values))
    }

    /// With another column, of texts.
    #[must_use]
    pub fn with_texts<S: Into<String>>(self, name: &str, values: Vec<S>) -> Self {
        self.with(name, Values::Texts(values.into_iter().map(Into::into).collect()))
    }

    /// With another column, of series.
    #[must_use]
    pub fn with_series(self, name: &str, values: Vec<Vec<f64>>) -> Self {
        self.with(name, Values::Series(values))
    }

    fn with(mut self, name: &str, values: Values) -> Self {
        self.columns.push(Column {
            name: name.to_owned(),
            values,
        });
        self
    }

    /// Values of a column; `None` where the host has no such column.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<&Values> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| &column.values)
    }

    /// Numbers of a column, one for each row and not a number where nothing is known; `None` where there is no such
    /// column, or one of another kind or length.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        self.require_numbers(name).ok()
    }

    /// Texts of a column, one for each row and empty where nothing is known; `None` as for [`Self::numbers`].
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        self.require_texts(name).ok()
    }

    /// Series of a column, one for each row, oldest first; `None` as for [`Self::numbers`].
    #[must_use]
    pub fn series(&self, name: &str) -> Option<&[Vec<f64>]> {
        self.require_series(name).ok()
    }

    /// Numbers of a column that the model cannot do without.
    ///
    /// # Errors
    /// The column is not there, of another kind, or not as long as the batch.
    pub fn require_numbers(&self, name: &str) -> Result<&[f64], Refusal> {
        match self.require(name)? {
            Values::Numbers(values) => self.all(name, values),
            other => Err(of_another_kind(name, other, "numbers")),
        }
    }

    /// Texts of a column that the model cannot do without.
    ///
    /// # Errors
    /// As for [`Self::require_numbers`].
    pub fn require_texts(&self, name: &str) -> Result<&[String], Refusal> {
        match self.require(name)? {
            Values::Texts(values) => self.all(name, values),
            other => Err(of_another_kind(name, other, "texts")),
        }
    }

    /// Series of a column that the model cannot do without.
    ///
    /// # Errors
    /// As for [`Self::require_numbers`].
    pub fn require_series(&self, name: &str) -> Result<&[Vec<f64>], Refusal> {
        match self.require(name)? {
            Values::Series(values) => self.all(name, values),
            other => Err(of_another_kind(name, other, "series")),
        }
    }

    fn require(&self, name: &str) -> Result<&Values, Refusal> {
        self.values(name).ok_or_else(|| {
            Refusal(format!(
                "the column `{name}` was not given: the model must ask for it in its description, and the host must have it"
            ))
        })
    }

    /// `values`, if there is one for each row.
    fn all<'a, T>(&self, name: &str, values: &'a [T]) -> Result<&'a [T], Refusal> {
        if values.len() == self.rows {
            return Ok(values);
        }
        Err(Refusal(format!(
            "the column `{name}` has {} values for {} rows: it must have one for each",
            values.len(),
            self.rows
        )))
    }
}

fn of_another_kind(name: &str, values: &Values, asked: &str) -> Refusal {
    let kind = match values {
        Values::Numbers(_) => "numbers",
        Values::Texts(_) => "texts",
        Values::Series(_) => "series",
    };
    Refusal(format!(
        "the column `{name}` is of {kind}, not of {asked}: read it as {kind}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch::new(2)
            .with_numbers("followers", vec![10.0, 20.0])
            .with_texts("style", vec!["linen", "silk"])
            .with_series("gmv", vec![vec![1.0, 2.0], vec![]])
            .with_numbers("short", vec![1.0])
    }

    #[test]
    fn finds_columns_of_the_kind_asked_for() {
        let batch = batch();
        assert_eq!(batch.numbers("followers"), Some(&[10.0, 20.0][..]));
        assert_eq!(batch.texts("style").unwrap()[1], "silk");
        assert_eq!(batch.series("gmv").unwrap()[0], vec![1.0, 2.0]);
        assert_eq!(batch.numbers("fans"), None);
        assert_eq!(batch.numbers("gmv"), None);
        assert_eq!(batch.numbers("short"), None);
    }

    #[test]
    fn says_which_column_is_wrong_and_how() {
        let batch = batch();
        let said = |refusal: Refusal| refusal.0;
        assert!(said(batch.require_numbers("fans").unwrap_err()).contains("`fans` was not given"));
        assert_eq!(
            said(batch.require_numbers("gmv").unwrap_err()),
            "the column `gmv` is of series, not of numbers: read it as series"
        );
        assert_eq!(
            said(batch.require_texts("followers").unwrap_err()),
            "the column `followers` is of numbers, not of texts: read it as numbers"
        );
        assert_eq!(
            said(batch.require_numbers("short").unwrap_err()),
            "the column `short` has 1 values for 2 rows: it must have one for each"
        );
        assert!(said(batch.require_series("style").unwrap_err()).contains("is of texts"));
    }
}
