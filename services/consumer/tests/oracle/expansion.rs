//! Expansion against a slow, obvious reading, and against a likeness that was planted.

use std::collections::BTreeSet;

use dualwheel_consumer::{
    boosted::{Columns, Examples, Model},
    expansion::{
        Ask, Expansion, Refusal,
        bands::Bands,
        expand,
        features::{FEATURES, Portrayer},
    },
};
use dualwheel_lake::frames::Categories;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::Day;
use dualwheel_proto::facts::{BehaviorKind, ConsumerProfile, FactRows};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    edges::{act, sale},
    facts::Raw,
    world::{BRAND, START, definitions, facts, instant},
};

const PEOPLE: u32 = 3_000;

fn key(number: u32) -> String {
    format!("p{number:04}")
}

/// 705 people; 300 of them are the seed, and 405 are not.
fn has_trait(number: u32) -> bool {
    number % 1_000 < 235
}

fn is_seed(number: u32) -> bool {
    number % 1_000 < 100
}

/// Everyone does something about every eighth day: who has the trait watches live rooms, the others browse. In every 30
/// days two in five of those with the trait buy, and one in twenty of the others.
fn planted() -> FactRows {
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let mut rows = FactRows::default();
    for number in 0..PEOPLE {
        let who = key(number);
        let (kind, chance) = if has_trait(number) {
            (BehaviorKind::LiveWatch, 0.4)
        } else {
            (BehaviorKind::Browse, 0.05)
        };
        rows.behaviors.push(act(&who, BehaviorKind::Browse, START - 140));
        for step in 0..16 {
            if step < 2 || dice.random_bool(0.9) {
                let day = START - 5 - 8 * step - dice.random_range(0..4);
                rows.behaviors.push(act(&who, kind, day));
            }
        }
        for period in 0..4 {
            if dice.random_bool(chance) {
                let day = START - 30 * period - dice.random_range(0..28);
                rows.order_lines
                    .push(sale(&who, day, "a/x", 1, dice.random_range(5..50)));
            }
        }
    }
    rows
}

fn frames(rows: &FactRows) -> Frames {
    Frames::from_rows(chrono_tz::UTC, rows, BRAND).unwrap()
}

fn ordinal(frames: &Frames, key: &str) -> u32 {
    frames.names.consumers.find(key).unwrap()
}

fn people(frames: &Frames, belongs: impl Fn(u32) -> bool) -> RoaringBitmap {
    let numbers = (0..PEOPLE).filter(|number| belongs(*number));
    numbers.map(|number| ordinal(frames, &key(number))).collect()
}

fn keys(frames: &Frames, people: &[u32]) -> Vec<String> {
    let view = frames.names.consumers.view();
    people.iter().map(|one| view.key(*one).to_owned()).collect()
}

fn expanded(
    frames: &Frames,
    seed: &RoaringBitmap,
    candidates: Option<&RoaringBitmap>,
    as_of: i32,
    size: usize,
) -> Result<Expansion, Refusal> {
    let facts = facts(frames);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
    };
    let ask = Ask {
        as_of: Day(as_of),
        size,
        seed,
        candidates,
    };
    expand(&portrayer, ask, &definitions().parameters)
}

/// Share that bought of the people in the band of `score`, by counting.
fn counted_rate(people: &[(f64, bool)], score: f64) -> f64 {
    let mut scores: Vec<f64> = people.iter().map(|(score, _)| *score).collect();
    scores.sort_by(|one, other| one.partial_cmp(other).unwrap());
    let bands = (scores.len() / 50).clamp(1, 20);
    let begins: Vec<f64> = (1..bands)
        .map(|band| scores[band * scores.len() / bands])
        .filter(|begin| *begin > scores[0])
        .collect();
    let band = |score: f64| begins.iter().filter(|begin| **begin <= score).count();
    let mine: Vec<bool> = people
        .iter()
        .filter(|(other, _)| band(*other) == band(score))
        .map(|(_, bought)| *bought)
        .collect();
    mine.iter().filter(|bought| **bought).count() as f64 / mine.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bands_are_counted(people in proptest::collection::vec((0..40u8, any::<bool>()), 1..1_200), other in 0..45u8) {
        let people: Vec<(f64, bool)> =
            people.into_iter().map(|(score, bought)| (f64::from(score) / 40.0, bought)).collect();
        let bands = Bands::new(&people).unwrap();
        prop_assert!((1..=20).contains(&bands.count()));
        let other = f64::from(other) / 40.0 + 0.01;
        for score in (0..40).map(|score| f64::from(score) / 40.0).chain([other]) {
            prop_assert_eq!(bands.rate(score), counted_rate(&people, score), "{}", score);
        }
    }
}

