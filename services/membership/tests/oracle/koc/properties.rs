//! Random facts.

use std::collections::BTreeMap;

use chrono::Duration;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Day, wilson};
use dualwheel_membership::{
    KocFrames, Parameters,
    koc::{Board, Class, DefaultKoc, Koc, candidates, features, score},
    parameters::{Points, Share},
    plus,
};
use dualwheel_plugin_host::{Plugin, scores};
use dualwheel_plugin_sdk::{KocScores, Parameters as ModelParameters};
use dualwheel_proto::facts::{FactRows, SocialProfile};
use proptest::prelude::*;

use super::{engine, facts, naive, parameters, social};
use crate::{
    facts::{BRAND, rows, stamp, utc},
    naive::{Ask, asks},
    parts::check,
};

fn profiles() -> impl Strategy<Value = Vec<SocialProfile>> {
    let few = || prop::option::weighted(0.7, 0..6i64);
    let tenth = || prop::option::weighted(0.7, (0..=10u8).prop_map(|tenths| f64::from(tenths) / 10.0));
    let counts = (few(), few(), few(), few());
    let rest = (few(), few(), tenth(), tenth());
    let row = (0..8u8, 0..6u8, 0..60 * 24 * 60i64, counts, rest);
    prop::collection::vec(row, 0..16).prop_map(|rows| {
        let mut profiles = BTreeMap::new();
        for (consumer, of, minutes, counts, rest) in rows {
            let (followers, interactions, spread, shares) = counts;
            let (attributed, own, fit, power) = rest;
            let at = utc("2017-02-01T00:00:00Z") + Duration::minutes(minutes);
            let profile = SocialProfile {
                brand: if of == 0 { "b1" } else { BRAND }.to_owned(),
                followers: followers.map(|followers| followers * 100),
                follower_match: fit,
                interactions_30d: interactions,
                spread_30d: spread,
                shares_30d: shares,
                attributed_gmv_30d: attributed.map(|cents| format!("0.{cents}")),
                own_gmv_365d: own.map(|units| format!("{units}")),
                follower_spending_power: power,
                ..social(&format!("c{consumer}"), stamp(at))
            };
            // One row an instant, so that which of two counts is no question here.
            profiles.insert((consumer, minutes), profile);
        }
        profiles.into_values().collect()
    })
}

/// Facts in which most people are members, so that there are candidates.
fn facts_of_members() -> impl Strategy<Value = FactRows> {
    (rows(), profiles(), 0..4u8).prop_map(|(mut rows, social_profiles, most)| {
        rows.social_profiles = social_profiles;
        for member in rows.members.iter_mut().filter(|_| most > 0) {
            member.role = member.role.max(3);
            member.left_at = None;
        }
        // Raising roles may make two rows of one key; the first stays.
        let mut seen = std::collections::BTreeSet::new();
        rows.members.retain(|row| {
            seen.insert((
                row.consumer.clone(),
                row.brand.clone(),
                row.role,
                row.joined_at.map(|at| at.seconds),
                row.revision,
            ))
        });
        rows
    })
}

fn settings() -> impl Strategy<Value = Parameters> {
    let points = || prop::sample::select(vec![0.0, 25.0, 50.0, 60.0, 100.0]);
    let axis = || prop::option::weighted(0.3, points());
    (points(), points(), points(), 0..=10u8, axis(), axis(), 1..4u16).prop_map(
        |(content, influence, purchasing, tenths, x, y, cell)| {
            let of = |points: f64| Points::try_from(points).unwrap();
            let mut parameters = parameters();
            parameters.koc_content_cut = of(content);
            parameters.koc_influence_cut = of(influence);
            parameters.koc_purchasing_cut = of(purchasing);
            parameters.koc_sharer_share = Share::try_from(f64::from(tenths) / 10.0).unwrap();
            parameters.koc_influence_axis = x.map(of);
            parameters.koc_purchasing_axis = y.map(of);
            parameters.min_cell = cell.try_into().unwrap();
            parameters
        },
    )
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9
}

/// Every classed candidate stands in exactly one cell, every other in none.
fn check_conservation(board: &Board) {
    let mut times = vec![0; board.candidates.len()];
    for cell in &board.cells {
        for place in &cell.people {
            times[*place] += 1;
            let rating = board.ratings[*place];
            assert_eq!((rating.class, rating.quadrant), (cell.class, cell.quadrant));
        }
    }
    for (rating, times) in board.ratings.iter().zip(&times) {
        assert_eq!(*times, usize::from(rating.class != Class::Unclassed));
    }
    let unclassed: usize = board.unclassed.iter().sum();
    assert_eq!(times.iter().sum::<usize>() + unclassed, board.candidates.len());
    assert_eq!(board.cells.len(), 12);
}

/// Ties share the mean of their ranks, so the mean is always 50.
fn check_ranks(board: &Board) {
    if board.ratings.is_empty() {
        return;
    }
    for of in 0..3 {
        let rank = |rating: &dualwheel_membership::koc::Rating| {
            [rating.content, rating.influence, rating.purchasing][of]
        };
        let mean = board.ratings.iter().map(rank).sum::<f64>() / board.ratings.len() as f64;
        assert!(close(mean, 50.0), "{mean}");
    }
}

