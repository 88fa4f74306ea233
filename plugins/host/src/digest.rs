//! Hashes of what goes in and comes out, by which a run is known again.

use crate::wire::{SentColumn, SentParameter, SentValues};

/// Hashes values with their lengths, so that no two different sequences look alike.
#[derive(Debug)]
struct Digest(blake3::Hasher);

impl Digest {
    fn new(of: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(of))
    }

    fn count(&mut self, count: usize) {
        self.0
            .update(&u64::try_from(count).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    /// Bit by bit: values that are equal but not the same are told apart.
    fn numbers(&mut self, numbers: &[f64]) {
        self.count(numbers.len());
        for number in numbers {
            self.0.update(&number.to_bits().to_le_bytes());
        }
    }

    fn values(&mut self, values: &SentValues<'_>) {
        match values {
            SentValues::Numbers(numbers) => {
                self.text("numbers");
                self.numbers(numbers);
            }
            SentValues::Texts(texts) => {
                self.text("texts");
                self.count(texts.len());
                texts.iter().for_each(|text| self.text(text));
            }
            SentValues::Series(series) => {
                self.text("series");
                self.count(series.len());
                series.iter().for_each(|numbers| self.numbers(numbers));
            }
        }
    }

    fn hex(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Hash of what a model is given: BLAKE3, in hexadecimal.
pub(crate) fn of_input(rows: usize, columns: &[SentColumn<'_>], parameters: &[SentParameter<'_>]) -> String {
    let mut digest = Digest::new("dualwheel plugin input 1");
    digest.count(rows);
    digest.count(columns.len());
    for column in columns {
        digest.text(column.name);
        digest.values(&column.values);
    }
    digest.count(parameters.len());
    for parameter in parameters {
        digest.text(parameter.name);
        digest.numbers(&[parameter.value]);
    }
    digest.hex()
}

/// Hash of a question of several batches, by those of its batches.
pub(crate) fn of_inputs(batches: &[String]) -> String {
    let mut digest = Digest::new("dualwheel plugin question 1");
    digest.count(batches.len());
    batches.iter().for_each(|hash| digest.text(hash));
    digest.hex()
}

/// Hash of what a model answers, column by column in the world's order: BLAKE3, in hexadecimal.
#[must_use]
pub fn of_output(columns: &[Vec<f64>]) -> String {
    let mut digest = Digest::new("dualwheel plugin output 1");
    digest.count(columns.len());
    columns.iter().for_each(|numbers| digest.numbers(numbers));
    digest.hex()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{of_input, of_output};
    use crate::wire::{SentColumn, SentParameter, SentValues};

    #[test]
    fn what_differs_hashes_differently() {
        let texts = ["a".to_owned(), "bc".to_owned()];
        let other = ["ab".to_owned(), "c".to_owned()];
        let (flat, nested) = ([1.0, 2.0], [vec![1.0], vec![2.0]]);
        let columns = [
            SentValues::Texts(&texts),
            SentValues::Texts(&other),
            SentValues::Numbers(&flat),
            SentValues::Series(&nested),
            SentValues::Numbers(&[]),
        ];
        let mut seen = HashSet::new();
        for values in columns {
            for name in ["x", "y"] {
                for value in [0.0, -0.0] {
                    let parameters = [SentParameter { name: "p", value }];
                    assert!(seen.insert(of_input(2, &[SentColumn { name, values }], &parameters)));
                }
            }
        }
        assert!(seen.insert(of_input(3, &[], &[])));
        assert!(seen.insert(of_output(&[vec![1.0], vec![2.0]])));
        assert!(seen.insert(of_output(&[vec![1.0, 2.0]])));
        assert_eq!(of_output(&[vec![1.0]]), of_output(&[vec![1.0]]));
    }
}
