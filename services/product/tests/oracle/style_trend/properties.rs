//! Random facts.

use dualwheel_measure::{Day, Label, Window};
use dualwheel_plugin_host::{Plugin, scores};
use dualwheel_plugin_sdk::{Parameters as ModelParameters, StyleScores};
use dualwheel_product::{
    Parameters,
    style_trend::{Asked, Attribute, DefaultStyleTrend, Priority, Row, Trend, features},
};
use dualwheel_proto::facts::FactRows;
use proptest::prelude::*;

use super::{
    Answer, engine,
    facts::styled,
    naive::{self, Expected, Numbers},
};
use crate::{
    check::{BRANDS, Engine, definitions},
    raw::{Brand, START, ZONES, day_of, market_stats},
};

fn numbers() -> impl Strategy<Value = Numbers> {
    let history = prop_oneof![Just(60), Just(200)];
    (history, 1..5usize, 1..40i32, 5..20i32).prop_map(|(history, fewest, recent, period)| Numbers {
        history,
        fewest,
        recent,
        period,
    })
}

fn parameters(numbers: Numbers) -> Parameters {
    let small = |number: i32| u16::try_from(number).unwrap().try_into().unwrap();
    let mut parameters = definitions().parameters;
    parameters.style_history_days = numbers.history;
    parameters.style_fewest_periods = small(numbers.fewest as i32);
    parameters.style_recent_days = small(numbers.recent);
    parameters.style_period_days = small(numbers.period);
    parameters
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn same(found: Option<f64>, wanted: Option<f64>) -> bool {
    match (found, wanted) {
        (Some(found), Some(wanted)) => close(found, wanted),
        (found, wanted) => found.is_none() && wanted.is_none(),
    }
}

fn same_series(found: &[f64], wanted: &[Option<f64>]) -> bool {
    let told = |value: &f64| (!value.is_nan()).then_some(*value);
    found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| same(told(found), *wanted))
}

fn check_row(row: &Row, wanted: &Expected) {
    let told = format!("{row:#?} {wanted:#?}");
    let style = &row.style;
    let window = |(first, last): (i32, i32)| Window::new(Day(first), Day(last)).unwrap();
    assert!(
        same_series(&style.gmv, &wanted.gmv) && same_series(&style.units, &wanted.units),
        "{told}"
    );
    assert!(same_series(&style.searches, &wanted.searches), "{told}");
    assert!(same_series(&style.listings, &wanted.listings), "{told}");
    assert!(close(style.period_days, wanted.period_days), "{told}");
    assert_eq!(
        (style.recent, style.recent_gmv),
        (window(wanted.recent), wanted.recent_gmv),
        "{told}"
    );
    assert_eq!(
        style.known,
        wanted.known.iter().copied().map(window).collect::<Vec<_>>(),
        "{told}"
    );
    assert!(same(style.demand_supply, wanted.demand_supply), "{told}");
    assert!(same(style.penetration, wanted.penetration), "{told}");
    assert!(same(row.brand_share, wanted.share), "{told}");
    assert!(same(row.brand_tgi, wanted.tgi), "{told}");
    assert!(same(row.brand_conversion, wanted.conversion), "{told}");
}

fn key(row: &Row) -> (String, String, String) {
    let style = &row.style;
    (
        style.category.clone(),
        style.price_band.clone(),
        style.value.clone(),
    )
}

fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 {
        0.0
    } else {
        (values[n / 2] + values[(n - 1) / 2]) / 2.0
    }
}

/// 100·(below + ½·(ties − 1)) ÷ (n − 1) among the known.
fn rank(of: Option<f64>, all: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = all.iter().flatten().copied().collect();
    let own = of?;
    if known.len() == 1 {
        return Some(50.0);
    }
    let below = known.iter().filter(|other| **other < own).count() as f64;
    let ties = known.iter().filter(|other| **other == own).count() as f64;
    Some(100.0 * (below + 0.5 * (ties - 1.0)) / (known.len() - 1) as f64)
}

