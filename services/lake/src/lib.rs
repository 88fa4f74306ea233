//! The lake: every fact in Delta tables that any engine can read, appended once and read as typed frames.
//!
//! - [`fact`] holds the one schema of every fact; [`check`] checks rows against it.
//! - [`service`] takes batches over gRPC; they are written durably and once per producer and sequence.
//! - [`erasure`] removes everything about some consumers, for good.
//! - [`Reader`] reads a tenant's tables at fixed versions, as [`frames`] in memory.
//!
//! Tables are partitioned by tenant and by one of eight brand buckets; small appends about several brands lie together for a
//! while. Months do not partition: at the sizes of
//! brands they would cut files far below the 32 MB that scans want, and row-group statistics already skip days.

mod acknowledged;
mod append;
mod blobs;
mod budget;
pub mod changes;
pub mod check;
mod clock;
pub mod dead_letters;
mod discovery;
mod disk;
pub mod erasure;
mod error;
mod export;
pub mod fact;
pub mod frames;
pub mod groups;
mod heads;
pub mod ipc;
mod keys;
pub mod mapping;
pub mod memory;
mod moved;
pub mod people;
mod reader;
mod rewrite;
pub mod rows;
pub mod seen;
pub mod service;
mod settings;
mod spread;
mod stamp;
mod sums;
mod table;
mod verify;
mod view;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dualwheel_kit::{Call, config::shown};
use object_store::ObjectStore;
use url::Url;

pub use error::Error;
pub use moved::Contested;
pub use reader::{
    Reader,
    coverage::{Coverage, Covered},
    many::BrandFrame,
};
pub use settings::{DEFAULT_CURRENCY, DEFAULT_ZONE, Settings};
pub use verify::Verified;

use crate::{
    append::Writer,
    budget::Budget,
    fact::Fact,
    frames::Names,
    heads::Heads,
    reader::Cached,
    sums::Sums,
    table::{Place, Table},
};

/// Where the lake lies and what it may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder, or a `file://` or object-store URL.
    pub location: String,
    /// Bytes that frames in memory, and the names that they are written in, may take together.
    pub frame_cache_bytes: u64,
    /// How long files stay that are out of use, for questions about former versions.
    pub retention: Duration,
}

/// The lake of a process. Cheap to clone; every use goes through a handle made for a tenant.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    tables: Vec<Arc<Table>>,
    people: Table,
    seen: stamp::Seen,
    heads: Arc<Heads>,
    sums: Arc<Sums>,
    writers: Mutex<HashMap<&'static str, Writer>>,
    tenants: Mutex<HashMap<String, Held>>,
    frames: moka::future::Cache<reader::Key, Cached>,
    budget: Arc<Budget>,
    /// Changes when an erasure was asked for or has come further.
    erasing: tokio::sync::watch::Sender<()>,
}

/// What all handles of a tenant share.
#[derive(Clone, Default)]
struct Held {
    /// How often the names were given again.
    epoch: u64,
    names: Arc<Names>,
    /// Held while the frames of many brands are loaded.
    preparing: Arc<tokio::sync::Mutex<()>>,
    suppressed: Arc<tokio::sync::Mutex<Option<erasure::suppressed::Known>>>,
    homes: Arc<tokio::sync::Mutex<moved::Homes>>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lake")
            .field("tables", &self.inner.tables.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    fn table(&self, name: &str) -> Result<&Arc<Table>, Error> {
        let found = self.tables.iter().find(|table| table.name == name);
        found.ok_or_else(|| Error::Schema {
            table: name.to_owned(),
            reason: "there is no such table".to_owned(),
        })
    }
}

impl Lake {
    /// Opens the lake; a folder that does not exist is made.
    ///
    /// # Errors
    /// When the location cannot be read as a folder or URL, or its store cannot be reached.
    pub fn open(options: &Options) -> Result<Self, Error> {
        Self::open_through(options, |store| store)
    }

