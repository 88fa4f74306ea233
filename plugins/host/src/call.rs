//! One call of a guest: a fresh instance, bounded on all sides, and what came of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use blake3::OutputReader;
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower},
};

use crate::{
    error::{Error, Guest},
    meter::Breach,
    runtime::Runtime,
    sealed::Sealed,
    state::State,
    text::tidy,
};

/// Bytes of a message or of a function's name that are passed on.
const MESSAGE: usize = 500;
/// What wasmtime says when more is handed over than admitted; it has a type of its own for that, but keeps it private.
const TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

/// Says whether nobody waits for a call any more.
pub(crate) type Stopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// Ends a guest for whom nobody waits.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for it any more")]
struct Left;

/// A component that was checked and compiled.
pub(crate) struct Compiled {
    pub(crate) linked: InstancePre<State>,
    pub(crate) describe: ComponentExportIndex,
    pub(crate) answer: ComponentExportIndex,
    /// Where random numbers start, should it ask for any.
    pub(crate) random: OutputReader,
}

/// What a run used.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) duration: Duration,
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) dropped_lines: u64,
    last_line: Option<String>,
}

impl Used {
    /// What a model of the host used: only its time is measured.
    pub(crate) fn native(duration: Duration) -> Self {
        Self {
            duration,
            fuel: 0,
            memory_bytes: 0,
            lines: Vec::new(),
            dropped_lines: 0,
            last_line: None,
        }
    }

    /// As it stands in an error.
    pub(crate) fn into_guest(self) -> Box<Guest> {
        let (lines, last_line, fuel) = (self.lines, self.last_line, self.fuel);
        Box::new(Guest {
            lines,
            last_line,
            frames: Vec::new(),
            fuel,
        })
    }
}

fn store(
    runtime: &Runtime,
    random: OutputReader,
    granted: u64,
    stopped: Option<&Stopped>,
) -> wasmtime::Result<Store<State>> {
    let limits = runtime.limits();
    let mut store = Store::new(runtime.wasmtime(), State::new(limits, random));
    store.limiter(|state| &mut state.meter);
    store.set_fuel(granted)?;
    let (ends, stopped) = (Instant::now() + limits.deadline, stopped.cloned());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if stopped.as_ref().is_some_and(|stopped| stopped()) {
            return Err(Left.into());
        }
        Ok(match Instant::now() < ends {
            true => UpdateDeadline::Continue(1),
            false => UpdateDeadline::Interrupt,
        })
    });
    store.set_hostcall_fuel(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX));
    Ok(store)
}

/// Calls a function of a fresh instance with the fuel of so many rows, until nobody waits for it.
pub(crate) fn call<P, R>(
    runtime: &Runtime,
    component: &Compiled,
    function: &ComponentExportIndex,
    rows: usize,
    parameters: P,
    stopped: Option<&Stopped>,
) -> Result<(R, Used), Error>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift + 'static,
{
    let limits = runtime.limits();
    let (runs, waited) = (limits.runs, limits.deadline);
    let _place = runtime.gate().enter(waited).ok_or(Error::Busy { runs, waited })?;
    let granted = limits.fuel(rows);
    let store = store(runtime, component.random.clone(), granted, stopped);
    let mut store = store.map_err(|error| Error::Engine {
        reason: error.to_string(),
    })?;
    let started = Instant::now();
    let answered = component.linked.instantiate(&mut store).and_then(|instance| {
        let function = instance.get_typed_func::<P, R>(&mut store, function)?;
        function.call(&mut store, parameters)
    });
    let duration = started.elapsed();
    let used = used(&mut store, granted, duration);
    match answered {
        Ok(answer) => Ok((answer, used)),
        Err(error) => Err(failure(runtime, granted, &error, used)),
    }
}

fn used(store: &mut Store<State>, granted: u64, duration: Duration) -> Used {
    // It is only not there when fuel is not counted at all.
    let left = store.get_fuel().unwrap_or(granted);
    let state = store.data_mut();
    for line in state.written.rest() {
        state.log.write(&line);
    }
    let logged = state.log.take();
    Used {
        duration,
        fuel: granted.saturating_sub(left),
        memory_bytes: store.data().meter.memory(),
        lines: logged.lines,
        dropped_lines: logged.dropped,
        last_line: logged.last,
    }
}

/// What ended a call.
fn failure(runtime: &Runtime, granted: u64, error: &wasmtime::Error, used: Used) -> Error {
    if error.is::<Left>() {
        return Error::Stopped;
    }
    let limits = runtime.limits();
    let mut guest = used.into_guest();
    guest.frames = frames(error);
    if let Some(breach) = error.downcast_ref::<Breach>() {
        return match *breach {
            Breach::Memory { asked, most } => Error::Memory { asked, most, guest },
            Breach::Table { asked, most } => Error::Table { asked, most, guest },
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Error::Busy {
            runs: limits.runs,
            waited: Duration::ZERO,
        };
    }
    if let Some(sealed) = error.downcast_ref::<Sealed>() {
        return Error::Trapped {
            trap: sealed.to_string(),
            guest,
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Error::Fuel { granted, guest },
        Some(Trap::Interrupt) => Error::Deadline {
            deadline: limits.deadline,
            guest,
        },
        Some(Trap::StackOverflow) => Error::Stack {
            most: limits.stack_bytes,
            guest,
        },
        Some(trap) => Error::Trapped {
            trap: trap.to_string(),
            guest,
        },
        None if error.root_cause().to_string().contains(TOO_MUCH) => Error::OutputTooLarge {
            most: limits.output_bytes,
            guest,
        },
        // No trap: the guest handed over what the contract's binary form does not admit, such as a list that ends
        // outside of its memory.
        None => {
            let reason = format!("it breaks the contract's binary form: {}", error.root_cause());
            Error::BadOutput {
                reason: tidy(&reason, MESSAGE),
                guest,
            }
        }
    }
}

/// Functions that the guest was in, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map(WasmBacktrace::frames)
        .unwrap_or_default();
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => tidy(name, MESSAGE),
        None => format!("function {}", frame.func_index()),
    };
    frames.iter().map(name).collect()
}
