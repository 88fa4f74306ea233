//! Entries whose rows each come from one row of one CSV source: a row that the `SELECT` cannot take, such as one whose amount is
//! no number, is refused alone, with its file and line.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::{Column, TableReference, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result as Planned},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Filter, LogicalPlan, Projection, SubqueryAlias},
    physical_plan::{ExecutionPlan, collect, stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::{Expr, SessionContext},
};
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    refused::{Place, Refused},
    rows::{Single, row_of},
    table::{Chunk, Chunks, Table},
};
use crate::{Error, reader::blocking};

/// The column that numbers the rows of a chunk.
const ROW: &str = "\u{1f}row";
/// Rows refused before one is taken from which on the mapping is wrong, and not the rows.
const HOPELESS: usize = 1_000;

/// The source whose rows the rows of a plan come from, each from one; `None` where it joins, groups or sorts.
pub(super) fn source_of(plan: &LogicalPlan) -> Option<String> {
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan.table_name.table().to_owned()),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            let is_nested = plan.expressions().iter().any(is_subquery);
            match plan.inputs()[..] {
                [input] if !is_nested => source_of(input),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The tables that a plan reads.
///
/// # Errors
/// DataFusion's.
pub(super) fn sources_of(plan: &LogicalPlan) -> Planned<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn is_subquery(expression: &datafusion::prelude::Expr) -> bool {
    use datafusion::{common::tree_node::TreeNode, prelude::Expr};
    let nested = |one: &Expr| {
        Ok(matches!(
            one,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
        ))
    };
    expression.exists(nested).unwrap_or(true)
}

/// The rows that are mapped now, as the only table of a session.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    schema: SchemaRef,
    rows: Arc<Mutex<RecordBatch>>,
}

impl Slot {
    /// A slot for rows of a schema, which are numbered in it.
    fn new(schema: &Schema) -> Self {
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
        let schema = Arc::new(Schema::new(fields));
        Self {
            rows: Arc::new(Mutex::new(RecordBatch::new_empty(Arc::clone(&schema)))),
            schema,
        }
    }

    fn put(&self, rows: &RecordBatch, first: usize) -> Result<(), Error> {
        let numbers = first as i64..(first + rows.num_rows()) as i64;
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = futures::stream::once(async { Ok(rows) });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Registers the source `name` in a session of its own, as the rows that are put there.
///
/// # Errors
/// DataFusion's.
pub(super) fn register(session: &SessionContext, name: &str, source: &Table) -> Planned<Slot> {
    let slot = Slot::new(source.schema());
    let table = StreamingTable::try_new(Arc::clone(slot.schema()), vec![Arc::new(slot.clone())])?;
    session.register_table(TableReference::bare(name), Arc::new(table))?;
    Ok(slot)
}

/// The plan whose rows tell which row of the source they come from.
///
/// # Errors
/// DataFusion's.
pub(super) fn numbered(plan: LogicalPlan) -> Planned<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Projection(Projection { mut expr, input, .. }) => {
            let input = numbered(Arc::unwrap_or_clone(input))?;
            let is_number = |one: &Expr| matches!(one, Expr::Column(column) if column.name == ROW);
            if !expr.iter().any(is_number) {
                let found = input.schema().iter().find(|(_, field)| field.name() == ROW);
                let column = found.map(|(table, _)| Column::new(table.cloned(), ROW));
                expr.extend(column.map(Expr::Column));
            }
            LogicalPlan::Projection(Projection::try_new(expr, Arc::new(input))?)
        }
        LogicalPlan::Filter(Filter { predicate, input, .. }) => {
            let input = numbered(Arc::unwrap_or_clone(input))?;
            LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
            let input = numbered(Arc::unwrap_or_clone(input))?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias)?)
        }
        other => other,
    })
}

/// Where mapped rows come from.
pub(super) struct Mapped {
    chunk: Arc<Chunk>,
    /// The row of the chunk of each.
    from: Int64Array,
}

impl Mapped {
    fn source(&self, row: usize) -> usize {
        self.from.values().get(row).map_or(0, |from| *from as usize)
    }

    /// File and line of a row.
    pub fn place(&self, row: usize) -> Place {
        self.chunk.place(self.source(row))
    }

    /// The columns of the source from which a row comes.
    pub fn source_row(&self, row: usize) -> Map<String, Value> {
        row_of(&self.chunk.rows, self.source(row))
    }
}

impl Chunk {
    fn place(&self, row: usize) -> Place {
        Place::Line {
            file: self.file.clone(),
            line: self.lines.get(row).copied().unwrap_or_default(),
        }
    }

