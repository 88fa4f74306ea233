//! The registry over its contract, and questions through it: in process, on a lake and an SQLite file in a folder.
#![cfg(test)]

mod activations;
mod audits;
mod fallbacks;
mod house;
mod places;
mod publications;
mod publishers;
mod publishing;
mod questions;
mod replays;

#[path = "../../../../plugins/host/tests/host/guest.rs"]
#[allow(dead_code, reason = "the tests of the host use all of it")]
mod guest;
