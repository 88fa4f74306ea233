//! Markets kept between questions: all brands of a tenant are read once for a window and a state of the tables, not
//! once for each brand that is asked about.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::Question;
use dualwheel_lake::Reader;
use dualwheel_measure::{Day, Definitions, Window};
use moka::future::Cache;
use tonic::Status;

use crate::{Parameters, market::GoodsMarket, market::Needs, price_strength::PriceMarket};

/// Markets of a kind that are kept.
const KEPT: u64 = 16;

/// All that a market depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    tenant: String,
    versions: BTreeMap<String, i64>,
    definitions: String,
    window: Window,
    as_of: Day,
    category: Option<String>,
    needs: Needs,
}

impl Key {
    /// The key of a question. `reader` has read the brands and the question's own frames, so that it knows the
    /// versions of all tables that the market is built from, and tells the same ones whether the market was kept or not.
    pub(crate) fn new(
        tenant: &str,
        reader: &Reader,
        question: &Question,
        definitions: &Definitions<Parameters>,
        needs: Needs,
    ) -> Self {
        Self {
            tenant: tenant.to_owned(),
            versions: reader.versions().tables,
            definitions: definitions.version.clone(),
            window: question.window,
            as_of: question.as_of,
            category: question.category.clone(),
            needs,
        }
    }
}

/// The markets of a process.
#[derive(Clone)]
pub(crate) struct Markets {
    goods: Cache<Key, Arc<GoodsMarket>>,
    prices: Cache<Key, Arc<PriceMarket>>,
}

impl Markets {
    pub(crate) fn new() -> Self {
        Self {
            goods: Cache::new(KEPT),
            prices: Cache::new(KEPT),
        }
    }

    /// The market of goods; questions that come together read it once.
    pub(crate) async fn goods(
        &self,
        key: Key,
        read: impl Future<Output = Result<GoodsMarket, Status>>,
    ) -> Result<Arc<GoodsMarket>, Status> {
        kept(&self.goods, key, read).await
    }

    /// The market of prices.
    pub(crate) async fn prices(
        &self,
        key: Key,
        read: impl Future<Output = Result<PriceMarket, Status>>,
    ) -> Result<Arc<PriceMarket>, Status> {
        kept(&self.prices, key, read).await
    }
}

async fn kept<T: Send + Sync + 'static>(
    cache: &Cache<Key, Arc<T>>,
    key: Key,
    read: impl Future<Output = Result<T, Status>>,
) -> Result<Arc<T>, Status> {
    let load = async { read.await.map(Arc::new) };
    cache
        .try_get_with(key, load)
        .await
        .map_err(|status| Status::clone(&status))
}
