//! A plugin, and what running it gives.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use dualwheel_plugin_sdk::{Batch, Description, KocScores, Parameters, StyleScores};

use crate::{
    answer, batch,
    call::{Compiled, Used, call},
    description, digest,
    engine::{Engine, Policy},
    error::Error,
    text::tidy,
    wire::{Given, GivenDescription, Question, SentBatch},
    world::{Answer, KOC_ANSWERS, STYLE_ANSWERS, World},
};

/// Bytes of a guest's own error that are passed on.
const REFUSAL: usize = 1_000;

/// A model of a partner, ready to run. Cheap to clone; any number of threads may call it at once.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    world: World,
    needs: Policy,
    sha256: String,
    compiled: Compiled,
    description: OnceLock<Description>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { world, sha256, .. } = &*self.inner;
        formatter
            .debug_struct("Plugin")
            .field("world", world)
            .field("sha256", sha256)
            .finish_non_exhaustive()
    }
}

/// What a model answered, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<S> {
    /// What it answered.
    pub scores: S,
    /// How it came about.
    pub record: Record,
}

/// How an answer came about: enough to ask again and get the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// SHA-256 of the component, in lower-case hexadecimal.
    pub plugin_sha256: String,
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Every parameter of the model, with the value that it had.
    pub parameters: Parameters,
    /// Rows.
    pub rows: usize,
    /// BLAKE3 of the rows' number, the columns sent and the parameters, in hexadecimal.
    pub input_hash: String,
    /// BLAKE3 of the columns answered, in hexadecimal.
    pub output_hash: String,
    /// Wall-clock time that the call took.
    pub duration: Duration,
    /// Fuel that the call used; the same for the same input.
    pub fuel: u64,
    /// The most bytes of memory that the instance had.
    pub memory_bytes: u64,
    /// Lines that the model logged.
    pub lines: Vec<String>,
    /// Lines that were dropped because the log's budget was used up.
    pub dropped_lines: u64,
}

impl Plugin {
    pub(crate) fn new(
        engine: Engine,
        world: World,
        needs: Policy,
        sha256: String,
        compiled: Compiled,
    ) -> Self {
        let description = OnceLock::new();
        Self {
            inner: Arc::new(Inner {
                engine,
                world,
                needs,
                sha256,
                compiled,
                description,
            }),
        }
    }

    /// The world that it implements.
    #[must_use]
    pub fn world(&self) -> World {
        self.inner.world
    }

    /// The strictest policy under which it runs.
    #[must_use]
    pub fn needs(&self) -> Policy {
        self.inner.needs
    }

    /// SHA-256 of the component, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// What the model is and needs. The guest is asked once, the first time, under the limits of a call without rows.
    ///
    /// # Errors
    /// When the call fails, or what the model says is not admitted.
    pub fn describe(&self) -> Result<&Description, Error> {
        if let Some(description) = self.inner.description.get() {
            return Ok(description);
        }
        let Inner {
            engine,
            world,
            compiled,
            ..
        } = &*self.inner;
        let ((given,), _) = call::<(), (GivenDescription,)>(engine, compiled, &compiled.describe, 0, ())?;
        let description = description::check(*world, given)?;
        Ok(self.inner.description.get_or_init(|| description))
    }

    /// Scores candidates with a `koc-model`. Columns that the model did not ask for are not sent; parameters that are
    /// not given have the model's own values. Takes the calling thread for as long as the model computes, and waits
    /// before that where all runs that are admitted are under way: an asynchronous caller gives it a thread of its own.
    ///
    /// # Errors
    /// When this is a plugin of another world, a column or a parameter is wrong, the call fails, or what the model
    /// answers is wrong.
    pub fn score(&self, batch: &Batch, parameters: &Parameters) -> Result<Run<KocScores>, Error> {
        self.check_world(World::KocModel)?;
        let ([content, influence, purchasing], record) = self.run(&KOC_ANSWERS, batch, parameters)?;
        Ok(Run {
            scores: KocScores {
                content,
                influence,
                purchasing,
            },
            record,
        })
    }

    /// Ranks styles with a `style-trend-model`; otherwise as [`score`](Self::score).
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn rank(&self, batch: &Batch, parameters: &Parameters) -> Result<Run<StyleScores>, Error> {
        self.check_world(World::StyleTrendModel)?;
        let ([growth, score], record) = self.run(&STYLE_ANSWERS, batch, parameters)?;
        Ok(Run {
            scores: StyleScores { growth, score },
            record,
        })
    }

    fn check_world(&self, wanted: World) -> Result<(), Error> {
        if self.inner.world == wanted {
            return Ok(());
        }
        Err(Error::WrongWorld {
            wanted,
            found: format!("a {}", self.inner.world),
        })
    }

    /// Asks the model about a batch; the same for every world.
    fn run<const N: usize>(
        &self,
        answers: &[Answer; N],
        batch: &Batch,
        given: &Parameters,
    ) -> Result<([Vec<f64>; N], Record), Error> {
        let Inner {
            engine,
            world,
            compiled,
            ..
        } = &*self.inner;
        let description = self.describe()?;
        let columns = batch::columns(*world, description, batch, engine.limits().rows)?;
        let parameters = batch::parameters(description, given)?;
        let sent = batch::in_order(description, &parameters);
        let input_hash = digest::of_input(batch.rows, &columns, &sent);
        // At most 65 536, which was checked.
        let rows = u32::try_from(batch.rows).unwrap_or(u32::MAX);
        let question: Question<'_> = (
            SentBatch {
                rows,
                columns: &columns,
            },
            &sent,
        );
        let ((answer,), used) =
            call::<Question<'_>, Given>(engine, compiled, &compiled.answer, batch.rows, question)?;
        let columns = match answer {
            Ok(columns) => columns,
            Err(message) => {
                let message = tidy(&message, REFUSAL);
                return Err(Error::Refused {
                    message,
                    guest: used.into_guest(),
                });
            }
        };
        match answer::check(answers, batch.rows, columns) {
            Ok(columns) => {
                let record = self.record(description, parameters, batch.rows, input_hash, &columns, used);
                Ok((columns, record))
            }
            Err(reason) => Err(Error::BadOutput {
                reason,
                guest: used.into_guest(),
            }),
        }
    }

    fn record(
        &self,
        description: &Description,
        parameters: Parameters,
        rows: usize,
        input_hash: String,
        columns: &[Vec<f64>],
        used: Used,
    ) -> Record {
        Record {
            plugin_sha256: self.inner.sha256.clone(),
            name: description.name.clone(),
            version: description.version.clone(),
            parameters,
            rows,
            input_hash,
            output_hash: digest::of_output(columns),
            duration: used.duration,
            fuel: used.fuel,
            memory_bytes: used.memory_bytes,
            lines: used.lines,
            dropped_lines: used.dropped_lines,
        }
    }
}
