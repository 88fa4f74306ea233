//! Candidates of a brand on a day, and what the facts say of them.

use dualwheel_lake::frames::{Behaviors, Kind, Line, Members, Orders, Role, SocialProfiles, SocialRow};
use dualwheel_measure::{Day, MONEY_SCALE, Money, Window, money_to_f64};

use crate::{
    Parameters,
    activity::{Acts, Categories},
};

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

/// What is known of a candidate; `None` where no fact tells.
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

/// The candidates of a brand on `day`, by key: whose deepest role that day is one of the definition's, and who has a
/// social profile or shared something in the 30 days up to it.
///
/// The social profile is the latest one known on the day; what is known later changes nothing. Where it does not tell
/// shares, SHARE behaviours count; where it does not tell the candidate's own GMV, order lines do.
#[must_use]
pub fn candidates(facts: Facts<'_>, parameters: &Parameters, day: Day) -> Vec<Candidate> {
    let roles: Vec<Role> = parameters.koc_roles.iter().copied().map(Role::from).collect();
    let everything = Categories::below(&facts.behaviors.names, None);
    let signals = Signals::read(facts, &everything, parameters, day);
    let keys = facts.members.names.consumers.view();
    let mut found = Vec::new();
    for consumer in facts.members.groups.consumers() {
        let role = facts.members.role_on(consumer, day);
        if !role.is_some_and(|role| roles.contains(&role)) {
            continue;
        }
        let profile = facts.social.on(consumer, day);
        let shares = signals.shares(consumer);
        if profile.is_some() || shares.is_some_and(|shares| shares > 0.0) {
            let key = keys.key(consumer).to_owned();
            let inputs = signals.inputs(consumer, profile, shares);
            found.push(Candidate {
                consumer,
                key,
                inputs,
            });
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

/// What stands in where a profile does not tell.
struct Signals<'a> {
    acts: Acts<'a>,
    recent: Window,
    year: Window,
    /// Whether the brand supplies SHARE behaviours, so that nobody's having none means something.
    has_shares: bool,
    /// Whether it supplies order lines.
    has_lines: bool,
}

impl<'a> Signals<'a> {
    fn read(facts: Facts<'a>, everything: &'a Categories, parameters: &Parameters, day: Day) -> Self {
        let behaviors = facts.behaviors;
        let mut shared = behaviors.kind.iter().zip(&behaviors.day);
        Self {
            acts: Acts {
                behaviors,
                orders: facts.orders,
                categories: everything,
                browse_days: parameters.active_browse_days,
                purchases_are_behaviors: facts.orders.lines.is_empty(),
            },
            recent: Window::ending(day, RECENT_DAYS),
            year: Window::ending(day, YEAR_DAYS),
            has_shares: shared.any(|(kind, at)| *kind == Kind::Share && *at <= day),
            has_lines: facts.orders.lines.iter().any(|line| line.day <= day),
        }
    }

    fn shares(&self, consumer: u32) -> Option<f64> {
        let rows = self.acts.rows(consumer, self.recent);
        let kinds = self.acts.behaviors.kind.get(rows).unwrap_or_default();
        let shares = kinds.iter().filter(|kind| **kind == Kind::Share).count();
        self.has_shares.then_some(shares as f64)
    }

    fn own_gmv(&self, consumer: u32) -> Option<f64> {
        let net: Money = self.acts.lines(consumer, self.year).map(Line::net).sum();
        self.has_lines.then(|| money_to_f64(net))
    }

    fn inputs(&self, consumer: u32, profile: Option<&SocialRow>, shares: Option<f64>) -> Inputs {
        let count = |of: fn(&SocialRow) -> Option<i64>| profile.and_then(of).map(|count| count as f64);
        let money = |of| count(of).map(|money| money / MONEY_SCALE as f64);
        Inputs {
            interactions: count(|row| row.interactions_30d),
            spread: count(|row| row.spread_30d),
            shares: count(|row| row.shares_30d).or(shares),
            attributed_gmv: money(|row| row.attributed_gmv_30d),
            own_gmv: money(|row| row.own_gmv_365d).or_else(|| self.own_gmv(consumer)),
            followers: count(|row| row.followers),
            follower_match: profile.and_then(|row| row.follower_match),
            follower_spending_power: profile.and_then(|row| row.follower_spending_power),
        }
    }
}
