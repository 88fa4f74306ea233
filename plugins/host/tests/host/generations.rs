//! Components of every generation of the contract that was published, in every language: they still load, and answer what
//! they did.

use std::{collections::BTreeMap, time::Duration};

use dualwheel_plugin_host::{Compiler, Engine, Limits, Policy, World};
use dualwheel_plugin_sdk::{Batch, Column, Parameters, Values};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ENGINE, candidates, column, expected, limits};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/generations/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A stored component; it is never built again.
fn stored(name: &str, sha256: &str) -> Vec<u8> {
    let mut bytes = file(name);
    if name.ends_with(".zst") {
        bytes = zstd::decode_all(&*bytes).unwrap();
    }
    let hash: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hash, sha256, "{name} was changed");
    bytes
}

#[test]
fn koc_models_of_1_0_0() {
    let component = stored(
        "1.0.0/koc-model.wasm",
        "5a2be60a2a900f12bbb2f905783894f4c0744f38b86648f95d619df633ab38e4",
    );
    let plugin = ENGINE.load(&component, World::KocModel, Policy::Pure).unwrap();
    let batch = candidates(30);
    let run = plugin
        .score(&batch, &Parameters::from([("weight".to_owned(), 0.75)]))
        .unwrap();
    assert_eq!(run.scores, expected(&batch, 0.75, 1.0));
}

#[test]
fn style_trend_models_of_1_0_0() {
    let component = stored(
        "1.0.0/style-trend-model.wasm",
        "421152cf71366bf849ff72680e1e12f1d182208cc984e43854c6865940b96349",
    );
    let plugin = ENGINE
        .load(&component, World::StyleTrendModel, Policy::Pure)
        .unwrap();
    let batch = Batch {
        rows: 2,
        columns: vec![
            column(
                "gmv",
                Values::Series(vec![vec![100.0, 90.0, 150.0], vec![8.0, 4.0]]),
            ),
            column("style", Values::Texts(["retro", ""].map(str::to_owned).to_vec())),
        ],
    };
    let run = plugin.rank(&batch, &Parameters::new()).unwrap();
    // last ÷ first − 1; 50 + 50 × growth, and nothing for a style without name
    assert_eq!(run.scores.growth, [0.5, -0.5]);
    assert_eq!(run.scores.score, [75.0, 0.0]);
}

/// Rows as columns of JSON, where null is not known.
fn rows(name: &str) -> Batch {
    let columns: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&file(name)).unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let values = |values: &[Value]| match values.iter().find(|value| !value.is_null()) {
        Some(Value::String(_)) => Values::Texts(
            values
                .iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect(),
        ),
        Some(Value::Array(_)) => {
            let series = values
                .iter()
                .map(|series| series.as_array().unwrap().iter().map(number));
            Values::Series(series.map(Iterator::collect).collect())
        }
        _ => Values::Numbers(values.iter().map(number).collect()),
    };
    let columns = columns.iter().map(|(name, given)| Column {
        name: name.clone(),
        values: values(given),
    });
    Batch {
        rows: 40,
        columns: columns.collect(),
    }
}

/// A stored component, with a question that it was asked when it was stored and what it answered then.
struct Stored {
    name: &'static str,
    sha256: &'static str,
    world: World,
    rows: &'static str,
    input_hash: &'static str,
    output_hash: &'static str,
}

const EXAMPLES: [Stored; 4] = [
    Stored {
        name: "1.0.0/koc-affinity.wasm.zst",
        sha256: "6afa51c34e2a8fb3637b7c4e0cf9b0c817e077035ead42c59b6e251eb9589557",
        world: World::KocModel,
        rows: "1.0.0/koc-rows.json",
        input_hash: "35b3709aea21f89c238ae01efabf0745950ed79b787318de284ee702902ae7df",
        output_hash: "6a6da2a86d1ca94640e3298cf129dd22bb1f91f90070833e6168742397c6d9a3",
    },
    Stored {
        name: "1.0.0/koc-python.wasm.zst",
        sha256: "ecdfc05f5a57eb33411cb256f87f2f860f4c77ec395ba290de3533ead99e5a7f",
        world: World::KocModel,
        rows: "1.0.0/koc-rows.json",
        input_hash: "0d3210cb1367b66906eca3d24620adf371855458d0fb4d4770de6dbcfd3d892f",
        output_hash: "8d2133783366b1820f6c8c5d41b1b44698e36595885441614c9414d44af03d23",
    },
    Stored {
        name: "1.0.0/style-momentum.wasm.zst",
        sha256: "d135f5ab181fe1dd4eec60926cf589a61007ed16d9d548eba7003dcaaed158ad",
        world: World::StyleTrendModel,
        rows: "1.0.0/style-trend-rows.json",
        input_hash: "e1667b7b60cf3998ecc4a82875abd87004c0d6ac222533fd296d5b402c3e7792",
        output_hash: "745d7d2070d824c281843dc042493a9dbad24b85bd9ae807a7dd2f9763044eb7",
    },
    Stored {
        name: "1.0.0/style-js.wasm.zst",
        sha256: "92ada80f6b4da15117ddb1fe6f8c9fb2cd0418bc3e24ce6c793c4a7ac586e864",
        world: World::StyleTrendModel,
        rows: "1.0.0/style-trend-rows.json",
        input_hash: "e3ed2410f079d753005240b7be3606974b104fc589d0197cd646f56b47ae22ab",
        output_hash: "327b79ea850caa3ffa7bda7c25cc0805e5fbc76a090013f6786cec3ad553269b",
    },
];

#[test]
fn the_examples_of_1_0_0_in_every_language() {
    // As a service has them by default.
    let limits = Limits {
        fuel_base: 200_000_000,
        fuel_per_row: 500_000,
        deadline: Duration::from_secs(60),
        memory_bytes: 256 << 20,
        table_elements: 100_000,
        instances: 64,
        stack_bytes: 512 << 10,
        output_bytes: 64 << 20,
        rows: 65_536,
        component_bytes: 64 << 20,
        compiled_bytes: 512 << 20,
        ..limits()
    };
    let engine = Engine::new(limits, Compiler::Here, None).unwrap();
    for example in EXAMPLES {
        let component = stored(example.name, example.sha256);
        let plugin = engine.load(&component, example.world, Policy::Pure).unwrap();
        for _ in 0..2 {
            let run = plugin.answer(&rows(example.rows), &Parameters::new()).unwrap();
            assert_eq!(run.record.input_hash, example.input_hash, "{}", example.name);
            assert_eq!(run.record.output_hash, example.output_hash, "{}", example.name);
        }
    }
}
