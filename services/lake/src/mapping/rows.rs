//! The rows of one entry, as they are sent: in the types of their fact, those left out that cannot be taken.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{execution::SendableRecordBatchStream, logical_expr::LogicalPlan, prelude::SessionContext};
use serde_json::{Map, Value};
use tokio_stream::StreamExt;

use super::{
    BATCH_ROWS, Refused, WAITING_BYTES,
    convert::{Converter, Fault, UNSETTLED},
    portrait::Tally,
    refused::Place,
    row_by_row::{Mapped, RowByRow, Slot},
    sql_error,
    table::Table,
};
use crate::{
    Error,
    check::{Ground, check},
    fact::Fact,
    reader::blocking,
};

/// What an entry reads.
#[derive(Clone)]
pub(super) struct Opened {
    pub number: usize,
    pub fact: &'static Fact,
    pub session: SessionContext,
    pub plan: LogicalPlan,
    /// What it reads of text, by name.
    pub tables: Vec<(String, Arc<Table>)>,
    /// The source whose rows are those of the entry, one by one.
    pub single: Option<Single>,
}

/// A source whose rows are those of an entry.
#[derive(Clone)]
pub(super) struct Single {
    pub source: String,
    pub session: SessionContext,
    pub table: Arc<Table>,
    pub slot: Slot,
    pub plan: LogicalPlan,
}

impl Opened {
    fn source(&self) -> String {
        self.single
            .as_ref()
            .map_or_else(String::new, |single| single.source.clone())
    }

    async fn read(&self) -> Result<Reading, Error> {
        let failed = |error| sql_error(self.number, self.fact, &error);
        Ok(match &self.single {
            Some(single) => {
                let rows = RowByRow::new(single.clone()).await;
                Reading::RowByRow(Box::new(rows.map_err(failed)?))
            }
            None => {
                let frame = self
                    .session
                    .execute_logical_plan(self.plan.clone())
                    .await
                    .map_err(failed)?;
                Reading::Whole(frame.execute_stream().await.map_err(failed)?)
            }
        })
    }
}

/// How the rows of an entry are read.
enum Reading {
    /// All in one.
    Whole(SendableRecordBatchStream),
    /// Each for itself.
    RowByRow(Box<RowByRow>),
}

/// Some rows as the `SELECT` gives them.
struct Given {
    rows: RecordBatch,
    origin: Origin,
}

/// Where rows come from.
enum Origin {
    /// Each from a row of a file.
    Lines(Mapped),
    /// The first one's number among the rows of the entry.
    Entry(u64),
}

impl Origin {
    fn place(&self, row: usize) -> Place {
        match self {
            Self::Lines(mapped) => mapped.place(row),
            Self::Entry(first) => Place::Row(first + row as u64),
        }
    }
}

/// The rows of one entry.
pub struct Rows {
    opened: Opened,
    reading: Reading,
    converter: Converter,
    time_zone: chrono_tz::Tz,
    waiting: Vec<RecordBatch>,
    rows: usize,
    /// Rows that the `SELECT` has given.
    given: u64,
    ended: bool,
    refused: Vec<Refused>,
    tally: Tally,
}

impl Rows {
    pub(super) async fn open(
        opened: Opened,
        converter: Converter,
        time_zone: chrono_tz::Tz,
    ) -> Result<Self, Error> {
        let mut refused = Vec::new();
        // Else they come with the others.
        if opened.single.is_none() {
            for (name, table) in opened.tables.clone() {
                let of_table = blocking(move || table.refused()).await?;
                refused.extend(of_table.into_iter().map(|one| Refused {
                    source: name.clone(),
                    ..one
                }));
            }
        }
        Ok(Self {
            reading: opened.read().await?,
            tally: Tally::new(opened.fact),
            opened,
            converter,
            time_zone,
            waiting: Vec::new(),
            rows: 0,
            given: 0,
            ended: false,
            refused,
        })
    }

