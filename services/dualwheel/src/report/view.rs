//! What the page says: header, findings, gaps, actions and missing parts; the rest comes from its own modules.

use dualwheel_proto::diagnosis::{Diagnosis, MetricScore, MissingPart, TrackScore};
use minijinja::Value;
use serde::Serialize;

use crate::{
    format,
    report::{
        appendix,
        charts::strip::{self, Dot, Size},
        context::{Context, scored},
        people, tracks,
    },
    words::{Lang, fill},
};

#[derive(Serialize)]
pub struct Page {
    title: String,
    brand: String,
    facts: Vec<(&'static str, String)>,
    index: String,
    index_interval: Option<String>,
    index_rank: Option<String>,
    index_strip: Value,
    findings: Vec<String>,
    radar: Value,
    tracks: Vec<tracks::Row>,
    people: people::People,
    groups: Vec<tracks::Group>,
    gaps: Vec<Gap>,
    scenes: Vec<Scene>,
    missing: Vec<Missing>,
    appendix: appendix::Appendix,
}

#[derive(Serialize)]
struct Gap {
    name: String,
    track: String,
    value: String,
    median: String,
    top: String,
    score: String,
    score_width: f64,
    gap: String,
    gap_sort: f64,
    nearest: String,
    nearest_value: String,
}

#[derive(Serialize)]
struct Scene {
    name: String,
    wheel: String,
    wheel_id: String,
    does: String,
    serves: Vec<String>,
    priority: String,
    width: f64,
    focus: bool,
}

#[derive(Serialize)]
struct Missing {
    name: String,
    scope: String,
    reason: &'static str,
    detail: String,
    weight: String,
    supply: String,
}

/// The whole page.
pub fn page(diagnosis: &Diagnosis, lang: Lang) -> Page {
    let context = Context::new(diagnosis, lang);
    let words = context.words;
    let index = diagnosis.index.as_ref();
    let interval = index.and_then(|index| index.interval.as_ref());
    Page {
        title: fill(words.title, &[("brand", &diagnosis.brand)]),
        brand: diagnosis.brand.clone(),
        facts: facts(&context),
        index: format::score(index.and_then(|index| index.value)),
        index_interval: interval.map(|interval| format::interval(interval, "points", "")),
        index_rank: (diagnosis.index_rank > 0).then(|| rank(&context)),
        index_strip: index_strip(&context),
        findings: findings(&context),
        radar: tracks::radar(&context),
        tracks: tracks::rows(&context),
        people: people::people(&context),
        groups: tracks::groups(&context),
        gaps: gaps(&context),
        scenes: scenes(&context),
        missing: missing(&context),
        appendix: appendix::appendix(&context),
    }
}

fn rank(context: &Context<'_>) -> String {
    let rank = context.diagnosis.index_rank.to_string();
    let size = context.diagnosis.reference_size.to_string();
    fill(context.words.rank_of, &[("rank", &rank), ("n", &size)])
}

fn facts(context: &Context<'_>) -> Vec<(&'static str, String)> {
    let (words, diagnosis) = (context.words, context.diagnosis);
    let mut window = format::window(diagnosis.window.as_ref());
    if let Some(days) = format::days(diagnosis.window.as_ref()) {
        window = format!("{window} · {}", fill(words.days, &[("n", &days.to_string())]));
    }
    let size = diagnosis.reference_size.to_string();
    let mut facts = vec![
        (words.window, window),
        (words.reference, fill(words.brands_n, &[("n", &size)])),
    ];
    if !diagnosis.modes.is_empty() {
        facts.push((words.modes, diagnosis.modes.join(", ")));
    }
    facts
}

fn index_strip(context: &Context<'_>) -> Value {
    let diagnosis = context.diagnosis;
    let dots: Vec<Dot> = diagnosis
        .members
        .iter()
        .filter_map(|member| {
            let score = member.index?;
            let written = format::decimal(score, 1);
            Some(Dot {
                name: member.brand.clone(),
                score,
                written,
                own: member.brand == diagnosis.brand,
            })
        })
        .collect();
    let interval = diagnosis.index.as_ref().and_then(|index| index.interval.as_ref());
    let picture = strip::draw(
        &dots,
        interval.map(|range| (range.low, range.high)),
        Size::Tall,
        context.words.every_member,
    );
    Value::from_safe_string(if dots.is_empty() { String::new() } else { picture })
}

fn findings(context: &Context<'_>) -> Vec<String> {
    [
        find_index(context),
        find_tracks(context),
        find_gaps(context),
        find_scene(context),
        find_missing(context),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn find_index(context: &Context<'_>) -> Option<String> {
    let (diagnosis, words) = (context.diagnosis, context.words);
    let Some(index) = diagnosis.index.as_ref().and_then(|index| index.value) else {
        return Some(fill(words.find_no_index, &[("brand", &diagnosis.brand)]));
    };
    let peers = diagnosis
        .members
        .iter()
        .filter(|member| member.brand != diagnosis.brand);
    let median = median(peers.filter_map(|peer| peer.index).collect());
    let sentence = match median {
        Some(_) if diagnosis.index_rank > 0 => words.find_index,
        _ => words.find_index_alone,
    };
    let values = [
        ("brand", diagnosis.brand.as_str()),
        ("index", &format::decimal(index, 1)),
        ("rank", &diagnosis.index_rank.to_string()),
        ("n", &diagnosis.reference_size.to_string()),
        ("median", &format::score(median)),
    ];
    Some(fill(sentence, &values))
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *numbers.get((numbers.len() / 2).checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

fn find_tracks(context: &Context<'_>) -> Option<String> {
    let scored = || {
        context
            .diagnosis
            .tracks
            .iter()
            .filter_map(|track| Some((track, track.score?)))
    };
    let best = scored().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let worst = scored().min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let write = |(track, score): (&TrackScore, f64)| {
        (context.track_name(track).to_owned(), format::decimal(score, 1))
    };
    let ((best, best_score), (worst, worst_score)) = (write(best), write(worst));
    let values = [
        ("best", best.as_str()),
        ("best_score", &best_score),
        ("worst", &worst),
        ("worst_score", &worst_score),
    ];
    (best != worst).then(|| fill(context.words.find_tracks, &values))
}

fn find_gaps(context: &Context<'_>) -> Option<String> {
    let widest = context.weak().next()?;
    let metric = widest.metric.as_ref()?;
    let points: f64 = context.weak().map(|score| score.gap).sum();
    let values = [
        ("n", context.weak().count().to_string()),
        ("points", format::decimal(points, 1)),
        ("metric", context.name(&metric.id).to_owned()),
        ("gap", format::decimal(widest.gap, 1)),
    ];
    Some(fill(
        context.words.find_gaps,
        &values.each_ref().map(|(key, value)| (*key, value.as_str())),
    ))
}

fn find_scene(context: &Context<'_>) -> Option<String> {
    let scene = context.diagnosis.scenes.first()?;
    let name = context.lang.pick(&scene.name_en, &scene.name_zh, &scene.scene);
    Some(fill(
        context.words.find_scene,
        &[("scene", name), ("n", &scene.metrics.len().to_string())],
    ))
}

fn find_missing(context: &Context<'_>) -> Option<String> {
    // Parts about peers and pictures cost no weight.
    let missing: Vec<_> = context
        .diagnosis
        .missing
        .iter()
        .filter(|part| part.weight > 0.0)
        .collect();
    let weight: f64 = missing.iter().map(|part| part.weight).sum();
    let values = [
        ("n", missing.len().to_string()),
        ("weight", format::weight(weight)),
    ];
    let values = values.each_ref().map(|(key, value)| (*key, value.as_str()));
    (!missing.is_empty()).then(|| fill(context.words.find_missing, &values))
}

fn gaps(context: &Context<'_>) -> Vec<Gap> {
    let row = |score: &MetricScore| {
        let metric = score.metric.as_ref()?;
        let (value, unit) = scored(score, metric);
        let nearest = if score.nearest_above.is_empty() {
            context.words.none_better.to_owned()
        } else {
            score.nearest_above.clone()
        };
        Some(Gap {
            name: context.name(&metric.id).to_owned(),
            track: context.track(&score.track).to_owned(),
            value: context.value(value, unit),
            median: context.value(score.peer_median, unit),
            top: context.value(score.top_quartile_mean, unit),
            score: format::score(score.score),
            score_width: score.score.unwrap_or(0.0).clamp(0.0, 100.0),
            gap: format::decimal(score.gap, 2),
            gap_sort: score.gap,
            nearest,
            nearest_value: score
                .nearest_above_value
                .map_or_else(String::new, |value| format::value(value, unit, &context.currency)),
        })
    };
    context.weak().filter_map(row).collect()
}

fn scenes(context: &Context<'_>) -> Vec<Scene> {
    let scenes = &context.diagnosis.scenes;
    let most = scenes
        .iter()
        .map(|scene| scene.priority)
        .fold(f64::MIN_POSITIVE, f64::max);
    scenes
        .iter()
        .map(|scene| Scene {
            name: context
                .lang
                .pick(&scene.name_en, &scene.name_zh, &scene.scene)
                .to_owned(),
            wheel: context.words.wheel(&scene.wheel).to_owned(),
            wheel_id: scene.wheel.clone(),
            does: scene.does.clone(),
            serves: scene
                .metrics
                .iter()
                .map(|id| context.name(id).to_owned())
                .collect(),
            priority: format::decimal(scene.priority, 1),
            width: (scene.priority / most * 100.0).clamp(0.0, 100.0),
            focus: scene.focus,
        })
        .collect()
}

fn missing(context: &Context<'_>) -> Vec<Missing> {
    let parts = &context.diagnosis.missing;
    parts
        .iter()
        .map(|part| Missing {
            name: context.part(part).to_owned(),
            scope: scope(context, part),
            reason: context.words.absence(part.absence()),
            detail: part.detail.clone(),
            weight: if part.weight > 0.0 {
                format::weight(part.weight)
            } else {
                format::NONE.to_owned()
            },
            supply: part.supply.clone(),
        })
        .collect()
}

/// What a missing part belongs to: track, peer and service, as far as they are named.
fn scope(context: &Context<'_>, part: &MissingPart) -> String {
    let mut scope = Vec::new();
    if !part.track.is_empty() {
        scope.push(context.track(&part.track).to_owned());
    }
    if !part.peer.is_empty() {
        scope.push(fill(context.words.of_peer, &[("peer", &part.peer)]));
    }
    if !part.service.is_empty() {
        scope.push(fill(context.words.of_service, &[("service", &part.service)]));
    }
    scope.join(" · ")
}
