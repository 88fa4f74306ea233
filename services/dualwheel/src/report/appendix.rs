//! The appendix: the reference set, every metric with what it was made of, definitions and data versions.

use dualwheel_proto::{
    diagnosis::{MemberScore, MetricScore},
    types::{Definition, Metric},
};
use serde::Serialize;

use crate::{
    format,
    report::context::Context,
    words::{Words, fill},
};

/// The appendix of the page.
#[derive(Serialize)]
pub struct Appendix {
    tracks: Vec<String>,
    members: Vec<Member>,
    metrics: Vec<Detail>,
    definitions: Vec<Entry>,
    tables: Vec<(String, String)>,
    scoring_version: String,
}

#[derive(Serialize)]
struct Member {
    brand: String,
    own: bool,
    index: String,
    tracks: Vec<String>,
}

#[derive(Serialize)]
struct Detail {
    id: String,
    name: String,
    value: String,
    made_of: String,
    interval: String,
    score: String,
    rank: String,
    weight: String,
    notes: Vec<String>,
    absent: bool,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    name: String,
    text: String,
    formula: String,
    grade: String,
    grade_id: String,
    better: &'static str,
    version: String,
    parameters: String,
}

/// Everything that stands behind the numbers.
pub fn appendix(context: &Context<'_>) -> Appendix {
    let diagnosis = context.diagnosis;
    let mut tables: Vec<(String, String)> = diagnosis
        .data_version
        .iter()
        .flat_map(|version| &version.tables)
        .map(|(table, version)| (table.clone(), version.to_string()))
        .collect();
    tables.sort();
    let version = diagnosis.definitions_version.as_str();
    Appendix {
        tracks: diagnosis
            .tracks
            .iter()
            .map(|track| context.track_name(track).to_owned())
            .collect(),
        members: members(context),
        metrics: metrics(context),
        definitions: diagnosis
            .definitions
            .iter()
            .map(|definition| entry(context, definition))
            .collect(),
        tables,
        scoring_version: fill(context.words.scoring_version, &[("version", version)]),
    }
}

fn members(context: &Context<'_>) -> Vec<Member> {
    let diagnosis = context.diagnosis;
    let mut ranked: Vec<&MemberScore> = diagnosis.members.iter().collect();
    // Best first, those without an index last, names as the tie-break.
    ranked.sort_by(|a, b| {
        let (x, y) = (
            a.index.unwrap_or(f64::NEG_INFINITY),
            b.index.unwrap_or(f64::NEG_INFINITY),
        );
        y.total_cmp(&x).then_with(|| a.brand.cmp(&b.brand))
    });
    let member = |member: &MemberScore| Member {
        brand: member.brand.clone(),
        own: member.brand == diagnosis.brand,
        index: format::score(member.index),
        tracks: diagnosis
            .tracks
            .iter()
            .map(|track| format::score(member.tracks.get(&track.track).copied()))
            .collect(),
    };
    ranked.into_iter().map(member).collect()
}

/// The scored metrics, then the sub-indicators, whose weights are part of their metrics' and so in brackets.
fn metrics(context: &Context<'_>) -> Vec<Detail> {
    let diagnosis = context.diagnosis;
    let mut details: Vec<Detail> = diagnosis
        .metrics
        .iter()
        .filter_map(|score| detail(context, score))
        .collect();
    for score in &diagnosis.sub_indicators {
        details.extend(detail(context, score).map(|mut detail| {
            detail.weight = format!("({})", detail.weight);
            detail
        }));
    }
    details
}

fn detail(context: &Context<'_>, score: &MetricScore) -> Option<Detail> {
    let metric = score.metric.as_ref()?;
    let absence = context.absence(score);
    let mut notes = notes(metric, context.words);
    if !absence.is_empty() {
        notes.insert(0, [absence, &metric.absence_detail].map(str::trim).join(" — "));
    }
    Some(Detail {
        id: metric.id.clone(),
        name: context.name(&metric.id).to_owned(),
        value: context.value(metric.value, &metric.unit),
        made_of: format::fraction(metric),
        interval: interval(metric, context.words, &context.currency),
        score: format::score(score.score),
        rank: context.rank(score.rank, score.members),
        weight: format::weight(score.weight),
        notes: notes
            .into_iter()
            .map(|note| note.trim_end_matches(" — ").to_owned())
            .collect(),
        absent: metric.value.is_none(),
    })
}

/// A metric's interval with its method, or why there is none.
pub fn interval(metric: &Metric, words: &Words, currency: &str) -> String {
    match &metric.interval {
        Some(interval) => {
            let method = words.method(interval.method());
            let range = format::interval(interval, &metric.unit, currency);
            if method.is_empty() {
                range
            } else {
                format!("{range} ({method})")
            }
        }
        None => match words.interval_absence(metric.interval_absence()) {
            "" => format::NONE.to_owned(),
            why => why.to_owned(),
        },
    }
}

fn notes(metric: &Metric, words: &Words) -> Vec<String> {
    metric
        .labels
        .iter()
        .map(|label| words.label(label).to_owned())
        .collect()
}

fn entry(context: &Context<'_>, definition: &Definition) -> Entry {
    let parameters = definition.parameters_json.trim();
    Entry {
        id: definition.id.clone(),
        name: context.name(&definition.id).to_owned(),
        text: definition.text.clone(),
        formula: definition.formula.clone(),
        grade: context.words.grade(&definition.grade).to_owned(),
        grade_id: definition.grade.clone(),
        better: context.words.better(&definition.better),
        version: definition.version.clone(),
        parameters: if parameters == "{}" {
            String::new()
        } else {
            parameters.to_owned()
        },
    }
}
