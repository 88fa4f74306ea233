//! The reference: plain loops over raw facts.

use std::collections::BTreeSet;

use dualwheel_product::style_trend::{Asked, Attribute};
use dualwheel_proto::facts::{BehaviorKind, MarketStat, Product};

use crate::{
    market::{band, cut, price, traffic},
    raw::Brand,
};

type Days = (i32, i32);
type Stat = (MarketStat, i32, i32, i128);

/// The definition's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub history: i32,
    pub fewest: usize,
    pub recent: i32,
    pub period: i32,
}

/// A value, market and brand.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub key: (String, String, String),
    pub gmv: Vec<Option<f64>>,
    pub searches: Vec<Option<f64>>,
    pub listings: Vec<Option<f64>>,
    pub units: Vec<Option<f64>>,
    pub period_days: f64,
    pub recent: Days,
    pub known: Vec<Days>,
    pub recent_gmv: i128,
    pub demand_supply: Option<f64>,
    pub penetration: Option<f64>,
    pub share: Option<f64>,
    pub tgi: Option<f64>,
    pub conversion: Option<f64>,
}

fn within(path: &str, category: &str) -> bool {
    path == category || path.starts_with(&format!("{category}/"))
}

fn covers(asked: &Asked, path: &str) -> bool {
    asked
        .category
        .as_ref()
        .is_none_or(|category| within(path, category))
}

fn length(days: Days) -> i32 {
    days.1 - days.0 + 1
}

/// Periods of the shortest kind of which there are enough, else of which there are most; apart from each other.
fn periods(all: &[Days], fewest: usize) -> Vec<Days> {
    let kind = |days: &Days| match length(*days) {
        1 => 0,
        2..=10 => 1,
        11..=45 => 2,
        46..=135 => 3,
        _ => 4,
    };
    let mut best: Vec<Days> = Vec::new();
    for wanted in 0..5 {
        let mut mine: Vec<Days> = all.iter().filter(|days| kind(days) == wanted).copied().collect();
        mine.sort_by_key(|days| (days.0, -days.1));
        let mut apart: Vec<Days> = Vec::new();
        for days in mine {
            if apart.iter().all(|before| before.1 < days.0) {
                apart.push(days);
            }
        }
        if apart.len() >= fewest {
            return apart;
        }
        if apart.len() > best.len() {
            best = apart;
        }
    }
    best
}

fn steps(periods: &[Days]) -> Vec<usize> {
    let mut lengths: Vec<i32> = periods.iter().map(|days| length(*days)).collect();
    lengths.sort_unstable();
    let n = lengths.len();
    let median = f64::from(lengths[n / 2] + lengths[(n - 1) / 2]) / 2.0;
    let mut steps = vec![0usize];
    for at in 1..n {
        let apart = f64::from(periods[at].0 - periods[at - 1].0) / median;
        steps.push(steps[at - 1] + (apart.round() as usize).max(1));
    }
    steps
}

