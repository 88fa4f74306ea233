//! What must stand any bytes at all: a function each, which must not panic, hang or take what it should refuse.
//!
//! `cargo test -p dualwheel-fuzz` replays the seeds and blind changes of them. `tests/run long` builds the same functions for
//! libFuzzer, which looks at what they reach; where cargo-fuzz is installed, `cargo fuzz run fuzz-expression --features fuzz`
//! in this folder does, too.

mod files;

use std::{sync::LazyLock, time::Duration};

use dualwheel_consumer::{DEFINITIONS, Parameters, audience::text};
use dualwheel_kit::{
    access::{Method, named},
    config::Auth,
    identity::Verifier,
    page::{List, Slice},
};
use dualwheel_lake::{ipc, mapping::Mapping};
use dualwheel_measure::Definitions;
use dualwheel_plugin_host::{Compiler, Engine, Limits, Policy};
use prost::Message;
use prost_reflect::DynamicMessage;

pub use files::files;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by name, the name of the folder of its seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("request", request),
    ("expression", expression),
    ("arrow_ipc", arrow_ipc),
    ("mapping", mapping),
    ("definitions", definitions),
    ("plugin", plugin),
    ("inspection", inspection),
    ("page_token", page_token),
    ("token", token),
    ("files", files::files),
];

/// A request of any method: the first byte chooses it. What is read is written, and read as the same again.
///
/// # Panics
/// When it is not.
pub fn request(bytes: &[u8]) {
    let Some((choice, message)) = bytes.split_first() else {
        return;
    };
    let method = Method::all().get(usize::from(*choice) % Method::all().len());
    let Some(path) = method.map(|method| method.path) else {
        return;
    };
    let Some(descriptor) = named::request(path) else {
        return;
    };
    let read = DynamicMessage::decode(descriptor.clone(), message);
    assert_eq!(named::brands(path, message).is_ok(), read.is_ok());
    if let Ok(read) = read {
        let written = read.encode_to_vec();
        let again = DynamicMessage::decode(descriptor, written.as_slice()).map(|again| again.encode_to_vec());
        assert_eq!(again, Ok(written));
    }
}

static PARAMETERS: LazyLock<Option<Parameters>> = LazyLock::new(|| {
    let definitions = Definitions::<Parameters>::shipped(DEFINITIONS).ok()?;
    Some(definitions.parameters.clone())
});

/// The text of an audience expression. What is read is written, and read as the same again.
///
/// # Panics
/// When it is not.
pub fn expression(bytes: &[u8]) {
    let (Ok(given), Some(parameters)) = (std::str::from_utf8(bytes), PARAMETERS.as_ref()) else {
        return;
    };
    if let Ok(read) = text::parse(given, parameters) {
        let written = read.to_string();
        assert_eq!(text::parse(&written, parameters).ok(), Some(read), "{written}");
    }
}

/// A batch as Arrow sends it.
pub fn arrow_ipc(bytes: &[u8]) {
    let _ = ipc::read(bytes);
}

/// A mapping file.
pub fn mapping(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Mapping::parse("fuzz", text);
    }
}

/// A definition file.
pub fn definitions(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Definitions::<Parameters>::shipped(text);
    }
}

static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(|| {
    let limits = Limits {
        fuel_base: 1_000_000,
        fuel_per_row: 1_000,
        deadline: Duration::from_secs(1),
        memory_bytes: 16 << 20,
        runs: 2,
        component_bytes: 1 << 20,
        table_elements: 1_000,
        instances: 8,
        stack_bytes: 256 << 10,
        output_bytes: 1 << 20,
        rows: 100,
        log_lines: 10,
        log_bytes: 1_000,
        compiled_bytes: 16 << 20,
    };
    Engine::new(limits, Compiler::Here, None).ok()
});

/// A plugin's component.
pub fn plugin(bytes: &[u8]) {
    if let Some(engine) = ENGINE.as_ref() {
        let _ = engine.load_any(bytes, Policy::SealedWasi);
    }
}

/// A component as it is read and counted before it is compiled.
pub fn inspection(bytes: &[u8]) {
    let _ = dualwheel_plugin_host::inspect(bytes);
}

/// Page tokens. What is read as a place is written as the same token.
///
/// # Panics
/// When it is not.
pub fn page_token(bytes: &[u8]) {
    let Ok(token) = std::str::from_utf8(bytes) else {
        return;
    };
    let list = List::of("list");
    // As it is, and as that of a list.
    for token in [token, &list.token(token)] {
        if let Some(place) = list.place(token) {
            assert_eq!(list.token(place), token);
        }
        if let Ok(slice) = Slice::read(7, token, "list") {
            let items: Vec<u32> = (0..100).collect();
            let (page, next) = slice.of(&items);
            assert!(page.len() <= 7 && (next.is_empty() || Slice::read(7, &next, "list").is_ok()));
        }
    }
}

/// A bearer's token. No key has signed what is made up, so none is ever taken.
///
/// # Panics
/// When one is.
pub fn token(bytes: &[u8]) {
    static VERIFIER: LazyLock<Option<(Verifier, tokio::runtime::Runtime)>> = LazyLock::new(|| {
        let config = Auth {
            jwks: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/jwks.json").to_owned()),
            ..Auth::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
        Some((Verifier::open(&config).ok()??, runtime))
    });
    if let Some((verifier, runtime)) = VERIFIER.as_ref() {
        assert!(runtime.block_on(verifier.identity(bytes)).is_err());
    }
}
