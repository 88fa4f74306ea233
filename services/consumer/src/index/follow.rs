//! Follows the fact tables: new rows become pieces of bitmaps, stored with the versions that they come from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ahash::{AHashMap, AHashSet};
use dualwheel_lake::{
    Lake, TenantLake,
    changes::{Added, BEHAVIOR_COLUMNS, LINE_COLUMNS},
    fact::BRAND_BUCKETS,
    people::{Piece, Replace, Stored},
};
use dualwheel_measure::Day;
use roaring::RoaringBitmap;
use tokio::sync::OwnedMutexGuard;

use super::{
    Error,
    cells::{BOUGHT, Cells, OTHER_LINE, SIGNALS},
    collect::{Collected, Lines, drain, pieces},
};

/// The tables that the index follows.
const BEHAVIORS: &str = "behaviors";
const ORDER_LINES: &str = "order_lines";
const TABLES: [&str; 2] = [BEHAVIORS, ORDER_LINES];
/// Signal of the pieces that keep which order lines have been counted.
const COUNTED: i64 = 32;
/// Known order lines that are held for the next rows; beyond that they are read again when they are needed.
const MOST_HELD: usize = 4_000_000;
/// Files of a bucket from which on they are joined.
const FILES_TO_JOIN: usize = 24;
/// Commits of the index after which its files are counted.
const COMMITS_A_COUNT: i64 = 8;
/// Tries against other processes that follow the same tables.
const TRIES: usize = 4;

type Bitmaps = Vec<(usize, Day, RoaringBitmap)>;

/// The people index of every tenant. Cheap to clone.
#[derive(Clone)]
pub struct PeopleIndex {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    most_consumers: usize,
    tenants: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<State>>>>>,
    cells: moka::future::Cache<(String, String, i64), Arc<Cells>>,
}

impl std::fmt::Debug for PeopleIndex {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PeopleIndex").finish_non_exhaustive()
    }
}

/// Where the index of a tenant stands.
#[derive(Debug)]
struct State {
    lake: TenantLake,
    stored: Stored,
    /// Version of the index table at which a brand changed last; those not in here have not since `opened`.
    changed: HashMap<String, i64>,
    opened: i64,
    orders: AHashMap<String, Counted>,
}

/// Which order lines of a brand have been counted.
#[derive(Clone, Debug, Default)]
struct Counted {
    generation: i64,
    keys: AHashSet<u64>,
}

/// The index at one version, which answers questions.
#[derive(Clone, Debug)]
pub struct Snapshot {
    index: PeopleIndex,
    /// The lake that its ordinals belong to.
    pub lake: TenantLake,
    stored: Stored,
    changed: Arc<HashMap<String, i64>>,
    opened: i64,
}

/// What the index holds, for people who run it.
#[derive(Clone, Debug)]
pub struct Status {
    /// Consumers that have an ordinal.
    pub consumers: usize,
    /// Version of the index table.
    pub version: i64,
    /// Versions of the fact tables that it has followed.
    pub followed: BTreeMap<&'static str, i64>,
}

