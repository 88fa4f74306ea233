//! Parameters of the service's metrics, as `definitions.yaml` and its overrides give them.

use std::{
    num::{NonZeroU16, NonZeroU32},
    ops::RangeInclusive,
};

use dualwheel_lake::frames::Role;
use dualwheel_measure::definitions::Ranged;
use serde::{Deserialize, Serialize};

use crate::kinds::{Class, Quadrant};

/// A number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Points(f64);

impl Points {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Points {
    type Error = String;

    fn try_from(points: f64) -> Result<Self, String> {
        (0.0..=100.0)
            .contains(&points)
            .then_some(Self(points))
            .ok_or_else(|| format!("{points} points; 0 to 100 expected"))
    }
}

impl From<Points> for f64 {
    fn from(points: Points) -> Self {
        points.0
    }
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// The share.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        (0.0..=1.0)
            .contains(&share)
            .then_some(Self(share))
            .ok_or_else(|| format!("a share of {share}; 0 to 1 expected"))
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// What a brand may do with a group of people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// Id.
    pub id: String,
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

/// The scene of each KOC class.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenes {
    /// Of standard KOCs.
    pub standard_koc: Suggestion,
    /// Of sharers.
    pub sharer: Suggestion,
    /// Of quality buyers.
    pub quality_buyer: Suggestion,
}

impl Scenes {
    /// The scene of a class; none for candidates without one.
    #[must_use]
    pub fn of(&self, class: Class) -> Option<&Suggestion> {
        match class {
            Class::StandardKoc => Some(&self.standard_koc),
            Class::Sharer => Some(&self.sharer),
            Class::QualityBuyer => Some(&self.quality_buyer),
            Class::Unclassed => None,
        }
    }
}

/// The lever of each quadrant, by what is high in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Levers {
    /// Influence and purchasing power.
    pub both: Suggestion,
    /// Influence.
    pub influence: Suggestion,
    /// Purchasing power.
    pub purchasing: Suggestion,
    /// Neither.
    pub neither: Suggestion,
}

impl Levers {
    /// The lever of a quadrant.
    #[must_use]
    pub fn of(&self, quadrant: Quadrant) -> &Suggestion {
        match (quadrant.influence, quadrant.purchasing) {
            (true, true) => &self.both,
            (true, false) => &self.influence,
            (false, true) => &self.purchasing,
            (false, false) => &self.neither,
        }
    }
}

/// Parameters of FAST+ (methodology §5.1), of the close people of NEO (§6.1) and of KOC cultivation (§5.2).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Distinct days on which browsing in the window becomes active.
    pub active_browse_days: u16,
    /// Roles whose holders are members for `neo.engagement.close_people`.
    pub close_roles: Vec<Role>,
    /// Days, up to the window's last, within which such a member is active.
    pub close_active_days: u16,
    /// Depth at which category paths are cut.
    pub category_level: NonZeroU32,
    /// Fewest people behind a category that a cell names.
    pub min_cell: NonZeroU16,
    /// Roles whose holders can be KOC candidates.
    pub koc_roles: Vec<Role>,
    /// Least rank of content power of a standard KOC, and of a sharer for content.
    pub koc_content_cut: Points,
    /// Least rank of influence of a standard KOC.
    pub koc_influence_cut: Points,
    /// Share of the candidates, those who share most, who are sharers for sharing.
    pub koc_sharer_share: Share,
    /// Least rank of purchasing power of a quality buyer.
    pub koc_purchasing_cut: Points,
    /// Rank of influence above which it is high; the candidates' median where none is given.
    pub koc_influence_axis: Option<Points>,
    /// Rank of purchasing power above which it is high; likewise.
    pub koc_purchasing_axis: Option<Points>,
    /// Days, up to the as-of day, whose purchases associate categories with cells.
    pub koc_category_days: NonZeroU16,
    /// Most categories that a cell names.
    pub koc_most_categories: NonZeroU16,
    /// Scenes by class.
    pub koc_scenes: Scenes,
    /// Levers by quadrant.
    pub koc_levers: Levers,
}

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[
        ("active_browse_days", 1.0..=366.0),
        ("close_active_days", 1.0..=3_660.0),
        ("category_level", 1.0..=10.0),
        ("min_cell", 1.0..=65_535.0),
        ("koc_content_cut", 0.0..=100.0),
        ("koc_influence_cut", 0.0..=100.0),
        ("koc_sharer_share", 0.0..=1.0),
        ("koc_purchasing_cut", 0.0..=100.0),
        ("koc_influence_axis", 0.0..=100.0),
        ("koc_purchasing_axis", 0.0..=100.0),
        ("koc_category_days", 1.0..=3_660.0),
        ("koc_most_categories", 1.0..=1_000.0),
    ];
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Definitions;

    use super::*;

    #[test]
    fn the_shipped_file_fits() {
        let shipped: Definitions<Parameters> = Definitions::shipped(crate::DEFINITIONS).unwrap();
        let parameters = &shipped.parameters;
        assert_eq!(parameters.koc_influence_axis, None);
        let scenes = Class::CULTIVATED.map(|class| parameters.koc_scenes.of(class).unwrap().id.as_str());
        assert_eq!(scenes, ["groups", "content_making", "interactive_events"]);
        let levers: std::collections::BTreeSet<&str> = Quadrant::ALL
            .iter()
            .map(|quadrant| parameters.koc_levers.of(*quadrant).id.as_str())
            .collect();
        assert_eq!(levers.len(), 4);
    }

    #[test]
    fn cuts_are_checked_when_loaded() {
        for wrong in [-0.1, 100.1, f64::NAN] {
            assert!(
                Points::try_from(wrong).is_err() && Share::try_from(wrong).is_err(),
                "{wrong}"
            );
        }
        assert!(
            Points::try_from(60.0).is_ok() && Share::try_from(0.4).is_ok() && Share::try_from(1.5).is_err()
        );
    }
}
