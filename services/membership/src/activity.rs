//! Who was active (methodology §1): an active behaviour, browsing on several days, or a purchase.

use dualwheel_lake::frames::{Behaviors, Kind, Line, NONE, Names, Orders};
use dualwheel_measure::Window;

/// Category paths that a question is restricted to.
#[derive(Clone, Debug)]
pub(crate) struct Categories {
    /// By category ordinal; `None` admits everything.
    admitted: Option<Vec<bool>>,
}

impl Categories {
    /// The paths that are `category` or lie below it; all where there is none.
    pub(crate) fn below(names: &Names, category: Option<&str>) -> Self {
        let is_below = |path: &str, category: &str| {
            path.strip_prefix(category)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let admitted = category.map(|category| {
            let keys = names.categories.view();
            (0u32..)
                .take(keys.len())
                .map(|ordinal| is_below(keys.key(ordinal), category))
                .collect()
        });
        Self { admitted }
    }

    /// Whether a category ordinal is among them.
    pub(crate) fn admit(&self, category: u32) -> bool {
        match &self.admitted {
            None => true,
            Some(admitted) => admitted.get(category as usize).copied().unwrap_or(false),
        }
    }
}

/// Behaviours and purchases of a brand, restricted to categories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acts<'a> {
    /// Behaviours.
    pub behaviors: &'a Behaviors,
    /// Order lines.
    pub orders: &'a Orders,
    /// Categories that count.
    pub categories: &'a Categories,
    /// Distinct days on which browsing becomes active.
    pub browse_days: u16,
    /// Whether `PURCHASE` behaviours are purchases, for want of order lines.
    pub purchases_are_behaviors: bool,
}

/// What one consumer did in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Whether anything was active.
    pub is_active: bool,
    /// Bit v is set when something active happened at venue v of the contract.
    pub venues: u16,
}

impl Acts<'_> {
    /// What a consumer did in `window`.
    pub(crate) fn of(&self, consumer: u32, window: Window) -> Activity {
        let mut activity = Activity::default();
        let (mut browse_venues, mut browse_days, mut last_browse) = (0u16, 0u16, None);
        for row in self.rows(consumer, window) {
            let kind = self.behaviors.kind.get(row).copied().unwrap_or(Kind::Unspecified);
            if !self
                .categories
                .admit(self.behaviors.category.get(row).copied().unwrap_or(NONE))
            {
                continue;
            }
            let venue = venue_bit(self.behaviors.venue.get(row).copied().unwrap_or(0));
            if kind == Kind::Browse {
                // Rows come by time: another day than the last one is a new day.
                let day = self.behaviors.day.get(row).copied();
                browse_days = browse_days.saturating_add(u16::from(day != last_browse));
                last_browse = day;
                browse_venues |= venue;
            } else if kind.is_active() || (self.purchases_are_behaviors && kind == Kind::Purchase) {
                activity.is_active = true;
                activity.venues |= venue;
            }
        }
        if browse_days > 0 && browse_days >= self.browse_days {
            activity.is_active = true;
            activity.venues |= browse_venues;
        }
        // A line does not say where it was bought, so it adds no venue.
        activity.is_active |= self.lines(consumer, window).any(Line::is_purchase);
        activity
    }

    /// Order lines of a consumer in `window`, return-only rows among them.
    pub(crate) fn lines(&self, consumer: u32, window: Window) -> impl Iterator<Item = &Line> {
        let lines = self.orders.of(consumer).iter();
        lines.filter(move |line| window.contains(line.day) && self.categories.admit(line.category))
    }

    /// Whether a consumer bought in `window`.
    pub(crate) fn is_buyer(&self, consumer: u32, window: Window) -> bool {
        if !self.purchases_are_behaviors {
            return self.lines(consumer, window).any(Line::is_purchase);
        }
        self.rows(consumer, window).any(|row| {
            self.behaviors.kind.get(row) == Some(&Kind::Purchase)
                && self
                    .behaviors
                    .category
                    .get(row)
                    .is_some_and(|category| self.categories.admit(*category))
        })
    }

    /// Rows of a consumer's behaviours in `window`.
    pub(crate) fn rows(&self, consumer: u32, window: Window) -> std::ops::Range<usize> {
        let rows = self.behaviors.groups.rows(consumer);
        let days = self.behaviors.day.get(rows.clone()).unwrap_or_default();
        let first = days.partition_point(|day| *day < window.first);
        let end = days.partition_point(|day| *day <= window.last);
        rows.start + first..rows.start + end
    }
}

/// The bit of a venue; none for one not said.
fn venue_bit(venue: u8) -> u16 {
    if venue == 0 {
        0
    } else {
        1u16.checked_shl(venue.into()).unwrap_or(0)
    }
}
