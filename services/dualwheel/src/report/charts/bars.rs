//! Horizontal bars on one scale that always holds zero.

use crate::report::svg::{element, percent, picture};

/// The scale that a group of bars shares.
#[derive(Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// The scale over `values` and zero; one wide when there is nothing else.
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if high > low {
            Self { low, high }
        } else {
            Self { low: 0.0, high: 1.0 }
        }
    }

    fn place(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Draws one bar from zero to `value`, with a whisker over `interval`.
pub fn draw(class: &str, value: f64, interval: Option<(f64, f64)>, scale: Scale, words: &str) -> String {
    let (zero, end) = (scale.place(0.0), scale.place(value));
    // A value that is not zero stays visible.
    let width = if value == 0.0 {
        0.0
    } else {
        (end - zero).abs().max(0.004)
    };
    let start = zero.min(end);
    let frame = [
        ("x", percent(start)),
        ("y", "1".to_owned()),
        ("width", percent(width)),
        ("height", "10".to_owned()),
    ];
    let mut attributes = vec![("class", class), ("rx", "1")];
    attributes.extend(frame.iter().map(|(key, value)| (*key, value.as_str())));
    let mut body = element("rect", &attributes, "");
    if let Some((low, high)) = interval {
        let ends = [
            ("x1", percent(scale.place(low))),
            ("x2", percent(scale.place(high))),
        ];
        let mut attributes = vec![("class", "whisker"), ("y1", "6"), ("y2", "6")];
        attributes.extend(ends.iter().map(|(key, value)| (*key, value.as_str())));
        body += &element("line", &attributes, "");
    }
    if scale.low < 0.0 {
        let x = percent(zero);
        body += &element(
            "line",
            &[
                ("class", "zero"),
                ("x1", &x),
                ("x2", &x),
                ("y1", "0"),
                ("y2", "12"),
            ],
            "",
        );
    }
    picture("bar", words, &[("width", "100%"), ("height", "12")], &body)
}
