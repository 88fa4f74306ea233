//! What was given before, for where the active plugin fails.

use std::collections::HashMap;

use dualwheel_measure::Day;
use dualwheel_proto::plugin::{ModelFailure, ModelSource};

use crate::{
    Asked, Error, Plugins, Scored,
    score::{Earlier, policy, used},
    store::{Activation, Change, Run, runs::KEPT},
};

/// Revisions that are looked through; what was given before them is too old to be distinguished from what was rolled back.
const REVISIONS: u64 = 1_000;

impl Plugins {
    /// Notes that a run's answer is given now. It is given where that cannot be noted, too.
    pub(crate) async fn give(&self, asked: &Asked, run: &Run, revision: i64) {
        if let Err(error) = self.runs(&asked.call).give(run, revision).await {
            tracing::warn!(%error, run = run.name(), "That an answer was given cannot be noted");
        }
    }

    /// The last answer that was given to the same question, by a plugin that could be active still: neither was it rolled
    /// back from or retired since, nor did its publisher lose the tenant's trust.
    pub(crate) async fn last_good(
        &self,
        asked: &Asked,
        activation: &Activation,
        failure: &ModelFailure,
    ) -> Result<Option<Earlier>, Error> {
        let (brand, world) = (&asked.brand, activation.world);
        let runs = self.runs(&asked.call);
        let runs = runs.given(brand, world, &asked.subject, KEPT).await?;
        let first = runs
            .iter()
            .filter_map(|run| run.given)
            .map(|given| given.under)
            .min();
        let Some(first) = first else { return Ok(None) };
        let activations = self.activations(&asked.call);
        let revisions = activations.since(brand, world, first, REVISIONS).await?;
        let mut admitted = HashMap::new();
        for run in runs {
            if run.given.is_none_or(|given| was_left(&revisions, given.under)) {
                continue;
            }
            let plugin = (run.setting.plugin(), run.sha256.clone());
            let may_answer = match admitted.get(&plugin) {
                Some(known) => *known,
                None => self.may_answer(asked, activation, &run).await?,
            };
            admitted.insert(plugin, may_answer);
            if !may_answer {
                continue;
            }
            if let Some(columns) = self.result(&asked.call, &run).await? {
                let by = used(&run, ModelSource::LastGood, Some(failure.clone()));
                return Ok(Some(Earlier {
                    scored: Scored { columns, by },
                    day: Day(run.day),
                    versions: run.versions,
                    table_hash: run.table_hash,
                }));
            }
        }
        Ok(None)
    }

    /// Whether the plugin of a run could be active.
    async fn may_answer(&self, asked: &Asked, activation: &Activation, run: &Run) -> Result<bool, Error> {
        let (id, version) = (&run.setting.id, &run.setting.version);
        let stored = self.admitted(&asked.call, id, version, policy(activation));
        match stored.await {
            Ok(stored) => {
                let active = activation.active.as_ref();
                let is_active = active.is_some_and(|active| active.plugin() == run.setting.plugin());
                Ok(stored.sha256 == run.sha256 && (is_active || stored.retired_at.is_none()))
            }
            Err(error) if error.is_for_callers() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether the brand has rolled back from what was active at revision `then`, and has not come back to it. `revisions` are
/// those since, newest first.
fn was_left(revisions: &[Activation], then: i64) -> bool {
    let found = revisions.iter().find(|revision| revision.revision == then);
    let Some(setting) = found.and_then(|revision| revision.active.as_ref()) else {
        return true;
    };
    let is_of_plugin = |revision: &Activation| {
        let active = revision.active.as_ref();
        active.is_some_and(|active| active.plugin() == setting.plugin())
    };
    // Newest first: what was done last counts.
    let mut came_back = false;
    for (next, before) in revisions.iter().zip(revisions.iter().skip(1)) {
        if before.revision < then || next.active.as_ref() == Some(setting) {
            return false;
        }
        came_back |= is_of_plugin(next);
        if next.change != Change::RolledBack {
            continue;
        }
        // From just this setting; or from the plugin, whatever its parameters.
        if before.active.as_ref() == Some(setting) || is_of_plugin(before) && !came_back {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use dualwheel_plugin_sdk::Parameters;

    use super::*;
    use crate::store::{Fallback, Setting};

    /// Revisions as `ACTIVE` or `<ACTIVE`, where that was rolled back to: a version, and a parameter behind a dot.
    fn history(told: &str) -> Vec<Activation> {
        let revision = |(at, told): (usize, &str)| {
            let (change, active) = match told.strip_prefix('<') {
                Some(active) => (Change::RolledBack, active),
                None => (Change::Activated, told),
            };
            let (version, parameter) = active.split_once('.').unwrap_or((active, "0"));
            let setting = Setting {
                id: "m".to_owned(),
                version: version.to_owned(),
                parameters: Parameters::from([("p".to_owned(), parameter.parse().unwrap())]),
            };
            Activation {
                brand: String::new(),
                world: 1,
                revision: at as i64 + 1,
                active: (active != "-").then_some(setting),
                shadow: None,
                fallback: Fallback::LastGood,
                allow_wasi: false,
                keep_inputs: false,
                forced: String::new(),
                before: None,
                change,
                etag: String::new(),
                made_at: 0,
            }
        };
        let mut revisions: Vec<_> = told.split(' ').enumerate().map(revision).collect();
        revisions.reverse();
        revisions
    }

    #[test]
    fn what_was_rolled_back_from_is_left_until_it_is_active_again() {
        for (told, then, left) in [
            ("1", 1, false),
            ("1 2", 1, false),
            ("1 2 <1", 2, true),
            ("1 2 <1", 1, false),
            ("1 2 <1 3", 2, true),
            ("1 2 <1 3 2", 2, false),
            ("1 2 <1 2 <1", 2, true),
            // Step by step, and to the built-in model.
            ("1 2 3 <2 <1", 2, true),
            ("1 2 3 <2 <1", 3, true),
            ("1 <-", 1, true),
            ("1 -", 1, false),
            // Another parameter of the same version.
            ("1.1 1.2 <1.1", 2, true),
            ("1.1 1.2 <1.1", 1, false),
            ("2.1 1 2.2 <1", 1, true),
            ("2.1 1 2.2 <1 2.3", 1, false),
            ("2.1 1 2.2 <1 2.3", 3, true),
            // Nothing was active, or nothing is known of then.
            ("-", 1, true),
            ("1", 7, true),
        ] {
            assert_eq!(was_left(&history(told), then), left, "{told} at {then}");
        }
    }
}
