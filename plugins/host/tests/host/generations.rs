//! Components of every generation of the contract that was published: they still load, and answer what they did.

use dualwheel_plugin_host::{Policy, World};
use dualwheel_plugin_sdk::{Batch, Parameters, Values};
use sha2::{Digest, Sha256};

use crate::{ENGINE, candidates, column, expected};

/// A stored component; it is never built again.
fn stored(name: &str, sha256: &str) -> Vec<u8> {
    let path = format!("{}/tests/generations/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
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
