//! Components that would take a compiler's time and memory, or a parser's stack: each is told what it has too much of, by a
//! process that may use little, and nothing else notices.

use std::{
    fs,
    time::{Duration, Instant},
};

use dualwheel_plugin_host::{Apart, Compiler, Engine, Error, Limits, Policy, World};

use crate::{ENGINE, apart, guest::Guest, hostile_files, limits, others_are_well};

/// An engine that admits large files.
fn engine(compiler: Compiler) -> Engine {
    let limits = Limits {
        component_bytes: 64 << 20,
        ..limits()
    };
    Engine::new(limits, compiler, None).unwrap()
}

#[test]
fn hostile_files_are_told_what_they_have_too_much_of() {
    let engine = engine(apart());
    let files = hostile_files::all();
    assert!(files.len() >= 50, "{}", files.len());
    for file in files {
        let error = engine.load_any(&file.bytes, Policy::SealedWasi).unwrap_err();
        let told = error.to_string();
        assert!(
            error.reason() == file.code && told.contains(file.words),
            "{}: {told} ({})",
            file.name,
            error.reason()
        );
    }
    others_are_well();
}

/// A good model with a function more: so many blocks within one another, each of which sets a local and may be left.
fn tangled(block: &str, depth: usize, locals: usize) -> Vec<u8> {
    let local = " i32".repeat(locals);
    let leave = |at: usize| {
        let (set, asked, label) = (at % locals, at * 7 % locals, at % 50 % (depth - at));
        format!("(local.set {set} (i32.const 5)) (br_if {label} (local.get {asked})) end ")
    };
    let left: String = (0..depth).map(leave).collect();
    let function = format!(
        "(func (local{local}) {} {left})",
        format!("{block} ").repeat(depth)
    );
    Guest::koc("plain")
        .with("(func $score", &format!("{function}\n(func $score"))
        .build()
}

/// What the counts admit, and takes much all the same.
#[test]
fn a_process_ends_at_its_bounds() {
    let limit = |memory: u64, seconds: u64, bytes: &[u8]| {
        let program = env!("CARGO_BIN_EXE_dualwheel-plugin-compiler");
        let compiler = Compiler::Apart(Apart::new(program, memory, Duration::from_secs(seconds)));
        match engine(compiler).load_any(bytes, Policy::SealedWasi).unwrap_err() {
            Error::TooComplex { limit, reason } => (limit, reason),
            error => panic!("{error}"),
        }
    };
    assert_eq!(
        limit(4 << 30, 1, &tangled("loop", 1_000, 1_900)),
        (
            "processor time",
            "compiling it takes more than 1 seconds".to_owned()
        )
    );
    let (limit, reason) = limit(512 << 20, 60, &tangled("block", 40_000, 39));
    assert_eq!(limit, "memory", "{reason}");
    others_are_well();
}

#[test]
fn what_is_not_there_to_compile_is_told_as_the_machines_fault() {
    let nobody = Compiler::Apart(Apart::new("/nowhere/at/all", 1 << 30, Duration::from_secs(1)));
    let error = engine(nobody)
        .load(&Guest::koc("plain").build(), World::KocModel, Policy::Pure)
        .unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_ENGINE");
    // Some other program, which answers nothing.
    let other = Compiler::Apart(Apart::new("/bin/true", 1 << 30, Duration::from_secs(1)));
    let error = engine(other)
        .load(&Guest::koc("plain").build(), World::KocModel, Policy::Pure)
        .unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_MALFORMED");
}

/// Processes that compile for this one.
fn compilers() -> usize {
    let itself = std::process::id().to_string();
    let is_ours =
        |stat: &str| stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)) == Some(&itself);
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok())
        .filter(|stat| stat.contains("(dualwheel-plugi)") && is_ours(stat))
        .count()
}

#[test]
fn no_process_is_left_over() {
    // Refused by its imports, while it is being compiled.
    let refused = Guest::koc("plain").version("9.0.0");
    for _ in 0..3 {
        ENGINE
            .load(&refused.build(), World::KocModel, Policy::Pure)
            .unwrap_err();
    }
    // Those of other tests beside this one end, too.
    let begun = Instant::now();
    while compilers() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
}
