//! RFM, BG/NBD and Gamma-Gamma: published values, the formulas written out, and histories by plain loops.

use std::{collections::BTreeMap, path::PathBuf};

use dualwheel_consumer::value::{
    self, Refusal,
    bgnbd::{self, Timing},
    gamma_gamma::{self, Limits, Spending},
    group::{Part, Rfm, Value},
    rfm::{self, Buyer},
};
use dualwheel_lake::memory::Frames;
use proptest::prelude::*;
use statrs::function::gamma::ln_gamma;

use crate::world::world;

fn cdnow(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cdnow");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// The published summary of 2 357 customers.
fn summary() -> Vec<Timing> {
    let lines = cdnow("cdnow_customers_summary.csv");
    let timing = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        Timing {
            repeats: fields[1].parse().unwrap(),
            recency: fields[2].parse().unwrap(),
            age: fields[3].parse().unwrap(),
        }
    };
    lines.lines().skip(1).map(timing).collect()
}

/// Repeat customers of the sample to 1997-09-30: purchases of a day are one, the first day is left out.
fn spendings() -> Vec<Spending> {
    let mut days: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for line in cdnow("CDNOW_sample.txt").lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields[2] <= "19970930" {
            let paid = days.entry(fields[0].to_owned()).or_default();
            *paid.entry(fields[2].to_owned()).or_default() += fields[4].parse::<f64>().unwrap();
        }
    }
    let spending = |days: BTreeMap<String, f64>| {
        let later: Vec<f64> = days.into_values().skip(1).collect();
        Spending {
            repeats: later.len() as u32,
            mean: later.iter().sum::<f64>() / later.len() as f64,
        }
    };
    // A day of nothing but free discs carries no value.
    days.into_values()
        .filter(|days| days.len() > 1)
        .map(spending)
        .filter(|spending| spending.mean > 0.0)
        .collect()
}

const LIMITS: Limits = Limits {
    repeaters: 50,
    correlation: 0.3,
};

/// The published parameters.
const PUBLISHED: bgnbd::Model = bgnbd::Model {
    r: 0.2426,
    alpha: 4.4135,
    a: 0.7929,
    b: 2.4258,
    log_likelihood: -9582.4256,
};

fn near(mine: f64, published: f64, slack: f64) {
    assert!((mine - published).abs() <= slack, "{mine} is not {published}");
}

#[test]
fn bgnbd_reproduces_cdnow() {
    let customers = summary();
    assert_eq!(customers.len(), 2_357);
    let model = bgnbd::Model::fit(&customers, 50).unwrap();
    near(model.r, PUBLISHED.r, 5e-5);
    near(model.alpha, PUBLISHED.alpha, 5e-4);
    near(model.a, PUBLISHED.a, 5e-4);
    near(model.b, PUBLISHED.b, 2e-3);
    near(model.log_likelihood, PUBLISHED.log_likelihood, 5e-5);
    near(model.log_likelihood, likelihood(&model, &customers), 1e-8);
    let first = Timing {
        repeats: 2,
        recency: 30.43,
        age: 38.86,
    };
    near(model.expected(first, 39.0), 1.226, 5e-4);
    near(PUBLISHED.expected(first, 39.0), 1.226, 5e-4);
}

#[test]
fn gamma_gamma_reproduces_cdnow() {
    let customers = spendings();
    assert_eq!(customers.len(), 946);
    near(gamma_gamma::correlation(&customers), 0.06, 0.06);
    let model = gamma_gamma::Model::fit(&customers, LIMITS).unwrap();
    near(model.p, 6.250, 5e-3);
    near(model.q, 3.744, 5e-3);
    near(model.gamma, 15.444, 2e-2);
    // By hand: pγ ÷ (q − 1), and with two purchases of 20 each p(γ + 40) ÷ (2p + q − 1).
    let of = |spending| model.expected(spending).unwrap();
    near(of(None), model.p * model.gamma / (model.q - 1.0), 1e-9);
    let twice = Spending {
        repeats: 2,
        mean: 20.0,
    };
    near(
        of(Some(twice)),
        model.p * (model.gamma + 40.0) / (2.0 * model.p + model.q - 1.0),
        1e-9,
    );
    // Without a mean over customers only those with repeats have one: p(γ + 40) ÷ (2p − 0.1).
    let heavy_tail = gamma_gamma::Model { q: 0.9, ..model };
    assert_eq!(heavy_tail.expected(None), None);
    near(
        heavy_tail.expected(Some(twice)).unwrap(),
        model.p * (model.gamma + 40.0) / (2.0 * model.p - 0.1),
        1e-9,
    );
    let hardly = gamma_gamma::Model {
        p: 0.05,
        ..heavy_tail
    };
    assert_eq!(hardly.expected(Some(twice)), None);
}

