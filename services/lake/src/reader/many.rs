//! Loading the frames of many brands at once.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};

use super::{Cached, Reader, blocking};
use crate::{
    Error,
    fact::{BRAND_BUCKETS, bucket_of},
    frames::{Behaviors, Names, Orders, Products, Stock},
    moved::Left,
    table::Part,
    view::View,
};

/// Brands from which on a scan of a whole bucket is cheaper than a scan for each.
const MANY_BRANDS: usize = 16;
/// Bytes of batches that are joined at once: a column's texts must stay below the 2 GiB that its offsets reach.
const JOINED_BYTES: usize = 512 << 20;

/// A frame that each brand has, for [`Reader::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrandFrame {
    /// Products.
    Products,
    /// Behaviours.
    Behaviors,
    /// Order lines.
    Orders,
    /// Stock.
    Stock,
}

impl BrandFrame {
    /// Its name in the cache, its table and the columns that it reads.
    fn source(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Products => ("products", "products", &Products::COLUMNS),
            Self::Behaviors => ("behaviors", "behaviors", &Behaviors::COLUMNS),
            Self::Orders => ("orders", "order_lines", &Orders::COLUMNS),
            Self::Stock => ("stock", "stock_days", &Stock::COLUMNS),
        }
    }
}

impl Reader {
    /// Loads the frames of every brand of the tenant, a bucket of brands at a time, where there are so many brands
    /// that asking for one after another would scan each table over and over. The answers are the same without it.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn prepare(&self, frames: &[BrandFrame]) -> Result<(), Error> {
        let brands = self.brands().await?;
        if brands.len() < MANY_BRANDS {
            return Ok(());
        }
        // Questions that come together load together: the first scans, the others find its frames.
        let _loading = self.lake.preparing.lock().await;
        // Behaviours and orders take their categories from products, so those come first.
        self.prepare_frame(BrandFrame::Products, &brands).await?;
        for frame in frames.iter().filter(|frame| **frame != BrandFrame::Products) {
            self.prepare_frame(*frame, &brands).await?;
        }
        Ok(())
    }

    async fn prepare_frame(&self, frame: BrandFrame, brands: &[String]) -> Result<(), Error> {
        let (name, table, columns) = frame.source();
        let (version, opened) = self.open(table).await?;
        let versions = match frame {
            BrandFrame::Behaviors | BrandFrame::Orders => vec![version, self.version_of("products")],
            BrandFrame::Products | BrandFrame::Stock => vec![version],
        };
        let key = |brand: &str| self.key(name, Some(brand), versions.clone());
        let frames = &self.lake.inner.frames;
        let mut absent: Vec<&String> = brands.iter().collect();
        absent.retain(|brand| !frames.contains_key(&key(brand)));
        if absent.len() < MANY_BRANDS {
            return Ok(());
        }
        let left = match frame {
            BrandFrame::Orders => self.left(version).await?,
            _ => Arc::default(),
        };
        let mut columns = columns.to_vec();
        columns.push("brand");
        for bucket in 0..BRAND_BUCKETS {
            let mut mine = Vec::new();
            for brand in absent.iter().filter(|brand| bucket_of(brand) == bucket) {
                mine.push(((*brand).clone(), self.products_for(frame, brand).await?));
            }
            if mine.is_empty() {
                continue;
            }
            let batches = self.scan(opened.clone(), Part::Bucket(bucket), &columns).await?;
            let (names, left) = (self.lake.names.clone(), left.clone());
            let built = blocking(move || build_each(frame, &names, mine, &left, &batches)).await?;
            for (brand, built) in built {
                frames.insert(key(&brand), built).await;
            }
            self.lake.inner.weigh_names().await;
        }
        Ok(())
    }

    /// The products that a frame of the brand takes its categories from, if it does.
    async fn products_for(&self, frame: BrandFrame, brand: &str) -> Result<Option<Arc<Products>>, Error> {
        match frame {
            BrandFrame::Behaviors | BrandFrame::Orders => Ok(Some(self.products(brand).await?)),
            BrandFrame::Products | BrandFrame::Stock => Ok(None),
        }
    }
}

/// The frame of each of `brands` out of rows of many brands. Frames that take categories from products come with
/// them.
fn build_each(
    frame: BrandFrame,
    names: &Arc<Names>,
    brands: Vec<(String, Option<Arc<Products>>)>,
    left: &Left,
    batches: &[RecordBatch],
) -> Result<Vec<(String, Cached)>, Error> {
    let mut parts = split_by_brand(batches)?;
    let mut built = Vec::with_capacity(brands.len());
    for (brand, products) in brands {
        let rows = parts.remove(&brand).unwrap_or_default();
        let cached = match (frame, products) {
            (BrandFrame::Stock, _) => Cached::Stock(Arc::new(Stock::build(names, &rows)?)),
            (BrandFrame::Behaviors, Some(products)) => {
                Cached::Behaviors(Arc::new(Behaviors::build(names, &products, &rows)?))
            }
            (BrandFrame::Orders, Some(products)) => {
                let left = left.by(&brand);
                Cached::Orders(Arc::new(Orders::staying(names, &products, left, &rows)?))
            }
            _ => Cached::Products(Arc::new(Products::build(names, &rows)?)),
        };
        built.push((brand, cached));
    }
    Ok(built)
}

/// The rows of each brand, in the order in which they stand.
fn split_by_brand(batches: &[RecordBatch]) -> Result<HashMap<String, Vec<RecordBatch>>, Error> {
    let mut parts = HashMap::new();
    let mut rest = batches;
    while !rest.is_empty() {
        let mut bytes = 0;
        let some = rest.iter().take_while(|batch| {
            bytes += batch.get_array_memory_size();
            bytes <= JOINED_BYTES
        });
        let (some, more) = rest.split_at(some.count().max(1));
        split_joined(some, &mut parts)?;
        rest = more;
    }
    Ok(parts)
}

/// Splits batches that are small enough to be joined.
fn split_joined(batches: &[RecordBatch], parts: &mut HashMap<String, Vec<RecordBatch>>) -> Result<(), Error> {
    let Some(first) = batches.first() else {
        return Ok(());
    };
    let whole = concat_batches(&first.schema(), batches)?;
    let mut rows: HashMap<String, Vec<u32>> = HashMap::new();
    let brands = View(&whole).text("brand")?;
    for row in 0..whole.num_rows() {
        let Some(brand) = brands.get(row) else { continue };
        let row =
            u32::try_from(row).map_err(|_| Error::Group("a table has more than 2^32 rows".to_owned()))?;
        match rows.get_mut(brand) {
            Some(rows) => rows.push(row),
            None => {
                rows.insert(brand.to_owned(), vec![row]);
            }
        }
    }
    for (brand, rows) in rows {
        let part = take_record_batch(&whole, &UInt32Array::from(rows))?;
        parts.entry(brand).or_default().push(part);
    }
    Ok(())
}
