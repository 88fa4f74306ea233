//! Fits of value models: the same bits whatever the order, refusals of what the facts do not determine, and customers
//! without a value. And the intervals of RFM's shares.

use dualwheel_consumer::value::{
    History, Refusal,
    bgnbd::{self, Timing},
    gamma_gamma::{self, Limits, Spending},
    measure::{Standing, Valued, buyers, rfm, value},
    rfm::{Buyer, groups, points},
};
use dualwheel_measure::{
    Absence, Day, IntervalAbsence, IntervalMethod, Label, Metric, bootstrap::RatioGroups,
};
use dualwheel_proto::facts::{FactRows, Member, Reachability};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    edges::{D, lines, sale, world},
    world::{BRAND, definitions, instant},
};

/// Last day of The Complete Journey.
const END: Day = Day(17_531);
const LIMITS: Limits = Limits {
    repeaters: 50,
    correlation: 0.3,
};

/// The 2 010 buyers of brand 544 of The Complete Journey (`tests/data/complete-journey`, by its mapping) as of its last
/// day: repeat days, days from the first to the last, days from the first to the end, net GMV of the repeat days.
fn brand_544() -> Vec<History> {
    let numbers =
        |line: &str| -> Vec<i32> { line.split(',').map(|number| number.parse().unwrap()).collect() };
    let rows = include_str!("brand-544.csv").lines().skip(1);
    rows.zip(0..)
        .map(|(line, consumer)| {
            let [repeats, recency, age, net] = numbers(line)[..] else {
                panic!("{line}")
            };
            let first = END.plus(-age);
            History {
                consumer,
                first,
                last: first.plus(recency),
                repeats: repeats as u32,
                net: net.into(),
                repeat_net: net.into(),
            }
        })
        .collect()
}

type Bits = (String, Option<u64>, Option<(u64, u64)>);

fn bits(metrics: &[Metric]) -> Vec<Bits> {
    let of = |metric: &Metric| {
        let interval = metric.interval.as_ref().ok();
        (
            metric.id.clone(),
            metric.value.as_ref().ok().map(|value| value.to_bits()),
            interval.map(|interval| (interval.low.to_bits(), interval.high.to_bits())),
        )
    };
    metrics.iter().map(of).collect()
}

fn valued(histories: &[History]) -> (Valued, Vec<Metric>) {
    let definitions = definitions();
    let valued = value(histories, END, 52, &definitions.parameters);
    let world = world(Default::default());
    let metrics = valued.metrics(&world.scope(&definitions));
    (valued, metrics)
}

fn of<'a>(metrics: &'a [Metric], id: &str) -> &'a Metric {
    metrics.iter().find(|metric| metric.id == id).unwrap()
}

#[test]
fn a_fit_that_never_ended_has_one_answer_in_every_order() {
    let near =
        |mine: f64, expected: f64| assert!((mine / expected - 1.0).abs() < 1e-6, "{mine} is not {expected}");
    let mut histories = brand_544();
    let (first, metrics) = valued(&histories);
    // By Newton's method with the special functions of scipy 1.16.
    let purchases = first.purchases.clone().unwrap();
    near(purchases.r, 0.976_143_07);
    near(purchases.alpha, 5.453_196_15);
    near(purchases.a, 0.089_234_28);
    near(purchases.b, 5.722_242_07);
    near(purchases.log_likelihood, -17.441_283_779_022_46 * 2_010.0);
    let spending = first.spending.clone().unwrap();
    near(spending.p, 2.963_757_75);
    near(spending.q, 8.122_841_63);
    assert_eq!(first.spenders, 1_689);
    let mut random = ChaCha8Rng::seed_from_u64(544);
    for _ in 0..8 {
        // Consumers are numbered as they are met: another process knows them by other numbers.
        histories.shuffle(&mut random);
        for (history, consumer) in histories.iter_mut().zip(0..) {
            history.consumer = consumer;
        }
        let (again, others) = valued(&histories);
        assert_eq!(
            (&again.purchases, &again.spending),
            (&first.purchases, &first.spending)
        );
        assert_eq!(again.correlation.to_bits(), first.correlation.to_bits());
        assert_eq!(bits(&others), bits(&metrics));
    }
}

