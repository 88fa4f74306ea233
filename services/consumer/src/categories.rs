//! Category paths: what a question is restricted to, and the segments that it is cut into.

use dualwheel_lake::frames::{NONE, Names};
use dualwheel_measure::Ask;

use crate::Parameters;

/// Segment of a category that the question leaves out.
const OUTSIDE: u32 = u32::MAX;

/// Every category of the tenant as the index of its segment.
#[derive(Clone, Debug)]
pub struct Categories {
    /// Segments in order: paths cut at the level; empty for facts without a category.
    pub cuts: Vec<String>,
    by_category: Vec<u32>,
    unknown: u32,
}

/// The first `level` parts of a path; a shorter path as a whole.
#[must_use]
pub fn cut(path: &str, level: u32) -> &str {
    path.match_indices('/')
        .nth((level as usize).saturating_sub(1))
        .and_then(|(at, _)| path.get(..at))
        .unwrap_or(path)
}

/// Whether `path` is `category` or lies below it.
#[must_use]
pub fn is_within(path: &str, category: &str) -> bool {
    path.strip_prefix(category)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Categories {
    /// The categories of `names` cut at `level`, restricted to `category` and what lies below it.
    #[must_use]
    pub fn new(names: &Names, category: Option<&str>, level: u32) -> Self {
        let view = names.categories.view();
        let paths: Vec<Option<&str>> = (0..u32::try_from(view.len()).unwrap_or(NONE))
            .map(|ordinal| view.key(ordinal))
            .map(|path| {
                category
                    .is_none_or(|category| is_within(path, category))
                    .then(|| cut(path, level))
            })
            .collect();
        let mut cuts: Vec<&str> = paths.iter().flatten().copied().collect();
        if category.is_none() {
            cuts.push("");
        }
        cuts.sort_unstable();
        cuts.dedup();
        let index = |path: &str| {
            cuts.binary_search(&path)
                .ok()
                .and_then(|at| u32::try_from(at).ok())
                .unwrap_or(OUTSIDE)
        };
        let by_category = paths.iter().map(|path| path.map_or(OUTSIDE, index)).collect();
        let unknown = if category.is_none() { index("") } else { OUTSIDE };
        Self {
            by_category,
            unknown,
            cuts: cuts.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    /// The categories of a question, cut at its level or the definition's.
    #[must_use]
    pub fn of(ask: &Ask<'_, Parameters>, names: &Names) -> Self {
        let level = ask.category_level.unwrap_or(ask.parameters.category_level.get());
        Self::new(names, ask.category, level)
    }

    /// The categories that a question is restricted to; `None` for the whole brand.
    #[must_use]
    pub fn restriction(ask: &Ask<'_, Parameters>, names: &Names) -> Option<Self> {
        ask.category.map(|_| Self::of(ask, names))
    }

    /// Index of a category's segment; `None` when the question leaves it out.
    #[must_use]
    pub fn segment(&self, category: u32) -> Option<usize> {
        let segment = if category == NONE {
            self.unknown
        } else {
            self.by_category
                .get(category as usize)
                .copied()
                .unwrap_or(OUTSIDE)
        };
        (segment != OUTSIDE).then_some(segment as usize)
    }

    /// Whether the question covers a category.
    #[must_use]
    pub fn covers(&self, category: u32) -> bool {
        self.segment(category).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_and_nested_by_whole_parts() {
        assert_eq!(
            (cut("a/b/c", 2), cut("a", 2), cut("a/b", 1), cut("", 2)),
            ("a/b", "a", "a", "")
        );
        assert!(
            is_within("a/b", "a") && is_within("a", "a") && !is_within("ab", "a") && !is_within("a", "a/b")
        );
    }

    #[test]
    fn unknown_categories_are_a_segment_of_the_whole_only() {
        let names = Names::default();
        let (deep, other) = (names.categories.intern("a/b/c"), names.categories.intern("x"));
        let whole = Categories::new(&names, None, 2);
        assert_eq!(whole.cuts, ["", "a/b", "x"]);
        assert_eq!(
            (whole.segment(NONE), whole.segment(deep), whole.segment(other)),
            (Some(0), Some(1), Some(2))
        );
        let inside = Categories::new(&names, Some("a"), 1);
        assert_eq!(
            (inside.segment(NONE), inside.segment(deep), inside.segment(other)),
            (None, Some(0), None)
        );
    }
}