    /// Opens the lake with its own small files, those beside the tables, in a store made of the one given: one that
    /// counts, say, or that fails as a test wants it to.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_through(
        options: &Options,
        through: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> Result<Self, Error> {
        let root = root_url(&options.location)?;
        let (store, prefix) = disk::open(&root)?;
        let store = through(Arc::new(object_store::prefix::PrefixStore::new(store, prefix)));
        let place = Place {
            store: store.clone(),
            retention: options.retention,
            heads: Arc::new(Heads::of(store.clone(), root.to_file_path().ok())),
            sums: Arc::default(),
            steady: Arc::default(),
        };
        let table = |name, schema| -> Result<Table, Error> {
            Ok(Table::new(name, schema, child_url(&root, name)?, place.clone()))
        };
        let tables: Vec<Arc<Table>> = fact::FACTS
            .iter()
            .map(|fact| Ok(Arc::new(table(fact.table, fact.schema())?)))
            .collect::<Result<_, Error>>()?;
        let people = table(people::TABLE, people::schema())?;
        let budget = Arc::new(Budget::new(options.frame_cache_bytes));
        let weighing = budget.clone();
        let frames = moka::future::Cache::builder()
            .max_capacity(budget.capacity())
            .weigher(move |_, frame| weighing.weight(frame))
            .build();
        let inner = Inner {
            store,
            seen: stamp::Seen::of(root.to_file_path().ok().as_deref()),
            tables,
            people,
            heads: place.heads.clone(),
            sums: place.sums.clone(),
            writers: Mutex::default(),
            tenants: Mutex::default(),
            frames,
            budget,
            erasing: tokio::sync::watch::Sender::default(),
        };
        let lake = Self {
            inner: Arc::new(inner),
        };
        lake.gauge();
        Ok(lake)
    }

    /// Tells how much memory decoded facts take.
    fn gauge(&self) {
        let inner = Arc::downgrade(&self.inner);
        opentelemetry::global::meter("dualwheel")
            .u64_observable_gauge("dualwheel.lake.frame_cache.bytes")
            .with_description("Decoded facts in memory, with the names that they are written in, in bytes")
            .with_callback(move |observer| {
                if let Some(inner) = inner.upgrade() {
                    observer.observe(inner.budget.taken(inner.frames.weighted_size()), &[]);
                }
            })
            .build();
    }

    /// Joins the small files of every table and removes those that have been out of use for the retention. Appends start this
    /// by themselves now and then. One process does it at a time; the others wait.
    ///
    /// # Errors
    /// When a table cannot be read or written, or the clocks of this machine and the storage differ.
    pub async fn compact(&self) -> Result<(), Error> {
        for table in &self.inner.tables {
            table.tidy_now().await?;
        }
        Ok(())
    }

    /// The lake as the tenant of a call sees it.
    #[must_use]
    pub fn of(&self, call: &Call) -> TenantLake {
        let tenant = call.tenant();
        let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let held = tenants.entry(tenant.to_owned()).or_default().clone();
        self.handle(tenant, held)
    }

    /// A handle with new names, which all further ones share: for when others have given a tenant's consumers
    /// their ordinals. Handles and frames of before stay in use until nobody asks for them.
    #[must_use]
    pub fn renew(&self, call: &Call) -> TenantLake {
        let tenant = call.tenant();
        let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = tenants.get(tenant).map_or(0, |held| held.epoch) + 1;
        let held = Held {
            epoch,
            suppressed: tenants
                .get(tenant)
                .map(|held| held.suppressed.clone())
                .unwrap_or_default(),
            homes: tenants
                .get(tenant)
                .map(|held| held.homes.clone())
                .unwrap_or_default(),
            ..Held::default()
        };
        tenants.insert(tenant.to_owned(), held.clone());
        self.handle(tenant, held)
    }

    fn handle(&self, tenant: &str, held: Held) -> TenantLake {
        TenantLake {
            inner: self.inner.clone(),
            tenant: tenant.to_owned(),
            epoch: held.epoch,
            names: held.names,
            preparing: held.preparing,
            suppressed: held.suppressed,
            homes: held.homes,
        }
    }
}

/// The lake as the tenant of a call sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TenantLake {
    inner: Arc<Inner>,
    tenant: String,
    epoch: u64,
    names: Arc<Names>,
    preparing: Arc<tokio::sync::Mutex<()>>,
    suppressed: Arc<tokio::sync::Mutex<Option<erasure::suppressed::Known>>>,
    homes: Arc<tokio::sync::Mutex<moved::Homes>>,
}

