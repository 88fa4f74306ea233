//! Many threads, several models, one of which misbehaves.

use std::thread;

use dualwheel_plugin_host::Plugin;
use dualwheel_plugin_sdk::Parameters;

use crate::{candidates, expected, guest::Guest, koc};

#[test]
fn sixty_four_threads_and_no_wrong_answer() {
    let factors = [1.0, 0.5, 0.25, 0.75, 0.125];
    let good = factors.map(|factor| {
        let guest = Guest::koc("plain").with("f64.const 1)", &format!("f64.const {factor})"));
        (factor, koc(&guest))
    });
    let bad: Vec<(&str, Plugin)> = [
        ("PLUGIN_FUEL_EXHAUSTED", "spin"),
        ("PLUGIN_MEMORY", "memory_hog"),
        ("PLUGIN_TRAPPED", "unreachable"),
        ("PLUGIN_STACK", "recurse"),
        ("PLUGIN_OUTPUT_TOO_LARGE", "huge_output"),
    ]
    .map(|(reason, fixture)| (reason, koc(&Guest::koc(fixture))))
    .into();
    thread::scope(|scope| {
        for thread in 0..64_usize {
            let (good, bad) = (&good, &bad);
            scope.spawn(move || {
                for turn in 0..20 {
                    let (factor, plugin) = &good[(thread + turn) % good.len()];
                    let batch = candidates(1 + (thread * 20 + turn) % 300);
                    let weight = (thread % 8) as f64 / 8.0;
                    let run = plugin
                        .score(&batch, &Parameters::from([("weight".to_owned(), weight)]))
                        .unwrap();
                    assert_eq!(run.scores, expected(&batch, weight, *factor));
                    if turn % 5 == 0 {
                        let (reason, plugin) = &bad[(thread + turn / 5) % bad.len()];
                        let error = plugin.score(&candidates(10), &Parameters::new()).unwrap_err();
                        assert_eq!(error.reason(), *reason);
                    }
                }
            });
        }
    });
}
