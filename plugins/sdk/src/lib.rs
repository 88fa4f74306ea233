//! What a partner's model depends on: the rows that it is given, what it answers, and a trait for each world.
//!
//! A model is written and tested as plain Rust on any machine. For the guest, `export_koc_model!`,
//! `export_style_trend_model!` or `export_hit_model!` binds it to the contract (`plugins/wit`); they are there with the
//! feature `guest`.
//!
//! ```
//! use dualwheel_plugin_sdk::{Batch, Description, KocModel, KocScores, Parameters, ParameterAccess, Refusal, koc};
//!
//! /// Everyone is as good as their followers are many.
//! #[derive(Default)]
//! struct Fame;
//!
//! impl KocModel for Fame {
//!     fn describe(&self) -> Description {
//!         Description::new("fame", "1.0.0", "Every power is the rank by followers, times a factor.")
//!             .requires(&koc::rank(koc::FOLLOWERS))
//!             .parameter("factor", "What ranks are multiplied by, a ratio.", 1.0, 0.0..=1.0)
//!     }
//!
//!     fn score(&self, batch: &Batch, parameters: &Parameters) -> Result<KocScores, Refusal> {
//!         let factor = parameters.number("factor")?;
//!         let ranks = batch.require_numbers(&koc::rank(koc::FOLLOWERS))?;
//!         let powers: Vec<f64> = ranks.iter().map(|rank| if rank.is_nan() { 0.0 } else { rank * factor }).collect();
//!         Ok(KocScores { content: powers.clone(), influence: powers.clone(), purchasing: powers })
//!     }
//! }
//!
//! let batch = Batch::new(2).with_numbers("followers_rank", vec![80.0, f64::NAN]);
//! let parameters = Fame.describe().defaults();
//! assert_eq!(Fame.score(&batch, &parameters).unwrap().influence, vec![80.0, 0.0]);
//! ```

mod answers;
mod batch;
mod description;
#[cfg(feature = "guest")]
#[doc(hidden)]
pub mod guest;
pub mod hit;
pub mod koc;
mod parameters;
pub mod style;

pub use description::{Fault, misleading};
pub use parameters::ParameterAccess;

/// Values of a column, one for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; not a number where nothing is known.
    Numbers(Vec<f64>),
    /// Texts; empty where nothing is known.
    Texts(Vec<String>),
    /// A row of numbers for each row, oldest first.
    Series(Vec<Vec<f64>>),
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// As many values as the batch has rows.
    pub values: Values,
}

/// Some rows, column by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// The columns.
    pub columns: Vec<Column>,
}

/// A column that a model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name, as the world has it.
    pub name: String,
    /// Whether the model cannot do without it.
    pub required: bool,
}

/// A number by which a brand adjusts a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Name.
    pub name: String,
    /// What it does, with its unit.
    pub meaning: String,
    /// Its value where the brand sets none.
    pub default: f64,
    /// Least value.
    pub least: f64,
    /// Greatest value.
    pub greatest: f64,
}

/// What a model is and needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Name.
    pub name: String,
    /// Version of the model, as `1.2.0`.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// Columns that it asks for.
    pub columns: Vec<Wanted>,
    /// Parameters that it has.
    pub parameters: Vec<ParameterSpec>,
}

/// Values of a model's parameters, by name.
pub type Parameters = std::collections::BTreeMap<String, f64>;

/// Why a model does not answer: a sentence for the brand's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// A model of the world `koc-model`.
pub trait KocModel {
    /// What the model is and needs.
    fn describe(&self) -> Description;
    /// Scores every row.
    ///
    /// # Errors
    /// A sentence for the brand's people.
    fn score(&self, batch: &Batch, parameters: &Parameters) -> Result<KocScores, Refusal>;
}

/// Three powers of every row, from 0 to 100.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KocScores {
    /// Content power.
    pub content: Vec<f64>,
    /// Influence power.
    pub influence: Vec<f64>,
    /// Purchasing power.
    pub purchasing: Vec<f64>,
}

/// A model of the world `style-trend-model`.
pub trait StyleTrendModel {
    /// What the model is and needs.
    fn describe(&self) -> Description;
    /// Ranks every row.
    ///
    /// # Errors
    /// A sentence for the brand's people.
    fn rank(&self, batch: &Batch, parameters: &Parameters) -> Result<StyleScores, Refusal>;
}

/// Growth and score of every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StyleScores {
    /// Relative growth a period.
    pub growth: Vec<f64>,
    /// Score from 0 to 100.
    pub score: Vec<f64>,
}

/// A model of the world `hit-model`.
pub trait HitModel {
    /// What the model is and needs.
    fn describe(&self) -> Description;
    /// Scores every row.
    ///
    /// # Errors
    /// A sentence for the brand's people.
    fn assess(&self, batch: &Batch, parameters: &Parameters) -> Result<HitScores, Refusal>;
}

/// Score and reason of every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HitScores {
    /// Score from 0 to 100.
    pub score: Vec<f64>,
    /// What counted most: one of [`hit::REASONS`], or a code of the model's own.
    pub reason: Vec<String>,
}
