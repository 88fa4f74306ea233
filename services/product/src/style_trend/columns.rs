//! Rows as the columns of the world `style-trend-model`.

use dualwheel_plugin_host::{Error, Features};
use dualwheel_plugin_sdk::Values;

use super::{Row, Style};

/// The columns of the contract. What no fact says is not a number, in series too.
///
/// # Errors
/// None that facts could cause.
pub fn features(rows: &[Row]) -> Result<Features, Error> {
    let texts = |of: fn(&Style) -> &str| {
        let texts = rows.iter().map(|row| of(&row.style).to_owned());
        Values::Texts(texts.collect())
    };
    let series = |of: fn(&Style) -> &[f64]| {
        let series = rows.iter().map(|row| of(&row.style).to_vec());
        Values::Series(series.collect())
    };
    let numbers = |of: fn(&Row) -> Option<f64>| {
        let numbers = rows.iter().map(|row| of(row).unwrap_or(f64::NAN));
        Values::Numbers(numbers.collect())
    };
    let mut table = Features::new(rows.len());
    table.add("category", texts(|style| &style.category))?;
    table.add("price_band", texts(|style| &style.price_band))?;
    table.add("style", texts(|style| &style.value))?;
    table.add("gmv", series(|style| &style.gmv))?;
    table.add("units", series(|style| &style.units))?;
    table.add("searches", series(|style| &style.searches))?;
    table.add("listings", series(|style| &style.listings))?;
    table.add("period_days", numbers(|row| Some(row.style.period_days)))?;
    table.add("penetration", numbers(|row| row.style.penetration))?;
    table.add("brand_share", numbers(|row| row.brand_share))?;
    table.add("brand_tgi", numbers(|row| row.brand_tgi))?;
    table.add("brand_conversion", numbers(|row| row.brand_conversion))?;
    Ok(table)
}
