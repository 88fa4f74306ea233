//! Readable tables for terminals, at most 110 columns wide.
//!
//! Colours appear only on a terminal and never when `NO_COLOR` is set.

use std::env;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
};
use dualwheel_proto::{
    diagnosis::{Diagnosis, MetricScore, TrackScore},
    types::{Definition, Metric, Segment},
};

pub use crate::words::Lang;
use crate::{
    format,
    report::{
        appendix::interval,
        context::{Context, scored},
    },
    words::{Words, fill},
};

/// Columns of a terminal that the tables never exceed.
pub const WIDTH: u16 = 110;

/// Cells of a position bar.
const BAR: usize = 15;

/// The scale over a position bar, as wide as the bar.
const SCALE: &str = "0     50    100";

/// One rule below the headings and none between rows: the numbers are the structure.
const PRESET: &str = "     ──            ";

/// A diagnosis as tables: index, tracks, metrics by track, the widest gaps, the first actions and what is missing.
#[must_use]
pub fn diagnosis(diagnosis: &Diagnosis, lang: Lang) -> String {
    let context = Context::new(diagnosis, lang);
    let words = context.words;
    let mut parts = vec![headline(&context)];
    if !diagnosis.tracks.is_empty() {
        parts.push(section(words.tracks_title, &tracks(&context)));
    }
    if !diagnosis.metrics.is_empty() {
        parts.push(section(words.metrics_title, &scores(&context)));
    }
    if !diagnosis.gaps.is_empty() {
        parts.push(section(words.gaps_title, &gaps(&context)));
    }
    if !diagnosis.scenes.is_empty() {
        parts.push(section(words.scenes_title, &scenes(&context)));
    }
    if !diagnosis.missing.is_empty() {
        parts.push(section(words.missing_title, &missing(&context)));
    }
    parts.join("\n")
}

/// Metrics as one table: id, cut, value, what it was made of and interval; labels and reasons of absence below it.
#[must_use]
pub fn metrics(metrics: &[Metric], lang: Lang) -> String {
    metrics_named(metrics, &[], lang)
}

/// The table of [`metrics`] with the names that `definitions` give in `lang`; a metric without one keeps its id.
#[must_use]
pub fn metrics_named(metrics: &[Metric], definitions: &[Definition], lang: Lang) -> String {
    let words = lang.words();
    let currency = format::currency(metrics);
    let names: Vec<String> = metrics
        .iter()
        .map(|metric| named(metric, definitions, lang))
        .collect();
    let cuts: Vec<String> = metrics.iter().map(|metric| segments(&metric.segments)).collect();
    let cut = cuts.iter().any(|cut| !cut.is_empty());
    let mut headings = vec![(words.metric, false)];
    if cut {
        headings.push((words.segment, false));
    }
    headings.extend([
        (words.value, true),
        (words.made_of, true),
        (words.interval, true),
        (words.notes, false),
    ]);
    let mut table = table(&headings);
    let mut footnotes: Vec<String> = Vec::new();
    for ((metric, name), cut_words) in metrics.iter().zip(&names).zip(&cuts) {
        let mut row = vec![Cell::new(name)];
        if cut {
            row.push(Cell::new(cut_words));
        }
        row.extend([
            right(format::optional(metric.value, &metric.unit, &currency)).add_attribute(Attribute::Bold),
            right(format::fraction(metric)),
            right(interval(metric, words, &currency)),
            Cell::new(marks(notes(metric, words), &mut footnotes)),
        ]);
        table.add_row(row);
    }
    keep_whole(&mut table, 0, &names);
    if cut {
        keep_whole(&mut table, 1, &cuts);
    }
    let notes = footnotes
        .iter()
        .zip(1..)
        .map(|(note, number)| format!(" [{number}] {note}\n"));
    table.trim_fmt() + "\n" + &notes.collect::<String>()
}

/// A metric's id, with its name on a line of its own where there is one.
fn named(metric: &Metric, definitions: &[Definition], lang: Lang) -> String {
    let definition = definitions.iter().find(|definition| definition.id == metric.id);
    match definition.map_or("", |definition| {
        lang.pick(&definition.name_en, &definition.name_zh, "")
    }) {
        "" => metric.id.clone(),
        name => format!("{}\n{name}", metric.id),
    }
}

/// The numbers of `notes` among the footnotes; a new note is added to them.
fn marks(notes: Vec<String>, footnotes: &mut Vec<String>) -> String {
    let mut marks = String::new();
    for note in notes {
        let place = footnotes
            .iter()
            .position(|known| *known == note)
            .unwrap_or_else(|| {
                footnotes.push(note);
                footnotes.len() - 1
            });
        marks += &format!("[{}]", place + 1);
    }
    marks
}

