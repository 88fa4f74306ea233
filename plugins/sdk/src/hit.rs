//! Columns of the world `hit-model`. Rows are products of a brand that sell in a category.

/// Texts: category path.
pub const CATEGORY: &str = "category";
/// Texts: price band.
pub const PRICE_BAND: &str = "price_band";
/// Texts: stage of the product's life, `NEW`, `MATURE` or `TAIL`.
pub const STAGE: &str = "stage";
/// Series by week, oldest first: units sold.
pub const WEEKLY_UNITS: &str = "weekly_units";
/// Series by week, oldest first: gross merchandise value.
pub const WEEKLY_GMV: &str = "weekly_gmv";
/// Series by week, oldest first: visitors.
pub const WEEKLY_VISITORS: &str = "weekly_visitors";
/// Series by week, oldest first: what was spent on the product.
pub const WEEKLY_SPEND: &str = "weekly_spend";
/// Numbers: days since the launch.
pub const AGE_DAYS: &str = "age_days";
/// Factor: gmv of the 28 days up to the as-of day.
pub const VOLUME: &str = "volume";
/// Factor: that gmv ÷ that of the 28 days before, less 1.
pub const GROWTH: &str = "growth";
/// Factor: buyers ÷ visitors of the 28 days, 0 to 1.
pub const CONVERSION: &str = "conversion";
/// Factor: visitors within the brand's target audience ÷ visitors, 0 to 1.
pub const PRECISION: &str = "precision";
/// Factor: what was spent on the product ÷ its gmv, of the 28 days; less is better.
pub const COST_RATIO: &str = "cost_ratio";
/// Factor: positive reviews ÷ reviews of the 28 days, 0 to 1.
pub const FEEDBACK: &str = "feedback";

/// The factors, in the contract's order. Each is also there as its percentile rank.
pub const FACTORS: [&str; 6] = [VOLUME, GROWTH, CONVERSION, PRECISION, COST_RATIO, FEEDBACK];

/// Every column but the ranks, in the contract's order.
pub const COLUMNS: [&str; 14] = [
    CATEGORY,
    PRICE_BAND,
    STAGE,
    WEEKLY_UNITS,
    WEEKLY_GMV,
    WEEKLY_VISITORS,
    WEEKLY_SPEND,
    AGE_DAYS,
    VOLUME,
    GROWTH,
    CONVERSION,
    PRECISION,
    COST_RATIO,
    FEEDBACK,
];

/// Answered column: score, 0 to 100.
pub const SCORE: &str = "score";
/// Answered column: a code that says what counted most.
pub const REASON: &str = "reason";
/// Codes that every brand's people know. A model may have others of its own.
pub const REASONS: [&str; 7] = [
    "VOLUME",
    "GROWTH",
    "CONVERSION",
    "PRECISION",
    "COST_RATIO",
    "FEEDBACK",
    "TOO_LITTLE_KNOWN",
];

/// Name of the column that holds the percentile ranks of a factor among the brand's products that sell in the category, 0
/// to 100.
#[must_use]
pub fn rank(factor: &str) -> String {
    format!("{factor}_rank")
}

/// Whether the world has a column of that name to ask for.
#[must_use]
pub fn has(column: &str) -> bool {
    match column.strip_suffix("_rank") {
        Some(factor) => FACTORS.contains(&factor),
        None => COLUMNS.contains(&column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_factors_have_ranks() {
        assert!(has("stage") && has("cost_ratio") && has("cost_ratio_rank"));
        assert!(!has("stage_rank") && !has("_rank") && !has("volume_rank_rank") && !has(SCORE));
    }

    #[test]
    fn every_word_is_in_the_contract() {
        let contract = include_str!("../../wit/plugin.wit");
        for word in COLUMNS.iter().chain(&REASONS).chain(&[SCORE, REASON]) {
            assert!(contract.contains(&format!("`{word}`")), "{word}");
        }
    }
}