/// 100 people are cut in two: at 0.9, where the second half begins. Where sixty share the lowest score, the cut would fall
/// among them, and there is none.
#[test]
fn equal_scores_are_in_one_band() {
    let people = |low: usize| -> Vec<(f64, bool)> {
        // Every tenth of the low ones and every fourth of the high ones bought.
        let lows = (0..low).map(|at| (0.1, at % 10 == 0));
        lows.chain((low..100).map(|at| (0.9, at % 4 == 0))).collect()
    };
    let half = Bands::new(&people(50)).unwrap();
    assert_eq!((half.count(), half.rate(0.1), half.rate(0.89)), (2, 0.1, 0.1));
    // 52, 56, … 96: twelve of fifty.
    assert_eq!((half.rate(0.9), half.rate(1.0)), (0.24, 0.24));
    let whole = Bands::new(&people(60)).unwrap();
    // Six of sixty, and 60, 64, … 96: ten of forty.
    assert_eq!((whole.count(), whole.rate(0.1), whole.rate(0.9)), (1, 0.16, 0.16));
    assert_eq!(Bands::new(&[]), None);
}

#[test]
fn a_planted_likeness_is_found_and_the_order_of_facts_changes_nothing() {
    let mut rows = planted();
    let one = frames(&rows);
    let seed = people(&one, is_seed);
    let found = expanded(&one, &seed, None, START, 405).unwrap();
    assert_eq!((found.candidates, found.added.len()), (2_700, 405));
    let added: RoaringBitmap = found.added.iter().copied().collect();
    assert_eq!(
        added,
        people(&one, |number| has_trait(number) && !is_seed(number))
    );
    // About 135 of the 900 others have the trait too, and cannot be told from the seed.
    assert!((0.8..0.99).contains(&found.auc), "{}", found.auc);
    assert!((0.0..=1.0).contains(&found.least_likeness));
    // Two in five against a tenth of all.
    assert!(
        found.expected_conversion > 2.0 * found.base_conversion && found.expected_conversion < 0.5,
        "{} against {}",
        found.expected_conversion,
        found.base_conversion
    );
    assert!((found.importance.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    let strongest = (0..FEATURES.len()).max_by(|a, b| found.importance[*a].total_cmp(&found.importance[*b]));
    assert!(
        ["live_90d", "visits_30d"].contains(&FEATURES[strongest.unwrap()]),
        "{:?}",
        found.importance
    );

    let mut dice = ChaCha8Rng::seed_from_u64(1);
    rows.order_lines.shuffle(&mut dice);
    rows.behaviors.shuffle(&mut dice);
    let other = frames(&rows);
    let again = expanded(&other, &people(&other, is_seed), None, START, 405).unwrap();
    assert_eq!(keys(&other, &again.added), keys(&one, &found.added));
    assert_eq!(
        Expansion {
            added: Vec::new(),
            ..again
        },
        Expansion {
            added: Vec::new(),
            ..found
        }
    );
}

/// The people of some keys with their features on a day.
fn columns(portrayer: &Portrayer<'_>, frames: &Frames, keys: &[String], day: i32) -> Columns {
    portrayer.columns(keys.iter().map(|key| ordinal(frames, key)), Day(day))
}

#[test]
fn every_figure_is_that_of_a_slow_reading() {
    let rows = planted();
    let frames = frames(&rows);
    let facts = facts(&frames);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
    };
    let found = expanded(&frames, &people(&frames, is_seed), None, START, 200).unwrap();
    let keys_of = |seed: bool| -> Vec<String> {
        let numbers = (0..PEOPLE).filter(|number| is_seed(*number) == seed);
        numbers.map(key).collect()
    };
    let (alike, candidates) = (keys_of(true), keys_of(false));
    let mut others = candidates.clone();
    others.sort_by_key(|key| (xxh3_64(key.as_bytes()), key.clone()));
    others.truncate(3 * alike.len());
    others.sort();
    let drawn = alike.into_iter().map(|key| (key, true));
    let (tested, trained): (Vec<_>, Vec<_>) = drawn
        .chain(others.into_iter().map(|key| (key, false)))
        .partition(|(key, _)| xxh3_64_with_seed(key.as_bytes(), 1).is_multiple_of(5));
    let portray = |drawn: Vec<(String, bool)>| -> (Columns, Vec<bool>) {
        let (keys, kinds): (Vec<String>, Vec<bool>) = drawn.into_iter().unzip();
        (columns(&portrayer, &frames, &keys, START), kinds)
    };
    let ((tested, kinds), (trained, trained_kinds)) = (portray(tested), portray(trained));
    let trained = Examples::new(&trained, trained_kinds);

    // Every pair of one of the audience and another.
    let chances = Model::fit(&trained).unwrap().probabilities(&tested);
    let (mut right, mut pairs) = (0.0, 0.0);
    for (one, _) in chances.iter().zip(&kinds).filter(|(_, is_alike)| **is_alike) {
        for (other, _) in chances.iter().zip(&kinds).filter(|(_, is_alike)| !**is_alike) {
            pairs += 1.0;
            right += if one > other {
                1.0
            } else if one == other {
                0.5
            } else {
                0.0
            };
        }
    }
    assert!((found.auc - right / pairs).abs() < 1e-12);

    let model = Model::fit(&trained.and(Examples::new(&tested, kinds))).unwrap();
    assert_eq!(found.importance, model.importance());
    let scores = model.probabilities(&columns(&portrayer, &frames, &candidates, START));
    let mut ranked: Vec<(f64, &String)> = scores.into_iter().zip(&candidates).collect();
    ranked.sort_by(|one, other| {
        other
            .0
            .partial_cmp(&one.0)
            .unwrap()
            .then_with(|| one.1.cmp(other.1))
    });
    ranked.truncate(200);
    let expected: Vec<String> = ranked.iter().map(|(_, key)| (*key).clone()).collect();
    assert_eq!(keys(&frames, &found.added), expected);
    assert_eq!(found.least_likeness, ranked[199].0);

    // All are known 30 days before.
    let before = model.probabilities(&columns(&portrayer, &frames, &candidates, START - 30));
    let raw = Raw::new(&rows, BRAND, chrono_tz::UTC);
    let buyers: BTreeSet<String> = raw
        .purchases()
        .into_iter()
        .filter(|(_, at, ..)| *at > START - 30 && *at <= START)
        .map(|(who, ..)| who)
        .collect();
    let bought = candidates.iter().map(|key| buyers.contains(key));
    let scored: Vec<(f64, bool)> = before.into_iter().zip(bought).collect();
    let base = scored.iter().filter(|(_, bought)| *bought).count() as f64 / scored.len() as f64;
    assert_eq!(found.base_conversion, base);
    let rates = ranked.iter().map(|(score, _)| counted_rate(&scored, *score));
    let mean = rates.sum::<f64>() / 200.0;
    assert!(
        (found.expected_conversion - mean).abs() < 1e-12,
        "{} {mean}",
        found.expected_conversion
    );
}

#[test]
fn only_candidates_outside_the_seed_are_added() {
    let frames = frames(&planted());
    let seed = people(&frames, is_seed);
    let all = expanded(&frames, &seed, None, START, 10_000).unwrap();
    assert_eq!((all.candidates, all.added.len()), (2_700, 2_700));
    assert!(all.added.iter().all(|one| !seed.contains(*one)));
    // 1 500 even numbers, of which 150 are of the seed.
    let even = people(&frames, |number| number % 2 == 0);
    let some = expanded(&frames, &seed, Some(&even), START, 700).unwrap();
    assert_eq!((some.candidates, some.added.len()), (1_350, 700));
    assert!(
        some.added
            .iter()
            .all(|one| even.contains(*one) && !seed.contains(*one))
    );
    let distinct: RoaringBitmap = some.added.iter().copied().collect();
    assert_eq!(distinct.len(), 700);
}

#[test]
fn too_few_people_are_refused() {
    let frames = frames(&planted());
    let seed = people(&frames, is_seed);
    let few = |seed: &RoaringBitmap, candidates: Option<&RoaringBitmap>, as_of: i32| {
        expanded(&frames, seed, candidates, as_of, 10).unwrap_err()
    };
    // 199 people, and five of whom nothing is known.
    let mut small: RoaringBitmap = seed.iter().take(199).collect();
    small.extend((0..5).map(|number| frames.names.consumers.intern(&format!("stranger {number}"))));
    let refusal = few(&small, None, START);
    let told = Refusal::TooFewAlike {
        people: 204,
        found: 199,
        needed: 200,
    };
    assert_eq!(refusal, told);
    assert_eq!(
        refusal.to_string(),
        "something is known of 199 of the 204 people of the audience; the model needs 200: widen the audience"
    );
    let hundred = people(&frames, |number| number % 1_000 >= 900 && number < 1_000);
    let refusal = few(&seed, Some(&hundred), START);
    assert_eq!(
        refusal,
        Refusal::TooFewOthers {
            found: 100,
            needed: 200
        }
    );
    assert_eq!(
        refusal.to_string(),
        "100 candidates are outside the audience; the model needs 200: widen the candidates"
    );
    // Everyone came 140 days before.
    let refusal = few(&seed, None, START - 120);
    assert_eq!(
        refusal,
        Refusal::Unforeseeable {
            day: Day(START - 150)
        }
    );
    assert!(
        refusal
            .to_string()
            .starts_with(&format!("no candidate was known by {}", Day(START - 150)))
    );
}

#[test]
fn one_person_cannot_be_tested() {
    let frames = frames(&planted());
    let facts = facts(&frames);
    let portrayer = Portrayer {
        facts: &facts,
        profiles: &frames.profiles,
        cuts: &Categories::new(&frames.names, None, 2),
    };
    let mut parameters = definitions().parameters;
    parameters.expansion_positives = 1.try_into().unwrap();
    let ask = Ask {
        as_of: Day(START),
        size: 10,
        seed: &people(&frames, |number| number == 0),
        candidates: None,
    };
    let refusal = expand(&portrayer, ask, &parameters).unwrap_err();
    assert_eq!(refusal, Refusal::Untestable { alike: 1, others: 3 });
}

/// People known by their profiles alone can be candidates where they are asked for, and only then teach the model.
#[test]
fn people_of_profiles_count_where_candidates_are_given() {
    let profile = |number: u32| ConsumerProfile {
        consumer: key(number),
        updated_at: instant(START, 0),
        age: Some(if number < 300 { 30 } else { 50 }),
        ..Default::default()
    };
    let rows = FactRows {
        behaviors: vec![act("known", BehaviorKind::Browse, START)],
        consumer_profiles: (0..PEOPLE).map(profile).collect(),
        ..Default::default()
    };
    let frames = frames(&rows);
    let seed = people(&frames, |number| number < 300);
    let told = Refusal::TooFewAlike {
        people: 300,
        found: 0,
        needed: 200,
    };
    assert_eq!(expanded(&frames, &seed, None, START, 10), Err(told));
    // They teach it now, but nobody was known by the day by which conversion is foreseen.
    let everyone = people(&frames, |_| true);
    assert_eq!(
        expanded(&frames, &seed, Some(&everyone), START, 10),
        Err(Refusal::Unforeseeable { day: Day(START - 30) })
    );
}
