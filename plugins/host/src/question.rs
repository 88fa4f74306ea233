//! Questions of any number of rows, cut into batches.

use std::time::Duration;

use dualwheel_plugin_sdk::{Batch, Parameters, Values};

use crate::{
    batch,
    call::Used,
    digest,
    error::Error,
    features::Features,
    plugin::{Plugin, Record, Run},
};

/// Lines of its batches' logs that a run keeps.
const LINES: usize = 1_000;

/// What a model is asked: rows in batches, with every parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    batches: Vec<Batch>,
    parameters: Parameters,
    input_hash: String,
}

impl Question {
    /// The rows, in batches that have the columns which the model asked for.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Every parameter of the model, with its value.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// BLAKE3 of all that is asked, in hexadecimal: of one batch as its own record has it, of several the hash of their
    /// hashes.
    #[must_use]
    pub fn input_hash(&self) -> &str {
        &self.input_hash
    }

    /// Rows of all batches.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows).sum()
    }
}

impl Plugin {
    /// What this model is to be asked about the rows of a table, in batches as large as may be.
    ///
    /// # Errors
    /// When a column that it requires has no value in any row, or a parameter is wrong.
    pub fn question(&self, table: &Features, given: &Parameters) -> Result<Question, Error> {
        let batches = table.batches(self.describe()?, self.most_rows())?;
        self.question_of(batches, given)
    }

    /// The same of batches that were cut already.
    ///
    /// # Errors
    /// When a column or a parameter is wrong.
    pub fn question_of(&self, batches: Vec<Batch>, given: &Parameters) -> Result<Question, Error> {
        let parameters = self.parameters(given)?;
        let hashes = batches
            .iter()
            .map(|batch| self.input_hash(batch, &parameters))
            .collect::<Result<Vec<_>, _>>()?;
        let input_hash = if hashes.is_empty() {
            // Of no rows the parameters alone tell one question from another.
            let sent = batch::in_order(self.describe()?, &parameters);
            digest::of_input(0, &[], &sent)
        } else {
            joined(hashes)
        };
        Ok(Question {
            batches,
            parameters,
            input_hash,
        })
    }

    /// Asks the model, batch by batch: the columns that its world answers, with a value for every row, and one record of
    /// all batches. It ends at the first batch that fails.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn ask_all(&self, question: &Question) -> Result<Run<Vec<Values>>, Error> {
        let rows = question.rows();
        let answers = self.world().answers().iter();
        let mut columns: Vec<Values> = answers.map(|answer| answer.with_capacity(rows)).collect();
        let description = self.describe()?;
        // Once more, for the question may be one to another model.
        let parameters = self.parameters(&question.parameters)?;
        let mut record = Record {
            plugin_sha256: self.sha256().to_owned(),
            name: description.name.clone(),
            version: description.version.clone(),
            parameters: parameters.clone(),
            rows: 0,
            input_hash: question.input_hash.clone(),
            output_hash: String::new(),
            duration: Duration::ZERO,
            fuel: 0,
            memory_bytes: 0,
            lines: Vec::new(),
            dropped_lines: 0,
        };
        for batch in &question.batches {
            let (parts, used) = self.part(batch, &parameters)?;
            for (whole, part) in columns.iter_mut().zip(parts) {
                extend(whole, part);
            }
            record.add(batch.rows, used);
        }
        record.output_hash = digest::of_output(&columns);
        Ok(Run {
            scores: columns,
            record,
        })
    }
}

impl Record {
    /// Adds what another batch of the same question used.
    fn add(&mut self, rows: usize, other: Used) {
        self.rows += rows;
        self.duration += other.duration;
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.dropped_lines += other.dropped_lines;
        let room = LINES.saturating_sub(self.lines.len());
        let beyond = other.lines.len().saturating_sub(room);
        self.dropped_lines += u64::try_from(beyond).unwrap_or(u64::MAX);
        self.lines.extend(other.lines.into_iter().take(room));
    }
}

/// Adds the values of a part, which are of the same kind: that of the world's answer.
fn extend(whole: &mut Values, part: Values) {
    match (whole, part) {
        (Values::Numbers(whole), Values::Numbers(part)) => whole.extend(part),
        (Values::Texts(whole), Values::Texts(part)) => whole.extend(part),
        (Values::Series(whole), Values::Series(part)) => whole.extend(part),
        _ => {}
    }
}

fn joined(mut hashes: Vec<String>) -> String {
    match (hashes.pop(), hashes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            hashes.extend(last);
            digest::of_inputs(&hashes)
        }
    }
}
