//! Columns of the world `style-trend-model`. Rows are styles (functions, crafts, materials, colours) of a category and
//! price band.

/// Texts: category path.
pub const CATEGORY: &str = "category";
/// Texts: price band.
pub const PRICE_BAND: &str = "price_band";
/// Texts: style.
pub const STYLE: &str = "style";
/// Series of the market by period, oldest first: gross merchandise value.
pub const GMV: &str = "gmv";
/// Series of the market by period, oldest first: units sold.
pub const UNITS: &str = "units";
/// Series of the market by period, oldest first: searches, which stand for demand.
pub const SEARCHES: &str = "searches";
/// Series of the market by period, oldest first: listings, which stand for supply.
pub const LISTINGS: &str = "listings";
/// Numbers: days of a period.
pub const PERIOD_DAYS: &str = "period_days";
/// Numbers: buyers of the style ÷ buyers of the category, 0 to 1.
pub const PENETRATION: &str = "penetration";
/// Numbers: the brand's part of the market's gmv, 0 to 1.
pub const BRAND_SHARE: &str = "brand_share";
/// Numbers: the brand's consumers in the style, 100 is average.
pub const BRAND_TGI: &str = "brand_tgi";
/// Numbers: conversion of the brand's consumers, 0 to 1.
pub const BRAND_CONVERSION: &str = "brand_conversion";

/// Every column, in the contract's order.
pub const COLUMNS: [&str; 12] = [
    CATEGORY,
    PRICE_BAND,
    STYLE,
    GMV,
    UNITS,
    SEARCHES,
    LISTINGS,
    PERIOD_DAYS,
    PENETRATION,
    BRAND_SHARE,
    BRAND_TGI,
    BRAND_CONVERSION,
];

/// Answered column: relative growth a period, finite.
pub const GROWTH: &str = "growth";
/// Answered column: score, 0 to 100.
pub const SCORE: &str = "score";

/// Whether the world has a column of that name to ask for.
#[must_use]
pub fn has(column: &str) -> bool {
    COLUMNS.contains(&column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_in_the_contract() {
        let contract = include_str!("../../wit/plugin.wit");
        for column in COLUMNS.iter().chain(&[GROWTH, SCORE]) {
            assert!(contract.contains(&format!("`{column}`")), "{column}");
        }
        assert!(has(GMV) && !has(SCORE));
    }
}
