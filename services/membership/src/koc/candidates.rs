//! Candidates of a brand on a day, and what the facts say of them.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{Behaviors, Kind, Line, Members, Orders, SocialProfiles, SocialRow, Within};
use dualwheel_measure::{Day, MONEY_SCALE, Money, Window, money_to_f64};
use serde::{Deserialize, Serialize};

use crate::{Parameters, activity::Acts};

/// Days of the recent counts and amounts. Part of their names in the contract, and so no parameter.
const RECENT_DAYS: i32 = 30;
/// Days of a candidate's own GMV, likewise.
const YEAR_DAYS: i32 = 365;

/// The facts that KOC cultivation reads, of one brand.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Behaviours.
    pub behaviors: &'a Behaviors,
    /// Order lines.
    pub orders: &'a Orders,
    /// Roles.
    pub members: &'a Members,
    /// Standing on social media.
    pub social: &'a SocialProfiles,
}

/// What is known of a candidate; `None` where no fact says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Interactions with the candidate's posts in 30 days.
    pub interactions: Option<f64>,
    /// People whom the posts reached in 30 days.
    pub spread: Option<f64>,
    /// Shares in 30 days.
    pub shares: Option<f64>,
    /// GMV attributed to the posts in 30 days, in currency units.
    pub attributed_gmv: Option<f64>,
    /// The candidate's own net GMV in 365 days, in currency units.
    pub own_gmv: Option<f64>,
    /// Followers.
    pub followers: Option<f64>,
    /// Share of the followers inside the brand's target audience, 0 to 1.
    pub follower_match: Option<f64>,
    /// Mean spending power of the followers, 0 to 1.
    pub follower_spending_power: Option<f64>,
}

impl Inputs {
    /// Followers inside the brand's target audience: followers × match.
    #[must_use]
    pub fn reach(&self) -> Option<f64> {
        Some(self.followers? * self.follower_match?)
    }
}

/// A candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Consumer.
    pub consumer: u32,
    /// The consumer's key.
    pub key: String,
    /// What is known.
    pub inputs: Inputs,
}

/// What is known of some people who may be candidates: as large as they are, since all are ranked among one another.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct People {
    /// Whether the brand supplies SHARE behaviours, so that nobody's having none means something.
    has_shares: bool,
    /// Whether it supplies order lines.
    has_lines: bool,
    by_key: BTreeMap<String, Person>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Person {
    /// It is a number of this process, and so no part of what is written.
    #[serde(skip)]
    consumer: u32,
    profile: Option<Profile>,
    /// SHARE behaviours of the recent days.
    shares: i64,
    /// Net GMV of the year.
    net: Money,
}

/// What a social profile says; amounts in ten-thousandths.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Profile {
    interactions: Option<i64>,
    spread: Option<i64>,
    shares: Option<i64>,
    attributed: Option<i64>,
    own: Option<i64>,
    followers: Option<i64>,
    follower_match: Option<f64>,
    follower_spending_power: Option<f64>,
}

impl Profile {
    fn of(row: &SocialRow) -> Self {
        Self {
            interactions: row.interactions_30d,
            spread: row.spread_30d,
            shares: row.shares_30d,
            attributed: row.attributed_gmv_30d,
            own: row.own_gmv_365d,
            followers: row.followers,
            follower_match: row.follower_match,
            follower_spending_power: row.follower_spending_power,
        }
    }
}

impl People {
    /// Those whose deepest role on `day` is one of the definition's, and who have a social profile or shared something in
    /// the 30 days up to it.
    ///
    /// The social profile is the latest one known on the day; what is known later changes nothing.
    #[must_use]
    pub fn of(facts: Facts<'_>, parameters: &Parameters, day: Day) -> Self {
        let everything = Within::new(&facts.behaviors.names, None);
        let acts = Acts {
            behaviors: facts.behaviors,
            orders: facts.orders,
            categories: &everything,
            browse_days: parameters.active_browse_days,
            // What counts here are behaviours of one kind, and money, which only lines tell.
            purchases_are_behaviors: false,
        };
        let (recent, year) = (Window::ending(day, RECENT_DAYS), Window::ending(day, YEAR_DAYS));
        let keys = facts.members.names.consumers.view();
        let mut shared = facts.behaviors.kind.iter().zip(&facts.behaviors.day);
        let mut people = Self {
            has_shares: shared.any(|(kind, at)| *kind == Kind::Share && *at <= day),
            has_lines: facts.orders.lines.iter().any(|line| line.day <= day),
            by_key: BTreeMap::new(),
        };
        for consumer in facts.members.groups.consumers() {
            let role = facts.members.role_on(consumer, day);
            if !role.is_some_and(|role| parameters.koc_roles.contains(&role)) {
                continue;
            }
            let kinds = facts.behaviors.kind.get(acts.rows(consumer, recent));
            let kinds = kinds.unwrap_or_default().iter();
            let person = Person {
                consumer,
                profile: facts.social.on(consumer, day).map(Profile::of),
                shares: kinds.filter(|kind| **kind == Kind::Share).count() as i64,
                net: acts.lines(consumer, year).map(Line::net).sum(),
            };
            if person.profile.is_some() || person.shares > 0 {
                people.by_key.insert(keys.key(consumer).to_owned(), person);
            }
        }
        people
    }

    /// Adds other people.
    #[must_use]
    pub fn merge(mut self, mut other: Self) -> Self {
        self.has_shares |= other.has_shares;
        self.has_lines |= other.has_lines;
        self.by_key.append(&mut other.by_key);
        self
    }

    /// All candidates, by key. Where a profile does not tell shares, SHARE behaviours count; where it does not tell the
    /// candidate's own GMV, order lines do.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate> {
        let people = self.by_key.iter();
        people
            .map(|(key, person)| Candidate {
                consumer: person.consumer,
                key: key.clone(),
                inputs: self.inputs(person),
            })
            .collect()
    }

    fn inputs(&self, person: &Person) -> Inputs {
        let profile = person.profile.as_ref();
        let count = |of: fn(&Profile) -> Option<i64>| profile.and_then(of).map(|count| count as f64);
        let money = |of| count(of).map(|money| money / MONEY_SCALE as f64);
        let shared = || self.has_shares.then_some(person.shares as f64);
        let bought = || self.has_lines.then(|| money_to_f64(person.net));
        Inputs {
            interactions: count(|profile| profile.interactions),
            spread: count(|profile| profile.spread),
            shares: count(|profile| profile.shares).or_else(shared),
            attributed_gmv: money(|profile| profile.attributed),
            own_gmv: money(|profile| profile.own).or_else(bought),
            followers: count(|profile| profile.followers),
            follower_match: profile.and_then(|profile| profile.follower_match),
            follower_spending_power: profile.and_then(|profile| profile.follower_spending_power),
        }
    }
}

/// The candidates of a brand on `day`, by key; see [`People`].
#[must_use]
pub fn candidates(facts: Facts<'_>, parameters: &Parameters, day: Day) -> Vec<Candidate> {
    People::of(facts, parameters, day).candidates()
}
