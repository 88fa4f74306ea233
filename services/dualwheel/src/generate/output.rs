//! Where consumers' facts go: the tables of one shard, and the tallies that later facts are made consistent with.

use std::path::{Path, PathBuf};

use super::calendar::Calendar;
use super::plan::Market;
use super::table::Table;
use super::vocabulary::CATEGORIES;

/// Cases and, of them, those in which it happened; first without and then with a driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Split {
    /// Cases and events without the driver.
    pub without: [u64; 2],
    /// Cases and events with it.
    pub with: [u64; 2],
}

impl Split {
    /// Counts one case.
    pub fn count(&mut self, with: bool, happened: bool) {
        let [cases, events] = if with { &mut self.with } else { &mut self.without };
        *cases += 1;
        *events += u64::from(happened);
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.without, other.without), (&mut self.with, other.with)] {
            mine.iter_mut().zip(theirs).for_each(|(sum, count)| *sum += count);
        }
    }
}

/// Sums over consumers. All are whole numbers, so that adding shards up gives the same in any order.
#[derive(Debug)]
pub struct Tally {
    periods: usize,
    locations: usize,
    months: usize,
    /// Units that left stock, by SKU, location and stock period.
    sold: Vec<u32>,
    /// Those of them that left on the first day of the period.
    sold_at_once: Vec<u32>,
    /// Net GMV in ten-thousandths and units, by category and month.
    trade: Vec<[i64; 2]>,
    /// Consumers brought, by KOC.
    pub brought: Vec<u64>,
    /// Purchases on visits of lapsed buyers, with and without a benefit.
    pub win_back: Split,
    /// Returns of delivered lines, with and without the material.
    pub material: Split,
    /// Returns of delivered lines, late or not.
    pub late: Split,
}

impl Tally {
    /// Sums of a market in which nothing has happened.
    pub fn new(market: &Market) -> Self {
        let periods = market.calendar.counts().len();
        let months = market.calendar.months().len();
        Self {
            periods,
            locations: market.locations,
            months,
            sold: vec![0; market.skus * market.locations * periods],
            sold_at_once: vec![0; market.skus * market.locations * periods],
            trade: vec![[0; 2]; CATEGORIES.len() * months],
            brought: vec![0; market.kocs.len()],
            win_back: Split::default(),
            material: Split::default(),
            late: Split::default(),
        }
    }

    /// Adds what another shard counted.
    pub fn add(&mut self, other: &Self) {
        let sum = |mine: &mut [u32], theirs: &[u32]| mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        sum(&mut self.sold, &other.sold);
        sum(&mut self.sold_at_once, &other.sold_at_once);
        for (mine, theirs) in self.trade.iter_mut().zip(&other.trade) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        self.brought
            .iter_mut()
            .zip(&other.brought)
            .for_each(|(a, b)| *a += b);
        self.win_back.add(&other.win_back);
        self.material.add(&other.material);
        self.late.add(&other.late);
    }

    fn place(&self, sku: usize, location: usize) -> usize {
        (sku * self.locations + location) * self.periods
    }

    /// Counts units that leave stock on a day.
    pub fn sell(&mut self, sku: usize, location: usize, day: i32, units: i64, calendar: &Calendar) {
        let period = calendar.period_of(day);
        let place = self.place(sku, location) + period;
        if let Some(sold) = self.sold.get_mut(place) {
            *sold += units as u32;
        }
        if calendar.counts().get(period) == Some(&day)
            && let Some(sold) = self.sold_at_once.get_mut(place)
        {
            *sold += units as u32;
        }
    }

    /// Units sold of a SKU at a location: in each period, and on its first day.
    pub fn sales(&self, sku: usize, location: usize) -> (&[u32], &[u32]) {
        let place = self.place(sku, location);
        let row = |units: &'_ [u32]| place..(place + self.periods).min(units.len());
        (
            self.sold.get(row(&self.sold)).unwrap_or_default(),
            self.sold_at_once.get(row(&self.sold_at_once)).unwrap_or_default(),
        )
    }

    /// Counts money and units of a category in the month of a day.
    pub fn trade(&mut self, category: usize, month: usize, money: i64, units: i64) {
        if let Some([gmv, sold]) = self.trade.get_mut(category * self.months + month) {
            *gmv += money;
            *sold += units;
        }
    }

    /// Net GMV and units of a category, by month.
    pub fn trade_of(&self, category: usize) -> &[[i64; 2]] {
        let from = category * self.months;
        self.trade.get(from..from + self.months).unwrap_or_default()
    }
}

/// What a shard came to.
pub struct Shard {
    /// Its files.
    pub files: Vec<PathBuf>,
    /// Its rows, by fact.
    pub rows: Vec<(&'static str, u64)>,
    /// Its sums.
    pub tally: Tally,
}

/// The tables of a shard of consumers.
pub struct Output {
    /// Behaviours.
    pub behaviors: Table,
    /// Profiles.
    pub profiles: Table,
    /// Order lines.
    pub order_lines: Table,
    /// Members.
    pub members: Table,
    /// Social profiles.
    pub social_profiles: Table,
    /// What later facts need to know.
    pub tally: Tally,
}

impl Output {
    /// Tables of a shard in a folder; without a folder, rows are only counted.
    ///
    /// # Errors
    /// When a fact is missing from the schema.
    pub fn new(market: &Market, folder: Option<&Path>, shard: usize) -> anyhow::Result<Self> {
        let table = |name| Table::new(name, folder, Some(shard));
        Ok(Self {
            behaviors: table("behavior")?,
            profiles: table("consumer_profile")?,
            order_lines: table("order_line")?,
            members: table("member")?,
            social_profiles: table("social_profile")?,
            tally: Tally::new(market),
        })
    }

    fn tables(&self) -> [&Table; 5] {
        [
            &self.behaviors,
            &self.profiles,
            &self.order_lines,
            &self.members,
            &self.social_profiles,
        ]
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.tables().iter().map(|table| table.rows()).sum()
    }

    /// Closes the files and hands over what the shard came to.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn close(self) -> anyhow::Result<Shard> {
        let rows = self.tables().map(|table| (table.name(), table.rows())).to_vec();
        let tables = [
            self.behaviors,
            self.profiles,
            self.order_lines,
            self.members,
            self.social_profiles,
        ];
        let mut files = Vec::new();
        for table in tables {
            files.extend(table.close()?);
        }
        Ok(Shard {
            files,
            rows,
            tally: self.tally,
        })
    }
}