/// The market of supplied statistics; nothing where none cover the question.
pub fn supplied(stats: &[Stat], asked: &Asked, as_of: i32, numbers: Numbers) -> Vec<Expected> {
    let in_history = |row: &&Stat| row.1 > as_of - numbers.history && row.2 <= as_of;
    let of_value = |row: &&Stat| {
        row.0.attribute_kind == asked.attribute as i32
            && !row.0.attribute_value.is_empty()
            && row.0.price_band.is_empty() != asked.by_price_band
            && covers(asked, &row.0.category)
    };
    let rows: Vec<&Stat> = stats.iter().filter(in_history).filter(of_value).collect();
    let keys: BTreeSet<(String, String, String)> = rows
        .iter()
        .map(|(row, ..)| {
            (
                row.category.clone(),
                row.price_band.clone(),
                row.attribute_value.clone(),
            )
        })
        .collect();
    let mut found = Vec::new();
    for key in keys {
        let of_category: Vec<&&Stat> = rows.iter().filter(|row| row.0.category == key.0).collect();
        let all: Vec<Days> = of_category.iter().map(|row| (row.1, row.2)).collect();
        let periods = periods(&all, numbers.fewest);
        let last = periods[periods.len() - 1].1;
        let recent: Vec<Days> = periods
            .iter()
            .filter(|days| days.1 > last - numbers.recent)
            .copied()
            .collect();
        let row_of = |days: &Days| {
            let of_key = |row: &&&Stat| row.0.price_band == key.1 && row.0.attribute_value == key.2;
            rows.iter()
                .filter(|row| row.0.category == key.0)
                .filter(of_key)
                .find(|row| (row.1, row.2) == *days)
        };
        if periods.iter().all(|days| row_of(days).is_none()) {
            continue;
        }
        let steps = steps(&periods);
        let series = |of: &dyn Fn(&Stat) -> Option<f64>| {
            let mut series = vec![None; steps[steps.len() - 1] + 1];
            for (days, step) in periods.iter().zip(&steps) {
                series[*step] = row_of(days).and_then(|row| of(row));
            }
            series
        };
        let count = |count: Option<i64>| count.map(|count| count as f64);
        let (mut searches, mut listings, mut buyers, mut all_buyers) = (0, 0, 0, 0);
        for row in recent.iter().filter_map(row_of) {
            if let (Some(searched), Some(listed)) = (row.0.searches, row.0.listings) {
                (searches, listings) = (searches + searched, listings + listed);
            }
            let whole = stats.iter().find(|whole| {
                let uncut = whole.0.price_band.is_empty() && whole.0.attribute_value.is_empty();
                uncut && whole.0.category == key.0 && (whole.1, whole.2) == (row.1, row.2)
            });
            if let (Some(own), Some(all)) = (row.0.buyers, whole.and_then(|whole| whole.0.buyers)) {
                (buyers, all_buyers) = (buyers + own, all_buyers + all);
            }
        }
        let days: i32 = periods.iter().map(|days| length(*days)).sum();
        let known: Vec<Days> = recent
            .iter()
            .filter(|days| row_of(days).is_some())
            .copied()
            .collect();
        found.push(Expected {
            gmv: series(&|row| Some(row.3 as f64 / 10_000.0)),
            units: series(&|row| count(row.0.units)),
            searches: series(&|row| count(row.0.searches)),
            listings: series(&|row| count(row.0.listings)),
            period_days: f64::from(days) / periods.len() as f64,
            recent: (recent[0].0, last),
            recent_gmv: known.iter().filter_map(row_of).map(|row| row.3).sum(),
            known,
            demand_supply: (listings > 0).then(|| searches as f64 / listings as f64),
            penetration: (all_buyers > 0)
                .then(|| buyers as f64 / all_buyers as f64)
                .filter(|share| *share <= 1.0),
            share: None,
            tgi: None,
            conversion: None,
            key,
        });
    }
    found
}

fn worn(product: &Product, attribute: Attribute) -> BTreeSet<String> {
    let all = match attribute {
        Attribute::Style => product.styles.clone(),
        Attribute::Colour => product.colour.iter().cloned().collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|value| !value.is_empty()).collect()
}

fn wears(brand: &Brand, product: &str, value: &str, attribute: Attribute) -> bool {
    brand
        .fact(product)
        .is_some_and(|row| worn(row, attribute).contains(value))
}

fn level(asked: &Asked) -> usize {
    asked
        .category
        .as_ref()
        .map_or(2, |path| path.split('/').count().max(2))
}

