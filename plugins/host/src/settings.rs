//! Settings of wasmtime.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

// By the parent, for the benchmarks, which measure what single settings cost, have this file too.
use super::Limits;

/// Functions of a guest's backtrace.
const FRAMES: usize = 20;
/// Memories that a component has at most; a language's runtime may bring a second one.
const MEMORIES: u32 = 4;
/// Tables that a component has at most.
const TABLES: u32 = 8;
/// Bytes of each memory that are kept for the next instance, set back to what they were: enough for a batch of 65 536 rows
/// with all of its columns, and what a model needs besides.
const MEMORY_KEPT: usize = 16 << 20;
/// The same of each table.
const TABLE_KEPT: usize = 64 << 10;

/// Settings under which the same rows give the same answer and use the same fuel, and nothing is unbounded.
pub(crate) fn of(limits: &Limits) -> Config {
    let mut config = compiling();
    config
        .max_wasm_stack(size(limits.stack_bytes))
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    config
}

/// Those of them on which machine code depends.
pub(crate) fn compiling() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        // Bits of what is not a number, and of relaxed instructions, would otherwise depend on the machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false);
    config
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits.runs)
        .total_core_instances(limits.runs.saturating_mul(limits.instances))
        .total_memories(limits.runs.saturating_mul(MEMORIES))
        .total_tables(limits.runs.saturating_mul(TABLES))
        .max_core_instances_per_component(limits.instances)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES)
        .max_memory_size(size(limits.memory_bytes))
        .table_elements(size(limits.table_elements));
    // Memory that goes back to the system after a call comes again page by page, which takes longer than many a model. It is
    // kept only where the system says which pages were written: to set back all of them would take longer still.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(MEMORY_KEPT)
            .table_keep_resident(TABLE_KEPT);
    }
    pool
}