/// The log-likelihood as the methodology writes it, customer by customer.
fn likelihood(model: &bgnbd::Model, customers: &[Timing]) -> f64 {
    let &bgnbd::Model { r, alpha, a, b, .. } = model;
    let ln_beta = |one: f64, other: f64| ln_gamma(one) + ln_gamma(other) - ln_gamma(one + other);
    let of = |customer: &Timing| {
        let x = f64::from(customer.repeats);
        let alive = (alpha + customer.age).powf(-(r + x));
        let dead = match customer.repeats {
            0 => 0.0,
            _ => a / (b + x - 1.0) * (alpha + customer.recency).powf(-(r + x)),
        };
        ln_gamma(r + x) - ln_gamma(r) + r * alpha.ln() + ln_beta(a, b + x) - ln_beta(a, b)
            + (alive + dead).ln()
    };
    customers.iter().map(of).sum()
}

/// ₂F₁ by its own series.
fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 0..20_000 {
        let n = f64::from(n);
        term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        sum += term;
    }
    sum
}

/// E[Y(t)] as the methodology writes it.
fn expected(model: &bgnbd::Model, customer: Timing, t: f64) -> f64 {
    let &bgnbd::Model { r, alpha, a, b, .. } = model;
    let x = f64::from(customer.repeats);
    let reach = alpha + customer.age + t;
    let shrunk = ((alpha + customer.age) / reach).powf(r + x)
        * hypergeometric(r + x, b + x, a + b + x - 1.0, t / reach);
    let alive = match customer.repeats {
        0 => 1.0,
        _ => {
            1.0 / (1.0
                + a / (b + x - 1.0) * ((alpha + customer.age) / (alpha + customer.recency)).powf(r + x))
        }
    };
    (a + b + x - 1.0) / (a - 1.0) * (1.0 - shrunk) * alive
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn expectations_are_the_written_formula(
        (r, alpha, a, b) in (0.05..3.0f64, 0.5..20.0f64, 0.1..4.0f64, 0.3..5.0f64),
        (repeats, age, share, weeks) in (0..30u32, 1.0..80.0f64, 0.0..1.0f64, 0.5..60.0f64),
    ) {
        // The written form loses its digits close to a = 1.
        prop_assume!((a - 1.0).abs() > 0.01);
        let model = bgnbd::Model { r, alpha, a, b, log_likelihood: 0.0 };
        let recency = if repeats == 0 { 0.0 } else { age * share };
        let customer = Timing { repeats, recency, age };
        let (mine, written) = (model.expected(customer, weeks), expected(&model, customer, weeks));
        prop_assert!((mine - written).abs() <= 1e-7 * written.abs().max(1e-3), "{mine} is not {written}");
    }

    #[test]
    fn histories_are_those_of_plain_loops(world in world()) {
        let (frames, raw) = (world.frames(), world.raw());
        let end = world.window.last;
        let mine = value::histories(&frames.orders, end);
        let keys = frames.names.consumers.view();
        let mine: BTreeMap<&str, (i32, i32, u32, i128, i128)> = mine
            .iter()
            .map(|one| (keys.key(one.consumer), (one.first.0, one.last.0, one.repeats, one.net, one.repeat_net)))
            .collect();
        let mut days: BTreeMap<&str, BTreeMap<i32, i128>> = BTreeMap::new();
        for line in raw.lines.iter().filter(|line| line.quantity > 0 && line.day <= end.0) {
            days.entry(&line.consumer).or_default().insert(line.day, 0);
        }
        for line in &raw.lines {
            if let Some(net) = days.get_mut(line.consumer.as_str()).and_then(|days| days.get_mut(&line.day)) {
                *net += line.net;
            }
        }
        let written: BTreeMap<&str, (i32, i32, u32, i128, i128)> = days
            .iter()
            .map(|(consumer, days)| {
                let (first, last) = (*days.keys().next().unwrap(), *days.keys().last().unwrap());
                let net: i128 = days.values().sum();
                (*consumer, (first, last, days.len() as u32 - 1, net, net - days[&first]))
            })
            .collect();
        prop_assert_eq!(mine, written);
    }

    #[test]
    fn parts_make_the_whole(world in world(), by_role: bool, cut in (1..5u64, any::<u64>())) {
        world.check(&Rfm, |frames| (frames.orders.clone(), ()), None, cut)?;
        let facts = |frames: &Frames| (Part { orders: frames.orders.clone(), members: Some(frames.members.clone()) }, ());
        world.check(&Value::default(), facts, by_role.then_some("role"), cut)?;
    }

    #[test]
    fn rfm_points_and_groups_are_those_of_plain_loops(
        sides in proptest::collection::vec((0..9i32, 1..6u32, -3..9i128), 0..30),
    ) {
        let buyer = |(recency, frequency, monetary): &(i32, u32, i128)| Buyer {
            recency: *recency, frequency: *frequency, monetary: *monetary,
        };
        let buyers: Vec<Buyer> = sides.iter().map(buyer).collect();
        let points = rfm::points(&buyers);
        // Percentile rank of ground rule 7, a fifth a point.
        let point = |values: &[f64], at: usize| {
            let below = values.iter().filter(|value| **value < values[at]).count() as f64;
            let ties = values.iter().filter(|value| **value == values[at]).count() as f64;
            let n = values.len() as f64;
            let percent = if n == 1.0 { 50.0 } else { 100.0 * (below + 0.5 * (ties - 1.0)) / (n - 1.0) };
            (1..=5).rev().find(|point| percent + 1e-9 >= 20.0 * f64::from(*point - 1)).unwrap() as u8
        };
        let sides: [Vec<f64>; 3] = [
            buyers.iter().map(|buyer| -f64::from(buyer.recency)).collect(),
            buyers.iter().map(|buyer| f64::from(buyer.frequency)).collect(),
            buyers.iter().map(|buyer| buyer.monetary as f64).collect(),
        ];
        for (at, mine) in points.iter().enumerate() {
            let written = [0, 1, 2].map(|side: usize| point(&sides[side], at));
            prop_assert_eq!([mine.recency, mine.frequency, mine.monetary], written);
        }
        let mean = |side: fn(&rfm::Points) -> u8| {
            points.iter().map(|one| f64::from(side(one))).sum::<f64>() / points.len() as f64
        };
        let (r, f, m) = (mean(|one| one.recency), mean(|one| one.frequency), mean(|one| one.monetary));
        for (one, group) in points.iter().zip(rfm::groups(&points)) {
            prop_assert_eq!(group.recent, f64::from(one.recency) > r + 1e-9);
            prop_assert_eq!(group.frequent, f64::from(one.frequency) > f + 1e-9);
            prop_assert_eq!(group.valuable, f64::from(one.monetary) > m + 1e-9);
        }
    }
}

