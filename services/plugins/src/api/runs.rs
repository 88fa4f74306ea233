//! Rows of runs, and replays.

use std::pin::Pin;

use dualwheel_kit::Call;
use dualwheel_plugin_host::output_hash;
use dualwheel_proto::plugin::{GetPluginRunRowsResponse, ReplayPluginRunResponse};
use tokio_stream::Stream;
use tonic::Status;

use super::{Service, convert};
use crate::{Error, load::WIDEST};

/// Bytes of a part of the rows.
const PART: usize = 1 << 20;

/// Parts of the rows of a run.
pub(super) type Rows = Pin<Box<dyn Stream<Item = Result<GetPluginRunRowsResponse, Status>> + Send>>;

impl Service {
    /// The rows of a run as they are kept.
    pub(super) async fn rows(&self, call: &Call, id: &str) -> Result<Rows, Status> {
        let run = self.plugins.runs(call).get(id).await?;
        self.plugins
            .note(call, &run.setting.id, &run.setting.version)
            .await;
        let file = self.plugins.input_file(call, &run).await?;
        let starts = (0..file.len()).step_by(PART);
        let parts: Vec<_> = starts
            .map(|start| {
                let chunk = file.slice(start..file.len().min(start + PART));
                Ok(GetPluginRunRowsResponse { chunk: chunk.into() })
            })
            .collect();
        Ok(Box::pin(tokio_stream::iter(parts)))
    }

    /// Asks the plugin of a run its rows again.
    pub(super) async fn replay(&self, call: &Call, id: &str) -> Result<ReplayPluginRunResponse, Status> {
        let run = self.plugins.runs(call).get(id).await?;
        self.plugins
            .note(call, &run.setting.id, &run.setting.version)
            .await;
        let batches = self.plugins.inputs(call, &run).await?;
        // That it ran shows that the policy of then admitted it.
        let setting = &run.setting;
        let plugin = self
            .plugins
            .load(call, &setting.id, &setting.version, WIDEST)
            .await?;
        let parameters = setting.parameters.clone();
        let examined = self.plugins.examine(call, plugin, move |plugin| {
            let question = plugin.question_of(batches, &parameters)?;
            let answered = plugin.ask_all(&question);
            Ok::<_, dualwheel_plugin_host::Error>((question.input_hash().to_owned(), answered))
        });
        let (hash, answered) = examined.await?.map_err(Error::from)?;
        let mut replayed = ReplayPluginRunResponse {
            same_input: hash == run.input_hash,
            ..Default::default()
        };
        match answered {
            Ok(answer) => {
                replayed.output_hash = output_hash(&answer.scores);
                replayed.same_output = run.failure.is_none() && replayed.output_hash == run.output_hash;
                replayed.fuel = i64::try_from(answer.record.fuel).unwrap_or(i64::MAX);
                replayed.duration_ms = answer.record.duration.as_secs_f64() * 1_000.0;
            }
            Err(error) => {
                let before = run.failure.as_ref().map(|(reason, _)| reason.as_str());
                replayed.same_output = before == Some(error.reason());
                replayed.reason = error.reason().to_owned();
                replayed.fuel = error
                    .guest()
                    .map_or(0, |guest| i64::try_from(guest.fuel).unwrap_or(i64::MAX));
            }
        }
        replayed.run = Some(convert::run(run));
        Ok(replayed)
    }
}
