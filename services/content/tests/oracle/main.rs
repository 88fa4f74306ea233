//! Naive references, written from the methodology as plain loops over raw facts, against the engine.
#![cfg(test)]

mod facts;
mod naive;
mod start;
mod start_by_hand;
