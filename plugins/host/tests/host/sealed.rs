//! Guests that bring a runtime with them, which looks for a world outside.

use dualwheel_plugin_host::{Error, Plugin, Policy, World};
use dualwheel_plugin_sdk::Parameters;

use crate::{ENGINE, GOOD, candidates, guest::Guest, others_are_well};

/// What of WASI a guest of these tests may import, as its packages tell.
const WASI: &str = r"
package wasi:io@0.2.10 {
    interface error { resource error { to-debug-string: func() -> string; } }
    interface poll {
        resource pollable { ready: func() -> bool; block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            read: func(len: u64) -> result<list<u8>, stream-error>;
            blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
            skip: func(len: u64) -> result<u64, stream-error>;
            blocking-skip: func(len: u64) -> result<u64, stream-error>;
            subscribe: func() -> pollable;
        }
        resource output-stream {
            check-write: func() -> result<u64, stream-error>;
            write: func(contents: list<u8>) -> result<_, stream-error>;
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            flush: func() -> result<_, stream-error>;
            blocking-flush: func() -> result<_, stream-error>;
            subscribe: func() -> pollable;
            write-zeroes: func(len: u64) -> result<_, stream-error>;
            blocking-write-zeroes-and-flush: func(len: u64) -> result<_, stream-error>;
            splice: func(src: borrow<input-stream>, len: u64) -> result<u64, stream-error>;
            blocking-splice: func(src: borrow<input-stream>, len: u64) -> result<u64, stream-error>;
        }
    }
}
package wasi:clocks@0.2.10 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
        resolution: func() -> datetime;
    }
    interface monotonic-clock {
        use wasi:io/poll@0.2.10.{pollable};
        type instant = u64;
        type duration = u64;
        now: func() -> instant;
        resolution: func() -> duration;
        subscribe-instant: func(when: instant) -> pollable;
        subscribe-duration: func(when: duration) -> pollable;
    }
}
package wasi:random@0.2.10 {
    interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
    interface insecure { get-insecure-random-bytes: func(len: u64) -> list<u8>; get-insecure-random-u64: func() -> u64; }
    interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
}
package wasi:filesystem@0.2.10 {
    interface types {
        use wasi:io/streams@0.2.10.{input-stream, error};
        enum error-code { access, no-entry }
        resource directory-entry-stream;
        resource descriptor {
            read-via-stream: func(offset: u64) -> result<input-stream, error-code>;
            read-directory: func() -> result<directory-entry-stream, error-code>;
        }
        filesystem-error-code: func(err: borrow<error>) -> option<error-code>;
    }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}
package wasi:cli@0.2.10 {
    interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
        initial-cwd: func() -> option<string>;
    }
    interface exit { exit: func(status: result); }
    interface stdin { use wasi:io/streams@0.2.10.{input-stream}; get-stdin: func() -> input-stream; }
    interface stdout { use wasi:io/streams@0.2.10.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.10.{output-stream}; get-stderr: func() -> output-stream; }
    interface terminal-input { resource terminal-input; }
    interface terminal-output { resource terminal-output; }
    interface terminal-stdin { use terminal-input.{terminal-input}; get-terminal-stdin: func() -> option<terminal-input>; }
    interface terminal-stdout {
        use terminal-output.{terminal-output};
        get-terminal-stdout: func() -> option<terminal-output>;
    }
    interface terminal-stderr {
        use terminal-output.{terminal-output};
        get-terminal-stderr: func() -> option<terminal-output>;
    }
}
";

/// Interfaces of the above.
const INTERFACES: [&str; 20] = [
    "io/error",
    "io/poll",
    "io/streams",
    "clocks/wall-clock",
    "clocks/monotonic-clock",
    "random/random",
    "random/insecure",
    "random/insecure-seed",
    "filesystem/types",
    "filesystem/preopens",
    "cli/environment",
    "cli/exit",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
];

/// Functions: what the fixture calls them, interface, name, type.
const USED: [(&str, &str, &str, &str); 10] = [
    ("random", "random/random", "get-random-u64", "(result i64)"),
    ("now", "clocks/wall-clock", "now", "(param i32)"),
    ("environment", "cli/environment", "get-environment", "(param i32)"),
    ("exit", "cli/exit", "exit", "(param i32)"),
    ("stdin", "cli/stdin", "get-stdin", "(result i32)"),
    ("stdout", "cli/stdout", "get-stdout", "(result i32)"),
    ("stderr", "cli/stderr", "get-stderr", "(result i32)"),
    (
        "directories",
        "filesystem/preopens",
        "get-directories",
        "(param i32)",
    ),
    (
        "read",
        "io/streams",
        "[method]input-stream.read",
        "(param i32 i64 i32)",
    ),
    (
        "write",
        "io/streams",
        "[method]output-stream.blocking-write-and-flush",
        "(param i32 i32 i32 i32)",
    ),
];

