//! Trends of styles, functions, crafts, materials and colours (methodology §3.3): which of them the market moves towards,
//! and how well each fits the brand.
//!
//! 1. [`supplied`]: the market's values by period, from statistics; where none cover the question, [`OwnMarket`] sums the
//!    tenant's brands instead, and the answer is labelled `MARKET_FROM_TENANT_BRANDS`
//! 2. [`rows`]: what the brand has of each, and the values with too few periods left out and counted
//! 3. [`score`]: growth and score by the built-in [`DefaultStyleTrend`] or any other model
//! 4. [`trends`]: ranks, fit and priority

mod brand;
mod columns;
mod market;
mod model;
mod own;
mod periods;
mod trends;

use dualwheel_lake::frames::{ProductRow, categories::is_within};
use dualwheel_plugin_host::{Error, Plugin, scores};
use dualwheel_plugin_sdk::{Parameters as ModelParameters, StyleScores};

pub use brand::{Row, Rows, rows};
pub use columns::features;
pub use market::{Market, Style, supplied};
pub use model::DefaultStyleTrend;
pub use own::OwnMarket;
pub use trends::{Priority, Trend, trends};

use crate::Parameters;

/// What a trend is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Style.
    Style = 1,
    /// Function.
    Function = 2,
    /// Craft.
    Craft = 3,
    /// Material.
    Material = 4,
    /// Colour.
    Colour = 5,
}

impl Attribute {
    /// Every attribute with trends.
    pub const ALL: [Self; 5] = [
        Self::Style,
        Self::Function,
        Self::Craft,
        Self::Material,
        Self::Colour,
    ];

    /// The name in questions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Style => "style",
            Self::Function => "function",
            Self::Craft => "craft",
            Self::Material => "material",
            Self::Colour => "colour",
        }
    }

    /// The attribute of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// The values that a product has, each once.
    fn values(self, product: &ProductRow) -> Vec<&str> {
        fn one(value: &Option<String>) -> Vec<&str> {
            value.as_deref().into_iter().collect()
        }
        let mut values: Vec<&str> = match self {
            Self::Style => product.styles.iter().map(String::as_str).collect(),
            Self::Function => one(&product.function),
            Self::Craft => one(&product.craft),
            Self::Material => one(&product.material),
            Self::Colour => one(&product.colour),
        };
        values.retain(|value| !value.is_empty());
        values.sort_unstable();
        values.dedup();
        values
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The attribute.
    pub attribute: Attribute,
    /// Whether each price band is a row of its own; else a row covers all prices.
    pub by_price_band: bool,
    /// Category path to which, with what lies below it, the question is restricted.
    pub category: Option<String>,
}

impl Asked {
    /// Whether the question covers a category path.
    fn covers(&self, path: &str) -> bool {
        let category = self.category.as_deref();
        category.is_none_or(|category| is_within(path, category))
    }

    /// Depth at which the categories of the tenant's brands are cut: the definition's, or that of the question's
    /// category where it lies deeper.
    fn level(&self, parameters: &Parameters) -> u32 {
        let depth = self.category.as_ref().map_or(0, |path| path.split('/').count());
        parameters.category_level.max(depth as u32)
    }
}

/// Growth and score of every row as a model has them, in the rows' order.
///
/// `given` are the brand's parameters of the model; the others have their defaults. The rows are put to the model in
/// batches of at most 65 536.
///
/// # Errors
/// When the model is of another world, requires what no row has, does not have a parameter that is given, does not
/// answer, or answers anything but a finite growth and a score from 0 to 100 for each row.
pub fn score(rows: &[Row], model: &Plugin, given: &ModelParameters) -> Result<StyleScores, Error> {
    let question = model.question(&features(rows)?, given)?;
    scores(model.ask_all(&question)?.scores)
}
