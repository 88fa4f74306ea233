//! People: stage sizes, the flow between stages and the FAST trend.

use dualwheel_proto::{diagnosis::FlowLink, types::Metric};
use minijinja::Value;
use serde::Serialize;

use crate::{
    format,
    report::{
        charts::{
            bars::{self, Scale},
            sankey::{self, Band, Move, Node, STAGES},
            trend::{self, Point},
        },
        context::Context,
    },
    words::fill,
};

const TREND: [&str; 4] = [
    "fast.fertility",
    "fast.advancing",
    "fast.superiority",
    "fast.thriving",
];

/// The stages in the order of the flow table.
const MATRIX: [&str; 5] = ["A", "I", "P", "L", "OUT"];

/// What the page says about people.
#[derive(Serialize)]
pub struct People {
    stages: Vec<Stage>,
    total: String,
    flow: Option<Flow>,
    trends: Vec<Trend>,
}

#[derive(Serialize)]
struct Stage {
    letter: String,
    name: String,
    people: String,
    share: String,
    bar: Value,
}

#[derive(Serialize)]
struct Flow {
    lede: String,
    picture: Value,
    height: f64,
    before_day: String,
    after_day: String,
    before: Vec<Label>,
    after: Vec<Label>,
    legend: Vec<(&'static str, &'static str, String)>,
    stages: Vec<String>,
    matrix: Vec<(String, Vec<String>)>,
}

#[derive(Serialize)]
struct Label {
    name: String,
    people: String,
    top: f64,
}

#[derive(Serialize)]
struct Trend {
    name: String,
    last: String,
    picture: Value,
    first_day: String,
    last_day: String,
}

/// Everything about people.
pub fn people(context: &Context<'_>) -> People {
    let pictures = context.diagnosis.pictures.as_ref();
    let aipl = pictures.map_or(&[][..], |pictures| &pictures.aipl);
    let total = aipl
        .iter()
        .find(|metric| metric.id == "aipl.total")
        .and_then(|metric| metric.value);
    People {
        stages: stages(context, aipl, total),
        total: context.value(total, "people"),
        flow: flow(context, pictures.map_or(&[], |pictures| &pictures.flow)),
        trends: trends(context, pictures.map_or(&[], |pictures| &pictures.fast_trend)),
    }
}

fn stages(context: &Context<'_>, aipl: &[Metric], total: Option<f64>) -> Vec<Stage> {
    let ids = [
        ("aipl.awareness", "A"),
        ("aipl.interest", "I"),
        ("aipl.purchase", "P"),
        ("aipl.loyalty", "L"),
    ];
    let found: Vec<_> = ids
        .into_iter()
        .filter_map(|(id, letter)| Some((letter, aipl.iter().find(|metric| metric.id == id)?)))
        .collect();
    let scale = Scale::over(found.iter().filter_map(|(_, metric)| metric.value));
    let stage = |(letter, metric): (&str, &Metric)| {
        let people = context.value(metric.value, "people");
        let share = metric
            .value
            .zip(total)
            .filter(|(_, total)| *total > 0.0)
            .map(|(part, total)| part / total);
        let words = format!("{} {people}", context.words.stage(letter));
        let class = format!("stage-{}", letter.to_lowercase());
        let bar = metric.value.map_or_else(String::new, |value| {
            bars::draw(&class, value, None, scale, &words)
        });
        Stage {
            letter: letter.to_owned(),
            name: context.words.stage(letter).to_owned(),
            people,
            share: share.map_or_else(String::new, format::percent),
            bar: Value::from_safe_string(bar),
        }
    };
    found.into_iter().map(stage).collect()
}

