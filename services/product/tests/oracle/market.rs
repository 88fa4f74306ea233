//! What the tenant's brands say of a category, and price bands.

use crate::{
    lifecycle::launch,
    raw::{Brand, day_of},
};
use dualwheel_proto::facts::BehaviorKind;

pub fn cut(path: &str, level: usize) -> String {
    path.split('/').take(level).collect::<Vec<_>>().join("/")
}

/// Type-7 quantile.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let position = share * last as f64;
    let (below, above) = (
        values[position.floor() as usize],
        values[position.ceil() as usize],
    );
    Some(below + (above - below) * (position - position.floor()))
}

pub fn is_visit(kind: BehaviorKind) -> bool {
    use BehaviorKind::{Browse, Cart, Consult, Favorite, SampleClaim};
    [Browse, Favorite, Cart, Consult, SampleClaim].contains(&kind)
}

pub fn is_on_sale(brand: &Brand, product: &str, day: i32) -> bool {
    let delisted = brand.fact(product).and_then(|row| row.delisted_at);
    let gone = delisted.is_some_and(|at| day_of(at.seconds, brand.zone.unwrap()) <= day);
    launch(brand, product).is_some_and(|launch| launch <= day) && !gone
}

pub fn paid_and_refund(brand: &Brand, product: &str, window: (i32, i32)) -> (i128, i128) {
    let of =
        |line: &&crate::raw::Line| line.product == product && window.0 <= line.day && line.day <= window.1;
    let lines: Vec<_> = brand.lines.iter().filter(of).collect();
    (
        lines.iter().map(|line| line.paid).sum(),
        lines.iter().map(|line| line.refund).sum(),
    )
}

/// Whether anybody visited, visitors and buyers of the products and categories that `of` picks.
pub fn traffic(brand: &Brand, window: (i32, i32), of: impl Fn(&str, &str) -> bool) -> (bool, i64, i64) {
    let (mut visited, mut visitors, mut buyers) = (false, Vec::new(), Vec::new());
    for act in brand
        .acts
        .iter()
        .filter(|act| window.0 <= act.day && act.day <= window.1)
    {
        let Some(product) = &act.product else { continue };
        if !of(product, &act.category) {
            continue;
        }
        if is_visit(act.kind) {
            visited = true;
            visitors.push(act.consumer.clone());
        }
        if act.kind == BehaviorKind::Purchase && brand.lines.is_empty() {
            buyers.push(act.consumer.clone());
        }
    }
    for line in brand
        .lines
        .iter()
        .filter(|line| window.0 <= line.day && line.day <= window.1)
    {
        if line.quantity > 0 && of(&line.product, &line.category) {
            buyers.push(line.consumer.clone());
        }
    }
    visitors.extend(buyers.clone());
    for people in [&mut visitors, &mut buyers] {
        people.sort();
        people.dedup();
    }
    (visited, visitors.len() as i64, buyers.len() as i64)
}

pub fn conversion(brand: &Brand, window: (i32, i32), product: &str) -> Option<f64> {
    let (visited, visitors, buyers) = traffic(brand, window, |other, _| other == product);
    visited.then(|| buyers as f64 / visitors as f64)
}

/// Mean unit price of the window's purchases to the ten-thousandth, and what was paid for them.
fn bought(brand: &Brand, product: &str, window: (i32, i32)) -> Option<(i128, i128)> {
    let (mut paid, mut units) = (0, 0);
    for line in brand
        .lines
        .iter()
        .filter(|line| line.product == product && line.quantity > 0)
    {
        if window.0 <= line.day && line.day <= window.1 {
            paid += line.paid;
            units += i128::from(line.quantity);
        }
    }
    (units > 0).then(|| ((paid as f64 / units as f64 + 0.5).floor() as i128, paid))
}

/// Mean unit price of the window's purchases, else the list price.
pub fn price(brand: &Brand, product: &str, window: (i32, i32)) -> Option<i128> {
    let bought = bought(brand, product, window).map(|(price, _)| price);
    bought.or(brand.list_price(product))
}

/// Band of a product among the market's goods of its category.
pub fn band(brand: &Brand, product: &str, brands: &[Brand], window: (i32, i32)) -> String {
    let Some(price) = price(brand, product, window) else {
        return String::new();
    };
    let category = cut(&brand.category(product).unwrap_or_default(), 2);
    let mut market: Vec<(i128, i128)> = Vec::new();
    for other in brands {
        for good in other.goods() {
            if cut(&other.category(&good).unwrap_or_default(), 2) == category {
                market.extend(bought(other, &good, window));
            }
        }
    }
    market.sort();
    let total: i128 = market.iter().map(|(_, paid)| paid).sum();
    if total == 0 {
        return String::new();
    }
    let mut band = 1;
    for part in 1..5i128 {
        // The lowest price up to which goods make `part` fifths of the GMV.
        let reaches = |limit: i128| {
            let upto: i128 = market
                .iter()
                .filter(|(price, _)| *price <= limit)
                .map(|(_, paid)| paid)
                .sum();
            upto * 5 >= total * part
        };
        let edge = market
            .iter()
            .map(|(price, _)| *price)
            .find(|price| reaches(*price))
            .unwrap();
        band += i32::from(edge < price);
    }
    band.to_string()
}
