//! One question to one plugin: run, or known from before, and recorded.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use dualwheel_kit::{
    Call,
    work::{self, Stop},
};
use dualwheel_measure::Day;
use dualwheel_plugin_host::{Error as Host, Plugin, Question, Record, Run as Answered};
use dualwheel_plugin_sdk::{Batch, Values};
use dualwheel_proto::plugin::PluginRole;
use tracing::Instrument;

use crate::{
    Error, Plugins, kept,
    places::{Owner, Place, Places},
    store::{Run, Setting, runs::new_id},
};

/// Folder of the rows of runs.
const INPUTS: &str = "plugin-inputs";
/// Folder of the answers of runs.
const RESULTS: &str = "plugin-results";
/// Most bytes of either.
const MOST_BYTES: u64 = 1 << 30;
/// Lines of a log that a record keeps.
const LINES: usize = 100;
/// Bytes of an error's words that a record keeps.
const MESSAGE: usize = 2_000;

/// What a run is made for.
#[derive(Clone, Debug)]
pub(crate) struct Purpose {
    pub call: Call,
    pub brand: String,
    pub world: i32,
    pub role: PluginRole,
    pub setting: Setting,
    pub subject: String,
    pub day: Day,
    pub versions: BTreeMap<String, i64>,
    pub table_hash: String,
    pub keep_inputs: bool,
}

/// What came of a run.
pub(crate) struct Ran {
    /// Its record.
    pub run: Run,
    /// The columns answered, or why there are none.
    pub answered: Result<Vec<Values>, Failed>,
}

/// Why a run gave no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub reason: String,
    pub message: String,
}

impl Failed {
    /// What kept a plugin from being asked, as callers may read it; what is internal is logged instead.
    pub(crate) fn told(error: &Error) -> Self {
        let message = if error.is_for_callers() {
            error.to_string()
        } else {
            tracing::error!(%error, "A plugin could not be asked");
            "something went wrong inside; see the server's log".to_owned()
        };
        Self {
            reason: error.reason().to_owned(),
            message,
        }
    }
}

/// Failures that the same question need not meet again.
fn may_pass(reason: &str) -> bool {
    ["PLUGIN_DEADLINE", "PLUGIN_BUSY", "PLUGIN_ENGINE"].contains(&reason)
}

/// The plugin for the job that runs on this thread: its calls end when nobody waits for the job.
fn stoppable(plugin: &Plugin) -> Plugin {
    let stop = Stop::current();
    plugin.until(move || stop.is_told())
}

impl Plugins {
    /// Asks a plugin, unless the brand asked the same component the same before, and records what came of it. Where the
    /// caller leaves before the plugin has answered, the plugin is stopped, and it is as if it had not been asked.
    pub(crate) async fn run(
        &self,
        purpose: Purpose,
        plugin: &Plugin,
        question: Question,
    ) -> Result<Ran, Error> {
        if let Some(ran) = self.known(&purpose, plugin, &question).await? {
            return Ok(ran);
        }
        let begun = Instant::now();
        let place = match purpose.role {
            // It has one already.
            PluginRole::Shadow => None,
            _ => Some(self.place_for_run(&purpose, plugin.sha256()).await?),
        };
        let asked = plugin.clone();
        let (question, answered) = work::held(place, move || {
            let answered = stoppable(&asked).ask_all(&question);
            (question, answered)
        })
        .await?;
        self.inner.measured.ran(answered.is_ok(), begun.elapsed());
        // To its end even where the caller leaves, so that no files are without a record.
        let (plugins, sha256) = (self.clone(), plugin.sha256().to_owned());
        let trace = purpose.call.trace().clone();
        let work = async move { plugins.keep(&purpose, sha256, &question, answered).await };
        tokio::spawn(work.instrument(trace)).await?
    }

