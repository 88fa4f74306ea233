//! A plugin, and what running it gives.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use dualwheel_plugin_sdk::{
    Batch, Description, HitModel, HitScores, KocModel, KocScores, Parameters, StyleScores, StyleTrendModel,
    Values,
};

use crate::{
    answer, batch,
    call::{Compiled, Stopped, Used, call},
    description, digest,
    error::Error,
    limits::MOST_ROWS,
    native::Native,
    policy::Policy,
    runtime::Runtime,
    text::tidy,
    wire::{Given, GivenColumn, GivenDescription, Sent, SentBatch, SentColumn, SentParameter},
    world::World,
};

/// Bytes of a guest's own error that are passed on.
const REFUSAL: usize = 1_000;

/// A model of a partner, ready to run. Cheap to clone; any number of threads may call it at once.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    stopped: Option<Stopped>,
}

struct Inner {
    world: World,
    sha256: String,
    code: Code,
    description: OnceLock<Description>,
}

/// What runs.
enum Code {
    Guest {
        runtime: Arc<Runtime>,
        needs: Policy,
        compiled: Compiled,
    },
    Native(Native),
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
    /// SHA-256 of the component, in lower-case hexadecimal; empty for a model that the host brings.
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

/// What a model is asked about a batch: checked, and just what it asked for.
struct Asked<'a> {
    rows: usize,
    columns: Vec<SentColumn<'a>>,
    parameters: Vec<SentParameter<'a>>,
}

impl Asked<'_> {
    fn hash(&self) -> String {
        digest::of_input(self.rows, &self.columns, &self.parameters)
    }
}

/// Answered columns as what a world's model answers, by their order.
pub trait Scores: Sized {
    /// The world.
    const WORLD: World;

    /// `None` where the columns are those of another world.
    fn of(columns: Vec<Values>) -> Option<Self>;
}

impl Scores for KocScores {
    const WORLD: World = World::KocModel;

    fn of(columns: Vec<Values>) -> Option<Self> {
        match <[Values; 3]>::try_from(columns).ok()? {
            [
                Values::Numbers(content),
                Values::Numbers(influence),
                Values::Numbers(purchasing),
            ] => Some(Self {
                content,
                influence,
                purchasing,
            }),
            _ => None,
        }
    }
}

impl Scores for StyleScores {
    const WORLD: World = World::StyleTrendModel;

    fn of(columns: Vec<Values>) -> Option<Self> {
        match <[Values; 2]>::try_from(columns).ok()? {
            [Values::Numbers(growth), Values::Numbers(score)] => Some(Self { growth, score }),
            _ => None,
        }
    }
}

impl Scores for HitScores {
    const WORLD: World = World::HitModel;

    fn of(columns: Vec<Values>) -> Option<Self> {
        match <[Values; 2]>::try_from(columns).ok()? {
            [Values::Numbers(score), Values::Texts(reason)] => Some(Self { score, reason }),
            _ => None,
        }
    }
}

/// What a world's model answers, from its columns.
///
/// # Errors
/// When they are those of another world.
pub fn scores<S: Scores>(columns: Vec<Values>) -> Result<S, Error> {
    let count = columns.len();
    S::of(columns).ok_or_else(|| Error::WrongWorld {
        wanted: S::WORLD,
        found: format!("one of {count} other columns"),
    })
}

impl Plugin {
    pub(crate) fn guest(
        runtime: Arc<Runtime>,
        world: World,
        needs: Policy,
        sha256: String,
        compiled: Compiled,
    ) -> Self {
        let code = Code::Guest {
            runtime,
            needs,
            compiled,
        };
        Self::of(world, sha256, code)
    }

    /// A model that the host brings, behind the interface of a plugin: asked, checked and recorded as one, but unbounded.
    #[must_use]
    pub fn native_koc(model: impl KocModel + Send + Sync + 'static) -> Self {
        Self::native(Native::Koc(Box::new(model)))
    }

    /// As [`native_koc`](Self::native_koc), of the world of style trends.
    #[must_use]
    pub fn native_style_trend(model: impl StyleTrendModel + Send + Sync + 'static) -> Self {
        Self::native(Native::StyleTrend(Box::new(model)))
    }

    /// As [`native_koc`](Self::native_koc), of the world of potential hits.
    #[must_use]
    pub fn native_hit(model: impl HitModel + Send + Sync + 'static) -> Self {
        Self::native(Native::Hit(Box::new(model)))
    }

    fn native(model: Native) -> Self {
        Self::of(model.world(), String::new(), Code::Native(model))
    }

    fn of(world: World, sha256: String, code: Code) -> Self {
        let description = OnceLock::new();
        Self {
            inner: Arc::new(Inner {
                world,
                sha256,
                code,
                description,
            }),
            stopped: None,
        }
    }

