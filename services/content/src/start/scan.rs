//! The pass over the consumers.

use dualwheel_kit::work;
use dualwheel_lake::frames::{NONE, Purchase};
use dualwheel_measure::{Day, Scope};
use rayon::prelude::*;

use super::{
    Part,
    board::{Board, Carried, Item},
    followup::FollowUp,
    signals::{Case, is_view},
    tally::Tally,
};
use crate::Parameters;

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// One reach of the consumer at hand.
#[derive(Clone, Copy)]
struct Reach<'a> {
    at: i64,
    day: Day,
    content: u32,
    item: &'a Item,
    /// Seen so long that the viewing itself is an interaction.
    is_deep: bool,
}

/// What the pass reads.
#[derive(Clone, Copy)]
struct Scan<'a> {
    part: &'a Part,
    parameters: &'a Parameters,
    case: Case,
    board: &'a Board,
    scope: &'a Scope<'a>,
}

/// Tallies of the whole (first) and of every cut, in the board's order.
pub(super) fn scan(
    part: &Part,
    parameters: &Parameters,
    case: Case,
    board: &Board,
    scope: &Scope<'_>,
) -> Vec<Tally> {
    let scan = Scan {
        part,
        parameters,
        case,
        board,
        scope,
    };
    let consumers = part.behaviors.groups.len();
    let parts = u32::try_from(rayon::current_num_threads()).unwrap_or(1).max(1);
    let size = consumers.div_ceil(parts).max(1);
    let stop = work::Stop::current();
    let tally = |part: u32| {
        let first = part.saturating_mul(size);
        stop.during(|| scan.of(first..first.saturating_add(size).min(consumers)))
    };
    let tallies: Vec<Vec<Tally>> = (0..parts).into_par_iter().map(tally).collect();
    let mut total = board.tallies();
    for part in tallies {
        for (sum, tally) in total.iter_mut().zip(&part) {
            sum.merge(tally);
        }
    }
    total
}

impl<'a> Scan<'a> {
    fn of(&self, consumers: std::ops::Range<u32>) -> Vec<Tally> {
        let mut tallies = self.board.tallies();
        let mut reaches: Vec<Reach<'a>> = Vec::new();
        let mut follow_up = FollowUp::default();
        for consumer in consumers {
            work::look();
            reaches.clear();
            self.read_views(consumer, &mut tallies, &mut reaches);
            // Oldest first: those after the window only take purchases from those in it.
            let of_window = reaches.partition_point(|reach| reach.day <= self.scope.window.last);
            let of_window = reaches.get(..of_window).unwrap_or_default();
            if of_window.is_empty() {
                continue;
            }
            follow_up.read(self.part, self.case, consumer, self.scope);
            for reach in of_window {
                self.tell_reach(consumer, *reach, &follow_up, &mut tallies);
            }
            for purchase in &follow_up.purchases {
                self.tell_purchase(consumer, *purchase, &reaches, &mut tallies);
            }
        }
        tallies
    }

    /// Counts the views of a consumer in the window, and keeps those that reached then or later, oldest first.
    fn read_views(&self, consumer: u32, tallies: &mut [Tally], reaches: &mut Vec<Reach<'a>>) {
        let behaviors = &*self.part.behaviors;
        let rows = behaviors.groups.rows(consumer);
        let kinds = behaviors.kind.get(rows.clone()).unwrap_or_default();
        for (row, kind) in rows.zip(kinds) {
            if !is_view(*kind) {
                continue;
            }
            let (Some(day), Some(at)) = (behaviors.day.get(row), behaviors.at.get(row)) else {
                continue;
            };
            let content = behaviors.content.get(row).copied().unwrap_or(NONE);
            let Some(item) = self.board.item(content) else {
                continue;
            };
            let dwell = behaviors.dwell_ms.get(row).copied().unwrap_or(-1);
            if self.scope.window.contains(*day) {
                self.board
                    .tell(tallies, item, *day, |tally| tell_view(tally, item, dwell));
            } else if *day < self.scope.window.first || *day > self.scope.as_of {
                continue;
            }
            if self.is_reach(item, dwell) {
                let is_deep = item.is_watched(dwell, self.parameters.interaction_watched_share);
                reaches.push(Reach {
                    at: *at,
                    day: *day,
                    content,
                    item,
                    is_deep,
                });
            }
        }
    }

    fn is_reach(&self, item: &Item, dwell_ms: i64) -> bool {
        let parameters = self.parameters;
        let long_enough = dwell_ms >= 0 && dwell_ms as f64 >= parameters.reach_dwell_seconds * 1_000.0;
        self.case.dwell_assumed || long_enough || item.is_watched(dwell_ms, parameters.reach_watched_share)
    }

