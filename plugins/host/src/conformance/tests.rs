use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use dualwheel_plugin_sdk::{
    KocModel, KocScores, ParameterAccess, Refusal, StyleScores, StyleTrendModel, Values, koc,
};

use super::*;

/// Odd, so that there is no question of twice half of them that has as many.
const ROWS: usize = 201;

type Answer = Result<Vec<f64>, Refusal>;

/// A model by what it answers, the same in all three columns.
struct Koc<F> {
    description: Description,
    answer: F,
}

impl<F: Fn(&Batch, &Parameters) -> Answer> KocModel for Koc<F> {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn score(&self, batch: &Batch, parameters: &Parameters) -> Result<KocScores, Refusal> {
        let powers = (self.answer)(batch, parameters)?;
        Ok(KocScores {
            content: powers.clone(),
            influence: powers.clone(),
            purchasing: powers,
        })
    }
}

/// A rank that is required, interactions and a match that are not, and a weight.
fn description() -> Description {
    Description::new("model", "1.0.0", "A model.")
        .requires(&koc::rank(koc::FOLLOWERS))
        .takes(koc::INTERACTIONS_30D)
        .takes(koc::MATCH)
        .parameter("weight", "A weight, a ratio.", 0.5, 0.0..=1.0)
}

fn known(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// What a good model answers.
fn good(batch: &Batch, parameters: &Parameters) -> Vec<f64> {
    let weight = parameters.number("weight").unwrap();
    let ranks = batch.require_numbers("followers_rank").unwrap();
    let column = |name: &str, row: usize| batch.numbers(name).map_or(0.0, |values| known(values[row]));
    let score = |(row, rank): (usize, &f64)| {
        let reactions = column(koc::INTERACTIONS_30D, row);
        let power =
            weight * known(*rank) + 10.0 * column(koc::MATCH, row) + 10.0 * reactions / (reactions + 9.0);
        power.clamp(0.0, 100.0)
    };
    ranks.iter().enumerate().map(score).collect()
}

fn koc(answer: impl Fn(&Batch, &Parameters) -> Answer + Send + Sync + 'static) -> Plugin {
    Plugin::native_koc(Koc {
        description: description(),
        answer,
    })
}

/// A good model, but for what `spoil` makes of its answer.
fn spoilt(spoil: impl Fn(&Batch, &mut Vec<f64>) + Send + Sync + 'static) -> Plugin {
    koc(move |batch, parameters| {
        let mut powers = good(batch, parameters);
        spoil(batch, &mut powers);
        Ok(powers)
    })
}

fn failed(plugin: &Plugin) -> Vec<Finding> {
    let findings = examine(plugin, ROWS);
    findings.into_iter().filter(|finding| !finding.holds).collect()
}

/// That just one check fails, in these words.
#[track_caller]
fn fails(plugin: &Plugin, check: &str, words: &[&str]) {
    let failed = failed(plugin);
    let names: Vec<&str> = failed.iter().map(|finding| finding.check).collect();
    assert_eq!(names, [check], "{failed:#?}");
    for word in words {
        assert!(failed[0].found.contains(word), "{word}: {}", failed[0].found);
    }
}

fn bits(batch: &Batch) -> Vec<Vec<u64>> {
    let bits = |column: &dualwheel_plugin_sdk::Column| match &column.values {
        Values::Numbers(numbers) => numbers.iter().map(|number| number.to_bits()).collect(),
        _ => Vec::new(),
    };
    batch.columns.iter().map(bits).collect()
}

#[test]
fn a_good_model_keeps_every_rule() {
    let plugin = spoilt(|_, _| {});
    for rows in [0, 2, 3, 200] {
        let findings = examine(&plugin, rows);
        assert!(findings.iter().all(|finding| finding.holds), "{findings:#?}");
        let names: BTreeSet<&str> = findings.iter().map(|finding| finding.check).collect();
        assert_eq!((findings.len(), names.len()), (16, 16));
    }
    let findings = examine(&plugin, 200);
    let left_out = findings
        .iter()
        .find(|finding| finding.check == "columns left out");
    assert_eq!(
        left_out.unwrap().found,
        "answered without `interactions_30d`, `match`"
    );
}

#[test]
fn what_answers_nothing_is_asked_nothing_else() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let refusing = koc(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Err(Refusal::new("not today"))
    });
    fails(
        &refusing,
        "usual rows",
        &["not today", "PLUGIN_REFUSED", "nothing else was asked"],
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let unknown = spoilt(|_, powers| powers.fill(f64::NAN));
    fails(&unknown, "usual rows", &["NaN", "PLUGIN_BAD_OUTPUT"]);
}

