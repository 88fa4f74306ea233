//! The index of one tenant: reading new rows into bitmaps, storing these, and joining what has been stored.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use ahash::{AHashMap, AHashSet};
use dualwheel_kit::{Call, work};
use dualwheel_lake::{
    Lake, TenantLake,
    changes::{Added, BEHAVIOR_COLUMNS, LINE_COLUMNS},
    fact::BRAND_BUCKETS,
    people::{Piece, Replace, Stored},
};
use dualwheel_measure::Day;
use roaring::RoaringBitmap;

use super::{
    Error, PeopleIndex, Snapshot,
    acts::{self, ACTS, Acts},
    cells::{Cells, OTHER_LINE, SIGNALS},
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
/// The same of known acts.
const MOST_ACTS_HELD: usize = 8_000_000;
/// Files of a bucket from which on they are joined.
const FILES_TO_JOIN: usize = 24;
/// Commits of the index after which its files are counted.
const COMMITS_A_COUNT: i64 = 8;
/// The signals of behaviours, and those of order lines.
const ACTED: Range<usize> = 0..OTHER_LINE;
const LINES: Range<usize> = OTHER_LINE..SIGNALS;
type Bitmaps = Vec<(usize, Day, RoaringBitmap)>;

/// Where the index of a tenant stands.
#[derive(Debug)]
pub(super) struct State {
    lake: TenantLake,
    stored: Stored,
    /// Version of the index table at which a brand changed last; those not in here have not since `opened`.
    changed: HashMap<String, i64>,
    opened: i64,
    orders: AHashMap<String, Counted>,
    acts: AHashMap<String, Acts>,
}

/// Which order lines of a brand have been counted.
#[derive(Clone, Debug, Default)]
struct Counted {
    generation: i64,
    keys: AHashSet<u64>,
}

/// Bitmaps of the rows read, with what the next ones need to know.
struct Read {
    bitmaps: AHashMap<String, Bitmaps>,
    acts: Vec<ReadActs>,
    orders: Vec<(String, Counted, Recount)>,
}

/// What became of the order lines of a brand.
#[derive(Debug, PartialEq)]
enum Recount {
    /// New ones were added; these stand for them.
    Added(Vec<u64>),
    /// All were counted again.
    Anew,
}

/// What became of the behaviours of a brand.
struct ReadActs {
    brand: String,
    acts: Acts,
    /// What stands for the new ones.
    new: Vec<Piece>,
    /// Whether all were counted again.
    anew: bool,
}

impl State {
    /// The index as it is stored. Consumers get the ordinals that it gives them, if need be in new names.
    pub(super) async fn open(root: &Lake, tenant: &str) -> Result<Self, Error> {
        let call = Call::background(tenant);
        let mut lake = root.of(&call);
        let stored = lake.people_index(&TABLES).await?;
        if !lake.seed_consumers(&stored).await? {
            lake = root.renew(&call);
            lake.seed_consumers(&stored).await?;
        }
        Ok(Self::on(lake, stored))
    }

    /// The index with nobody in it, in new names: what is derived next numbers the consumers again.
    pub(super) async fn anew(root: &Lake, tenant: &str) -> Result<Self, Error> {
        let lake = root.renew(&Call::background(tenant));
        let stored = lake.people_index(&TABLES).await?;
        Ok(Self::on(lake, stored))
    }

    fn on(lake: TenantLake, stored: Stored) -> Self {
        Self {
            lake,
            opened: stored.version,
            stored,
            changed: HashMap::new(),
            orders: AHashMap::new(),
            acts: AHashMap::new(),
        }
    }

    /// Whether what is stored was written in another format than ours, and is to be rebuilt.
    pub(super) fn is_outdated(&self) -> bool {
        self.stored.outdated
    }

    /// How many of `keys` have an ordinal.
    pub(super) fn known_of(&self, keys: &AHashSet<String>) -> u64 {
        let names = self.lake.names();
        let known = keys.iter().filter(|key| names.consumers.find(key).is_some());
        known.count() as u64
    }

    /// The index as it stands, for questions.
    pub(super) fn snapshot(&self, index: &PeopleIndex) -> Snapshot {
        Snapshot {
            index: index.clone(),
            lake: self.lake.clone(),
            stored: self.stored.clone(),
            changed: Arc::new(self.changed.clone()),
            opened: self.opened,
        }
    }

    /// Rows of a table up to its latest version: those not followed yet, or all of them.
    async fn added(&self, table: &'static str, anew: bool) -> Result<Added, Error> {
        let after = self.stored.followed.get(table).copied().filter(|_| !anew);
        let columns: &'static [&'static str] = match table {
            BEHAVIORS => &BEHAVIOR_COLUMNS,
            _ => &LINE_COLUMNS,
        };
        Ok(self.lake.added(table, columns, after, None).await?)
    }

    /// Follows the facts to their latest versions; `how` says whether what is stored counts on.
    pub(super) async fn follow(&mut self, index: &PeopleIndex, how: Replace) -> Result<(), Error> {
        let anew = how != Replace::Nothing;
        let (behaviors, lines) = (
            self.added(BEHAVIORS, anew).await?,
            self.added(ORDER_LINES, anew).await?,
        );
        let mut followed = BTreeMap::new();
        for (table, added) in [(BEHAVIORS, &behaviors), (ORDER_LINES, &lines)] {
            followed.extend(added.version.map(|version| (table, version)));
        }
        let before = |table: &str| self.stored.followed.get(table).copied().unwrap_or(-1);
        let behind = followed
            .iter()
            .map(|(table, version)| version - before(table))
            .sum();
        index.is_behind(self.lake.name(), behind);
        if !anew && followed == self.stored.followed {
            return Ok(());
        }
        let gone = |table: &str, added: &Added| added.whole && self.stored.followed.contains_key(table);
        if anew {
            self.orders.clear();
            self.acts.clear();
        } else if gone(BEHAVIORS, &behaviors) || gone(ORDER_LINES, &lines) {
            return Err(Error::RowsGone);
        }
        let read = self.read(behaviors, lines, &followed, anew).await?;
        let consumers = self.lake.names().consumers.view().len();
        if consumers > index.most_consumers() {
            return Err(Error::Exhausted {
                tenant: self.lake.name().to_owned(),
                most: index.most_consumers(),
            });
        }
        self.store(index, read, &followed, how).await?;
        index.is_behind(self.lake.name(), 0);
        Ok(())
    }

    /// Reads the rows, counting the behaviours or lines of a brand again where one replaces another.
    async fn read(
        &mut self,
        behaviors: Added,
        lines: Added,
        followed: &BTreeMap<&'static str, i64>,
        anew: bool,
    ) -> Result<Read, Error> {
        let names = self.lake.names();
        let pin = followed
            .iter()
            .map(|(table, version)| ((*table).to_owned(), *version))
            .collect();
        let reader = self.lake.reader(&pin).await?;
        work::step("reading behaviours", 0);
        let mut collected = drain(
            behaviors,
            names.clone(),
            Collected::default(),
            Collected::behaviors,
        )
        .await?;
        let mut acts = Vec::new();
        for (brand, mut new) in collected.take_acts() {
            let mut known = if anew {
                Acts::default()
            } else {
                self.known_acts(&brand).await?
            };
            let anew = !known.seen.add(&mut new).is_empty();
            if anew {
                known.generation += 1;
                collected.standing(&brand, &*reader.behaviors(&brand).await?);
            }
            acts.push(ReadActs {
                new: acts::pieces(&brand, &new, known.generation).collect(),
                brand,
                acts: known,
                anew,
            });
        }
        work::step("reading order lines", 0);
        let mut lines = drain(lines, names, Lines::default(), Lines::read).await?;
        if let Some(version) = followed.get(ORDER_LINES) {
            lines.recount(&*self.lake.contested_lines(*version).await?);
        }
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
        Ok(Read {
            bitmaps,
            acts,
            orders,
        })
    }

    /// The acts of a brand that were counted before.
    async fn known_acts(&mut self, brand: &str) -> Result<Acts, Error> {
        if let Some(known) = self.acts.remove(brand) {
            return Ok(known);
        }
        let pieces = self.lake.people_pieces(&self.stored, brand, ACTS..=ACTS).await?;
        Ok(Acts::stored(&pieces))
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
        replace: Replace,
    ) -> Result<(), Error> {
        let Read {
            bitmaps,
            acts,
            orders,
        } = read;
        let generation_of_acts: AHashMap<&str, i64> = acts
            .iter()
            .map(|read| (read.brand.as_str(), read.acts.generation))
            .collect();
        let generation_of_lines: AHashMap<&str, i64> = orders
            .iter()
            .map(|(brand, counted, _)| (brand.as_str(), counted.generation))
            .collect();
        let of =
            |generations: &AHashMap<&str, i64>, brand: &str| generations.get(brand).copied().unwrap_or(0);
        let mut stored = Vec::new();
        let mut brands: Vec<&String> = bitmaps.keys().collect();
        work::step("storing bitmaps", 0);
        brands.sort_unstable();
        for brand in brands {
            let mine = bitmaps.get(brand).map(Vec::as_slice).unwrap_or_default();
            let ordered = mine.partition_point(|(signal, _, _)| *signal < OTHER_LINE);
            let (behaviors, lines) = mine.split_at(ordered);
            stored.extend(pieces(brand, behaviors, of(&generation_of_acts, brand))?);
            stored.extend(pieces(brand, lines, of(&generation_of_lines, brand))?);
        }
        let mut recounted: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
        let mut held = AHashMap::new();
        for read in acts {
            stored.extend(read.new);
            if read.anew {
                stored.extend(nobody(&read.brand, ACTED, read.acts.generation)?);
                recounted.entry(read.brand.clone()).or_default().push(ACTED);
            }
            held.insert(read.brand, read.acts);
        }
        for (brand, counted, recount) in &orders {
            stored.push(counted_piece(brand, counted, recount));
            if *recount == Recount::Anew {
                stored.extend(nobody(brand, LINES, counted.generation)?);
                recounted.entry(brand.clone()).or_default().push(LINES);
            }
        }
        let now = self
            .lake
            .commit_people(&self.stored, stored, followed, replace)
            .await?;
        let anew = replace != Replace::Nothing;
        self.update(index, bitmaps, recounted, now, anew).await;
        self.hold(held, orders);
        self.join_files().await
    }

    /// Holds what was counted for the rows to come, as far as there is room.
    fn hold(&mut self, acts: AHashMap<String, Acts>, orders: Vec<(String, Counted, Recount)>) {
        let held =
            |acts: &AHashMap<String, Acts>| -> usize { acts.values().map(|acts| acts.seen.len()).sum() };
        // Who had new ones last will have the next.
        if held(&self.acts) + held(&acts) > MOST_ACTS_HELD {
            self.acts.clear();
        }
        if held(&acts) <= MOST_ACTS_HELD {
            self.acts.extend(acts);
        }
        for (brand, counted, _) in orders {
            self.orders.insert(brand, counted);
        }
        let held: usize = self.orders.values().map(|counted| counted.keys.len()).sum();
        if held > MOST_HELD {
            self.orders.clear();
        }
    }

    /// Brings decoded bitmaps up to the new version.
    async fn update(
        &mut self,
        index: &PeopleIndex,
        mut bitmaps: AHashMap<String, Bitmaps>,
        mut recounted: BTreeMap<String, Vec<Range<usize>>>,
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
        for brand in recounted.keys() {
            if !bitmaps.contains_key(brand) {
                bitmaps.insert(brand.clone(), Vec::new());
            }
        }
        for (brand, mine) in bitmaps {
            let known = index.cells().get(&before.key(&brand)).await;
            self.changed.insert(brand.clone(), self.stored.version);
            if let Some(mut known) = known {
                for signals in recounted.remove(&brand).unwrap_or_default() {
                    known = Arc::new(known.without(signals));
                }
                let key = (self.lake.name().to_owned(), brand, self.stored.version);
                index.cells().insert(key, Arc::new(known.with(mine))).await;
            }
        }
    }

    /// Joins the pieces of buckets with many files.
    async fn join_files(&mut self) -> Result<(), Error> {
        if self.stored.version % COMMITS_A_COUNT != 0 {
            return Ok(());
        }
        let mut joined_any = false;
        for bucket in 0..BRAND_BUCKETS {
            if self.lake.people_files(&self.stored, bucket).await? < FILES_TO_JOIN {
                continue;
            }
            joined_any = true;
            let pieces = self.lake.people_pieces_of_bucket(&self.stored, bucket).await?;
            let joined = join(pieces)?;
            let followed = self.stored.followed.clone();
            let replace = Replace::Bucket(bucket);
            self.stored = self
                .lake
                .commit_people(&self.stored, joined, &followed, replace)
                .await?;
        }
        if joined_any && let Err(error) = self.lake.vacuum_people().await {
            tracing::warn!(%error, "files of the people index that are out of use stay");
        }
        Ok(())
    }
}

