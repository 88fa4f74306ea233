//! Runs partners' models: components of the worlds `koc-model` and `style-trend-model` (`plugins/wit`), sandboxed and
//! bounded.
//!
//! ```text
//! Engine::new(limits, cache) ── load(bytes, world) ──► Plugin ── score / rank ──► Run { scores, record }
//! ```
//!
//! Every call gets an instance of its own from a pool, so that nothing crosses from one call to the next. A call may
//! use so much fuel, time, memory, table, stack and output and no more; a model that asks for more ends its own call
//! with an [`Error`] of a stable [reason](Error::reason), and no other call. The same rows and parameters give the same
//! answer and use the same fuel.

mod answer;
mod batch;
mod cache;
mod call;
mod description;
mod digest;
mod engine;
mod error;
mod gate;
mod inspect;
mod limits;
mod log;
mod meter;
mod plugin;
mod sealed;
mod text;
mod ticker;
mod wire;
mod world;

pub use self::{
    cache::Cache,
    engine::{Engine, Policy},
    error::{Age, Error, Guest},
    limits::{Limits, MOST_ROWS},
    plugin::{Plugin, Record, Run},
    world::{Answer, Kind, Known, World},
};

/// The contract that this host speaks.
pub const CONTRACT: &str = "dualwheel:plugin@1.0.0";
