//! A very small writer of markup: every element is closed and every attribute and text escaped by construction.

use std::fmt::Write;

/// An element with attributes and a body that is markup already.
///
/// `name` and the attributes' names are this crate's own words; the values may be anything.
pub fn element(name: &str, attributes: &[(&str, &str)], body: &str) -> String {
    let mut markup = format!("<{name}");
    for (key, value) in attributes {
        // Writing into a String cannot fail.
        let _ = write!(markup, " {key}=\"{}\"", text(value));
    }
    if body.is_empty() && !matches!(name, "text" | "div" | "span") {
        markup.push_str("/>");
    } else {
        let _ = write!(markup, ">{body}</{name}>");
    }
    markup
}

/// Text made safe inside elements and attributes.
pub fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for letter in raw.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML has no way to carry control characters.
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// A `<title>`, which browsers show as a tooltip and screen readers say.
pub fn title(words: &str) -> String {
    element("title", &[], &text(words))
}

/// A `<text>` at `x`, `y` in the class `class`.
pub fn label(x: &str, y: &str, class: &str, words: &str) -> String {
    element("text", &[("x", x), ("y", y), ("class", class)], &text(words))
}

/// A coordinate with at most two decimals.
pub fn number(coordinate: f64) -> String {
    let rounded = (coordinate * 100.0).round() / 100.0;
    // Adding zero turns −0 into 0.
    format!("{}", rounded + 0.0)
}

/// A coordinate as a percentage of the picture: 0 to 1 becomes `0%` to `100%`.
pub fn percent(part: f64) -> String {
    number(part * 100.0) + "%"
}

/// A whole picture; `words` say what it shows to those who cannot see it.
pub fn picture(class: &str, words: &str, attributes: &[(&str, &str)], body: &str) -> String {
    let mut all = vec![("class", class), ("role", "img"), ("aria-label", words)];
    all.extend_from_slice(attributes);
    element("svg", &all, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_closes() {
        assert_eq!(
            element("g", &[("class", "a\"b")], &text("<x> & 'y'\u{0}")),
            "<g class=\"a&quot;b\">&lt;x&gt; &amp; &#39;y&#39; </g>"
        );
        assert_eq!(element("rect", &[], ""), "<rect/>");
        assert_eq!(number(-0.001), "0");
    }
}