#[test]
fn one_answer_for_all() {
    let constant = spoilt(|_, powers| powers.fill(50.0));
    fails(
        &constant,
        "rows told apart",
        &["`content` 50", "reckon from the columns"],
    );
}

#[test]
fn few_rows() {
    let refuses = |rows: usize| {
        koc(move |batch, parameters| match batch.rows == rows {
            true => Err(Refusal::new("too few")),
            false => Ok(good(batch, parameters)),
        })
    };
    fails(&refuses(0), "no rows", &["too few", "columns without values"]);
    fails(&refuses(1), "one row", &["too few"]);
}

#[test]
fn single_values_and_nothing_known() {
    let intolerant = spoilt(|batch, powers| {
        let Some(matches) = batch.numbers(koc::MATCH) else {
            return;
        };
        let all = matches.iter().all(|value| value.is_nan());
        for (power, value) in powers.iter_mut().zip(matches) {
            *power = if value.is_nan() && !all { f64::NAN } else { *power };
        }
    });
    fails(
        &intolerant,
        "single values unknown",
        &["NaN", "`match` is enough for that", "test for NaN"],
    );
    let lost = koc(|batch, parameters| {
        let ranks = batch.require_numbers("followers_rank")?;
        match ranks.len() > 1 && ranks.iter().all(|rank| rank.is_nan()) {
            true => Err(Refusal::new("nobody is known")),
            false => Ok(good(batch, parameters)),
        }
    });
    fails(&lost, "nothing known", &["nobody is known"]);
}

#[test]
fn columns_that_it_says_it_can_do_without() {
    let needy = koc(|batch, parameters| {
        batch.require_numbers(koc::MATCH)?;
        Ok(good(batch, parameters))
    });
    fails(&needy, "columns left out", &["without `match`", "require it"]);
    let at_least_one = koc(|batch, parameters| match batch.columns.len() {
        1 => Err(Refusal::new("no column left")),
        _ => Ok(good(batch, parameters)),
    });
    fails(
        &at_least_one,
        "columns left out",
        &["`interactions_30d`, `match`"],
    );
}

#[test]
fn zeros() {
    let dividing = spoilt(|batch, powers| {
        let Some(matches) = batch.numbers(koc::MATCH) else {
            return;
        };
        for (power, value) in powers.iter_mut().zip(matches) {
            *power = if *value == 0.0 { 1.0 / value } else { *power };
        }
    });
    fails(
        &dividing,
        "zeros of either sign",
        &["inf", "`match` is enough for that", "division by 0"],
    );
    let signed = spoilt(|batch, powers| {
        let Some(matches) = batch.numbers(koc::MATCH) else {
            return;
        };
        for (power, value) in powers.iter_mut().zip(matches) {
            *power = (*power + f64::from(u8::from(value.is_sign_negative() && !value.is_nan()))).min(100.0);
        }
    });
    fails(&signed, "zeros of either sign", &["another `content`", "add 0.0"]);
}

#[test]
fn huge_numbers() {
    let overflowing = spoilt(|batch, powers| {
        let Some(reactions) = batch.numbers(koc::INTERACTIONS_30D) else {
            return;
        };
        for (power, value) in powers.iter_mut().zip(reactions) {
            *power = if *value > 1e12 { f64::INFINITY } else { *power };
        }
    });
    fails(&overflowing, "huge numbers", &["inf", "clamp"]);
}

#[test]
fn parameters_at_their_bounds() {
    let dividing = koc(|batch, parameters| {
        let weight = parameters.number("weight")?;
        let part = if weight == 0.0 { f64::NAN } else { 0.0 };
        Ok(good(batch, parameters).iter().map(|power| power + part).collect())
    });
    fails(
        &dividing,
        "parameters at their bounds",
        &["with `weight` at its least value", "narrow"],
    );
    let above = koc(|batch, parameters| {
        let factor = if parameters.number("weight")? == 1.0 {
            100.0
        } else {
            1.0
        };
        Ok(good(batch, parameters)
            .iter()
            .map(|power| power * factor)
            .collect())
    });
    fails(
        &above,
        "parameters at their bounds",
        &["at its greatest value", "from 0 to 100"],
    );
    // What makes no sense may be refused.
    let refusing = koc(|batch, parameters| match parameters.number("weight")? == 0.0 {
        true => Err(Refusal::new("nothing weighs")),
        false => Ok(good(batch, parameters)),
    });
    let findings = examine(&refusing, 50);
    assert!(findings.iter().all(|finding| finding.holds), "{findings:#?}");
    assert!(
        findings
            .iter()
            .any(|finding| finding.found.contains("nothing weighs"))
    );
}

