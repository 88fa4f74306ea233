//! What an import did, or would do, for people and programs.

use std::path::Path;

use dualwheel_lake::{
    check::Checked,
    fact::Fact,
    mapping::{Place, Portrait, Refused, Tally},
};
use dualwheel_proto::facts::AppendResponse;
use serde::Serialize;

use crate::format;

/// Places that a group of refusals names.
const PLACES: usize = 3;
/// Groups of refusals that are distinguished; further ones are counted together.
const GROUPS: usize = 100;
/// Groups that a table lists of each fact.
const LISTED: usize = 10;

/// Refused rows of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Entry of the mapping, from 0.
    pub entry: usize,
    /// The field at fault; empty where it is the row as a whole.
    pub field: String,
    /// Why, and what to do.
    pub reason: String,
    /// Number of rows.
    pub count: i64,
    /// The first of them.
    pub first: Vec<At>,
}

/// Where a refused row stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// File and line, or row.
    pub place: String,
    /// The value at fault, shortened; of one that may be personal only its ends.
    pub value: Option<String>,
}

/// What became of one fact's rows.
#[derive(Clone, Debug, Serialize)]
pub struct Counts {
    /// Name of the fact.
    pub fact: &'static str,
    /// Rows written, now or in an earlier try; of a dry run those that would be.
    pub accepted: i64,
    /// Rows refused.
    pub refused: i64,
    /// Rows that an earlier try had written.
    pub repeated: i64,
    /// The refused rows by reason.
    pub refusals: Vec<Group>,
    /// Files that keep the refused rows.
    pub dead_letters: Vec<String>,
    /// What the rows look like that the mapping gives.
    pub portrait: Portrait,
    #[serde(skip)]
    tally: Tally,
}

impl Counts {
    fn new(fact: &'static Fact) -> Self {
        Self {
            fact: fact.name,
            accepted: 0,
            refused: 0,
            repeated: 0,
            refusals: Vec::new(),
            dead_letters: Vec::new(),
            portrait: Portrait::default(),
            tally: Tally::new(fact),
        }
    }

    /// Adds refused rows of an entry.
    pub fn refuse(&mut self, entry: usize, refused: &[Refused]) {
        for one in refused {
            let at = At {
                place: one.place.to_string(),
                value: one.shown(),
            };
            self.group(entry, &one.field, &one.reason, at);
        }
    }

    fn group(&mut self, entry: usize, field: &str, reason: &str, at: At) {
        self.refused += 1;
        let same =
            |group: &&mut Group| group.entry == entry && group.field == field && group.reason == reason;
        if let Some(group) = self.refusals.iter_mut().find(same) {
            group.count += 1;
            if group.first.len() < PLACES {
                group.first.push(at);
            }
            return;
        }
        let is_full = self.refusals.len() >= GROUPS;
        let (field, reason) = if is_full {
            ("", "further reasons")
        } else {
            (field, reason)
        };
        if is_full && let Some(group) = self.refusals.iter_mut().find(|group| group.reason == reason) {
            group.count += 1;
            return;
        }
        self.refusals.push(Group {
            entry,
            field: field.to_owned(),
            reason: reason.to_owned(),
            count: 1,
            first: vec![at],
        });
    }

    /// Adds what a check found of a batch.
    pub fn check(&mut self, entry: usize, batch: i64, checked: &Checked) {
        self.accepted += checked.batch.num_rows() as i64;
        for refusal in &checked.refusals {
            let at = At {
                place: format!("batch {batch}, row {}", refusal.row),
                value: None,
            };
            self.group(entry, refusal.field, &refusal.reason, at);
        }
    }

    /// Adds what the service answered about a batch.
    pub fn count(&mut self, entry: usize, answer: AppendResponse) {
        self.accepted += answer.accepted;
        if answer.repeated_batch {
            self.repeated += answer.accepted;
        }
        let told = answer.refusals.len() as i64;
        for refusal in &answer.refusals {
            let at = At {
                place: format!("batch {}, row {}", answer.sequence, refusal.row),
                value: None,
            };
            self.group(entry, &refusal.field, &refusal.reason, at);
        }
        // The service names the first only.
        self.refused += answer.refused - told;
        if !answer.dead_letter.is_empty() {
            self.dead_letters.push(answer.dead_letter);
        }
    }

    /// Adds what the rows of an entry look like.
    pub fn see(&mut self, tally: Tally) {
        self.tally.absorb(tally);
        self.portrait = self.tally.portrait();
    }

