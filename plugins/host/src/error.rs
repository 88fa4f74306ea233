//! What can go wrong with a plugin.

use std::{fmt, time::Duration};

use crate::{CONTRACT, world::World};

/// What a guest had done when its call failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Lines that it logged, within the log's budget.
    pub lines: Vec<String>,
    /// The last line that it logged, kept even when the log's budget was used up: a panic says why just before it
    /// traps.
    pub last_line: Option<String>,
    /// Functions that it was in, innermost first; empty where it was in none.
    pub frames: Vec<String>,
    /// Fuel that it had used.
    pub fuel: u64,
}

impl fmt::Display for Guest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.last_line {
            write!(formatter, "; it last said: {line}")?;
        }
        if let Some(frame) = self.frames.first() {
            write!(formatter, "; it was in {frame}")?;
        }
        Ok(())
    }
}

/// How a contract version stands to the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Older.
    Older,
    /// Newer.
    Newer,
    /// None is named, or it is no version.
    Unknown,
}

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Older => "an older contract",
            Self::Newer => "a newer contract",
            Self::Unknown => "no contract that is known",
        })
    }
}

/// What can go wrong with a plugin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit is out of bounds.
    #[error("the limit `{limit}` is {given}, but must be from {least} to {most}")]
    Limit {
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        given: u64,
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
    /// This machine cannot run plugins.
    #[error("plugins cannot run here: {reason}")]
    Engine {
        /// Why.
        reason: String,
    },
    /// The file is not a component.
    #[error(
        "the file is {found}, not a component: build one with `wasm-tools component new` or `dualwheel plugin pack`"
    )]
    NotAComponent {
        /// What it is.
        found: &'static str,
    },
    /// The file is damaged, or uses what is not admitted.
    #[error("the component is damaged or uses what is not admitted: {reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
    /// The component is larger than admitted.
    #[error("the component is too large: {reason}")]
    TooLarge {
        /// What is too large, and the limit.
        reason: String,
    },
    /// The component is more complex than admitted, so that compiling it would take too much.
    #[error("the component is too complex to compile: {limit}: {reason}")]
    TooComplex {
        /// What there is too much of.
        limit: &'static str,
        /// How much, and the limit.
        reason: String,
    },
    /// The component was built for another version of the contract.
    #[error(
        "the component was built for {age} ({found}); this host speaks {CONTRACT}: build it again with that"
    )]
    ContractVersion {
        /// What it names.
        found: String,
        /// How it stands to the host's.
        age: Age,
    },
    /// The component asks for what no policy offers.
    #[error("the component imports `{import}`, which no model gets: build it without ({reason})")]
    ImportRefused {
        /// Import.
        import: String,
        /// Why it is not offered.
        reason: String,
    },
    /// The component asks for WASI, which its policy does not offer.
    #[error(
        "the component imports `{import}`, but a pure model has no WASI: build it for wasm32-unknown-unknown"
    )]
    WasiRefused {
        /// Import.
        import: String,
    },
    /// The component implements another world.
    #[error("a {wanted} was expected, but the component is {found}")]
    WrongWorld {
        /// World asked for.
        wanted: World,
        /// What it is.
        found: String,
    },
    /// What the model says of itself is not admitted.
    #[error("the model's description is wrong: {reason}")]
    BadDescription {
        /// What is wrong, and the cure.
        reason: String,
    },
    /// What the model is asked is wrong.
    #[error("`{name}` {reason}")]
    Input {
        /// Column or parameter.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Too many runs at once.
    #[error("{runs} runs are under way and none ended within {waited:?}; ask again later")]
    Busy {
        /// Runs that may be under way together.
        runs: u32,
        /// How long the call waited.
        waited: Duration,
    },
    /// Nobody waits for the answer any more.
    #[error("the call was ended, for nobody waits for its answer")]
    Stopped,
    /// The model used up its fuel.
    #[error("the model used up its fuel of {granted}{guest}")]
    Fuel {
        /// Fuel that it had.
        granted: u64,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model took too long.
    #[error("the model took longer than {deadline:?}{guest}")]
    Deadline {
        /// Time that it had.
        deadline: Duration,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model asked for more memory than admitted.
    #[error("the model asked for {asked} bytes of memory; at most {most} are admitted{guest}")]
    Memory {
        /// Bytes that it would have had.
        asked: u64,
        /// Bytes admitted.
        most: u64,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model asked for larger tables than admitted.
    #[error("the model asked for {asked} table elements; at most {most} are admitted{guest}")]
    Table {
        /// Elements that it would have had.
        asked: u64,
        /// Elements admitted.
        most: u64,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model's calls were nested too deeply.
    #[error("the model's calls were nested deeper than {most} bytes of stack admit{guest}")]
    Stack {
        /// Bytes admitted.
        most: u64,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model broke down.
    #[error("the model broke down: {trap}{guest}")]
    Trapped {
        /// Why, as the engine says.
        trap: String,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model's answer is wrong.
    #[error("the model's answer is wrong: {reason}{guest}")]
    BadOutput {
        /// What is wrong.
        reason: String,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model's answer is too large.
    #[error("the model handed over more than {most} bytes at once{guest}")]
    OutputTooLarge {
        /// Bytes admitted.
        most: u64,
        /// What it had done.
        guest: Box<Guest>,
    },
    /// The model says that it cannot answer.
    #[error("the model does not answer: {message}")]
    Refused {
        /// Its words.
        message: String,
        /// What it had done.
        guest: Box<Guest>,
    },
}

impl Error {
    /// The stable code of what went wrong.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Limit { .. } => "PLUGIN_LIMIT",
            Self::Engine { .. } => "PLUGIN_ENGINE",
            Self::NotAComponent { .. } => "PLUGIN_NOT_A_COMPONENT",
            Self::Malformed { .. } => "PLUGIN_MALFORMED",
            Self::TooLarge { .. } => "PLUGIN_TOO_LARGE",
            Self::TooComplex { .. } => "PLUGIN_TOO_COMPLEX",
            Self::ContractVersion { .. } => "PLUGIN_CONTRACT_VERSION",
            Self::ImportRefused { .. } => "PLUGIN_IMPORT_REFUSED",
            Self::WasiRefused { .. } => "PLUGIN_WASI_REFUSED",
            Self::WrongWorld { .. } => "PLUGIN_WRONG_WORLD",
            Self::BadDescription { .. } => "PLUGIN_BAD_DESCRIPTION",
            Self::Input { .. } => "PLUGIN_INPUT",
            Self::Busy { .. } => "PLUGIN_BUSY",
            Self::Stopped => "CANCELLED",
            Self::Fuel { .. } => "PLUGIN_FUEL_EXHAUSTED",
            Self::Deadline { .. } => "PLUGIN_DEADLINE",
            Self::Memory { .. } => "PLUGIN_MEMORY",
            Self::Table { .. } => "PLUGIN_TABLE",
            Self::Stack { .. } => "PLUGIN_STACK",
            Self::Trapped { .. } => "PLUGIN_TRAPPED",
            Self::BadOutput { .. } => "PLUGIN_BAD_OUTPUT",
            Self::OutputTooLarge { .. } => "PLUGIN_OUTPUT_TOO_LARGE",
            Self::Refused { .. } => "PLUGIN_REFUSED",
        }
    }

    /// What the guest had done, where it was called.
    #[must_use]
    pub fn guest(&self) -> Option<&Guest> {
        match self {
            Self::Fuel { guest, .. }
            | Self::Deadline { guest, .. }
            | Self::Memory { guest, .. }
            | Self::Table { guest, .. }
            | Self::Stack { guest, .. }
            | Self::Trapped { guest, .. }
            | Self::BadOutput { guest, .. }
            | Self::OutputTooLarge { guest, .. }
            | Self::Refused { guest, .. } => Some(guest),
            _ => None,
        }
    }
}
