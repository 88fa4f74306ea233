//! A few numbers worked out in the comments.

use dualwheel_measure::Label;
use dualwheel_plugin_host::{Error, Plugin};
use dualwheel_plugin_sdk::{
    Batch, Column, Description, Parameters as ModelParameters, Refusal, StyleScores, StyleTrendModel, Values,
};
use dualwheel_product::{
    Parameters,
    style_trend::{Asked, Attribute, DefaultStyleTrend, Priority, score},
};
use dualwheel_proto::{
    Date,
    facts::{FactRows, MarketStat, OrderLine, Product},
};

use super::{Answer, engine};
use crate::{
    check::{Engine, definitions},
    raw::{START, at, day_of},
};

const ASKED: Asked = Asked {
    attribute: Attribute::Style,
    by_price_band: false,
    category: None,
};

fn default_parameters() -> ModelParameters {
    let specs = DefaultStyleTrend.describe().parameters;
    specs.into_iter().map(|spec| (spec.name, spec.default)).collect()
}

/// Growth and score of one row.
fn model(period_days: f64, columns: &[(&str, Vec<f64>)]) -> (f64, f64) {
    let column = |name: &str, values| Column {
        name: name.to_owned(),
        values,
    };
    let mut batch = Batch {
        rows: 1,
        columns: vec![column("period_days", Values::Numbers(vec![period_days]))],
    };
    for (name, series) in columns {
        batch
            .columns
            .push(column(name, Values::Series(vec![series.clone()])));
    }
    let scores = DefaultStyleTrend.rank(&batch, &default_parameters()).unwrap();
    (scores.growth[0], scores.score[0])
}

fn close(found: (f64, f64), wanted: (f64, f64)) {
    let apart = (found.0 - wanted.0).abs().max((found.1 - wanted.1).abs());
    assert!(apart < 1e-9, "{found:?} {wanted:?}");
}

#[test]
fn the_score_is_the_weighted_part_of_next_year() {
    let trebling: Vec<f64> = (0..8).map(|year| 3f64.powi(year)).collect();
    let steady = vec![5.0; 8];
    // Trebling a year: growth 2, part 100·3/4.
    close(model(365.25, &[("gmv", trebling.clone())]), (2.0, 75.0));
    // Searches stay: (2·75 + 50)/3.
    let searches = ("searches", steady.clone());
    close(
        model(365.25, &[("gmv", trebling.clone()), searches.clone()]),
        (2.0, 200.0 / 3.0),
    );
    // Listings treble, so searches per listing fall to a third: 100·(1/3)/(4/3) = 25; (2·75 + 50 + 25)/4.
    let listings = ("listings", trebling.clone());
    close(
        model(365.25, &[("gmv", trebling.clone()), searches, listings]),
        (2.0, 56.25),
    );
    // Half-years that treble make a factor 9 a year: 90.
    close(model(182.625, &[("gmv", trebling)]), (2.0, 90.0));
    // One odd period changes nothing, nor do periods without GMV or without a statistic.
    let odd = vec![1.0, 3.0, 0.0, 27.0, 81.0, 9e9, f64::NAN, 2_187.0];
    close(model(365.25, &[("gmv", odd)]), (2.0, 75.0));
    // One positive period tells nothing.
    close(model(365.25, &[("gmv", vec![0.0, 4.0, 0.0])]), (0.0, 50.0));
    // Beyond what a float holds.
    let (growth, score) = model(1.0, &[("gmv", vec![1e-300, 1e300])]);
    assert!(growth == f64::MAX && score == 100.0, "{growth} {score}");
}

#[test]
fn seasons_count_only_until_two_years_are_there() {
    // 1 % a month, and every December ten times as much.
    let month = |at: i32| 1.01f64.powi(at) * if at % 12 == 11 { 10.0 } else { 1.0 };
    let months: Vec<f64> = (0..24).map(month).collect();
    let (growth, _) = model(365.25 / 12.0, &[("gmv", months.clone())]);
    assert!((growth - 0.01).abs() < 1e-12, "{growth}");
    // A season that lifts the second half-year each year: 18 months look like growth, 24 do not.
    let half = |at: i32| if at % 12 >= 6 { 2.0 } else { 1.0 };
    let of = |count: i32| model(365.25 / 12.0, &[("gmv", (0..count).map(half).collect())]).0;
    assert_eq!(of(24), 0.0);
    assert!(of(12) > 0.05, "{}", of(12));
}

