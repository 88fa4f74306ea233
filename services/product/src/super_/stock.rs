//! Exact stock: sell-through, and SKUs sold out.

use std::collections::HashMap;

use dualwheel_lake::frames::{Line, Names, Stock, StockRow};
use dualwheel_measure::{Absence, Metric, Quantity, Scope, Window, bootstrap::RatioGroups};
use serde::{Deserialize, Serialize};

use crate::{cut::Slots, goods::Roster};

/// Stock of the whole or of a segment against what was sold of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Shelves {
    /// SKUs with a stock day in the window.
    pub skus: i64,
    sold_out: i64,
    sold: i64,
    available: i64,
    groups: Option<RatioGroups>,
}

impl Shelves {
    /// Adds other SKUs.
    pub fn merge(&mut self, other: &Self) {
        self.skus += other.skus;
        self.sold_out += other.sold_out;
        self.sold += other.sold;
        self.available += other.available;
        if let Some(groups) = &other.groups {
            self.groups.get_or_insert_default().merge(groups);
        }
    }
}

/// One SKU's stock in the window, over all locations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SkuStock {
    /// Opening of each location's first stock day.
    opening: i64,
    /// Received on any day.
    received: i64,
    /// On hand on each location's last stock day.
    on_hand: i64,
}

impl SkuStock {
    /// Sums the rows of one SKU, sorted by location and day; `None` without a row in the window.
    fn of(rows: &[StockRow], window: Window) -> Option<Self> {
        let mut found = None;
        for of_location in rows.chunk_by(|one, next| one.location == next.location) {
            let inside = || of_location.iter().filter(|row| window.contains(row.day));
            let (Some(first), Some(last)) = (inside().next(), inside().next_back()) else {
                continue;
            };
            let sum: &mut Self = found.get_or_insert_default();
            sum.opening += first.opening;
            sum.received += inside().map(|row| row.received).sum::<i64>();
            sum.on_hand += last.on_hand;
        }
        found
    }
}

/// Stock of the whole and of every segment, slot by slot; `lines` are those of the window. A SKU belongs where its
/// product does, whatever category its lines name, so that both terms have the same SKUs.
#[must_use]
pub fn by_slot(
    (stock, names): (&Stock, &Names),
    lines: &[&Line],
    window: Window,
    roster: &Roster,
    slots: &Slots<'_>,
) -> Vec<Shelves> {
    let mut shelves = vec![Shelves::default(); slots.count()];
    if stock.rows.is_empty() {
        return shelves;
    }
    let mut sold: HashMap<(u32, u32), i64> = HashMap::new();
    for line in lines {
        *sold.entry((line.product, line.sku)).or_default() += line.net_units();
    }
    let (skus, products) = (names.skus.view(), names.products.view());
    let mut unit = String::new();
    for rows in stock
        .rows
        .chunk_by(|one, next| (one.product, one.sku) == (next.product, next.sku))
    {
        let (Some(of_window), Some(StockRow { product, sku, .. })) =
            (SkuStock::of(rows, window), rows.first().copied())
        else {
            continue;
        };
        let Some(good) = roster.get(product) else { continue };
        let sold = sold.get(&(product, sku)).copied().unwrap_or(0);
        let available = of_window.opening + of_window.received;
        // A SKU is one of its product; no key has this byte.
        unit.clear();
        unit.extend([products.key(product), "\u{0}", skus.key(sku)]);
        slots.each(&mut shelves, product, good.category, |shelves| {
            shelves.skus += 1;
            shelves.sold_out += i64::from(of_window.on_hand == 0);
            shelves.sold += sold;
            shelves.available += available;
            shelves
                .groups
                .get_or_insert_default()
                .add(&unit, i128::from(sold), i128::from(available));
        });
    }
    shelves
}

/// The metrics of one slot.
#[must_use]
pub fn metrics(scope: &Scope<'_>, shelves: &Shelves) -> [Metric; 2] {
    const IDS: [&str; 2] = ["super.sell_through", "super.sold_out"];
    if shelves.skus == 0 {
        let detail = "no stock of any SKU in the window (StockDay)";
        return IDS.map(|id| scope.absent(id, Absence::SignalNotSupplied, detail));
    }
    let [sell_through, sold_out] = IDS;
    let (sold, available) = (Quantity::Count(shelves.sold), Quantity::Count(shelves.available));
    let groups = shelves.groups.clone().unwrap_or_default();
    [
        scope.ratio_of_sums(sell_through, sold, available, &groups),
        scope.share(sold_out, shelves.sold_out, shelves.skus),
    ]
}
