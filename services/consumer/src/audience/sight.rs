//! Whose audience a caller may have, and what may be disclosed of the people.
//!
//! Profiles are the tenant's and not a brand's. Who may see some brands only must not reach other people through them:
//! to such a caller the people known to the brand are all there are. Everything that finds, counts or describes people
//! of an audience takes a [`Sight`]: [`evaluate`](super::evaluate()) cuts each term to it, whatever the term is.

use std::{collections::BTreeSet, sync::Arc};

use dualwheel_lake::frames::{SocialProfiles, is_shown};
use dualwheel_measure::Day;
use roaring::RoaringBitmap;

use super::indexed::known;
use crate::{facts::Facts, index::Cells, parameters::Parameters};

/// What of a tenant's people a caller may see.
#[derive(Clone, Debug)]
pub struct Sight(Option<Arc<Narrow>>);

/// What a caller sees who may see some brands only.
#[derive(Debug)]
struct Narrow {
    brands: BTreeSet<String>,
    /// People known to the brand that is asked about.
    people: RoaringBitmap,
    /// Fewest people that are counted.
    least: u64,
}

impl Sight {
    /// Everyone of the tenant, and all of their labels.
    #[must_use]
    pub fn whole() -> Self {
        Self(None)
    }

    /// What somebody sees who may see `brands` only; `people` are those known to the brand that is asked about.
    #[must_use]
    pub fn narrow(brands: BTreeSet<String>, people: RoaringBitmap, parameters: &Parameters) -> Self {
        Self(Some(Arc::new(Narrow {
            brands,
            people,
            least: u64::from(parameters.min_cell.get()),
        })))
    }

    /// Whether there is nothing that it hides.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// Those of `people` who are seen.
    #[must_use]
    pub fn keep(&self, people: RoaringBitmap) -> RoaringBitmap {
        match &self.0 {
            None => people,
            Some(narrow) => people & &narrow.people,
        }
    }

    /// Whether a label is seen. One that names a brand, such as `close_fan@BRAND`, is seen by who may see the brand.
    #[must_use]
    pub fn shows(&self, label: &str) -> bool {
        let Some(narrow) = &self.0 else { return true };
        is_shown(label, |brand| narrow.brands.contains(brand))
    }

    /// A number of people; `None` where it is withheld, because it is below the definition's `min_cell`.
    #[must_use]
    pub fn count(&self, people: u64) -> Option<i64> {
        let told = self.0.as_ref().is_none_or(|narrow| people >= narrow.least);
        told.then(|| i64::try_from(people).unwrap_or(i64::MAX))
    }
}

/// Everyone known to a brand: whom a behaviour, an order line, a role or a social profile of the brand names, on whatever
/// day. With an `index`, the roles are all that is read of the facts.
#[must_use]
pub fn known_to_brand(index: Option<&Cells>, facts: &Facts, social: &SocialProfiles) -> RoaringBitmap {
    let of_social: RoaringBitmap = social.rows.iter().map(|row| row.consumer).collect();
    with_facts(index, facts) | of_social
}

/// Everyone whom a behaviour, an order line or a role of the brand names.
#[must_use]
pub fn with_facts(index: Option<&Cells>, facts: &Facts) -> RoaringBitmap {
    match index {
        Some(cells) => known(cells, &facts.members, Day(i32::MAX)),
        None => (0..facts.consumers())
            .filter(|consumer| facts.has(*consumer))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_measure::Definitions;

    use super::*;

    fn narrow() -> Sight {
        let definitions = Definitions::<Parameters>::shipped(crate::DEFINITIONS).unwrap();
        let brands = ["ours".to_owned(), "o@urs".to_owned()].into();
        Sight::narrow(brands, (0..100).collect(), &definitions.parameters)
    }

    #[test]
    fn labels_of_other_brands_are_not_there() {
        let narrow = narrow();
        for (label, shown) in [
            ("tea", true),
            ("close_fan@ours", true),
            ("close_fan@o@urs", true),
            ("pioneer@beauty", true),
            ("close_fan@theirs", false),
            ("close_fan@urs", false),
            ("close_fan@ours-too", false),
            ("close_fan@", false),
            ("@theirs", false),
            ("vip@theirs", false),
        ] {
            assert_eq!(narrow.shows(label), shown, "{label}");
            assert!(Sight::whole().shows(label));
        }
    }

    #[test]
    fn few_people_are_not_counted() {
        // 30 is the shipped `min_cell`.
        assert_eq!(
            [0, 1, 29, 30, 31].map(|people| narrow().count(people)),
            [None, None, None, Some(30), Some(31)]
        );
        assert_eq!(Sight::whole().count(1), Some(1));
    }

    #[test]
    fn strangers_are_not_seen() {
        let people: RoaringBitmap = (90..110).collect();
        assert_eq!(narrow().keep(people.clone()), (90..100).collect());
        assert_eq!(Sight::whole().keep(people.clone()), people);
    }
}
