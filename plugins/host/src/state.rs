//! What belongs to a run on the host's side, and what the contract offers a guest.

use blake3::OutputReader;
use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    GENERATIONS,
    limits::Limits,
    log::{Lines, Log},
    meter::Meter,
};

/// What belongs to a run on the host's side.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) meter: Meter,
    pub(crate) log: Log,
    /// What was written to a sealed WASI's streams.
    pub(crate) written: Lines,
    /// A sealed WASI's random numbers.
    pub(crate) random: OutputReader,
}

impl State {
    /// Of a run that may use so much, with random numbers from there on.
    pub(crate) fn new(limits: &Limits, random: OutputReader) -> Self {
        Self {
            meter: Meter::new(limits.memory_bytes, limits.table_elements),
            log: Log::new(limits.log_lines, limits.log_bytes),
            written: Lines::default(),
            random,
        }
    }
}

/// Offers the guest what the contract has, in each of its generations: `log`.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for generation in GENERATIONS {
        let mut host = linker.instance(&format!("dualwheel:plugin/host@{generation}"))?;
        host.func_wrap(
            "log",
            |mut store: StoreContextMut<'_, State>, (line,): (WasmStr,)| {
                let line = line.to_str(&store)?.into_owned();
                charge(&mut store, line.len())?;
                store.data_mut().log.write(&line);
                Ok(())
            },
        )?;
    }
    Ok(())
}

/// Takes a unit of fuel for each byte that the host handles for the guest.
pub(crate) fn charge(store: &mut StoreContextMut<'_, State>, bytes: usize) -> wasmtime::Result<()> {
    let cost = u64::try_from(bytes).unwrap_or(u64::MAX);
    let left = store.get_fuel()?.saturating_sub(cost);
    store.set_fuel(left)
}
