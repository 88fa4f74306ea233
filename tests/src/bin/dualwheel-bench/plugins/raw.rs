//! Components on wasmtime itself, with the host's settings but for the one whose cost is asked.

#[path = "../../../../../plugins/host/src/settings.rs"]
mod settings;
#[path = "../../../../../plugins/host/src/wire.rs"]
#[allow(dead_code, reason = "the host uses all of it")]
mod wire;

use std::time::Instant;

use dualwheel_plugin_host::Limits;
use dualwheel_plugin_sdk::{Batch, Parameters};
use wasmtime::{
    Engine, Result, Store, StoreContextMut,
    component::{Component, ComponentExportIndex, Instance, InstancePre, Linker, TypedFunc, WasmStr},
};
use wire::{Given, Sent, SentBatch, SentColumn, SentParameter, SentValues};

/// Ticks of the epoch until a call ends; nobody counts them here.
const TICKS: u64 = 1 << 40;

/// What the time of a call goes to: making a store, making an instance in it, handing over, computing and taking back, and
/// setting everything back.
pub(super) const CAUSES: [&str; 4] = ["store", "instantiate", "guest", "reset"];

/// A `koc-model`.
pub(super) struct Raw {
    engine: Engine,
    linked: InstancePre<()>,
    score: ComponentExportIndex,
    metered: bool,
}

/// The same error for the rest of the benchmark.
pub(super) fn told(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

impl Raw {
    /// Compiles it, so that it counts fuel or does not.
    pub(super) fn new(limits: &Limits, component: &[u8], metered: bool) -> Result<Self> {
        let mut config = settings::of(limits);
        config.consume_fuel(metered);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        linker
            .instance("dualwheel:plugin/host@1.1.0")?
            .func_wrap("log", |_: StoreContextMut<'_, ()>, (_,): (WasmStr,)| Ok(()))?;
        let linked = linker.instantiate_pre(&component)?;
        let score = component.get_export_index(None, "score");
        let score = score.ok_or_else(|| wasmtime::Error::msg("it has no `score`"))?;
        Ok(Self {
            engine,
            linked,
            score,
            metered,
        })
    }

    fn start(&self) -> Result<(Store<()>, Instance)> {
        let mut store = self.store()?;
        let instance = self.linked.instantiate(&mut store)?;
        Ok((store, instance))
    }

    fn store(&self) -> Result<Store<()>> {
        let mut store = Store::new(&self.engine, ());
        if self.metered {
            store.set_fuel(u64::MAX)?;
        }
        store.set_epoch_deadline(TICKS);
        Ok(store)
    }

    /// Makes an instance and drops it.
    pub(super) fn instance(&self) -> Result<()> {
        self.start().map(drop)
    }

    /// Calls one instance so many times.
    pub(super) fn calls(&self, batch: &Batch, parameters: &Parameters, times: u32) -> Result<()> {
        let (mut store, instance) = self.start()?;
        let function = instance.get_typed_func::<Sent<'_>, Given>(&mut store, self.score)?;
        (0..times).try_for_each(|_| ask(&mut store, &function, batch, parameters).map(drop))
    }

    /// Scores batches so many times, each by a fresh instance: seconds of each of the [`CAUSES`].
    pub(super) fn causes(
        &self,
        batches: &[Batch],
        parameters: &Parameters,
        times: u32,
    ) -> Result<[f64; CAUSES.len()]> {
        let mut causes = [0.0; CAUSES.len()];
        for batch in (0..times).flat_map(|_| batches) {
            let began = Instant::now();
            let mut store = self.store()?;
            let stored = Instant::now();
            let instance = self.linked.instantiate(&mut store)?;
            let made = Instant::now();
            let function = instance.get_typed_func::<Sent<'_>, Given>(&mut store, self.score)?;
            let answer = ask(&mut store, &function, batch, parameters)?;
            let answered = Instant::now();
            drop(store);
            let took = [stored - began, made - stored, answered - made, answered.elapsed()];
            drop(answer);
            for (cause, took) in causes.iter_mut().zip(took) {
                *cause += took.as_secs_f64();
            }
        }
        Ok(causes)
    }

    /// Scores batches, each by a fresh instance, as the host does: the powers, each of all batches.
    pub(super) fn score(&self, batches: &[Batch], parameters: &Parameters) -> Result<Vec<Vec<f64>>> {
        let mut powers = Vec::new();
        for batch in batches {
            let (mut store, instance) = self.start()?;
            let function = instance.get_typed_func::<Sent<'_>, Given>(&mut store, self.score)?;
            let columns = ask(&mut store, &function, batch, parameters)?;
            powers.resize(columns.len(), Vec::new());
            for (power, column) in powers.iter_mut().zip(columns) {
                power.extend(column);
            }
        }
        Ok(powers)
    }
}

fn ask(
    store: &mut Store<()>,
    function: &TypedFunc<Sent<'_>, Given>,
    batch: &Batch,
    parameters: &Parameters,
) -> Result<Vec<Vec<f64>>> {
    let columns = batch.columns.iter().map(|column| SentColumn {
        name: &column.name,
        values: SentValues::from(&column.values),
    });
    let columns: Vec<_> = columns.collect();
    let sent = parameters
        .iter()
        .map(|(name, value)| SentParameter { name, value: *value });
    let sent: Vec<_> = sent.collect();
    let rows = u32::try_from(batch.rows)?;
    let batch = SentBatch {
        rows,
        columns: &columns,
    };
    let (answer,) = function.call(store, (batch, &sent))?;
    let columns = answer.map_err(wasmtime::Error::msg)?;
    columns
        .into_iter()
        .map(|column| match column.values {
            wire::GivenValues::Numbers(numbers) => Ok(numbers),
            _ => Err(wasmtime::Error::msg("a power is no number")),
        })
        .collect()
}
