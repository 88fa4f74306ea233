//! Answers as the contract's columns.

use crate::{Column, HitScores, KocScores, StyleScores, Values, hit, koc, style};

impl KocScores {
    /// Room for the answers of `rows` rows.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            content: Vec::with_capacity(rows),
            influence: Vec::with_capacity(rows),
            purchasing: Vec::with_capacity(rows),
        }
    }

    /// The columns that the world answers.
    #[must_use]
    pub fn into_columns(self) -> Vec<Column> {
        vec![
            numbers(koc::CONTENT, self.content),
            numbers(koc::INFLUENCE, self.influence),
            numbers(koc::PURCHASING, self.purchasing),
        ]
    }
}

impl StyleScores {
    /// Room for the answers of `rows` rows.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            growth: Vec::with_capacity(rows),
            score: Vec::with_capacity(rows),
        }
    }

    /// The columns that the world answers.
    #[must_use]
    pub fn into_columns(self) -> Vec<Column> {
        vec![
            numbers(style::GROWTH, self.growth),
            numbers(style::SCORE, self.score),
        ]
    }
}

impl HitScores {
    /// Room for the answers of `rows` rows.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            score: Vec::with_capacity(rows),
            reason: Vec::with_capacity(rows),
        }
    }

    /// The columns that the world answers.
    #[must_use]
    pub fn into_columns(self) -> Vec<Column> {
        let reason = Column {
            name: hit::REASON.to_owned(),
            values: Values::Texts(self.reason),
        };
        vec![numbers(hit::SCORE, self.score), reason]
    }
}

fn numbers(name: &str, values: Vec<f64>) -> Column {
    Column {
        name: name.to_owned(),
        values: Values::Numbers(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_goes_under_its_own_name() {
        let mut scores = KocScores::with_capacity(1);
        scores.content.push(1.0);
        scores.influence.push(2.0);
        scores.purchasing.push(3.0);
        let columns = scores.into_columns();
        let named = |at: usize| (columns[at].name.as_str(), &columns[at].values);
        assert_eq!(named(0), ("content", &Values::Numbers(vec![1.0])));
        assert_eq!(named(1), ("influence", &Values::Numbers(vec![2.0])));
        assert_eq!(named(2), ("purchasing", &Values::Numbers(vec![3.0])));

        let mut scores = StyleScores::with_capacity(1);
        scores.growth.push(0.1);
        scores.score.push(60.0);
        let columns = scores.into_columns();
        assert_eq!(columns[0], numbers("growth", vec![0.1]));
        assert_eq!(columns[1], numbers("score", vec![60.0]));

        let mut scores = HitScores::with_capacity(1);
        scores.score.push(60.0);
        scores.reason.push("GROWTH".to_owned());
        let columns = scores.into_columns();
        assert_eq!(columns[0], numbers("score", vec![60.0]));
        let reason = (columns[1].name.as_str(), &columns[1].values);
        assert_eq!(reason, ("reason", &Values::Texts(vec!["GROWTH".to_owned()])));
    }
}
