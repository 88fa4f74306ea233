//! What a candidate is: class and quadrant.

/// What a candidate can become (methodology §5.2.3, own cut-offs), in the order tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Standard KOC 标准KOC: strong in content and influence.
    StandardKoc,
    /// Sharer 分享型素人: strong in content, or shares more than most.
    Sharer,
    /// Quality buyer 优质素人: strong in purchasing.
    QualityBuyer,
    /// None of these.
    Unclassed,
}

impl Class {
    /// The three classes that make cells.
    pub const CULTIVATED: [Self; 3] = [Self::StandardKoc, Self::Sharer, Self::QualityBuyer];

    /// The name in definitions and segments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StandardKoc => "standard_koc",
            Self::Sharer => "sharer",
            Self::QualityBuyer => "quality_buyer",
            Self::Unclassed => "none",
        }
    }
}

/// Where a candidate stands on the two axes: high is above the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quadrant {
    /// High influence.
    pub influence: bool,
    /// High purchasing power.
    pub purchasing: bool,
}

impl Quadrant {
    /// All quadrants, best first.
    pub const ALL: [Self; 4] = {
        const fn quadrant(influence: bool, purchasing: bool) -> Quadrant {
            Quadrant {
                influence,
                purchasing,
            }
        }
        [
            quadrant(true, true),
            quadrant(true, false),
            quadrant(false, true),
            quadrant(false, false),
        ]
    };

    /// The name in definitions and segments: what is high.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.influence, self.purchasing) {
            (true, true) => "both",
            (true, false) => "influence",
            (false, true) => "purchasing",
            (false, false) => "neither",
        }
    }
}
