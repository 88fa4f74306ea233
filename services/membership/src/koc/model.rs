//! The built-in model of the world `koc-model`.

use dualwheel_plugin_sdk::{Batch, Description, KocModel, KocScores, Parameters, Refusal, Values, Wanted};

/// Inputs of content power.
const CONTENT: [&str; 2] = ["interactions_30d_rank", "attributed_gmv_30d_rank"];
/// Inputs of influence.
const INFLUENCE: [&str; 2] = ["reach_rank", "spread_30d_rank"];
/// Inputs of purchasing power.
const PURCHASING: [&str; 3] = [
    "own_gmv_365d_rank",
    "follower_spending_power_rank",
    "attributed_gmv_30d_rank",
];

/// Powers are rounded to nine decimals: means that are equal must tie when they are ranked, and not be distinguished by how
/// their sums were rounded.
const DECIMALS: f64 = 1e9;

/// Each power is the mean of the percentile ranks of its inputs that are known (methodology §5.2.2, this project's own
/// definition); where none is known it is 0, for what nobody knows of must not make a KOC.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultKoc;

impl KocModel for DefaultKoc {
    fn describe(&self) -> Description {
        let mut columns: Vec<Wanted> = Vec::new();
        for name in CONTENT.iter().chain(&INFLUENCE).chain(&PURCHASING) {
            if !columns.iter().any(|wanted| wanted.name == *name) {
                columns.push(Wanted {
                    name: (*name).to_owned(),
                    required: false,
                });
            }
        }
        Description {
            name: "koc-default".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Each power is the mean of its known inputs' percentile ranks among the brand's candidates: \
                      content of interactions and attributed GMV; influence of followers times match, and spread; \
                      purchasing of own GMV, the followers' spending power and attributed GMV."
                .to_owned(),
            columns,
            parameters: Vec::new(),
        }
    }

    fn score(&self, batch: &Batch, _: &Parameters) -> Result<KocScores, Refusal> {
        Ok(KocScores {
            content: power(batch, &CONTENT)?,
            influence: power(batch, &INFLUENCE)?,
            purchasing: power(batch, &PURCHASING)?,
        })
    }
}

fn power(batch: &Batch, inputs: &[&str]) -> Result<Vec<f64>, Refusal> {
    let mut ranks: Vec<&[f64]> = Vec::new();
    for column in batch
        .columns
        .iter()
        .filter(|column| inputs.contains(&column.name.as_str()))
    {
        let Values::Numbers(values) = &column.values else {
            return Err(Refusal(format!(
                "Column `{}` does not hold numbers.",
                column.name
            )));
        };
        ranks.push(values);
    }
    let known = |row: usize| {
        ranks
            .iter()
            .filter_map(move |values| values.get(row))
            .filter(|rank| !rank.is_nan())
    };
    let mean = |row: usize| match known(row).count() {
        0 => 0.0,
        count => (known(row).sum::<f64>() / count as f64 * DECIMALS).round() / DECIMALS,
    };
    Ok((0..batch.rows).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plugin_is_called_like_it() {
        let name = DefaultKoc.describe().name;
        assert!(dualwheel_plugin_host::is_reserved(&name), "{name}");
    }
}
