//! The service's numbers against a naive second calculation, written from the methodology as plain loops over raw
//! facts; it shares no code with the engine.

#![cfg(test)]

mod api;
mod check;
mod edges;
mod lifecycle;
mod market;
mod price_strength;
mod raw;
mod strangers;
mod style_trend;
mod super_;
