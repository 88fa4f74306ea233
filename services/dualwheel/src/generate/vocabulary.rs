//! Words of the market: categories with their prices, seasons and attributes, channels and content elements.

/// A leaf category.
#[derive(Debug)]
pub struct Category {
    /// Path of two or three levels.
    pub path: &'static str,
    /// Lowest and highest usual list price, in units of the currency.
    pub prices: (i64, i64),
    /// Odds that a unit sold comes back, before any driver.
    pub return_odds: f64,
    /// Month of the year in which it sells best, and how much the best exceeds the mean.
    pub season: Option<(u32, f64)>,
    /// Monthly growth of its market.
    pub growth: f64,
    /// Attributes that its products carry.
    pub words: &'static Words,
}

impl Category {
    /// Path cut at two levels, the level at which questions are asked unless they say otherwise.
    pub fn second_level(&self) -> &'static str {
        match self.path.match_indices('/').nth(1) {
            Some((at, _)) => self.path.get(..at).unwrap_or(self.path),
            None => self.path,
        }
    }

    /// Last word of the path: what people type into a search box.
    pub fn leaf(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Demand in a month of the year against the yearly mean.
    pub fn demand(&self, month: u32) -> f64 {
        let Some((peak, swing)) = self.season else {
            return 1.0;
        };
        let turn = f64::from((month + 12 - peak) % 12) / 12.0 * std::f64::consts::TAU;
        1.0 + swing * turn.cos()
    }
}

/// Attribute values of a group of categories.
#[derive(Debug)]
pub struct Words {
    /// Styles.
    pub styles: &'static [&'static str],
    /// Shapes.
    pub shapes: &'static [&'static str],
    /// Colours.
    pub colours: &'static [&'static str],
    /// Materials.
    pub materials: &'static [&'static str],
    /// Functions.
    pub functions: &'static [&'static str],
    /// Crafts.
    pub crafts: &'static [&'static str],
}

const BEAUTY: Words = Words {
    styles: &[
        "minimal",
        "guochao",
        "botanical",
        "clinical",
        "sweet-cool",
        "luxe",
        "retro",
        "y2k",
    ],
    shapes: &["bottle", "jar", "tube", "stick", "ampoule"],
    colours: &["clear", "white", "rose", "nude", "coral"],
    materials: &["niacinamide", "retinol", "ceramide", "hyaluronic", "vitamin-c"],
    functions: &[
        "moisturising",
        "brightening",
        "anti-ageing",
        "soothing",
        "sun-care",
    ],
    crafts: &["micro-capsule", "cold-process", "fermented", "freeze-dried"],
};
const APPAREL: Words = Words {
    styles: &[
        "commuter",
        "new-chinese",
        "outdoor",
        "preppy",
        "street",
        "romantic",
        "athleisure",
        "vintage",
    ],
    shapes: &["slim", "straight", "a-line", "oversize"],
    colours: &["black", "cream", "sage", "navy", "red"],
    materials: &["cotton", "polyester", "wool", "linen", "silk"],
    functions: &["warm", "breathable", "waterproof", "stretch"],
    crafts: &["embroidered", "pleated", "knitted", "printed"],
};
const HOUSEHOLD: Words = Words {
    styles: &[
        "plain", "nordic", "japanese", "cartoon", "premium", "eco", "festive", "compact",
    ],
    shapes: &["bag", "box", "bottle", "roll"],
    colours: &["white", "green", "blue", "yellow"],
    materials: &["organic", "bamboo", "oat", "recycled", "classic"],
    functions: &["family", "sensitive", "low-sugar", "travel"],
    crafts: &["baked", "pressed", "steamed", "blended"],
};

