//! The radar of the tracks: the brand's area over the outline of the peers' mean.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::report::svg::{element, label, number, picture, text, title};

/// One axis of the radar.
pub struct Axis {
    /// Name of the track.
    pub name: String,
    /// Score of the brand as it is written.
    pub written: String,
    /// Score of the brand, 0 to 100.
    pub score: Option<f64>,
    /// Mean score of the peers, 0 to 100.
    pub peers: Option<f64>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 350.0;
const CENTRE: (f64, f64) = (210.0, 182.0);
const RADIUS: f64 = 122.0;

/// Draws the radar; empty when there are fewer than three axes.
pub fn draw(axes: &[Axis], words: &str) -> String {
    if axes.len() < 3 {
        return String::new();
    }
    let count = axes.len();
    let mut body = String::new();
    for ring in [25.0, 50.0, 75.0, 100.0] {
        let outline: Vec<_> = (0..count).map(|place| point(place, count, ring)).collect();
        let class = if ring == 50.0 { "ring middle" } else { "ring" };
        body += &element("polygon", &[("class", class), ("points", &points(&outline))], "");
    }
    for (place, axis) in axes.iter().enumerate() {
        let (x, y) = point(place, count, 100.0);
        let (cx, cy) = (number(CENTRE.0), number(CENTRE.1));
        let ends = [
            ("x1", cx.as_str()),
            ("y1", &cy),
            ("x2", &number(x)),
            ("y2", &number(y)),
        ];
        body += &element("line", &[&[("class", "spoke")], ends.as_slice()].concat(), "");
        body += &name(place, count, axis);
    }
    body += &area("peers", axes.iter().map(|axis| axis.peers));
    body += &area("own", axes.iter().map(|axis| axis.score));
    for (place, axis) in axes.iter().enumerate() {
        let Some(score) = axis.score else { continue };
        let (x, y) = point(place, count, score);
        let spot = [
            ("class", "own-dot"),
            ("cx", &number(x)),
            ("cy", &number(y)),
            ("r", "4"),
        ];
        body += &element(
            "circle",
            &spot,
            &title(&format!("{} {}", axis.name, axis.written)),
        );
    }
    for ring in ["50", "100"] {
        let (x, y) = point(0, count, ring.parse().unwrap_or_default());
        body += &label(&number(x + 4.0), &number(y + 11.0), "ring-label", ring);
    }
    let view = format!("0 0 {} {}", number(WIDTH), number(HEIGHT));
    picture("radar", words, &[("viewBox", &view)], &body)
}

fn name(place: usize, count: usize, axis: &Axis) -> String {
    let (x, y) = point(place, count, 113.0);
    let side = x - CENTRE.0;
    let anchor = match side {
        side if side > 20.0 => "start",
        side if side < -20.0 => "end",
        _ => "middle",
    };
    // Names below the centre start lower, so that both lines clear the outline.
    let y = y + if y > CENTRE.1 + 20.0 { 8.0 } else { -10.0 };
    let x = number(x);
    let first = element("tspan", &[("class", "axis-name"), ("x", &x)], &text(&axis.name));
    let second = element(
        "tspan",
        &[("class", "axis-score"), ("x", &x), ("dy", "17")],
        &text(&axis.written),
    );
    element(
        "text",
        &[("x", &x), ("y", &number(y)), ("text-anchor", anchor)],
        &(first + &second),
    )
}

/// An area over the axes that have a score; a missing one leaves its corner out.
fn area(class: &str, scores: impl ExactSizeIterator<Item = Option<f64>>) -> String {
    let count = scores.len();
    let corners: Vec<_> = scores
        .enumerate()
        .filter_map(|(place, score)| Some(point(place, count, score?.clamp(0.0, 100.0))))
        .collect();
    if corners.len() < 2 {
        return String::new();
    }
    element("polygon", &[("class", class), ("points", &points(&corners))], "")
}

fn point(place: usize, count: usize, score: f64) -> (f64, f64) {
    let angle = TAU * place as f64 / count as f64 - FRAC_PI_2;
    let reach = RADIUS * score / 100.0;
    (CENTRE.0 + reach * angle.cos(), CENTRE.1 + reach * angle.sin())
}

fn points(corners: &[(f64, f64)]) -> String {
    corners
        .iter()
        .map(|(x, y)| format!("{},{}", number(*x), number(*y)))
        .collect::<Vec<_>>()
        .join(" ")
}
