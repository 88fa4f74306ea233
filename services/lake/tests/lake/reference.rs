//! The table of target columns in `mappings/README.md` is what the facts admit, with the words of the contracts.
//!
//! `UPDATE_REFERENCE=1 cargo test -p dualwheel-lake --test lake reference` writes it anew.

use std::{fmt::Write, path::Path};

use dualwheel_lake::{
    fact::{Column, Content, FACTS, LONGEST_KEY, LONGEST_LIST, LONGEST_TEXT},
    mapping::SHIPPED,
};

const UPDATE: &str = "UPDATE_REFERENCE";
const BEGIN: &str = "<!-- written by the test `reference` of the crate dualwheel-lake: begin -->\n";
const END: &str = "<!-- end -->\n";
const CONTRACT: &str = include_str!("../../../../proto/dualwheel/facts/v1/facts.proto");

/// The name of a fact's message.
fn message(fact: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    fact.split('_').map(capital).collect()
}

/// The words that stand before a line of the contract.
fn words(text: &str, line: &str) -> String {
    let (before, _) = text.split_once(line).unwrap_or_else(|| panic!("{line}"));
    let words: Vec<&str> = before
        .trim_end_matches(' ')
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix("// "))
        .collect();
    words.into_iter().rev().collect::<Vec<_>>().join(" ")
}

fn takes(column: &Column) -> String {
    match column.content {
        Content::Key => format!("key, {LONGEST_KEY} bytes at most"),
        Content::Text => format!("text, {LONGEST_TEXT} bytes at most"),
        Content::Texts => format!("{LONGEST_LIST} keys at most: a list, or a text with `\\|` between"),
        Content::Money => "money, not negative, four decimals at most".to_owned(),
        Content::Count(i64::MAX) => "whole number, not negative".to_owned(),
        Content::Count(most) => format!("whole number, 0 to {most}"),
        Content::Share => "number, 0 to 1".to_owned(),
        Content::Instant { future: true, .. } => "time, which may lie ahead".to_owned(),
        Content::Instant { future: false, .. } => "time".to_owned(),
        Content::Day => "day".to_owned(),
        Content::Flag => "true or false".to_owned(),
        Content::Code(names) => names[1..]
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn table() -> String {
    let mut text = String::new();
    for fact in FACTS.iter() {
        let head = format!("message {} {{", message(fact.name));
        let (_, fields) = CONTRACT.split_once(&head).unwrap();
        let (fields, _) = fields.split_once("\n}").unwrap();
        writeln!(text, "\n### `{}`\n\n{}\n", fact.name, words(CONTRACT, &head)).unwrap();
        writeln!(text, "| column | needed | takes | says |\n|---|---|---|---|").unwrap();
        for column in fact.columns {
            let line = fields
                .lines()
                .find(|line| line.contains(&format!(" {} = ", column.name)))
                .unwrap_or_else(|| panic!("{} {}", fact.name, column.name));
            let says = words(fields, line.trim())
                .replace(" Required.", "")
                .replace('|', "\\|");
            let needed = if column.required { "yes" } else { "" };
            writeln!(
                text,
                "| `{}` | {needed} | {} | {says} |",
                column.name,
                takes(column)
            )
            .unwrap();
        }
    }
    text + "\n"
}

#[test]
fn every_target_column_stands_in_the_reference() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/README.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let written = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, &written).unwrap();
    } else {
        assert!(
            page == written,
            "the table of columns is not what facts admit: run {UPDATE}=1 cargo test -p dualwheel-lake --test lake reference"
        );
    }
    for (name, _) in SHIPPED {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not told of");
    }
}
