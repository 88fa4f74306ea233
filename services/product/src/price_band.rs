//! The price band of every product (methodology 3.3).
//!
//! A product's price is the mean unit price of its purchases in the window, without any its list price. Bands are
//! numbered from the cheapest, `1`. Edges are fixed by the definitions for a category, or else lie where the market's
//! goods of the level-2 category, in the order of their prices, make equal parts of its GMV; the market is the sum of
//! the tenant's brands. A price on an edge lies in the lower band.

use std::collections::BTreeMap;

use dualwheel_lake::frames::Names;

use crate::{Parameters, cut::Segments, goods::Roster, market::GoodsMarket, strangers::Withheld};

/// Goods cut into segments with the market's help.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The segments.
    pub segments: Segments,
    /// Whether any good's band came from the market.
    pub from_market: bool,
    /// Whether goods are without a band because the market's edges may not be disclosed.
    pub withheld: bool,
}

/// The goods of `roster` by price band. Those without a price, or in a category without edges, are in the band without a
/// name.
#[must_use]
pub fn bands(roster: &Roster, names: &Names, market: &GoodsMarket, parameters: &Parameters) -> Cut {
    let classes = market.classes(names);
    let count = parameters.price_band_count.get();
    let mut of_market: BTreeMap<u32, Result<Vec<i64>, Withheld>> = BTreeMap::new();
    let mut fixed: BTreeMap<u32, Option<Vec<i64>>> = BTreeMap::new();
    let (mut from_market, mut withheld) = (false, false);
    let mut bands: Vec<(u32, String)> = Vec::with_capacity(roster.goods.len());
    for good in &roster.goods {
        let given = fixed.entry(good.category).or_insert_with(|| {
            let keys = names.categories.view();
            fixed_edges(parameters, keys.key(good.category))
        });
        let edges = match given {
            Some(edges) => edges.as_slice(),
            None => {
                let class = classes.of(good.category);
                let edges = of_market
                    .entry(class)
                    .or_insert_with(|| market.edges(classes.name(class), count));
                from_market |= edges.is_ok();
                withheld |= edges.is_err();
                edges.as_deref().unwrap_or_default()
            }
        };
        bands.push((good.product, band(edges, good.price())));
    }
    let values = bands.iter().map(|(product, band)| (*product, band.as_str()));
    Cut {
        segments: Segments::by_product("price_band", values, ""),
        from_market,
        withheld,
    }
}

/// The fixed edges of the deepest path that holds `category`.
fn fixed_edges(parameters: &Parameters, category: &str) -> Option<Vec<i64>> {
    let mut path = category;
    loop {
        if let Some(edges) = parameters.price_band_edges.get(path) {
            return Some(edges.scaled());
        }
        path = path.rsplit_once('/')?.0;
    }
}

fn band(edges: &[i64], price: Option<i64>) -> String {
    match price {
        Some(price) if !edges.is_empty() => {
            (edges.iter().filter(|edge| **edge < price).count() + 1).to_string()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Definitions;

    use super::*;

    #[test]
    fn prices_on_an_edge_lie_below_it() {
        let edges = [100, 200];
        let of = |price| band(&edges, Some(price));
        assert_eq!(
            [of(1), of(100), of(101), of(200), of(201)],
            ["1", "1", "2", "2", "3"]
        );
        assert_eq!(
            (band(&edges, None), band(&[], Some(5))),
            (String::new(), String::new())
        );
    }

    #[test]
    fn the_deepest_path_decides() {
        let mut shipped: Definitions<Parameters> = Definitions::shipped(crate::DEFINITIONS).unwrap();
        let edges = "{a: [1], a/b/c: [2, 3]}";
        shipped.parameters.price_band_edges = serde_yaml_ng::from_str(edges).unwrap();
        let of = |path| fixed_edges(&shipped.parameters, path);
        assert_eq!(of("a/b"), Some(vec![10_000]));
        assert_eq!(of("a/b/c/d"), Some(vec![20_000, 30_000]));
        assert_eq!(of("ab"), None);
    }
}
