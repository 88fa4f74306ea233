//! Frames straight from rows, without storage: what tests compare with their oracles.

use std::sync::Arc;

use arrow::{array::AsArray, array::RecordBatch, compute::filter_record_batch};
use chrono_tz::Tz;
use dualwheel_measure::draw::part_of;
use dualwheel_proto::facts::{FactKind, FactRows};

use crate::{
    Error,
    check::{Ground, check},
    fact::Fact,
    frames::{
        Behaviors, Campaigns, Contents, MarketStats, Members, Names, Orders, Products, Profiles,
        SocialProfiles, Stock,
    },
    moved::Left,
    rows,
};

/// Every frame of one brand.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The names that all frames share.
    pub names: Arc<Names>,
    /// Products.
    pub products: Arc<Products>,
    /// Behaviours.
    pub behaviors: Arc<Behaviors>,
    /// Order lines.
    pub orders: Arc<Orders>,
    /// Stock.
    pub stock: Arc<Stock>,
    /// Contents.
    pub contents: Arc<Contents>,
    /// Campaigns.
    pub campaigns: Arc<Campaigns>,
    /// Members.
    pub members: Arc<Members>,
    /// How its people stand on social media.
    pub social: Arc<SocialProfiles>,
    /// Profiles of the tenant.
    pub profiles: Arc<Profiles>,
    /// Market statistics of the tenant.
    pub market_stats: Arc<MarketStats>,
}

impl Frames {
    /// The frames of `brand` from rows, which pass the same check as appended ones; refused rows are left out.
    ///
    /// # Errors
    /// When a batch cannot be built.
    pub fn from_rows(zone: Tz, rows: &FactRows, brand: &str) -> Result<Self, Error> {
        Self::with_names(&Arc::new(Names::default()), zone, rows, brand)
    }

    /// The same on names that other brands' frames share.
    ///
    /// # Errors
    /// When a batch cannot be built.
    pub fn with_names(names: &Arc<Names>, zone: Tz, rows: &FactRows, brand: &str) -> Result<Self, Error> {
        let of = |kind| stored(kind, zone, rows, brand);
        let products = Arc::new(Products::build(names, &of(FactKind::Product)?)?);
        Ok(Self {
            names: names.clone(),
            behaviors: Arc::new(Behaviors::build(names, &products, &of(FactKind::Behavior)?)?),
            orders: Arc::new(Orders::staying(
                names,
                &products,
                Left::of(&whole(FactKind::OrderLine, zone, rows)?)?.by(brand),
                &of(FactKind::OrderLine)?,
            )?),
            stock: Arc::new(Stock::build(names, &of(FactKind::StockDay)?)?),
            contents: Arc::new(Contents::build(names, &of(FactKind::Content)?)?),
            campaigns: Arc::new(Campaigns::build(names, &of(FactKind::Campaign)?)?),
            members: Arc::new(Members::build(names, &of(FactKind::Member)?)?),
            social: Arc::new(SocialProfiles::build(names, &of(FactKind::SocialProfile)?)?),
            profiles: Arc::new(Profiles::build(names, &of(FactKind::ConsumerProfile)?)?),
            market_stats: Arc::new(MarketStats::build(&of(FactKind::MarketStat)?)?),
            products,
        })
    }

    /// The frames cut by people into `number` parts, by a hash of each one's key and `seed`. Facts without a person are
    /// whole in every part.
    #[must_use]
    pub fn parts(&self, number: u64, seed: u64) -> Vec<Self> {
        let keys = self.names.consumers.view();
        let cut = |part: u64| {
            let keep = |consumer: u32| part_of(keys.key(consumer), number, seed) == part;
            Self {
                behaviors: Arc::new(self.behaviors.part(keep)),
                orders: Arc::new(self.orders.part(keep)),
                members: Arc::new(self.members.part(keep)),
                social: Arc::new(self.social.part(keep)),
                profiles: Arc::new(self.profiles.part(keep)),
                ..self.clone()
            }
        };
        (0..number.max(1)).map(cut).collect()
    }

    /// The same cut by products; what is about no product is in one of the parts.
    #[must_use]
    pub fn parts_by_product(&self, number: u64, seed: u64) -> Vec<Self> {
        let keys = self.names.products.view();
        let cut = |part: u64| {
            let keep = |product: u32| part_of(keys.key(product), number, seed) == part;
            Self {
                products: Arc::new(self.products.part(keep)),
                behaviors: Arc::new(self.behaviors.part_by_product(keep)),
                orders: Arc::new(self.orders.part_by_product(keep)),
                stock: Arc::new(self.stock.part(keep)),
                ..self.clone()
            }
        };
        (0..number.max(1)).map(cut).collect()
    }
}

/// The rows of one kind in stored form, those of the brand where the fact has one.
fn stored(kind: FactKind, zone: Tz, rows: &FactRows, brand: &str) -> Result<Vec<RecordBatch>, Error> {
    let whole = whole(kind, zone, rows)?;
    let mine = whole.into_iter().map(|batch| {
        let Some(brands) = batch.column_by_name("brand") else {
            return Ok(batch);
        };
        let mine = brands.as_string::<i32>().iter();
        let mine = mine.map(|key| Some(key == Some(brand))).collect();
        filter_record_batch(&batch, &mine)
    });
    Ok(mine.collect::<Result<_, _>>()?)
}

/// The rows of one kind in stored form.
fn whole(kind: FactKind, zone: Tz, rows: &FactRows) -> Result<Vec<RecordBatch>, Error> {
    let Some(fact) = Fact::of(kind) else {
        return Ok(Vec::new());
    };
    let alone = only(kind, rows);
    let Some(batch) = rows::to_batch(kind, &alone)? else {
        return Ok(Vec::new());
    };
    let checked = check(
        fact,
        &batch,
        &Ground {
            tenant: "memory",
            zone,
            now: i64::MAX / 2,
            source: ("memory", 1),
        },
    )?;
    Ok(vec![checked.batch])
}

fn only(kind: FactKind, rows: &FactRows) -> FactRows {
    let mut alone = FactRows::default();
    match kind {
        FactKind::Unspecified => {}
        FactKind::Behavior => alone.behaviors.clone_from(&rows.behaviors),
        FactKind::ConsumerProfile => alone.consumer_profiles.clone_from(&rows.consumer_profiles),
        FactKind::OrderLine => alone.order_lines.clone_from(&rows.order_lines),
        FactKind::Product => alone.products.clone_from(&rows.products),
        FactKind::StockDay => alone.stock_days.clone_from(&rows.stock_days),
        FactKind::MarketStat => alone.market_stats.clone_from(&rows.market_stats),
        FactKind::Content => alone.contents.clone_from(&rows.contents),
        FactKind::Member => alone.members.clone_from(&rows.members),
        FactKind::SocialProfile => alone.social_profiles.clone_from(&rows.social_profiles),
        FactKind::Campaign => alone.campaigns.clone_from(&rows.campaigns),
    }
    alone
}