/// Keeps a column as wide as its longest word, up to a third of the terminal, so that ids are not broken.
fn keep_whole(table: &mut Table, place: usize, cells: &[String]) {
    let longest = cells
        .iter()
        .flat_map(|cell| cell.split_whitespace())
        .map(|word| word.chars().count())
        .max();
    let width = u16::try_from(longest.unwrap_or(0))
        .unwrap_or(WIDTH)
        .min(WIDTH / 3);
    if let Some(column) = table.column_mut(place) {
        // Two for the blanks on either side.
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + 2)));
    }
}

fn headline(context: &Context<'_>) -> String {
    let (diagnosis, words) = (context.diagnosis, context.words);
    let index = diagnosis.index.as_ref();
    let score = match index.and_then(|index| index.value) {
        Some(value) => format!("{} {} {}", words.index, format::decimal(value, 1), words.of_100),
        None => words.no_index.to_owned(),
    };
    let mut facts = vec![score];
    if diagnosis.index_rank > 0 {
        let (rank, size) = (
            diagnosis.index_rank.to_string(),
            diagnosis.reference_size.to_string(),
        );
        facts.push(format!(
            "{} {}",
            words.rank,
            fill(words.rank_of, &[("rank", &rank), ("n", &size)])
        ));
    }
    if let Some(range) = index.and_then(|index| index.interval.as_ref()) {
        facts.push(format!(
            "{} {}",
            words.interval,
            format::interval(range, "points", "")
        ));
    }
    let title = fill(words.diagnosis_of, &[("brand", &printable(&diagnosis.brand))]);
    format!(
        "{title} · {}\n{}\n",
        format::window(diagnosis.window.as_ref()),
        facts.join(" · ")
    )
}

fn tracks(context: &Context<'_>) -> Table {
    let words = context.words;
    let mut table = table(&[
        (words.track, false),
        (words.score, true),
        (SCALE, false),
        (words.interval, true),
        (words.peer_mean, true),
        (words.rank, true),
        (words.weight, true),
    ]);
    for track in &context.diagnosis.tracks {
        table.add_row(vec![
            Cell::new(track_name(context, track)),
            toned(track.score),
            Cell::new(bar(track.score)),
            right(track.interval.as_ref().map_or_else(
                || format::NONE.to_owned(),
                |range| format::interval(range, "points", ""),
            )),
            right(format::score(track.peer_mean)),
            right(context.rank(track.rank, context.diagnosis.reference_size)),
            right(format::weight(track.weight)),
        ]);
    }
    table
}

fn track_name(context: &Context<'_>, track: &TrackScore) -> String {
    let name = context.track_name(track);
    if track.partial {
        format!("{name} ({})", context.words.partial)
    } else {
        name.to_owned()
    }
}

fn scores(context: &Context<'_>) -> Table {
    let words = context.words;
    let mut table = table(&[
        (words.metric, false),
        (words.value, true),
        (words.peer_median, true),
        (words.rank, true),
        (words.score, true),
        (SCALE, false),
        (words.gap, true),
    ]);
    let mut tracks: Vec<&str> = Vec::new();
    for score in &context.diagnosis.metrics {
        if !tracks.contains(&score.track.as_str()) {
            tracks.push(&score.track);
        }
    }
    for (place, track) in tracks.into_iter().enumerate() {
        if place > 0 {
            table.add_row([""]);
        }
        table.add_row([Cell::new(format!("▸ {}", context.track(track))).add_attribute(Attribute::Bold)]);
        for score in context
            .diagnosis
            .metrics
            .iter()
            .filter(|score| score.track == track)
        {
            table.add_row_if(|_, row| !row.is_empty(), score_row(context, score));
        }
    }
    table
}

fn score_row(context: &Context<'_>, score: &MetricScore) -> Vec<Cell> {
    let Some(metric) = score.metric.as_ref() else {
        return Vec::new();
    };
    let (value, unit) = scored(score, metric);
    let absence = context.absence(score);
    let position = if absence.is_empty() {
        bar(score.score)
    } else {
        absence.to_owned()
    };
    vec![
        Cell::new(context.name(&metric.id)),
        right(context.value(value, unit)),
        right(context.value(score.peer_median, unit)),
        right(context.rank(score.rank, score.members)),
        toned(score.score),
        Cell::new(position),
        right(if score.score.is_some() {
            format::decimal(score.gap, 2)
        } else {
            String::new()
        }),
    ]
}

fn gaps(context: &Context<'_>) -> Table {
    let words = context.words;
    let mut table = table(&[
        (words.metric, false),
        (words.track, false),
        (words.value, true),
        (words.peer_median, true),
        (words.top_quartile, true),
        (words.nearest, false),
        (words.gap_points, true),
    ]);
    for score in context.weak() {
        let Some(metric) = score.metric.as_ref() else {
            continue;
        };
        let (value, unit) = scored(score, metric);
        let nearest = if score.nearest_above.is_empty() {
            words.none_better
        } else {
            &score.nearest_above
        };
        table.add_row(vec![
            Cell::new(context.name(&metric.id)),
            Cell::new(context.track(&score.track)),
            right(context.value(value, unit)),
            right(context.value(score.peer_median, unit)),
            right(context.value(score.top_quartile_mean, unit)),
            Cell::new(printable(nearest)),
            right(format::decimal(score.gap, 2)).add_attribute(Attribute::Bold),
        ]);
    }
    table
}

