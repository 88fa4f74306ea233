//! Markets kept between questions: all brands of a tenant are read once for a window and a state of the tables, not
//! once for each brand that is asked about.
//!
//! What is kept holds no ordinals, which mean something else once the tenant's names are given again.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::Reader;
use dualwheel_measure::{Day, Window};
use moka::future::Cache;

use crate::{
    market::{GoodsMarket, Needs},
    price_market::PriceMarket,
    strangers::{Runs, Stranger},
};

/// Markets of a kind that are kept.
const KEPT: u64 = 16;

/// All that a market depends on: whose it is, of what state of the tables, for whom, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key<T> {
    tenant: String,
    versions: BTreeMap<String, i64>,
    stranger: Option<Stranger>,
    asked: T,
}

impl<T> Key<T> {
    /// The key of what is `asked`. `reader` has read the brands and the question's own frames, so that it knows the
    /// versions of all tables that the market is built from, and names the same ones whether the market was kept or not.
    pub(crate) fn new(tenant: &str, reader: &Reader, stranger: Option<&Stranger>, asked: T) -> Self {
        Self {
            tenant: tenant.to_owned(),
            versions: reader.versions().tables,
            stranger: stranger.cloned(),
            asked,
        }
    }
}

/// What a market of goods is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OfGoods {
    pub window: Window,
    pub as_of: Day,
    pub level: u32,
    pub needs: Needs,
}

/// What a market of prices is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OfPrices {
    pub window: Window,
    pub level: u32,
}

/// The markets of a process.
#[derive(Clone)]
pub(crate) struct Markets {
    pub goods: Kept<OfGoods, GoodsMarket>,
    pub prices: Kept<OfPrices, PriceMarket>,
    pub runs: Kept<(), Runs>,
}

impl Markets {
    pub(crate) fn new() -> Self {
        Self {
            goods: Kept(Cache::new(KEPT)),
            prices: Kept(Cache::new(KEPT)),
            runs: Kept(Cache::new(KEPT)),
        }
    }
}

/// What is kept of one kind.
#[derive(Clone)]
pub(crate) struct Kept<Q, T>(Cache<Key<Q>, Arc<T>>);

impl<Q, T> Kept<Q, T>
where
    Q: std::hash::Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// What is kept under `key`; questions that come together read it once.
    pub(crate) async fn get<E: Clone + Send + Sync + 'static>(
        &self,
        key: Key<Q>,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        // Boxed, as the cache moves it about, and reading is a large future.
        let load = Box::pin(async { read.await.map(Arc::new) });
        let kept = self.0.try_get_with(key, load).await;
        kept.map_err(|error| E::clone(&error))
    }
}
