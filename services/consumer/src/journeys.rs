//! Journeys (千人千程): what people touched before they bought, and what of it is credited.
//!
//! Source: methodology 2.6. A touch is a behaviour other than the outcome and than purchases; its *point* is its channel,
//! or its channel and kind. An outcome is an order, a joining or a behaviour of one kind. The path of an outcome has the
//! touches of the [`LOOK_BACK`] days that end on its day, up to its instant and after the outcome before it; without any
//! it is [`DIRECT`].

pub mod attribution;
pub mod routes;

use std::collections::BTreeMap;

use ahash::AHashMap;
use dualwheel_kit::work;
use dualwheel_lake::frames::{Kind, NONE, Purchase};
use dualwheel_measure::{Day, Money, Window};
use roaring::RoaringBitmap;

use crate::{facts::Facts, parameters::Signal};

/// Days of touches before an outcome, its own included.
pub const LOOK_BACK: i32 = 30;
/// The point of a path without any touch.
pub const DIRECT: &str = "DIRECT";
/// The point that stands for the less touched ones where the Markov chain has too many.
pub const OTHER: &str = "OTHER";
/// The channel of a behaviour that names none.
pub const NO_CHANNEL: &str = "none";

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An order with a purchase. Supplied purchases stand for orders where the brand has no order line.
    Purchase,
    /// The begin of a role in the private domain.
    Joining,
    /// A behaviour.
    Behavior(Kind),
}

/// How fine points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Channels.
    Channel,
    /// Channels and kinds: `douyin × LIVE_WATCH`.
    Touch,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Consumer.
    pub consumer: u32,
    /// Points touched, oldest first, by place in [`Journeys::points`]; [`DIRECT`] alone where there was none.
    pub points: Vec<usize>,
    /// Days from each touch to the end, one a point; none where there was no touch.
    pub ages: Vec<i32>,
    /// What it brought; `None` where it led to no outcome.
    pub outcome: Option<Money>,
}

/// The paths of a brand's people in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journeys {
    /// Points by name, sorted; [`DIRECT`] and [`OTHER`] are among them.
    pub points: Vec<String>,
    /// Paths to outcomes of the window by consumer and instant, and one path of the window's touches for everyone without
    /// an outcome in it.
    pub paths: Vec<Path>,
}

/// Something that happened to a consumer: instant, day, and the point or what it brought.
struct Event<T> {
    at: i64,
    day: Day,
    what: T,
}

/// The paths that end in `window`, of `people` or of everyone.
#[must_use]
pub fn journeys(
    facts: &Facts,
    window: Window,
    outcome: Outcome,
    point: Point,
    people: Option<&RoaringBitmap>,
) -> Journeys {
    let mut points: BTreeMap<(u32, u8), usize> = BTreeMap::new();
    let mut paths = Vec::new();
    work::step("reading ways", facts.consumers() as usize);
    for consumer in 0..facts.consumers() {
        work::look();
        work::advance(1);
        if people.is_some_and(|people| !people.contains(consumer)) {
            continue;
        }
        let outcomes = outcomes(facts, consumer, outcome, window.last);
        let touches = touches(facts, consumer, outcome, window.last);
        let mut intern = |key: (u32, u8)| {
            let key = match point {
                Point::Channel => (key.0, 0),
                Point::Touch => key,
            };
            let next = points.len();
            *points.entry(key).or_insert(next)
        };
        collect(consumer, window, &outcomes, &touches, &mut intern, &mut paths);
    }
    named(facts, points, paths)
}

fn collect(
    consumer: u32,
    window: Window,
    outcomes: &[Event<Money>],
    touches: &[Event<(u32, u8)>],
    intern: &mut impl FnMut((u32, u8)) -> usize,
    paths: &mut Vec<Path>,
) {
    let (mut before, mut reached) = (i64::MIN, false);
    for end in outcomes {
        if window.contains(end.day) {
            reached = true;
            let first = end.day.plus(1 - LOOK_BACK);
            let on_path = touches
                .iter()
                .filter(|touch| before < touch.at && touch.at <= end.at && first <= touch.day);
            let (points, ages) = on_path
                .map(|touch| (intern(touch.what), end.day.0 - touch.day.0))
                .unzip();
            paths.push(Path {
                consumer,
                points,
                ages,
                outcome: Some(end.what),
            });
        }
        before = end.at;
    }
    if !reached {
        let inside = touches.iter().filter(|touch| window.contains(touch.day));
        let (points, ages): (Vec<usize>, Vec<i32>) = inside
            .map(|touch| (intern(touch.what), window.last.0 - touch.day.0))
            .unzip();
        if !points.is_empty() {
            paths.push(Path {
                consumer,
                points,
                ages,
                outcome: None,
            });
        }
    }
}

