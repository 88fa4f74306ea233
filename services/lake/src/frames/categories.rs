//! Category paths `a/b/c` (ground rule 9): what a question is restricted to, and the segments that it is cut into.

use super::{NONE, Names};

/// Segment of a category that the question leaves out.
const OUTSIDE: u32 = u32::MAX;

/// The first `level` parts of a path; a shorter path as a whole. A level of 0 counts as 1.
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

/// Categories that a question is restricted to: a path and what lies below it, or all.
#[derive(Clone, Debug)]
pub struct Within {
    /// By category ordinal; `None` admits everything.
    admitted: Option<Vec<bool>>,
}

impl Within {
    /// `category` and what lies below it, of the categories known by now; all for `None`.
    #[must_use]
    pub fn new(names: &Names, category: Option<&str>) -> Self {
        let admitted = category.map(|category| {
            let keys = names.categories.view();
            (0u32..)
                .take(keys.len())
                .map(|ordinal| is_within(keys.key(ordinal), category))
                .collect()
        });
        Self { admitted }
    }

    /// Whether the question covers a category; an unknown one only where there is no restriction.
    #[must_use]
    pub fn covers(&self, category: u32) -> bool {
        self.admitted
            .as_ref()
            .is_none_or(|admitted| admitted.get(category as usize).copied().unwrap_or(false))
    }
}

/// Every category of the tenant as the index of its segment.
#[derive(Clone, Debug)]
pub struct Categories {
    /// Segments in order: paths cut at the level; empty for facts without a category.
    pub cuts: Vec<String>,
    by_category: Vec<u32>,
    unknown: u32,
}

impl Categories {
    /// The categories of `names` cut at `level`, restricted to `category` and what lies below it.
    #[must_use]
    pub fn new(names: &Names, category: Option<&str>, level: u32) -> Self {
        let within = Within::new(names, category);
        let view = names.categories.view();
        let paths: Vec<Option<&str>> = (0u32..)
            .take(view.len())
            .map(|ordinal| within.covers(ordinal).then(|| cut(view.key(ordinal), level)))
            .collect();
        let mut cuts: Vec<&str> = paths.iter().flatten().copied().collect();
        if within.covers(NONE) {
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
        let unknown = if within.covers(NONE) { index("") } else { OUTSIDE };
        Self {
            by_category,
            unknown,
            cuts: cuts.iter().map(|path| (*path).to_owned()).collect(),
        }
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
    use proptest::prelude::*;

    use super::*;

    /// Paths of few letters, so that one often lies in another or only begins like it.
    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 1..5).prop_map(|parts| parts.join("/"))
    }

    fn parts(path: &str) -> Vec<&str> {
        path.split('/').collect()
    }

    proptest! {
        #[test]
        fn paths_are_cut_and_nested_by_whole_parts(path in path(), category in path(), level in 0u32..6) {
            let level_of = level.max(1) as usize;
            let first: Vec<&str> = parts(&path).into_iter().take(level_of).collect();
            prop_assert_eq!(cut(&path, level), first.join("/"));
            prop_assert_eq!(is_within(&path, &category), parts(&path).starts_with(&parts(&category)));
        }

        #[test]
        fn a_question_covers_what_lies_within_its_category(
            paths in prop::collection::vec(path(), 0..12),
            category in prop::option::of(path()),
            level in 1u32..4,
        ) {
            let names = Names::default();
            let ordinals: Vec<u32> = paths.iter().map(|path| names.categories.intern(path)).collect();
            let (within, cuts) = (
                Within::new(&names, category.as_deref()),
                Categories::new(&names, category.as_deref(), level),
            );
            for (path, ordinal) in paths.iter().zip(ordinals) {
                let inside = category
                    .as_ref()
                    .is_none_or(|category| parts(path).starts_with(&parts(category)));
                prop_assert_eq!((within.covers(ordinal), cuts.covers(ordinal)), (inside, inside));
                let segment = cuts.segment(ordinal).and_then(|at| cuts.cuts.get(at).cloned());
                prop_assert_eq!(segment, inside.then(|| cut(path, level).to_owned()));
            }
            // Facts without a category, and categories that nobody knew when it was asked.
            let is_whole = category.is_none();
            prop_assert_eq!((within.covers(NONE), cuts.covers(NONE)), (is_whole, is_whole));
            prop_assert!(cuts.cuts.is_sorted());
        }
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