#[test]
fn what_is_kept_from_call_to_call() {
    let seen = Mutex::new(BTreeSet::new());
    let keeping = spoilt(move |batch, powers| {
        if batch.rows > FEW && !seen.lock().unwrap().insert(bits(batch)) {
            powers.iter_mut().for_each(|power| *power /= 2.0);
        }
    });
    fails(&keeping, "asked again", &["another `content`", "keep anything"]);
}

#[test]
fn what_depends_on_the_other_rows() {
    let orders = Mutex::new(BTreeMap::new());
    let placed = spoilt(move |batch, powers| {
        let order = bits(batch).concat();
        let mut rows = order.clone();
        rows.sort_unstable();
        if *orders
            .lock()
            .unwrap()
            .entry(rows)
            .or_insert_with(|| order.clone())
            != order
        {
            powers.iter_mut().for_each(|power| *power /= 2.0);
        }
    });
    fails(
        &placed,
        "another order",
        &["another `content`", "nor on its place"],
    );
    let sized = spoilt(|batch, powers| {
        if (2..ROWS).contains(&batch.rows) {
            powers.iter_mut().for_each(|power| *power /= 2.0);
        }
    });
    fails(&sized, "cut at random", &["the rows beside it"]);
    let once = spoilt(|batch, powers| {
        let columns = bits(batch);
        let mut seen = BTreeSet::new();
        for (row, power) in powers.iter_mut().enumerate() {
            let first = seen.insert(columns.iter().map(|column| column[row]).collect::<Vec<_>>());
            *power = if first { *power } else { *power / 2.0 };
        }
    });
    fails(&once, "equal rows", &["equal rows must get equal answers"]);
}

#[test]
fn gaps_that_are_filled_from_other_rows() {
    let filling = spoilt(|batch, powers| {
        let Some(matches) = batch.numbers(koc::MATCH) else {
            return;
        };
        let known: Vec<f64> = matches.iter().copied().filter(|value| !value.is_nan()).collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        for (power, value) in powers.iter_mut().zip(matches) {
            *power = if value.is_nan() {
                (*power + 10.0 * mean).min(100.0)
            } else {
                *power
            };
        }
    });
    let checks: Vec<&str> = failed(&filling).iter().map(|finding| finding.check).collect();
    assert!(checks.contains(&"cut at random"), "{checks:?}");
}

#[test]
fn as_many_questions_as_an_interpreter_bears() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let mut description = koc::COLUMNS
        .iter()
        .flat_map(|column| [(*column).to_owned(), koc::rank(column)])
        .fold(
            Description::new("model", "1.0.0", "A model."),
            |description, column| description.takes(&column),
        );
    for at in 0..64 {
        description = description.parameter(&format!("p{at}"), "A number.", 0.0, -1.0..=1.0);
    }
    let model = Koc {
        description,
        answer: move |batch: &Batch, _: &Parameters| {
            counted.fetch_add(1, Ordering::Relaxed);
            let ranks = batch
                .numbers("reach_rank")
                .map(|ranks| ranks.iter().map(|rank| known(*rank)).collect());
            Ok(ranks.unwrap_or_else(|| vec![0.0; batch.rows]))
        },
    };
    let findings = examine(&Plugin::native_koc(model), ROWS);
    assert!(findings.iter().all(|finding| finding.holds), "{findings:#?}");
    let calls = calls.load(Ordering::Relaxed);
    assert!((30..=40).contains(&calls), "{calls}");
}

struct Heat;

impl StyleTrendModel for Heat {
    fn describe(&self) -> Description {
        Description::new("heat", "1.0.0", "A model.")
            .requires("gmv")
            .takes("style")
            .takes("brand_share")
    }

    fn rank(&self, batch: &Batch, _: &Parameters) -> Result<StyleScores, Refusal> {
        let mut scores = StyleScores::with_capacity(batch.rows);
        for series in batch.require_series("gmv")? {
            let mut known = series.iter().filter(|gmv| gmv.is_finite() && **gmv > 0.0);
            let (first, last) = (known.clone().next(), known.next_back());
            let growth = first
                .zip(last)
                .map_or(0.0, |(first, last)| (last / first - 1.0).clamp(-1.0, 9.0));
            scores.growth.push(growth);
            scores.score.push(10.0 * (growth + 1.0));
        }
        Ok(scores)
    }
}

#[test]
fn models_of_styles_are_examined_too() {
    let findings = examine(&Plugin::native_style_trend(Heat), ROWS);
    assert!(findings.iter().all(|finding| finding.holds), "{findings:#?}");
}
