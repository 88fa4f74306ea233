//! Many threads, several models, one of which misbehaves; and callers who leave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use dualwheel_plugin_host::{Engine, Error, Limits, Plugin, Policy, World};
use dualwheel_plugin_sdk::Parameters;

use crate::{GOOD, apart, candidates, expected, guest::Guest, koc, limits};

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

/// Neither fuel nor deadline would end the guest within the test, and there is only one place: that every caller gets it
/// shows that the one before was ended.
#[test]
fn a_guest_for_whom_nobody_waits_ends_and_leaves_its_place() {
    let limits = Limits {
        fuel_base: u64::MAX,
        deadline: Duration::from_secs(3_600),
        runs: 1,
        ..limits()
    };
    let engine = Engine::new(limits, apart(), None).unwrap();
    let load = |fixture: &str| {
        let plugin = engine.load(&Guest::koc(fixture).build(), World::KocModel, Policy::Pure);
        plugin.unwrap()
    };
    let batch = candidates(5);
    for fixture in ["spin", "spin_after", "flood_for_ever"] {
        let plugin = load(fixture);
        plugin.describe().unwrap();
        let left = Arc::new(AtomicBool::new(false));
        let stopped = {
            let left = left.clone();
            plugin.until(move || left.load(Ordering::Relaxed))
        };
        thread::scope(|scope| {
            let call = scope.spawn(|| stopped.score(&batch, &Parameters::new()));
            thread::sleep(Duration::from_millis(50));
            assert!(!call.is_finished(), "{fixture}");
            left.store(true, Ordering::Relaxed);
            assert_eq!(call.join().unwrap().unwrap_err(), Error::Stopped, "{fixture}");
        });
        // Nothing begins any more, neither here nor in a model of the host.
        assert_eq!(stopped.score(&batch, &Parameters::new()), Err(Error::Stopped));
    }
    let run = load("plain").score(&batch, &Parameters::new()).unwrap();
    assert_eq!(run.scores, expected(&batch, 0.5, 1.0));
}

#[test]
fn who_stays_gets_the_same_as_who_could_not_leave() {
    let batch = candidates(200);
    let asked = Arc::new(AtomicBool::new(false));
    let patient = {
        let asked = asked.clone();
        GOOD.until(move || {
            asked.store(true, Ordering::Relaxed);
            false
        })
    };
    let (mut one, mut other) = (
        GOOD.answer(&batch, &Parameters::new()).unwrap(),
        patient.answer(&batch, &Parameters::new()).unwrap(),
    );
    (one.record.duration, other.record.duration) = Default::default();
    assert_eq!(one, other);
    assert!(asked.load(Ordering::Relaxed));
}
