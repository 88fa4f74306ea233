//! Appending: one committer per table and process writes the batches that wait in one commit.
//!
//! A batch is named by its producer and sequence. The producer's last sequence is a Delta application transaction
//! in the very commit that holds the batch, so a crash can neither lose an acknowledged batch nor write one twice.
//! Sequences of a producer follow each other without a gap: a batch that failed cannot be overtaken and lost.
//! The commit also says what is answered of each of its batches, to answer a repeated one as before.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::{RecordBatch, new_null_array},
    datatypes::{Field, SchemaRef},
};
use deltalake::{
    DeltaTable, DeltaTableError,
    kernel::{
        Action, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError},
    },
    parquet::{basic::Compression, file::properties::WriterProperties, schema::types::ColumnPath},
    protocol::{DeltaOperation, SaveMode},
    writer::{DeltaWriter, RecordBatchWriter},
};
use dualwheel_kit::survive::survived;
use object_store::{ObjectStoreExt, path::Path};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error,
    acknowledged::{self, Acknowledged, Appended, Listed, Told, app_id, stored_sequence},
    check::Refusal,
    disk::local,
    spread::{self, mixed_tenants},
    stamp, sums,
    table::Table,
};

/// Batches that wait for one table before senders are held back.
const QUEUE: usize = 64;
/// Rows that one commit takes at most.
const ROWS_A_COMMIT: usize = 2_000_000;
/// Refusals that an answer lists.
const REFUSALS_LISTED: usize = 100;
/// Tries of a commit against other processes.
const COMMIT_TRIES: u32 = 20;
/// Versions of a table after which small files are joined, whichever processes made them.
const COMMITS_A_COMPACTION: u64 = 64;

/// A checked batch on its way into a table.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) tenant: String,
    pub(crate) producer: String,
    pub(crate) sequence: i64,
    pub(crate) batch: RecordBatch,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) dead_letter: String,
    pub(crate) digest: u64,
    pub(crate) reply: oneshot::Sender<Result<Appended, Error>>,
}

impl Append {
    pub(crate) fn app_id(&self) -> String {
        app_id(&self.tenant, &self.producer)
    }

    fn told(&self) -> Told {
        Told {
            app_id: self.app_id(),
            result: self.result(0, false),
        }
    }

    pub(crate) fn result(&self, version: i64, repeated: bool) -> Appended {
        let listed = self.refusals.iter().take(REFUSALS_LISTED).map(|refusal| Listed {
            row: refusal.row,
            field: refusal.field.to_owned(),
            reason: refusal.reason.clone(),
        });
        Appended {
            sequence: self.sequence,
            accepted: self.batch.num_rows() as i64,
            refused: self.refusals.len() as i64,
            refusals: listed.collect(),
            dead_letter: self.dead_letter.clone(),
            digest: self.digest,
            version,
            repeated,
        }
    }
}

/// The sequences of a producer in a group.
struct Span {
    oldest: i64,
    newest: i64,
}

/// A queue into a table's committer.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Append>,
    table: &'static str,
}

impl Writer {
    /// Starts the committer of a table.
    pub(crate) fn start(table: Arc<Table>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let name = table.name;
        tokio::spawn(Committer::new(table).run(waiting));
        Self { queue, table: name }
    }

    /// Hands a batch over; it is written in the order in which this returns.
    pub(crate) async fn send(&self, append: Append) -> Result<(), Error> {
        self.queue.send(append).await.map_err(|_| Error::WriterGone {
            table: self.table.to_owned(),
        })
    }
}

struct Committer {
    table: Arc<Table>,
    acknowledged: Acknowledged,
    /// Last sequence of each producer, as of `seen`.
    last: HashMap<String, i64>,
    seen: Option<u64>,
    compacting: Arc<AtomicBool>,
}

impl Committer {
    fn new(table: Arc<Table>) -> Self {
        let compacting = Arc::new(AtomicBool::new(false));
        Self {
            table,
            acknowledged: Acknowledged::default(),
            last: HashMap::new(),
            seen: None,
            compacting,
        }
    }

    async fn run(mut self, mut waiting: mpsc::Receiver<Append>) {
        while let Some(first) = waiting.recv().await {
            let mut rows = first.batch.num_rows();
            let mut group = vec![first];
            while rows < ROWS_A_COMMIT {
                let Ok(next) = waiting.try_recv() else { break };
                rows += next.batch.num_rows();
                group.push(next);
            }
            if let Err(error) = survived(self.settle(group)).await {
                // Who waits for an answer sees that there is none; a repeated batch is told whether it was written.
                tracing::error!(table = self.table.name, %error, "a commit broke off; further ones go on");
                self.last.clear();
                self.seen = None;
            }
        }
    }

