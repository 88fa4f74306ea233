//! Pages of lists: how many items they have, and where the next one begins.

use std::fmt::Display;

use tonic::Status;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Reason, Violations};

/// Items of a page unless said otherwise.
pub const ON_PAGE: usize = 100;
/// Most items of a page.
pub const MOST_ON_PAGE: usize = 1_000;
/// What a page token has to be.
pub const TOKEN: &str = "not the next_page_token of a page of the same list";

/// Reads the size of a page.
///
/// # Errors
/// `INVALID_PAGE` when it is negative.
pub fn page_size(size: i32) -> Result<usize, Status> {
    let mut violations = Violations::new();
    let size = read_page_size(size, &mut violations);
    violations.finish(Reason::InvalidPage)?;
    Ok(size)
}

/// Reads the size of a page: [`ON_PAGE`] where it is 0, at most [`MOST_ON_PAGE`] whatever is asked.
fn read_page_size(size: i32, violations: &mut Violations) -> usize {
    match usize::try_from(size) {
        Ok(0) => ON_PAGE,
        Ok(size) => size.min(MOST_ON_PAGE),
        Err(_) => {
            violations.add("page_size", "not negative");
            ON_PAGE
        }
    }
}

/// A list that comes in pages, known by a hash of all that its items and their order depend on. Its tokens are this hash and
/// a place in the list; those of other lists are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List(u64);

impl List {
    /// The list of this description.
    #[must_use]
    pub fn of(description: &str) -> Self {
        Self(xxh3_64(description.as_bytes()))
    }

    /// The token of the page that begins at `place`.
    #[must_use]
    pub fn token(self, place: impl Display) -> String {
        format!("{:016x}.{place}", self.0)
    }

    /// The place of a token of this list; `None` where the token is of another one.
    #[must_use]
    pub fn place(self, token: &str) -> Option<&str> {
        let place = token.strip_prefix(self.token("").as_str());
        place.filter(|place| !place.is_empty())
    }

    /// Reads size and token of a page; `place` reads where it begins, which is none for the first page.
    ///
    /// # Errors
    /// `INVALID_PAGE` when the size is negative, or the token of another list or of no place.
    pub fn page<P>(
        self,
        size: i32,
        token: &str,
        place: impl FnOnce(&str) -> Option<P>,
    ) -> Result<(usize, Option<P>), Status> {
        let mut violations = Violations::new();
        let size = read_page_size(size, &mut violations);
        let after = self.place(token).and_then(place);
        if after.is_none() && !token.is_empty() {
            violations.add("page_token", TOKEN);
        }
        violations.finish(Reason::InvalidPage)?;
        Ok((size, after))
    }
}

/// Where a page of a list begins that is worked out for each question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    first: usize,
    size: usize,
    list: List,
}

impl Slice {
    /// Reads size and token of a page. `question` describes all that the list depends on.
    ///
    /// # Errors
    /// `INVALID_PAGE` when the size is negative or the token of another list.
    pub fn read(size: i32, token: &str, question: &str) -> Result<Self, Status> {
        let list = List::of(question);
        let (size, first) = list.page(size, token, |place| place.parse().ok())?;
        let first = first.unwrap_or_default();
        Ok(Self { first, size, list })
    }

    /// The items of the page, and the token of the next one: empty on the last.
    #[must_use]
    pub fn of<'a, T>(&self, items: &'a [T]) -> (&'a [T], String) {
        let rest = items.get(self.first..).unwrap_or_default();
        match rest.split_at_checked(self.size) {
            Some((page, more)) if !more.is_empty() => (page, self.list.token(self.first + self.size)),
            _ => (rest, String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::violations_of;

    #[test]
    fn pages_join_to_the_whole() {
        let items: Vec<i32> = (0..7).collect();
        for size in 1..9 {
            let (mut all, mut token, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let slice = Slice::read(size, &token, "list").unwrap();
                let (page, next) = slice.of(&items);
                all.extend_from_slice(page);
                pages += 1;
                token = next;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((all, pages), (items.clone(), 7usize.div_ceil(size as usize)));
        }
        let (_, next) = Slice::read(5, "", "list").unwrap().of(&items);
        for (size, token, question, field) in [
            (-1, "", "list", "page_size"),
            (0, next.as_str(), "another", "page_token"),
            (0, "x", "list", "page_token"),
            (0, "é", "list", "page_token"),
            (0, &next[..16], "list", "page_token"),
        ] {
            let refused = Slice::read(size, token, question).unwrap_err();
            assert_eq!(violations_of(&refused)[0].0, field);
        }
        // Facts that went away meanwhile leave an empty page, not an error.
        assert_eq!(
            Slice::read(5, &next, "list").unwrap().of(&items[..3]),
            (&[][..], String::new())
        );
    }

    #[test]
    fn pages_are_of_one_size_unless_said_otherwise() {
        let items: Vec<usize> = (0..2 * MOST_ON_PAGE).collect();
        for (asked, given) in [(0, ON_PAGE), (7, 7), (i32::MAX, MOST_ON_PAGE)] {
            assert_eq!(page_size(asked).unwrap(), given);
            assert_eq!(Slice::read(asked, "", "list").unwrap().of(&items).0.len(), given);
        }
        assert_eq!(violations_of(&page_size(-1).unwrap_err())[0].0, "page_size");
    }
}
