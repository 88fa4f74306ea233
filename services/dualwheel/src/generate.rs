//! The market generator: a market of brands and consumers as Parquet facts, with planted truths to be found again.
//!
//! # What it writes
//! One file per fact, `<fact>.parquet`, or shards `<fact>-0001.parquet` … of the facts that grow with the consumers
//! (behaviours, profiles, order lines, members, social profiles), with the columns of the lake's schema, and
//! `truth.json` ([`Truth`]). Files of an earlier run in the same folder are replaced.
//!
//! # The model
//! - **Brands** differ in fame, prices, advancing, punctuality, search, recruiting, connection, media, seeding,
//!   returns and growth. One brand per track of the operating index has a planted weakness. Each sells the two
//!   skincare categories in which all meet, and three to five others.
//! - **Products** are launched before and all through the period; some belong to a season, some are delisted, some
//!   fade, one per brand is still to come. Demand = appeal × life × season × planted growth.
//! - **Consumers** know one or more brands, by fame. A bond has an affinity; visits are Poisson with a mean of
//!   activity × affinity × a scale that is solved for so that the market has about as many facts as were asked for.
//!   A visit starts with an advertisement, a content, a search, the store, or as a member; it may lead to a product
//!   (browse, consult, favourite, cart, purchase), into a role, and after delivery to reviews and recommendations.
//! - **Orders** carry promise, dispatch, delivery, cancellation and return as revisions of their lines; some returns
//!   are return-only rows of their own. What would lie after the last day is not known yet and is left out.
//! - **Stock** is counted on the 1st, 8th, 15th and 22nd of each month and agrees with the sales: opening + received
//!   − sold = next opening. Returned goods are not put on sale again; cancelled lines never left.
//! - **Market statistics** are monthly by category, price band, style (and style × band), function, material and
//!   colour, and larger than what the brands sold.
//!
//! # Same flags, same facts
//! Every brand and consumer draws from a random stream of its own, a shard is a fixed range of consumers, and sums
//! over shards are whole numbers: neither the number of threads nor their order shows. Memory holds the plan of the
//! market (its size does not grow with the consumers) and one open row group per fact and thread.

mod act;
mod belonging;
mod brand;
mod calendar;
mod catalogue;
mod dice;
mod industry;
mod journey;
mod media;
mod orders;
mod output;
mod person;
mod plan;
mod shelf;
mod stock;
mod table;
#[cfg(test)]
mod tests;
mod touch;
mod truth;
mod verdict;
mod vocabulary;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::Context;
use chrono::NaiveDate;
use chrono_tz::Tz;
use dualwheel_lake::fact::FACTS;

pub use brand::Track;
pub use truth::{ElementTruth, FutureHit, KocTruth, ReturnDriver, RisingStyle, Truth, WeakBrand, WinBack};

use journey::Journey;
use output::{Output, Shard, Tally};
use plan::Market;
use table::Table;

/// Facts of one shard, about.
const SHARD_FACTS: u64 = 1_000_000;
/// Facts that the trial run for the scale may take, and consumers that it takes at most.
const TRIAL: (u64, u32) = (1_000_000, 8_000);
/// Name of the file that says what was planted.
pub const TRUTH_FILE: &str = "truth.json";

/// What market to write, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed: same options, same facts.
    pub seed: u64,
    /// Folder to write into; made when it is not there.
    pub out: PathBuf,
    /// Number of brands, 1 to 200.
    pub brands: u32,
    /// Number of consumers, 1 to 500 million.
    pub consumers: u32,
    /// First day.
    pub first_day: NaiveDate,
    /// Last day, included; at least 59 days after the first, at most ten years.
    pub last_day: NaiveDate,
    /// Facts to write in all, met within some per cent. There is a least number: one profile per consumer,
    /// stock, and the market.
    pub facts: u64,
    /// Time zone in which days are meant.
    pub time_zone: Tz,
    /// ISO code of the currency in which money is meant.
    pub currency: String,
    /// Threads; 0 means as many as the machine has.
    pub threads: usize,
}

