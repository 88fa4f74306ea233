//! Product novelty: GMV of products in their novelty window.

use dualwheel_lake::frames::{Line, NONE, Names, launches::is_novel};
use dualwheel_measure::{Absence, Metric, Money, Quantity, Scope, bootstrap::RatioGroups};
use serde::{Deserialize, Serialize};

use crate::{
    cut::{Slots, Sums},
    goods::Roster,
};

/// GMV of the whole or of a segment, and what of it is new.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Novelty {
    /// Lines, return-only ones among them.
    pub lines: i64,
    gmv: Money,
    new: Money,
    groups: Option<RatioGroups>,
}

impl Novelty {
    /// Adds other lines.
    pub fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        self.gmv += other.gmv;
        self.new += other.new;
        if let Some(groups) = &other.groups {
            self.groups.get_or_insert_default().merge(groups);
        }
    }
}

/// Novelty of the whole and of every segment, slot by slot, over the window's `lines`.
#[must_use]
pub fn by_slot(
    names: &Names,
    lines: &[&Line],
    roster: &Roster,
    slots: &Slots<'_>,
    days: u16,
) -> Vec<Novelty> {
    let mut sums: Sums<(i64, Money, Money)> = Sums::new();
    for line in lines.iter().filter(|line| slots.covers(line.category)) {
        let launch = roster.get(line.product).and_then(crate::goods::Good::launch);
        let is_new = is_novel(line.day, launch, days);
        let slot = slots.of(line.product, line.category).unwrap_or(0);
        let (count, gmv, new) = sums.at(line.sku, slot as u32);
        *count += 1;
        *gmv += line.net();
        *new += if is_new { line.net() } else { 0 };
    }
    let mut novelty = vec![Novelty::default(); slots.count()];
    let keys = names.skus.view();
    for (sku, slot, (count, gmv, new)) in sums.iter().filter(|(sku, _, _)| *sku != NONE) {
        let mut add = |slot: usize| {
            if let Some(novelty) = novelty.get_mut(slot) {
                novelty.lines += count;
                novelty.gmv += gmv;
                novelty.new += new;
                novelty
                    .groups
                    .get_or_insert_default()
                    .add(keys.key(sku), *new, *gmv);
            }
        };
        add(0);
        if slot > 0 {
            add(slot as usize);
        }
    }
    novelty
}

/// The metric of one slot.
#[must_use]
pub fn metric(scope: &Scope<'_>, has_lines: bool, novelty: &Novelty) -> Metric {
    const ID: &str = "super.novelty";
    if !has_lines {
        return scope.absent(
            ID,
            Absence::SignalNotSupplied,
            "the brand has no order lines (OrderLine)",
        );
    }
    let groups = novelty.groups.clone().unwrap_or_default();
    scope.ratio_of_sums(
        ID,
        Quantity::Money(novelty.new),
        Quantity::Money(novelty.gmv),
        &groups,
    )
}
