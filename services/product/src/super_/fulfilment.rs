//! Rapid fulfilment: promises kept, and hours from payment to dispatch and delivery.

use dualwheel_lake::frames::Line;
use dualwheel_measure::{
    Absence, Day, Interval, IntervalAbsence, IntervalMethod, Metric, Scope, bootstrap::quantile_interval,
    rank::quantile,
};
use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};

use crate::cut::Slots;

/// Microseconds in an hour.
const HOUR: f64 = 3_600_000_000.0;

/// Purchases of the whole or of a segment on their way to the buyer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Deliveries {
    /// Purchases.
    pub purchases: i64,
    promised: i64,
    due: i64,
    in_time: i64,
    /// Microseconds from payment to dispatch, ascending; as many as there are purchases that tell.
    dispatch: Vec<i64>,
    /// The same to delivery.
    delivery: Vec<i64>,
}

impl Deliveries {
    fn add(&mut self, line: &Line, day: Day) {
        self.purchases += 1;
        self.promised += i64::from(line.promised_at.is_some());
        if is_cancelled_before_dispatch(line) {
            return;
        }
        self.dispatch
            .extend(line.dispatched_at.map(|at| at - line.paid_at));
        self.delivery
            .extend(line.delivered_at.map(|at| at - line.paid_at));
        if let (Some(promise), Some(promised_day)) = (line.promised_at, line.promised_day)
            && promised_day <= day
        {
            self.due += 1;
            self.in_time += i64::from(line.delivered_at.is_some_and(|delivered| delivered <= promise));
        }
    }
}

impl Deliveries {
    fn sort(&mut self) {
        self.dispatch.par_sort_unstable();
        self.delivery.par_sort_unstable();
    }

    /// Adds other purchases.
    pub fn merge(&mut self, other: Self) {
        self.purchases += other.purchases;
        self.promised += other.promised;
        self.due += other.due;
        self.in_time += other.in_time;
        self.dispatch.extend(other.dispatch);
        self.delivery.extend(other.delivery);
        self.sort();
    }
}

fn is_cancelled_before_dispatch(line: &Line) -> bool {
    line.cancelled_at
        .is_some_and(|cancelled| line.dispatched_at.is_none_or(|dispatched| cancelled < dispatched))
}

/// Deliveries of the whole and of every segment, slot by slot, of the purchases among the window's `lines`.
#[must_use]
pub fn by_slot(lines: &[&Line], day: Day, slots: &Slots<'_>) -> Vec<Deliveries> {
    let mut deliveries = vec![Deliveries::default(); slots.count()];
    for line in lines.iter().filter(|line| line.is_purchase()) {
        slots.each(&mut deliveries, line.product, line.category, |slot| {
            slot.add(line, day)
        });
    }
    deliveries.iter_mut().for_each(Deliveries::sort);
    deliveries
}

/// The metrics of one slot.
#[must_use]
pub fn metrics(scope: &Scope<'_>, has_lines: bool, deliveries: &Deliveries) -> Vec<Metric> {
    let mut metrics = vec![kept(scope, has_lines, deliveries)];
    let spans = [
        ("super.dispatch_hours", "dispatched_at", &deliveries.dispatch),
        ("super.delivery_hours", "delivered_at", &deliveries.delivery),
    ];
    for (id, field, spans) in spans {
        let sorted: Vec<f64> = spans.iter().map(|micros| *micros as f64 / HOUR).collect();
        for (name, share) in [("median", 0.5), ("p90", 0.9)] {
            let id = format!("{id}.{name}");
            metrics.push(match quantile(&sorted, share) {
                Some(hours) => scope.real(&id, hours, interval(&sorted, share)),
                None if has_lines && deliveries.purchases == 0 => {
                    scope.absent(&id, Absence::NoData, "no purchase in the window")
                }
                None => {
                    let detail = format!("no order line of the window says when (OrderLine.{field})");
                    scope.absent(&id, Absence::SignalNotSupplied, &detail)
                }
            });
        }
    }
    metrics
}

fn kept(scope: &Scope<'_>, has_lines: bool, deliveries: &Deliveries) -> Metric {
    const ID: &str = "super.fulfilment";
    if !has_lines || (deliveries.purchases > 0 && deliveries.promised == 0) {
        return scope.absent(
            ID,
            Absence::SignalNotSupplied,
            "no order line has a promise (OrderLine.promised_at)",
        );
    }
    scope.share(ID, deliveries.in_time, deliveries.due)
}

fn interval(sorted: &[f64], share: f64) -> Result<Interval, IntervalAbsence> {
    quantile_interval(sorted, share)
        .map(|(low, high)| Interval {
            low,
            high,
            method: IntervalMethod::Bootstrap,
        })
        .ok_or(IntervalAbsence::NoUnitData)
}
