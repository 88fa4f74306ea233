//! Makes sure that no run stays unfinished for ever, although processes come and go.

use dualwheel_kit::{
    Call,
    beats::{AtWork, Key},
};
use sea_orm::DatabaseConnection;

use super::{live::LiveRuns, runs::run_to_proto};
use crate::store::{Error, RunTable, Runs};

#[tonic::async_trait]
impl AtWork for LiveRuns {
    type Table = RunTable;

    fn database(&self) -> &DatabaseConnection {
        self.database()
    }

    fn own(&self) -> Vec<Key> {
        self.keys()
    }

    async fn ended_elsewhere(&self, (tenant, id): &Key) -> Result<(), Error> {
        let run = Runs::of(&Call::background(tenant), self.database())
            .get(id)
            .await?;
        if let Ok(run) = run_to_proto(&run) {
            self.end(tenant, id, &run);
        }
        Ok(())
    }
}
