//! Checks the stored bitmaps against the facts.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_kit::{Call, work};
use dualwheel_lake::{
    changes::{BEHAVIOR_COLUMNS, LINE_COLUMNS},
    fact::BRAND_BUCKETS,
    frames::Kind,
    seen::Seen,
};
use dualwheel_measure::Day;
use roaring::RoaringBitmap;

use super::{
    Error, PeopleIndex, Snapshot,
    cells::{OTHER_LINE, SIGNALS},
    collect::{Collected, Lines, drain},
};

/// Differences that are listed.
const MOST_LISTED: usize = 20;

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Brands compared.
    pub brands: usize,
    /// Bitmaps compared.
    pub bitmaps: usize,
    /// People in all of them.
    pub people: u64,
    /// Bitmaps that differ.
    pub different: usize,
    /// The first of them.
    pub listed: Vec<Difference>,
}

/// A bitmap that is not what the facts say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Brand.
    pub brand: String,
    /// Name of the signal.
    pub signal: &'static str,
    /// Day.
    pub day: Day,
    /// People that the facts have and the bitmap has not.
    pub missing: u64,
    /// People that the bitmap has and the facts have not.
    pub extra: u64,
}

/// Name of a signal: of a behaviour kind, or of an order line.
fn name(signal: usize) -> &'static str {
    match Kind::ALL.get(signal) {
        Some(kind) => kind.name(),
        None if signal == OTHER_LINE => "OTHER_LINE",
        None => "BOUGHT",
    }
}

type Bitmaps = BTreeMap<(String, usize, Day), RoaringBitmap>;

impl PeopleIndex {
    /// Catches up, then counts every bitmap once more from all facts, repeats resolved, and compares.
    ///
    /// # Errors
    /// When facts or index cannot be read.
    pub async fn verify(&self, call: &Call) -> Result<(Snapshot, Verified), Error> {
        let (snapshot, expected, stored) = match self.both(call).await {
            Ok(both) => both,
            Err(error) => {
                tracing::info!(%error, "the people index is opened again to be verified");
                self.open_again(call.tenant());
                self.both(call).await?
            }
        };
        let verified = work::metrics(move || compared(&expected, &stored)).await?;
        Ok((snapshot, verified))
    }

    /// The bitmaps that the facts have, and those that are stored.
    async fn both(&self, call: &Call) -> Result<(Snapshot, Bitmaps, Bitmaps), Error> {
        let snapshot = self.catch_up(call).await?;
        let (expected, stored) = (expected(&snapshot).await?, stored(&snapshot).await?);
        Ok((snapshot, expected, stored))
    }
}

fn compared(expected: &Bitmaps, stored: &Bitmaps) -> Verified {
    let none = RoaringBitmap::new();
    let keys: BTreeSet<&(String, usize, Day)> = expected.keys().chain(stored.keys()).collect();
    let brands: BTreeSet<&String> = keys.iter().map(|(brand, _, _)| brand).collect();
    let mut verified = Verified {
        brands: brands.len(),
        bitmaps: keys.len(),
        ..Verified::default()
    };
    work::step("comparing bitmaps", keys.len());
    for key in keys {
        work::look();
        work::advance(1);
        let (facts, bitmap) = (
            expected.get(key).unwrap_or(&none),
            stored.get(key).unwrap_or(&none),
        );
        verified.people += facts.len();
        if facts == bitmap {
            continue;
        }
        verified.different += 1;
        if verified.listed.len() < MOST_LISTED {
            let (brand, signal, day) = key;
            verified.listed.push(Difference {
                brand: brand.clone(),
                signal: name(*signal),
                day: *day,
                missing: facts.difference_len(bitmap),
                extra: bitmap.difference_len(facts),
            });
        }
    }
    verified
}

async fn expected(snapshot: &Snapshot) -> Result<Bitmaps, Error> {
    let (lake, versions) = (&snapshot.lake, snapshot.versions());
    let mut collected = Collected::default();
    if let Some(version) = versions.get("behaviors") {
        let all = lake
            .added("behaviors", &BEHAVIOR_COLUMNS, None, Some(*version))
            .await?;
        work::step("reading behaviours", 0);
        collected = drain(all, lake.names(), collected, Collected::behaviors).await?;
        let reader = lake.reader(&versions).await?;
        for (brand, mut acts) in collected.take_acts() {
            if !Seen::default().add(&mut acts).is_empty() {
                collected.standing(&brand, &*reader.behaviors(&brand).await?);
            }
        }
    }
    if let Some(version) = versions.get("order_lines") {
        let all = lake
            .added("order_lines", &LINE_COLUMNS, None, Some(*version))
            .await?;
        work::step("reading order lines", 0);
        let mut lines = drain(all, lake.names(), Lines::default(), Lines::read).await?;
        let reader = lake.reader(&versions).await?;
        for (brand, _) in lines.brands() {
            collected.resolved(brand, &*reader.orders(brand).await?);
        }
    }
    let mut bitmaps = Bitmaps::new();
    for (brand, found) in collected.finish() {
        for (signal, day, people) in found {
            bitmaps.insert((brand.clone(), signal, day), people);
        }
    }
    Ok(bitmaps)
}

async fn stored(snapshot: &Snapshot) -> Result<Bitmaps, Error> {
    let mut brands = BTreeSet::new();
    work::step("reading bitmaps", 0);
    for bucket in 0..BRAND_BUCKETS {
        let pieces = snapshot
            .lake
            .people_pieces_of_bucket(&snapshot.stored, bucket)
            .await?;
        brands.extend(
            pieces
                .into_iter()
                .filter(|piece| piece.signal < SIGNALS as i64)
                .map(|piece| piece.brand),
        );
    }
    let mut bitmaps = Bitmaps::new();
    for brand in brands {
        for (signal, day, people) in snapshot.brand(&brand).await?.iter() {
            work::advance(1);
            bitmaps.insert((brand.clone(), signal, day), people.clone());
        }
    }
    Ok(bitmaps)
}