#[test]
fn what_the_facts_do_not_determine_is_refused() {
    // Everyone was last seen on the last day: nobody ever dies, and a falls for ever.
    let immortal: Vec<Timing> = (0..200)
        .map(|at| Timing {
            repeats: 1 + at % 7,
            recency: 52.0,
            age: 52.0,
        })
        .collect();
    assert_eq!(bgnbd::Model::fit(&immortal, 50), Err(Refusal::NoMaximum));
    // Everyone spends the same, whatever they buy: p and q rise for ever.
    let alike: Vec<Spending> = (0..200)
        .map(|at| Spending {
            repeats: 1 + at % 5,
            mean: 20.0,
        })
        .collect();
    assert_eq!(gamma_gamma::Model::fit(&alike, LIMITS), Err(Refusal::NoMaximum));

    let alike: Vec<History> = brand_544()
        .into_iter()
        .map(|history| History {
            repeat_net: 200_000 * i128::from(history.repeats),
            ..history
        })
        .collect();
    let (_, metrics) = valued(&alike);
    for id in ["value.purchase_value", "value.unvalued", "value.lifetime_value"] {
        let (absence, why) = of(&metrics, id).value.clone().unwrap_err();
        assert_eq!(absence, Absence::Undetermined, "{id}");
        assert!(why.contains("no maximum"), "{why}");
    }
    assert!(of(&metrics, "value.alive").value.is_ok());
}

/// Spending with so heavy a tail that no mean over customers exists: spread as Gamma-Gamma with p 6, q 0.5 and γ 15 has it.
#[test]
fn customers_without_a_value_are_counted_and_the_others_are_valued() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut even = move || 1.0 - random.random::<f64>();
    let mut histories = brand_544();
    let n = histories.len() as f64;
    for history in histories.iter_mut().filter(|history| history.repeats > 0) {
        // Half the square of a normal number (Box and Muller) is gamma distributed with shape ½, −ln of an even one with 1.
        let turn = std::f64::consts::TAU * even();
        let rate = -even().ln() * turn.cos().powi(2) / 15.0;
        let value: f64 = (0..6 * history.repeats).map(|_| -even().ln()).sum();
        history.repeat_net = (value / rate * 10_000.0).round() as i128;
    }
    let (valued, metrics) = valued(&histories);
    let model = valued.spending.clone().unwrap();
    assert!(model.q < 1.0 && model.p + model.q > 1.0, "{model:?}");
    for (one, history) in valued.customers.iter().zip(&histories) {
        assert_eq!(one.purchase_value.is_some(), history.repeats > 0, "{history:?}");
        assert!(one.purchase_value.is_none_or(|value| value > 0.0));
    }
    let once = histories.iter().filter(|history| history.repeats == 0).count() as f64;
    assert_eq!(of(&metrics, "value.unvalued").value, Ok(once));
    let (absence, _) = of(&metrics, "value.purchase_value").value.clone().unwrap_err();
    assert_eq!(absence, Absence::Undetermined);
    let lifetime = of(&metrics, "value.lifetime_value");
    let people = lifetime.denominator.unwrap().as_f64();
    assert!(lifetime.value.is_ok());
    assert_eq!(people, n - once);
}

