//! How often people of about the same likeness have bought.

/// Most bands.
pub const MOST_BANDS: usize = 20;
/// Fewest people for each band: fewer people are cut into fewer bands.
pub const PEOPLE_A_BAND: usize = 50;

/// Bands of people by quantiles of their scores, and the share of each that bought. Equal scores are in one band.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    /// Lowest score of every band but the first, ascending.
    from: Vec<f64>,
    /// Share of every band that bought.
    rates: Vec<f64>,
}

impl Bands {
    /// The bands of people with a score who bought or not; `None` without any people.
    #[must_use]
    pub fn new(people: &[(f64, bool)]) -> Option<Self> {
        let mut scores: Vec<f64> = people.iter().map(|(score, _)| *score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        let lowest = *scores.first()?;
        let bands = (people.len() / PEOPLE_A_BAND).clamp(1, MOST_BANDS);
        let mut from: Vec<f64> = (1..bands)
            .filter_map(|band| scores.get(band * scores.len() / bands).copied())
            .filter(|score| *score > lowest)
            .collect();
        from.dedup();
        let mut counts = vec![(0_u64, 0_u64); from.len() + 1];
        for (score, bought) in people {
            if let Some((people, buyers)) = counts.get_mut(band_of(&from, *score)) {
                *people += 1;
                *buyers += u64::from(*bought);
            }
        }
        // Every band has somebody: the one whose score it begins with, or the lowest.
        let rates = counts
            .into_iter()
            .map(|(people, buyers)| buyers as f64 / people as f64);
        Some(Self {
            rates: rates.collect(),
            from,
        })
    }

    /// Share of the band of `score` that bought.
    #[must_use]
    pub fn rate(&self, score: f64) -> f64 {
        self.rates
            .get(band_of(&self.from, score))
            .copied()
            .unwrap_or_default()
    }

    /// Number of bands.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rates.len()
    }
}

fn band_of(from: &[f64], score: f64) -> usize {
    from.partition_point(|first| *first <= score)
}