    /// The same plugin for a caller who may leave: once `stopped` says so, no call of it begins, and one that is under way
    /// ends with [`Error::Stopped`], a guest's within some 20 milliseconds. Whoever stays gets the same answer as without.
    #[must_use]
    pub fn until(&self, stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner: self.inner.clone(),
            stopped: Some(Arc::new(stopped)),
        }
    }

    fn require_waited_for(&self) -> Result<(), Error> {
        match &self.stopped {
            Some(stopped) if stopped() => Err(Error::Stopped),
            _ => Ok(()),
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
        match &self.inner.code {
            Code::Guest { needs, .. } => *needs,
            Code::Native(_) => Policy::Pure,
        }
    }

    /// Whether the host brings it.
    #[must_use]
    pub fn is_native(&self) -> bool {
        matches!(self.inner.code, Code::Native(_))
    }

    /// SHA-256 of the component, in lower-case hexadecimal; empty when the host brings the model.
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
        self.require_waited_for()?;
        let stopped = self.stopped.as_ref();
        let given = match &self.inner.code {
            Code::Native(model) => model.describe(),
            Code::Guest {
                runtime, compiled, ..
            } => {
                let function = &compiled.describe;
                let ((given,), _) =
                    call::<(), (GivenDescription,)>(runtime, compiled, function, 0, (), stopped)?;
                given
            }
        };
        let description = description::check(self.inner.world, given)?;
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
        self.typed(batch, parameters)
    }

    /// Ranks styles with a `style-trend-model`; otherwise as [`score`](Self::score).
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn rank(&self, batch: &Batch, parameters: &Parameters) -> Result<Run<StyleScores>, Error> {
        self.typed(batch, parameters)
    }

    /// Scores products with a `hit-model`; otherwise as [`score`](Self::score).
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn assess(&self, batch: &Batch, parameters: &Parameters) -> Result<Run<HitScores>, Error> {
        self.typed(batch, parameters)
    }

    fn typed<S: Scores>(&self, batch: &Batch, parameters: &Parameters) -> Result<Run<S>, Error> {
        self.check_world(S::WORLD)?;
        let Run { scores, record } = self.answer(batch, parameters)?;
        let scores = self::scores(scores)?;
        Ok(Run { scores, record })
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

    /// Rows that it may be asked about at once.
    #[must_use]
    pub fn most_rows(&self) -> usize {
        match &self.inner.code {
            Code::Guest { runtime, .. } => runtime.limits().rows,
            Code::Native(_) => MOST_ROWS,
        }
    }

    /// Asks a model of any world about a batch: the columns that its world answers, in the order of
    /// [`World::answers`]. Otherwise as [`score`](Self::score).
    ///
    /// # Errors
    /// As [`score`](Self::score), but for the world.
    pub fn answer(&self, batch: &Batch, given: &Parameters) -> Result<Run<Vec<Values>>, Error> {
        let parameters = self.parameters(given)?;
        let asked = self.asked(batch, &parameters)?;
        let (scores, used) = self.checked(&asked, &parameters)?;
        let record = self.record(parameters, &asked, &scores, used)?;
        Ok(Run { scores, record })
    }

    /// The same without a record, for one is made of all batches of a question.
    pub(crate) fn part(&self, batch: &Batch, parameters: &Parameters) -> Result<(Vec<Values>, Used), Error> {
        self.checked(&self.asked(batch, parameters)?, parameters)
    }

    /// Hash of a question about a batch, as its record will have it, without asking.
    ///
    /// # Errors
    /// When a column or a parameter is wrong.
    pub fn input_hash(&self, batch: &Batch, given: &Parameters) -> Result<String, Error> {
        let parameters = self.parameters(given)?;
        Ok(self.asked(batch, &parameters)?.hash())
    }

    /// What is asked about a batch, with every parameter's value.
    fn asked<'a>(&'a self, batch: &'a Batch, parameters: &Parameters) -> Result<Asked<'a>, Error> {
        let description = self.describe()?;
        Ok(Asked {
            rows: batch.rows,
            columns: batch::columns(self.inner.world, description, batch, self.most_rows())?,
            parameters: batch::in_order(description, parameters),
        })
    }

    /// Every parameter with its value: as given, else the model's own.
    ///
    /// # Errors
    /// When one is given that the model does not have, or lies outside its bounds.
    pub fn parameters(&self, given: &Parameters) -> Result<Parameters, Error> {
        batch::parameters(self.describe()?, given)
    }

    /// Asks the model, with every parameter's value, and checks what it answers.
    fn checked(&self, asked: &Asked<'_>, parameters: &Parameters) -> Result<(Vec<Values>, Used), Error> {
        let (answer, used) = self.ask(asked, parameters)?;
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
        match answer::check(self.world().answers(), asked.rows, columns) {
            Ok(columns) => Ok((columns, used)),
            Err(reason) => Err(Error::BadOutput {
                reason,
                guest: used.into_guest(),
            }),
        }
    }

    fn ask(
        &self,
        asked: &Asked<'_>,
        parameters: &Parameters,
    ) -> Result<(Result<Vec<GivenColumn>, String>, Used), Error> {
        self.require_waited_for()?;
        let Asked { rows, columns, .. } = asked;
        match &self.inner.code {
            Code::Native(model) => Ok(model.call(*rows, columns, parameters)),
            Code::Guest {
                runtime, compiled, ..
            } => {
                // At most 65 536, which was checked.
                let batch = SentBatch {
                    rows: u32::try_from(*rows).unwrap_or(u32::MAX),
                    columns,
                };
                let (function, stopped) = (&compiled.answer, self.stopped.as_ref());
                let sent = (batch, &*asked.parameters);
                let ((answer,), used) =
                    call::<Sent<'_>, Given>(runtime, compiled, function, *rows, sent, stopped)?;
                Ok((answer, used))
            }
        }
    }

    fn record(
        &self,
        parameters: Parameters,
        asked: &Asked<'_>,
        columns: &[Values],
        used: Used,
    ) -> Result<Record, Error> {
        let description = self.describe()?;
        Ok(Record {
            plugin_sha256: self.inner.sha256.clone(),
            name: description.name.clone(),
            version: description.version.clone(),
            rows: asked.rows,
            input_hash: asked.hash(),
            output_hash: digest::of_output(columns),
            parameters,
            duration: used.duration,
            fuel: used.fuel,
            memory_bytes: used.memory_bytes,
            lines: used.lines,
            dropped_lines: used.dropped_lines,
        })
    }
}
