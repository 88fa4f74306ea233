//! Planted trends are found.

use dualwheel_measure::bootstrap::SplitMix;
use dualwheel_product::style_trend::{Asked, Attribute};
use dualwheel_proto::{
    Date,
    facts::{FactRows, MarketStat},
};

use super::engine;
use crate::check::{Engine, definitions};

const STYLES: usize = 60;
const RISING: [usize; 5] = [3, 17, 29, 41, 58];

/// About normal: the sum of twelve uniform numbers less six.
fn normal(random: &mut SplitMix) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

/// Months of a market of 60 styles from January 2024 on: a strong season, noise of 20 % a month, one month in twenty ten
/// times too large, and a drift of about half a per cent a month either way; five styles rise by 4 % a month.
fn market(months: i32) -> FactRows {
    let mut random = SplitMix::new(11);
    let mut rows = FactRows::default();
    for style in 0..STYLES {
        let drift = if RISING.contains(&style) {
            0.04
        } else {
            0.005 * normal(&mut random)
        };
        let size = 100_000.0 * normal(&mut random).exp();
        for at in 0..months {
            let (year, month) = (2024 + at / 12, 1 + at % 12);
            let season = 1.0 + 0.8 * (std::f64::consts::TAU * f64::from(month) / 12.0).sin();
            let odd = if random.below(20) == 0 { 10.0 } else { 1.0 };
            let gmv = size * (drift * f64::from(at) + 0.2 * normal(&mut random)).exp() * season * odd;
            let last = chrono::NaiveDate::from_ymd_opt(year + month / 12, (month % 12 + 1) as u32, 1)
                .and_then(|next| next.pred_opt())
                .unwrap();
            rows.market_stats.push(MarketStat {
                category: "shoes/boots".to_owned(),
                attribute_kind: 1,
                attribute_value: format!("s{style:02}"),
                first_day: Some(Date { year, month, day: 1 }),
                last_day: Some(Date {
                    year,
                    month,
                    day: chrono::Datelike::day(&last) as i32,
                }),
                gmv: format!("{gmv:.2}"),
                ..Default::default()
            });
        }
    }
    rows
}

/// How many of the five best are planted.
fn found(months: i32) -> usize {
    let asked = Asked {
        attribute: Attribute::Style,
        by_price_band: false,
        category: None,
    };
    let as_of = dualwheel_measure::Day::from_ymd(2024 + months / 12, 1 + (months % 12) as u32, 1).unwrap();
    let world = Engine::new(&market(months), chrono_tz::Asia::Shanghai);
    let answer = engine(&world, &asked, as_of.0, &definitions().parameters, false);
    assert_eq!(answer.trends.len(), STYLES);
    let rising: Vec<String> = RISING.iter().map(|style| format!("s{style:02}")).collect();
    let best = answer.trends.iter().take(RISING.len());
    best.filter(|trend| rising.contains(&trend.row.style.value))
        .count()
}

#[test]
fn rising_styles_come_first() {
    // Drawing five of sixty at random finds one in two tries.
    assert_eq!(found(34), 5);
    assert!(found(24) >= 4, "{}", found(24));
}