impl PeopleIndex {
    /// The index of `lake`; decoded bitmaps take `cache_bytes` together, and no tenant has more than
    /// `most_consumers` consumers.
    #[must_use]
    pub fn new(lake: Lake, cache_bytes: u64, most_consumers: usize) -> Self {
        let cells = moka::future::Cache::builder()
            .max_capacity(cache_bytes)
            .weigher(|_, cells: &Arc<Cells>| u32::try_from(cells.bytes().max(1)).unwrap_or(u32::MAX))
            .build();
        let inner = Inner {
            lake,
            most_consumers,
            tenants: Mutex::default(),
            cells,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn state(&self, tenant: &str) -> Arc<tokio::sync::Mutex<Option<State>>> {
        let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.to_owned()).or_default().clone()
    }

    /// Follows the facts to their latest versions.
    ///
    /// # Errors
    /// When they cannot be read, the index cannot be stored, or the tenant has too many consumers.
    pub async fn catch_up(&self, tenant: &str) -> Result<Snapshot, Error> {
        self.followed(tenant, false).await
    }

    /// Derives every bitmap anew from the facts; consumers keep their ordinals.
    ///
    /// # Errors
    /// As [`catch_up`](Self::catch_up).
    pub async fn rebuild(&self, tenant: &str) -> Result<Snapshot, Error> {
        self.followed(tenant, true).await
    }

    async fn followed(&self, tenant: &str, anew: bool) -> Result<Snapshot, Error> {
        let held = self.state(tenant).lock_owned().await;
        self.follow(tenant, held, anew).await
    }

    /// Catches up as far as `patience` admits; `None` when the index is still behind or cannot be read. What takes
    /// longer goes on by itself, for the questions to come.
    pub async fn soon(&self, tenant: &str, patience: Duration) -> Option<Snapshot> {
        let until = tokio::time::Instant::now() + patience;
        let held = self.state(tenant).lock_owned();
        let held = tokio::time::timeout_at(until, held).await.ok()?;
        let (index, name) = (self.clone(), tenant.to_owned());
        let following = tokio::spawn(async move {
            let followed = index.follow(&name, held, false).await;
            followed.inspect_err(|error| tracing::warn!(%error, "the people index cannot follow the facts"))
        });
        tokio::time::timeout_at(until, following).await.ok()?.ok()?.ok()
    }

    async fn follow(
        &self,
        tenant: &str,
        mut held: OwnedMutexGuard<Option<State>>,
        anew: bool,
    ) -> Result<Snapshot, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            // What fails is opened again: the stored index is what counts.
            let mut state = match held.take() {
                Some(state) => state,
                None => self.open(tenant).await?,
            };
            match state.follow(self, anew).await {
                Ok(()) => {
                    let snapshot = state.snapshot(self);
                    *held = Some(state);
                    return Ok(snapshot);
                }
                Err(error) if tries >= TRIES || matches!(error, Error::Exhausted { .. }) => {
                    return Err(error);
                }
                Err(error) => tracing::info!(%error, "the people index is read again"),
            }
        }
    }

    async fn open(&self, tenant: &str) -> Result<State, Error> {
        let mut lake = self.inner.lake.tenant(tenant);
        let stored = lake.people_index(&TABLES).await?;
        if !lake.seed_consumers(&stored).await? {
            lake = self.inner.lake.renew(tenant);
            lake.seed_consumers(&stored).await?;
        }
        Ok(State {
            lake,
            opened: stored.version,
            stored,
            changed: HashMap::new(),
            orders: AHashMap::new(),
        })
    }
}

impl Snapshot {
    /// Versions of the fact tables that it stands for.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, i64> {
        let followed = self.stored.followed.iter();
        followed
            .map(|(table, version)| ((*table).to_owned(), *version))
            .collect()
    }

    /// What it holds.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            consumers: self.stored.keys,
            version: self.stored.version,
            followed: self.stored.followed.clone(),
        }
    }

    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    fn key(&self, brand: &str) -> (String, String, i64) {
        let changed = self.changed.get(brand).copied().unwrap_or(self.opened);
        (self.lake.name().to_owned(), brand.to_owned(), changed)
    }

    /// The bitmaps of a brand.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn brand(&self, brand: &str) -> Result<Arc<Cells>, Error> {
        let load = async {
            let signals = 0..=SIGNALS as i64 - 1;
            let pieces = self.lake.people_pieces(&self.stored, brand, signals).await?;
            Ok::<_, Error>(Arc::new(add_up(&pieces)?))
        };
        let loaded = self.index.inner.cells.try_get_with(self.key(brand), load).await;
        loaded
            .map_err(|error| Arc::try_unwrap(error).unwrap_or_else(|error| Error::Shared(error.to_string())))
    }
}

/// The bitmaps of a brand's pieces, those of the newest generation of each signal.
fn add_up(pieces: &[Piece]) -> Result<Cells, Error> {
    let newest = newest(pieces);
    let mut bitmaps = Vec::with_capacity(pieces.len());
    for piece in pieces
        .iter()
        .filter(|piece| newest.get(&piece.signal) == Some(&piece.generation))
    {
        let people = RoaringBitmap::deserialize_from(piece.data.as_slice())?;
        bitmaps.push((
            usize::try_from(piece.signal).unwrap_or(SIGNALS),
            piece.day,
            people,
        ));
    }
    Ok(Cells::default().with(bitmaps))
}

fn newest(pieces: &[Piece]) -> BTreeMap<i64, i64> {
    let mut newest = BTreeMap::new();
    for piece in pieces {
        let known = newest.entry(piece.signal).or_insert(piece.generation);
        *known = piece.generation.max(*known);
    }
    newest
}

/// Bitmaps of the rows read, with what the next ones need to know.
struct Read {
    bitmaps: AHashMap<String, Bitmaps>,
    orders: Vec<(String, Counted, Recount)>,
}

/// What became of the order lines of a brand.
#[derive(Debug, PartialEq)]
enum Recount {
    /// New ones were added; these stand for them.
    Added(Vec<u64>),
    /// All were counted anew.
    Anew,
}

impl State {
    fn snapshot(&self, index: &PeopleIndex) -> Snapshot {
        Snapshot {
            index: index.clone(),
            lake: self.lake.clone(),
            stored: self.stored.clone(),
            changed: Arc::new(self.changed.clone()),
            opened: self.opened,
        }
    }

