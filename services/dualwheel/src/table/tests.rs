use dualwheel_proto::{
    diagnosis::Diagnosis,
    types::{Absence, Metric, Segment},
};

use super::{Lang, WIDTH, bar, diagnosis, metrics, metrics_named};
use crate::fixture;

/// Columns that a line takes: CJK letters take two.
fn columns(line: &str) -> usize {
    line.chars()
        .map(|letter| {
            if ('\u{2e80}'..'\u{ffef}').contains(&letter) {
                2
            } else {
                1
            }
        })
        .sum()
}

fn assert_fits(text: &str) {
    for line in text.lines() {
        assert!(
            columns(line) <= usize::from(WIDTH),
            "{} columns: {line}",
            columns(line)
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn a_diagnosis_fits_the_terminal_in_both_languages() {
    for lang in [Lang::En, Lang::Zh] {
        let text = diagnosis(&fixture::diagnosis(), lang);
        assert_fits(&text);
        if std::env::var("REPORT_FIXTURE").is_ok() {
            println!("{text}");
        }
    }
    let text = diagnosis(&fixture::diagnosis(), Lang::En);
    for said in [
        "Index 46.8 of 100",
        "Rank 7 of 10",
        "signal not supplied",
        "Content (partial)",
        "Style trend insight ★",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn an_empty_diagnosis_says_that_it_has_no_index() {
    assert!(diagnosis(&Diagnosis::default(), Lang::En).contains("No index"));
}

#[test]
fn metrics_show_cuts_parts_and_reasons() {
    let source = fixture::diagnosis();
    let mut all: Vec<Metric> = source
        .metrics
        .iter()
        .filter_map(|score| score.metric.clone())
        .collect();
    all[1].segments = vec![Segment {
        dimension: "category".into(),
        value: "beauty/skincare\u{1b}[31m".into(),
    }];
    all[2].segments = vec![Segment {
        dimension: "category".into(),
        value: String::new(),
    }];
    for (definitions, lang) in [(source.definitions.as_slice(), Lang::Zh), (&[][..], Lang::En)] {
        let text = metrics_named(&all, definitions, lang);
        if std::env::var("REPORT_FIXTURE").is_ok() {
            println!("{text}");
        }
        assert_fits(&text);
        assert!(text.contains("beauty/skincare") && text.contains("category=–"));
    }
    let absent = Metric {
        id: "super.star".into(),
        unit: "ratio".into(),
        absence: Absence::NoDenominator.into(),
        ..Metric::default()
    };
    let text = metrics(&[absent], Lang::En);
    assert!(text.contains("denominator is zero") && text.contains('–'));
}

#[test]
fn the_bar_marks_score_and_middle() {
    assert_eq!(bar(Some(0.0)), "●──────┼───────");
    assert_eq!(bar(Some(50.0)), "───────●───────");
    assert_eq!(bar(Some(400.0)), "───────┼──────●");
    assert_eq!(bar(None), "");
}
