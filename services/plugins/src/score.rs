//! Questions of the services: asked of the model that is active for the brand, or of the built-in one.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{Call, Failure, Reason, afterwards, work};
use dualwheel_measure::Day;
use dualwheel_plugin_host::{Features, Plugin, Policy};
use dualwheel_plugin_sdk::{Parameters, Values};
use dualwheel_proto::plugin::{ModelFailure, ModelSource, ModelUse, PluginRole};
use tonic::Status;

use crate::{
    Error, Plugins,
    compare::compare,
    run::{Failed, Purpose, Ran},
    store::{Activation, Fallback, Run, Setting},
    worlds,
};

/// A question of a service.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub call: Call,
    /// Brand.
    pub brand: String,
    /// Day as of which the question is.
    pub day: Day,
    /// The tables' versions that the rows were made of.
    pub versions: BTreeMap<String, i64>,
    /// What is asked besides brand, day and facts; the same words for the same question.
    pub subject: String,
    /// The service's own model.
    pub built_in: Plugin,
}

/// Scores, and the model that they are of.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The columns that the world answers, with a value for every row.
    pub columns: Vec<Values>,
    /// The model.
    pub by: ModelUse,
}

/// Facts that a service read as rows for a model.
pub trait Rows {
    /// Every column that the service has of them.
    fn table(&self) -> Arc<Features>;
}

/// An earlier answer to the same question.
pub(crate) struct Earlier {
    pub scored: Scored,
    pub day: Day,
    pub versions: BTreeMap<String, i64>,
    pub table_hash: String,
}

/// What came of a question.
enum Outcome {
    /// Scores of the rows asked about.
    Now(Scored),
    /// The active plugin failed; there may be scores of then.
    Failed(ModelFailure, Option<Box<Earlier>>),
}

impl Plugins {
    /// Asks the model that is active for the brand about `rows`. Where a plugin fails, the brand's fallback answers; where that
    /// is an earlier result, the rows are those of then, which `read` reads for the day and the tables' versions of then. The
    /// shadow is asked beside, after the answer.
    ///
    /// # Errors
    /// When the plugin fails and nothing may stand in, or the registry cannot be read.
    pub async fn score<R, F>(
        &self,
        asked: Asked,
        rows: R,
        read: impl FnOnce(Day, BTreeMap<String, i64>) -> F,
    ) -> Result<(R, Scored), Status>
    where
        R: Rows,
        F: Future<Output = Result<R, Status>>,
    {
        let table = rows.table();
        let (failure, earlier) = match self.outcome(&asked, &table).await? {
            Outcome::Now(scored) => return Ok((rows, scored)),
            Outcome::Failed(failure, earlier) => (failure, earlier),
        };
        if let Some(earlier) = earlier {
            match read(earlier.day, earlier.versions).await {
                Ok(then) if then.table().hash() == earlier.table_hash => return Ok((then, earlier.scored)),
                Ok(_) => tracing::info!("The rows of an earlier result are others by now"),
                Err(error) => {
                    tracing::info!(code = ?error.code(), "The facts of an earlier result cannot be read")
                }
            }
        }
        let source = ModelSource::BuiltInFallback;
        let scored = ask_built_in(&asked, &table, source, Some(failure)).await?;
        Ok((rows, scored))
    }

    async fn outcome(&self, asked: &Asked, table: &Arc<Features>) -> Result<Outcome, Status> {
        let world = worlds::to_proto(asked.built_in.world()) as i32;
        let activations = self.activations(&asked.call);
        let activation = activations
            .current(&asked.brand, world)
            .await
            .map_err(Error::from)?;
        let scored = match &activation.active {
            None => ask_built_in(asked, table, ModelSource::BuiltIn, None).await?,
            Some(setting) => {
                let ran = self
                    .ask(asked, table, &activation, setting, PluginRole::Active)
                    .await;
                let (failure, error) = match ran {
                    Ok(Ran {
                        run,
                        answered: Ok(columns),
                    }) => {
                        let by = used(&run, ModelSource::Plugin, None);
                        let scored = Scored { columns, by };
                        self.give(asked, &run, activation.revision).await;
                        self.shadow(asked, table, activation, &scored);
                        return Ok(Outcome::Now(scored));
                    }
                    Ok(Ran {
                        run,
                        answered: Err(failed),
                    }) => (failure(setting, failed, run.name()), None),
                    Err(error) => {
                        let failed = Failed::told(&error);
                        (failure(setting, failed, String::new()), Some(error))
                    }
                };
                return self.fallen(asked, &activation, failure, error).await;
            }
        };
        self.shadow(asked, table, activation, &scored);
        Ok(Outcome::Now(scored))
    }

    async fn fallen(
        &self,
        asked: &Asked,
        activation: &Activation,
        failure: ModelFailure,
        error: Option<Error>,
    ) -> Result<Outcome, Status> {
        let ModelFailure {
            plugin, reason, run, ..
        } = &failure;
        tracing::warn!(plugin, reason, run, "A plugin failed");
        match activation.fallback {
            Fallback::None => Err(error.map_or_else(|| refused(&failure), Status::from)),
            Fallback::BuiltIn => Ok(Outcome::Failed(failure, None)),
            Fallback::LastGood => {
                let earlier = self.last_good(asked, activation, &failure).await?;
                Ok(Outcome::Failed(failure, earlier.map(Box::new)))
            }
        }
    }

