//! Counts the memory and the tables of a run, all of them together.

use wasmtime::ResourceLimiter;

/// A guest asked for more than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    /// More memory.
    #[error("{asked} bytes of memory, {most} are admitted")]
    Memory {
        /// Bytes.
        asked: u64,
        /// Bytes.
        most: u64,
    },
    /// Larger tables.
    #[error("{asked} table elements, {most} are admitted")]
    Table {
        /// Elements.
        asked: u64,
        /// Elements.
        most: u64,
    },
}

/// The memory and the tables of a run.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: u64,
    memory_most: u64,
    table: u64,
    table_most: u64,
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// The new sum when one part grows.
fn grown(sum: u64, current: usize, desired: usize) -> u64 {
    sum.saturating_add(wide(desired).saturating_sub(wide(current)))
}

impl Meter {
    /// A meter that admits so many bytes and elements.
    pub(crate) const fn new(memory_most: u64, table_most: u64) -> Self {
        Self {
            memory: 0,
            memory_most,
            table: 0,
            table_most,
        }
    }

    /// Bytes of memory; they never become fewer, so this is the most that there were.
    pub(crate) const fn memory(&self) -> u64 {
        self.memory
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (asked, most) = (grown(self.memory, current, desired), self.memory_most);
        if asked > most {
            return Err(Breach::Memory { asked, most }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (asked, most) = (grown(self.table, current, desired), self.table_most);
        if asked > most {
            return Err(Breach::Table { asked, most }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table = asked;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::{Breach, Meter};

    #[test]
    fn memories_count_together() {
        let mut meter = Meter::new(1_000, 10);
        assert!(meter.memory_growing(0, 600, None).unwrap());
        // a second memory: 600 + 400
        assert!(meter.memory_growing(0, 400, None).unwrap());
        assert_eq!(meter.memory(), 1_000);
        let breach = meter.memory_growing(400, 401, None).unwrap_err();
        assert_eq!(
            breach.downcast_ref(),
            Some(&Breach::Memory {
                asked: 1_001,
                most: 1_000
            })
        );
    }

    #[test]
    fn a_guests_own_maximum_is_no_breach() {
        let mut meter = Meter::new(1_000, 10);
        assert!(!meter.memory_growing(0, 600, Some(500)).unwrap());
        assert_eq!(meter.memory(), 0);
        assert!(!meter.table_growing(0, 5, Some(4)).unwrap());
    }

    #[test]
    fn tables_count_together() {
        let mut meter = Meter::new(1_000, 10);
        assert!(meter.table_growing(0, 6, None).unwrap());
        let breach = meter.table_growing(0, 5, None).unwrap_err();
        assert_eq!(
            breach.downcast_ref(),
            Some(&Breach::Table { asked: 11, most: 10 })
        );
    }
}
