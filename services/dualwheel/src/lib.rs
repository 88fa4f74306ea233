//! The command line of Dualwheel: serving the mesh, bringing facts in, asking for metrics and diagnosing.
//!
//! [`program`] parses the command line and calls one function per command; each lives in the module of its name.

pub mod answers;
pub mod ask;
pub mod audience;
pub mod cli;
pub mod consumer;
pub mod coverage;
pub mod demo;
pub mod diagnose;
pub mod format;
pub mod generate;
pub mod import;
pub mod index;
pub mod job;
pub mod keys;
pub mod lake;
pub mod mesh;
pub mod migrate;
pub mod models;
pub mod output;
pub mod plugin;
pub mod program;
pub mod registry;
pub mod report;
pub mod serve;
pub mod table;
pub mod target;
mod words;

#[cfg(test)]
mod fixture;
