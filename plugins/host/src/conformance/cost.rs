//! What calls cost, and how that grows with the rows.

use crate::Record;

/// How much more a row of the second half may cost than one of the first.
const MOST_GROWTH: f64 = 1.5;
/// Part of all fuel that growth must make up to count: collecting garbage, say, does not come row by row.
const LEAST_PART: f64 = 0.05;
/// How much more memory twice the rows may take; growing tables double.
const MOST_MEMORY: f64 = 3.0;

/// What a call used.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    rows: u64,
    fuel: u64,
    memory: u64,
    millis: f64,
}

impl Cost {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            rows: record.rows as u64,
            fuel: record.fuel,
            memory: record.memory_bytes,
            millis: record.duration.as_secs_f64() * 1_000.0,
        }
    }
}

/// What each further row took, from a call to a larger one.
fn each(less: Cost, more: Cost, of: fn(Cost) -> u64) -> f64 {
    let rows = more.rows.saturating_sub(less.rows).max(1);
    of(more).saturating_sub(of(less)) as f64 / rows as f64
}

/// Fuel of a call and of a row. What every call costs, such as the start of an interpreter, hides how the rest grows; so
/// further rows are compared with further rows: those of the second half must not cost much more than those of the first.
pub(super) fn fuel(&[one, few, many]: &[Cost; 3]) -> Result<String, String> {
    let (early, late) = (
        each(one, few, |cost| cost.fuel),
        each(few, many, |cost| cost.fuel),
    );
    let found = format!(
        "{:.0} units a call and {late:.0} a row; {:.1} ms for {} rows",
        (one.fuel as f64 - early).max(0.0),
        many.millis,
        many.rows
    );
    let surplus = (late - early) * (many.rows - few.rows) as f64;
    if few.rows <= one.rows || late <= early * MOST_GROWTH || surplus <= many.fuel as f64 * LEAST_PART {
        return Ok(found);
    }
    Err(format!(
        "{found}, and {early:.0} a row of the first half: work in proportion to the rows"
    ))
}

/// Memory, and how it grows with the rows: it must not grow faster than they do.
pub(super) fn memory(&[_, few, many]: &[Cost; 3]) -> Result<String, String> {
    let further = each(few, many, |cost| cost.memory);
    let found = format!("{} bytes, {further:.0} for each further row", many.memory);
    if many.memory as f64 <= few.memory as f64 * MOST_MEMORY {
        return Ok(found);
    }
    Err(format!("{found}: keep columns, not copies of them for each row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of one, 500 and 1 000 rows.
    fn costs(of: impl Fn(u64) -> u64) -> [Cost; 3] {
        [1, 500, 1_000].map(|rows| Cost {
            rows,
            fuel: of(rows),
            memory: of(rows),
            millis: 1.0,
        })
    }

    #[test]
    fn fuel_in_proportion_to_the_rows_holds() {
        let found = fuel(&costs(|rows| 9_000 + 20 * rows)).unwrap();
        assert_eq!(found, "9000 units a call and 20 a row; 1.0 ms for 1000 rows");
        assert!(fuel(&costs(|_| 0)).is_ok());
        assert!(fuel(&costs(|rows| rows * u64::from(rows.ilog2()))).is_ok());
        // A collection of garbage in the second half.
        assert!(fuel(&costs(|rows| 1_000_000 + 20 * rows + rows / 600 * 40_000)).is_ok());
    }

    #[test]
    fn fuel_that_grows_faster_is_told_whatever_a_call_costs() {
        for fixed in [0, 1_000_000] {
            let fault = fuel(&costs(|rows| fixed + rows * rows)).unwrap_err();
            assert!(
                fault.contains("1500 a row") && fault.contains("501 a row of the first half"),
                "{fault}"
            );
        }
    }

    #[test]
    fn one_row_has_no_halves() {
        let mut costs = costs(|rows| rows * rows);
        costs[1] = costs[0];
        assert!(fuel(&costs).is_ok());
    }

    #[test]
    fn memory_may_double_with_the_rows_and_not_more() {
        assert!(memory(&costs(|rows| 65_536 + 100 * rows.next_power_of_two())).is_ok());
        let fault = memory(&costs(|rows| rows * rows)).unwrap_err();
        assert!(fault.contains("1500 for each further row"), "{fault}");
    }
}