/// Every other function of the above, which is only linked: interface, name, type.
const LINKED: [(&str, &str, &str); 33] = [
    ("io/error", "[method]error.to-debug-string", "(param i32 i32)"),
    ("io/poll", "[method]pollable.ready", "(param i32) (result i32)"),
    ("io/poll", "[method]pollable.block", "(param i32)"),
    ("io/poll", "poll", "(param i32 i32 i32)"),
    (
        "io/streams",
        "[method]input-stream.blocking-read",
        "(param i32 i64 i32)",
    ),
    ("io/streams", "[method]input-stream.skip", "(param i32 i64 i32)"),
    (
        "io/streams",
        "[method]input-stream.blocking-skip",
        "(param i32 i64 i32)",
    ),
    (
        "io/streams",
        "[method]input-stream.subscribe",
        "(param i32) (result i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.check-write",
        "(param i32 i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.write",
        "(param i32 i32 i32 i32)",
    ),
    ("io/streams", "[method]output-stream.flush", "(param i32 i32)"),
    (
        "io/streams",
        "[method]output-stream.blocking-flush",
        "(param i32 i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.subscribe",
        "(param i32) (result i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.write-zeroes",
        "(param i32 i64 i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.blocking-write-zeroes-and-flush",
        "(param i32 i64 i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.splice",
        "(param i32 i32 i64 i32)",
    ),
    (
        "io/streams",
        "[method]output-stream.blocking-splice",
        "(param i32 i32 i64 i32)",
    ),
    ("clocks/wall-clock", "resolution", "(param i32)"),
    ("clocks/monotonic-clock", "now", "(result i64)"),
    ("clocks/monotonic-clock", "resolution", "(result i64)"),
    (
        "clocks/monotonic-clock",
        "subscribe-instant",
        "(param i64) (result i32)",
    ),
    (
        "clocks/monotonic-clock",
        "subscribe-duration",
        "(param i64) (result i32)",
    ),
    ("random/random", "get-random-bytes", "(param i64 i32)"),
    ("random/insecure", "get-insecure-random-bytes", "(param i64 i32)"),
    ("random/insecure", "get-insecure-random-u64", "(result i64)"),
    ("random/insecure-seed", "insecure-seed", "(param i32)"),
    (
        "filesystem/types",
        "[method]descriptor.read-directory",
        "(param i32 i32)",
    ),
    (
        "filesystem/types",
        "[method]descriptor.read-via-stream",
        "(param i32 i64 i32)",
    ),
    ("filesystem/types", "filesystem-error-code", "(param i32 i32)"),
    ("cli/environment", "get-arguments", "(param i32)"),
    ("cli/environment", "initial-cwd", "(param i32)"),
    ("cli/terminal-stdin", "get-terminal-stdin", "(param i32)"),
    ("cli/terminal-stdout", "get-terminal-stdout", "(param i32)"),
];

fn component(fixture: &str) -> Vec<u8> {
    let worlds: String = INTERFACES
        .iter()
        .map(|name| format!("import wasi:{name}@0.2.10; "))
        .collect();
    let import = |interface: &str, name: &str, of: &str, r#type: &str| {
        format!("(import \"wasi:{interface}@0.2.10\" \"{name}\" (func {of} {type}))\n")
    };
    let used = USED
        .iter()
        .map(|(of, interface, name, r#type)| import(interface, name, &format!("${of}"), r#type));
    let linked = LINKED
        .iter()
        .map(|(interface, name, r#type)| import(interface, name, "", r#type));
    let contract = |guest: Guest| {
        guest
            .contract("import host;", &format!("import host; {worlds}"))
            .packages(WASI)
    };
    contract(Guest::koc(fixture))
        .importing(&used.chain(linked).collect::<String>())
        .build()
}

fn load(fixture: &str) -> Plugin {
    ENGINE
        .load(&component(fixture), World::KocModel, Policy::SealedWasi)
        .unwrap()
}

#[test]
fn only_where_the_policy_says_so() {
    let component = component("sealed");
    let error = ENGINE
        .load(&component, World::KocModel, Policy::Pure)
        .unwrap_err();
    assert!(
        matches!(&error, Error::WasiRefused { import } if import.starts_with("wasi:")),
        "{error}"
    );
    let plugin = ENGINE
        .load(&component, World::KocModel, Policy::SealedWasi)
        .unwrap();
    assert_eq!((plugin.needs(), GOOD.needs()), (Policy::SealedWasi, Policy::Pure));
    let plain = Guest::koc("plain").build();
    let pure = ENGINE.load(&plain, World::KocModel, Policy::SealedWasi).unwrap();
    assert_eq!(
        pure.needs(),
        Policy::Pure,
        "what it needs, not what it might have had"
    );
    let network = wat::parse_str("(component (import \"wasi:sockets/tcp@0.2.10\" (instance)))").unwrap();
    let error = ENGINE
        .load(&network, World::KocModel, Policy::SealedWasi)
        .unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_IMPORT_REFUSED");
}

#[test]
fn nothing_of_the_world_outside_is_seen() {
    let plugin = load("sealed");
    let run = plugin.score(&candidates(5), &Parameters::new()).unwrap();
    // 2020-01-01T00:00:00Z
    assert_eq!(run.scores.influence, [1.577_836_8; 5]);
    // no variable, no folder, no input
    assert_eq!(run.scores.purchasing, [0.0; 5]);
    assert_eq!(run.record.lines, ["hello", "wor", "to err"]);
}

#[test]
fn random_numbers_differ_within_a_call_and_are_the_same_in_every_call() {
    let (one, other) = (load("sealed"), load("sealed"));
    let runs = [&one, &one, &other].map(|plugin| plugin.score(&candidates(50), &Parameters::new()).unwrap());
    let mut drawn = runs[0].scores.content.clone();
    drawn.sort_by(f64::total_cmp);
    drawn.dedup();
    assert_eq!(drawn.len(), 50);
    for run in &runs[1..] {
        assert_eq!(run.scores, runs[0].scores);
        assert_eq!(
            (run.record.fuel, &run.record.output_hash),
            (runs[0].record.fuel, &runs[0].record.output_hash)
        );
    }
}

#[test]
fn ending_the_process_ends_the_call() {
    let error = load("exit")
        .score(&candidates(5), &Parameters::new())
        .unwrap_err();
    assert!(
        matches!(&error, Error::Trapped { trap, .. } if trap == "the model ended its own process"),
        "{error}"
    );
    others_are_well();
}
