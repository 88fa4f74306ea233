//! Stock of a brand and the market's statistics.

use std::sync::Arc;

use arrow::array::RecordBatch;
use dualwheel_measure::{Day, Money};

use super::{
    NONE, Names,
    standing::{Sayings, standing},
};
use crate::Error;
use crate::view::{View, at, ordinal_at};

/// Stock of one SKU at one location on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StockRow {
    /// Product.
    pub product: u32,
    /// SKU.
    pub sku: u32,
    /// Location, a word.
    pub location: u32,
    /// Day.
    pub day: Day,
    /// Units at the start of the day.
    pub opening: i64,
    /// Units received from outside.
    pub received: i64,
    /// Units at the end of the day.
    pub on_hand: i64,
    /// Units on their way.
    pub in_transit: i64,
}

/// Stock of a brand, sorted by product, SKU, location and day.
#[derive(Clone, Debug)]
pub struct Stock {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// The rows.
    pub rows: Vec<StockRow>,
}

impl Stock {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 11] = [
        "product",
        "sku",
        "location",
        "day",
        "opening",
        "received",
        "on_hand",
        "in_transit",
        "updated_at",
        "producer",
        "sequence",
    ];

    /// Builds the frame. Of several rows for a product, SKU, location and day the one said last counts.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut said = Vec::new();
        for batch in batches {
            let view = View(batch);
            let (product, sku, location) = (view.text("product")?, view.text("sku")?, view.text("location")?);
            let (day, opening, received) =
                (view.day("day")?, view.count("opening")?, view.count("received")?);
            let (on_hand, in_transit) = (view.count("on_hand")?, view.count("in_transit")?);
            let sayings = Sayings::of(&view)?;
            let skus = sku.all().into_iter().zip(product.all());
            let skus: Vec<Option<&str>> = skus.map(|(sku, product)| sku.or(product)).collect();
            let locations: Vec<Option<&str>> =
                (location.all().into_iter()).map(|key| key.or(Some(""))).collect();
            let (products, skus, locations) = (
                names.products.intern_all(&product.all()),
                names.skus.intern_all(&skus),
                names.words.intern_all(&locations),
            );
            for row in 0..batch.num_rows() {
                let (product, Some(day)) = (ordinal_at(&products, row), at(day, row)) else {
                    continue;
                };
                if product == NONE {
                    continue;
                }
                let parsed = StockRow {
                    product,
                    sku: ordinal_at(&skus, row),
                    location: ordinal_at(&locations, row),
                    day: Day(day),
                    opening: at(opening, row).unwrap_or(0),
                    received: at(received, row).unwrap_or(0),
                    on_hand: at(on_hand, row).unwrap_or(0),
                    in_transit: at(in_transit, row).unwrap_or(0),
                };
                said.push((sayings.get(row), parsed));
            }
        }
        let key = |row: &StockRow| (row.product, row.sku, row.location, row.day);
        let units = |row: &StockRow| (row.opening, row.received, row.on_hand, row.in_transit);
        Ok(Self {
            names: names.clone(),
            rows: standing(
                said,
                |one, other| key(one).cmp(&key(other)),
                |one, other| units(one).cmp(&units(other)),
            ),
        })
    }
}

/// The market of a category, or of an attribute in it, in a period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarketStatRow {
    /// Category path.
    pub category: String,
    /// Price band; empty for all.
    pub price_band: String,
    /// Attribute kind by number; 0 for the whole category.
    pub attribute_kind: i8,
    /// Attribute value; empty for the whole category.
    pub attribute_value: String,
    /// First day of the period.
    pub first: Day,
    /// Last day.
    pub last: Day,
    /// GMV in ten-thousandths.
    pub gmv: Money,
    /// Units.
    pub units: Option<i64>,
    /// Distinct buyers.
    pub buyers: Option<i64>,
    /// Searches.
    pub searches: Option<i64>,
    /// Product listings.
    pub listings: Option<i64>,
}

/// Market statistics of a tenant, sorted by category, cut and period.
#[derive(Clone, Debug, Default)]
pub struct MarketStats {
    /// The rows.
    pub rows: Vec<MarketStatRow>,
}

impl MarketStats {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 14] = [
        "category",
        "price_band",
        "attribute_kind",
        "attribute_value",
        "first_day",
        "last_day",
        "gmv",
        "units",
        "buyers",
        "searches",
        "listings",
        "updated_at",
        "producer",
        "sequence",
    ];

    /// Builds the frame. Of several rows for a cut and period the one said last counts.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut said = Vec::new();
        for batch in batches {
            let view = View(batch);
            let (category, band, value) = (
                view.text("category")?,
                view.text("price_band")?,
                view.text("attribute_value")?,
            );
            let (kind, first, last) = (
                view.code("attribute_kind")?,
                view.day("first_day")?,
                view.day("last_day")?,
            );
            let (gmv, units, buyers) = (view.money("gmv")?, view.count("units")?, view.count("buyers")?);
            let (searches, listings) = (view.count("searches")?, view.count("listings")?);
            let sayings = Sayings::of(&view)?;
            for row in 0..batch.num_rows() {
                let (Some(first), Some(last)) = (at(first, row), at(last, row)) else {
                    continue;
                };
                let parsed = MarketStatRow {
                    category: category.get(row).unwrap_or_default().to_owned(),
                    price_band: band.get(row).unwrap_or_default().to_owned(),
                    attribute_kind: at(kind, row).unwrap_or(0),
                    attribute_value: value.get(row).unwrap_or_default().to_owned(),
                    first: Day(first),
                    last: Day(last),
                    gmv: at(gmv, row).unwrap_or(0),
                    units: at(units, row),
                    buyers: at(buyers, row),
                    searches: at(searches, row),
                    listings: at(listings, row),
                };
                said.push((sayings.get(row), parsed));
            }
        }
        fn cut(row: &MarketStatRow) -> (&str, &str, i8, &str, Day, Day) {
            (
                &row.category,
                &row.price_band,
                row.attribute_kind,
                &row.attribute_value,
                row.first,
                row.last,
            )
        }
        let size = |row: &MarketStatRow| (row.gmv, [row.units, row.buyers, row.searches, row.listings]);
        let rows = standing(
            said,
            |one, other| cut(one).cmp(&cut(other)),
            |one, other| size(one).cmp(&size(other)),
        );
        Ok(Self { rows })
    }

    /// Bytes that the frame takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts =
            |row: &MarketStatRow| row.category.len() + row.price_band.len() + row.attribute_value.len();
        let bytes = |row| size_of::<MarketStatRow>() + texts(row);
        self.rows.iter().map(bytes).sum()
    }
}
