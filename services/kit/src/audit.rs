//! What a line of the audit log says of a call besides who called and how it ended. Whoever serves a write or an export
//! notes it; other calls have no line, and what is noted for them is lost. Keys of people are never noted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// What is said of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The brands that it is about.
    pub brand: Option<String>,
    /// Names of the resources that it made, changed or read; of an append, the tables.
    pub resource: Option<String>,
    /// SHA-256 of the text of the audience's expression, in hexadecimal digits.
    pub expression: Option<String>,
    /// Number of people whose keys it took or gave.
    pub people: Option<u64>,
    /// Number of rows that it took or gave.
    pub rows: Option<u64>,
}

/// The note of a call; one that nobody reads where the call has no line. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Notes(Option<Arc<Mutex<Note>>>);

impl Notes {
    /// An empty note.
    pub(crate) fn begin() -> Self {
        Self(Some(Arc::default()))
    }

    /// What was noted.
    pub(crate) fn noted(&self) -> Note {
        self.locked().map(|note| note.clone()).unwrap_or_default()
    }

    /// Notes a brand.
    pub fn brand(&self, brand: &str) {
        self.note(|note| add(&mut note.brand, brand));
    }

    /// Notes the name of a resource, unless it is there.
    pub fn resource(&self, name: &str) {
        self.note(|note| add(&mut note.resource, name));
    }

    /// Notes the expression of an audience, as its hash.
    pub fn expression(&self, expression: &impl ToString) {
        self.note(|note| {
            let hash = Sha256::digest(expression.to_string().as_bytes());
            note.expression = Some(format!("{hash:x}"));
        });
    }

    /// Notes how many people's keys are taken or given.
    pub fn people(&self, people: usize) {
        self.note(|note| note.people = Some(people as u64));
    }

    /// Adds to the number of rows.
    pub fn add_rows(&self, rows: u64) {
        self.note(|note| note.rows = Some(note.rows.unwrap_or(0) + rows));
    }

    fn note(&self, noting: impl FnOnce(&mut Note)) {
        if let Some(mut note) = self.locked() {
            noting(&mut note);
        }
    }

    fn locked(&self) -> Option<MutexGuard<'_, Note>> {
        let note = self.0.as_ref()?;
        Some(note.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Most bytes of names in a line; the rest is an ellipsis.
const NAMES_BYTES: usize = 2 << 10;

fn add(names: &mut Option<String>, name: &str) {
    const MORE: &str = " …";
    match names {
        Some(names) if names.ends_with(MORE) => {}
        names if names.as_ref().map_or(0, String::len) + name.len() > NAMES_BYTES => {
            names.get_or_insert_default().push_str(MORE);
        }
        None => *names = Some(name.to_owned()),
        Some(names) if names.split(' ').any(|one| one == name) => {}
        Some(names) => names.extend([" ", name]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_handles_note_the_same() {
        let notes = Notes::begin();
        let later = notes.clone();
        for brand in ["b", "b"] {
            notes.brand(brand);
        }
        notes.resource("audiences/x");
        later.resource("audiences/y");
        notes.expression(&"abc");
        notes.people(7);
        later.add_rows(2);
        notes.add_rows(3);
        // The hash is the test vector of FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = Note {
            brand: Some("b".to_owned()),
            resource: Some("audiences/x audiences/y".to_owned()),
            expression: Some(abc.to_owned()),
            people: Some(7),
            rows: Some(5),
        };
        assert_eq!(notes.noted(), expected);
        // However many names there are, a line is short.
        for number in 0..100_000 {
            notes.brand(&format!("brand-{number}"));
        }
        notes.resource(&"x".repeat(1 << 20));
        let Note { brand, resource, .. } = notes.noted();
        let brand = brand.unwrap();
        assert!(
            brand.starts_with("b brand-0 brand-1 ") && brand.ends_with('…'),
            "{brand}"
        );
        assert!(brand.len() < NAMES_BYTES + 8, "{}", brand.len());
        assert_eq!(resource.unwrap(), "audiences/x audiences/y …");
        // Where a call has no line, nobody reads what is noted.
        let none = Notes::default();
        none.people(8);
        assert_eq!(none.noted(), Note::default());
    }
}
