//! Reading a tenant's facts at fixed versions.

pub(crate) mod coverage;
pub(crate) mod many;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::RecordBatch;
use chrono_tz::Tz;
use deltalake::DeltaTable;
use dualwheel_kit::work;
use dualwheel_measure::Day;
use dualwheel_proto::types::DataVersion;
use tokio::sync::OnceCell;

use self::coverage::Coverage;
use crate::{
    Error, TenantLake,
    fact::{FACTS, Fact},
    frames::{
        Behaviors, Campaigns, Contents, MarketStats, Members, Names, Orders, Products, Profiles,
        SocialProfiles, Stock,
    },
    moved::Left,
    settings::Settings,
    table::{self, Part},
    view::View,
};

/// Version that stands for a table nobody has appended to yet.
const NO_TABLE: i64 = -1;
/// Tables that grow with the goods and contents of a brand, not with its people.
const SMALL_TABLES: [&str; 4] = ["products", "campaigns", "contents", "stock_days"];

/// Reads one tenant's facts. The first read of a table fixes its version for all further ones of this reader, so
/// that one answer never mixes two states of a table.
#[derive(Debug)]
pub struct Reader {
    lake: TenantLake,
    settings: Settings,
    pin: BTreeMap<String, i64>,
    opened: BTreeMap<&'static str, OnceCell<(i64, Option<DeltaTable>)>>,
    read: Mutex<BTreeMap<&'static str, i64>>,
}

/// A frame in the cache.
#[derive(Clone)]
pub(crate) enum Cached {
    Products(Arc<Products>),
    Behaviors(Arc<Behaviors>),
    Orders(Arc<Orders>),
    Stock(Arc<Stock>),
    Contents(Arc<Contents>),
    Campaigns(Arc<Campaigns>),
    Members(Arc<Members>),
    Profiles(Arc<Profiles>),
    SocialProfiles(Arc<SocialProfiles>),
    MarketStats(Arc<MarketStats>),
    Texts(Arc<Vec<String>>),
    Coverage(Arc<Coverage>),
    Left(Arc<Left>),
}

impl Cached {
    /// Bytes that the frame takes, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Products(frame) => frame.rows.len() * 256,
            Self::Behaviors(frame) => frame.bytes(),
            Self::Orders(frame) => frame.bytes(),
            Self::Stock(frame) => frame.rows.len() * 56,
            Self::Contents(frame) => frame.rows.len() * 160,
            Self::Campaigns(frame) => frame.rows.len() * 160,
            Self::Members(frame) => frame.rows.len() * 32 + frame.groups.bytes(),
            Self::Profiles(frame) => frame.rows.len() * 200,
            Self::SocialProfiles(frame) => frame.rows.len() * 168 + frame.groups.bytes(),
            Self::MarketStats(frame) => frame.bytes(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + 24).sum(),
            Self::Coverage(coverage) => coverage.brands.iter().map(|one| one.brand.len() + 64).sum(),
            Self::Left(left) => left.bytes(),
        }
    }
}

/// What a cached frame was built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    tenant: String,
    epoch: u64,
    frame: &'static str,
    brand: String,
    versions: Vec<i64>,
}

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident($($brand:ident)?), $frame:ident, $table:literal, $build:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// When the table cannot be read.
        pub async fn $name(&self $(, $brand: &str)?) -> Result<Arc<$frame>, Error> {
            #[allow(unused_mut, unused_assignments)]
            let mut brand: Option<&str> = None;
            $(brand = Some($brand);)?
            let (version, table) = self.open($table).await?;
            let key = self.key(stringify!($name), brand, vec![version]);
            let load = async {
                let batches = self.scan(table, brand.map_or(Part::Whole, Part::Brand), &$frame::COLUMNS).await?;
                let names = self.lake.names.clone();
                let build: fn(Arc<crate::frames::Names>, Vec<RecordBatch>) -> Result<$frame, Error> = $build;
                let frame = blocking(move || build(names, batches)).await?;
                Ok(Cached::$frame(Arc::new(frame)))
            };
            match self.cached(key, load).await? {
                Cached::$frame(frame) => Ok(frame),
                _ => Err(mismatch($table)),
            }
        }
    };
}

impl Reader {
    pub(crate) fn new(lake: TenantLake, settings: Settings, pin: BTreeMap<String, i64>) -> Self {
        Self {
            lake,
            settings,
            pin,
            opened: FACTS.iter().map(|fact| (fact.table, OnceCell::new())).collect(),
            read: Mutex::default(),
        }
    }

