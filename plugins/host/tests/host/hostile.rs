//! Guests that break down, cheat, or want too much: each ends its own call, with an error that says just why.

use std::{
    thread,
    time::{Duration, Instant},
};

use dualwheel_plugin_host::{Engine, Error, Limits, Policy, World};
use dualwheel_plugin_sdk::Parameters;

use crate::{apart, candidates, fails, guest::Guest, koc, limits, others_are_well};

#[test]
fn an_endless_loop_uses_up_its_fuel() {
    for fixture in ["spin", "spin_after"] {
        let error = fails(&Guest::koc(fixture));
        let Error::Fuel { granted, guest } = error else {
            panic!("{error}")
        };
        assert_eq!((granted, guest.fuel), (limits().fuel(10), granted), "{fixture}");
    }
    let error = koc(&Guest::koc("spin_at_start")).describe().unwrap_err();
    assert!(
        matches!(error, Error::Fuel { granted, .. } if granted == limits().fuel_base),
        "{error}"
    );
    others_are_well();
}

#[test]
fn an_endless_loop_with_much_fuel_meets_the_deadline() {
    let limits = Limits {
        fuel_base: u64::MAX,
        deadline: Duration::from_millis(300),
        ..limits()
    };
    let engine = Engine::new(limits, apart(), None).unwrap();
    let plugin = engine
        .load(&Guest::koc("spin").build(), World::KocModel, Policy::Pure)
        .unwrap();
    plugin.describe().unwrap();
    let started = Instant::now();
    let error = plugin.score(&candidates(1), &Parameters::new()).unwrap_err();
    let elapsed = started.elapsed();
    assert!(
        matches!(error, Error::Deadline { deadline, .. } if deadline == Duration::from_millis(300)),
        "{error}"
    );
    assert_eq!(error.reason(), "PLUGIN_DEADLINE");
    assert!(
        elapsed >= Duration::from_millis(300) && elapsed < Duration::from_secs(5),
        "{elapsed:?}"
    );
    others_are_well();
}

#[test]
fn who_waits_for_endless_loops_is_told_so() {
    let deadline = Duration::from_secs(1);
    let limits = Limits {
        fuel_base: u64::MAX,
        deadline,
        runs: 1,
        ..limits()
    };
    let engine = Engine::new(limits, apart(), None).unwrap();
    let plugin = engine
        .load(&Guest::koc("spin").build(), World::KocModel, Policy::Pure)
        .unwrap();
    plugin.describe().unwrap();
    let reasons = thread::scope(|scope| {
        let call = || {
            plugin
                .score(&candidates(1), &Parameters::new())
                .unwrap_err()
                .reason()
        };
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        calls
            .into_iter()
            .map(|call| call.join().unwrap())
            .collect::<Vec<_>>()
    });
    // One runs, at most one takes its place while the others still have patience.
    let busy = reasons.iter().filter(|reason| **reason == "PLUGIN_BUSY").count();
    let ended = reasons
        .iter()
        .filter(|reason| **reason == "PLUGIN_DEADLINE")
        .count();
    assert!(busy >= 2 && ended >= 1 && busy + ended == 4, "{reasons:?}");
}

#[test]
fn an_endless_description_is_ended_and_stands_in_the_way_of_scoring() {
    let plugin = koc(&Guest::koc("spin_describe"));
    for error in [
        plugin.describe().unwrap_err(),
        plugin.score(&candidates(10), &Parameters::new()).unwrap_err(),
    ] {
        // Without rows there is but the base.
        assert!(
            matches!(error, Error::Fuel { granted, .. } if granted == limits().fuel_base),
            "{error}"
        );
        assert_eq!(error.reason(), "PLUGIN_FUEL_EXHAUSTED");
    }
    others_are_well();
}

#[test]
fn deep_recursion_meets_the_stacks_end() {
    let error = fails(&Guest::koc("recurse"));
    assert!(
        matches!(error, Error::Stack { most, .. } if most == limits().stack_bytes),
        "{error}"
    );
    assert_eq!(error.reason(), "PLUGIN_STACK");
    // As many as are kept, all the same.
    let frames = &error.guest().unwrap().frames;
    assert!(
        frames.len() == 20 && frames.iter().all(|frame| frame.contains("deeper")),
        "{frames:?}"
    );
}

