//! What good guests answer, and what is recorded of it.

use dualwheel_plugin_host::{Engine, Error, Features, Policy, World, scores};
use dualwheel_plugin_sdk::{Batch, HitScores, Parameters, Values};
use proptest::prelude::*;

use crate::{ENGINE, GOOD, apart, candidates, column, expected, guest::Guest, koc, limits};

#[test]
fn describes_itself() {
    let description = GOOD.describe().unwrap();
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("fixture", "1.2.0")
    );
    assert_eq!(description.summary, "A model for tests.");
    let columns: Vec<_> = description
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.required))
        .collect();
    assert_eq!(
        columns,
        [("followers_rank", true), ("interactions_30d_rank", true)]
    );
    let weight = &description.parameters[0];
    assert_eq!(
        (
            weight.name.as_str(),
            weight.least,
            weight.default,
            weight.greatest
        ),
        ("weight", 0.0, 0.5, 1.0)
    );
    assert_eq!((GOOD.world(), GOOD.sha256().len()), (World::KocModel, 64));
}

#[test]
fn a_run_is_recorded() {
    let batch = candidates(20);
    let given = Parameters::from([("weight".to_owned(), 0.25)]);
    let run = GOOD.score(&batch, &given).unwrap();
    assert_eq!(run.scores, expected(&batch, 0.25, 1.0));
    let record = run.record;
    assert_eq!(
        (record.name.as_str(), record.version.as_str(), record.rows),
        ("fixture", "1.2.0", 20)
    );
    assert_eq!(
        (record.plugin_sha256.as_str(), &record.parameters),
        (GOOD.sha256(), &given)
    );
    // Two pages of 65 536 bytes suffice.
    assert_eq!(record.memory_bytes, 131_072);
    assert!(record.fuel > 0 && record.fuel < limits().fuel(20));
    assert!(record.duration > std::time::Duration::ZERO);
    assert!(record.lines.is_empty());
}

#[test]
fn the_same_rows_give_the_same_answer_and_use_the_same_fuel() {
    let component = Guest::koc("plain").build();
    let other = Engine::new(limits(), apart(), None).unwrap();
    let other = other.load(&component, World::KocModel, Policy::Pure).unwrap();
    let figures = |rows: usize, weight: f64| {
        let given = Parameters::from([("weight".to_owned(), weight)]);
        let [one, two] = [&*GOOD, &other].map(|plugin| plugin.score(&candidates(rows), &given).unwrap());
        assert_eq!(one.scores, two.scores);
        assert_eq!(one.record.input_hash, two.record.input_hash);
        assert_eq!(one.record.output_hash, two.record.output_hash);
        assert_eq!(one.record.fuel, two.record.fuel);
        (one.record.fuel, one.record.input_hash, one.record.output_hash)
    };
    let (ten, eleven, twelve) = (figures(10, 0.5), figures(11, 0.5), figures(12, 0.5));
    assert_eq!(ten, figures(10, 0.5));
    // Every further row costs the same.
    assert!(eleven.0 > ten.0);
    assert_eq!(eleven.0 - ten.0, twelve.0 - eleven.0);
    let heavier = figures(10, 0.75);
    assert_eq!(heavier.0, ten.0);
    assert_ne!((&heavier.1, &heavier.2), (&ten.1, &ten.2));
}

#[test]
fn nothing_is_kept_from_one_call_to_the_next() {
    let counter = koc(&Guest::koc("counter"));
    for _ in 0..20 {
        let run = counter.score(&candidates(2), &Parameters::new()).unwrap();
        // Neither a global nor memory remembers an earlier call.
        assert_eq!(run.scores.content, [1.0, 1.0]);
    }
}

#[test]
fn questions_without_rows_differ_by_their_parameters() {
    let nobody = Features::new(0);
    let hash = |weight: f64| {
        let given = Parameters::from([("weight".to_owned(), weight)]);
        let question = GOOD.question(&nobody, &given).unwrap();
        assert_eq!((question.rows(), question.batches().len()), (0, 0));
        question.input_hash().to_owned()
    };
    assert_eq!(hash(0.5), hash(0.5));
    assert_ne!(hash(0.5), hash(0.25));
}

#[test]
fn where_things_lie_in_memory_is_the_same_in_every_call() {
    let component = Guest::koc("address").build();
    let asked = |engine: &Engine| {
        let plugin = engine.load(&component, World::KocModel, Policy::Pure).unwrap();
        let run = plugin.score(&candidates(50), &Parameters::new()).unwrap();
        assert!(run.scores.content.iter().any(|one| *one != run.scores.content[0]));
        run.record.output_hash
    };
    let first = asked(&ENGINE);
    for _ in 0..20 {
        // Other calls come and go meanwhile.
        GOOD.score(&candidates(7), &Parameters::new()).unwrap();
        assert_eq!(asked(&ENGINE), first);
    }
    assert_eq!(asked(&Engine::new(limits(), apart(), None).unwrap()), first);
}

#[test]
fn a_next_call_finds_nothing_in_any_page() {
    // Memory that is all written, in one piece or in hundreds, and that which a larger neighbour left.
    for step in ["64", "8192", "65536"] {
        let [small, large] =
            [32, 100].map(|pages| (pages, Guest::koc("stale").with("STEP", step).pages(pages)));
        for (pages, guest) in [&small, &large, &small, &large] {
            let plugin = koc(guest);
            for _ in 0..5 {
                let run = plugin.score(&candidates(2), &Parameters::new()).unwrap();
                assert_eq!(run.scores.content, [0.0, f64::from(*pages)], "{step}");
            }
        }
    }
}