#[test]
fn models_that_break_the_contract_are_named() {
    struct Fixed(Result<StyleScores, Refusal>);
    impl StyleTrendModel for Fixed {
        fn describe(&self) -> Description {
            Description {
                name: "fixed".to_owned(),
                ..DefaultStyleTrend.describe()
            }
        }
        fn rank(&self, _: &Batch, _: &ModelParameters) -> Result<StyleScores, Refusal> {
            self.0.clone()
        }
    }
    let answer = answer(&styles(), &parameters(), START_YEAR + 9);
    let ask = |growth: [f64; 2], score: [f64; 2]| {
        let fixed = Fixed(Ok(StyleScores {
            growth: growth.into(),
            score: score.into(),
        }));
        super::score(
            &answer.rows.rows,
            &Plugin::native_style_trend(fixed),
            &ModelParameters::new(),
        )
    };
    assert_eq!(
        ask([-1e300, 1e300], [0.0, 100.0]).unwrap().growth,
        [-1e300, 1e300]
    );
    for (growth, wrong) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (0.0, 100.5),
        (0.0, f64::NAN),
    ] {
        let refused = ask([0.0, growth], [0.0, wrong]);
        assert!(
            matches!(&refused, Err(Error::BadOutput { reason, .. }) if reason.contains("in row 1")),
            "{refused:?}"
        );
    }
    let no = Fixed(Err(Refusal("No.".to_owned())));
    let refused = super::score(
        &answer.rows.rows,
        &Plugin::native_style_trend(no),
        &ModelParameters::new(),
    )
    .unwrap_err();
    assert_eq!(refused.to_string(), "the model does not answer: No.");
    let given = [("growth_weight".to_owned(), 0.0)].into_iter().collect();
    let refused = score(
        &answer.rows.rows,
        &Plugin::native_style_trend(DefaultStyleTrend),
        &given,
    );
    assert!(
        matches!(&refused, Err(Error::Input { name, .. }) if name == "growth_weight"),
        "{refused:?}"
    );
}

const START_YEAR: i32 = 2015;

fn year(year: i32) -> (Option<Date>, Option<Date>) {
    let day = |month, day| Some(Date { year, month, day });
    (day(1, 1), day(12, 31))
}

fn stat(at: i32, value: &str, gmv: &str, counts: [i64; 3]) -> MarketStat {
    let (first_day, last_day) = year(at);
    let [buyers, searches, listings] = counts;
    MarketStat {
        category: "shoes/boots".to_owned(),
        attribute_kind: i32::from(!value.is_empty()),
        attribute_value: value.to_owned(),
        first_day,
        last_day,
        gmv: gmv.to_owned(),
        buyers: Some(buyers),
        searches: Some(searches),
        listings: Some(listings),
        ..Default::default()
    }
}

/// Eight years (2015 to 2022, of 2 922 days) of a category: retro trebles, plain stays, and new has seven years only.
/// The brand sells one retro and one plain boot in 2022.
fn styles() -> FactRows {
    let mut rows = FactRows::default();
    for at in 0..8 {
        let of = START_YEAR + at;
        let trebling = 3i64.pow(at as u32);
        rows.market_stats.push(stat(of, "", "100000", [1_000, 0, 0]));
        rows.market_stats
            .push(stat(of, "retro", &trebling.to_string(), [100, 30, 10]));
        rows.market_stats.push(stat(of, "plain", "50000", [500, 30, 20]));
        if at > 0 {
            rows.market_stats.push(stat(of, "new", "1", [1, 1, 1]));
        }
    }
    let product = |key: &str, styles: &[&str]| Product {
        product: key.to_owned(),
        brand: "b1".to_owned(),
        updated_at: at(0),
        category: Some("shoes/boots/tall".to_owned()),
        styles: styles.iter().map(|style| (*style).to_owned()).collect(),
        ..Default::default()
    };
    rows.products = vec![product("p1", &["retro"]), product("p2", &["plain"])];
    // 1 June 2022, noon in UTC.
    let paid_at = Some(prost_types::Timestamp {
        seconds: 1_654_084_800,
        nanos: 0,
    });
    let line = |number: i32, consumer: &str, product: &str, paid: &str| OrderLine {
        order: format!("o{number}"),
        line: "1".to_owned(),
        consumer: consumer.to_owned(),
        brand: "b1".to_owned(),
        product: product.to_owned(),
        quantity: 1,
        paid_amount: paid.to_owned(),
        paid_at,
        ..Default::default()
    };
    rows.order_lines = vec![
        line(1, "ann", "p1", "437.4"),
        line(2, "bob", "p2", "500"),
        line(3, "ann", "p2", "500"),
        line(4, "cid", "p2", "1500"),
        line(5, "dot", "p2", "0"),
    ];
    rows
}

fn parameters() -> Parameters {
    let mut parameters = definitions().parameters;
    parameters.style_history_days = 4_000;
    parameters
}

/// The answer as of the first of January of a year.
fn answer(rows: &FactRows, parameters: &Parameters, year: i32) -> Answer {
    let day = dualwheel_measure::Day::from_ymd(year, 1, 1).unwrap().0;
    engine(
        &Engine::new(rows, chrono_tz::Asia::Shanghai),
        &ASKED,
        day,
        parameters,
        false,
    )
}

