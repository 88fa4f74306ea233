//! Exact stock: sell-through, and SKUs sold out.

use dualwheel_lake::frames::{Line, Names, Stock, StockRow};
use dualwheel_measure::{Absence, Metric, Quantity, Scope, Window, bootstrap::RatioGroups};

use crate::{cut::Slots, goods::Roster};

/// Stock of the whole or of a segment against what was sold of it.
#[derive(Clone, Debug, Default)]
pub struct Shelves {
    /// SKUs with a stock day in the window.
    pub skus: i64,
    sold_out: i64,
    sold: i64,
    available: i64,
    groups: Option<RatioGroups>,
}

/// One SKU's stock in the window, over all locations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SkuStock {
    /// Opening of the first stock day.
    opening: i64,
    /// Received on any day.
    received: i64,
    /// On hand on the last stock day.
    on_hand: i64,
}

impl SkuStock {
    /// Sums the rows of one SKU; `None` without a row in the window.
    fn of(rows: &[StockRow], window: Window) -> Option<Self> {
        let inside = || rows.iter().filter(|row| window.contains(row.day));
        let first = inside().map(|row| row.day).min()?;
        let last = inside().map(|row| row.day).max()?;
        Some(Self {
            opening: inside()
                .filter(|row| row.day == first)
                .map(|row| row.opening)
                .sum(),
            received: inside().map(|row| row.received).sum(),
            on_hand: inside()
                .filter(|row| row.day == last)
                .map(|row| row.on_hand)
                .sum(),
        })
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
    let mut sold = vec![0i64; names.skus.view().len()];
    for line in lines {
        if let Some(sold) = sold.get_mut(line.sku as usize) {
            *sold += line.net_units();
        }
    }
    let (skus, products) = (names.skus.view(), names.products.view());
    for rows in stock.rows.chunk_by(|a, b| a.sku == b.sku) {
        let Some(of_window) = SkuStock::of(rows, window) else {
            continue;
        };
        let Some(sku) = rows.first().map(|row| row.sku) else {
            continue;
        };
        // A SKU that two products claim goes to the one whose key comes first.
        let Some(product) = rows
            .iter()
            .map(|row| row.product)
            .min_by_key(|product| products.key(*product))
        else {
            continue;
        };
        let Some(good) = roster.get(product) else { continue };
        let sold = sold.get(sku as usize).copied().unwrap_or(0);
        let available = of_window.opening + of_window.received;
        slots.each(&mut shelves, product, good.category, |shelves| {
            shelves.skus += 1;
            shelves.sold_out += i64::from(of_window.on_hand == 0);
            shelves.sold += sold;
            shelves.available += available;
            shelves.groups.get_or_insert_default().add(
                skus.key(sku),
                i128::from(sold),
                i128::from(available),
            );
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
