//! The flow between two days: stages before on the left, stages after on the right, bands of people between.

use crate::report::svg::{element, number, picture, title};

/// What a band means for the brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Into a deeper stage.
    Advanced,
    /// In the same stage.
    Stayed,
    /// Into a shallower stage.
    FellBack,
    /// From outside.
    Gained,
    /// To outside.
    Lost,
}

impl Move {
    /// What a move between the stages at two places of [`STAGES`] means.
    pub fn between(from: usize, to: usize) -> Self {
        let outside = STAGES.len() - 1;
        match (from, to) {
            (from, _) if from == outside => Self::Gained,
            (_, to) if to == outside => Self::Lost,
            (from, to) if to < from => Self::Advanced,
            (from, to) if to > from => Self::FellBack,
            _ => Self::Stayed,
        }
    }

    /// Class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Advanced => "advanced",
            Self::Stayed => "stayed",
            Self::FellBack => "fell-back",
            Self::Gained => "gained",
            Self::Lost => "lost",
        }
    }
}

/// The stages from the deepest to outside, as they stand from top to bottom.
pub const STAGES: [&str; 5] = ["L", "P", "I", "A", "OUT"];

/// A band: places of its stages in [`STAGES`] and its people.
pub struct Band {
    /// Stage before.
    pub from: usize,
    /// Stage after.
    pub to: usize,
    /// People.
    pub people: f64,
    /// What the tooltip says.
    pub written: String,
}

/// A stage's place on one side.
pub struct Node {
    /// Place in [`STAGES`].
    pub stage: usize,
    /// People of all its bands.
    pub people: f64,
    /// Middle of its label, in per cent of the height, moved so that labels do not overlap.
    pub label: f64,
    top: f64,
    height: f64,
}

/// Height of the picture in pixels; [`Node::label`] is worked out for it.
pub const HEIGHT: f64 = 380.0;

const GAP: f64 = 10.0;
const LABEL: f64 = 40.0;
const NODE_WIDTH: f64 = 12.0;
const WIDTH: f64 = 1000.0;

/// Draws the bands, and says where the stages of both sides stand. `None` when nobody flows.
pub fn draw(bands: &[Band], words: &str) -> Option<(String, Vec<Node>, Vec<Node>)> {
    let total: f64 = bands.iter().map(|band| band.people).sum();
    if total <= 0.0 {
        return None;
    }
    let before = totals(bands.iter().map(|band| (band.from, band.people)));
    let after = totals(bands.iter().map(|band| (band.to, band.people)));
    // One scale for both sides, so that a band is as high where it ends as where it begins.
    let present = |people: &[f64]| people.iter().filter(|people| **people > 0.0).count();
    let gaps = present(&before).max(present(&after)).saturating_sub(1);
    let scale = (HEIGHT - GAP * gaps as f64) / total;
    let (before, after) = (side(before, scale), side(after, scale));
    let mut body = String::new();
    let mut left: Vec<f64> = before.iter().map(|node| node.top).collect();
    let mut right: Vec<f64> = after.iter().map(|node| node.top).collect();
    // Bands leave a stage in the order in which they arrive on the other side, so that they cross least.
    for from in &before {
        for to in &after {
            let Some(band) = bands
                .iter()
                .find(|band| band.from == from.stage && band.to == to.stage)
            else {
                continue;
            };
            let height = band.people * scale;
            let start = advance(&before, &mut left, from.stage, height);
            let end = advance(&after, &mut right, to.stage, height);
            let class = format!("band {}", Move::between(band.from, band.to).class());
            let shape = [("class", class.as_str()), ("d", &shape(start, end, height))];
            body += &element("path", &shape, &title(&band.written));
        }
    }
    for (nodes, x) in [(&before, 0.0), (&after, WIDTH - NODE_WIDTH)] {
        for node in nodes {
            let class = format!(
                "node stage-{}",
                STAGES.get(node.stage).unwrap_or(&"").to_lowercase()
            );
            let (x, y) = (number(x), number(node.top));
            let (width, height) = (number(NODE_WIDTH), number(node.height.max(1.5)));
            let frame = [
                ("class", class.as_str()),
                ("x", &x),
                ("y", &y),
                ("width", &width),
                ("height", &height),
            ];
            body += &element("rect", &frame, "");
        }
    }
    let view = format!("0 0 {} {}", number(WIDTH), number(HEIGHT));
    let attributes = [
        ("viewBox", view.as_str()),
        ("preserveAspectRatio", "none"),
        ("width", "100%"),
        ("height", &number(HEIGHT)),
    ];
    Some((picture("sankey", words, &attributes, &body), before, after))
}

