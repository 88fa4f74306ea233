//! Hashes of what goes in and comes out, by which a run is known again.

use std::sync::LazyLock;

use blake3::Hasher;
use dualwheel_plugin_sdk::Values;

use crate::wire::{SentColumn, SentParameter, SentValues};

/// Bytes of a number.
const NUMBER: usize = size_of::<f64>();
/// Numbers that are hashed at once.
const AT_ONCE: usize = 8_192;
/// Bytes that there is room for at first: most of what is hashed for a few rows.
const ROOM: usize = 1_024;

// What a hash is of is part of it. Taking that in costs as much as a small question, so it is done once.
static INPUT: LazyLock<Hasher> = LazyLock::new(|| Hasher::new_derive_key("dualwheel plugin input 1"));
static QUESTION: LazyLock<Hasher> = LazyLock::new(|| Hasher::new_derive_key("dualwheel plugin question 1"));
static OUTPUT: LazyLock<Hasher> = LazyLock::new(|| Hasher::new_derive_key("dualwheel plugin output 1"));

/// Hashes values with their lengths, so that no two different sequences look alike. BLAKE3 gets them in large pieces, for
/// that is how it is fast.
#[derive(Debug)]
struct Digest {
    hasher: Hasher,
    waiting: Vec<u8>,
}

impl Digest {
    fn new(of: &Hasher) -> Self {
        Self {
            hasher: of.clone(),
            waiting: Vec::with_capacity(ROOM),
        }
    }

    fn count(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.waiting.extend_from_slice(&count.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.waiting.extend_from_slice(text.as_bytes());
        self.pass_on();
    }

    /// Bit by bit: values that are equal but not the same are distinguished.
    fn numbers(&mut self, numbers: &[f64]) {
        self.count(numbers.len());
        // Many of them are hashed where they lie.
        if cfg!(target_endian = "little") && numbers.len() >= AT_ONCE {
            self.hasher.update(&self.waiting);
            self.hasher.update(bytemuck::cast_slice(numbers));
            self.waiting.clear();
            return;
        }
        for numbers in numbers.chunks(AT_ONCE) {
            let before = self.waiting.len();
            self.waiting.resize(before + numbers.len() * NUMBER, 0);
            let (_, new) = self.waiting.split_at_mut(before);
            let (slots, _) = new.as_chunks_mut();
            for (slot, number) in slots.iter_mut().zip(numbers) {
                *slot = number.to_le_bytes();
            }
            self.pass_on();
        }
    }

    /// Hashes what waits, once it is much.
    fn pass_on(&mut self) {
        if self.waiting.len() >= AT_ONCE * NUMBER {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
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

    fn hex(mut self) -> String {
        self.hasher.update(&self.waiting);
        self.hasher.finalize().to_hex().to_string()
    }
}

/// Hash of what a model is given: BLAKE3, in hexadecimal.
pub(crate) fn of_input(rows: usize, columns: &[SentColumn<'_>], parameters: &[SentParameter<'_>]) -> String {
    let mut digest = Digest::new(&INPUT);
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
    let mut digest = Digest::new(&QUESTION);
    digest.count(batches.len());
    batches.iter().for_each(|hash| digest.text(hash));
    digest.hex()
}

/// Hash of what a model answers, column by column in the world's order: BLAKE3, in hexadecimal.
#[must_use]
pub fn of_output(columns: &[Values]) -> String {
    let mut digest = Digest::new(&OUTPUT);
    digest.count(columns.len());
    for column in columns {
        match column {
            // Without their kind, for once there were answers of no other.
            Values::Numbers(numbers) => digest.numbers(numbers),
            other => digest.values(&other.into()),
        }
    }
    digest.hex()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use dualwheel_plugin_sdk::Values;

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
        let numbers = |numbers: &[f64]| Values::Numbers(numbers.to_vec());
        let texts = |texts: &[&str]| Values::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        assert!(seen.insert(of_output(&[numbers(&[1.0]), numbers(&[2.0])])));
        assert!(seen.insert(of_output(&[numbers(&[1.0, 2.0])])));
        assert!(seen.insert(of_output(&[numbers(&[1.0]), texts(&["A"])])));
        assert!(seen.insert(of_output(&[numbers(&[1.0]), texts(&["A", ""])])));
        assert_eq!(of_output(&[numbers(&[1.0])]), of_output(&[numbers(&[1.0])]));
    }

    #[test]
    fn many_values_hash_as_their_bytes() {
        // Some that wait, and some that are hashed where they lie.
        let counts = [0_u32, 1, 8_191, 8_192, 3, 10_000, 20_000, 0];
        let columns = counts.map(|count| (0..count).map(f64::from).collect::<Vec<_>>());
        let mut plain = blake3::Hasher::new_derive_key("dualwheel plugin output 1");
        plain.update(&8_u64.to_le_bytes());
        for (count, numbers) in counts.into_iter().zip(&columns) {
            plain.update(&u64::from(count).to_le_bytes());
            for number in numbers {
                plain.update(&number.to_le_bytes());
            }
        }
        assert_eq!(
            of_output(&columns.map(Values::Numbers)),
            plain.finalize().to_hex().to_string()
        );
    }
}
