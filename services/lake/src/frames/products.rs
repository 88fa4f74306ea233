//! Products of a brand, the latest row of each.

use std::{cmp::Ordering, sync::Arc};

use ahash::AHashMap;
use arrow::array::RecordBatch;
use dualwheel_measure::Day;

use super::{NONE, Names, by_text, keep_latest};
use crate::Error;
use crate::view::{View, at, flag_at, list_texts, ordinal_at};

/// One product as last known.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductRow {
    /// Product.
    pub product: u32,
    /// Category path, or [`NONE`].
    pub category: u32,
    /// List price per unit, in ten-thousandths.
    pub list_price: Option<i64>,
    /// Launch day.
    pub launched: Option<Day>,
    /// Day on which delisting was announced.
    pub delisting_announced: Option<Day>,
    /// Day of delisting.
    pub delisted: Option<Day>,
    /// Last day of its season.
    pub season_ends: Option<Day>,
    /// Star flag; `None` when not supplied.
    pub star: Option<bool>,
    /// Styles.
    pub styles: Vec<String>,
    /// Function.
    pub function: Option<String>,
    /// Craft.
    pub craft: Option<String>,
    /// Material.
    pub material: Option<String>,
    /// Colour.
    pub colour: Option<String>,
}

impl ProductRow {
    /// Decides between rows of the same instant.
    fn by_content(&self, other: &Self, names: &Names) -> Ordering {
        let rest = |row: &Self| {
            (
                row.list_price,
                [
                    row.launched,
                    row.delisting_announced,
                    row.delisted,
                    row.season_ends,
                ],
                row.star,
                row.styles.clone(),
                [&row.colour, &row.material, &row.function, &row.craft].map(Clone::clone),
            )
        };
        by_text(&names.categories, self.category, other.category).then_with(|| rest(self).cmp(&rest(other)))
    }
}

/// Products of a brand, sorted by key.
#[derive(Clone, Debug, Default)]
pub struct Products {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// The products.
    pub rows: Vec<ProductRow>,
    by_product: AHashMap<u32, usize>,
}

impl Products {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 14] = [
        "product",
        "updated_at",
        "category",
        "list_price",
        "launched_day",
        "delisting_announced_day",
        "delisted_day",
        "season_ends_day",
        "star",
        "styles",
        "function",
        "craft",
        "material",
        "colour",
    ];

    /// Builds the frame. The row with the latest `updated_at` wins; of equal ones the one with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: AHashMap<u32, (i64, ProductRow)> = AHashMap::new();
        for batch in batches {
            let view = View(batch);
            let (product, updated, category) = (
                view.text("product")?,
                view.instant("updated_at")?,
                view.text("category")?,
            );
            let (price, star, styles) = (
                view.money("list_price")?,
                view.flag("star")?,
                view.list("styles")?,
            );
            let (launched, announced) = (view.day("launched_day")?, view.day("delisting_announced_day")?);
            let (delisted, season) = (view.day("delisted_day")?, view.day("season_ends_day")?);
            let (function, craft) = (view.text("function")?, view.text("craft")?);
            let (material, colour) = (view.text("material")?, view.text("colour")?);
            let (products, categories) = (
                names.products.intern_all(&product.all()),
                names.categories.intern_all(&category.all()),
            );
            for row in 0..batch.num_rows() {
                let product = ordinal_at(&products, row);
                if product == NONE {
                    continue;
                }
                let parsed = ProductRow {
                    product,
                    category: ordinal_at(&categories, row),
                    list_price: at(price, row).and_then(|value| i64::try_from(value).ok()),
                    launched: at(launched, row).map(Day),
                    delisting_announced: at(announced, row).map(Day),
                    delisted: at(delisted, row).map(Day),
                    season_ends: at(season, row).map(Day),
                    star: flag_at(star, row),
                    styles: list_texts(styles, row).unwrap_or_default(),
                    function: function.get(row).map(str::to_owned),
                    craft: craft.get(row).map(str::to_owned),
                    material: material.get(row).map(str::to_owned),
                    colour: colour.get(row).map(str::to_owned),
                };
                let updated = at(updated, row).unwrap_or(i64::MIN);
                keep_latest(&mut latest, product, updated, parsed, |one, other| {
                    one.by_content(other, names)
                });
            }
        }
        let mut rows: Vec<ProductRow> = latest.into_values().map(|(_, row)| row).collect();
        let keys = names.products.view();
        rows.sort_by(|a, b| keys.key(a.product).cmp(keys.key(b.product)));
        drop(keys);
        Ok(Self::sorted(names.clone(), rows))
    }

    /// The frame of rows that are sorted by key.
    pub(super) fn sorted(names: Arc<Names>, rows: Vec<ProductRow>) -> Self {
        let by_product = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (row.product, at))
            .collect();
        Self {
            names,
            rows,
            by_product,
        }
    }

    /// The row of a product.
    #[must_use]
    pub fn get(&self, product: u32) -> Option<&ProductRow> {
        self.by_product.get(&product).and_then(|at| self.rows.get(*at))
    }

    /// Category of a product; `None` when the product or its category is not known.
    #[must_use]
    pub fn category_of(&self, product: u32) -> Option<u32> {
        self.get(product)
            .map(|row| row.category)
            .filter(|category| *category != NONE)
    }
}