    async fn added(&self, table: &'static str, anew: bool) -> Result<Added, Error> {
        let after = self.stored.followed.get(table).copied().filter(|_| !anew);
        let columns: &'static [&'static str] = match table {
            BEHAVIORS => &BEHAVIOR_COLUMNS,
            _ => &LINE_COLUMNS,
        };
        Ok(self.lake.added(table, columns, after, None).await?)
    }

    async fn follow(&mut self, index: &PeopleIndex, anew: bool) -> Result<(), Error> {
        let (mut behaviors, mut lines) = (
            self.added(BEHAVIORS, anew).await?,
            self.added(ORDER_LINES, anew).await?,
        );
        let mut followed = BTreeMap::new();
        for (table, added) in [(BEHAVIORS, &behaviors), (ORDER_LINES, &lines)] {
            followed.extend(added.version.map(|version| (table, version)));
        }
        if !anew && followed == self.stored.followed {
            return Ok(());
        }
        // Rows that went away, or a log that does not reach back: what is stored does not count any more.
        let broken = |table: &str, added: &Added| added.whole && self.stored.followed.contains_key(table);
        let anew = anew || broken(BEHAVIORS, &behaviors) || broken(ORDER_LINES, &lines);
        if anew && !(behaviors.whole && lines.whole) {
            (behaviors, lines) = (
                self.added(BEHAVIORS, true).await?,
                self.added(ORDER_LINES, true).await?,
            );
        }
        if anew {
            self.orders.clear();
        }
        let read = self.read(behaviors, lines, &followed, anew).await?;
        let consumers = self.lake.names().consumers.view().len();
        if consumers > index.inner.most_consumers {
            return Err(Error::Exhausted {
                most: index.inner.most_consumers,
            });
        }
        self.store(index, read, &followed, anew).await
    }

    /// Reads the rows, counting the lines of a brand anew where one replaces another.
    async fn read(
        &mut self,
        behaviors: Added,
        lines: Added,
        followed: &BTreeMap<&'static str, i64>,
        anew: bool,
    ) -> Result<Read, Error> {
        let names = self.lake.names();
        let mut collected = drain(
            behaviors,
            names.clone(),
            Collected::default(),
            Collected::behaviors,
        )
        .await?;
        let mut lines = drain(lines, names, Lines::default(), Lines::read).await?;
        let mut orders = Vec::new();
        for (brand, new) in lines.brands() {
            let mut counted = if anew {
                Counted::default()
            } else {
                self.counted(brand).await?
            };
            let repeated = new.repeated || new.keys.iter().any(|key| counted.keys.contains(key));
            counted.keys.extend(&new.keys);
            let recount = if repeated {
                let pin = followed
                    .iter()
                    .map(|(table, version)| ((*table).to_owned(), *version));
                let reader = self.lake.reader(&pin.collect()).await?;
                collected.resolved(brand, &*reader.orders(brand).await?);
                counted.generation += 1;
                Recount::Anew
            } else {
                new.collect(brand, &mut collected);
                let mut keys: Vec<u64> = new.keys.iter().copied().collect();
                keys.sort_unstable();
                Recount::Added(keys)
            };
            orders.push((brand.clone(), counted, recount));
        }
        let finish = tokio::task::spawn_blocking(move || collected.finish());
        let bitmaps = finish
            .await
            .map_err(|error| dualwheel_lake::Error::Group(error.to_string()))?;
        Ok(Read { bitmaps, orders })
    }

    /// The lines of a brand that were counted before.
    async fn counted(&mut self, brand: &str) -> Result<Counted, Error> {
        if let Some(known) = self.orders.remove(brand) {
            return Ok(known);
        }
        let signals = OTHER_LINE as i64..=COUNTED;
        let pieces = self.lake.people_pieces(&self.stored, brand, signals).await?;
        let newest = newest(&pieces);
        let generation = newest.values().max().copied().unwrap_or(0);
        let mut counted = Counted {
            generation,
            keys: AHashSet::new(),
        };
        let mine = |piece: &&Piece| piece.signal == COUNTED && piece.generation == generation;
        for piece in pieces.iter().filter(mine) {
            let (keys, _) = piece.data.as_chunks();
            counted
                .keys
                .extend(keys.iter().map(|key| u64::from_le_bytes(*key)));
        }
        Ok(counted)
    }

    async fn store(
        &mut self,
        index: &PeopleIndex,
        read: Read,
        followed: &BTreeMap<&'static str, i64>,
        anew: bool,
    ) -> Result<(), Error> {
        let Read { bitmaps, orders } = read;
        let generations: AHashMap<&str, i64> = orders
            .iter()
            .map(|(brand, counted, _)| (brand.as_str(), counted.generation))
            .collect();
        let mut stored = Vec::new();
        let mut brands: Vec<&String> = bitmaps.keys().collect();
        brands.sort_unstable();
        for brand in brands {
            let mine = bitmaps.get(brand).map(Vec::as_slice).unwrap_or_default();
            let ordered = mine.partition_point(|(signal, _, _)| *signal < OTHER_LINE);
            let (behaviors, lines) = mine.split_at(ordered);
            stored.extend(pieces(brand, behaviors, 0)?);
            let generation = generations.get(brand.as_str()).copied().unwrap_or(0);
            stored.extend(pieces(brand, lines, generation)?);
        }
        for (brand, counted, recount) in &orders {
            stored.push(counted_piece(brand, counted, recount));
        }
        let replace = if anew { Replace::All } else { Replace::Nothing };
        let now = self
            .lake
            .commit_people(&self.stored, stored, followed, replace)
            .await?;
        self.update(index, bitmaps, &orders, now, anew).await;
        for (brand, counted, _) in orders {
            self.orders.insert(brand, counted);
        }
        let held: usize = self.orders.values().map(|counted| counted.keys.len()).sum();
        if held > MOST_HELD {
            self.orders.clear();
        }
        self.join_files().await
    }

    /// Brings decoded bitmaps up to the new version.
    async fn update(
        &mut self,
        index: &PeopleIndex,
        bitmaps: AHashMap<String, Bitmaps>,
        orders: &[(String, Counted, Recount)],
        now: Stored,
        anew: bool,
    ) {
        let before = self.snapshot(index);
        self.stored = now;
        if anew {
            self.opened = self.stored.version;
            self.changed.clear();
            return;
        }
        let recounted: AHashSet<&str> = orders
            .iter()
            .filter(|(_, _, recount)| *recount == Recount::Anew)
            .map(|(brand, _, _)| brand.as_str())
            .collect();
        for (brand, mine) in bitmaps {
            let known = index.inner.cells.get(&before.key(&brand)).await;
            self.changed.insert(brand.clone(), self.stored.version);
            if let Some(known) = known {
                let known = if recounted.contains(brand.as_str()) {
                    Arc::new(known.without(OTHER_LINE).without(BOUGHT))
                } else {
                    known
                };
                let key = (self.lake.name().to_owned(), brand, self.stored.version);
                index.inner.cells.insert(key, Arc::new(known.with(mine))).await;
            }
        }
    }

    /// Joins the pieces of buckets with many files.
    async fn join_files(&mut self) -> Result<(), Error> {
        if self.stored.version % COMMITS_A_COUNT != 0 {
            return Ok(());
        }
        for bucket in 0..BRAND_BUCKETS {
            if self.lake.people_files(&self.stored, bucket).await? < FILES_TO_JOIN {
                continue;
            }
            let pieces = self.lake.people_pieces_of_bucket(&self.stored, bucket).await?;
            let joined = join(pieces)?;
            let followed = self.stored.followed.clone();
            let replace = Replace::Bucket(bucket);
            self.stored = self
                .lake
                .commit_people(&self.stored, joined, &followed, replace)
                .await?;
        }
        Ok(())
    }
}

