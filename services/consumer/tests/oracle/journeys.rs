//! Journeys and attribution against slow and obvious readings, and by hand.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::journeys::{
    DIRECT, Journeys, NO_CHANNEL, OTHER, Outcome, Path, Point,
    attribution::{Credit, Model, PERSON, credits, credits_within},
    journeys,
    routes::{lengths, routes, times},
};
use dualwheel_lake::frames::Kind;
use dualwheel_proto::facts::{BehaviorKind, FactRows};
use proptest::{prelude::*, sample::select};

use crate::world::{World, facts, world};

/// A path with names: who, points with their kinds, ages, what it brought.
type Named = (String, Vec<(String, BehaviorKind)>, Vec<i32>, Option<i128>);

/// Everything is read from the rows: the raw facts of the other oracles have no instants.
fn naive(world: &World, outcome: Outcome) -> Vec<Named> {
    let raw = world.raw();
    let rows: &FactRows = &world.rows;
    let instant = |stamp: &Option<prost_types::Timestamp>| stamp.as_ref().unwrap().seconds;
    let day = |stamp: &Option<prost_types::Timestamp>| crate::facts::day_of(stamp, world.zone);
    let (first, last) = (world.window.first.0, world.window.last.0);
    let mut found = Vec::new();
    for who in raw.consumers() {
        let acts: Vec<_> = rows
            .behaviors
            .iter()
            .filter(|act| act.brand == crate::world::BRAND && act.consumer == who)
            .collect();
        // Outcomes: instant, day, money.
        let mut ends: Vec<(i64, i32, i128)> = Vec::new();
        match outcome {
            Outcome::Purchase if raw.lines.is_empty() => {
                let bought = acts.iter().filter(|act| act.kind() == BehaviorKind::Purchase);
                ends.extend(bought.map(|act| (instant(&act.occurred_at), day(&act.occurred_at), 0)));
            }
            Outcome::Purchase => {
                let mut latest: BTreeMap<(&str, &str), &dualwheel_proto::facts::OrderLine> = BTreeMap::new();
                for row in &rows.order_lines {
                    let kept = latest.entry((&row.order, &row.line)).or_insert(row);
                    if kept.revision < row.revision {
                        *kept = row;
                    }
                }
                let own: Vec<_> = latest
                    .values()
                    .filter(|row| row.brand == crate::world::BRAND && row.consumer == who)
                    .collect();
                let orders: BTreeSet<&str> = own.iter().map(|row| row.order.as_str()).collect();
                for order in orders {
                    let lines: Vec<_> = own.iter().filter(|row| row.order == order).collect();
                    if lines.iter().all(|row| row.quantity == 0) {
                        continue;
                    }
                    let first = lines.iter().min_by_key(|row| instant(&row.paid_at)).unwrap();
                    let money = |text: &str| -> i128 {
                        let (whole, part) = text.split_once('.').unwrap_or(("0", "0000"));
                        whole.parse::<i128>().unwrap() * 10_000 + part.parse::<i128>().unwrap()
                    };
                    let net = lines
                        .iter()
                        .map(|row| money(&row.paid_amount) - money(&row.refund_amount))
                        .sum();
                    ends.push((instant(&first.paid_at), day(&first.paid_at), net));
                }
            }
            Outcome::Joining => {
                let own = rows
                    .members
                    .iter()
                    .filter(|row| row.brand == crate::world::BRAND && row.consumer == who);
                ends.extend(own.map(|row| (instant(&row.joined_at), day(&row.joined_at), 0)));
            }
            Outcome::Behavior(kind) => {
                let own = acts.iter().filter(|act| act.kind == kind as i32);
                ends.extend(own.map(|act| (instant(&act.occurred_at), day(&act.occurred_at), 0)));
            }
        }
        ends.retain(|end| end.1 <= last);
        ends.sort_by_key(|end| end.0);
        let mut touches: Vec<(i64, i32, String, BehaviorKind)> = acts
            .iter()
            .filter(|act| {
                let kind = act.kind();
                use BehaviorKind::*;
                kind != Purchase
                    && match outcome {
                        Outcome::Joining => !matches!(kind, Join | GroupJoin | Follow),
                        Outcome::Behavior(wanted) => kind as i32 != wanted as i32,
                        Outcome::Purchase => true,
                    }
            })
            .map(|act| {
                let channel = act.channel.clone().unwrap_or(NO_CHANNEL.to_owned());
                (
                    instant(&act.occurred_at),
                    day(&act.occurred_at),
                    channel,
                    act.kind(),
                )
            })
            .collect();
        touches.sort_by_key(|touch| touch.0);
        let mut any = false;
        for (at, end) in ends.iter().enumerate() {
            if end.1 < first {
                continue;
            }
            any = true;
            let before = at.checked_sub(1).map_or(i64::MIN, |before| ends[before].0);
            let path: Vec<_> = touches
                .iter()
                .filter(|touch| touch.0 > before && touch.0 <= end.0 && touch.1 > end.1 - 30)
                .collect();
            found.push((
                who.clone(),
                path.iter().map(|touch| (touch.2.clone(), touch.3)).collect(),
                path.iter().map(|touch| end.1 - touch.1).collect(),
                Some(end.2),
            ));
        }
        let path: Vec<_> = touches
            .iter()
            .filter(|touch| first <= touch.1 && touch.1 <= last)
            .collect();
        if !any && !path.is_empty() {
            found.push((
                who.clone(),
                path.iter().map(|touch| (touch.2.clone(), touch.3)).collect(),
                path.iter().map(|touch| last - touch.1).collect(),
                None,
            ));
        }
    }
    found
}