    /// Names a file that keeps refused rows.
    pub fn keep(&mut self, file: &Path) {
        let file = file.display().to_string();
        if !self.dead_letters.contains(&file) {
            self.dead_letters.push(file);
        }
    }
}

/// What became of an import.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Per fact, in the mapping's order.
    pub facts: Vec<Counts>,
    /// What the user may want to know of the files.
    pub notes: Vec<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Summary {
    /// Rows written.
    #[must_use]
    pub fn accepted(&self) -> i64 {
        self.facts.iter().map(|counts| counts.accepted).sum()
    }

    /// The counts of a fact.
    pub fn of(&mut self, fact: &'static Fact) -> &mut Counts {
        let found = self.facts.iter().position(|counts| counts.fact == fact.name);
        let at = found.unwrap_or(self.facts.len());
        if found.is_none() {
            self.facts.push(Counts::new(fact));
        }
        // There since just now, where it was not before.
        #[expect(clippy::indexing_slicing)]
        &mut self.facts[at]
    }
}

/// Where a refused row stands, as programs read it.
pub fn place(place: &Place) -> serde_json::Value {
    match place {
        Place::Line { file, line } => serde_json::json!({"file": file, "line": line}),
        Place::Row(row) => serde_json::json!({"row": row}),
    }
}

/// What an import did, as a table.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["fact", "accepted", "refused", "written before"]);
    for counts in &summary.facts {
        let cells = [counts.accepted, counts.refused, counts.repeated].map(format::whole);
        table.add_row(std::iter::once(counts.fact.to_owned()).chain(cells));
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let mut lines = vec![table.to_string()];
    for counts in &summary.facts {
        lines.extend(looks(counts));
        lines.extend(refusals(counts));
    }
    lines.extend(summary.notes.iter().map(|note| format!("note: {note}")));
    let rate = summary.accepted() as f64 / summary.seconds.max(1e-9);
    lines.push(format!(
        "{} rows in {:.1} s, {} rows/s",
        format::whole(summary.accepted()),
        summary.seconds,
        format::whole(rate as i64)
    ));
    lines.join("\n")
}

/// What the rows of a fact look like, in lines.
fn looks(counts: &Counts) -> Vec<String> {
    let Portrait {
        first_day,
        last_day,
        money,
        units,
        distinct,
        nulls,
        warnings,
        ..
    } = &counts.portrait;
    let mut parts = Vec::new();
    if let (Some(first), Some(last)) = (first_day, last_day) {
        parts.push(format!("{first} … {last}"));
    }
    parts.extend(money.iter().map(|(name, sum)| format!("{name} {sum}")));
    parts.extend(units.iter().map(|(name, sum)| format!("{name} {sum}")));
    let keys = distinct
        .iter()
        .map(|(name, keys)| format!("{} × {name}", format::whole(*keys as i64)));
    parts.extend(keys);
    let partly = nulls.iter().filter(|(_, share)| **share > 0.0 && **share < 1.0);
    let partly: Vec<String> = partly
        .map(|(name, share)| format!("{name} {:.1} %", share * 100.0))
        .collect();
    if !partly.is_empty() {
        parts.push(format!("without a value: {}", partly.join(", ")));
    }
    let told = warnings
        .iter()
        .map(|warning| format!("{}: look again: {warning}", counts.fact));
    let parts = (!parts.is_empty()).then(|| format!("{}: {}", counts.fact, parts.join("; ")));
    parts.into_iter().chain(told).collect()
}

/// The refusals of a fact, in lines.
pub fn refusals(counts: &Counts) -> Vec<String> {
    let mut groups: Vec<&Group> = counts.refusals.iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let told = |group: &&Group| {
        let first = group.first.iter().map(|at| match &at.value {
            Some(value) => format!("{} `{value}`", at.place),
            None => at.place.clone(),
        });
        let field = if group.field.is_empty() {
            String::new()
        } else {
            format!("{} ", group.field)
        };
        format!(
            "{}: {} refused, facts[{}]: {field}{} ({})",
            counts.fact,
            format::whole(group.count),
            group.entry,
            group.reason,
            first.collect::<Vec<_>>().join("; ")
        )
    };
    let mut lines: Vec<String> = groups.iter().take(LISTED).map(told).collect();
    if groups.len() > LISTED {
        lines.push(format!(
            "{}: and {} more reasons",
            counts.fact,
            groups.len() - LISTED
        ));
    }
    let kept = counts.dead_letters.iter().take(1);
    lines.extend(kept.map(|file| format!("{}: refused rows are kept in {file}", counts.fact)));
    lines
}
