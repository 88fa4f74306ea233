//! Penetration: the brand's buyers among the market's.
//!
//! Source: methodology 2.4. Market buyers are distinct within a supplied period and cannot be summed over time, so
//! the brand's buyers are counted in the same periods: those that lie in the window, the longest first where they
//! overlap. With several periods, or several categories for the whole brand, both sides are sums over them.

use dualwheel_lake::frames::{Line, MarketStatRow, MarketStats};
use dualwheel_measure::{Absence, Day, IntervalAbsence, Metric, Quantity, Scope, Window};

use super::{NO_INTERVAL, PENETRATION_METRICS, partial::Sums, scan::is_first};

/// A market period of a category.
pub(super) struct Slot {
    /// Segment of the category; `None` where it is the category that the question is restricted to.
    category: Option<usize>,
    /// Whether it lies in the base.
    is_base: bool,
    days: Window,
    buyers: i64,
}

/// A market period by names: the segment's path, or `None`; whether it lies in the base; first and last day.
pub(super) type SlotKey = (Option<String>, bool, Day, Day);

/// The market's periods that cover the question.
pub(super) struct Market {
    pub slots: Vec<Slot>,
    by_category: Vec<Vec<usize>>,
    everywhere: Vec<usize>,
}

impl Market {
    /// The periods of the segments `cuts`, and of the category that the question is restricted to.
    pub(super) fn new(
        stats: &MarketStats,
        cuts: &[String],
        category: Option<&str>,
        (base, now): (Window, Window),
    ) -> Self {
        let mut market = Self {
            slots: Vec::new(),
            by_category: vec![Vec::new(); cuts.len()],
            everywhere: Vec::new(),
        };
        for (is_base, window) in [(true, base), (false, now)] {
            for (at, path) in cuts.iter().enumerate() {
                market.add(stats, path, Some(at), is_base, window);
            }
            if let Some(path) = category {
                market.add(stats, path, None, is_base, window);
            }
        }
        market
    }

    /// The periods by names, in order.
    pub(super) fn keys<'a>(&'a self, cuts: &'a [String]) -> impl Iterator<Item = SlotKey> + 'a {
        self.slots.iter().map(|slot| {
            let category = slot.category.and_then(|at| cuts.get(at)).cloned();
            (category, slot.is_base, slot.days.first, slot.days.last)
        })
    }

    fn add(
        &mut self,
        stats: &MarketStats,
        path: &str,
        category: Option<usize>,
        is_base: bool,
        window: Window,
    ) {
        for row in periods(stats, path, window) {
            let days = Window {
                first: row.first,
                last: row.last,
            };
            let at = self.slots.len();
            self.slots.push(Slot {
                category,
                is_base,
                days,
                buyers: row.buyers.unwrap_or(0),
            });
            match category.and_then(|category| self.by_category.get_mut(category)) {
                Some(slots) => slots.push(at),
                None => self.everywhere.push(at),
            }
        }
    }

    /// Counts the buyer of a line in every period that holds it, once.
    pub(super) fn count(
        &self,
        counts: &mut [i64],
        stamps: &mut [u32],
        line: &Line,
        category: usize,
        stamp: u32,
    ) {
        if self.slots.is_empty() || !line.is_purchase() {
            return;
        }
        let own = self.by_category.get(category).map_or(&[][..], Vec::as_slice);
        for at in own.iter().chain(&self.everywhere) {
            if let (Some(slot), Some(count)) = (self.slots.get(*at), counts.get_mut(*at))
                && slot.days.contains(line.day)
                && is_first(stamps, *at, stamp)
            {
                *count += 1;
            }
        }
    }

    /// Penetration in the window and its change against the base.
    pub(super) fn metrics(&self, scope: &Scope<'_>, category: Option<&str>, table: &Sums) -> [Metric; 2] {
        let [id, change_id] = PENETRATION_METRICS;
        let now = self.side(scope, category, table, false);
        let base = self.side(scope, category, table, true);
        let change = match (&now.value, &base.value) {
            (Ok(now), Ok(base)) => scope.real(change_id, now - base, Err(NO_INTERVAL)),
            (Err((absence, detail)), _) | (_, Err((absence, detail))) => {
                scope.absent(change_id, *absence, detail)
            }
        };
        [
            Metric {
                id: id.to_owned(),
                ..now
            },
            change,
        ]
    }

    fn side(&self, scope: &Scope<'_>, category: Option<&str>, table: &Sums, is_base: bool) -> Metric {
        let [id, _] = PENETRATION_METRICS;
        let of_side = || {
            self.slots
                .iter()
                .zip(&table.penetrated)
                .filter(move |(slot, _)| slot.is_base == is_base)
        };
        let restricted = category.is_none() && of_side().any(|(slot, _)| slot.category.is_none());
        let asked = |slot: &Slot| match (slot.category, category) {
            (None, None) => restricted,
            (Some(_), None) => !restricted,
            (None, Some(_)) => false,
            (Some(of), Some(category)) => table.categories.get(of).is_some_and(|own| own == category),
        };
        let (mut slots, mut buyers, mut market) = (0, 0, 0);
        for (slot, count) in of_side().filter(|(slot, _)| asked(slot)) {
            slots += 1;
            buyers += count;
            market += slot.buyers;
        }
        match slots {
            0 => scope.absent(
                id,
                Absence::SignalNotSupplied,
                "supply market statistics with buyers (MarketStat)",
            ),
            1 => scope.share(id, buyers, market),
            // People may stand in several periods or categories: Wilson's units are not independent.
            _ => {
                let absence = Err(IntervalAbsence::NoUnitData);
                scope.ratio(id, Quantity::Count(buyers), Quantity::Count(market), absence)
            }
        }
    }
}

/// The whole market's periods of a category within `window` that do not overlap, from the first on.
fn periods<'a>(stats: &'a MarketStats, path: &str, window: Window) -> Vec<&'a MarketStatRow> {
    let whole = |row: &&MarketStatRow| {
        row.category == path && row.price_band.is_empty() && row.attribute_kind == 0 && row.buyers.is_some()
    };
    let inside =
        |row: &&MarketStatRow| window.first <= row.first && row.last <= window.last && row.first <= row.last;
    let mut rows: Vec<&MarketStatRow> = stats.rows.iter().filter(whole).filter(inside).collect();
    rows.sort_by_key(|row| (row.first, std::cmp::Reverse(row.last)));
    let mut kept: Vec<&MarketStatRow> = Vec::new();
    for row in rows {
        if kept.last().is_none_or(|before| before.last < row.first) {
            kept.push(row);
        }
    }
    kept
}
