//! Entries of acts of consumers.

use super::{
    Seen,
    draft::{Draft, quoted, text},
    names,
};
use crate::{Error, fact::Fact, frames::Kind};

/// A proposal for a file of events.
pub(super) async fn draft(file: &Seen, fact: &'static Fact) -> Result<Draft, Error> {
    let mut draft = Draft::of(file, fact);
    for column in draft.fact.columns {
        let Some(found) = file.column(column.name) else {
            match column.name {
                "event_id" => event_id(&mut draft, file),
                _ if column.required => draft.open(column),
                _ => {}
            }
            continue;
        };
        if column.name != "kind" {
            draft.column(column, file, found, quoted(found));
            continue;
        }
        draft.uses(found);
        let values = file.look.distinct(found).await?;
        kind(&mut draft, found, &values);
    }
    Ok(draft)
}

/// A name for each event that has none: what makes it the same event.
fn event_id(draft: &mut Draft, file: &Seen) {
    let parts = ["consumer", "kind", "occurred_at", "product", "content"];
    let parts = parts.iter().filter_map(|field| file.column(field));
    let parts: Vec<String> = parts
        .map(|column| format!("COALESCE(CAST({} AS VARCHAR), '')", quoted(column)))
        .collect();
    let note = "no column is an id: what agrees in all of these counts once";
    draft.put("event_id", parts.join(" || '-' || "), Some(note.to_owned()));
}

/// The kind of each event by what the file calls it.
fn kind(draft: &mut Draft, column: &str, values: &[String]) {
    let (mut cases, mut strange, mut left) = (String::new(), Vec::new(), Vec::new());
    for value in values {
        let plain = names::plain(value);
        let known = names::ACTS
            .iter()
            .find(|(_, names)| names.contains(&plain.as_str()));
        match known {
            Some((kind, _)) => cases.push_str(&format!(" WHEN {} THEN '{}'", text(value), kind.name())),
            None if names::NO_ACTS.contains(&plain.as_str()) => left.push(text(value)),
            None if Kind::named(value).is_some() => {}
            None => strange.push(value.clone()),
        }
    }
    let column = quoted(column);
    let sql = match cases.as_str() {
        "" => column.clone(),
        cases => format!("CASE {column}{cases} ELSE {column} END"),
    };
    let note = (!strange.is_empty()).then(|| {
        format!(
            "EDIT: these are no kinds that are known, and refused: {}; kinds are {}",
            strange.join(", "),
            Kind::said().map(Kind::name).collect::<Vec<_>>().join(", ")
        )
    });
    draft.put("kind", sql, note);
    if !left.is_empty() {
        let condition = format!("COALESCE({column}, '') NOT IN ({})", left.join(", "));
        draft.filter = Some((condition, "these are no acts on a brand".to_owned()));
    }
}