/// The outcomes of a consumer up to `last`, oldest first.
fn outcomes(facts: &Facts, consumer: u32, outcome: Outcome, last: Day) -> Vec<Event<Money>> {
    let mut found: Vec<Event<Money>> = match outcome {
        // Lines make orders; a behaviour is one by itself.
        Outcome::Purchase if facts.purchases_are_behaviors() => facts
            .purchases(consumer)
            .map(|Purchase { at, day, net, .. }| Event { at, day, what: net })
            .collect(),
        Outcome::Purchase => orders(facts, consumer),
        Outcome::Joining => facts
            .members
            .of(consumer)
            .iter()
            .map(|row| Event {
                at: row.joined_at,
                day: row.joined,
                what: 0,
            })
            .collect(),
        Outcome::Behavior(wanted) => acts(facts, consumer, last)
            .filter(|(_, _, kind, _)| *kind == wanted)
            .map(|(at, day, ..)| Event { at, day, what: 0 })
            .collect(),
    };
    found.retain(|event| event.day <= last);
    found.sort_by_key(|event| event.at);
    found
}

/// The orders of a consumer that have a purchase, each at its first line, with the net GMV of all its lines.
fn orders(facts: &Facts, consumer: u32) -> Vec<Event<Money>> {
    // In the order of their first lines, which decides between orders of one instant.
    let (mut orders, mut places) = (Vec::new(), AHashMap::new());
    for line in facts.orders.of(consumer) {
        let place = *places.entry(line.order).or_insert(orders.len());
        if place == orders.len() {
            let order = Event {
                at: line.paid_at,
                day: line.day,
                what: 0,
            };
            orders.push((order, false));
        }
        if let Some((order, bought)) = orders.get_mut(place) {
            order.what += line.net();
            *bought |= line.is_purchase();
        }
    }
    let bought = orders.into_iter().filter(|(_, bought)| *bought);
    bought.map(|(order, _)| order).collect()
}

/// The touches of a consumer up to `last`, oldest first: channel and kind.
fn touches(facts: &Facts, consumer: u32, outcome: Outcome, last: Day) -> Vec<Event<(u32, u8)>> {
    let joins = [Kind::Join, Kind::GroupJoin, Kind::Follow];
    acts(facts, consumer, last)
        .filter(|(_, _, kind, _)| match outcome {
            _ if *kind == Kind::Purchase => false,
            Outcome::Purchase => true,
            // The acts of joining are the joining itself.
            Outcome::Joining => !joins.contains(kind),
            Outcome::Behavior(wanted) => *kind != wanted,
        })
        .map(|(at, day, kind, channel)| Event {
            at,
            day,
            what: (channel, kind as u8),
        })
        .collect()
}

/// Behaviours of a consumer up to `last`, oldest first: instant, day, kind, channel.
fn acts(facts: &Facts, consumer: u32, last: Day) -> impl Iterator<Item = (i64, Day, Kind, u32)> {
    let frame = &facts.behaviors;
    frame.groups.rows(consumer).filter_map(move |row| {
        let day = *frame.day.get(row)?;
        let channel = frame.channel.get(row).copied().unwrap_or(NONE);
        (day <= last).then_some((*frame.at.get(row)?, day, *frame.kind.get(row)?, channel))
    })
}

/// Gives points their names, in the order of which they are numbered again.
fn named(facts: &Facts, points: BTreeMap<(u32, u8), usize>, mut paths: Vec<Path>) -> Journeys {
    let words = facts.behaviors.names.words.view();
    let name = |(channel, kind): (u32, u8)| {
        let channel = if channel == NONE {
            NO_CHANNEL
        } else {
            words.key(channel)
        };
        match Kind::from_number(kind as i8) {
            Kind::Unspecified => channel.to_owned(),
            kind => format!("{channel} × {}", String::from(Signal::Kind(kind))),
        }
    };
    let mut names: Vec<(String, usize)> = points.into_iter().map(|(key, at)| (name(key), at)).collect();
    // Behind the touched ones, so that their places are those of no touch.
    let (direct, other) = (names.len(), names.len() + 1);
    names.push((DIRECT.to_owned(), direct));
    names.push((OTHER.to_owned(), other));
    names.sort_unstable();
    let mut places = vec![0; names.len()];
    for (place, (_, at)) in names.iter().enumerate() {
        if let Some(slot) = places.get_mut(*at) {
            *slot = place;
        }
    }
    let direct = places.get(direct).copied().unwrap_or_default();
    for path in &mut paths {
        for point in &mut path.points {
            *point = places.get(*point).copied().unwrap_or(direct);
        }
        if path.points.is_empty() {
            path.points.push(direct);
        }
    }
    Journeys {
        points: names.into_iter().map(|(name, _)| name).collect(),
        paths,
    }
}
