//! `dualwheel job`: calls made in the background.

use clap::{Args, Subcommand};

use super::Place;

/// `dualwheel job`.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Make any call of one message and one answer as a job
    Start(Start),
    /// List the jobs, newest first
    List(Place),
    /// Show how far a job is; with --json also its answer
    Show(Named),
    /// Follow a job to its end; fails when it failed
    Watch(Named),
    /// End a job
    Cancel(Named),
    /// Delete a job that has ended, and its answer
    Delete(Named),
}

/// `dualwheel job start`.
#[derive(Args, Debug)]
pub struct Start {
    /// The call, for example FindClusters, or dualwheel.consumer.v1.TargetingService/FindClusters
    pub method: String,
    /// Its request in JSON with the contract's field names; `-` reads standard input
    #[arg(default_value = "{}")]
    pub request: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// A job.
#[derive(Args, Debug)]
pub struct Named {
    /// Name of the job, jobs/ID
    pub name: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}