#[test]
fn expectations_pass_through_a_of_one() {
    let customer = Timing {
        repeats: 3,
        recency: 20.0,
        age: 30.0,
    };
    let at = |a| bgnbd::Model { a, ..PUBLISHED }.expected(customer, 39.0);
    near(at(1.0), 0.5 * (at(1.0 - 1e-6) + at(1.0 + 1e-6)), 1e-9);
    near(
        at(1.001),
        expected(
            &bgnbd::Model {
                a: 1.001,
                ..PUBLISHED
            },
            customer,
            39.0,
        ),
        1e-7,
    );
}

#[test]
fn long_histories_do_not_overflow() {
    for repeats in [500, 5_000, 1_000_000] {
        let customer = Timing {
            repeats,
            recency: 51.0,
            age: 52.0,
        };
        let (alive, more) = (PUBLISHED.p_alive(customer), PUBLISHED.expected(customer, 52.0));
        assert!((0.0..=1.0).contains(&alive), "{repeats}: {alive}");
        // Nobody is expected to buy more than their own pace by far.
        assert!(
            more.is_finite() && more >= 0.0 && more < 1.2 * f64::from(repeats),
            "{repeats}: {more}"
        );
        let long_dead = Timing {
            recency: 1.0,
            ..customer
        };
        near(PUBLISHED.p_alive(long_dead), 0.0, 1e-9);
    }
    // A whole cohort of them fits: the likelihood is finite in log space.
    let mut cohort: Vec<Timing> = summary();
    cohort.push(Timing {
        repeats: 900,
        recency: 38.0,
        age: 38.86,
    });
    assert!(bgnbd::Model::fit(&cohort, 50).unwrap().log_likelihood.is_finite());
}

