//! Expressions of a hundred terms over the bitmaps of many consumers, in memory.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use anyhow::{Context, anyhow};
use dualwheel_consumer::{
    Parameters,
    audience::{Sight, World, evaluate, evaluate::needs_facts, text},
    facts::Facts,
    index::Cells,
};
use dualwheel_lake::frames::{Members, Names};
use dualwheel_measure::{Day, Definitions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use roaring::RoaringBitmap;

use crate::figures::Figures;

/// Days with behaviours.
const DAYS: i32 = 90;
/// Kinds of behaviour, by name and number.
const KINDS: [(&str, usize); 6] = [
    ("BROWSE", 5),
    ("SEARCH", 6),
    ("FAVORITE", 7),
    ("CART", 8),
    ("SHARE", 17),
    ("PURCHASE", 20),
];
/// Share of all consumers that do one of them on a day.
const ACTIVE: f64 = 0.004;
/// Terms of an expression.
const TERMS: usize = 100;
/// Expressions, each judged once.
const EXPRESSIONS: usize = 100;
/// The as-of day.
const AS_OF: Day = Day(20_000);

/// Measures with a consumer for every row of the scale.
pub(super) fn run(rows: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let consumers = u32::try_from(rows)?;
    let cells = cells(consumers)?;
    eprintln!(
        "{} MB of bitmaps over {consumers} consumers",
        cells.bytes() / 1_000_000
    );
    let parameters = Definitions::<Parameters>::shipped(dualwheel_consumer::DEFINITIONS)?.parameters;
    let roles = Arc::new(Members::build(&Arc::new(Names::default()), &[])?);
    let facts = Facts::of_roles(roles)?;
    let audiences = BTreeMap::new();
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    let mut took = Vec::new();
    for _ in 0..EXPRESSIONS {
        let written = expression(&mut dice);
        let read = text::parse(&written, &parameters).map_err(|wrong| anyhow!("{written}: {wrong:?}"))?;
        anyhow::ensure!(
            !needs_facts(&read, &parameters),
            "{written} is not answered by the index"
        );
        let world = World {
            index: Some(&cells),
            facts: &facts,
            profiles: None,
            forecasts: &[],
            audiences: &audiences,
            parameters: &parameters,
            as_of: AS_OF,
            sight: &Sight::whole(),
        };
        let started = Instant::now();
        let found = evaluate(&read, &world);
        took.push(started.elapsed().as_secs_f64() * 1_000.0);
        eprint!("{} ", found.people.len());
    }
    eprintln!();
    took.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let place = (share * took.len() as f64).ceil() as usize;
        took.get(place.saturating_sub(1))
            .copied()
            .context("nothing was measured")
    };
    figures.tell("people.expression.p50", rank(0.5)?, "ms", &[])?;
    figures.tell("people.expression.p99", rank(0.99)?, "ms", &[])
}

fn cells(consumers: u32) -> anyhow::Result<Cells> {
    let mut bitmaps = Vec::new();
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mean_step = 1.0 / ACTIVE;
    for (_, signal) in KINDS {
        for back in 0..DAYS {
            // Steps of an even spread around the mean: as scattered as chance, and drawn once a person.
            let mut next = 0.0;
            let people = std::iter::from_fn(|| {
                next += 1.0 + dice.random::<f64>() * 2.0 * (mean_step - 1.0);
                (next < f64::from(consumers)).then_some(next as u32)
            });
            let people = RoaringBitmap::from_sorted_iter(people)?;
            bitmaps.push((signal, AS_OF.plus(-back), people));
        }
    }
    Ok(Cells::default().with(bitmaps))
}

/// A hundred different terms, joined by and, or and and-not in groups of ten.
fn expression(dice: &mut ChaCha8Rng) -> String {
    let mut groups = Vec::new();
    for _ in 0..TERMS / 10 {
        let terms: Vec<String> = (0..10).map(|_| term(dice)).collect();
        let (any, none) = terms.split_at(8);
        groups.push(format!(
            "(({}) and not ({}))",
            any.join(" or "),
            none.join(" and ")
        ));
    }
    groups.join(" or ")
}

fn term(dice: &mut ChaCha8Rng) -> String {
    let (kind, _) = KINDS
        .get(dice.random_range(0..KINDS.len()))
        .copied()
        .unwrap_or(("CART", 8));
    let days = dice.random_range(3..60);
    match dice.random_range(0..3) {
        0 => format!("behavior({kind}, last {days} days)"),
        1 => format!("behavior({kind}, last {days} days, measure: days) >= 2"),
        _ => format!(
            "behavior({kind}, last {days} days, measure: recency) in {}..{days}",
            days / 2
        ),
    }
}
