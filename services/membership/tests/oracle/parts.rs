//! Groups of parts of the people, held against the whole.

use dualwheel_lake::{groups::unknown, memory::Frames};
use dualwheel_measure::{
    Definitions, MetricGroup, Scope,
    group::{Extent, law, to_bytes},
};
use dualwheel_membership::{DEFINITIONS, Parameters};
use dualwheel_proto::facts::FactRows;
use proptest::prelude::*;

use crate::{facts::BRAND, naive::Ask};

pub fn shipped() -> Definitions<Parameters> {
    Definitions::shipped(DEFINITIONS).unwrap()
}

/// The question as the engine is asked it.
pub fn question<'a>(
    ask: &'a Ask,
    definitions: &'a Definitions<Parameters>,
) -> dualwheel_measure::Ask<'a, Parameters> {
    dualwheel_measure::Ask {
        brand: BRAND,
        by: ask.by,
        category: ask.category,
        category_level: None,
        parameters: &definitions.parameters,
        scope: Scope {
            window: ask.window(),
            // Later knowledge changes nothing.
            as_of: ask.window().last.plus(9),
            entries: &definitions.metrics,
            version: &definitions.version,
            segments: Vec::new(),
        },
    }
}

/// Cuts the people into parts by number and seed; facts that came in another order give the same bytes too.
pub fn check<G: MetricGroup<Parameters = Parameters, Whole = ()>>(
    group: &G,
    facts: impl Fn(&Frames) -> G::Part,
    rows: &FactRows,
    ask: &Ask,
    (number, seed): (u64, u64),
) -> Result<(), TestCaseError> {
    let definitions = shipped();
    let question = question(ask, &definitions);
    prop_assert_eq!(unknown(&group.needs(&question)), None);
    let frames = Frames::from_rows(ask.zone, rows, BRAND).unwrap();
    let parts: Vec<G::Part> = frames.parts(number, seed).iter().map(&facts).collect();
    law::parts_make_the_whole(group, (&facts(&frames), &parts), &(), &question)
        .map_err(|broken| TestCaseError::fail(broken.to_string()))?;
    let mut turned = rows.clone();
    turned.behaviors.reverse();
    turned.order_lines.reverse();
    turned.members.reverse();
    turned.consumer_profiles.reverse();
    let turned = Frames::from_rows(ask.zone, &turned, BRAND).unwrap();
    let bytes = |frames| to_bytes(&group.partial(&facts(frames), &(), Extent::Part, &question)).unwrap();
    prop_assert_eq!(bytes(&frames), bytes(&turned));
    Ok(())
}