fn scenes(context: &Context<'_>) -> Table {
    let words = context.words;
    let mut table = table(&[
        ("#", true),
        (words.action, false),
        (words.wheel, false),
        (words.serves, false),
        (words.priority, true),
    ]);
    for (place, scene) in context.diagnosis.scenes.iter().enumerate() {
        let name = context.lang.pick(&scene.name_en, &scene.name_zh, &scene.scene);
        let name = if scene.focus {
            format!("{name} ★")
        } else {
            name.to_owned()
        };
        let serves: Vec<&str> = scene.metrics.iter().map(|id| context.name(id)).collect();
        table.add_row(vec![
            right((place + 1).to_string()),
            Cell::new(name),
            Cell::new(words.wheel(&scene.wheel)),
            Cell::new(serves.join(", ")),
            right(format::decimal(scene.priority, 2)),
        ]);
    }
    table
}

fn missing(context: &Context<'_>) -> Table {
    let words = context.words;
    let mut table = table(&[
        (words.metric, false),
        (words.reason, false),
        (words.supply, false),
        (words.cost, true),
    ]);
    for part in &context.diagnosis.missing {
        let mut name = context.part(part).to_owned();
        if !part.peer.is_empty() {
            name = format!(
                "{name} ({})",
                fill(words.of_peer, &[("peer", &printable(&part.peer))])
            );
        }
        let reasons = [words.absence(part.absence()), &part.detail];
        let reasons: Vec<&str> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
        table.add_row(vec![
            Cell::new(name),
            Cell::new(printable(&reasons.join(": "))),
            Cell::new(printable(&part.supply)),
            right(if part.weight > 0.0 {
                format::weight(part.weight)
            } else {
                format::NONE.to_owned()
            }),
        ]);
    }
    table
}

/// Rows of texts under headings, of which some stand right.
#[must_use]
pub fn rows(headings: &[(&str, bool)], rows: Vec<Vec<String>>) -> String {
    let mut table = table(headings);
    for row in rows {
        let cells = row.into_iter().zip(headings);
        table.add_row(cells.map(|(text, (_, is_number))| {
            let text = printable(&text);
            if *is_number { right(text) } else { Cell::new(text) }
        }));
    }
    table.trim_fmt()
}

/// Cuts as `category=beauty/skincare`; an empty value means that the fact did not say.
fn segments(segments: &[Segment]) -> String {
    let cut = |segment: &Segment| {
        let value = if segment.value.is_empty() {
            format::NONE
        } else {
            &segment.value
        };
        printable(&format!("{}={value}", segment.dimension))
    };
    segments.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// Why there is no value, then the assumptions.
fn notes(metric: &Metric, words: &Words) -> Vec<String> {
    let why = [words.absence(metric.absence()), &metric.absence_detail];
    let why: Vec<&str> = why.into_iter().filter(|part| !part.is_empty()).collect();
    let labels = metric.labels.iter().map(|label| words.label(label));
    let notes = [why.join(": ")].into_iter().chain(labels.map(str::to_owned));
    notes
        .filter(|note| !note.is_empty())
        .map(|note| printable(&note))
        .collect()
}

/// The position of a score on a line from 0 to 100 whose middle is marked: `──●────┼───────`.
fn bar(score: Option<f64>) -> String {
    let Some(score) = score.filter(|score| score.is_finite()) else {
        return String::new();
    };
    let last = (BAR - 1) as f64;
    let own = (score.clamp(0.0, 100.0) / 100.0 * last).round() as usize;
    (0..BAR)
        .map(|place| match place {
            place if place == own => '●',
            place if place == BAR / 2 => '┼',
            _ => '─',
        })
        .collect()
}

fn toned(score: Option<f64>) -> Cell {
    let cell = right(format::score(score)).add_attribute(Attribute::Bold);
    match score {
        Some(score) if score >= 60.0 => cell.fg(Color::Green),
        Some(score) if score < 40.0 => cell.fg(Color::Red),
        _ => cell,
    }
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A user's words without what could steer a terminal.
fn printable(words: &str) -> String {
    words
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// An empty table; headings that are `true` stand right, as their numbers do.
fn table(headings: &[(&str, bool)]) -> Table {
    let mut table = Table::new();
    table.load_preset(PRESET);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
    }
    let heading = |(words, numbers): &(&str, bool)| {
        let cell = Cell::new(words).add_attribute(Attribute::Dim);
        if *numbers {
            cell.set_alignment(CellAlignment::Right)
        } else {
            cell
        }
    };
    table.set_header(headings.iter().map(heading).collect::<Vec<_>>());
    // A position bar must not be broken over two lines, nor a heading letter by letter.
    for column in table.column_iter_mut() {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(5)));
    }
    table
}

fn section(title: &str, table: &Table) -> String {
    format!("{title}\n{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests;
