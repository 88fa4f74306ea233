//! Sees to it that no run stays unfinished for ever, although processes come and go.

use dualwheel_kit::beats::{AtWork, Key};

use super::{live::LiveRuns, runs::run_to_proto};
use crate::store::{self, Error, Runs};
use dualwheel_kit::Call;

/// What a run's caller reads.
const STOPPED: &str = "the service was stopped while this run was working; resume it";

#[tonic::async_trait]
impl AtWork for LiveRuns {
    const NAME: &'static str = "runs";

    fn own(&self) -> Vec<Key> {
        self.keys()
    }

    async fn beat(&self, own: &[Key]) -> Result<(), Error> {
        store::beat(self.database(), own).await
    }

    async fn beats(&self) -> Result<Vec<(Key, i64)>, Error> {
        store::beats(self.database()).await
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

    async fn interrupt(&self, key: &Key, beats: i64) -> Result<bool, Error> {
        store::interrupt_abandoned(self.database(), key, beats, STOPPED).await
    }
}
