//! End to end: the real program in processes of its own, over real sockets and files.
//!
//! Every test works in a folder of its own. The program is the one that stands beside the tests in the target
//! folder; build it first: `cargo build --profile quick -p dualwheel`.
#![cfg(test)]

mod abandoned;
mod audience;
mod bad_input;
mod bucket;
mod clocks;
mod commands;
mod complete_journey;
mod crash;
mod deletion;
mod demo;
mod diagnosis;
mod discovery;
mod files;
mod full_disk;
mod harness;
mod hostile;
mod identity;
mod import;
mod jobs;
mod mesh;
mod messages;
mod mutated;
mod overload;
mod people;
mod plugin;
mod publisher;
mod registry;
mod requests;
mod rpcs;
mod settings;
mod telemetry;
mod tls;
mod tokens;
mod value;
mod web;