    /// The names that its frames share.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        self.lake.names()
    }

    /// Zone in which the tenant's days are counted.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.settings.zone
    }

    /// ISO 4217 code of the tenant's money.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.settings.currency
    }

    /// Today in the tenant's zone, by the clock; only questions are checked against it, no metric reads it.
    #[must_use]
    pub fn today(&self) -> Day {
        Day::of_instant(chrono::Utc::now().timestamp_micros(), self.settings.zone).unwrap_or_default()
    }

    /// Versions of the tables read so far. A table without any fact has none.
    #[must_use]
    pub fn versions(&self) -> DataVersion {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = read.iter().filter(|(_, version)| **version != NO_TABLE);
        DataVersion {
            tables: tables
                .map(|(table, version)| ((*table).to_owned(), *version))
                .collect(),
        }
    }

    /// Counts tables as read at the versions that this reader holds them at: for answers that know their facts
    /// without reading them here.
    ///
    /// # Errors
    /// When a table or version does not exist.
    pub async fn note(&self, tables: &[&str]) -> Result<(), Error> {
        for fact in FACTS.iter().filter(|fact| tables.contains(&fact.table)) {
            self.open(fact.table).await?;
        }
        Ok(())
    }

    frame!(
        /// Products of a brand.
        products(brand), Products, "products", |names, batches| Products::build(&names, &batches)
    );
    frame!(
        /// Stock of a brand.
        stock(brand), Stock, "stock_days", |names, batches| Stock::build(&names, &batches)
    );
    frame!(
        /// Contents of a brand.
        contents(brand), Contents, "contents", |names, batches| Contents::build(&names, &batches)
    );
    frame!(
        /// Campaigns of a brand.
        campaigns(brand), Campaigns, "campaigns", |names, batches| Campaigns::build(&names, &batches)
    );
    frame!(
        /// Members of a brand.
        members(brand), Members, "members", |names, batches| Members::build(&names, &batches)
    );
    frame!(
        /// How the brand's people stand on social media.
        social_profiles(brand), SocialProfiles, "social_profiles",
        |names, batches| SocialProfiles::build(&names, &batches)
    );
    frame!(
        /// Profiles of the tenant's consumers.
        profiles(), Profiles, "consumer_profiles", |names, batches| Profiles::build(&names, &batches)
    );
    frame!(
        /// Market statistics of the tenant.
        market_stats(), MarketStats, "market_stats", |_, batches| MarketStats::build(&batches)
    );

    /// Behaviours of a brand, with the categories of its products.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn behaviors(&self, brand: &str) -> Result<Arc<Behaviors>, Error> {
        let products = self.products(brand).await?;
        let (version, table) = self.open("behaviors").await?;
        let key = self.key(
            "behaviors",
            Some(brand),
            vec![version, self.version_of("products")],
        );
        let load = async {
            let batches = self.scan(table, Part::Brand(brand), &Behaviors::COLUMNS).await?;
            let names = self.lake.names.clone();
            let frame = blocking(move || Behaviors::build(&names, &products, &batches)).await?;
            Ok(Cached::Behaviors(Arc::new(frame)))
        };
        match self.cached(key, load).await? {
            Cached::Behaviors(frame) => Ok(frame),
            _ => Err(mismatch("behaviors")),
        }
    }

    /// Order lines of a brand, with the categories of its products.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn orders(&self, brand: &str) -> Result<Arc<Orders>, Error> {
        let products = self.products(brand).await?;
        let (version, table) = self.open("order_lines").await?;
        let key = self.key("orders", Some(brand), vec![version, self.version_of("products")]);
        let load = async {
            let left = self.left(version).await?;
            let batches = self.scan(table, Part::Brand(brand), &Orders::COLUMNS).await?;
            let (names, brand) = (self.lake.names.clone(), brand.to_owned());
            let build = move || Orders::staying(&names, &products, left.by(&brand), &batches);
            let frame = blocking(build).await?;
            Ok(Cached::Orders(Arc::new(frame)))
        };
        match self.cached(key, load).await? {
            Cached::Orders(frame) => Ok(frame),
            _ => Err(mismatch("order_lines")),
        }
    }

    /// Lines that brands have left at a version of the table of order lines.
    async fn left(&self, version: i64) -> Result<Arc<Left>, Error> {
        if version == NO_TABLE {
            return Ok(Arc::default());
        }
        let contested = self.lake.contested_lines(version).await?;
        if contested.is_empty() {
            return Ok(Arc::default());
        }
        let load = async {
            let left = self.lake.left_lines(version, &contested).await?;
            Ok(Cached::Left(Arc::new(left)))
        };
        match self.cached(self.key("left", None, vec![version]), load).await? {
            Cached::Left(left) => Ok(left),
            _ => Err(mismatch("order_lines")),
        }
    }

    /// Every brand of the tenant that a fact names, sorted.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn brands(&self) -> Result<Arc<Vec<String>>, Error> {
        let mut found = BTreeSet::new();
        for table in tables_with_brands() {
            found.extend(self.brands_of(table).await?.iter().cloned());
        }
        Ok(Arc::new(found.into_iter().collect()))
    }

    /// Succeeds when a fact names the brand. Small tables are asked first, and a brand mostly has products: the
    /// large ones are read for it only when these do not know it.
    ///
    /// # Errors
    /// [`Error::BrandUnknown`] when none does; or when a table cannot be read.
    pub async fn require_brand(&self, brand: &str) -> Result<(), Error> {
        // A version that does not exist is told whichever table it pins.
        for table in tables_with_brands().filter(|table| self.pin.contains_key(*table)) {
            self.version(table).await?;
        }
        for table in tables_with_brands() {
            let brands = self.brands_of(table).await?;
            if brands.binary_search_by(|known| known.as_str().cmp(brand)).is_ok() {
                return Ok(());
            }
        }
        Err(Error::BrandUnknown {
            brand: brand.to_owned(),
        })
    }

    /// The brands that a table names, sorted.
    async fn brands_of(&self, name: &'static str) -> Result<Arc<Vec<String>>, Error> {
        let (version, table) = self.version(name).await?;
        let Some(table) = table else {
            return Ok(Arc::default());
        };
        let key = self.key("brands", Some(name), vec![version]);
        let load = async {
            let mut found = BTreeSet::new();
            for batch in table::distinct(
                &self.lake.inner.sums,
                &table,
                &self.lake.tenant,
                Part::Whole,
                "brand",
            )
            .await?
            {
                let brands = View(&batch).text("brand")?;
                found.extend((0..batch.num_rows()).filter_map(|row| brands.get(row).map(str::to_owned)));
            }
            Ok(Cached::Texts(Arc::new(found.into_iter().collect())))
        };
        match self.cached(key, load).await? {
            Cached::Texts(brands) => Ok(brands),
            _ => Err(mismatch("brands")),
        }
    }

    /// The frame of `key`; questions that come together load it once.
    async fn cached(
        &self,
        key: Key,
        load: impl Future<Output = Result<Cached, Error>>,
    ) -> Result<Cached, Error> {
        let load = async {
            let loaded = load.await?;
            self.lake.inner.weigh_names().await;
            Ok(loaded)
        };
        let cached = self.lake.inner.frames.try_get_with(key, load).await;
        cached.map_err(shared)
    }

    pub(crate) fn key(&self, frame: &'static str, brand: Option<&str>, versions: Vec<i64>) -> Key {
        Key {
            tenant: self.lake.tenant.clone(),
            epoch: self.lake.epoch,
            frame,
            brand: brand.unwrap_or_default().to_owned(),
            versions,
        }
    }

    fn version_of(&self, table: &str) -> i64 {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(table).copied().unwrap_or(NO_TABLE)
    }

    /// Opens a table whose rows go into the answer.
    async fn open(&self, name: &'static str) -> Result<(i64, Option<DeltaTable>), Error> {
        let (version, table) = self.version(name).await?;
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, version);
        Ok((version, table))
    }

    /// The table at the version that this reader holds it at.
    async fn version(&self, name: &'static str) -> Result<(i64, Option<DeltaTable>), Error> {
        let table = self.lake.inner.table(name)?;
        let open = async {
            let found = match self.pin.get(name) {
                Some(version) => Some(table.at(*version).await?),
                None => table.latest().await?,
            };
            let version = found.as_ref().and_then(DeltaTable::version);
            let version = version.and_then(|version| i64::try_from(version).ok());
            Ok((version.unwrap_or(NO_TABLE), found))
        };
        match self.opened.get(name) {
            Some(opened) => opened.get_or_try_init(|| open).await.cloned(),
            None => open.await,
        }
    }

    /// Table and version, where the question pins this one.
    fn pinned(&self, table: &DeltaTable) -> Option<(&String, &i64)> {
        let version = table.version().and_then(|version| i64::try_from(version).ok());
        let name = table.snapshot().ok()?.metadata().name()?;
        let pinned = self.pin.get_key_value(name);
        pinned.filter(|(_, pinned)| Some(**pinned) == version)
    }

    async fn scan(
        &self,
        table: Option<DeltaTable>,
        part: Part<'_>,
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, Error> {
        let Some(table) = table else {
            return Ok(Vec::new());
        };
        let scanned = table::scan(&self.lake.inner.sums, &table, &self.lake.tenant, part, columns).await;
        scanned.map_err(|error| match self.pinned(&table) {
            // Its files were erased along with somebody's facts.
            Some((name, version)) if error.is_not_found() => Error::VersionUnknown {
                table: name.clone(),
                version: *version,
            },
            _ => error,
        })
    }
}

/// Tables whose rows name a brand, those with few rows first.
fn tables_with_brands() -> impl Iterator<Item = &'static str> {
    let mut tables: Vec<&'static Fact> = FACTS.iter().filter(|fact| fact.has_brand()).collect();
    let place = |fact: &Fact| SMALL_TABLES.iter().position(|table| *table == fact.table);
    tables.sort_by_key(|fact| place(fact).unwrap_or(SMALL_TABLES.len()));
    tables.into_iter().map(|fact| fact.table)
}

/// Builds something away from the threads that serve calls.
pub(crate) async fn blocking<T: Send + 'static>(
    build: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    work::metrics(build)
        .await
        .map_err(|error| Error::Group(error.to_string()))?
}

/// An error that several callers of one load share.
fn shared(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| error.for_another())
}

fn mismatch(table: &'static str) -> Error {
    Error::Schema {
        table: table.to_owned(),
        reason: "the cache holds another frame under its key".to_owned(),
    }
}
