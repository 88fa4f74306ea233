//! Entries whose rows each come from one row of one CSV source: a row that the `SELECT` cannot take, such as one whose amount is
//! no number, is refused alone, with its file and line.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::TableReference,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, collect, stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::SessionContext,
};

use super::csv::{Chunk, Chunks, Csv, Refused};
use crate::{Error, reader::blocking};

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
#[derive(Debug)]
struct Slot {
    schema: SchemaRef,
    rows: Mutex<RecordBatch>,
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

/// The rows of such an entry.
pub(super) struct RowByRow {
    chunks: Option<Chunks>,
    slot: Arc<Slot>,
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

impl RowByRow {
    /// Plans `sql` over the source `name`, in a session of its own.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn new(
        session: SessionContext,
        name: &str,
        csv: &Csv,
        sql: &str,
    ) -> Result<Self, DataFusionError> {
        let schema = csv.schema().clone();
        let slot = Arc::new(Slot {
            rows: Mutex::new(RecordBatch::new_empty(Arc::clone(&schema))),
            schema: Arc::clone(&schema),
        });
        let table = StreamingTable::try_new(schema, vec![Arc::clone(&slot) as Arc<dyn PartitionStream>])?;
        session.register_table(TableReference::bare(name), Arc::new(table))?;
        let plan = session.sql(sql).await?.create_physical_plan().await?;
        Ok(Self {
            chunks: Some(csv.chunks()),
            slot,
            plan,
            session,
            taken: 0,
            refused: 0,
        })
    }

    /// The next rows, and those refused among them; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read on; when all of the first rows are refused.
    pub async fn next(&mut self) -> Result<Option<(Vec<RecordBatch>, Vec<Refused>)>, Error> {
        // Gone after an error, as are the rows that would follow.
        let Some(mut chunks) = self.chunks.take() else {
            return Ok(None);
        };
        let (chunks, chunk) = blocking(move || {
            let chunk = chunks.next()?;
            Ok((chunks, chunk))
        })
        .await?;
        self.chunks = Some(chunks);
        let Some(chunk) = chunk else { return Ok(None) };
        self.mapped(chunk).await.map(Some)
    }

    async fn mapped(&mut self, chunk: Chunk) -> Result<(Vec<RecordBatch>, Vec<Refused>), Error> {
        let (mut mapped, mut refused) = (Vec::new(), chunk.refused);
        // Halves of what cannot be mapped, until single rows are left.
        let mut left = vec![(0, chunk.rows.num_rows())];
        while let Some((from, rows)) = left.pop() {
            if rows == 0 {
                continue;
            }
            let some = chunk.rows.slice(from, rows);
            *self.slot.rows.lock().unwrap_or_else(PoisonError::into_inner) = some;
            match collect(Arc::clone(&self.plan), self.session.task_ctx()).await {
                Ok(batches) => {
                    self.taken += rows;
                    mapped.extend(batches);
                }
                Err(error) if rows == 1 => {
                    let line = chunk.lines.get(from).copied().unwrap_or_default();
                    refused.push(Refused {
                        file: chunk.file.clone(),
                        line,
                        reason: error.strip_backtrace(),
                    });
                }
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
        refused.sort_by_key(|one| one.line);
        Ok((mapped, refused))
    }
}