#[test]
fn memory_is_bounded() {
    let error = fails(&Guest::koc("memory_hog"));
    // From two pages on sixteen at a time: 2 + 7 × 16 = 114 fit into 128, 130 do not.
    let Error::Memory { asked, most, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((asked, most), (130 * 65_536, limits().memory_bytes));
}

#[test]
fn tables_are_bounded() {
    let error = fails(&Guest::koc("table_hog"));
    assert_eq!(error.reason(), "PLUGIN_TABLE");
    let Error::Table { asked, most, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(most, limits().table_elements);
    assert!(asked > most && asked <= most + 1_000, "{asked}");
}

#[test]
fn output_is_bounded_also_where_it_repeats_itself() {
    for fixture in ["huge_output", "repeated_output"] {
        let error = fails(&Guest::koc(fixture));
        assert!(
            matches!(error, Error::OutputTooLarge { most, .. } if most == limits().output_bytes),
            "{error}"
        );
        assert_eq!(error.reason(), "PLUGIN_OUTPUT_TOO_LARGE");
    }
}

#[test]
fn wrong_answers_are_told() {
    let value = |value: &str| Guest::koc("value").with("VALUE", value);
    for (guest, told) in [
        (
            Guest::koc("short"),
            "the column `content` has 9 values for 10 rows",
        ),
        (value("nan"), "the column `content` has NaN in row 9"),
        (value("inf"), "the column `content` has inf in row 9"),
        (
            value("100.5"),
            "the column `content` has 100.5 in row 9; it must be from 0 to 100",
        ),
        (
            value("-1"),
            "the column `content` has -1 in row 9; it must be from 0 to 100",
        ),
        (
            Guest::koc("texts"),
            "the column `content` has 10 texts, not numbers",
        ),
        (Guest::koc("renamed"), "the column `content` is missing"),
    ] {
        let error = fails(&guest);
        assert_eq!(error.reason(), "PLUGIN_BAD_OUTPUT");
        assert_eq!(error.to_string(), format!("the model's answer is wrong: {told}"));
    }
    let run = koc(&value("100"))
        .score(&candidates(10), &Parameters::new())
        .unwrap();
    assert_eq!(run.scores.content[9], 100.0);
}

#[test]
fn answers_that_no_contract_has_are_told() {
    for (fixture, told) in [
        ("outside", "out of bounds"),
        ("nowhere", "pointer"),
        ("bad_text", "utf-8"),
        ("bad_line", "utf-8"),
    ] {
        let error = fails(&Guest::koc(fixture));
        assert_eq!(error.reason(), "PLUGIN_BAD_OUTPUT", "{fixture}: {error}");
        assert!(error.to_string().contains(told), "{fixture}: {error}");
    }
}

#[test]
fn a_breakdown_is_told_with_its_place() {
    let error = fails(&Guest::koc("unreachable"));
    assert_eq!(error.reason(), "PLUGIN_TRAPPED");
    assert!(error.to_string().contains("unreachable"), "{error}");
    let frames = &error.guest().unwrap().frames;
    assert!(
        frames[0].contains("inner") && frames[1].contains("score"),
        "{frames:?}"
    );
    let error = fails(&Guest::koc("divide"));
    assert!(
        matches!(&error, Error::Trapped { trap, .. } if trap.contains("divide by zero")),
        "{error}"
    );
    let error = koc(&Guest::koc("data_outside")).describe().unwrap_err();
    assert!(
        matches!(&error, Error::Trapped { trap, .. } if trap.contains("out of bounds memory")),
        "{error}"
    );
    others_are_well();
}

#[test]
fn a_panic_is_told_with_its_message() {
    let error = fails(&Guest::koc("panic"));
    let Error::Trapped { guest, .. } = &error else {
        panic!("{error}")
    };
    let message = "panicked at model.rs:7: index out of bounds";
    assert_eq!(
        (guest.last_line.as_deref(), guest.lines.len()),
        (Some(message), 1)
    );
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn a_refusal_is_told_in_the_models_words() {
    let error = fails(&Guest::koc("refuse"));
    assert!(
        matches!(&error, Error::Refused { message, .. } if message == "no candidate has followers"),
        "{error}"
    );
    assert_eq!(error.reason(), "PLUGIN_REFUSED");
}

#[test]
fn a_flooded_log_keeps_its_beginning_and_costs_fuel() {
    let plugin = koc(&Guest::koc("flood"));
    let record = plugin.score(&candidates(10), &Parameters::new()).unwrap().record;
    // 4 000 bytes hold 80 lines of 50; the 920 others and the goodbye are dropped.
    assert_eq!((record.lines.len(), record.dropped_lines), (80, 921));
    assert!(record.lines.iter().all(|line| line.len() == 50));
    // A unit a byte at least.
    assert!(record.fuel > 50_007, "{}", record.fuel);
    let error = fails(&Guest::koc("flood_for_ever"));
    assert_eq!(error.reason(), "PLUGIN_FUEL_EXHAUSTED");
}

#[test]
fn what_starts_too_large_is_not_loaded() {
    let load = |guest: Guest| {
        crate::ENGINE
            .load(&guest.build(), World::KocModel, Policy::Pure)
            .unwrap_err()
    };
    let error = load(Guest::koc("data_bomb").pages(2_000));
    assert!(
        matches!(error, Error::Memory { asked: 131_072_000, most, .. } if most == limits().memory_bytes),
        "{error}"
    );
    let error = load(Guest::koc("table_bomb"));
    assert!(
        matches!(error, Error::Table { asked: 1_000_000, most, .. } if most == limits().table_elements),
        "{error}"
    );
    others_are_well();
}