#[test]
fn texts_and_series_reach_a_style_model() {
    let component = Guest::style("trend").build();
    let plugin = ENGINE
        .load(&component, World::StyleTrendModel, Policy::Pure)
        .unwrap();
    let batch = Batch {
        rows: 4,
        columns: vec![
            column(
                "gmv",
                Values::Series(vec![
                    vec![100.0, 90.0, 150.0],
                    vec![8.0, 4.0],
                    vec![2.0],
                    vec![1.0, 9.0],
                ]),
            ),
            column(
                "style",
                Values::Texts(["轻云", "retro", "", "y2k"].map(str::to_owned).to_vec()),
            ),
        ],
    };
    let run = plugin.rank(&batch, &Parameters::new()).unwrap();
    // last ÷ first − 1
    assert_eq!(run.scores.growth, [0.5, -0.5, 0.0, 8.0]);
    // 50 + 50 × growth within 0 to 100; nothing for a style without name
    assert_eq!(run.scores.score, [75.0, 25.0, 0.0, 100.0]);
}

/// Ranks by growth of so many products.
fn products(ranks: &[f64]) -> Batch {
    Batch {
        rows: ranks.len(),
        columns: vec![column("growth_rank", Values::Numbers(ranks.to_vec()))],
    }
}

#[test]
fn hit_models_answer_a_score_and_a_reason() {
    let component = Guest::hit("hit").build();
    let plugin = ENGINE.load_any(&component, Policy::Pure).unwrap();
    assert_eq!(plugin.world(), World::HitModel);
    let run = plugin
        .assess(&products(&[80.0, 20.0, 50.0]), &Parameters::new())
        .unwrap();
    assert_eq!(run.scores.score, [80.0, 20.0, 50.0]);
    assert_eq!(run.scores.reason, ["GROWTH", "VOLUME", "GROWTH"]);
    // Batches are put together, texts as well as numbers, and the hash is of the whole.
    let parts = vec![products(&[80.0]), products(&[20.0, 50.0])];
    let question = plugin.question_of(parts, &Parameters::new()).unwrap();
    let whole = plugin.ask_all(&question).unwrap();
    assert_eq!(scores::<HitScores>(whole.scores).unwrap(), run.scores);
    assert_eq!(whole.record.output_hash, run.record.output_hash);
    let wrong = plugin.rank(&products(&[1.0]), &Parameters::new()).unwrap_err();
    assert_eq!(wrong.reason(), "PLUGIN_WRONG_WORLD");
}

#[test]
fn reasons_are_codes() {
    for (from, to, told) in [
        ("GROWTHVOLUME", "growthVOLUME", "`growth` in row 0"),
        ("GROWTHVOLUME", "GROWTH VOLUM", "` VOLUM` in row 1"),
    ] {
        let component = Guest::hit("hit").with(from, to).build();
        let plugin = ENGINE.load(&component, World::HitModel, Policy::Pure).unwrap();
        let error = plugin
            .assess(&products(&[80.0, 20.0]), &Parameters::new())
            .unwrap_err();
        assert_eq!(error.reason(), "PLUGIN_BAD_OUTPUT");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn rows_may_be_none_and_no_more_than_admitted() {
    let run = GOOD.score(&candidates(0), &Parameters::new()).unwrap();
    assert!(run.scores.content.is_empty());
    let most = limits().rows;
    assert_eq!(
        GOOD.score(&candidates(most), &Parameters::new())
            .unwrap()
            .scores
            .influence
            .len(),
        most
    );
    let told = GOOD.score(&candidates(most + 1), &Parameters::new()).unwrap_err();
    assert_eq!(told.reason(), "PLUGIN_INPUT");
}

#[test]
fn what_is_asked_is_checked_before_the_model_is_called() {
    let mut lacking = candidates(3);
    lacking.columns.remove(0);
    let told = GOOD.score(&lacking, &Parameters::new()).unwrap_err();
    assert!(
        matches!(&told, Error::Input { name, .. } if name == "interactions_30d_rank"),
        "{told}"
    );
    let given = Parameters::from([("weight".to_owned(), 1.5)]);
    let told = GOOD.score(&candidates(3), &given).unwrap_err();
    assert_eq!(told.to_string(), "`weight` is 1.5, but must be from 0 to 1");
    let told = GOOD.rank(&candidates(3), &Parameters::new()).unwrap_err();
    assert_eq!(told.reason(), "PLUGIN_WRONG_WORLD");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_ranks_are_scored_as_rust_would(
        rows in prop::collection::vec((0.0..=100.0, 0.0..=100.0), 0..200),
        weight in 0.0..=1.0,
    ) {
        let (a, b): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
        let rows = a.len();
        let columns =
            vec![column("followers_rank", Values::Numbers(a)), column("interactions_30d_rank", Values::Numbers(b))];
        let batch = Batch { rows, columns };
        let run = GOOD.score(&batch, &Parameters::from([("weight".to_owned(), weight)])).unwrap();
        prop_assert_eq!(run.scores, expected(&batch, weight, 1.0));
    }
}
