//! Audience expressions against brute force over raw facts, and their readable form against itself.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::audience::{
    Expression, Sight, World as Basis, check, evaluate,
    evaluate::needs_facts,
    text,
    traits::{Trait, portrait},
};
use dualwheel_consumer::facts::Facts;
use proptest::prelude::*;
use roaring::RoaringBitmap;

use crate::{
    audience_naive::Naive,
    audience_random::expression,
    facts::Raw,
    world::{World, cells, definitions, facts, world},
};

fn everyone(raw: &Raw) -> BTreeSet<String> {
    let profiled = raw.profiles.iter().map(|profile| profile.consumer.clone());
    raw.consumers().into_iter().chain(profiled).collect()
}

/// Two audiences that expressions may name.
fn saved() -> BTreeMap<String, BTreeSet<String>> {
    let people = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    BTreeMap::from([
        ("spring".to_owned(), people(&["c1", "c3", "c5", "c7"])),
        ("vip-2".to_owned(), people(&["c0", "c1", "c2"])),
    ])
}

fn found(
    world: &World,
    expression: &Expression,
    by_index: bool,
) -> (BTreeSet<String>, Vec<BTreeSet<String>>, Vec<u64>) {
    let (frames, raw, definitions) = (world.frames(), world.raw(), definitions());
    let saved = saved();
    let ordinals = |people: &BTreeSet<String>| -> RoaringBitmap {
        people
            .iter()
            .map(|who| frames.names.consumers.intern(who))
            .collect()
    };
    let audiences = saved
        .iter()
        .map(|(id, people)| (id.clone(), ordinals(people)))
        .collect();
    let facts = facts(&frames);
    let cells = by_index.then(|| cells(&facts));
    // What the index answers must not need the facts.
    let roles = Facts::of_roles(facts.members.clone()).unwrap();
    let alone = by_index && !needs_facts(expression, &definitions.parameters);
    let basis = Basis {
        index: cells.as_ref(),
        facts: if alone { &roles } else { &facts },
        profiles: Some(&frames.profiles),
        forecasts: &[],
        audiences: &audiences,
        parameters: &definitions.parameters,
        as_of: world.as_of,
        sight: &Sight::whole(),
    };
    let got = evaluate(expression, &basis);
    let keys = frames.names.consumers.view();
    let people = got
        .people
        .iter()
        .map(|consumer| keys.key(consumer).to_owned())
        .collect();
    let naive = Naive {
        raw: &raw,
        as_of: world.as_of.0,
        parameters: &definitions.parameters,
        audiences: &saved,
    };
    let mut all = everyone(&raw);
    all.extend(saved.values().flatten().cloned());
    let of = |expression: &Expression| -> BTreeSet<String> {
        all.iter()
            .filter(|who| naive.belongs(expression, who))
            .cloned()
            .collect()
    };
    let mut expected = vec![of(expression)];
    expected.extend(
        expression
            .terms()
            .into_iter()
            .map(|term| of(&Expression::Term(term.clone()))),
    );
    (people, expected, got.terms)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn an_expression_has_the_people_of_brute_force(world in world(), expression in expression()) {
        for term in expression.terms() {
            prop_assert_eq!(check::term(term, &definitions().parameters), vec![], "{}", term);
        }
        for by_index in [false, true] {
            let (people, expected, terms) = found(&world, &expression, by_index);
            prop_assert_eq!(&people, &expected[0], "{} on {}, by index: {}", expression, world.as_of, by_index);
            let sizes: Vec<u64> = expected[1..].iter().map(|people| people.len() as u64).collect();
            prop_assert_eq!(terms, sizes, "{}, by index: {}", expression, by_index);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_is_read_as_it_was_written(expression in expression()) {
        let text = expression.to_string();
        let read = text::parse(&text, &definitions().parameters);
        prop_assert_eq!(read, Ok(expression), "{}", text);
    }
}

#[test]
fn texts_group_from_left_to_right() {
    let parameters = definitions().parameters;
    let read = |text: &str| text::parse(text, &parameters).unwrap();
    let same = |one: &str, other: &str| assert_eq!(read(one), read(other), "{one} and {other}");
    same(
        "stage(A) and stage(I) and not stage(P) and stage(L)",
        "((stage(A) and stage(I)) and not stage(P)) and stage(L)",
    );
    same(
        "stage(A) or stage(I) and stage(P)",
        "stage(A) or (stage(I) and stage(P))",
    );
    same("stage( A )", "stage(A)");
    same("((stage(A)))", "stage(A)");
    same(
        "behavior(CART, last 7 days)",
        "behavior(CART, last 7 days, measure: count) >= 1",
    );
    same("stage(A1, model: \"o5a\")", "stage(A1, model: o5a)");
    same("stage(A, model: aipl)", "stage(A)");
}

#[test]
fn a_wrong_text_is_refused_at_its_place() {
    let parameters = definitions().parameters;
    let refused = |text: &str| text::parse(text, &parameters).unwrap_err();
    for (text, line, column, part) in [
        ("", 1, 1, "expected a term"),
        ("stage(A) and", 1, 13, "expected"),
        ("stage(A) nor stage(P)", 1, 10, "`or`"),
        ("stage(X)", 1, 1, "one of A, I, P, L"),
        ("stage(A)\n  and stagge(P)", 2, 7, "stagge is no term"),
        ("stage(A, colour: red)", 1, 10, "does not take colour"),
        ("stage(A, on: 2026-02-30)", 1, 14, "no such day"),
        ("flow(A -> B, last 30 days)", 1, 1, "one of OUT"),
        ("flow(OUT -> OUT, last 30 days)", 1, 1, "not OUT"),
        ("flow(A -> P)", 1, 1, "needs days"),
        ("behavior(KART, last 3 days)", 1, 10, "\"KART\" is not a kind"),
        ("behavior(last 3 days) >= 1.5", 1, 26, "a whole number"),
        (
            "behavior(last 3 days) in 5..2",
            1,
            1,
            "lowest is above the highest",
        ),
        ("behavior(last 0 days)", 1, 1, "1 to 3660"),
        ("behavior(last 3 days, measure: recency)", 1, 1, "required"),
        (
            "behavior(2026-03-02..2026-03-01)",
            1,
            1,
            "first day is after the last",
        ),
        (
            "purchase(gmv, last 3 days) >= 1",
            1,
            1,
            "\"gmv\" is none of net_gmv",
        ),
        ("purchase(net_gmv, last 3 days)", 1, 1, "required"),
        (
            "purchase(net_gmv, last 3 days) >= 0.00001",
            1,
            35,
            "four decimals",
        ),
        ("profile(age) = female", 1, 16, "a number"),
        ("profile(gender) >= 3", 1, 17, "words"),
        ("profile(gender) = femail", 1, 1, "\"femail\" is none of female"),
        ("profile(height) >= 3", 1, 1, "\"height\" is none of age"),
        ("role(king)", 1, 6, "\"king\" is not a role"),
        (
            "predicted(luck) >= 1",
            1,
            1,
            "\"luck\" is none of alive_probability",
        ),
        ("label(a | b)", 1, 7, "one only"),
        ("label(a) >= 3", 1, 10, "measures nothing"),
        ("koc(sharer)", 1, 1, "membership service"),
        ("label(\"a)", 1, 7, "expected"),
    ] {
        let error = refused(text);
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_text_over_the_limits_is_refused() {
    let parameters = definitions().parameters;
    let refused = |text: &str| text::parse(text, &parameters).unwrap_err().message;
    let deep = |levels: usize| format!("{}stage(A){}", "(".repeat(levels), ")".repeat(levels));
    assert!(
        text::parse(&deep(60), &parameters).is_ok(),
        "parentheses alone are no depth"
    );
    assert!(refused(&deep(100_000)).contains("bytes"));
    assert!(refused(&deep(30_000)).contains("deep"));
    let nested = (0..40).fold("stage(A)".to_owned(), |inner, level| {
        let word = if level % 2 == 0 { "and" } else { "or" };
        format!("stage(I) {word} ({inner})")
    });
    assert!(refused(&nested).contains("32 deep"), "{}", refused(&nested));
    assert!(refused(&vec!["stage(A)"; 101].join(" or ")).contains("101 terms"));
    assert!(text::parse(&vec!["stage(A)"; 100].join(" or "), &parameters).is_ok());
}

/// Labels and ages are enough: the other traits are read from one field each.
#[test]
fn traits_are_told_by_their_tgi() {
    let profile = |number: usize, age: i32, labels: &[&str]| dualwheel_proto::facts::ConsumerProfile {
        consumer: format!("c{number}"),
        updated_at: crate::world::instant(crate::world::START, 0),
        age: Some(age),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..Default::default()
    };
    // 100 people: 60 are 20 years old, 40 are 45. Of the young 45 love tea, of the others 5; ten more have no label but
    // another.
    let people = (0..100).map(|number| match number {
        0..45 => profile(number, 20, &["tea"]),
        45..60 => profile(number, 20, &[]),
        60..65 => profile(number, 45, &["tea"]),
        65..75 => profile(number, 45, &["coffee"]),
        _ => profile(number, 45, &[]),
    });
    let rows = dualwheel_proto::facts::FactRows {
        consumer_profiles: people.collect(),
        ..Default::default()
    };
    let world = crate::edges::world(rows);
    let (frames, definitions) = (world.frames(), definitions());
    let ordinal = |number: usize| frames.names.consumers.find(&format!("c{number}")).unwrap();
    let all: RoaringBitmap = (0..100).map(ordinal).collect();
    let audience: RoaringBitmap = (0..40).chain(60..80).map(ordinal).collect();
    let traits = [Trait::Age, Trait::Label];
    let got = portrait(
        &frames.profiles,
        &audience,
        &all,
        &traits,
        &Sight::whole(),
        &definitions.parameters,
    );
    let told: Vec<_> = got
        .indices
        .iter()
        .map(|one| {
            (
                one.value.as_str(),
                one.people,
                one.known,
                one.base_people,
                one.base_known,
            )
        })
        .collect();
    // 20 of 45 years are below the 30 of min_cell.
    assert_eq!(told, [("18-24", 40, 60, 60, 100), ("tea", 45, 55, 50, 60)]);
    let tgi: Vec<f64> = got.indices.iter().filter_map(|one| one.tgi).collect();
    // 100 · (40/60) ÷ (60/100) and 100 · (45/55) ÷ (50/60).
    assert!(
        (tgi[0] - 111.111_111).abs() < 1e-5 && (tgi[1] - 98.181_818).abs() < 1e-5,
        "{tgi:?}"
    );
    let (low, high) = got.indices[0].interval.unwrap();
    // Wilson of 40 of 60: .5406 to .7727.
    assert!(
        (low - 54.06 / 0.6).abs() < 0.02 && (high - 77.27 / 0.6).abs() < 0.02,
        "{low} {high}"
    );
    assert_eq!(
        got.withheld.into_iter().collect::<Vec<_>>(),
        [(Trait::Age, 1), (Trait::Label, 1)]
    );
}
