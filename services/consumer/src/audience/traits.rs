//! By which traits an audience stands out from a base: TGI.
//!
//! Source: methodology 2.5. TGI = 100 · (share of a value in the audience ÷ its share in the base), both among the people
//! whose trait is known; its interval is 100 · the Wilson bounds of the share in the audience ÷ the share in the base,
//! which is taken as fixed.

use std::collections::BTreeMap;

use dualwheel_lake::frames::{Profile, Profiles};
use dualwheel_measure::wilson;
use roaring::RoaringBitmap;

use super::sight::Sight;
use crate::{facts::add_all, parameters::Parameters, strategic::audience_of};

/// Most values of one trait that are listed, the strongest.
pub const MOST_VALUES: usize = 1_000;
/// Parts that spending power is cut into.
const POWER_PARTS: f64 = 5.0;

/// A trait of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trait {
    /// Age in the definition's bands.
    Age,
    /// `female`, `male`, `other`.
    Gender,
    /// City tier, 1 to 6.
    CityTier,
    /// `true`, `false`.
    HasChild,
    /// Spending power in fifths of its scale: `0.0-0.2`, …
    SpendingPower,
    /// Occupation in lower case.
    Occupation,
    /// Id of the strategic audience.
    StrategicAudience,
    /// Each label; known for whoever has any.
    Label,
}

impl Trait {
    /// Every trait.
    pub const ALL: [Self; 8] = [
        Self::Age,
        Self::Gender,
        Self::CityTier,
        Self::HasChild,
        Self::SpendingPower,
        Self::Occupation,
        Self::StrategicAudience,
        Self::Label,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Gender => "gender",
            Self::CityTier => "city_tier",
            Self::HasChild => "has_child",
            Self::SpendingPower => "spending_power",
            Self::Occupation => "occupation",
            Self::StrategicAudience => "strategic_audience",
            Self::Label => "label",
        }
    }

    /// The values that a person has, each once; none where the trait is not known.
    fn values(self, profile: &Profile, sight: &Sight, parameters: &Parameters) -> Vec<String> {
        let one = match self {
            Self::Age => profile.age.map(|age| age_band(age, &parameters.age_bands)),
            Self::Gender => profile.gender.map(|gender| gender.word().to_owned()),
            Self::CityTier => profile.city_tier.map(|tier| tier.to_string()),
            Self::HasChild => profile.has_child.map(|has| has.to_string()),
            Self::SpendingPower => profile.spending_power.map(power_part),
            Self::Occupation => profile
                .occupation
                .as_ref()
                .map(|occupation| occupation.trim().to_lowercase()),
            Self::StrategicAudience => audience_of(profile, parameters).map(str::to_owned),
            Self::Label => {
                let mut labels = profile.labels.clone();
                labels.retain(|label| sight.shows(label));
                labels.sort_unstable();
                labels.dedup();
                return labels;
            }
        };
        one.into_iter().collect()
    }
}

/// `25-29`, or `-17` and `60-` at the ends; `bands` are the first ages of all bands but the first.
fn age_band(age: i64, bands: &[u8]) -> String {
    let above = bands.partition_point(|first| i64::from(*first) <= age);
    let first = above.checked_sub(1).and_then(|at| bands.get(at));
    let last = bands.get(above).map(|next| i64::from(*next) - 1);
    let text = |end: Option<i64>| end.map(|end| end.to_string()).unwrap_or_default();
    format!("{}-{}", text(first.map(|first| i64::from(*first))), text(last))
}

fn power_part(power: f64) -> String {
    let part = (power * POWER_PARTS).floor().clamp(0.0, POWER_PARTS - 1.0);
    format!("{:.1}-{:.1}", part / POWER_PARTS, (part + 1.0) / POWER_PARTS)
}

/// How a value of a trait is held by the audience and by the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// The trait.
    pub of: Trait,
    /// The value.
    pub value: String,
    /// People of the audience who have it.
    pub people: i64,
    /// People of the audience whose trait is known.
    pub known: i64,
    /// People of the base who have it.
    pub base_people: i64,
    /// People of the base whose trait is known.
    pub base_known: i64,
    /// TGI; `None` where nobody of the base has the value.
    pub tgi: Option<f64>,
    /// 95 % interval of TGI.
    pub interval: Option<(f64, f64)>,
}

impl Index {
    fn new(of: Trait, value: String, own: (i64, i64), base: (i64, i64)) -> Self {
        let (people, known) = own;
        let (base_people, base_known) = base;
        let base_share = base_people as f64 / base_known as f64;
        let against = |share: f64| 100.0 * share / base_share;
        let has_base = base_people > 0;
        Self {
            of,
            value,
            people,
            known,
            base_people,
            base_known,
            tgi: has_base.then(|| against(people as f64 / known as f64)),
            interval: wilson::interval(people, known)
                .filter(|_| has_base)
                .map(|(low, high)| (against(low), against(high))),
        }
    }

    /// Whether TGI is above 100, by whole numbers: a rounding error makes no trait.
    fn is_above(&self) -> bool {
        let product = |one: i64, other: i64| i128::from(one) * i128::from(other);
        self.tgi.is_some() && product(self.people, self.base_known) > product(self.base_people, self.known)
    }

