//! A few people, with the numbers worked out in the comments; and models that break the contract.

use chrono::NaiveDate;
use chrono_tz::Tz;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::Day;
use dualwheel_membership::koc::{Board, Class, DefaultKoc, Inputs, Quadrant, candidates, features, score};
use dualwheel_plugin_host::{Error, Plugin};
use dualwheel_plugin_sdk::{
    Batch, Description, KocModel, KocScores, Parameters as ModelParameters, Refusal, Values, Wanted,
};
use dualwheel_proto::facts::{BehaviorKind, FactRows, OrderLine, Role, SocialProfile, Venue};

use super::{engine, facts, parameters, social};
use crate::facts::{BRAND, act, line, member, stamp, utc};

const SHANGHAI: Tz = Tz::Asia__Shanghai;
const JANUARY: &str = "2017-01-10T04:00:00Z";
/// 10 March, noon in Shanghai.
const DAY: &str = "2017-03-10T04:00:00Z";

fn day() -> NaiveDate {
    "2017-03-10".parse().unwrap()
}

fn bought(order: &str, consumer: &str, at: &str, paid: &str, category: &str) -> OrderLine {
    OrderLine {
        category: Some(category.to_owned()),
        ..line(order, consumer, at, paid)
    }
}

struct Told(i64, &'static str, i64, f64, i64, f64, i64);

fn profile(consumer: &str, told: Told) -> SocialProfile {
    let Told(interactions, attributed, followers, fit, spread, power, shares) = told;
    SocialProfile {
        interactions_30d: Some(interactions),
        attributed_gmv_30d: Some(attributed.to_owned()),
        followers: Some(followers),
        follower_match: Some(fit),
        spread_30d: Some(spread),
        follower_spending_power: Some(power),
        shares_30d: Some(shares),
        ..social(consumer, stamp(utc(DAY)))
    }
}

/// Five candidates and three who are none:
/// - ann, bob: profiles with their own GMV of 300 and 100; bob has more followers, ann more that fit
/// - cid: a profile without own GMV: the lines of 365 days say 1 000 − 100 = 900, and 5 000 longer ago
/// - dot: no profile, two shares in 30 days (and one longer ago), a line of 50
/// - eve: an empty profile, no lines: own GMV and shares are 0
/// - fay: a fan with a profile; gus: a member without profile and shares; hal: left in February
fn small() -> FactRows {
    let share = |at: &str| act("dot", BehaviorKind::Share, Venue::Content, at);
    let own = |gmv: &str, profile: SocialProfile| SocialProfile {
        own_gmv_365d: Some(gmv.to_owned()),
        ..profile
    };
    let cid = Told(10, "0", 100, 0.9, 100, 0.6, 1);
    FactRows {
        members: vec![
            member("ann", Role::Member, JANUARY, None),
            member("bob", Role::PaidMember, JANUARY, None),
            member("cid", Role::Member, JANUARY, None),
            member("dot", Role::Member, JANUARY, None),
            member("eve", Role::Member, DAY, None),
            member("fay", Role::Fan, JANUARY, None),
            member("gus", Role::Member, JANUARY, None),
            member("hal", Role::Member, JANUARY, Some("2017-02-10T04:00:00Z")),
        ],
        social_profiles: vec![
            own(
                "300",
                profile("ann", Told(100, "1000", 1_000, 0.5, 2_000, 0.8, 4)),
            ),
            own("100", profile("bob", Told(50, "200", 4_000, 0.1, 500, 0.2, 0))),
            profile("cid", cid),
            // What is known a day later changes nothing.
            SocialProfile {
                updated_at: stamp(utc("2017-03-11T04:00:00Z")),
                ..profile("cid", Told(999, "999", 999, 1.0, 999, 1.0, 999))
            },
            social("eve", stamp(utc(JANUARY))),
            profile("fay", Told(999, "999", 999, 1.0, 999, 1.0, 999)),
            profile("hal", Told(999, "999", 999, 1.0, 999, 1.0, 999)),
        ],
        behaviors: vec![
            share("2017-02-08T04:00:00Z"),
            share("2017-02-09T04:00:00Z"),
            share(DAY),
        ],
        order_lines: vec![
            OrderLine {
                refund_amount: "100".to_owned(),
                ..bought("1", "cid", "2017-03-01T04:00:00Z", "600", "a/b/c")
            },
            bought("2", "cid", "2016-03-11T04:00:00Z", "400", "z"),
            bought("3", "cid", "2016-03-10T04:00:00Z", "5000", "old"),
            bought("4", "dot", DAY, "50", "z"),
        ],
        ..Default::default()
    }
}

fn board() -> Board {
    let mut parameters = parameters();
    parameters.min_cell = 1.try_into().unwrap();
    engine(&small(), &parameters, SHANGHAI, day())
}

#[test]
fn candidates_have_what_profiles_say_and_facts_stand_in() {
    let board = board();
    let keys: Vec<&str> = board.candidates.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["ann", "bob", "cid", "dot", "eve"]);
    let own: Vec<f64> = board
        .candidates
        .iter()
        .map(|row| row.inputs.own_gmv.unwrap())
        .collect();
    assert_eq!(own, [300.0, 100.0, 900.0, 50.0, 0.0]);
    let shares: Vec<f64> = board
        .candidates
        .iter()
        .map(|row| row.inputs.shares.unwrap())
        .collect();
    assert_eq!(shares, [4.0, 0.0, 1.0, 2.0, 0.0]);
    let nothing = Inputs {
        shares: Some(0.0),
        own_gmv: Some(0.0),
        ..Inputs::default()
    };
    assert_eq!(board.candidates[4].inputs, nothing);
    assert_eq!(board.candidates[0].inputs.reach(), Some(500.0));
}

