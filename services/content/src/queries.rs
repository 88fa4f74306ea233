//! Which frames a question needs.

use std::sync::Arc;

use dualwheel_kit::Question;
use dualwheel_lake::{
    Error, Reader,
    frames::{Behaviors, Contents, Orders, Products},
};
use dualwheel_measure::{Definitions, Metric, Scope};

use crate::{
    Parameters,
    start::{Cut, Facts, start},
};

/// The frames of START.
pub(crate) struct StartFrames {
    behaviors: Arc<Behaviors>,
    orders: Arc<Orders>,
    products: Arc<Products>,
    contents: Arc<Contents>,
}

impl StartFrames {
    /// Reads the frames of a brand.
    pub(crate) async fn read(reader: &Reader, brand: &str) -> Result<Self, Error> {
        let (products, contents, behaviors, orders) = tokio::try_join!(
            reader.products(brand),
            reader.contents(brand),
            reader.behaviors(brand),
            reader.orders(brand)
        )?;
        Ok(Self {
            behaviors,
            orders,
            products,
            contents,
        })
    }

    /// Answers a question from the frames.
    pub(crate) fn answer(&self, question: &Question, definitions: &Definitions<Parameters>) -> Vec<Metric> {
        let facts = Facts {
            behaviors: &self.behaviors,
            orders: &self.orders,
            products: &self.products,
            contents: &self.contents,
        };
        let scope = Scope {
            window: question.window,
            as_of: question.as_of,
            entries: &definitions.metrics,
            version: &definitions.version,
            segments: Vec::new(),
        };
        let cut = question.by.as_deref().and_then(Cut::named);
        start(
            facts,
            &definitions.parameters,
            cut,
            question.category.as_deref(),
            &scope,
        )
    }
}
