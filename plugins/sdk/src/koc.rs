//! Columns of the world `koc-model`, all of numbers. Rows are a brand's candidates.

/// Interactions with what the candidate published, a count of 30 days.
pub const INTERACTIONS_30D: &str = "interactions_30d";
/// How far it was spread, a count of 30 days.
pub const SPREAD_30D: &str = "spread_30d";
/// Shares by the candidate, a count of 30 days.
pub const SHARES_30D: &str = "shares_30d";
/// Sales attributed to the candidate, an amount of 30 days.
pub const ATTRIBUTED_GMV_30D: &str = "attributed_gmv_30d";
/// The candidate's own purchases, an amount of 365 days.
pub const OWN_GMV_365D: &str = "own_gmv_365d";
/// Followers, a count.
pub const FOLLOWERS: &str = "followers";
/// How well the followers fit the brand, 0 to 1.
pub const MATCH: &str = "match";
/// Followers × match, a count.
pub const REACH: &str = "reach";
/// Spending power of the followers, 0 to 1.
pub const FOLLOWER_SPENDING_POWER: &str = "follower_spending_power";

/// Every column but the ranks, in the contract's order.
pub const COLUMNS: [&str; 9] = [
    INTERACTIONS_30D,
    SPREAD_30D,
    SHARES_30D,
    ATTRIBUTED_GMV_30D,
    OWN_GMV_365D,
    FOLLOWERS,
    MATCH,
    REACH,
    FOLLOWER_SPENDING_POWER,
];

/// Answered column: content power, 0 to 100.
pub const CONTENT: &str = "content";
/// Answered column: influence power, 0 to 100.
pub const INFLUENCE: &str = "influence";
/// Answered column: purchasing power, 0 to 100.
pub const PURCHASING: &str = "purchasing";

/// Name of the column that holds the percentile ranks of `column` among all of the brand's candidates, 0 to 100.
#[must_use]
pub fn rank(column: &str) -> String {
    format!("{column}_rank")
}

/// Whether the world has a column of that name to ask for.
#[must_use]
pub fn has(column: &str) -> bool {
    COLUMNS.contains(&column.strip_suffix("_rank").unwrap_or(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_columns_and_their_ranks_only() {
        assert!(has("followers") && has("followers_rank") && has("attributed_gmv_30d_rank"));
        assert!(!has("followers_rank_rank") && !has("fans") && !has("_rank") && !has(CONTENT));
    }

    #[test]
    fn every_column_is_in_the_contract() {
        let contract = include_str!("../../wit/plugin.wit");
        for column in COLUMNS.iter().chain(&[CONTENT, INFLUENCE, PURCHASING]) {
            assert!(contract.contains(&format!("`{column}`")), "{column}");
        }
    }
}
