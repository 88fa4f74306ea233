//! The question, the brand's facts, and how the question reads them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use dualwheel_proto::facts::{Behavior, BehaviorKind, Content, FactRows, OrderLine};

use crate::facts::{BRAND, date, micros, money};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    pub zone: Tz,
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub as_of: NaiveDate,
    pub by: Option<&'static str>,
    pub category: Option<&'static str>,
}

/// The facts of the brand, and how the question reads them.
pub struct Naive<'a> {
    pub ask: &'a Ask,
    pub acts: Vec<&'a Behavior>,
    pub lines: Vec<&'a OrderLine>,
    pub contents: BTreeMap<&'a str, &'a Content>,
    categories: BTreeMap<&'a str, &'a str>,
    pub dwell_assumed: bool,
}

/// A purchase: consumer, product, instant, day, net GMV.
pub type Purchase = (String, String, i64, NaiveDate, i128);

impl<'a> Naive<'a> {
    pub fn new(rows: &'a FactRows, ask: &'a Ask) -> Self {
        // Of rows with one event id the earliest is the act, of those the one that says the least.
        let mut acts: BTreeMap<&str, &Behavior> = BTreeMap::new();
        let says = |act: &'a Behavior| {
            let of = (&act.consumer, act.kind, &act.product, &act.content);
            (micros(&act.occurred_at), of, act.dwell_ms)
        };
        for act in rows.behaviors.iter().filter(|act| act.brand == BRAND) {
            let kept = acts.entry(&act.event_id).or_insert(act);
            if says(act) < says(kept) {
                *kept = act;
            }
        }
        let acts: Vec<&Behavior> = acts.into_values().collect();
        let mut latest: BTreeMap<(&str, &str), &OrderLine> = BTreeMap::new();
        for line in &rows.order_lines {
            let kept = latest.entry((&line.order, &line.line)).or_insert(line);
            if line.revision > kept.revision {
                *kept = line;
            }
        }
        let mut contents: BTreeMap<&str, &Content> = BTreeMap::new();
        for content in rows.contents.iter().filter(|content| content.brand == BRAND) {
            let kept = contents.entry(&content.content).or_insert(content);
            if micros(&content.updated_at) > micros(&kept.updated_at) {
                *kept = content;
            }
        }
        let categories = rows
            .products
            .iter()
            .filter_map(|product| Some((product.product.as_str(), product.category.as_deref()?)))
            .collect();
        let lines = latest.into_values().filter(|line| line.brand == BRAND).collect();
        let mut naive = Self {
            ask,
            acts,
            lines,
            contents,
            categories,
            dwell_assumed: false,
        };
        naive.dwell_assumed = !naive
            .acts
            .iter()
            .any(|act| is_view(act) && naive.in_window(act) && act.dwell_ms.is_some());
        naive
    }

    pub fn day(&self, act: &Behavior) -> NaiveDate {
        date(&act.occurred_at, self.ask.zone)
    }

    pub fn in_window(&self, act: &Behavior) -> bool {
        self.ask.first <= self.day(act) && self.day(act) <= self.ask.last
    }

    /// Products that a content carries, of the category asked for.
    pub fn carried(&self, content: &str) -> Vec<String> {
        let mut carried = BTreeSet::new();
        for product in self
            .contents
            .get(content)
            .iter()
            .flat_map(|content| &content.products)
        {
            let path = self.categories.get(product.as_str()).copied();
            let fits = match self.ask.category {
                None => true,
                Some(category) => {
                    path.is_some_and(|path| path == category || path.starts_with(&format!("{category}/")))
                }
            };
            if fits {
                carried.insert(product.clone());
            }
        }
        carried.into_iter().collect()
    }

    /// Views in the window of contents in scope.
    pub fn views(&self) -> Vec<&'a Behavior> {
        let fits = |act: &&&Behavior| {
            is_view(act)
                && self.in_window(act)
                && (self.ask.category.is_none() || !self.carried(act.content()).is_empty())
        };
        self.acts.iter().filter(fits).copied().collect()
    }

    pub fn is_video(&self, content: &str) -> bool {
        self.contents
            .get(content)
            .is_some_and(|content| content.format == 1 || content.format == 2)
    }

    /// Whether at least `quarters` quarters of the video were seen.
    pub fn watched(&self, view: &Behavior, quarters: i64) -> bool {
        let Some(content) = self.contents.get(view.content()) else {
            return false;
        };
        let (Some(dwell), Some(seconds)) = (view.dwell_ms, content.duration_s) else {
            return false;
        };
        self.is_video(view.content()) && seconds > 0 && dwell * 4 >= seconds * 1_000 * quarters
    }

    pub fn is_reach(&self, view: &Behavior) -> bool {
        self.dwell_assumed || view.dwell_ms.is_some_and(|dwell| dwell >= 3_000) || self.watched(view, 1)
    }

    pub fn cuts(&self, view: &Behavior) -> Vec<String> {
        let content = self.contents.get(view.content());
        let of = |text: Option<&String>| vec![text.cloned().unwrap_or_default()];
        match self.ask.by {
            Some("content") => vec![view.content().to_owned()],
            Some("format") => {
                let names = ["", "short_video", "live", "image_text", "article"];
                vec![names[content.map_or(0, |content| content.format as usize)].to_owned()]
            }
            Some("channel") => of(content.and_then(|content| content.channel.as_ref())),
            Some("author") => of(content.and_then(|content| content.author.as_ref())),
            Some("product") => {
                let carried = self.carried(view.content());
                if carried.is_empty() {
                    vec![String::new()]
                } else {
                    carried
                }
            }
            Some("day") => vec![self.day(view).to_string()],
            _ => vec![],
        }
    }

    /// Purchases of the brand, from behaviours only where there are no lines.
    pub fn purchases(&self) -> Vec<Purchase> {
        if self.lines.is_empty() {
            let bought = self
                .acts
                .iter()
                .filter(|act| act.kind == i32::from(BehaviorKind::Purchase));
            return bought
                .filter_map(|act| {
                    let product = act.product.clone()?;
                    Some((
                        act.consumer.clone(),
                        product,
                        micros(&act.occurred_at),
                        self.day(act),
                        0,
                    ))
                })
                .collect();
        }
        let bought = self.lines.iter().filter(|line| line.quantity > 0);
        bought
            .map(|line| {
                let net = money(&line.paid_amount) - money(&line.refund_amount);
                let day = date(&line.paid_at, self.ask.zone);
                (
                    line.consumer.clone(),
                    line.product.clone(),
                    micros(&line.paid_at),
                    day,
                    net,
                )
            })
            .collect()
    }

    /// Whether `day` lies within `days` days of which `from` is the first, and not after the as-of day.
    pub fn within(&self, from: NaiveDate, day: NaiveDate, days: u64) -> bool {
        day < from + Days::new(days) && day <= self.ask.as_of
    }
}

pub fn is(act: &Behavior, kinds: &[BehaviorKind]) -> bool {
    kinds.iter().any(|kind| act.kind == i32::from(*kind))
}

pub fn is_view(act: &Behavior) -> bool {
    is(act, &[BehaviorKind::ContentView, BehaviorKind::LiveWatch]) && act.content.is_some()
}

pub fn is_interaction(act: &Behavior) -> bool {
    use BehaviorKind::{Comment, Favorite, Follow, Like, Share};
    is(act, &[Like, Comment, Share, Favorite, Follow]) && act.content.is_some()
}

pub fn is_interest(act: &Behavior) -> bool {
    use BehaviorKind::{Browse, Cart, Favorite, Search};
    is(act, &[Browse, Favorite, Cart, Search]) && act.product.is_some()
}

pub fn is_drawn(act: &Behavior) -> bool {
    is(
        act,
        &[BehaviorKind::Follow, BehaviorKind::Join, BehaviorKind::GroupJoin],
    )
}
