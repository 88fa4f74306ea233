//! What decoded facts may take in memory: all that is configured, less what the names of consumers, products and all
//! else take, without which no frame can be read.

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{Inner, reader::Cached};

/// Frames are weighed in units of so many bytes.
pub(crate) const UNIT: u64 = 1024;
/// The least part of the budget that names leave for frames.
const LEAST_PART: u64 = 4;
/// Names that grow by this part of the budget make all frames be weighed again.
const STEP: u64 = 64;

/// The budget of a process.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    /// What names take, as frames are weighed by.
    names: AtomicU64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            names: AtomicU64::new(0),
        }
    }

    /// What weights may add up to.
    pub(crate) fn capacity(&self) -> u64 {
        self.bytes / UNIT
    }

    /// Weight of a frame: heavier by as much as there is less room for frames.
    pub(crate) fn weight(&self, frame: &Cached) -> u32 {
        let weight = frame.bytes() as u64 / UNIT + 1;
        let weight = u128::from(weight) * u128::from(self.bytes) / u128::from(self.room().max(1));
        u32::try_from(weight).unwrap_or(u32::MAX)
    }

    /// Bytes that frames of this weight take, and the names.
    pub(crate) fn taken(&self, weight: u64) -> u64 {
        let frames = u128::from(weight * UNIT) * u128::from(self.room()) / u128::from(self.bytes.max(1));
        u64::try_from(frames).unwrap_or(u64::MAX) + self.names.load(Ordering::Relaxed)
    }

    /// What names leave for frames.
    fn room(&self) -> u64 {
        let names = self.names.load(Ordering::Relaxed);
        self.bytes.saturating_sub(names).max(self.bytes / LEAST_PART)
    }

    /// Notes what names take now; whether frames have to be weighed again.
    fn note(&self, names: u64) -> bool {
        let grown = names.abs_diff(self.names.load(Ordering::Relaxed)) > self.bytes / STEP;
        if grown {
            self.names.store(names, Ordering::Relaxed);
        }
        grown
    }
}

impl Inner {
    /// Makes room for names that have come since frames were weighed last.
    pub(crate) async fn weigh_names(&self) {
        let tenants = {
            let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants
                .values()
                .map(|held| held.names.clone())
                .collect::<Vec<_>>()
        };
        let names = tenants.iter().map(|names| names.bytes() as u64).sum();
        if self.budget.note(names) {
            let frames: Vec<(Arc<_>, Cached)> = self.frames.iter().collect();
            for (key, frame) in frames {
                self.frames.insert(key.as_ref().clone(), frame).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_kit::Call;

    use chrono_tz::Asia::Shanghai;
    use dualwheel_proto::facts::{FactRows, OrderLine};

    use crate::{Lake, Options, memory::Frames, reader::Cached};

    const BUDGET: u64 = 1 << 20;

    fn orders(brand: usize) -> Cached {
        let line = |row: usize| OrderLine {
            order: row.to_string(),
            line: "1".to_owned(),
            consumer: row.to_string(),
            brand: brand.to_string(),
            product: "p".to_owned(),
            quantity: 1,
            paid_amount: "1".to_owned(),
            paid_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
            ..OrderLine::default()
        };
        let rows = FactRows {
            order_lines: (0..200).map(line).collect(),
            ..FactRows::default()
        };
        Cached::Orders(
            Frames::from_rows(Shanghai, &rows, &brand.to_string())
                .unwrap()
                .orders,
        )
    }

    #[tokio::test]
    async fn frames_make_room_for_the_names_that_they_are_written_in() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&Options {
            location: folder.path().display().to_string(),
            frame_cache_bytes: BUDGET,
            retention: std::time::Duration::from_secs(604_800),
        })
        .unwrap();
        let tenant = lake.of(&Call::background("default"));
        let reader = tenant.reader(&Default::default()).await.unwrap();
        for brand in 0..80 {
            lake.inner
                .frames
                .insert(
                    reader.key("orders", Some(&brand.to_string()), vec![1]),
                    orders(brand),
                )
                .await;
        }
        let held = async || {
            lake.inner.frames.run_pending_tasks().await;
            let frames = lake
                .inner
                .frames
                .iter()
                .map(|(_, frame)| frame.bytes() as u64)
                .sum::<u64>();
            (frames, tenant.names().bytes() as u64)
        };
        let (frames, names) = held().await;
        assert!(frames > BUDGET / 8 * 7 && names < BUDGET / 64, "{frames} {names}");

        let keys: Vec<String> = (0..8_000)
            .map(|key| format!("somebody whose key is long {key:06}"))
            .collect();
        let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
        let _ = tenant.names().consumers.intern_all(&keys);
        lake.inner.weigh_names().await;
        let (frames, names) = held().await;
        assert!(names > BUDGET / 3 && frames > BUDGET / 4, "{frames} {names}");
        assert!(frames + names <= BUDGET + BUDGET / 32, "{frames} {names}");
    }
}