fn totals(flows: impl Iterator<Item = (usize, f64)>) -> [f64; STAGES.len()] {
    let mut people = [0.0; STAGES.len()];
    for (stage, count) in flows {
        if let Some(sum) = people.get_mut(stage) {
            *sum += count;
        }
    }
    people
}

fn side(people: [f64; STAGES.len()], scale: f64) -> Vec<Node> {
    let mut top = 0.0;
    let mut nodes = Vec::with_capacity(people.len());
    for (stage, people) in people.into_iter().enumerate().filter(|(_, people)| *people > 0.0) {
        let height = people * scale;
        nodes.push(Node {
            stage,
            people,
            label: top + height / 2.0,
            top,
            height,
        });
        top += height + GAP;
    }
    spread(&mut nodes);
    nodes
}

/// Moves labels apart: down where they overlap, then up where the last one left the picture.
fn spread(nodes: &mut [Node]) {
    let mut least = LABEL / 2.0;
    for node in nodes.iter_mut() {
        node.label = node.label.max(least);
        least = node.label + LABEL;
    }
    let mut most = HEIGHT - LABEL / 2.0;
    for node in nodes.iter_mut().rev() {
        node.label = node.label.min(most);
        most = node.label - LABEL;
    }
    for node in nodes {
        node.label = node.label / HEIGHT * 100.0;
    }
}

/// Where the next band of `stage` begins; moves that place on by the band's height.
fn advance(nodes: &[Node], tops: &mut [f64], stage: usize, height: f64) -> f64 {
    let top = nodes
        .iter()
        .zip(tops)
        .find(|(node, _)| node.stage == stage)
        .map(|(_, top)| top);
    let Some(top) = top else { return 0.0 };
    let start = *top;
    *top += height;
    start
}

fn shape(start: f64, end: f64, height: f64) -> String {
    let (left, right, middle) = (
        number(NODE_WIDTH),
        number(WIDTH - NODE_WIDTH),
        number(WIDTH / 2.0),
    );
    // A band of one person must still be seen.
    let height = height.max(0.75);
    let (y0, y1) = (number(start), number(end));
    let (y0_low, y1_low) = (number(start + height), number(end + height));
    format!(
        "M{left} {y0}C{middle} {y0} {middle} {y1} {right} {y1}L{right} {y1_low}\
         C{middle} {y1_low} {middle} {y0_low} {left} {y0_low}Z"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(from: usize, to: usize, people: f64) -> Band {
        Band {
            from,
            to,
            people,
            written: String::new(),
        }
    }

    #[test]
    fn both_sides_hold_everyone() {
        let bands = [
            band(0, 0, 50.0),
            band(3, 1, 20.0),
            band(4, 3, 930.0),
            band(1, 4, 7.0),
        ];
        let (_, before, after) = draw(&bands, "").unwrap();
        let sum = |nodes: &[Node]| nodes.iter().map(|node| node.people).sum::<f64>();
        assert!((sum(&before) - 1007.0).abs() < 1e-9 && (sum(&after) - 1007.0).abs() < 1e-9);
        for node in before.iter().chain(&after) {
            assert!(node.top + node.height <= HEIGHT + 1e-6);
        }
    }

    #[test]
    fn labels_never_overlap() {
        let bands: Vec<Band> = (0..5)
            .map(|stage| band(stage, 4 - stage, [1.0, 1.0, 1e6, 1.0, 1.0][stage]))
            .collect();
        let (_, before, _) = draw(&bands, "").unwrap();
        for (above, below) in before.iter().zip(before.iter().skip(1)) {
            assert!(below.label - above.label >= LABEL / HEIGHT * 100.0 - 1e-6);
        }
    }

    #[test]
    fn nobody_is_no_picture() {
        assert!(draw(&[], "").is_none());
        assert_eq!(Move::between(4, 0), Move::Gained);
        assert_eq!(Move::between(2, 1), Move::Advanced);
        assert_eq!(Move::between(0, 3), Move::FellBack);
    }
}
