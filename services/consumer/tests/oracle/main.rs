//! The consumer metrics held against a slow, obvious reading of the methodology, on small random facts and on cases
//! worked by hand. Nothing here uses the engine's code but the calls that are tested.

#![cfg(test)]

mod aipl;
mod audience;
mod audience_naive;
mod audience_random;
mod audience_refused;
mod audience_rough;
mod audience_service;
mod clusters;
mod clusters_service;
mod compare;
mod deletion;
mod edges;
mod edges_grow;
mod expansion;
mod expansion_features;
mod expansion_service;
mod facts;
mod fast;
#[path = "../../../lake/tests/lake/faulty.rs"]
mod faulty;
mod flow;
mod grow;
mod index;
mod journeys;
mod kmeans;
mod models;
mod moves;
mod outlooks;
mod service;
mod sight;
mod sight_house;
mod signals;
mod sources;
mod stops;
mod value;
mod value_fit;
mod winback;
mod world;