/// Leaf categories. Every brand sells the first two; the rest are spread over the brands.
pub const CATEGORIES: [Category; 14] = [
    leaf("beauty/skincare/serum", (120, 680), 0.05, None, 0.012, &BEAUTY),
    leaf(
        "beauty/skincare/cream",
        (90, 560),
        0.05,
        Some((12, 0.25)),
        0.004,
        &BEAUTY,
    ),
    leaf(
        "beauty/skincare/sunscreen",
        (60, 260),
        0.04,
        Some((6, 0.60)),
        0.010,
        &BEAUTY,
    ),
    leaf("beauty/makeup/lipstick", (50, 320), 0.07, None, -0.006, &BEAUTY),
    leaf("beauty/makeup/foundation", (90, 420), 0.08, None, 0.002, &BEAUTY),
    leaf(
        "apparel/womenswear/dress",
        (160, 900),
        0.17,
        Some((6, 0.45)),
        0.006,
        &APPAREL,
    ),
    leaf(
        "apparel/womenswear/coat",
        (300, 1_600),
        0.15,
        Some((11, 0.70)),
        -0.004,
        &APPAREL,
    ),
    leaf(
        "apparel/sportswear/shoes",
        (200, 900),
        0.12,
        Some((9, 0.15)),
        0.015,
        &APPAREL,
    ),
    leaf("baby/feeding/formula", (180, 420), 0.02, None, -0.008, &HOUSEHOLD),
    leaf("baby/diapers", (60, 190), 0.03, None, -0.003, &HOUSEHOLD),
    leaf(
        "food/snacks/nuts",
        (25, 130),
        0.02,
        Some((1, 0.50)),
        0.005,
        &HOUSEHOLD,
    ),
    leaf("food/drinks/tea", (20, 240), 0.02, None, 0.011, &HOUSEHOLD),
    leaf(
        "home/cleaning/detergent",
        (20, 110),
        0.02,
        None,
        0.001,
        &HOUSEHOLD,
    ),
    leaf("pet/food", (50, 360), 0.03, None, 0.018, &HOUSEHOLD),
];

const fn leaf(
    path: &'static str,
    prices: (i64, i64),
    return_odds: f64,
    season: Option<(u32, f64)>,
    growth: f64,
    words: &'static Words,
) -> Category {
    Category {
        path,
        prices,
        return_odds,
        season,
        growth,
        words,
    }
}

/// Price bands of market statistics and their shares of a category's GMV.
pub const PRICE_BANDS: [(&str, f64); 3] = [("low", 0.28), ("mid", 0.45), ("high", 0.27)];
/// Channels on which brands advertise and publish.
pub const MEDIA: [&str; 5] = ["douyin", "xiaohongshu", "taobao", "wechat", "weibo"];
/// Channels on which brands sell, with the share of orders that each takes.
pub const STORES: [(&str, f64); 5] = [
    ("tmall", 0.44),
    ("douyin", 0.24),
    ("jd", 0.14),
    ("wechat", 0.12),
    ("offline", 0.06),
];
/// Channels by which members may be reached.
pub const REACH: [&str; 4] = ["sms", "app", "wechat", "group"];
/// Occupations; those of the service trades are among them.
pub const OCCUPATIONS: [&str; 9] = [
    "student",
    "office",
    "teacher",
    "engineer",
    "manager",
    "service",
    "courier",
    "self-employed",
    "retired",
];
/// Co-branded IPs.
pub const IPS: [&str; 5] = [
    "moon-rabbit",
    "panda-club",
    "sea-dream",
    "pixel-cat",
    "palace-museum",
];
/// Locations at which stock lies.
pub const LOCATIONS: [&str; 3] = ["east", "north", "south"];
/// Element of contents: model.
pub const MODELS: [&str; 4] = ["founder", "celebrity", "customer", "expert"];
/// Element of contents: scene.
pub const SCENES: [&str; 6] = ["commute", "bedroom", "office", "outdoors", "travel", "laboratory"];
/// Element of contents: selling point.
pub const SELLING_POINTS: [&str; 6] = ["gentle", "long-lasting", "value", "safe", "new-formula", "award"];
/// Element of contents: cover.
pub const COVERS: [&str; 5] = ["close-up", "before-after", "text", "person", "unboxing"];
/// Element of contents: copy.
pub const COPIES: [&str; 5] = ["question", "story", "number", "offer", "plain"];
/// Element of contents: host.
pub const HOSTS: [&str; 4] = ["mei", "lin", "hao", "none"];
/// Element of contents: type of video.
pub const VIDEO_TYPES: [&str; 5] = ["tutorial", "review", "vlog", "drama", "comparison"];
/// Audiences that campaigns address.
pub const AUDIENCES: [&str; 8] = [
    "genz",
    "exquisite_mothers",
    "rising_white_collars",
    "seasoned_middle_class",
    "urban_blue_collars",
    "urban_silver",
    "small_town_youth",
    "small_town_elders",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_cut_and_swing() {
        assert_eq!(CATEGORIES[0].second_level(), "beauty/skincare");
        assert_eq!(CATEGORIES[13].second_level(), "pet/food");
        assert_eq!(CATEGORIES[2].leaf(), "sunscreen");
        assert!((CATEGORIES[2].demand(6) - 1.6).abs() < 1e-12);
        assert!((CATEGORIES[2].demand(12) - 0.4).abs() < 1e-12);
        for category in &CATEGORIES {
            let mean: f64 = (1..=12).map(|month| category.demand(month)).sum::<f64>() / 12.0;
            assert!((mean - 1.0).abs() < 1e-12, "{}", category.path);
        }
    }
}
