//! Naive references, written from the methodology as plain loops over raw facts, against the engine.
#![cfg(test)]

mod by_hand;
mod closeness;
mod facts;
mod koc;
mod naive;
mod parts;
mod plus;