    fn tell_reach(&self, consumer: u32, reach: Reach<'_>, follow_up: &FollowUp, tallies: &mut [Tally]) {
        let Reach { at, day, item, .. } = reach;
        let matured = day.plus(self.parameters.longest_follow_up() - 1) <= self.scope.as_of;
        let carries = !item.carried.is_empty();
        self.board.tell(tallies, item, day, |tally| {
            tally.reaches += 1;
            tally.matured += i64::from(matured);
            tally.reached.add(consumer);
            if carries {
                tally.carrying.add(consumer);
            }
        });
        self.tell_interaction(consumer, reach, follow_up, tallies);
        let within = |days: i32, act: Day| act.0 - day.0 < days;
        if follow_up
            .drawn_from(at)
            .is_some_and(|act| within(self.parameters.traffic_days.into(), act))
        {
            self.board
                .tell(tallies, item, day, |tally| tally.drawn.add(consumer));
        }
        for carried in &item.carried {
            let interest = follow_up.interest_from(carried.product, at);
            if interest.is_some_and(|act| within(self.parameters.seeding_days.into(), act)) {
                self.board
                    .tell_product(tallies, item, *carried, day, |tally| tally.seeded.add(consumer));
            }
        }
    }

    /// An interaction is with the content of the reach; by day, on the day of the reach.
    fn tell_interaction(&self, consumer: u32, reach: Reach<'_>, follow_up: &FollowUp, tallies: &mut [Tally]) {
        if !reach.is_deep && !follow_up.has_interaction(reach.content) {
            return;
        }
        if !self.board.is_by_day() {
            return self.board.tell(tallies, reach.item, reach.day, |tally| {
                tally.interacted.add(consumer)
            });
        }
        if let Some(whole) = tallies.first_mut() {
            whole.interacted.add(consumer);
        }
        if (reach.is_deep || follow_up.has_interaction_on(reach.content, reach.day))
            && let Some(tally) = self.board.day_tally(tallies, reach.day)
        {
            tally.interacted.add(consumer);
        }
    }

    /// The last reach before the purchase by a content that carries the product wins it; where that lies after the window,
    /// no content of the window has it.
    fn tell_purchase(&self, consumer: u32, purchase: Purchase, reaches: &[Reach<'_>], tallies: &mut [Tally]) {
        let winner = self.winner(purchase, reaches);
        let Some((reach, carried)) = winner.filter(|(reach, _)| reach.day <= self.scope.window.last) else {
            return;
        };
        let is_direct = self.is_direct(purchase, reach);
        let with_spend = reach.item.has_spend;
        self.board
            .tell_product(tallies, reach.item, carried, reach.day, |tally| {
                tally.assisted.add(consumer);
                if is_direct {
                    tally.direct.add(consumer);
                    tally.gmv += purchase.net;
                    if with_spend {
                        tally.gmv_with_spend += purchase.net;
                    }
                }
            });
    }

    fn winner<'r>(&self, purchase: Purchase, reaches: &'r [Reach<'a>]) -> Option<(Reach<'r>, Carried)> {
        let before = reaches.get(..reaches.partition_point(|reach| reach.at <= purchase.at))?;
        let in_time = before.iter().rev().take_while(|reach| {
            self.is_direct(purchase, **reach)
                || purchase.day.0 - reach.day.0 < i32::from(self.parameters.assisted_days)
        });
        let mut best: Option<(Reach<'r>, Carried)> = None;
        for reach in in_time {
            if best.as_ref().is_some_and(|(last, _)| reach.at < last.at) {
                break;
            }
            // Of several at that instant the one whose content has the smallest key.
            let stands = best
                .as_ref()
                .is_none_or(|(last, _)| reach.item.rank < last.item.rank);
            if let Some(carried) = reach.item.carries(purchase.product).filter(|_| stands) {
                best = Some((*reach, carried));
            }
        }
        best
    }

    fn is_direct(&self, purchase: Purchase, reach: Reach<'_>) -> bool {
        purchase.at - reach.at <= i64::from(self.parameters.direct_hours) * MICROS_PER_HOUR
    }
}

fn tell_view(tally: &mut Tally, item: &Item, dwell_ms: i64) {
    tally.views += 1;
    if !item.is_video {
        return;
    }
    tally.plays += 1;
    if dwell_ms >= 0 {
        let dwell = i128::from(dwell_ms);
        tally.timed += 1;
        tally.dwell_ms += dwell;
        tally.dwell_ms_squared = tally.dwell_ms_squared.saturating_add(dwell * dwell);
    }
}