    /// Writes what is new of a group, answers each of its batches.
    async fn settle(&mut self, mut group: Vec<Append>) {
        let mut tries = 0;
        while !group.is_empty() {
            let (fresh, again) = self.sort_out(group).await;
            group = again;
            if fresh.is_empty() {
                continue;
            }
            // Some of it may have been written by another process meanwhile: what that was is told by the table.
            let Some(mut overtaken) = self.write(fresh).await else {
                continue;
            };
            tries += 1;
            if tries >= COMMIT_TRIES {
                fail(overtaken, &Error::Overtaken);
                continue;
            }
            overtaken.append(&mut group);
            group = overtaken;
        }
    }

    /// What is to be written of a group, and what comes in it a second time; answers its other batches.
    async fn sort_out(&mut self, group: Vec<Append>) -> (Vec<Append>, Vec<Append>) {
        let (mut fresh, mut again) = (Vec::with_capacity(group.len()), Vec::new());
        let table = match self.current().await {
            Ok(table) => table,
            Err(error) => {
                fail(group, &error);
                return (fresh, again);
            }
        };
        let mut newest: HashMap<String, i64> = HashMap::new();
        for append in group {
            let app_id = append.app_id();
            let stored = match self.last_sequence(&table, &app_id).await {
                Ok(stored) => stored,
                Err(error) => {
                    fail(vec![append], &error);
                    continue;
                }
            };
            let last = newest.get(&app_id).copied().unwrap_or(stored);
            if append.sequence == last + 1 {
                newest.insert(app_id, append.sequence);
                fresh.push(append);
            } else if append.sequence <= stored {
                self.repeat(&table, append).await;
            } else if append.sequence <= last {
                again.push(append);
            } else {
                let (producer, sequence) = (append.producer.clone(), append.sequence);
                let error = Error::SequenceSkipped {
                    producer,
                    sequence,
                    next: last + 1,
                };
                let _ = append.reply.send(Err(error));
            }
        }
        (fresh, again)
    }

    async fn current(&mut self) -> Result<DeltaTable, Error> {
        let table = self.table.create().await?;
        if table.version() != self.seen {
            // Another process committed: its producers may be ours.
            self.last.clear();
            self.seen = table.version();
        }
        Ok(table)
    }

    async fn last_sequence(&mut self, table: &DeltaTable, app_id: &str) -> Result<i64, Error> {
        if let Some(last) = self.last.get(app_id) {
            return Ok(*last);
        }
        let last = stored_sequence(table, app_id).await?;
        self.last.insert(app_id.to_owned(), last);
        Ok(last)
    }

    /// Answers a batch that was written before with its first result.
    async fn repeat(&mut self, table: &DeltaTable, append: Append) {
        // The process that wrote it may have been killed before it could tell.
        if let Err(source) = stamp::changed(table) {
            let _ = append.reply.send(Err(local(source).into()));
            return;
        }
        let app_id = append.app_id();
        let answer = match self.acknowledged.find(table, &app_id, append.sequence).await {
            Ok(Some(first)) if first.digest != append.digest => Err(Error::SequenceReused {
                producer: append.producer.clone(),
                sequence: append.sequence,
            }),
            Ok(Some(first)) => Ok(first),
            // Older than what the log tells of.
            Ok(None) => Ok(append.result(version_of(table), true)),
            Err(error) => Err(error),
        };
        let _ = append.reply.send(answer);
    }

    /// Writes batches and answers them; gives them back when another process was faster with some.
    async fn write(&mut self, fresh: Vec<Append>) -> Option<Vec<Append>> {
        match self.commit(&fresh).await {
            Ok(version) => {
                let before = self.seen.unwrap_or(0);
                let now = u64::try_from(version).unwrap_or(before);
                if now != before + 1 {
                    // Another process committed between: what is known of its producers is old.
                    self.last.clear();
                }
                self.seen = Some(now);
                for append in fresh {
                    self.last.insert(append.app_id(), append.sequence);
                    let result = append.result(version, false);
                    let _ = append.reply.send(Ok(result));
                }
                if now / COMMITS_A_COMPACTION > before / COMMITS_A_COMPACTION {
                    self.compact();
                }
                None
            }
            Err(Error::Overtaken) => {
                self.last.clear();
                Some(fresh)
            }
            Err(error) => {
                tracing::warn!(table = self.table.name, error = %error, "a commit failed; nothing of it is kept");
                // What is stored now decides again for the next group.
                self.last.clear();
                fail(fresh, &error);
                None
            }
        }
    }