#[test]
fn discounting_takes_a_tenth_a_year() {
    let customer = Timing {
        repeats: 2,
        recency: 30.43,
        age: 38.86,
    };
    let weekly: f64 = (1..=52)
        .map(|week| {
            let made = PUBLISHED.expected(customer, f64::from(week))
                - PUBLISHED.expected(customer, f64::from(week) - 1.0);
            made / 1.1f64.powf(f64::from(week) / 52.0)
        })
        .sum();
    near(PUBLISHED.discounted(customer, 52, 0.10), weekly, 1e-12);
    near(
        PUBLISHED.discounted(customer, 52, 0.0),
        PUBLISHED.expected(customer, 52.0),
        1e-9,
    );
    assert_eq!(PUBLISHED.discounted(customer, 0, 0.1), 0.0);
}

#[test]
fn models_refuse_what_they_cannot_fit() {
    let once = vec![
        Timing {
            repeats: 0,
            recency: 0.0,
            age: 10.0
        };
        500
    ];
    assert_eq!(
        bgnbd::Model::fit(&once, 50),
        Err(Refusal::TooFewRepeaters { found: 0, needed: 50 })
    );
    assert_eq!(
        bgnbd::Model::fit(&[], 0),
        Err(Refusal::TooFewRepeaters { found: 0, needed: 1 })
    );
    let rising: Vec<Spending> = (1..=60)
        .map(|repeats| Spending {
            repeats,
            mean: f64::from(repeats) * 3.0,
        })
        .collect();
    let Err(Refusal::Correlated { correlation, .. }) = gamma_gamma::Model::fit(&rising, LIMITS) else {
        panic!("value goes with frequency")
    };
    near(correlation, 1.0, 1e-12);
    assert!(matches!(
        gamma_gamma::Model::fit(&rising[..9], LIMITS),
        Err(Refusal::TooFewRepeaters { found: 9, needed: 50 })
    ));
    // Everyone spends exactly the same: the likelihood rises for ever.
    let alike = vec![
        Spending {
            repeats: 3,
            mean: 20.0
        };
        80
    ];
    assert_eq!(gamma_gamma::Model::fit(&alike, LIMITS), Err(Refusal::NoMaximum));
}

#[test]
fn eight_groups_by_hand() {
    let ids: Vec<&str> = rfm::Group::ALL.iter().map(|group| group.id()).collect();
    assert_eq!(
        ids,
        [
            "important_value",
            "important_development",
            "important_retention",
            "important_win_back",
            "general_value",
            "general_development",
            "general_retention",
            "general_win_back"
        ]
    );
    // Two buyers: the better has 100 % and five points, the other 0 % and one; the mean is three.
    let best = Buyer {
        recency: 1,
        frequency: 9,
        monetary: 900,
    };
    let worst = Buyer {
        recency: 300,
        frequency: 1,
        monetary: 100,
    };
    let points = rfm::points(&[best, worst]);
    assert_eq!((points[0].recency, points[1].recency), (5, 1));
    let groups = rfm::groups(&points);
    assert_eq!(
        (groups[0].id(), groups[1].id()),
        ("important_value", "general_win_back")
    );
    // Alone: the middle on every side, and above no mean.
    let alone = rfm::points(&[best]);
    assert_eq!(
        (alone[0].recency, alone[0].frequency, alone[0].monetary),
        (3, 3, 3)
    );
    assert_eq!(rfm::groups(&alone)[0].id(), "general_win_back");
}