    /// A row that the `SELECT` cannot take.
    fn refused_by(&self, row: usize, error: &DataFusionError) -> Refused {
        let told = error.strip_backtrace();
        let row_of = row_of(&self.rows, row);
        let (value, reason) = match cast_of(&told) {
            Some((value, kind)) => (Some(value.to_owned()), no_cast(kind)),
            None => (None, told.clone()),
        };
        let mut columns = row_of
            .iter()
            .filter(|(_, held)| held.as_str() == value.as_deref());
        let column = columns.next().map(|(name, _)| name.clone());
        Refused {
            place: self.place(row),
            field: column
                .filter(|_| value.is_some() && columns.next().is_none())
                .unwrap_or_default(),
            value,
            reason,
            source: String::new(),
            row: row_of,
        }
    }
}

/// Why a value cannot be cast.
pub(super) fn no_cast(kind: &str) -> String {
    format!(
        "is no {kind}, which the SELECT casts it to; select the column as it is, which is then read as the field's type"
    )
}

/// The value of which an error says that it cannot be cast, and the type.
pub(super) fn cast_of(told: &str) -> Option<(&str, &str)> {
    let (_, rest) = told.split_once("Cannot cast string '")?;
    let (value, rest) = rest.rsplit_once("' to value of ")?;
    let kind = rest.split_once(" type").map_or(rest, |(kind, _)| kind);
    Some((value, kind))
}

/// The next chunk, which is read while the one before is mapped, and those that follow.
type Reading = BoxFuture<'static, Result<(Chunks, Option<Chunk>), Error>>;

fn ahead(mut chunks: Chunks) -> Reading {
    let reading = tokio::spawn(blocking(move || {
        let chunk = chunks.next()?;
        Ok((chunks, chunk))
    }));
    Box::pin(async {
        reading
            .await
            .unwrap_or_else(|error| Err(super::wrong(error.to_string())))
    })
}

/// The rows of such an entry.
pub(super) struct RowByRow {
    source: String,
    reading: Option<Reading>,
    slot: Slot,
    plan: Arc<dyn ExecutionPlan>,
    session: SessionContext,
    taken: usize,
    refused: usize,
}

impl fmt::Debug for RowByRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RowByRow").finish_non_exhaustive()
    }
}

/// Mapped rows, and where they come from.
type Taken = (RecordBatch, Mapped);

impl RowByRow {
    /// Reads the rows of a source by a numbered plan of the session in which it is registered.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn new(single: Single) -> Planned<Self> {
        let state = single.session.state();
        let plan = state.create_physical_plan(&state.optimize(&single.plan)?).await?;
        Ok(Self {
            source: single.source,
            reading: Some(ahead(single.table.chunks())),
            slot: single.slot,
            plan,
            session: single.session,
            taken: 0,
            refused: 0,
        })
    }

    /// The next rows, and those refused among them; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read on; when all of the first rows are refused.
    pub async fn next(&mut self) -> Result<Option<(Vec<Taken>, Vec<Refused>)>, Error> {
        // Gone after an error, as are the rows that would follow.
        let Some(reading) = self.reading.take() else {
            return Ok(None);
        };
        let (chunks, chunk) = reading.await?;
        let Some(chunk) = chunk else { return Ok(None) };
        self.reading = Some(ahead(chunks));
        self.mapped(chunk).await.map(Some)
    }

    async fn mapped(&mut self, mut chunk: Chunk) -> Result<(Vec<Taken>, Vec<Refused>), Error> {
        let mut refused = std::mem::take(&mut chunk.refused);
        let chunk = Arc::new(chunk);
        let mut mapped = Vec::new();
        // Halves of what cannot be mapped, until single rows are left.
        let mut left = vec![(0, chunk.rows.num_rows())];
        while let Some((from, rows)) = left.pop() {
            if rows == 0 {
                continue;
            }
            self.slot.put(&chunk.rows.slice(from, rows), from)?;
            match collect(Arc::clone(&self.plan), self.session.task_ctx()).await {
                Ok(batches) => {
                    self.taken += rows;
                    for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
                        mapped.push(told_apart(batch, &chunk)?);
                    }
                }
                Err(error) if rows == 1 => refused.push(chunk.refused_by(from, &error)),
                Err(_) => {
                    let half = rows / 2;
                    left.push((from + half, rows - half));
                    left.push((from, half));
                }
            }
            if self.taken == 0 && self.refused + refused.len() >= HOPELESS {
                let first = refused.first().map_or_else(String::new, ToString::to_string);
                let told = format!(
                    "none of the first {HOPELESS} rows can be mapped, so the mapping is wrong; {first}"
                );
                return Err(super::wrong(told));
            }
        }
        self.refused += refused.len();
        for one in &mut refused {
            one.source.clone_from(&self.source);
        }
        refused.sort_by(|one, other| one.place.cmp(&other.place));
        Ok((mapped, refused))
    }
}

/// The rows of the `SELECT` without their numbers, and these.
fn told_apart(mut batch: RecordBatch, chunk: &Arc<Chunk>) -> Result<Taken, Error> {
    let at = batch.schema().index_of(ROW)?;
    let from = batch.remove_column(at);
    let mapped = Mapped {
        chunk: Arc::clone(chunk),
        from: from.as_primitive::<Int64Type>().clone(),
    };
    Ok((batch, mapped))
}
