//! The eight strategic audiences (八大策略人群), as rules over the profile.
//!
//! Source: methodology 2.5. The rules are data; the first that matches wins. A field that a rule asks for and the
//! profile does not have fails that rule; who matches none belongs to none.

use dualwheel_lake::frames::{Gender, Profile, Profiles};

use crate::parameters::{AudienceRule, Parameters};

/// Strategic audience of every consumer.
#[derive(Clone, Debug)]
pub struct Strategic {
    /// Ids in order; the first is empty and stands for none.
    pub ids: Vec<String>,
    by_consumer: Vec<u8>,
}

impl Strategic {
    /// Nobody in any audience: a single group of all.
    #[must_use]
    pub fn everyone() -> Self {
        Self {
            ids: vec![String::new()],
            by_consumer: Vec::new(),
        }
    }

    /// Assigns everybody with a profile.
    #[must_use]
    pub fn assign(profiles: &Profiles, parameters: &Parameters) -> Self {
        let mut ids: Vec<String> = parameters
            .strategic_audiences
            .iter()
            .map(|rule| rule.id.clone())
            .collect();
        ids.push(String::new());
        ids.sort_unstable();
        ids.dedup();
        let consumers = profiles
            .rows
            .iter()
            .map(|row| row.consumer as usize + 1)
            .max()
            .unwrap_or(0);
        let mut by_consumer = vec![0u8; consumers];
        for profile in &profiles.rows {
            let id = audience_of(profile, parameters).unwrap_or_default();
            let index = ids
                .binary_search_by(|known| known.as_str().cmp(id))
                .ok()
                .and_then(|at| u8::try_from(at).ok());
            if let (Some(slot), Some(index)) = (by_consumer.get_mut(profile.consumer as usize), index) {
                *slot = index;
            }
        }
        Self { ids, by_consumer }
    }

    /// Index of a consumer's audience in `ids`.
    #[must_use]
    pub fn of(&self, consumer: u32) -> usize {
        self.by_consumer
            .get(consumer as usize)
            .map_or(0, |index| usize::from(*index))
    }

    /// Who belongs to the audience `id`, by consumer; `None` when there is no such audience.
    #[must_use]
    pub fn members(&self, id: &str) -> Option<Vec<bool>> {
        let at = self.ids.iter().position(|known| known == id)?;
        Some(
            self.by_consumer
                .iter()
                .map(|index| usize::from(*index) == at)
                .collect(),
        )
    }
}

/// Id of the strategic audience that a profile belongs to.
#[must_use]
pub fn audience_of<'a>(profile: &Profile, parameters: &'a Parameters) -> Option<&'a str> {
    let matched = parameters
        .strategic_audiences
        .iter()
        .find(|rule| matches(rule, profile, parameters));
    matched.map(|rule| rule.id.as_str())
}

fn matches(rule: &AudienceRule, profile: &Profile, parameters: &Parameters) -> bool {
    let between =
        |value: Option<i64>, (first, last): (i64, i64)| value.is_some_and(|v| first <= v && v <= last);
    let occupation = profile
        .occupation
        .as_ref()
        .map(|occupation| occupation.trim().to_lowercase());
    let serves = || {
        occupation
            .as_ref()
            .is_some_and(|known| parameters.service_occupations.contains(known))
    };
    between(profile.city_tier, rule.tiers)
        && between(profile.age, rule.ages)
        && (!rule.women || profile.gender == Some(Gender::Female))
        && (!rule.with_child || profile.has_child == Some(true))
        && (!rule.service_occupation || serves())
        && (!rule.occupation_unknown || profile.occupation.is_none())
        && rule
            .spending_power_from
            .is_none_or(|least| profile.spending_power.is_some_and(|power| power >= least))
        && rule
            .spending_power_below
            .is_none_or(|limit| profile.spending_power.is_some_and(|power| power < limit))
}
