//! The five tracks: radar, table, and the bars of every metric against the peers.

use dualwheel_proto::{
    diagnosis::{MetricScore, TrackScore},
    types::Metric,
};
use minijinja::Value;
use serde::Serialize;

use crate::{
    format,
    report::{
        charts::{
            bars::{self, Scale},
            radar::{self, Axis},
            strip::{self, Dot, Size},
        },
        context::{Context, scored},
    },
    words::fill,
};

/// A row of the track table.
#[derive(Serialize)]
pub struct Row {
    name: String,
    score: String,
    strip: Value,
    peer_mean: String,
    rank: String,
    rank_sort: i32,
    interval: String,
    weight: String,
    present: String,
    partial: bool,
}

/// The metrics of one track.
#[derive(Serialize)]
pub struct Group {
    id: String,
    name: String,
    score: String,
    lede: String,
    cards: Vec<Card>,
    sub_cards: Vec<Card>,
}

/// One metric's small multiple.
#[derive(Serialize)]
struct Card {
    name: String,
    note: String,
    score: String,
    tone: &'static str,
    rank: String,
    score_word: &'static str,
    bars: Vec<Bar>,
    absence: String,
    detail: String,
}

#[derive(Serialize)]
struct Bar {
    class: &'static str,
    label: &'static str,
    value: String,
    bar: Value,
}

/// The radar of the brand over its peers.
pub fn radar(context: &Context<'_>) -> Value {
    let axis = |track: &TrackScore| Axis {
        name: context.track_name(track).to_owned(),
        written: format::score(track.score),
        score: track.score,
        peers: track.peer_mean,
    };
    let axes: Vec<Axis> = context.diagnosis.tracks.iter().map(axis).collect();
    let scores: Vec<String> = axes
        .iter()
        .map(|axis| format!("{} {}", axis.name, axis.written))
        .collect();
    let words = format!("{}: {}", context.words.radar_alt, scores.join(", "));
    Value::from_safe_string(radar::draw(&axes, &words))
}

/// The track table.
pub fn rows(context: &Context<'_>) -> Vec<Row> {
    let row = |track: &TrackScore| Row {
        name: context.track_name(track).to_owned(),
        score: format::score(track.score),
        strip: track_strip(context, track),
        peer_mean: format::score(track.peer_mean),
        rank: context.rank(track.rank, context.diagnosis.reference_size),
        rank_sort: track.rank,
        interval: track.interval.as_ref().map_or_else(
            || format::NONE.to_owned(),
            |interval| format::interval(interval, "points", ""),
        ),
        weight: format::weight(track.weight),
        present: format::weight(track.weight_present),
        partial: track.partial,
    };
    context.diagnosis.tracks.iter().map(row).collect()
}

fn track_strip(context: &Context<'_>, track: &TrackScore) -> Value {
    let diagnosis = context.diagnosis;
    let dot = |name: &str, score: f64, own| Dot {
        name: name.to_owned(),
        score,
        written: format::decimal(score, 1),
        own,
    };
    let peers = diagnosis
        .members
        .iter()
        .filter(|member| member.brand != diagnosis.brand);
    let mut dots: Vec<Dot> = peers
        .filter_map(|member| Some(dot(&member.brand, *member.tracks.get(&track.track)?, false)))
        .collect();
    dots.extend(track.score.map(|score| dot(&diagnosis.brand, score, true)));
    let interval = track
        .interval
        .as_ref()
        .map(|interval| (interval.low, interval.high));
    let words = format!("{}: {}", context.track_name(track), format::score(track.score));
    Value::from_safe_string(strip::draw(&dots, interval, Size::Row, &words))
}