impl Options {
    /// The default market: 10 brands, 150 000 consumers, the 15 months to 2026-06-30, 3.3 million facts or more.
    #[must_use]
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            seed: 1,
            out: out.into(),
            brands: 10,
            consumers: 150_000,
            first_day: NaiveDate::from_ymd_opt(2025, 4, 1).unwrap_or_default(),
            last_day: NaiveDate::from_ymd_opt(2026, 6, 30).unwrap_or_default(),
            facts: 3_400_000,
            time_zone: chrono_tz::Asia::Shanghai,
            currency: "CNY".to_owned(),
            threads: 0,
        }
    }

    /// The default market with another number of facts, and consumers in proportion.
    #[must_use]
    pub fn of_size(out: impl Into<PathBuf>, facts: u64) -> Self {
        let consumers = u32::try_from(facts / 23)
            .unwrap_or(u32::MAX)
            .clamp(50, 500_000_000);
        Self {
            facts,
            consumers,
            ..Self::new(out)
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=200).contains(&self.brands),
            "brands must be 1 to 200, not {}",
            self.brands
        );
        anyhow::ensure!(
            (1..=500_000_000).contains(&self.consumers),
            "consumers must be 1 to 500 million, not {}",
            self.consumers
        );
        let days = (self.last_day - self.first_day).num_days() + 1;
        anyhow::ensure!(
            (60..=3_660).contains(&days),
            "the period must have 60 to 3 660 days, not {days}"
        );
        let code =
            self.currency.len() == 3 && self.currency.bytes().all(|letter| letter.is_ascii_uppercase());
        anyhow::ensure!(
            code,
            "the currency must be three capital letters, not {:?}",
            self.currency
        );
        Ok(())
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Rows by fact.
    pub facts: BTreeMap<&'static str, u64>,
    /// Rows in all.
    pub total: u64,
    /// Parquet files, by name.
    pub files: Vec<PathBuf>,
    /// The file that says what was planted.
    pub truth_file: PathBuf,
    /// What was planted.
    pub truth: Truth,
}

/// Writes a market. `progress` hears, on the calling thread, how many facts are written so far.
///
/// # Errors
/// When an option is out of range or a file cannot be written.
pub fn run(options: &Options, progress: &dyn Fn(u64)) -> anyhow::Result<Summary> {
    options.check()?;
    std::fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    remove_earlier(&options.out)?;
    let market = Market::plan(options)?;
    let scale = solve_scale(&market, options)?;
    let mut facts = BTreeMap::new();
    let mut files = Vec::new();
    let mut done = 0;
    let mut tally = Tally::new(&market);
    for shard in write_shards(&market, options, scale, &mut |rows| {
        done += rows;
        progress(done);
    })? {
        files.extend(shard.files);
        shard
            .rows
            .into_iter()
            .for_each(|(name, rows)| *facts.entry(name).or_default() += rows);
        tally.add(&shard.tally);
    }
    for (name, write) in SMALL_FACTS {
        let mut table = Table::new(name, Some(&options.out), None)?;
        write(&market, &tally, &mut table)?;
        facts.insert(name, table.rows());
        done += table.rows();
        files.extend(table.close()?);
        progress(done);
    }
    let truth = verdict::truth(options, &market, &tally, &facts);
    let truth_file = options.out.join(TRUTH_FILE);
    std::fs::write(&truth_file, serde_json::to_string_pretty(&truth)?)
        .with_context(|| format!("writing {}", truth_file.display()))?;
    files.sort();
    let total = facts.values().sum();
    Ok(Summary {
        facts,
        total,
        files,
        truth_file,
        truth,
    })
}

/// Writes one of the facts whose size does not grow with the consumers.
type Write = fn(&Market, &Tally, &mut Table) -> anyhow::Result<()>;

const SMALL_FACTS: [(&str, Write); 5] = [
    ("product", write_products),
    ("stock_day", stock::write),
    ("market_stat", industry::write),
    ("content", write_contents),
    ("campaign", write_campaigns),
];

fn write_products(market: &Market, _: &Tally, table: &mut Table) -> anyhow::Result<()> {
    for product in &market.products {
        let Some(brand) = market.brands.get(product.brand) else {
            continue;
        };
        product.write(brand, &market.calendar, table)?;
    }
    Ok(())
}

fn write_contents(market: &Market, _: &Tally, table: &mut Table) -> anyhow::Result<()> {
    for content in &market.contents {
        let Some(brand) = market.brands.get(content.brand) else {
            continue;
        };
        content.write(brand, &market.products, &market.calendar, table)?;
    }
    Ok(())
}

fn write_campaigns(market: &Market, _: &Tally, table: &mut Table) -> anyhow::Result<()> {
    market
        .campaigns
        .iter()
        .try_for_each(|campaign| campaign.write(&market.brands, &market.products, &market.calendar, table))
}

/// Rows that a market has whatever its consumers do.
fn small_rows(market: &Market) -> u64 {
    let delistings = market
        .products
        .iter()
        .filter(|product| product.delisting.is_some())
        .count();
    let catalogue = market.products.len() + delistings + market.contents.len() + market.campaigns.len();
    catalogue as u64 + stock::rows(market) + industry::rows(market)
}

