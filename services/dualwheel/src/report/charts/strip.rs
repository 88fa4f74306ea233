//! Dots on a line from 0 to 100: where the brand stands among the members of the reference set.

use crate::report::svg::{element, label, number, percent, picture, title};

/// One member's dot.
pub struct Dot {
    /// Name of the member.
    pub name: String,
    /// Score, 0 to 100.
    pub score: f64,
    /// The score as it is written.
    pub written: String,
    /// The brand that is diagnosed.
    pub own: bool,
}

/// How much room a strip has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// With a scale below the line.
    Tall,
    /// One line of a table.
    Row,
}

/// Room on either side of the line, so that dots at 0 and 100 are whole.
const MARGIN: f64 = 0.02;

/// Draws the strip with the brand's interval, if it has one.
pub fn draw(dots: &[Dot], interval: Option<(f64, f64)>, size: Size, words: &str) -> String {
    let (height, middle, radius) = match size {
        Size::Tall => ("58", "22", "7"),
        Size::Row => ("22", "11", "5"),
    };
    let mut body = line("axis", 0.0, 100.0, middle);
    for tick in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let x = place(tick);
        let half = if size == Size::Tall { 5.0 } else { 3.0 };
        let level = middle.parse().unwrap_or(0.0);
        let ends = [
            ("x1", x.as_str()),
            ("x2", &x),
            ("y1", &number(level - half)),
            ("y2", &number(level + half)),
        ];
        body += &element("line", &[&[("class", "tick")], ends.as_slice()].concat(), "");
        if size == Size::Tall {
            body += &label(&x, "50", "tick-label", &number(tick));
        }
    }
    if let Some((low, high)) = interval {
        body += &line("whisker", low, high, middle);
    }
    // The brand last, so that it lies on top.
    for own in [false, true] {
        for dot in dots.iter().filter(|dot| dot.own == own) {
            let class = if own { "dot own" } else { "dot" };
            let r = if own { radius } else { "4" };
            let spot = [
                ("class", class),
                ("cx", &place(dot.score)),
                ("cy", middle),
                ("r", r),
            ];
            body += &element("circle", &spot, &title(&format!("{} {}", dot.name, dot.written)));
        }
    }
    picture("strip", words, &[("width", "100%"), ("height", height)], &body)
}

fn line(class: &str, low: f64, high: f64, y: &str) -> String {
    let ends = [
        ("class", class),
        ("x1", &place(low)),
        ("x2", &place(high)),
        ("y1", y),
        ("y2", y),
    ];
    element("line", &ends, "")
}

fn place(score: f64) -> String {
    percent(MARGIN + score.clamp(0.0, 100.0) / 100.0 * (1.0 - 2.0 * MARGIN))
}
