//! What every Dualwheel service shares at run time.
//!
//! - [`config`]: defaults, a TOML file, the environment and flags, laid on one another
//! - [`telemetry`]: logs on standard error, traces and metrics over OTLP where configured
//! - [`failure`]: one table of reasons, and the [`tonic::Status`] made of them
//! - [`question`] and [`answer`]: the mesh's common question and metric, between contract and domain
//! - [`explain`]: how a metric came about
//! - [`metrics`]: the registry of metric groups, and the service that answers for all of them
//! - [`server`] and [`layers`]: one gRPC server out of several services, over TCP or in memory
//! - [`client`]: channels to other services, deadlines passed on, retries where they are safe
//! - [`call`]: who calls, and what they may; [`access`] and [`identity`] decide it
//! - [`db`]: the operational state's database
//! - [`private`]: folders and files that nobody else may open
//! - [`shared`]: what replicas share through Redis
//! - [`jobs`]: long work as a resource; [`beats`]: nothing that processes work on stays unfinished for ever
//! - [`survive`]: work that goes on although a round of it panicked
//! - [`work`]: work that takes its time, off the threads that serve calls

pub mod access;
pub mod afterwards;
pub mod answer;
pub mod audit;
pub mod beats;
pub mod call;
pub mod client;
pub mod config;
mod connect;
mod cors;
pub mod db;
pub mod explain;
pub mod failure;
pub mod headers;
pub mod identity;
mod jitter;
pub mod jobs;
pub mod layers;
pub mod metrics;
pub mod page;
pub mod private;
pub mod question;
pub mod reload;
pub mod resource;
pub mod server;
pub mod shared;
pub mod store;
pub mod survive;
pub mod telemetry;
pub mod tenant;
mod tls;
pub mod work;

pub use call::Call;
pub use config::Config;
pub use failure::{Failure, Reason, Violations};
pub use question::Question;
pub use server::{MESSAGE_BYTES, Server};