    /// How far TGI is from 100, either way; a value that the base lacks is furthest.
    fn strength(&self) -> f64 {
        self.tgi.map_or(f64::INFINITY, |tgi| (tgi / 100.0).ln().abs())
    }
}

/// The traits of an audience.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Portrait {
    /// Trait by trait in the order asked for, the strongest value first.
    pub indices: Vec<Index>,
    /// Number of values that too few people of the audience have, by trait.
    pub withheld: BTreeMap<Trait, usize>,
}

impl Portrait {
    /// The values that the audience has more often than the base, those with the highest TGI first, `most` of them.
    #[must_use]
    pub fn highest(self, most: usize) -> Vec<Index> {
        let mut above: Vec<Index> = self.indices.into_iter().filter(Index::is_above).collect();
        let tgi = |index: &Index| index.tgi.unwrap_or(0.0);
        // Stable: equal ones leave the order of the traits.
        above.sort_by(|one, other| tgi(other).total_cmp(&tgi(one)));
        above.truncate(most);
        above
    }
}

/// People of each audience, and of the base.
struct Held {
    own: Vec<i64>,
    base: i64,
}

impl Held {
    fn new(audiences: usize) -> Self {
        Self {
            own: vec![0; audiences],
            base: 0,
        }
    }

    fn add(&mut self, own: &[i64], base: i64) {
        add_all(&mut self.own, own);
        self.base += base;
    }

    fn of(&self, audience: usize) -> (i64, i64) {
        (self.own.get(audience).copied().unwrap_or(0), self.base)
    }
}

/// People by value, and those whose trait is known.
struct Counts {
    values: BTreeMap<String, Held>,
    known: Held,
}

/// The traits of `audience` against `base`. Values that fewer than the definition's `min_cell` people of the audience
/// have are withheld; where `sight` hides something, also those that fewer of the base have. Both are of people seen.
#[must_use]
pub fn portrait(
    profiles: &Profiles,
    audience: &RoaringBitmap,
    base: &RoaringBitmap,
    traits: &[Trait],
    sight: &Sight,
    parameters: &Parameters,
) -> Portrait {
    let mut portraits = portraits(profiles, &[audience], base, traits, sight, parameters);
    portraits.pop().unwrap_or_default()
}

/// The traits of each of `audiences` against one base, in one pass over the profiles.
#[must_use]
pub fn portraits(
    profiles: &Profiles,
    audiences: &[&RoaringBitmap],
    base: &RoaringBitmap,
    traits: &[Trait],
    sight: &Sight,
    parameters: &Parameters,
) -> Vec<Portrait> {
    let counts = |_: &Trait| Counts {
        values: BTreeMap::new(),
        known: Held::new(audiences.len()),
    };
    let mut counts: Vec<Counts> = traits.iter().map(counts).collect();
    let mut own = Vec::new();
    for profile in &profiles.rows {
        own.clear();
        let belongs = |people: &RoaringBitmap| i64::from(people.contains(profile.consumer));
        own.extend(audiences.iter().map(|people| belongs(people)));
        let of_base = belongs(base);
        if own.iter().sum::<i64>() + of_base == 0 {
            continue;
        }
        for (of, counts) in traits.iter().zip(&mut counts) {
            let values = of.values(profile, sight, parameters);
            if !values.is_empty() {
                counts.known.add(&own, of_base);
            }
            for value in values {
                let held = counts.values.entry(value);
                held.or_insert_with(|| Held::new(audiences.len()))
                    .add(&own, of_base);
            }
        }
    }
    let least = i64::from(parameters.min_cell.get());
    let least_of_base = if sight.is_whole() { 0 } else { least };
    (0..audiences.len())
        .map(|audience| tell(traits, &counts, audience, (least, least_of_base)))
        .collect()
}

/// What was counted of one audience; values that fewer than `least` of its people have, or of the base's, are withheld.
fn tell(traits: &[Trait], counts: &[Counts], audience: usize, least: (i64, i64)) -> Portrait {
    let mut portrait = Portrait::default();
    for (of, counts) in traits.iter().zip(counts) {
        let (known, base_known) = counts.known.of(audience);
        let held = counts
            .values
            .iter()
            .map(|(value, held)| (value, held.of(audience)));
        let (told, few): (Vec<_>, Vec<_>) = held
            // Values that other audiences alone have are not this one's.
            .filter(|(_, (people, base))| people + base > 0)
            .partition(|(_, (people, base))| *people >= least.0 && *base >= least.1);
        if !few.is_empty() {
            portrait.withheld.insert(*of, few.len());
        }
        let index = |(value, (people, base)): (&String, (i64, i64))| {
            Index::new(*of, value.clone(), (people, known), (base, base_known))
        };
        let mut indices: Vec<Index> = told.into_iter().map(index).collect();
        // Stable: equal strength leaves the order of the values.
        indices.sort_by(|one, other| other.strength().total_cmp(&one.strength()));
        indices.truncate(MOST_VALUES);
        portrait.indices.extend(indices);
    }
    portrait
}