/// The market of the tenant's brands.
pub fn own(brands: &[Brand], asked: &Asked, as_of: i32, numbers: Numbers) -> Vec<Expected> {
    let all: Vec<Days> = (0..numbers.history / numbers.period)
        .rev()
        .map(|ago| as_of - ago * numbers.period)
        .map(|last| (last - numbers.period + 1, last))
        .collect();
    let first_recent = all.iter().find(|days| days.1 > as_of - numbers.recent).unwrap().0;
    let recent = (first_recent, as_of);
    let first_line = brands
        .iter()
        .flat_map(|brand| &brand.lines)
        .map(|line| line.day)
        .min();
    let kept: Vec<Days> = all
        .iter()
        .filter(|days| days.0 >= first_line.unwrap_or(0))
        .copied()
        .collect();
    let in_all = |day: i32| all.first().is_some_and(|days| days.0 <= day) && day <= as_of;

    // Each line with its key, as often as its product has values.
    let mut sold = Vec::new();
    for brand in brands {
        for line in &brand.lines {
            let class = cut(&line.category, level(asked));
            if class.is_empty() || !covers(asked, &line.category) || !in_all(line.day) {
                continue;
            }
            let band = if asked.by_price_band {
                band(brand, &line.product, brands, recent)
            } else {
                String::new()
            };
            let values = brand
                .fact(&line.product)
                .map(|row| worn(row, asked.attribute))
                .unwrap_or_default();
            sold.push((class, band, values, line));
        }
    }
    let mut keys = BTreeSet::new();
    for (class, band, values, _) in &sold {
        if !asked.by_price_band || !band.is_empty() {
            keys.extend(
                values
                    .iter()
                    .map(|value| (class.clone(), band.clone(), value.clone())),
            );
        }
    }
    if kept.is_empty() {
        return Vec::new();
    }
    let is_recent = |day: i32| recent.0 <= day && day <= recent.1;
    keys.into_iter()
        .map(|key| {
            let mine: Vec<_> = sold
                .iter()
                .filter(|(class, band, values, _)| {
                    *class == key.0 && *band == key.1 && values.contains(&key.2)
                })
                .map(|(.., line)| *line)
                .collect();
            let sum = |days: &Days| -> (i128, i64) {
                let inside = mine
                    .iter()
                    .filter(|line| days.0 <= line.day && line.day <= days.1);
                inside.fold((0, 0), |(gmv, units), line| {
                    (
                        gmv + line.paid - line.refund,
                        units + line.quantity - line.returned,
                    )
                })
            };
            let buyers: BTreeSet<&String> = mine
                .iter()
                .filter(|line| line.quantity > 0 && is_recent(line.day))
                .map(|line| &line.consumer)
                .collect();
            let of_class: BTreeSet<&String> = sold
                .iter()
                .filter(|(class, _, _, line)| *class == key.0 && line.quantity > 0 && is_recent(line.day))
                .map(|(.., line)| &line.consumer)
                .collect();
            let known: Vec<Days> = kept.iter().filter(|days| is_recent(days.0)).copied().collect();
            let nothing = vec![None; kept.len()];
            Expected {
                gmv: kept
                    .iter()
                    .map(|days| Some(sum(days).0 as f64 / 10_000.0))
                    .collect(),
                units: kept.iter().map(|days| Some(sum(days).1 as f64)).collect(),
                searches: nothing.clone(),
                listings: nothing,
                period_days: f64::from(numbers.period),
                recent,
                recent_gmv: known.iter().map(|days| sum(days).0).sum(),
                known,
                demand_supply: None,
                penetration: (!of_class.is_empty()).then(|| buyers.len() as f64 / of_class.len() as f64),
                share: None,
                tgi: None,
                conversion: None,
                key,
            }
        })
        .collect()
}