/// Pieces without anybody: they outdate the pieces before of signals for which the new counting has none.
fn nobody(brand: &str, signals: Range<usize>, generation: i64) -> Result<Vec<Piece>, std::io::Error> {
    let nobody: Bitmaps = signals
        .map(|signal| (signal, Day(0), RoaringBitmap::new()))
        .collect();
    pieces(brand, &nobody, generation)
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

/// One piece for all of a brand's signal and day; older generations are left out. What stands for its acts is of every
/// generation, and stays.
fn join(pieces: Vec<Piece>) -> Result<Vec<Piece>, Error> {
    let (acts, pieces): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(|piece| piece.signal == ACTS);
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
    let mut by_brand: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
    for piece in acts {
        by_brand.entry(piece.brand.clone()).or_default().push(piece);
    }
    let acts = by_brand
        .iter()
        .flat_map(|(brand, pieces)| acts::join(brand, pieces));
    Ok(joined.into_values().chain(acts).collect())
}

/// The bitmaps of a brand.
pub(super) async fn load(lake: &TenantLake, stored: &Stored, brand: &str) -> Result<Cells, Error> {
    let signals = 0..=SIGNALS as i64 - 1;
    let pieces = lake.people_pieces(stored, brand, signals).await?;
    add_up(&pieces)
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
        if people.is_empty() {
            continue;
        }
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