fn name(point: &(String, BehaviorKind), fine: Point) -> String {
    match fine {
        Point::Channel => point.0.clone(),
        Point::Touch => format!(
            "{} × {}",
            point.0,
            point.1.as_str_name().trim_start_matches("BEHAVIOR_KIND_")
        ),
    }
}

/// Behaviours and orders of one consumer never share an instant, so that no order among them is left to chance.
fn settled(mut world: World) -> World {
    for (at, act) in world.rows.behaviors.iter_mut().enumerate() {
        act.occurred_at.as_mut().unwrap().nanos = (at as i32 + 1) * 1_000;
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn paths_equal_the_methodology(
        world in world().prop_map(settled),
        outcome in select(vec![Outcome::Purchase, Outcome::Joining, Outcome::Behavior(Kind::Search)]),
        fine in select(vec![Point::Channel, Point::Touch]),
    ) {
        // Nanoseconds only settle the order here; the naive reading takes whole seconds and keeps the order of rows.
        let frames = world.frames();
        let got = journeys(&facts(&frames), world.window, outcome, fine, None);
        let keys = frames.names.consumers.view();
        let mut mine: Vec<_> = got.paths.iter().map(|path| {
            let points = path.points.iter().map(|point| got.points[*point].clone()).collect();
            (keys.key(path.consumer).to_owned(), points, path.ages.clone(), path.outcome)
        }).collect();
        let mut expected: Vec<_> = naive(&world, outcome).into_iter().map(|(who, points, ages, money)| {
            let mut points: Vec<String> = points.iter().map(|point| name(point, fine)).collect();
            if points.is_empty() {
                points.push(DIRECT.to_owned());
            }
            (who, points, ages, money)
        }).collect();
        mine.sort();
        expected.sort();
        prop_assert_eq!(mine, expected);
        prop_assert!(got.points.is_sorted());
    }
}

// ---- attribution ----------------------------------------------------------------------------------

/// Random paths over four points, of which the first is DIRECT.
fn random() -> impl Strategy<Value = Journeys> {
    let points = prop_oneof![1 => Just(vec![]), 5 => proptest::collection::vec((1usize..4, 0..30i32), 1..6)];
    let path = (0..6u32, points, proptest::option::of(-50_000..900_000i128));
    proptest::collection::vec(path, 1..12).prop_map(|paths| {
        let mut outcomes: BTreeSet<u32> = BTreeSet::new();
        outcomes.extend(paths.iter().filter(|path| path.2.is_some()).map(|path| path.0));
        let paths = paths
            .into_iter()
            // Without outcome only those who have none at all.
            .filter(|(who, points, outcome)| outcome.is_some() || (!outcomes.contains(who) && !points.is_empty()))
            .map(|(consumer, mut points, outcome)| {
                points.sort_by_key(|(_, age)| -age);
                let ages = points.iter().map(|(_, age)| *age).collect();
                let mut points: Vec<usize> = points.into_iter().map(|(point, _)| point).collect();
                if points.is_empty() {
                    points.push(0);
                }
                Path { consumer, points, ages, outcome }
            })
            .collect();
        Journeys {
            points: [DIRECT, "a", "b", "c"].map(str::to_owned).to_vec(),
            paths,
        }
    })
}

/// Shares of a path's points, in floating point.
fn shares(path: &Path, model: Model) -> Vec<f64> {
    let n = path.points.len();
    let mut share = vec![0.0; 4];
    let mut give = |at: usize, part: f64| share[path.points[at]] += part;
    match model {
        Model::First => give(0, 1.0),
        Model::Last => give(n - 1, 1.0),
        Model::Linear => (0..n).for_each(|at| give(at, 1.0 / n as f64)),
        Model::Position => match n {
            1 => give(0, 1.0),
            2 => (0..2).for_each(|at| give(at, 0.5)),
            _ => {
                give(0, 0.4);
                give(n - 1, 0.4);
                (1..n - 1).for_each(|at| give(at, 0.2 / (n - 2) as f64));
            }
        },
        Model::Decay => {
            if path.ages.is_empty() {
                give(0, 1.0);
            } else {
                let weight = |at: usize| 0.5f64.powf(f64::from(path.ages[at]) / 7.0);
                let all: f64 = (0..n).map(weight).sum();
                (0..n).for_each(|at| give(at, weight(at) / all));
            }
        }
        Model::Shapley => {
            // Over all orders of the four points: who completes the path's set wins.
            let set: BTreeSet<usize> = path.points.iter().copied().collect();
            let mut orders = 0.0;
            let mut wins = [0.0; 4];
            for order in orders_of(4) {
                orders += 1.0;
                let mut present = BTreeSet::new();
                for point in order {
                    let won = set.is_subset(&present);
                    present.insert(point);
                    if !won && set.is_subset(&present) {
                        wins[point] += 1.0;
                    }
                }
            }
            return wins.iter().map(|wins| wins / orders).collect();
        }
        Model::Markov => unreachable!(),
    }
    share
}

fn orders_of(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for shorter in orders_of(n - 1) {
        for at in 0..n {
            let mut order = shorter.clone();
            order.insert(at, n - 1);
            all.push(order);
        }
    }
    all
}

/// Chance of an outcome from the start with a point removed, by walking until nobody is on the way any more.
fn chance(journeys: &Journeys, removed: Option<usize>) -> f64 {
    const START: usize = 4;
    let mut steps: BTreeMap<usize, Vec<Option<usize>>> = BTreeMap::new();
    // A step leads to a point, to 5 (an outcome) or nowhere.
    for path in &journeys.paths {
        let mut from = START;
        for point in &path.points {
            steps.entry(from).or_default().push(Some(*point));
            from = *point;
        }
        steps.entry(from).or_default().push(path.outcome.map(|_| 5));
    }
    let (mut there, mut reached) = (BTreeMap::from([(START, 1.0)]), 0.0);
    for _ in 0..20_000 {
        let mut next: BTreeMap<usize, f64> = BTreeMap::new();
        for (from, share) in there {
            let Some(ways) = steps.get(&from) else { continue };
            for way in ways {
                let part = share / ways.len() as f64;
                match way {
                    Some(5) => reached += part,
                    Some(to) if removed != Some(*to) => *next.entry(*to).or_default() += part,
                    _ => {}
                }
            }
        }
        there = next;
        if there.values().sum::<f64>() < 1e-14 {
            break;
        }
    }
    reached
}

fn near(mine: f64, expected: f64, slack: f64) -> bool {
    (mine - expected).abs() <= slack
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn every_model_credits_all_there_is_and_as_it_says(journeys in random()) {
        let mut people: BTreeMap<u32, Vec<&Path>> = BTreeMap::new();
        for path in journeys.paths.iter().filter(|path| path.outcome.is_some()) {
            people.entry(path.consumer).or_default().push(path);
        }
        let money: i128 = journeys.paths.iter().filter_map(|path| path.outcome).sum();
        for model in Model::ALL {
            let credits = credits(&journeys, model);
            let sum = credits.iter().fold((0, 0), |sum, one: &Credit| (sum.0 + one.people, sum.1 + one.money));
            prop_assert_eq!(sum, (people.len() as i128 * PERSON, money), "{:?}", model);
            let mut expected = vec![(0.0, 0.0); 4];
            if model == Model::Markov {
                let all = chance(&journeys, None);
                let lost: Vec<f64> = (0..4).map(|point| (all - chance(&journeys, Some(point))) / all.max(1e-300)).collect();
                let whole: f64 = lost.iter().sum();
                for (slot, lost) in expected.iter_mut().zip(&lost) {
                    let share = if people.is_empty() { 0.0 } else { lost / whole };
                    *slot = (share * people.len() as f64, share * money as f64);
                }
            } else {
                for own in people.values() {
                    for path in own {
                        for (slot, share) in expected.iter_mut().zip(shares(path, model)) {
                            slot.0 += share / own.len() as f64;
                            slot.1 += share * path.outcome.unwrap() as f64;
                        }
                    }
                }
            }
            for (at, (credit, expected)) in credits.iter().zip(&expected).enumerate() {
                let people = credit.people as f64 / PERSON as f64;
                prop_assert!(near(people, expected.0, 1e-6), "{:?} {}: {} is not {}", model, at, people, expected.0);
                // A ten-thousandth a path, and what the fineness of Markov's weights makes of the whole.
                let slack = 12.0 + money.abs() as f64 * 1e-8;
                prop_assert!(near(credit.money as f64, expected.1, slack), "{:?} {}: {} is not {}", model, at, credit.money, expected.1);
            }
        }
    }
}

/// The chain with few states: the most touched points, and all others as one.
fn merged(journeys: &Journeys, most: usize) -> Journeys {
    let touches = |point: usize| {
        journeys
            .paths
            .iter()
            .flat_map(|path| &path.points)
            .filter(|one| **one == point)
            .count()
    };
    let (mut merged, other) = (journeys.clone(), journeys.points.len() - 1);
    let mut touched: Vec<usize> = (0..other).filter(|point| touches(*point) > 0).collect();
    if touched.len() > most {
        touched.sort_by_key(|point| std::cmp::Reverse(touches(*point)));
        for path in &mut merged.paths {
            for point in &mut path.points {
                if !touched[..most - 1].contains(point) {
                    *point = other;
                }
            }
        }
    }
    merged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_markov_chain_is_that_of_the_most_touched_points_and_the_rest(mut journeys in random(), most in 2..5usize) {
        journeys.points.push(OTHER.to_owned());
        let mine = credits_within(&journeys, Model::Markov, most);
        prop_assert_eq!(&mine, &credits(&merged(&journeys, most), Model::Markov));
        let whole = |credits: &[Credit]| credits.iter().fold((0, 0), |sum, one| (sum.0 + one.people, sum.1 + one.money));
        prop_assert_eq!(whole(&mine), whole(&credits(&journeys, Model::Linear)));
    }
}

/// A hundred thousand channels: the price does not grow with them, and what is credited is all there is.
#[test]
fn many_points_are_one_for_the_markov_chain() {
    let points = 100_000;
    let mut names: Vec<String> = (0..points - 2).map(|at| format!("c{at:06}")).collect();
    names.extend([DIRECT, OTHER].map(str::to_owned));
    names.sort_unstable();
    let other = names.iter().position(|name| name == OTHER).unwrap();
    let direct = names.iter().position(|name| name == DIRECT).unwrap();
    // Neither of these has a touch.
    let point = |at: usize| (at % points..).find(|at| *at != other && *at != direct).unwrap() % points;
    let path = |at: usize| Path {
        consumer: at as u32,
        points: vec![point(at * 2 + 10), point(at * 2 + 11), point(at % 300 + 10)],
        ages: vec![3, 2, 1],
        outcome: at.is_multiple_of(4).then_some(10_001),
    };
    let journeys = Journeys {
        points: names,
        paths: (0..points / 2 - 10).map(path).collect(),
    };
    let reached = journeys
        .paths
        .iter()
        .filter(|path| path.outcome.is_some())
        .count() as i128;
    let credits = credits(&journeys, Model::Markov);
    let people: i128 = credits.iter().map(|one| one.people).sum();
    let money: i128 = credits.iter().map(|one| one.money).sum();
    assert_eq!((people, money), (reached * PERSON, reached * 10_001));
    assert!(credits.iter().filter(|one| one.people > 0).count() <= 256);
    assert!(credits[other].people > 0);
}

/// The worked example of C1 → C2 → C3 sold, C1 sold, C2 → C3 not: without C1 everything is lost but nothing more.
#[test]
fn removal_by_hand() {
    let path = |consumer: u32, points: &[usize], outcome: Option<i128>| Path {
        consumer,
        points: points.to_vec(),
        ages: vec![0; points.len()],
        outcome,
    };
    let journeys = Journeys {
        points: ["C1", "C2", "C3", DIRECT].map(str::to_owned).to_vec(),
        paths: vec![
            path(0, &[0, 1, 2], Some(100)),
            path(1, &[0], None),
            path(2, &[1, 2], None),
        ],
    };
    // From the start 2/3 to C1 and 1/3 to C2; from C1 1/2 to C2; C2 to C3; from C3 half are sold.
    // All: (2/3 · 1/2 + 1/3) · 1/2 = 1/3. Without C1: 1/3 · 1/2 = 1/6, half is lost; without C2 or C3 all is lost.
    let got = credits(&journeys, Model::Markov);
    let people: Vec<f64> = got.iter().map(|one| one.people as f64 / PERSON as f64).collect();
    for (mine, expected) in people.iter().zip([0.2, 0.4, 0.4, 0.0]) {
        assert!(near(*mine, expected, 1e-8), "{people:?}");
    }
    assert_eq!(
        got.iter().map(|one| one.money).collect::<Vec<_>>(),
        [20, 40, 40, 0]
    );
    let told = routes(&journeys, 10);
    assert_eq!(
        (told.len(), told[0].outcomes, told[0].without, told[0].money),
        (1, 1, 0, 100)
    );
    assert_eq!(
        (lengths(&journeys), times(&journeys)),
        (BTreeMap::from([(3, 1)]), BTreeMap::from([(0, 1)]))
    );
}