/// Adds the first brand's side.
pub fn with_brand(
    market: Vec<Expected>,
    brands: &[Brand],
    asked: &Asked,
    from_tenant: bool,
) -> Vec<Expected> {
    let brand = &brands[0];
    let has_lines = !brand.lines.is_empty();
    let has_purchases = has_lines || brand.acts.iter().any(|act| act.kind == BehaviorKind::Purchase);
    let with = |mut row: Expected| {
        let (category, own_band, value) = row.key.clone();
        let belongs = |path: &str| {
            if from_tenant {
                cut(path, level(asked)) == category
            } else {
                within(path, &category)
            }
        };
        let in_band = |product: &str| {
            if !asked.by_price_band {
                return true;
            }
            if from_tenant {
                return band(brand, product, brands, row.recent) == own_band;
            }
            let price = price(brand, product, row.recent);
            match own_band.as_str() {
                "0-15" => price.is_some_and(|price| price <= 150_000),
                "15-" => price.is_some_and(|price| price > 150_000),
                _ => false,
            }
        };
        let is_mine = |product: &str, path: &str| {
            belongs(path) && wears(brand, product, &value, asked.attribute) && in_band(product)
        };
        let (_, _, all_buyers) = traffic(brand, row.recent, |_, path| belongs(path));
        let (visited, visitors, buyers) = traffic(brand, row.recent, is_mine);
        let mut gmv = 0;
        for line in brand
            .lines
            .iter()
            .filter(|line| is_mine(&line.product, &line.category))
        {
            if row
                .known
                .iter()
                .any(|days| days.0 <= line.day && line.day <= days.1)
            {
                gmv += line.paid - line.refund;
            }
        }
        if own_band == "cheap" {
            return row;
        }
        if has_lines && row.recent_gmv > 0 {
            row.share = Some(gmv.max(0) as f64 / row.recent_gmv as f64).filter(|share| *share <= 1.0);
        }
        if has_purchases && all_buyers > 0 {
            let penetration = row.penetration.filter(|penetration| *penetration > 0.0);
            row.tgi = penetration.map(|market| 100.0 * buyers as f64 / all_buyers as f64 / market);
        }
        if has_purchases && visited {
            row.conversion = Some(buyers as f64 / visitors as f64);
        }
        row
    };
    market.into_iter().map(with).collect()
}

/// Slope a period of what is above zero, by years where there are two.
pub fn slope(series: &[Option<f64>], period_days: f64) -> Option<f64> {
    let points: Vec<(i32, f64)> = (0..)
        .zip(series)
        .filter_map(|(step, value)| {
            value
                .filter(|v| *v > 0.0 && v.is_finite())
                .map(|v| (step, v.ln()))
        })
        .collect();
    let pairs = |year: i32| {
        let mut slopes = Vec::new();
        for i in 0..points.len() {
            for j in i + 1..points.len() {
                let apart = points[j].0 - points[i].0;
                if apart % year == 0 {
                    slopes.push((points[j].1 - points[i].1) / f64::from(apart));
                }
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes
    };
    let year = ((365.25 / period_days).round() as i32).max(1);
    let span = points.last()?.0 - points[0].0 + 1;
    let mut slopes = pairs(1);
    if span >= 2 * year && pairs(year).len() > (year / 2) as usize {
        slopes = pairs(year);
    }
    let n = slopes.len();
    (n > 0).then(|| (slopes[n / 2] + slopes[(n - 1) / 2]) / 2.0)
}

/// Growth and score of the built-in model with its default weights.
pub fn scores(row: &Expected) -> (f64, f64) {
    let growth = slope(&row.gmv, row.period_days);
    let searches = slope(&row.searches, row.period_days);
    let ratio: Vec<Option<f64>> = row
        .searches
        .iter()
        .zip(&row.listings)
        .map(|(searches, listings)| Some(searches.as_ref()? / listings.as_ref()?))
        .collect();
    let supply = slope(&ratio, row.period_days);
    let (mut sum, mut weight) = (0.0, 0.0);
    for (slope, own) in [(growth, 2.0), (searches, 1.0), (supply, 1.0)] {
        if let Some(slope) = slope {
            let factor = (slope * 365.25 / row.period_days).exp();
            let part = if factor.is_infinite() {
                1.0
            } else {
                factor / (1.0 + factor)
            };
            sum += own * 100.0 * part;
            weight += own;
        }
    }
    let score = if weight > 0.0 { sum / weight } else { 50.0 };
    (growth.map_or(0.0, |slope| slope.exp() - 1.0), score)
}