    /// Files first, then the commit that makes them count.
    async fn commit(&self, fresh: &[Append]) -> Result<i64, Error> {
        let mut table = self.table.create().await?;
        let adds = write_files(&table, fresh).await?;
        let paths: Vec<String> = adds.iter().filter_map(path_of_add).collect();
        let spans = spans_of(fresh);
        let transactions: Vec<Transaction> = spans
            .iter()
            .map(|(app_id, span)| Transaction::new(app_id, span.newest))
            .collect();
        let told: Vec<Told> = fresh.iter().map(Append::told).collect();
        let said = acknowledged::said_of(&told)?;
        let operation = || DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(crate::fact::PARTITION_COLUMNS.map(str::to_owned).to_vec()),
            predicate: None,
        };
        // Since the group was settled another process may have written the same batches, sent to it by the same producer.
        if table.version() != self.seen && landed(&table, &spans).await? {
            discard(&table, &paths).await;
            return Err(Error::Overtaken);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let properties = CommitProperties::default()
                .with_application_transactions(transactions.clone())
                .with_metadata([(acknowledged::KEY.to_owned(), said.clone())]);
            let state = table.snapshot()?;
            let committed = CommitBuilder::from(properties)
                .with_actions(adds.clone())
                .build(Some(state as &dyn TableReference), table.log_store(), operation())
                .await;
            match committed {
                Ok(done) => {
                    stamp::changed(&table).map_err(local)?;
                    self.table.saw(done.version()).await;
                    return Ok(i64::try_from(done.version()).unwrap_or(i64::MAX));
                }
                Err(error) => {
                    let refused = is_conflict(&error);
                    table = self.table.create().await?;
                    if landed(&table, &spans).await? {
                        // Otherwise it may be this very commit that landed, although it was said to have failed.
                        if refused {
                            discard(&table, &paths).await;
                        }
                        return Err(Error::Overtaken);
                    }
                    let error = Error::from(error);
                    if error.is_full() {
                        discard(&table, &paths).await;
                        return Err(error);
                    }
                    if tries >= COMMIT_TRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(pause(tries)).await;
                }
            }
        }
    }

    /// Joins small files, unless another process does.
    fn compact(&self) {
        let (table, busy) = (self.table.clone(), self.compacting.clone());
        if busy.swap(true, Ordering::SeqCst) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = survived(table.tidy()).await.map_err(Error::from).flatten() {
                tracing::warn!(table = table.name, error = %error, "a compaction failed; it is tried again later");
            }
            busy.store(false, Ordering::SeqCst);
        });
    }
}

fn spans_of(fresh: &[Append]) -> HashMap<String, Span> {
    let mut spans = HashMap::new();
    for append in fresh {
        let sequence = append.sequence;
        spans
            .entry(append.app_id())
            .and_modify(|span: &mut Span| span.newest = sequence)
            .or_insert(Span {
                oldest: sequence,
                newest: sequence,
            });
    }
    spans
}

/// Whether one of these batches is stored: written by another process meanwhile, it must not be written again, with
/// whichever others it stands in a group.
async fn landed(table: &DeltaTable, spans: &HashMap<String, Span>) -> Result<bool, Error> {
    for (app_id, span) in spans {
        if stored_sequence(table, app_id).await? >= span.oldest {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a commit was surely not made, because of another one.
pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(_)
        }
    )
}

fn version_of(table: &DeltaTable) -> i64 {
    table
        .version()
        .and_then(|version| i64::try_from(version).ok())
        .unwrap_or_default()
}

fn fail(group: Vec<Append>, error: &Error) {
    for append in group {
        let _ = append.reply.send(Err(error.for_another()));
    }
}

/// How files of facts are written.
pub(crate) fn fact_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(262_144))
        // Event ids are all different: a dictionary of them is work for nothing.
        .set_column_dictionary_enabled(ColumnPath::from("event_id"), false)
        .build()
}

async fn write_files(table: &DeltaTable, fresh: &[Append]) -> Result<Vec<Action>, Error> {
    let mut writer = RecordBatchWriter::for_table(table)?.with_writer_properties(fact_properties());
    let schema = writer.arrow_schema();
    let mixed = mixed_tenants(fresh.iter().map(|append| (append.tenant.as_str(), &append.batch)));
    for append in fresh.iter().filter(|append| append.batch.num_rows() > 0) {
        let batch = fitted(&append.batch, &schema)?;
        let together = mixed.contains(&append.tenant.as_str());
        writer
            .write(if together { spread::mixed(&batch)? } else { batch })
            .await?;
    }
    let mut adds = writer.flush().await?;
    sums::seal(table, &mut adds).await?;
    Ok(adds.into_iter().map(Action::Add).collect())
}

/// A batch with all columns of the table: a later release may have added some.
fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    };
    let columns = schema.fields().iter().map(column).collect();
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn path_of_add(action: &Action) -> Option<String> {
    match action {
        Action::Add(add) => Some(add.path.clone()),
        _ => None,
    }
}

/// Removes files that no commit names: left on a full disk, those of every further try would take the room that was
/// made. Only for commits that surely did not happen.
pub(crate) async fn discard(table: &DeltaTable, paths: &[String]) {
    let store = table.log_store().object_store(None);
    for path in paths.iter().filter_map(|path| Path::from_url_path(path).ok()) {
        if let Err(error) = store.delete(&path).await {
            tracing::warn!(%path, %error, "a file of a failed commit could not be removed");
        }
    }
}

/// Pause before another try: full jitter over a doubling bound, one second at most.
pub(crate) fn pause(tries: u32) -> Duration {
    let bound = 10u64.saturating_mul(1 << tries.min(7)).min(1_000);
    let random = uuid::Uuid::new_v4().as_u128() as u64;
    Duration::from_millis(random % bound.max(1))
}