    /// The rows that were refused since this was asked last.
    pub fn refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// What the rows that have been given look like.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The next batch: [`BATCH_ROWS`] rows or, where texts are very long, and at the end, fewer.
    ///
    /// # Errors
    /// When a source cannot be read on, naming the entry; when nobody can tell how its times are written.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let mut bytes = 0;
        while self.rows < BATCH_ROWS && bytes < WAITING_BYTES && !self.ended {
            let Some(given) = self.given().await? else {
                self.ended = true;
                break;
            };
            for given in given {
                let good = self.sifted(given).await?;
                self.rows += good.num_rows();
                bytes += good.get_array_memory_size();
                self.waiting.push(good);
            }
        }
        if self.rows == 0 {
            return Ok(None);
        }
        let Some(schema) = self.waiting.first().map(RecordBatch::schema) else {
            return Ok(None);
        };
        let whole = arrow::compute::concat_batches(&schema, &self.waiting)?;
        let taken = whole.num_rows().min(BATCH_ROWS);
        self.rows = whole.num_rows() - taken;
        self.waiting = if self.rows == 0 {
            Vec::new()
        } else {
            vec![whole.slice(taken, self.rows)]
        };
        Ok(Some(whole.slice(0, taken)))
    }

    /// The next rows as the `SELECT` gives them; none at the end.
    async fn given(&mut self) -> Result<Option<Vec<Given>>, Error> {
        let (given, refused) = match next(&mut self.reading, &self.opened, self.given).await? {
            Some(next) => next,
            None => return Ok(None),
        };
        self.given += given
            .iter()
            .map(|given| given.rows.num_rows() as u64)
            .sum::<u64>();
        self.refused.extend(refused);
        Ok(Some(given))
    }

    /// The rows that can be taken; the others are refused.
    async fn sifted(&mut self, given: Given) -> Result<RecordBatch, Error> {
        let mut converted = self.converter.convert(&given.rows)?;
        if converted.faults.iter().any(|fault| fault.reason == UNSETTLED) {
            self.settle().await?;
            converted = self.converter.convert(&given.rows)?;
        }
        let ground = Ground {
            tenant: "",
            zone: self.time_zone,
            // What lies in the future is for the service to say, by its own clock: the same file is cut into the same batches at
            // any time.
            now: i64::MAX / 2,
            source: ("", 0),
        };
        let checked = check(self.opened.fact, &converted.batch, &ground)?;
        if converted.faults.is_empty() && checked.refusals.is_empty() {
            self.tally.add(&checked.batch, &given.rows);
            return stored(&checked.batch, &given.rows);
        }
        let mut faults: BTreeMap<usize, Fault> = BTreeMap::new();
        let checks = checked.refusals.into_iter().map(|refusal| Fault {
            row: refusal.row,
            field: refusal.field,
            reason: refusal.reason.into(),
        });
        for fault in converted.faults.into_iter().chain(checks) {
            faults.entry(fault.row).or_insert(fault);
        }
        let good: BooleanArray = (0..given.rows.num_rows())
            .map(|row| Some(!faults.contains_key(&row)))
            .collect();
        let refused = faults.into_values().map(|fault| Refused {
            place: given.origin.place(fault.row),
            field: fault.field.to_owned(),
            value: given
                .rows
                .column_by_name(fault.field)
                .and_then(|column| text(column, fault.row)),
            reason: fault.reason.into_owned(),
            source: self.opened.source(),
            row: match &given.origin {
                Origin::Lines(mapped) => mapped.source_row(fault.row),
                Origin::Entry(_) => row_of(&given.rows, fault.row),
            },
        });
        self.refused.extend(refused);
        // Of a row with a fault of its own the check need have found none.
        let converted = filter_record_batch(&converted.batch, &good)?;
        let checked = check(self.opened.fact, &converted, &ground)?;
        self.tally.add(&checked.batch, &given.rows);
        stored(&checked.batch, &given.rows)
    }

    /// Finds in all rows of the entry in which order day and month stand.
    async fn settle(&mut self) -> Result<(), Error> {
        let mut reading = self.opened.read().await?;
        let mut found = BTreeMap::new();
        while let Some((given, _)) = next(&mut reading, &self.opened, 0).await? {
            for given in given {
                self.converter.look(&given.rows, &mut found);
            }
        }
        self.converter.settle(found).map_err(|told| {
            super::wrong(format!(
                "facts[{}] ({}): {told}",
                self.opened.number, self.opened.fact.name
            ))
        })
    }
}

/// The next rows that an entry gives, `before` of which have been given; and those refused among them.
async fn next(
    reading: &mut Reading,
    opened: &Opened,
    before: u64,
) -> Result<Option<(Vec<Given>, Vec<Refused>)>, Error> {
    Ok(match reading {
        Reading::Whole(stream) => match stream.next().await {
            Some(Ok(rows)) => {
                let origin = Origin::Entry(before + 1);
                Some((vec![Given { rows, origin }], Vec::new()))
            }
            Some(Err(error)) => return Err(sql_error(opened.number, opened.fact, &error)),
            None => None,
        },
        Reading::RowByRow(rows) => rows.next().await?.map(|(mapped, refused)| {
            let given = mapped.into_iter().map(|(rows, mapped)| Given {
                rows,
                origin: Origin::Lines(mapped),
            });
            (given.collect(), refused)
        }),
    })
}

/// Of checked rows the columns that were given, in their stored types.
fn stored(checked: &RecordBatch, given: &RecordBatch) -> Result<RecordBatch, Error> {
    let schema = checked.schema();
    let columns = schema.fields().iter().enumerate();
    let kept = columns.filter(|(_, field)| given.column_by_name(field.name()).is_some());
    Ok(checked.project(&kept.map(|(at, _)| at).collect::<Vec<_>>())?)
}

/// A value as text, several of one row with `|` between them; `None` where there is none.
fn text(column: &ArrayRef, row: usize) -> Option<String> {
    if let Some(list) = column.as_list_opt::<i32>().filter(|_| column.is_valid(row)) {
        let values = list.value(row);
        let texts = (0..values.len()).filter_map(|at| text(&values, at));
        return Some(texts.collect::<Vec<_>>().join("|"));
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).ok()?;
    let is_there = !column.data_type().is_null() && column.is_valid(row);
    is_there.then(|| formatter.value(row).to_string())
}

/// A row by the names of its columns.
pub(super) fn row_of(rows: &RecordBatch, row: usize) -> Map<String, Value> {
    let schema = rows.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names
        .zip(rows.columns())
        .map(|(name, column)| (name, text(column, row).map_or(Value::Null, Value::String)))
        .collect()
}