#[test]
fn powers_are_ranked_twice() {
    // Interactions 100, 50, 10 and attributed GMV 1000, 200, 0 both rank ann, bob, cid 100, 50, 0; dot and eve, of whom
    // nothing is known, have content 0. Ranked again 0 0 0 50 100: three ties 100·(0 + 1)/4 = 25, bob 75, ann 100.
    // Reach 500, 400, 90 and spread 2000, 500, 100 the same.
    // Own GMV 0, 50, 100, 300, 900 ranks eve 0, dot 25, bob 50, ann 75, cid 100; spending power .8, .2, .6 ranks ann 100,
    // bob 0, cid 50. Purchasing: ann 275/3, bob (50 + 0 + 50)/3, cid (100 + 50 + 0)/3, dot 25, eve 0; ranked
    // again eve 0, dot 25, bob 50, cid 75, ann 100.
    let frames = Frames::from_rows(SHANGHAI, &small(), BRAND).unwrap();
    let people = candidates(facts(&frames), &parameters(), Day::from_date(day()));
    let scores = score(&people, &Plugin::native_koc(DefaultKoc), &ModelParameters::new()).unwrap();
    assert_eq!(scores.content, [100.0, 50.0, 0.0, 0.0, 0.0]);
    assert_eq!(scores.influence, [100.0, 50.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        scores.purchasing,
        [91.666_666_667, 33.333_333_333, 50.0, 25.0, 0.0]
    );
    let ratings = board().ratings;
    let ranks: Vec<[f64; 3]> = ratings
        .iter()
        .map(|own| [own.content, own.influence, own.purchasing])
        .collect();
    assert_eq!(
        ranks,
        [
            [100.0, 100.0, 100.0],
            [75.0, 75.0, 50.0],
            [25.0, 25.0, 75.0],
            [25.0, 25.0, 25.0],
            [25.0, 25.0, 0.0],
        ]
    );
}

#[test]
fn columns_tell_values_and_ranks_and_what_is_not_known() {
    let frames = Frames::from_rows(SHANGHAI, &small(), BRAND).unwrap();
    let people = candidates(facts(&frames), &parameters(), Day::from_date(day()));
    let table = features(&people).unwrap();
    let told = |name: &str| match table.column(name) {
        Some(Values::Numbers(values)) => values
            .iter()
            .map(|v| if v.is_nan() { -1.0 } else { *v })
            .collect(),
        _ => Vec::new(),
    };
    assert_eq!(told("followers"), [1_000.0, 4_000.0, 100.0, -1.0, -1.0]);
    assert_eq!(told("followers_rank"), [50.0, 100.0, 0.0, -1.0, -1.0]);
    assert_eq!(told("reach"), [500.0, 400.0, 90.0, -1.0, -1.0]);
    assert_eq!(told("reach_rank"), [100.0, 50.0, 0.0, -1.0, -1.0]);
    assert_eq!(told("match"), [0.5, 0.1, 0.9, -1.0, -1.0]);
    // Shares 0, 0, 1, 2, 4: the two zeros share 100·½/4 = 12.5.
    assert_eq!(told("shares_30d_rank"), [100.0, 12.5, 50.0, 75.0, 12.5]);
    assert_eq!(told("attributed_gmv_30d"), [1_000.0, 200.0, 0.0, -1.0, -1.0]);
}

#[test]
fn classes_quadrants_and_cells() {
    // Median influence 25, median purchasing 50; ann and bob are above the one, ann and cid above the other.
    // cid's shares rank 50, below the upper 40 %: a quality buyer. dot's rank 75: a sharer.
    let board = board();
    let placed: Vec<(&str, &str)> = board
        .ratings
        .iter()
        .map(|rating| (rating.class.name(), rating.quadrant.name()))
        .collect();
    assert_eq!(
        placed,
        [
            ("standard_koc", "both"),
            ("standard_koc", "influence"),
            ("quality_buyer", "purchasing"),
            ("sharer", "neither"),
            ("none", "neither"),
        ]
    );
    assert_eq!(board.unclassed, [0, 0, 0, 1]);
    let order: Vec<(Class, Quadrant)> = board
        .cells
        .iter()
        .map(|cell| (cell.class, cell.quadrant))
        .collect();
    assert_eq!(order.len(), 12);
    assert_eq!(order[0], (Class::StandardKoc, Quadrant::ALL[0]));
    assert_eq!(order[11], (Class::QualityBuyer, Quadrant::ALL[3]));
    let cell = board.cells.iter().find(|cell| cell.people == [2]).unwrap();
    // cid alone bought a/b (of 5: base .2, lift 5), cid and dot bought z (base .4, lift 2.5); `old` is too long ago.
    // Wilson of 1 in 1 is 1/(1 + 1.96²) = .206549 to 1.
    let told: Vec<(&str, i64, f64)> = cell
        .categories
        .iter()
        .map(|own| (own.category.as_str(), own.all_buyers, own.lift))
        .collect();
    assert_eq!(told, [("a/b", 1, 5.0), ("z", 2, 2.5)]);
    let (low, high) = cell.categories[0].interval;
    assert!(
        (low - 0.206_549 / 0.2).abs() < 1e-5 && (high - 5.0).abs() < 1e-12,
        "{low} {high}"
    );
    assert_eq!(
        (cell.scene.id.as_str(), cell.lever.id.as_str()),
        ("interactive_events", "referral_reward")
    );
    // As shipped, cells of fewer than 30 say nothing of categories.
    let shipped = engine(&small(), &parameters(), SHANGHAI, day());
    assert!(shipped.cells.iter().all(|cell| cell.categories.is_empty()));
    assert_eq!(shipped.cells.iter().map(|cell| cell.withheld).sum::<usize>(), 3);
}

#[test]
fn one_candidate_ranks_in_the_middle_and_none_make_an_empty_board() {
    let mut rows = small();
    rows.members.retain(|member| member.consumer == "ann");
    let alone = engine(&rows, &parameters(), SHANGHAI, day());
    let rating = alone.ratings[0];
    assert_eq!([rating.content, rating.influence, rating.purchasing], [50.0; 3]);
    // Ann shares, and her rank of 50 is not in the upper 40 %.
    assert_eq!(
        (rating.class, rating.quadrant.name()),
        (Class::Unclassed, "neither")
    );
    rows.members.clear();
    let empty = engine(&rows, &parameters(), SHANGHAI, day());
    assert_eq!(
        (empty.candidates.len(), empty.cells.len(), empty.unclassed),
        (0, 12, [0; 4])
    );
}

/// Answers the same three columns whatever it is asked.
struct Fixed(Result<KocScores, Refusal>, Vec<Wanted>);

impl KocModel for Fixed {
    fn describe(&self) -> Description {
        Description {
            name: "fixed".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A model for tests.".to_owned(),
            columns: self.1.clone(),
            parameters: Vec::new(),
        }
    }

    fn score(&self, _: &Batch, _: &ModelParameters) -> Result<KocScores, Refusal> {
        self.0.clone()
    }
}

#[test]
fn models_that_break_the_contract_are_named() {
    let frames = Frames::from_rows(SHANGHAI, &small(), BRAND).unwrap();
    let people = candidates(facts(&frames), &parameters(), Day::from_date(day()));
    let of = |content: Vec<f64>| KocScores {
        content,
        influence: vec![0.0; 5],
        purchasing: vec![100.0; 5],
    };
    let ask = |answer, wanted| {
        score(
            &people,
            &Plugin::native_koc(Fixed(answer, wanted)),
            &ModelParameters::new(),
        )
    };
    assert_eq!(ask(Ok(of(vec![7.0; 5])), vec![]).unwrap().content, [7.0; 5]);
    let short = ask(Ok(of(vec![7.0; 4])), vec![]);
    let told = short.unwrap_err().to_string();
    assert!(told.contains("has 4 values for 5 rows"), "{told}");
    for wrong in [f64::NAN, -1.0, 100.1] {
        let refused = ask(Ok(of(vec![0.0, 0.0, wrong, 0.0, 0.0])), vec![]);
        assert!(
            matches!(&refused, Err(Error::BadOutput { reason, .. }) if reason.contains("in row 2")),
            "{refused:?}"
        );
    }
    let refused = ask(Err(Refusal("No.".to_owned())), vec![]).unwrap_err();
    assert_eq!(refused.to_string(), "the model does not answer: No.");
    let wanted = Wanted {
        name: "weight".to_owned(),
        required: true,
    };
    let refused = ask(Ok(of(vec![7.0; 5])), vec![wanted]);
    assert!(
        matches!(refused, Err(Error::BadDescription { .. })),
        "{refused:?}"
    );
}
