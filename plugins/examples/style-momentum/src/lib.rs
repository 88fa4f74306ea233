//! Ranks styles by momentum: how fast their market has grown recently, damped where supply outruns demand.
//!
//! Of a style's market by period, oldest first:
//!
//! ```text
//! v_t  = max(gmv_t, floor)                              known periods only
//! m    = Σ w_t · ln(v_t ÷ v_s) ÷ Σ w_t · (t − s)        s the known period before t; log growth a period
//! w_t  = ½ ^ (days from t to the last known period ÷ half_life_days)
//! r    = (Σ w·searches ÷ Σ w·listings) ÷ (Σ searches ÷ Σ listings)   demand/supply of late ÷ that of all periods
//! M    = m · 30 ÷ period_days + demand_strength · min(0, ln r)       momentum: log growth in 30 days, damped
//! growth = e^m − 1        score = 100 ÷ (1 + e^(−M ÷ spread))
//! ```
//!
//! A period of unknown gmv is bridged at an even rate. A style that is steady in every way scores 50. One with fewer than
//! `least_periods` periods above the floor cannot be judged: growth 0, score 0. The formulas are this example's own.

use dualwheel_plugin_sdk::{
    Batch, Description, ParameterAccess, Parameters, Refusal, StyleScores, StyleTrendModel, style,
};

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct StyleMomentum;

dualwheel_plugin_sdk::export_style_trend_model!(StyleMomentum);

/// Days over which momentum is told.
const MOMENTUM_DAYS: f64 = 30.0;
/// Log growth beyond which e^m would no longer be finite.
const GREATEST_LOG_GROWTH: f64 = 700.0;

impl StyleTrendModel for StyleMomentum {
    fn describe(&self) -> Description {
        Description::new(
            "style-momentum",
            env!("CARGO_PKG_VERSION"),
            "Exponentially weighted log growth of a style's market gmv, the latest periods counting most. Where listings \
             have outrun searches of late, the score is damped.",
        )
        .requires(style::GMV)
        .requires(style::PERIOD_DAYS)
        .takes(style::SEARCHES)
        .takes(style::LISTINGS)
        .parameter("half_life_days", "Days after which a period counts half.", 60.0, 1.0..=3650.0)
        .parameter("floor", "Gmv that a period is raised to, in the currency's unit.", 1.0, 1e-3..=1e12)
        .parameter("least_periods", "Periods above the floor that a style needs, a count.", 4.0, 2.0..=1000.0)
        .parameter(
            "demand_strength",
            "Part of the log fall of demand/supply that is taken off, a ratio: 0 none of it.",
            0.5,
            0.0..=4.0,
        )
        .parameter("spread", "Log growth in 30 days at which the score is 73.", 0.1, 0.01..=10.0)
    }

    fn rank(&self, batch: &Batch, parameters: &Parameters) -> Result<StyleScores, Refusal> {
        let rules = Rules::new(parameters)?;
        let gmv = batch.require_series(style::GMV)?;
        let days = batch.require_numbers(style::PERIOD_DAYS)?;
        // Without both there is no ratio, and nothing is damped.
        let demand = batch.series(style::SEARCHES).zip(batch.series(style::LISTINGS));
        let mut scores = StyleScores::with_capacity(batch.rows);
        for (at, (gmv, days)) in gmv.iter().zip(days).enumerate() {
            let row =
                demand.and_then(|(searches, listings)| Some((&**searches.get(at)?, &**listings.get(at)?)));
            let (growth, score) = rules.judge(gmv, *days, row).unwrap_or_default();
            scores.growth.push(growth);
            scores.score.push(score);
        }
        Ok(scores)
    }
}

/// Parameters, as named in the description.
struct Rules {
    half_life_days: f64,
    floor: f64,
    least_periods: f64,
    demand_strength: f64,
    spread: f64,
}

impl Rules {
    fn new(parameters: &Parameters) -> Result<Self, Refusal> {
        Ok(Self {
            half_life_days: parameters.number("half_life_days")?,
            floor: parameters.number("floor")?,
            least_periods: parameters.number("least_periods")?,
            demand_strength: parameters.number("demand_strength")?,
            spread: parameters.number("spread")?,
        })
    }

    /// Growth a period and score; none for a style that cannot be judged.
    fn judge(&self, gmv: &[f64], days: f64, demand: Option<(&[f64], &[f64])>) -> Option<(f64, f64)> {
        let lasting = days.is_finite() && days > 0.0;
        let judged = gmv
            .iter()
            .filter(|value| value.is_finite() && **value > self.floor)
            .count();
        if !lasting || (judged as f64) < self.least_periods {
            return None;
        }
        // What a period's weight is divided by for each period of age.
        let fading = 0.5_f64.powf(days / self.half_life_days);
        let growth = self.log_growth(gmv, fading)?;
        let damping = demand.map_or(0.0, |(searches, listings)| shortfall(searches, listings, fading));
        let momentum = growth * MOMENTUM_DAYS / days + self.demand_strength * damping;
        let score = 100.0 / (1.0 + (-momentum / self.spread).exp());
        Some((
            growth.clamp(-GREATEST_LOG_GROWTH, GREATEST_LOG_GROWTH).exp_m1(),
            score.clamp(0.0, 100.0),
        ))
    }

    /// Weighted log growth a period; none with fewer than two known periods.
    fn log_growth(&self, gmv: &[f64], fading: f64) -> Option<f64> {
        let (mut grown, mut periods) = (0.0, 0.0);
        let mut weight = 1.0;
        // From the last known period back, so that its weight is 1 and the sums are never empty.
        let mut later: Option<f64> = None;
        let mut bridged = 0.0;
        for value in gmv.iter().rev() {
            bridged += 1.0;
            if !value.is_finite() {
                continue;
            }
            let level = value.max(self.floor).ln();
            if let Some(later) = later {
                grown += weight * (later - level);
                periods += weight * bridged;
                weight *= fading.powf(bridged);
            }
            later = Some(level);
            bridged = 0.0;
        }
        (periods > 0.0).then(|| grown / periods)
    }
}

/// The log of recent demand/supply against that of all periods, where it has fallen; else 0.
fn shortfall(searches: &[f64], listings: &[f64], fading: f64) -> f64 {
    let mut late = (0.0, 0.0);
    let mut all = (0.0, 0.0);
    let mut weight = 1.0;
    for (searched, listed) in searches.iter().zip(listings).rev() {
        if searched.is_finite() && listed.is_finite() {
            late = (late.0 + weight * searched, late.1 + weight * listed);
            all = (all.0 + searched, all.1 + listed);
        }
        weight *= fading;
    }
    let ratio = (late.0 / late.1) / (all.0 / all.1);
    // Nothing searched or listed gives no ratio.
    if ratio.is_finite() && ratio > 0.0 {
        ratio.ln().min(0.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