#[test]
fn a_brand_in_two_styles() {
    let answer = answer(&styles(), &parameters(), 2023);
    assert_eq!(
        (
            answer.rows.skipped,
            answer.market.from_tenant,
            answer.rows.labels.len()
        ),
        (1, false, 0)
    );
    let [retro, plain] = &answer.trends[..] else {
        panic!("{:#?}", answer.trends)
    };
    // Searches and searches per listing stay at 50: (2·75 + 50 + 50)/4 = 62.5 and 50.
    close((retro.growth, retro.score), (2.0, 62.5));
    close((plain.growth, plain.score), (0.0, 50.0));
    assert_eq!(
        (retro.rank, retro.category_rank, plain.rank, plain.category_rank),
        (1, 2, 2, 1)
    );
    // The last period, 2022, is the only one that ends in the last 90 days: market GMV 3^7 = 2 187 and 50 000.
    let row = &retro.row;
    assert_eq!(
        (row.style.period_days, row.style.recent_gmv),
        (365.25, 21_870_000)
    );
    assert_eq!(
        (row.style.penetration, row.style.demand_supply),
        (Some(0.1), Some(3.0))
    );
    // The brand's part: 437.4/2 187 = .2; 2 500/50 000 = .05. Of its 4 buyers 1 wears retro: 100·.25/.1 = 250; all 4
    // plain: 100·1/.5 = 200. Nobody is known to have visited.
    assert_eq!(
        (row.brand_share, row.brand_tgi, row.brand_conversion),
        (Some(0.2), Some(250.0), None)
    );
    let row = &plain.row;
    assert_eq!(
        (row.brand_share, row.brand_tgi, row.brand_conversion),
        (Some(0.05), Some(200.0), None)
    );
    // Retro has the greater of both: fit 100 and 0, above and below the median of 50; so has growth.
    assert_eq!((retro.fit, plain.fit), (Some(100.0), Some(0.0)));
    assert_eq!(
        (retro.priority, plain.priority),
        (Some(Priority::Lead), Some(Priority::Watch))
    );
    // With seven years known, nothing has a trend yet.
    let early = self::answer(&styles(), &parameters(), 2022);
    assert_eq!((early.trends.len(), early.rows.skipped), (0, 3));
}

#[test]
fn cuts_of_the_definition_come_before_medians() {
    let mut parameters = parameters();
    parameters.style_growth_cut = Some(-0.1);
    parameters.style_fit_cut = Some(100.0);
    let answer = answer(&styles(), &parameters, 2023);
    let priorities: Vec<_> = answer.trends.iter().map(|trend| trend.priority).collect();
    assert_eq!(priorities, [Some(Priority::Build), Some(Priority::Build)]);
}

#[test]
fn without_statistics_the_tenants_brands_stand_in() {
    let mut rows = styles();
    rows.market_stats.clear();
    // Ten periods of 28 days: b1 sells one retro boot in each, b2 two, and one more each time.
    let last = day_of(START, chrono_tz::Asia::Shanghai) + 10;
    rows.order_lines.clear();
    let boot = rows.products[0].clone();
    rows.products.push(Product {
        brand: "b2".to_owned(),
        ..boot
    });
    for ago in 0..10 {
        for number in 0..(12 - ago) {
            let brand = if number == 0 { "b1" } else { "b2" };
            rows.order_lines.push(OrderLine {
                order: format!("o{ago}-{number}"),
                line: "1".to_owned(),
                consumer: format!("c{number}"),
                brand: brand.to_owned(),
                product: "p1".to_owned(),
                quantity: 1,
                paid_amount: "10".to_owned(),
                // The first day of each period.
                paid_at: at(24 * (10 - 27 - i64::from(ago) * 28)),
                ..Default::default()
            });
        }
    }
    let answer = engine(
        &Engine::new(&rows, chrono_tz::Asia::Shanghai),
        &ASKED,
        last,
        &definitions().parameters,
        false,
    );
    assert_eq!(answer.rows.labels, [Label::MarketFromTenantBrands]);
    let [trend] = &answer.trends[..] else {
        panic!("{:#?}", answer.trends)
    };
    let gmv: Vec<f64> = (3..=12).map(|boots| 10.0 * f64::from(boots)).collect();
    assert_eq!((&trend.row.style.gmv, trend.row.style.period_days), (&gmv, 28.0));
    assert_eq!(trend.row.style.category, "shoes/boots");
    // The last four periods end in the last 90 days: 9 + 10 + 11 + 12 boots, of which b1 sold 4. Everybody who bought
    // boots bought retro, and of b1's as well: TGI 100.
    assert_eq!(trend.row.style.recent_gmv, 4_200_000);
    assert_eq!(
        (trend.row.brand_share, trend.row.brand_tgi),
        (Some(4.0 / 42.0), Some(100.0))
    );
    assert!(trend.growth > 0.1 && trend.score > 75.0, "{trend:?}");
}
