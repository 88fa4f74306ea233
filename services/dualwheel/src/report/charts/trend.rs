//! A line over time with its own scale.

use crate::report::svg::{element, label, number, percent, picture, title};

/// One point of a trend.
pub struct Point {
    /// When and how much, as it is written.
    pub written: String,
    /// Value; a missing one breaks the line.
    pub value: Option<f64>,
}

const HEIGHT: f64 = 120.0;
/// Room above and below the line, in parts of the height: for the end dot and the labels of the grid.
const MARGIN: f64 = 0.14;

/// Draws the line; `write` writes the scale's labels. Empty when there is no value.
pub fn draw(points: &[Point], words: &str, write: impl Fn(f64) -> String) -> String {
    let Some((low, high)) = range(points) else {
        return String::new();
    };
    let level = |value: f64| MARGIN + (high - value) / (high - low) * (1.0 - 2.0 * MARGIN);
    let across = |place: usize| {
        if points.len() < 2 {
            0.5
        } else {
            0.01 + 0.97 * place as f64 / (points.len() - 1) as f64
        }
    };
    let mut body = String::new();
    for grid in [high, low] {
        let y = percent(level(grid));
        body += &element(
            "line",
            &[
                ("class", "grid"),
                ("x1", "0"),
                ("x2", "100%"),
                ("y1", &y),
                ("y2", &y),
            ],
            "",
        );
    }
    body += &element(
        "svg",
        &[
            ("viewBox", "0 0 100 100"),
            ("preserveAspectRatio", "none"),
            ("width", "100%"),
            ("height", "100%"),
        ],
        &element(
            "path",
            &[("class", "line"), ("d", &path(points, &across, &level))],
            "",
        ),
    );
    let last = points
        .iter()
        .enumerate()
        .rev()
        .find_map(|(place, point)| Some((place, point.value?)));
    if let Some((place, value)) = last {
        let spot = [
            ("class", "end"),
            ("cx", &percent(across(place))),
            ("cy", &percent(level(value))),
            ("r", "4"),
        ];
        body += &element("circle", &spot, "");
    }
    for (grid, shift) in [(high, -4.0), (low, 13.0)] {
        let y = number(level(grid) * HEIGHT + shift);
        body += &label("0", &y, "grid-label", &write(grid));
    }
    body += &touch(points);
    picture(
        "trend",
        words,
        &[("width", "100%"), ("height", &number(HEIGHT))],
        &body,
    )
}

/// Areas without colour over the points, whose tooltips tell the values.
fn touch(points: &[Point]) -> String {
    let mut body = String::new();
    let step = 1.0 / points.len() as f64;
    for (place, point) in points.iter().enumerate() {
        let (x, width) = (percent(place as f64 * step), percent(step));
        let area = [
            ("class", "touch"),
            ("x", x.as_str()),
            ("y", "0"),
            ("width", &width),
            ("height", "100%"),
        ];
        body += &element("rect", &area, &title(&point.written));
    }
    body
}

fn range(points: &[Point]) -> Option<(f64, f64)> {
    let (low, high) = points
        .iter()
        .filter_map(|point| point.value)
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return None;
    }
    // A flat line lies in the middle of a scale that is not zero wide.
    let room = if high > low {
        0.0
    } else {
        (high.abs() * 0.1).max(f64::MIN_POSITIVE.sqrt())
    };
    Some((low - room, high + room))
}

fn path(points: &[Point], across: &dyn Fn(usize) -> f64, level: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for (place, point) in points.iter().enumerate() {
        let Some(value) = point.value.filter(|value| value.is_finite()) else {
            pen_down = false;
            continue;
        };
        let command = if pen_down { 'L' } else { 'M' };
        path += &format!(
            "{command}{} {}",
            number(across(place) * 100.0),
            number(level(value) * 100.0)
        );
        pen_down = true;
    }
    path
}