/// The metrics of every track, in the order of the tracks; a track that the diagnosis does not list comes last.
pub fn groups(context: &Context<'_>) -> Vec<Group> {
    let diagnosis = context.diagnosis;
    let mut ids: Vec<&str> = diagnosis
        .tracks
        .iter()
        .map(|track| track.track.as_str())
        .collect();
    for score in &diagnosis.metrics {
        if !ids.contains(&score.track.as_str()) {
            ids.push(&score.track);
        }
    }
    let group = |id: &str| {
        let track = diagnosis.tracks.iter().find(|track| track.track == id);
        let scores: Vec<&MetricScore> = diagnosis
            .metrics
            .iter()
            .filter(|score| score.track == id)
            .collect();
        let cards: Vec<Card> = scores.iter().filter_map(|score| card(context, score)).collect();
        let parts = diagnosis.sub_indicators.iter().filter(|score| score.track == id);
        let sub_cards: Vec<Card> = parts.filter_map(|score| card(context, score)).collect();
        (!cards.is_empty() || !sub_cards.is_empty()).then(|| Group {
            id: id.to_owned(),
            name: context.track(id).to_owned(),
            score: format::score(track.and_then(|track| track.score)),
            lede: lede(context, &scores),
            cards,
            sub_cards,
        })
    };
    ids.into_iter().filter_map(group).collect()
}

fn lede(context: &Context<'_>, scores: &[&MetricScore]) -> String {
    let good = |score: &MetricScore| {
        let metric = score.metric.as_ref()?;
        let (value, peers) = (scored(score, metric).0?, score.peer_mean?);
        Some(if context.lower_is_better(&metric.id) {
            value <= peers
        } else {
            value >= peers
        })
    };
    let judged: Vec<bool> = scores.iter().filter_map(|score| good(score)).collect();
    if judged.is_empty() {
        return String::new();
    }
    let level = judged.iter().filter(|good| **good).count();
    fill(
        context.words.track_lede,
        &[("n", &level.to_string()), ("m", &judged.len().to_string())],
    )
}

fn card(context: &Context<'_>, score: &MetricScore) -> Option<Card> {
    let metric = score.metric.as_ref()?;
    let words = context.words;
    let mut notes = Vec::new();
    if score.scored_value.is_some() && metric.unit != "ratio" {
        notes.push(words.as_share.to_owned());
        notes.push(context.value(metric.value, &metric.unit));
    }
    if context.lower_is_better(&metric.id) {
        notes.push(words.lower_better.to_owned());
    }
    Some(Card {
        name: context.name(&metric.id).to_owned(),
        note: notes.join(" · "),
        score: format::score(score.score),
        tone: tone(score.score),
        rank: format!("{} {}", words.rank, context.rank(score.rank, score.members)),
        score_word: words.score,
        bars: card_bars(context, score, metric),
        absence: context.absence(score).to_owned(),
        detail: metric.absence_detail.clone(),
    })
}

fn tone(score: Option<f64>) -> &'static str {
    match score {
        Some(score) if score >= 60.0 => "good",
        Some(score) if score < 40.0 => "bad",
        Some(_) => "even",
        None => "none",
    }
}

fn card_bars(context: &Context<'_>, score: &MetricScore, metric: &Metric) -> Vec<Bar> {
    let words = context.words;
    let (value, unit) = scored(score, metric);
    // The interval is the metric's own; it says nothing of a value on another scale.
    let interval = metric.interval.as_ref().filter(|_| score.scored_value.is_none());
    let interval = interval.map(|interval| (interval.low, interval.high));
    let rows = [
        ("own", words.brand, value, interval),
        ("peers", words.peer_mean, score.peer_mean, None),
        ("top", words.top_quartile, score.top_quartile_mean, None),
    ];
    let ends = interval.map_or([None, None], |(low, high)| [Some(low), Some(high)]);
    let hundred = (unit == "points").then_some(100.0);
    let values = rows.iter().map(|(_, _, value, _)| *value);
    let scale = Scale::over(values.chain(ends).chain([hundred]).flatten());
    rows.into_iter()
        .filter(|(class, _, value, _)| value.is_some() || *class == "own")
        .map(|(class, label, value, interval)| {
            let written = context.value(value, unit);
            let words = format!("{label} {written}");
            let bar = value.map_or_else(String::new, |value| {
                bars::draw(class, value, interval, scale, &words)
            });
            Bar {
                class,
                label,
                value: written,
                bar: Value::from_safe_string(bar),
            }
        })
        .collect()
}
