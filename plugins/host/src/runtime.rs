//! What every call needs of the host: the engine of wasmtime, limits, places, and the time.

use crate::{
    error::Error,
    gate::Gate,
    limits::Limits,
    settings,
    ticker::{Ticker, tick},
};

/// What every call needs of the host.
pub(crate) struct Runtime {
    /// Dropped, and so ended, first.
    _ticker: Ticker,
    wasmtime: wasmtime::Engine,
    limits: Limits,
    gate: Gate,
}

impl Runtime {
    /// One whose plugins may use so much.
    pub(crate) fn new(limits: Limits) -> Result<Self, Error> {
        limits.check()?;
        let wasmtime = wasmtime::Engine::new(&settings::of(&limits)).map_err(|error| unable(&error))?;
        let ticker = Ticker::start(&wasmtime, tick(limits.deadline)).map_err(|error| Error::Engine {
            reason: format!("no thread that looks at the time: {error}"),
        })?;
        let gate = Gate::new(limits.runs);
        Ok(Self {
            _ticker: ticker,
            wasmtime,
            limits,
            gate,
        })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// What a plugin may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Places of calls.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }
}

/// The system does not give what the engine needs.
pub(crate) fn unable(error: &wasmtime::Error) -> Error {
    Error::Engine {
        reason: format!("{error:#}"),
    }
}