    /// Does with a plugin what answers no question, such as a check, until nobody waits for it.
    pub(crate) async fn examine<T: Send + 'static>(
        &self,
        call: &Call,
        plugin: Plugin,
        job: impl FnOnce(&Plugin) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let owner = Owner {
            tenant: call.tenant().to_owned(),
            brand: String::new(),
            sha256: plugin.sha256().to_owned(),
        };
        let place = self.place(&self.inner.checks, owner, "the tenant").await?;
        Ok(work::held(place, move || job(&stoppable(&plugin))).await?)
    }

    async fn place_for_run(&self, purpose: &Purpose, sha256: &str) -> Result<Place, Error> {
        let owner = Owner {
            tenant: purpose.call.tenant().to_owned(),
            brand: purpose.brand.clone(),
            sha256: sha256.to_owned(),
        };
        let of = format!("brand {}", purpose.brand);
        let place = self.place(&self.inner.runs, owner, &of).await;
        place.inspect_err(|_| self.inner.measured.had_no_place())
    }

    async fn place(&self, places: &Places, owner: Owner, of: &str) -> Result<Place, Error> {
        // Longer than a call may take: whose turn is next gets the place of one that goes on to its deadline.
        let deadline = self.inner.engine.limits().deadline;
        let waited = deadline + deadline / 10;
        let place = places.enter(owner, waited).await;
        place.ok_or_else(|| Error::Busy {
            of: of.to_owned(),
            waited,
        })
    }

    async fn keep(
        &self,
        purpose: &Purpose,
        sha256: String,
        question: &Question,
        answered: Result<Answered<Vec<Values>>, Host>,
    ) -> Result<Ran, Error> {
        let mut run = recorded(purpose, sha256, question);
        run.limits = self.limits();
        let lake = self.lake(&purpose.call);
        if purpose.keep_inputs {
            let inputs = kept::encode(question.batches())?;
            lake.put_blob(INPUTS, &run.id, inputs).await?;
            run.has_inputs = true;
        }
        let answered = match answered {
            Ok(answer) => {
                used(&mut run, &answer.record);
                let result = kept::encode(&[kept::of_columns(answer.record.rows, &answer.scores)])?;
                lake.put_blob(RESULTS, &run.id, result).await?;
                run.has_result = true;
                Ok(answer.scores)
            }
            Err(error) => Err(failed(&mut run, &error)),
        };
        self.record(&purpose.call, &run).await?;
        Ok(Ran { run, answered })
    }

    /// What came of the same question before.
    async fn known(
        &self,
        purpose: &Purpose,
        plugin: &Plugin,
        question: &Question,
    ) -> Result<Option<Ran>, Error> {
        let found = self
            .runs(&purpose.call)
            .of_question(
                &purpose.brand,
                purpose.role as i32,
                &purpose.subject,
                plugin.sha256(),
                question.input_hash(),
            )
            .await?;
        // One that was made before the brand wanted rows kept is made once more.
        let Some(run) = found.filter(|run| run.has_inputs || !purpose.keep_inputs) else {
            return Ok(None);
        };
        let answered = match &run.failure {
            Some((reason, _)) if may_pass(reason) || run.limits != self.limits() => return Ok(None),
            Some((reason, message)) => Err(Failed {
                reason: reason.clone(),
                message: message.clone(),
            }),
            None => match self.result(&purpose.call, &run).await? {
                Some(columns) => Ok(columns),
                None => return Ok(None),
            },
        };
        Ok(Some(Ran { run, answered }))
    }

    /// The answer of a run, if it is kept and still what it was.
    pub(crate) async fn result(&self, call: &Call, run: &Run) -> Result<Option<Vec<Values>>, Error> {
        if !run.has_result {
            return Ok(None);
        }
        let Some(bytes) = self.lake(call).blob(RESULTS, &run.id, MOST_BYTES).await? else {
            return Ok(None);
        };
        let columns = kept::decode(&bytes).ok().and_then(kept::columns_of);
        Ok(columns.filter(|columns| dualwheel_plugin_host::output_hash(columns) == run.output_hash))
    }

    /// The rows of a run.
    pub(crate) async fn inputs(&self, call: &Call, run: &Run) -> Result<Vec<Batch>, Error> {
        Ok(kept::decode(&self.input_file(call, run).await?)?)
    }

    /// The same as they are kept.
    pub(crate) async fn input_file(&self, call: &Call, run: &Run) -> Result<Bytes, Error> {
        let not_kept = || Error::NotKept(run.name());
        if !run.has_inputs {
            return Err(not_kept());
        }
        let bytes = self.lake(call).blob(INPUTS, &run.id, MOST_BYTES).await?;
        bytes.ok_or_else(not_kept)
    }

    /// Stands for what plugins may use: with more of it, one that failed may not fail again.
    fn limits(&self) -> String {
        let limits = format!("{:?}", self.inner.engine.limits());
        blake3::hash(limits.as_bytes()).to_hex().to_string()
    }

    async fn record(&self, call: &Call, run: &Run) -> Result<(), Error> {
        let beyond = self.runs(call).add(run).await?;
        let lake = self.lake(call);
        for old in beyond {
            // The record last: while it is there, its files are found again.
            lake.delete_blob(INPUTS, &old.id).await?;
            lake.delete_blob(RESULTS, &old.id).await?;
            self.runs(call).delete(&old.id).await?;
        }
        Ok(())
    }
}

fn recorded(purpose: &Purpose, sha256: String, question: &Question) -> Run {
    Run {
        id: new_id(),
        brand: purpose.brand.clone(),
        world: purpose.world,
        role: purpose.role as i32,
        setting: Setting {
            parameters: question.parameters().clone(),
            ..purpose.setting.clone()
        },
        sha256,
        subject: purpose.subject.clone(),
        day: purpose.day.0,
        versions: purpose.versions.clone(),
        table_hash: purpose.table_hash.clone(),
        rows: i64::try_from(question.rows()).unwrap_or(i64::MAX),
        input_hash: question.input_hash().to_owned(),
        output_hash: String::new(),
        failure: None,
        limits: String::new(),
        micros: 0,
        fuel: 0,
        memory_bytes: 0,
        log: Vec::new(),
        has_inputs: false,
        has_result: false,
        comparisons: Vec::new(),
        given: None,
        made_at: 0,
    }
}

fn used(run: &mut Run, record: &Record) {
    run.output_hash.clone_from(&record.output_hash);
    run.micros = i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX);
    run.fuel = i64::try_from(record.fuel).unwrap_or(i64::MAX);
    run.memory_bytes = i64::try_from(record.memory_bytes).unwrap_or(i64::MAX);
    run.log = record.lines.iter().take(LINES).cloned().collect();
}

fn failed(run: &mut Run, error: &Host) -> Failed {
    let mut message = error.to_string();
    message.truncate(message.floor_char_boundary(MESSAGE));
    if let Some(guest) = error.guest() {
        run.fuel = i64::try_from(guest.fuel).unwrap_or(i64::MAX);
        run.log = guest.lines.iter().take(LINES).cloned().collect();
    }
    run.failure = Some((error.reason().to_owned(), message.clone()));
    Failed {
        reason: error.reason().to_owned(),
        message,
    }
}
