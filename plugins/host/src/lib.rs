//! Runs partners' models: components of the worlds `koc-model`, `style-trend-model` and `hit-model` (`plugins/wit`),
//! sandboxed and bounded.
//!
//! ```text
//! Engine::new(limits, compiler, cache) ── load(bytes, world) ──► Plugin ── score / rank / assess ──► Run { scores, record }
//! ```
//!
//! A component is read and compiled in a [process of its own](Compiler), which may use so much and no more.
//!
//! Every call gets an instance of its own from a pool, so that nothing crosses from one call to the next. A call may
//! use so much fuel, time, memory, table, stack and output and no more; a model that asks for more ends its own call
//! with an [`Error`] of a stable [reason](Error::reason), and no other call. The same rows and parameters give the same
//! answer and use the same fuel.

mod answer;
mod batch;
mod cache;
mod call;
mod compiler;
pub mod conformance;
mod description;
mod digest;
mod engine;
mod error;
mod features;
mod gate;
mod inspect;
mod limits;
mod log;
mod meter;
mod native;
mod plugin;
mod policy;
mod question;
mod runtime;
mod sealed;
mod settings;
mod state;
mod structure;
mod text;
mod ticker;
mod wire;
mod world;

pub use self::{
    cache::Cache,
    compiler::{Apart, Compiler, inspect, run_if_asked},
    description::is_reserved,
    digest::of_output as output_hash,
    engine::{Engine, sha256},
    error::{Age, Error, Guest},
    features::Features,
    limits::{Limits, MOST_ROWS},
    plugin::{Plugin, Record, Run, Scores, scores},
    policy::Policy,
    question::Question,
    world::{Admitted, Answer, Kind, Known, World},
};

/// The newest generation of the contract, which the SDK is of.
pub const CONTRACT: &str = "dualwheel:plugin@1.1.0";
/// Generations of the contract that this host speaks, the oldest first. They differ in the worlds that they have; what
/// crosses between host and guest is the same.
pub const GENERATIONS: [&str; 2] = ["1.0.0", "1.1.0"];
