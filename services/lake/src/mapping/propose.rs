//! A mapping proposed for files of which nothing is known but what they hold.
//!
//! What the files do not show is not made up: a field that a fact needs and no column is likely to be becomes `NULL`
//! with a comment beside it, and the run of the mapping refuses its rows until it is edited.

mod draft;
mod event;
mod names;
mod order;
mod place;

use std::{collections::BTreeSet, path::PathBuf};

use super::{Look, look, wrong};
use crate::{Error, fact::Fact};
use draft::Draft;

/// A file that was looked at.
struct Seen {
    path: PathBuf,
    /// Its name in the mapping.
    source: String,
    look: Look,
    /// The fact that it likely holds.
    fact: Option<&'static str>,
}

impl Seen {
    fn new(path: PathBuf, look: Look, taken: &mut BTreeSet<String>) -> Self {
        let mut seen = Self {
            path,
            source: String::new(),
            look,
            fact: None,
        };
        let has =
            |fact: &str, fields: &[&str]| fields.iter().any(|field| seen.column_of(fact, field).is_some());
        let holds =
            |(fact, groups): &&(&'static str, &[&[&str]])| groups.iter().all(|fields| has(fact, fields));
        let marked = names::MARKS.iter().find(holds).map(|(fact, _)| *fact);
        seen.fact = if place::is_known(&seen) {
            Some("order_line")
        } else {
            marked
        };
        let base = match seen.fact {
            Some("order_line") if seen.column("product").is_some() && seen.column("paid_at").is_none() => {
                "order_items"
            }
            Some("order_line") => "orders",
            Some("behavior") => "events",
            Some(fact) => Fact::named(fact).map_or(fact, |fact| fact.table),
            None => "file",
        };
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let mut tried = std::iter::once(base.to_owned()).chain(numbered);
        seen.source = tried.find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(seen.source.clone());
        seen
    }

    /// The column that likely is a field of a fact.
    fn column_of(&self, fact: &str, field: &str) -> Option<&str> {
        let (_, _, names) = names::FIELDS
            .iter()
            .find(|(of, name, _)| *of == fact && *name == field)?;
        self.named(names)
    }

    /// The column that likely is a field of the file's fact.
    fn column(&self, field: &str) -> Option<&str> {
        self.column_of(self.fact?, field)
    }

    /// The column that is called the likeliest of some names.
    fn named(&self, names: &[&str]) -> Option<&str> {
        let called = |name: &&str| {
            self.look
                .columns
                .iter()
                .find(|column| names::plain(column) == **name)
        };
        names.iter().find_map(called).map(String::as_str)
    }

    /// The different values of a column, `None` where there is none.
    async fn distinct(&self, names: &[&str]) -> Result<Option<(&str, Vec<String>)>, Error> {
        match self.named(names) {
            Some(column) => Ok(Some((column, self.look.distinct(column).await?))),
            None => Ok(None),
        }
    }
}

/// Proposes a mapping of files, as YAML to be edited.
///
/// # Errors
/// When a file cannot be read.
pub async fn propose(paths: &[PathBuf]) -> Result<String, Error> {
    let mut taken = BTreeSet::new();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        files.push(Seen::new(path.clone(), look(path).await?, &mut taken));
    }
    let mut drafts = Vec::new();
    let mut joined: BTreeSet<usize> = BTreeSet::new();
    for (at, file) in files.iter().enumerate() {
        if joined.contains(&at) {
            continue;
        }
        let Some(fact) = file.fact.and_then(Fact::named) else {
            continue;
        };
        if let Some(known) = place::known(file) {
            drafts.push(known);
            continue;
        }
        drafts.push(match fact.name {
            "order_line" => {
                let other = order::partner(&files, at)
                    .await?
                    .filter(|other| !joined.contains(other));
                joined.extend(other);
                order::draft(file, other.and_then(|other| files.get(other)), fact).await?
            }
            "behavior" => event::draft(file, fact).await?,
            _ => plain_draft(file, fact),
        });
    }
    if drafts.is_empty() {
        // Of what cannot be told to be anything, a form that is to be filled in.
        let fact = Fact::named("order_line").ok_or_else(|| wrong("there are no order lines".to_owned()))?;
        let forms = files.iter().map(|file| {
            let mut form = plain_draft(file, fact);
            form.notes.push(format!(
                "EDIT: the columns show no fact: write the likely one in place of {}",
                fact.name
            ));
            form
        });
        drafts.extend(forms);
    }
    let place = place::of(&files).await?;
    Ok(draft::yaml(&files, &place, &drafts))
}

/// A fact each of whose rows is a row of the file.
fn plain_draft(file: &Seen, fact: &'static Fact) -> Draft {
    let mut draft = Draft::of(file, fact);
    for column in fact.columns {
        match file.column(column.name) {
            Some(found) => draft.column(column, file, found, draft::quoted(found)),
            None if column.required => draft.open(column),
            None => {}
        }
    }
    draft
}