impl TenantLake {
    /// The tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.tenant
    }

    /// The names that all frames of the tenant share.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        self.names.clone()
    }

    /// The settings in force.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let settings = settings::read(&self.inner.store, &self.tenant).await?;
        self.remember(settings).await
    }

    /// Settings as they were read, where none that were fixed before are gone.
    async fn remember(&self, settings: Settings) -> Result<Settings, Error> {
        let name = format!("tenants.{}", self.tenant);
        if settings.fixed {
            self.inner.heads.saw(&name, 1).await;
        } else if self.inner.heads.require(&name, 0, "").await.is_err() {
            // Somebody may have fixed them since they were read.
            let now = settings::read(&self.inner.store, &self.tenant).await?;
            return if now.fixed {
                Ok(now)
            } else {
                Err(settings::gone(&self.tenant))
            };
        }
        Ok(settings)
    }

    /// Sets zone and currency (the one in force when empty), once; the same again succeeds.
    ///
    /// # Errors
    /// When another zone or currency is in force, a name is not known, or nothing can be stored.
    pub async fn configure(&self, zone: &str, currency: &str) -> Result<Settings, Error> {
        let zone = settings::parse_zone(zone)?;
        let before = self.settings().await?;
        let currency = if currency.is_empty() {
            &before.currency
        } else {
            settings::parse_currency(currency)?
        };
        let in_force = settings::fix(&self.inner.store, &self.tenant, zone, currency).await?;
        let in_force = self.remember(in_force).await?;
        let tenant = self.tenant.clone();
        if in_force.zone != zone {
            let (in_force, asked) = (in_force.zone.name().to_owned(), zone.name().to_owned());
            return Err(Error::TimeZoneFixed {
                tenant,
                in_force,
                asked,
            });
        }
        if in_force.currency != currency {
            return Err(Error::CurrencyFixed {
                tenant,
                in_force: in_force.currency,
                asked: currency.to_owned(),
            });
        }
        Ok(in_force)
    }

    /// Reads the tenant's facts at the latest versions, or at those that `pin` names by table.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub async fn reader(&self, pin: &BTreeMap<String, i64>) -> Result<Reader, Error> {
        Ok(Reader::new(self.clone(), self.settings().await?, pin.clone()))
    }

    /// The settings, which from now on are fixed: a fact is about to be stored by them.
    async fn fix_settings(&self) -> Result<Settings, Error> {
        let in_force = self.settings().await?;
        if in_force.fixed {
            return Ok(in_force);
        }
        let fixed = settings::fix(&self.inner.store, &self.tenant, in_force.zone, &in_force.currency).await?;
        self.remember(fixed).await
    }

    fn writer(&self, fact: &'static Fact) -> Result<Writer, Error> {
        let table = self.inner.table(fact.table)?.clone();
        let mut writers = self.inner.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Writer::start(table);
        Ok(writers.entry(fact.table).or_insert_with(start).clone())
    }

    fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.store
    }
}

fn root_url(location: &str) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Setting {
        field: "data",
        reason,
    };
    if location.contains("://") {
        let shown = shown(location);
        return Url::parse(location)
            .map_err(|error| wrong(format!("`{shown}` is no URL ({error}); correct it")));
    }
    let path = Path::new(location);
    disk::make_folders(path)
        .map_err(|error| {
            wrong(format!(
                "the folder `{location}` cannot be made ({error}); name one that this process may make and write to"
            ))
        })?;
    let whole = path
        .canonicalize()
        .map_err(|error| wrong(format!("the folder `{location}`: {error}")))?;
    Url::from_directory_path(&whole).map_err(|()| wrong(format!("`{location}` is no folder")))
}

fn child_url(root: &Url, name: &str) -> Result<Url, Error> {
    let mut base = root.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(&format!("{name}/")).map_err(|error| Error::Setting {
        field: "data",
        reason: format!("`{root}` has no place for tables: {error}"),
    })
}