fn counted_piece(brand: &str, counted: &Counted, recount: &Recount) -> Piece {
    let data = match recount {
        Recount::Added(keys) => keys.iter().flat_map(|key| key.to_le_bytes()).collect(),
        Recount::Anew => {
            let mut keys: Vec<u64> = counted.keys.iter().copied().collect();
            keys.sort_unstable();
            keys.iter().flat_map(|key| key.to_le_bytes()).collect()
        }
    };
    Piece {
        brand: brand.to_owned(),
        signal: COUNTED,
        day: Day(0),
        generation: counted.generation,
        data,
    }
}

/// One piece for all of a brand's signal and day; older generations are left out.
fn join(pieces: Vec<Piece>) -> Result<Vec<Piece>, Error> {
    let mut newest: AHashMap<(String, i64), i64> = AHashMap::new();
    for piece in &pieces {
        let known = newest
            .entry((piece.brand.clone(), piece.signal))
            .or_insert(piece.generation);
        *known = piece.generation.max(*known);
    }
    let mut joined: BTreeMap<(String, i64, Day), Piece> = BTreeMap::new();
    for piece in pieces {
        if newest.get(&(piece.brand.clone(), piece.signal)) != Some(&piece.generation) {
            continue;
        }
        let key = (piece.brand.clone(), piece.signal, piece.day);
        match joined.get_mut(&key) {
            None => {
                joined.insert(key, piece);
            }
            Some(known) if piece.signal == COUNTED => known.data.extend(&piece.data),
            Some(known) => {
                let people = RoaringBitmap::deserialize_from(known.data.as_slice())?
                    | RoaringBitmap::deserialize_from(piece.data.as_slice())?;
                known.data.clear();
                people.serialize_into(&mut known.data)?;
            }
        }
    }
    Ok(joined.into_values().collect())
}