fn check_cells(board: &Board, wanted: &[naive::Expected], parameters: &Parameters) {
    let least = parameters.min_cell.get() as usize;
    for cell in &board.cells {
        let mine: Vec<&naive::Expected> = wanted
            .iter()
            .filter(|row| row.class == cell.class.name() && row.quadrant == cell.quadrant.name())
            .collect();
        let keys: Vec<&str> = cell
            .people
            .iter()
            .map(|place| board.candidates[*place].key.as_str())
            .collect();
        assert_eq!(keys, mine.iter().map(|row| row.key.as_str()).collect::<Vec<_>>());
        let mut told = Vec::new();
        let mut withheld = 0;
        let categories: std::collections::BTreeSet<&String> =
            mine.iter().flat_map(|row| &row.bought).collect();
        for category in categories {
            let buyers = mine.iter().filter(|row| row.bought.contains(category)).count();
            let all = wanted.iter().filter(|row| row.bought.contains(category)).count();
            if buyers < least {
                withheld += 1;
                continue;
            }
            let base = all as f64 / wanted.len() as f64;
            let (low, high) = wilson::interval(buyers as i64, mine.len() as i64).unwrap();
            let lift = buyers as f64 / mine.len() as f64 / base;
            told.push((
                category.clone(),
                buyers as i64,
                all as i64,
                lift,
                low / base,
                high / base,
            ));
        }
        told.sort_by(|a, b| b.4.total_cmp(&a.4).then(a.0.cmp(&b.0)));
        told.truncate(5);
        assert_eq!(cell.withheld, withheld);
        assert_eq!(cell.categories.len(), told.len());
        for (found, (category, buyers, all, lift, low, high)) in cell.categories.iter().zip(told) {
            assert_eq!(
                (&found.category, found.buyers, found.all_buyers),
                (&category, buyers, all)
            );
            assert!(close(found.lift, lift) && close(found.interval.0, low) && close(found.interval.1, high));
        }
    }
}

fn hold(rows: &FactRows, parameters: &Parameters, ask: &Ask) -> Board {
    let board = engine(rows, parameters, ask.zone, ask.last);
    let wanted = naive::reference(rows, parameters, ask);
    let keys: Vec<&str> = board.candidates.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(
        keys,
        wanted.iter().map(|row| row.key.as_str()).collect::<Vec<_>>()
    );
    for ((candidate, rating), wanted) in board.candidates.iter().zip(&board.ratings).zip(&wanted) {
        let told = format!("{candidate:?} {rating:?} {wanted:?}");
        assert_eq!(candidate.inputs, wanted.inputs, "{told}");
        assert!(close(rating.content, wanted.ranks[0]), "{told}");
        assert!(close(rating.influence, wanted.ranks[1]), "{told}");
        assert!(close(rating.purchasing, wanted.ranks[2]), "{told}");
        assert_eq!(rating.class.name(), wanted.class, "{told}");
        assert_eq!(rating.quadrant.name(), wanted.quadrant, "{told}");
    }
    check_cells(&board, &wanted, parameters);
    board
}

fn reversed(rows: &FactRows) -> FactRows {
    let mut rows = rows.clone();
    rows.behaviors.reverse();
    rows.order_lines.reverse();
    rows.members.reverse();
    rows.products.reverse();
    rows.social_profiles.reverse();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn boards(rows in facts_of_members(), parameters in settings(), ask in asks()) {
        let ask = Ask { category: None, ..ask };
        let board = hold(&rows, &parameters, &ask);
        check_conservation(&board);
        check_ranks(&board);
        // The order of facts numbers consumers differently and changes nothing else.
        let mut again = engine(&reversed(&rows), &parameters, ask.zone, ask.last);
        for (candidate, other) in again.candidates.iter_mut().zip(&board.candidates) {
            candidate.consumer = other.consumer;
        }
        prop_assert_eq!(again, board);
    }

    #[test]
    fn parts_make_the_whole(rows in facts_of_members(), ask in asks(), cut in (1..5u64, any::<u64>())) {
        let part = |frames: &Frames| KocFrames {
            brand: plus::Facts {
                behaviors: frames.behaviors.clone(),
                orders: frames.orders.clone(),
                members: frames.members.clone(),
            },
            social: frames.social.clone(),
        };
        check(&Koc { model: Plugin::native_koc(DefaultKoc) }, part, &rows, &ask, cut)?;
    }

    #[test]
    fn batches_may_be_cut_anywhere(rows in facts_of_members(), ask in asks(), most_rows in 1..5usize) {
        let frames = Frames::from_rows(ask.zone, &rows, BRAND).unwrap();
        let people = candidates(facts(&frames), &parameters(), Day::from_date(ask.last));
        let none = ModelParameters::new();
        let model = Plugin::native_koc(DefaultKoc);
        let whole = score(&people, &model, &none).unwrap();
        let table = features(&people).unwrap();
        let batches = table.batches(model.describe().unwrap(), most_rows).unwrap();
        let question = model.question_of(batches, &none).unwrap();
        prop_assert_eq!(&scores::<KocScores>(model.ask_all(&question).unwrap().scores).unwrap(), &whole);
        // Nor does the order of the rows matter: one after another in reverse, each has what it had.
        let description = model.describe().unwrap();
        let mut content = Vec::new();
        for batch in table.batches(description, 1).unwrap().iter().rev() {
            content.extend(dualwheel_plugin_sdk::KocModel::score(&DefaultKoc, batch, &none).unwrap().content);
        }
        content.reverse();
        prop_assert_eq!(content, whole.content);
    }
}
