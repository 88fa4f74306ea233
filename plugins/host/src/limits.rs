//! What a plugin may use.

use std::time::Duration;

use crate::Error;

/// Rows that a batch may have at most, by the contract.
pub const MOST_ROWS: usize = 65_536;

/// A page of WebAssembly memory, in bytes.
const PAGE: u64 = 65_536;
/// What a 32-bit memory can address.
const ADDRESSABLE: u64 = 4 << 30;
/// Stack that a thread has beside the guest's is not known here: half of the two mebibytes that threads usually have.
const MOST_STACK: u64 = 1 << 20;

/// What a plugin may use. There are no defaults: who runs plugins says what each of them may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel that every call has; roughly one unit an instruction, and one a byte that is logged.
    pub fuel_base: u64,
    /// Fuel that a call has for each of its rows besides.
    pub fuel_per_row: u64,
    /// Wall-clock time that a call may take. The second net: fuel should end first what goes on for ever, for it does
    /// so at the same instruction on any machine. A call may take a tenth longer, at most 20 milliseconds and at
    /// least one, before it is ended.
    pub deadline: Duration,
    /// Bytes that all memories of an instance have together.
    pub memory_bytes: u64,
    /// Elements that all tables of an instance have together.
    pub table_elements: u64,
    /// Core instances that a component is made of.
    pub instances: u32,
    /// Runs that are under way at once; more wait, as long as a call may take. Of each memory that they used, the engine
    /// keeps up to 16 MiB for the next ones.
    pub runs: u32,
    /// Bytes of stack that nested calls may take. The thread that calls needs as much besides its own use.
    pub stack_bytes: u64,
    /// Bytes that a model hands over at once: its answer, its description, a line of its log.
    pub output_bytes: u64,
    /// Rows of a batch, at most 65 536.
    pub rows: usize,
    /// Lines of a run's log.
    pub log_lines: usize,
    /// Bytes of a run's log.
    pub log_bytes: usize,
    /// Bytes of a component's file.
    pub component_bytes: u64,
    /// Bytes of a component's machine code and what goes with it.
    pub compiled_bytes: u64,
}

impl Limits {
    /// Fuel of a call on so many rows.
    #[must_use]
    pub fn fuel(&self, rows: usize) -> u64 {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.fuel_base
            .saturating_add(self.fuel_per_row.saturating_mul(rows))
    }

    /// Refuses what would bound nothing, or everything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let millis = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        let most_rows = bytes(MOST_ROWS);
        for (limit, given, least, most) in [
            ("fuel_base", self.fuel_base, 1, u64::MAX),
            ("deadline", millis, 1, 3_600_000),
            ("memory_bytes", self.memory_bytes, PAGE, ADDRESSABLE),
            ("table_elements", self.table_elements, 1, 10_000_000),
            ("instances", u64::from(self.instances), 1, 1_000),
            ("runs", u64::from(self.runs), 1, 10_000),
            ("stack_bytes", self.stack_bytes, 16 << 10, MOST_STACK),
            ("output_bytes", self.output_bytes, 1 << 10, ADDRESSABLE),
            ("rows", bytes(self.rows), 1, most_rows),
            ("log_lines", bytes(self.log_lines), 0, 1_000_000),
            ("log_bytes", bytes(self.log_bytes), 0, 1 << 30),
            ("component_bytes", self.component_bytes, 8, 1 << 30),
            ("compiled_bytes", self.compiled_bytes, 1, 4 << 30),
        ] {
            if !(least..=most).contains(&given) {
                return Err(Error::Limit {
                    limit,
                    given,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}
