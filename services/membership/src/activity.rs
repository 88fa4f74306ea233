//! Who was active (methodology §1): an active behaviour, browsing on several days, or a purchase.

use dualwheel_lake::frames::{
    Behaviors, Kind, Line, NONE, Orders, Purchase, Venue, Within, purchases::of_consumer,
};
use dualwheel_measure::Window;

/// Behaviours and purchases of a brand, restricted to categories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acts<'a> {
    /// Behaviours.
    pub behaviors: &'a Behaviors,
    /// Order lines.
    pub orders: &'a Orders,
    /// Categories that count.
    pub categories: &'a Within,
    /// Distinct days on which browsing becomes active.
    pub browse_days: u16,
    /// Whether `PURCHASE` behaviours are purchases, because there are no order lines.
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
                .covers(self.behaviors.category.get(row).copied().unwrap_or(NONE))
            {
                continue;
            }
            let venue = venue_bit(self.behaviors.venue.get(row).copied().flatten());
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
        lines.filter(move |line| window.contains(line.day) && self.categories.covers(line.category))
    }

    /// Purchases of a consumer in `window`.
    pub(crate) fn purchases(&self, consumer: u32, window: Window) -> impl Iterator<Item = Purchase> {
        let supplied = self.purchases_are_behaviors;
        of_consumer(Some(self.behaviors), self.orders, consumer, supplied).filter(move |purchase| {
            window.contains(purchase.day) && self.categories.covers(purchase.category)
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
fn venue_bit(venue: Option<Venue>) -> u16 {
    venue.map_or(0, |venue| 1 << venue as u16)
}
