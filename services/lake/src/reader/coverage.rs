//! What facts there are: by table and brand the rows and their days, and the values of a dimension.

use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{Date32Array, Int64Array, RecordBatch};
use datafusion::{
    functions_aggregate::expr_fn::{count, max, min},
    prelude::{ident, lit},
};
use deltalake::DeltaTable;
use dualwheel_measure::{Day, Window};

use super::{Cached, Reader, mismatch};
use crate::{
    Error,
    acknowledged::last_append,
    fact::Fact,
    sums::Sums,
    table::{self, Part},
    view::{View, at},
};

/// The facts of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Those of each brand, by key.
    pub brands: Vec<Covered>,
    /// When the tenant's facts were last appended, in milliseconds since 1970 UTC; `None` where the newest commits hold
    /// none of them.
    pub last_append: Option<i64>,
}

/// The facts of a kind about a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Brand; empty where the facts belong to the tenant.
    pub brand: String,
    /// Rows as they are stored: a revision is one, and so is an act that was sent again.
    pub rows: i64,
    /// First and last day that the rows are about.
    pub days: Option<Window>,
}

impl Reader {
    /// What facts of a kind there are, by brand.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn coverage(&self, fact: &'static Fact) -> Result<Arc<Coverage>, Error> {
        let (version, table) = self.open(fact.table).await?;
        let Some(table) = table else {
            return Ok(Arc::default());
        };
        let key = self.key("coverage", Some(fact.table), vec![version]);
        let load = async {
            let tenant = &self.lake.tenant;
            let batches = summed(&self.lake.inner.sums, &table, tenant, fact).await?;
            let mut brands = Vec::new();
            for batch in &batches {
                read(fact, batch, &mut brands)?;
            }
            brands.sort_by(|one: &Covered, other| one.brand.cmp(&other.brand));
            let last_append = last_append(&table, tenant).await?;
            Ok(Cached::Coverage(Arc::new(Coverage { brands, last_append })))
        };
        match self.cached(key, load).await? {
            Cached::Coverage(found) => Ok(found),
            _ => Err(mismatch("coverage")),
        }
    }

    /// The texts that a brand's rows have in a column, sorted, each once.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn texts(
        &self,
        fact: &'static Fact,
        column: &'static str,
        brand: &str,
    ) -> Result<Arc<Vec<String>>, Error> {
        let (version, table) = self.open(fact.table).await?;
        let Some(table) = table else {
            return Ok(Arc::default());
        };
        let key = self.key(column, Some(&format!("{} {brand}", fact.table)), vec![version]);
        let load = async {
            let (sums, tenant) = (&self.lake.inner.sums, &self.lake.tenant);
            let mut found = BTreeSet::new();
            for batch in table::distinct(sums, &table, tenant, Part::Brand(brand), column).await? {
                let texts = View(&batch).text(column)?;
                found.extend((0..batch.num_rows()).filter_map(|row| texts.get(row).map(str::to_owned)));
            }
            Ok(Cached::Texts(Arc::new(found.into_iter().collect())))
        };
        match self.cached(key, load).await? {
            Cached::Texts(found) => Ok(found),
            _ => Err(mismatch("texts")),
        }
    }
}

/// Rows, first and last day of a tenant's facts, by brand.
async fn summed(
    sums: &Sums,
    table: &DeltaTable,
    tenant: &str,
    fact: &Fact,
) -> Result<Vec<RecordBatch>, Error> {
    let brands = if fact.has_brand() {
        vec![ident("brand")]
    } else {
        Vec::new()
    };
    let (first, last) = fact.days();
    let sought = vec![
        count(lit(1i64)).alias("rows"),
        min(ident(first)).alias("first_day"),
        max(ident(last)).alias("last_day"),
    ];
    let frame = table::rows(sums, table, tenant, Part::Whole).await?;
    Ok(frame.aggregate(brands, sought)?.collect().await?)
}

fn read(fact: &Fact, batch: &RecordBatch, found: &mut Vec<Covered>) -> Result<(), Error> {
    let view = View(batch);
    let brands = if fact.has_brand() {
        Some(view.text("brand")?)
    } else {
        None
    };
    let (rows, first, last): (&Int64Array, &Date32Array, &Date32Array) =
        (view.count("rows")?, view.day("first_day")?, view.day("last_day")?);
    for row in 0..batch.num_rows() {
        let brand = brands
            .as_ref()
            .and_then(|brands| brands.get(row))
            .unwrap_or_default();
        let days = at(first, row).zip(at(last, row));
        let covered = Covered {
            brand: brand.to_owned(),
            rows: at(rows, row).unwrap_or(0),
            days: days.map(|(first, last)| Window {
                first: Day(first),
                last: Day(last),
            }),
        };
        // Without brands there is a row of sums also where there is nothing to sum up.
        found.extend((covered.rows > 0).then_some(covered));
    }
    Ok(())
}
