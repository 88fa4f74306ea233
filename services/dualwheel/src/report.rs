//! The diagnosis as one HTML file that needs no network: words from one table, pictures as inline SVG.
//!
//! `view` turns the diagnosis into what the page says, `charts` draws, and the templates lay it out. The templates
//! escape everything; only markup made by `svg` goes in as it is.

pub(crate) mod appendix;
mod charts;
pub(crate) mod context;
mod people;
mod svg;
mod tracks;
mod view;

use anyhow::Context as _;
use dualwheel_proto::diagnosis::Diagnosis;
use minijinja::{Environment, Value, context};

pub use crate::words::Lang;

const TEMPLATES: [(&str, &str); 5] = [
    ("report.html", include_str!("report/templates/report.html")),
    ("people.html", include_str!("report/templates/people.html")),
    ("metrics.html", include_str!("report/templates/metrics.html")),
    ("actions.html", include_str!("report/templates/actions.html")),
    ("appendix.html", include_str!("report/templates/appendix.html")),
];
const STYLE: &str = include_str!("report/templates/report.css");
const SCRIPT: &str = include_str!("report/templates/report.js");

/// Renders `diagnosis` as a self-contained HTML page in `lang`.
///
/// The same diagnosis gives the same bytes. Parts that are absent are named as absent, never drawn as zero.
///
/// # Errors
/// When a template cannot be rendered, which would be a fault of this crate.
pub fn render(diagnosis: &Diagnosis, lang: Lang) -> anyhow::Result<String> {
    let mut templates = Environment::new();
    templates.set_trim_blocks(true);
    templates.set_lstrip_blocks(true);
    for (name, source) in TEMPLATES {
        templates
            .add_template(name, source)
            .with_context(|| format!("report template {name}"))?;
    }
    let page = templates.get_template("report.html").context("report template")?;
    let values = context! {
        t => lang.words(),
        lang => lang.tag(),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        page => view::page(diagnosis, lang),
    };
    page.render(values).context("report page")
}

#[cfg(test)]
mod tests;
