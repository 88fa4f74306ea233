//! Planted KOCs are found.

use chrono_tz::Tz;
use dualwheel_measure::bootstrap::SplitMix;
use dualwheel_membership::koc::{Class, Rating};
use dualwheel_proto::facts::{BehaviorKind, FactRows, Role, SocialProfile, Venue};

use super::{engine, parameters, social};
use crate::facts::{act, member, stamp, utc};

const PEOPLE: usize = 400;
const PLANTED: usize = 20;
const DAY: &str = "2017-03-10T04:00:00Z";

/// About normal: the sum of twelve uniform numbers less six.
fn normal(random: &mut SplitMix) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

/// Log-normal with a median, as a whole number.
fn about(random: &mut SplitMix, median: f64) -> i64 {
    (median * (0.8 * normal(random)).exp()).round() as i64
}

/// 400 members. Every twentieth is a KOC: five times the followers, interactions, reach and sales of the others in the
/// middle, with so much noise that the two overlap in each number. A third of the others have no profile and shared
/// once or twice; a tenth of all profiles lack spread.
fn market() -> FactRows {
    let mut random = SplitMix::new(7);
    let mut rows = FactRows::default();
    for number in 0..PEOPLE {
        let key = format!("c{number:03}");
        let planted = number.is_multiple_of(PEOPLE / PLANTED);
        let scale = if planted { 5.0 } else { 1.0 };
        rows.members
            .push(member(&key, Role::Member, "2017-01-10T04:00:00Z", None));
        if !planted && number % 3 == 1 {
            for _ in 0..=random.below(2) {
                rows.behaviors.push(act(
                    &key,
                    BehaviorKind::Share,
                    Venue::Content,
                    "2017-03-01T04:00:00Z",
                ));
            }
            continue;
        }
        let fit = if planted { 0.5 } else { 0.2 } + 0.4 * random.unit();
        rows.social_profiles.push(SocialProfile {
            followers: Some(about(&mut random, 800.0 * scale)),
            follower_match: Some(fit),
            interactions_30d: Some(about(&mut random, 60.0 * scale)),
            spread_30d: (random.below(10) > 0).then(|| about(&mut random, 900.0 * scale)),
            shares_30d: Some(about(&mut random, 2.0)),
            attributed_gmv_30d: Some(about(&mut random, 300.0 * scale).to_string()),
            own_gmv_365d: Some(about(&mut random, 500.0).to_string()),
            follower_spending_power: Some(random.unit()),
            ..social(&key, stamp(utc(DAY)))
        });
    }
    for (number, act) in rows.behaviors.iter_mut().enumerate() {
        act.event_id = format!("e{number}");
    }
    rows
}

#[test]
fn planted_kocs_come_first() {
    let board = engine(
        &market(),
        &parameters(),
        Tz::Asia__Shanghai,
        "2017-03-10".parse().unwrap(),
    );
    assert_eq!(board.candidates.len(), PEOPLE);
    let is_planted = |place: &usize| place.is_multiple_of(PEOPLE / PLANTED);
    let mut order: Vec<usize> = (0..PEOPLE).collect();
    let strength = |rating: &Rating| rating.content + rating.influence;
    order.sort_by(|a, b| strength(&board.ratings[*b]).total_cmp(&strength(&board.ratings[*a])));
    let found = order[..PLANTED].iter().filter(|place| is_planted(place)).count();
    // Drawing 20 of 400 at random finds one.
    assert!(
        found as f64 / PLANTED as f64 >= 0.8,
        "precision at {PLANTED}: {found}"
    );
    for (place, rating) in board.ratings.iter().enumerate() {
        assert!(
            !is_planted(&place) || rating.class == Class::StandardKoc,
            "{place} {rating:?}"
        );
        // Nobody becomes a standard KOC whose posts nobody knows of.
        let known = board.candidates[place].inputs.interactions.is_some();
        assert!(known || rating.class != Class::StandardKoc, "{place} {rating:?}");
    }
}