#[test]
fn shares_of_rfm_groups_have_bootstrap_intervals_over_consumers() {
    let mut rows = Vec::new();
    for who in 0..300 {
        for day in 0..1 + who % 4 {
            rows.push(sale(
                &format!("c{who:03}"),
                D - (who % 40) - day,
                "a",
                1,
                5 + i64::from(who % 17),
            ));
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut answers = Vec::new();
    for _ in 0..2 {
        rows.shuffle(&mut random);
        let (world, definitions) = (world(lines(rows.clone())), definitions());
        let frames = world.frames();
        let buyers = buyers(&frames.orders, world.window, None);
        let metrics = rfm(&buyers, &world.scope(&definitions));
        let people: Vec<Buyer> = buyers.values().copied().collect();
        let whole = &metrics[2];
        assert_eq!(
            (whole.value.clone(), whole.interval),
            (Ok(1.0), Err(IntervalAbsence::ExactIdentity))
        );
        for share in metrics
            .iter()
            .skip(3)
            .filter(|metric| metric.id == "rfm.net_gmv_share")
        {
            let group = &share.segments[0].1;
            let mut units = RatioGroups::default();
            for ((key, buyer), own) in buyers.iter().zip(groups(&points(&people))) {
                let mine = if own.id() == group { buyer.monetary } else { 0 };
                units.add(key, mine, buyer.monetary);
            }
            let (low, high) = units.interval(1.0).unwrap();
            let interval = share.interval.unwrap();
            assert_eq!((interval.low, interval.high), (low, high), "{group}");
            assert_eq!(interval.method, IntervalMethod::Bootstrap);
            let value = share.value.clone().unwrap();
            assert!(low <= value && value <= high, "{low} {value} {high}");
        }
        answers.push(bits(&metrics));
    }
    assert_eq!(answers[0], answers[1]);
}

/// Every role by plain loops over the rows: one is deepest, and who is unreachable by the rows that are open counts for none.
#[test]
fn values_by_role_are_those_of_its_reachable_people() {
    let mut rows = FactRows::default();
    for who in 0..2_010 {
        let reachable_by = match who % 4 {
            0 => None,
            1 => Some(Reachability::default()),
            _ => Some(Reachability {
                channels: vec!["sms".to_owned()],
            }),
        };
        let roles = if who % 7 == 0 {
            vec![]
        } else {
            vec![1, 1 + who / 4 % 4]
        };
        for role in roles {
            rows.members.push(Member {
                consumer: format!("c{who}"),
                brand: BRAND.to_owned(),
                role,
                joined_at: instant(END.0 - 200, 0),
                left_at: if who % 9 == 0 { instant(END.0 - 3, 0) } else { None },
                reachable_by: reachable_by.clone(),
                ..Default::default()
            });
        }
    }
    let definitions = definitions();
    let mut world = world(rows.clone());
    world.window.last = END;
    let frames = world.frames();
    let mut histories = brand_544();
    for (at, history) in histories.iter_mut().enumerate() {
        // Who has no role is no consumer of the frame.
        let known = frames.names.consumers.find(&format!("c{at}"));
        history.consumer = known.unwrap_or(1_000_000);
    }
    let valued = value(&histories, END, 52, &definitions.parameters);
    let standing = |history: &History| Standing::of(&frames.members, history.consumer, END);
    let standings: Vec<Option<Standing>> = histories.iter().map(standing).collect();
    let metrics = valued.by_role(&standings, &world.scope(&definitions));
    assert_eq!(metrics.len(), 4 * 6);
    let keys = frames.names.consumers.view();
    for (role, name) in (1..).zip(["fan", "group_member", "member", "paid_member"]) {
        let of = |id: &str| {
            let mut own = metrics.iter().filter(|metric| metric.segments[0].1 == name);
            own.find(|metric| metric.id == id).unwrap()
        };
        let (mut people, mut lifetime, mut alive, mut purchases) = (0, 0.0, 0.0, 0.0);
        for one in valued
            .customers
            .iter()
            .filter(|one| one.history.consumer < 1_000_000)
        {
            let key = keys.key(one.history.consumer);
            let open: Vec<&Member> = rows
                .members
                .iter()
                .filter(|row| row.consumer == key && row.left_at.is_none())
                .collect();
            let unreachable =
                |row: &&Member| row.reachable_by.as_ref().is_some_and(|by| by.channels.is_empty());
            if open.iter().map(|row| row.role).max() == Some(role) && !open.iter().all(unreachable) {
                people += 1;
                lifetime += one.lifetime_value.unwrap();
                alive += one.alive.unwrap();
                purchases += one.purchases.unwrap();
            }
        }
        assert!(people > 5, "{name}");
        assert_eq!(of("value.customers").value, Ok(f64::from(people)));
        let near = |mine: f64, naive: f64| {
            assert!(
                (mine / naive - 1.0).abs() < 1e-12,
                "{name}: {mine} is not {naive}"
            )
        };
        near(
            of("value.lifetime_value").value.clone().unwrap(),
            lifetime / f64::from(people),
        );
        near(of("value.alive").value.clone().unwrap(), alive);
        near(of("value.expected_purchases").value.clone().unwrap(), purchases);
        assert_eq!(of("value.lifetime_value").labels, [Label::ReachabilityAssumed]);
    }
}