fn flow(context: &Context<'_>, links: &[FlowLink]) -> Option<Flow> {
    let words = context.words;
    let bands: Vec<Band> = links.iter().filter_map(|link| band(context, link)).collect();
    let (picture, before, after) = sankey::draw(&bands, words.flow_alt)?;
    let moved = |kind: Move| {
        let people = bands
            .iter()
            .filter(|band| Move::between(band.from, band.to) == kind)
            .map(|band| band.people);
        format::decimal(people.sum(), 0)
    };
    let (advanced, fell) = (moved(Move::Advanced), moved(Move::FellBack));
    let (gained, lost) = (moved(Move::Gained), moved(Move::Lost));
    let values = [
        ("advanced", advanced.as_str()),
        ("fell", &fell),
        ("lost", &lost),
        ("gained", &gained),
    ];
    let lede = fill(words.flow_lede, &values);
    let (first, last) = format::ends(context.diagnosis.window.as_ref());
    Some(Flow {
        lede,
        picture: Value::from_safe_string(picture),
        height: sankey::HEIGHT,
        before_day: format::day(first.and_then(|day| day.pred_opt())),
        after_day: format::day(last),
        before: labels(context, &before),
        after: labels(context, &after),
        legend: vec![
            (Move::Gained.class(), words.gained, gained),
            (Move::Advanced.class(), words.advanced, advanced),
            (Move::Stayed.class(), words.stayed, moved(Move::Stayed)),
            (Move::FellBack.class(), words.fell_back, fell),
            (Move::Lost.class(), words.lost, lost),
        ],
        stages: MATRIX.iter().map(|stage| words.stage(stage).to_owned()).collect(),
        matrix: MATRIX
            .iter()
            .map(|from| (words.stage(from).to_owned(), matrix_row(links, from)))
            .collect(),
    })
}

/// People by stage after, and their sum; outside to outside is no count.
fn matrix_row(links: &[FlowLink], from: &str) -> Vec<String> {
    let mut row: Vec<String> = Vec::with_capacity(MATRIX.len() + 1);
    let mut total = 0_i64;
    for to in MATRIX {
        if from == "OUT" && to == "OUT" {
            row.push(format::NONE.to_owned());
            continue;
        }
        let cells = links.iter().filter(|link| link.from == from && link.to == to);
        let cell = cells.fold(0_i64, |sum, link| sum.saturating_add(link.people));
        total = total.saturating_add(cell);
        row.push(format::whole(cell));
    }
    row.push(format::whole(total));
    row
}

/// A cell as a band; none for an unknown stage, for nobody, and for people who stay outside.
fn band(context: &Context<'_>, link: &FlowLink) -> Option<Band> {
    let place = |name: &str| STAGES.iter().position(|stage| *stage == name);
    let (from, to) = (place(&link.from)?, place(&link.to)?);
    let outside = STAGES.len() - 1;
    if link.people <= 0 || (from == outside && to == outside) {
        return None;
    }
    let words = context.words;
    let (before, after) = (words.stage(&link.from), words.stage(&link.to));
    let written = format!(
        "{before} → {after}: {} {}",
        format::whole(link.people),
        words.people
    );
    Some(Band {
        from,
        to,
        people: link.people as f64,
        written,
    })
}

fn labels(context: &Context<'_>, nodes: &[Node]) -> Vec<Label> {
    let label = |node: &Node| Label {
        name: STAGES
            .get(node.stage)
            .map_or_else(String::new, |stage| context.words.stage(stage).to_owned()),
        people: format::decimal(node.people, 0),
        top: (node.label * 100.0).round() / 100.0,
    };
    nodes.iter().map(label).collect()
}

fn trends(context: &Context<'_>, points: &[Metric]) -> Vec<Trend> {
    let trend = |id: &&str| {
        let mut own: Vec<&Metric> = points.iter().filter(|metric| metric.id == **id).collect();
        own.sort_by_key(|metric| format::ends(metric.window.as_ref()).1);
        let unit = own.first()?.unit.clone();
        let day =
            |metric: Option<&&Metric>| format::day(metric.and_then(|m| format::ends(m.window.as_ref()).1));
        let (first_day, last_day) = (day(own.first()), day(own.last()));
        let name = context.name(id).to_owned();
        let write = |value: Option<f64>| context.value(value, &unit);
        let values = [
            ("name", name.as_str()),
            ("first", &first_day),
            ("last", &last_day),
            ("from", &write(own.first().and_then(|metric| metric.value))),
            ("to", &write(own.last().and_then(|metric| metric.value))),
        ];
        let words = fill(context.words.trend_alt, &values);
        let line: Vec<Point> = own
            .iter()
            .map(|metric| Point {
                written: format!("{}: {}", day(Some(metric)), write(metric.value)),
                value: metric.value,
            })
            .collect();
        let picture = trend::draw(&line, &words, |value| write(Some(value)));
        let last = write(own.last().and_then(|metric| metric.value));
        (!picture.is_empty()).then(|| Trend {
            name: name.clone(),
            last,
            picture: Value::from_safe_string(picture),
            first_day,
            last_day,
        })
    };
    TREND.iter().filter_map(trend).collect()
}
