//! The categories of a question: what it is restricted to, and how it is cut.

use dualwheel_lake::frames::{Categories, Names, Within};
use dualwheel_measure::Ask;

use crate::Parameters;

/// The categories of a question, cut at its level or the definition's.
#[must_use]
pub fn of(ask: &Ask<'_, Parameters>, names: &Names) -> Categories {
    let level = ask.category_level.unwrap_or(ask.parameters.category_level.get());
    Categories::new(names, ask.category, level)
}

/// The categories that a question is restricted to; `None` for the whole brand.
#[must_use]
pub fn restriction(ask: &Ask<'_, Parameters>, names: &Names) -> Option<Within> {
    ask.category.map(|category| Within::new(names, Some(category)))
}