/// Ranks, fit and priority from the rows and scores that the engine has, which are checked on their own.
fn check_trends(answer: &Answer) {
    let rows = &answer.rows.rows;
    let fit = |row: &Row| -> Option<f64> {
        let signs: [fn(&Row) -> Option<f64>; 3] = [
            |row| row.brand_share,
            |row| row.brand_tgi,
            |row| row.brand_conversion,
        ];
        let ranks = signs.map(|sign| rank(sign(row), &rows.iter().map(sign).collect::<Vec<_>>()));
        let known: Vec<f64> = ranks.into_iter().flatten().collect();
        (!known.is_empty()).then(|| (known.iter().sum::<f64>() / known.len() as f64 * 1e9).round() / 1e9)
    };
    let fits: Vec<Option<f64>> = rows.iter().map(fit).collect();
    let (growth_cut, fit_cut) = (
        middle(&answer.scores.growth),
        middle(&fits.iter().flatten().copied().collect::<Vec<_>>()),
    );
    assert_eq!(answer.trends.len(), rows.len());
    for (at, row) in rows.iter().enumerate() {
        let (growth, score) = (answer.scores.growth[at], answer.scores.score[at]);
        let trend: &Trend = answer
            .trends
            .iter()
            .find(|trend| key(&trend.row) == key(row))
            .unwrap();
        assert_eq!((trend.growth, trend.score), (growth, score));
        let better = answer.scores.score.iter().filter(|other| **other > score).count();
        assert_eq!(trend.rank, better + 1);
        let larger = rows.iter().filter(|other| {
            other.style.category == row.style.category && other.style.recent_gmv > row.style.recent_gmv
        });
        assert_eq!(trend.category_rank, larger.count() + 1);
        assert!(same(trend.fit, fits[at]), "{trend:?}");
        let wanted = fits[at].map(|fit| match (growth > growth_cut, fit > fit_cut) {
            (true, true) => Priority::Lead,
            (true, false) => Priority::Build,
            (false, true) => Priority::Keep,
            (false, false) => Priority::Watch,
        });
        assert_eq!(trend.priority, wanted, "{trend:?} {growth_cut} {fit_cut}");
    }
    let order: Vec<(usize, (String, String, String))> = answer
        .trends
        .iter()
        .map(|trend| (trend.rank, key(&trend.row)))
        .collect();
    assert!(order.is_sorted());
}

fn hold(rows: &FactRows, zone: usize, as_of: i32, asked: &Asked, numbers: Numbers) -> Answer {
    let zone = ZONES[zone];
    let as_of = day_of(START, zone) + as_of;
    let brands: Vec<Brand> = BRANDS
        .iter()
        .map(|brand| Brand::read(rows, brand, zone))
        .collect();
    let of_stats = naive::supplied(&market_stats(rows), asked, as_of, numbers);
    let from_tenant = of_stats.is_empty();
    let market = if from_tenant {
        naive::own(&brands, asked, as_of, numbers)
    } else {
        of_stats
    };
    let positive = |row: &Expected| row.gmv.iter().flatten().filter(|gmv| **gmv > 0.0).count();
    let (enough, few): (Vec<_>, Vec<_>) = market
        .into_iter()
        .partition(|row| positive(row) >= numbers.fewest);
    let wanted = naive::with_brand(enough, &brands, asked, from_tenant);

    let parameters = parameters(numbers);
    let answer = engine(&Engine::new(rows, zone), asked, as_of, &parameters, false);
    assert_eq!(answer.market.from_tenant, from_tenant);
    let labels: &[Label] = if from_tenant {
        &[Label::MarketFromTenantBrands]
    } else {
        &[]
    };
    assert_eq!(answer.rows.labels, labels);
    assert_eq!(answer.rows.skipped, few.len());
    let keys: Vec<_> = answer.rows.rows.iter().map(key).collect();
    assert_eq!(keys, wanted.iter().map(|row| row.key.clone()).collect::<Vec<_>>());
    for (at, wanted) in wanted.iter().enumerate() {
        check_row(&answer.rows.rows[at], wanted);
        let (growth, score) = naive::scores(wanted);
        let found = (answer.scores.growth[at], answer.scores.score[at]);
        assert!(
            close(found.0, growth) && close(found.1, score),
            "{found:?} {wanted:#?} {growth} {score}"
        );
    }
    check_trends(&answer);
    answer
}

fn reversed(rows: &FactRows) -> FactRows {
    let mut rows = rows.clone();
    rows.behaviors.reverse();
    rows.order_lines.reverse();
    rows.products.reverse();
    rows.market_stats.reverse();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn trends_of_styles(
        rows in styled(),
        zone in 0..2usize,
        as_of in 0..80i32,
        by_price_band in prop::bool::weighted(0.4),
        attribute in prop_oneof![4 => Just(Attribute::Style), 1 => Just(Attribute::Colour), 1 => Just(Attribute::Craft)],
        category in prop_oneof![4 => Just(None), 1 => Just(Some("a/x")), 1 => Just(Some("a")), 1 => Just(Some("a/x/1"))],
        numbers in numbers(),
        most_rows in 1..4usize,
    ) {
        let asked = Asked { attribute, by_price_band, category: category.map(str::to_owned) };
        let answer = hold(&rows, zone, as_of, &asked, numbers);
        // Batches may be cut anywhere.
        let model = Plugin::native_style_trend(DefaultStyleTrend);
        let table = features(&answer.rows.rows).unwrap();
        let batches = table.batches(model.describe().unwrap(), most_rows).unwrap();
        let question = model.question_of(batches, &ModelParameters::new()).unwrap();
        let cut = scores::<StyleScores>(model.ask_all(&question).unwrap().scores).unwrap();
        prop_assert_eq!(&cut, &answer.scores);
        // Neither the order of the facts nor that of the brands changes anything. What is not a number is equal to
        // nothing, so what is told is compared.
        let zone = ZONES[zone];
        let day = day_of(START, zone) + as_of;
        let again = engine(&Engine::new(&reversed(&rows), zone), &asked, day, &parameters(numbers), true);
        prop_assert_eq!(format!("{:?}", again.trends), format!("{:?}", answer.trends));
    }
}