/// Removes what an earlier run wrote, so that its shards do not mix with the new ones.
fn remove_earlier(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let ours = name == TRUTH_FILE || FACTS.iter().any(|fact| is_file_of(fact.name, name));
        if ours {
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether a file has the name of a fact's file or of one of its shards.
fn is_file_of(fact: &str, file: &str) -> bool {
    let Some(rest) = file
        .strip_prefix(fact)
        .and_then(|rest| rest.strip_suffix(".parquet"))
    else {
        return false;
    };
    let shard = rest.strip_prefix('-').unwrap_or_default();
    rest.is_empty() || (shard.len() >= 4 && shard.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The scale of visits at which the market has about as many facts as asked for, from a trial with some consumers.
/// Facts grow almost in a line with the scale; the second trial corrects what is not straight.
fn solve_scale(market: &Market, options: &Options) -> anyhow::Result<f64> {
    let target = options.facts.saturating_sub(small_rows(market)) as f64 / f64::from(options.consumers);
    let affordable = (TRIAL.0 as f64 / target.max(1.0)) as u32;
    let sample = affordable.clamp(400, TRIAL.1).min(options.consumers);
    let trial = |scale: f64| -> anyhow::Result<f64> {
        let mut out = Output::new(market, None, 0)?;
        for number in 0..sample {
            let consumer = u64::from(number) * u64::from(options.consumers) / u64::from(sample);
            Journey::run(market, consumer as u32, scale, &mut out)?;
        }
        Ok(out.rows() as f64 / f64::from(sample))
    };
    let (still, lively) = (trial(0.0)?, trial(2.0)?);
    let wanted = (target - still).max(0.0);
    let first = (2.0 * wanted / (lively - still).max(0.1)).clamp(0.01, 20_000.0);
    let reached = trial(first)? - still;
    Ok((first * wanted / reached.max(0.1)).clamp(0.01, 20_000.0))
}

/// Writes the facts of all consumers on several threads, shard by shard; answers the shards in order.
fn write_shards(
    market: &Market,
    options: &Options,
    scale: f64,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Vec<Shard>> {
    let shards = options
        .facts
        .div_ceil(SHARD_FACTS)
        .max(2)
        .min(u64::from(options.consumers)) as usize;
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (told, news) = mpsc::channel::<u64>();
    let work = |told: mpsc::Sender<u64>| -> anyhow::Result<Vec<(usize, Shard)>> {
        let mut own = Vec::new();
        loop {
            let shard = next.fetch_add(1, Ordering::Relaxed);
            if shard >= shards || stop.load(Ordering::Relaxed) {
                return Ok(own);
            }
            let written = write_shard(market, options, scale, (shard, shards), &told);
            stop.fetch_or(written.is_err(), Ordering::Relaxed);
            own.push((shard, written?));
        }
    };
    let mut done = std::thread::scope(|scope| -> anyhow::Result<Vec<(usize, Shard)>> {
        let work = &work;
        let spawn = |_| {
            let told = told.clone();
            scope.spawn(move || work(told))
        };
        let workers: Vec<_> = (0..threads.min(shards)).map(spawn).collect();
        drop(told);
        news.iter().for_each(&mut *progress);
        let mut done = Vec::with_capacity(shards);
        for worker in workers {
            done.extend(
                worker
                    .join()
                    .map_err(|_| anyhow::anyhow!("a generator thread panicked"))??,
            );
        }
        Ok(done)
    })?;
    done.sort_by_key(|(shard, _)| *shard);
    Ok(done.into_iter().map(|(_, shard)| shard).collect())
}

/// Writes the facts of one range of consumers.
fn write_shard(
    market: &Market,
    options: &Options,
    scale: f64,
    (shard, shards): (usize, usize),
    told: &mpsc::Sender<u64>,
) -> anyhow::Result<Shard> {
    let bound = |shard: usize| (u64::from(options.consumers) * shard as u64 / shards as u64) as u32;
    let mut out = Output::new(market, Some(&options.out), shard)?;
    let mut reported = 0;
    for consumer in bound(shard)..bound(shard + 1) {
        Journey::run(market, consumer, scale, &mut out)?;
        if out.rows() >= reported + 20_000 {
            // nobody listening means that the caller is gone; the rows are written all the same
            let _ = told.send(out.rows() - reported);
            reported = out.rows();
        }
    }
    let _ = told.send(out.rows() - reported);
    out.close()
}