    /// Asks a plugin in a role.
    async fn ask(
        &self,
        asked: &Asked,
        table: &Arc<Features>,
        activation: &Activation,
        setting: &Setting,
        role: PluginRole,
    ) -> Result<Ran, Error> {
        let policy = policy(activation);
        let (call, id, version) = (&asked.call, &setting.id, &setting.version);
        // Nobody waits for the compiler where something else answers at once; a shadow is waited for by nobody.
        let falls_back = role == PluginRole::Active && activation.fallback != Fallback::None;
        let plugin = if falls_back {
            self.load_compiled(call, id, version, policy).await?
        } else {
            self.load(call, id, version, policy).await?
        };
        let (table, parameters, model) = (table.clone(), setting.parameters.clone(), plugin.clone());
        let (question, table_hash) = work::metrics(move || {
            let question = model.question(&table, &parameters);
            (question, table.hash())
        })
        .await?;
        let purpose = Purpose {
            call: asked.call.clone(),
            brand: asked.brand.clone(),
            world: activation.world,
            role,
            setting: setting.clone(),
            subject: asked.subject.clone(),
            day: asked.day,
            versions: asked.versions.clone(),
            table_hash,
            keep_inputs: activation.keep_inputs,
        };
        self.run(purpose, &plugin, question?).await
    }

    /// Asks the shadow the same, beside what is answered, and compares. Left out where as many as may be are under way. The
    /// process does not end before.
    fn shadow(&self, asked: &Asked, table: &Arc<Features>, activation: Activation, given: &Scored) {
        let Some(setting) = activation.shadow.clone() else {
            return;
        };
        let Ok(place) = self.inner.shadows.clone().try_acquire_owned() else {
            return;
        };
        let (plugins, asked, table, given) =
            (self.clone(), asked.clone(), table.clone(), given.columns.clone());
        afterwards::spawn(async move {
            let _place = place;
            let ran = plugins
                .ask_shadow(&asked, &table, &activation, &setting, &given)
                .await;
            if let Err(error) = ran {
                tracing::warn!(%error, "A shadow could not be asked");
            }
        });
    }

    async fn ask_shadow(
        &self,
        asked: &Asked,
        table: &Arc<Features>,
        activation: &Activation,
        setting: &Setting,
        given: &[Values],
    ) -> Result<(), Error> {
        let ran = self
            .ask(asked, table, activation, setting, PluginRole::Shadow)
            .await?;
        let Ok(columns) = ran.answered else { return Ok(()) };
        let names = asked.built_in.world().answers().iter();
        let pairs = names.zip(given.iter().zip(&columns));
        let comparisons: Vec<_> = pairs
            .filter_map(|(answer, columns)| match columns {
                (Values::Numbers(given), Values::Numbers(shadow)) => {
                    Some(compare(answer.name, given, shadow))
                }
                _ => None,
            })
            .collect();
        if comparisons != ran.run.comparisons {
            self.runs(&asked.call).compare(&ran.run.id, &comparisons).await?;
        }
        Ok(())
    }
}

/// What a brand's plugins may import.
pub(crate) fn policy(activation: &Activation) -> Policy {
    if activation.allow_wasi {
        Policy::SealedWasi
    } else {
        Policy::Pure
    }
}

/// The model of a run.
pub(crate) fn used(run: &Run, source: ModelSource, failure: Option<ModelFailure>) -> ModelUse {
    ModelUse {
        source: source.into(),
        model: run.setting.id.clone(),
        version: run.setting.version.clone(),
        plugin: run.setting.plugin(),
        sha256: run.sha256.clone(),
        parameters: run.setting.parameters.clone(),
        run: run.name(),
        input_hash: run.input_hash.clone(),
        failure,
    }
}

async fn ask_built_in(
    asked: &Asked,
    table: &Arc<Features>,
    source: ModelSource,
    failure: Option<ModelFailure>,
) -> Result<Scored, Status> {
    let (model, table) = (asked.built_in.clone(), table.clone());
    let answered = work::metrics(move || {
        let question = model.question(&table, &Parameters::new())?;
        model.ask_all(&question)
    });
    let run = answered.await.map_err(Error::from)?.map_err(Error::from)?;
    Ok(Scored {
        columns: run.scores,
        by: ModelUse {
            source: source.into(),
            model: run.record.name,
            version: run.record.version,
            parameters: run.record.parameters,
            input_hash: run.record.input_hash,
            failure,
            ..ModelUse::default()
        },
    })
}

fn failure(setting: &Setting, failed: Failed, run: String) -> ModelFailure {
    ModelFailure {
        plugin: setting.plugin(),
        reason: failed.reason,
        message: failed.message,
        run,
    }
}

/// A run that failed, as the call's own failure.
fn refused(failure: &ModelFailure) -> Status {
    let reason = Reason::named(&failure.reason).unwrap_or(Reason::Internal);
    Failure::new(reason, &failure.message)
        .with("plugin", &failure.plugin)
        .with("run", &failure.run)
        .into()
}
