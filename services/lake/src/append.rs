//! Appending: one committer per table and process writes the batches that wait in one commit.
//!
//! A batch is named by its producer and sequence. The producer's last sequence is a Delta application transaction
//! in the very commit that holds the batch, so a crash can neither lose an acknowledged batch nor write one twice.
//! Sequences of a producer follow each other without a gap: a batch that failed cannot be overtaken and lost.
//! Beside the table, a small file keeps the results of the last batches, to answer a repeated one as before.

use std::{
    collections::{HashMap, VecDeque},
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
    DeltaTable,
    kernel::{
        Action, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    parquet::{basic::Compression, file::properties::WriterProperties, schema::types::ColumnPath},
    protocol::{DeltaOperation, SaveMode},
    writer::{DeltaWriter, RecordBatchWriter},
};
use dualwheel_kit::survive::survived;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::{Error, disk::local, stamp, table::Table};

/// Batches that wait for one table before senders are held back.
const QUEUE: usize = 64;
/// Rows that one commit takes at most.
const ROWS_A_COMMIT: usize = 2_000_000;
/// Results kept per producer and table.
const RESULTS_KEPT: usize = 256;
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
    pub(crate) refused: i64,
    pub(crate) dead_letter: String,
    pub(crate) digest: u64,
    pub(crate) reply: oneshot::Sender<Result<Appended, Error>>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Appended {
    pub(crate) sequence: i64,
    pub(crate) accepted: i64,
    pub(crate) refused: i64,
    pub(crate) dead_letter: String,
    pub(crate) digest: u64,
    /// Version that holds the batch; known only after the commit, so 0 in the results file.
    #[serde(skip)]
    pub(crate) version: i64,
    #[serde(skip)]
    pub(crate) repeated: bool,
}

impl Append {
    fn app_id(&self) -> String {
        format!("{}/{}", self.tenant, self.producer)
    }

    fn result(&self, version: i64, repeated: bool) -> Appended {
        Appended {
            sequence: self.sequence,
            accepted: self.batch.num_rows() as i64,
            refused: self.refused,
            dead_letter: self.dead_letter.clone(),
            digest: self.digest,
            version,
            repeated,
        }
    }
}

/// A queue into a table's committer.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Append>,
    table: &'static str,
}

impl Writer {
    /// Starts the committer of a table.
    pub(crate) fn start(table: Arc<Table>, store: Arc<dyn ObjectStore>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let name = table.name;
        tokio::spawn(Committer::new(table, store).run(waiting));
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
    store: Arc<dyn ObjectStore>,
    /// Last sequence of each producer, as of `seen`.
    last: HashMap<String, i64>,
    seen: Option<u64>,
    compacting: Arc<AtomicBool>,
}

impl Committer {
    fn new(table: Arc<Table>, store: Arc<dyn ObjectStore>) -> Self {
        let compacting = Arc::new(AtomicBool::new(false));
        Self {
            table,
            store,
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
        for _ in 0..COMMIT_TRIES {
            let fresh = self.sort_out(group).await;
            if fresh.is_empty() {
                return;
            }
            // Some of it may have been written by another process meanwhile: what that was is told by the table.
            let Some(overtaken) = self.write(fresh).await else {
                return;
            };
            group = overtaken;
        }
        fail(group, &Error::Overtaken);
    }

    /// What is to be written of a group; answers its other batches.
    async fn sort_out(&mut self, group: Vec<Append>) -> Vec<Append> {
        let mut fresh = Vec::with_capacity(group.len());
        let table = match self.current().await {
            Ok(table) => table,
            Err(error) => {
                fail(group, &error);
                return fresh;
            }
        };
        let mut next: HashMap<String, i64> = HashMap::new();
        for append in group {
            let app_id = append.app_id();
            let last = match next.get(&app_id) {
                Some(last) => *last,
                None => match self.last_sequence(&table, &app_id).await {
                    Ok(last) => last,
                    Err(error) => {
                        fail(vec![append], &error);
                        continue;
                    }
                },
            };
            if append.sequence == last + 1 {
                next.insert(app_id, append.sequence);
                fresh.push(append);
            } else if append.sequence <= last && !next.contains_key(&app_id) {
                self.repeat(&table, append).await;
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
        fresh
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
        let log = table.log_store();
        let last = table
            .snapshot()?
            .transaction_version(log.as_ref(), app_id)
            .await?
            .unwrap_or(0);
        self.last.insert(app_id.to_owned(), last);
        Ok(last)
    }

    /// Answers a batch that was written before with its first result.
    async fn repeat(&self, table: &DeltaTable, append: Append) {
        let version = version_of(table);
        // The process that wrote it may have been killed before it could tell.
        if let Err(source) = stamp::changed(table) {
            let _ = append.reply.send(Err(local(source).into()));
            return;
        }
        let kept = self
            .results(&append.tenant, &append.producer)
            .await
            .unwrap_or_default();
        let answer = match kept.into_iter().find(|result| result.sequence == append.sequence) {
            Some(result) if result.digest != append.digest => Err(Error::SequenceReused {
                producer: append.producer.clone(),
                sequence: append.sequence,
            }),
            Some(result) => Ok(Appended {
                version,
                repeated: true,
                ..result
            }),
            // Older than the results kept: the check is a function of the rows, so its counts are the first ones.
            None => Ok(append.result(version, true)),
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

    /// Files first, then results, then the commit that makes both count.
    async fn commit(&self, fresh: &[Append]) -> Result<i64, Error> {
        let table = self.table.create().await?;
        let adds = write_files(&table, fresh).await?;
        let paths: Vec<String> = adds.iter().filter_map(path_of_add).collect();
        if let Err(error) = self.keep_results(fresh).await {
            discard(&table, &paths).await;
            return Err(error);
        }
        let mut newest: HashMap<String, i64> = HashMap::new();
        for append in fresh {
            newest.insert(append.app_id(), append.sequence);
        }
        let transactions: Vec<Transaction> = newest
            .into_iter()
            .map(|(app_id, sequence)| Transaction::new(app_id, sequence))
            .collect();
        let operation = || DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(crate::fact::PARTITION_COLUMNS.map(str::to_owned).to_vec()),
            predicate: None,
        };
        let mut table = table;
        // Since the group was settled another process may have written the same batches, sent to it by the same producer.
        if table.version() != self.seen && self.landed(&table, &transactions).await? {
            discard(&table, &paths).await;
            return Err(Error::Overtaken);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let properties = CommitProperties::default().with_application_transactions(transactions.clone());
            let state = table.snapshot()?;
            let committed = CommitBuilder::from(properties)
                .with_actions(adds.clone())
                .build(Some(state as &dyn TableReference), table.log_store(), operation())
                .await;
            match committed {
                Ok(done) => {
                    stamp::changed(&table).map_err(local)?;
                    return Ok(i64::try_from(done.version()).unwrap_or(i64::MAX));
                }
                Err(error) => {
                    table = self.table.create().await?;
                    if self.landed(&table, &transactions).await? {
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

    /// Whether another process wrote one of these producers' sequences meanwhile.
    async fn landed(&self, table: &DeltaTable, transactions: &[Transaction]) -> Result<bool, Error> {
        let log = table.log_store();
        for transaction in transactions {
            let stored = table
                .snapshot()?
                .transaction_version(log.as_ref(), &transaction.app_id)
                .await?;
            if stored.is_some_and(|stored| stored >= transaction.version) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn results_path(&self, tenant: &str, producer: &str) -> Path {
        Path::from_iter(["results", tenant, self.table.name, &format!("{producer}.json")])
    }

    async fn results(&self, tenant: &str, producer: &str) -> Result<VecDeque<Appended>, Error> {
        match self.store.get(&self.results_path(tenant, producer)).await {
            Ok(found) => {
                let what = format!("results of producer {producer}");
                serde_json::from_slice(&found.bytes().await?).map_err(|source| Error::Json { what, source })
            }
            Err(object_store::Error::NotFound { .. }) => Ok(VecDeque::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn keep_results(&self, fresh: &[Append]) -> Result<(), Error> {
        let mut producers: HashMap<(&str, &str), Vec<&Append>> = HashMap::new();
        for append in fresh {
            producers
                .entry((&append.tenant, &append.producer))
                .or_default()
                .push(append);
        }
        for ((tenant, producer), appends) in producers {
            let first = appends.first().map_or(0, |append| append.sequence);
            let mut kept = self.results(tenant, producer).await.unwrap_or_default();
            kept.retain(|result| result.sequence < first);
            kept.extend(appends.iter().map(|append| append.result(0, false)));
            while kept.len() > RESULTS_KEPT {
                kept.pop_front();
            }
            let what = format!("results of producer {producer}");
            let text = serde_json::to_vec(&kept).map_err(|source| Error::Json { what, source })?;
            self.store
                .put(&self.results_path(tenant, producer), text.into())
                .await?;
        }
        Ok(())
    }

    /// Joins small files, unless another process does. On an object store, where nothing tells, this is left to whoever
    /// runs the mesh.
    fn compact(&self) {
        if self.table.folder().is_none() {
            return;
        }
        let (table, busy) = (self.table.clone(), self.compacting.clone());
        if busy.swap(true, Ordering::SeqCst) {
            return;
        }
        tokio::spawn(async move {
            let done = async {
                let Some(_held) = table.try_rewriting()? else {
                    return Ok(());
                };
                match table.latest().await? {
                    Some(latest) => crate::table::compact(latest).await,
                    None => Ok(()),
                }
            };
            if let Err(error) = survived(done).await.map_err(Error::from).flatten() {
                tracing::warn!(table = table.name, error = %error, "a compaction failed; it is tried again later");
            }
            busy.store(false, Ordering::SeqCst);
        });
    }
}

fn version_of(table: &DeltaTable) -> i64 {
    table
        .version()
        .and_then(|version| i64::try_from(version).ok())
        .unwrap_or_default()
}

fn fail(group: Vec<Append>, error: &Error) {
    for append in group {
        let told = if error.is_full() {
            Error::Full
        } else {
            Error::Group(error.to_string())
        };
        let _ = append.reply.send(Err(told));
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
    for append in fresh.iter().filter(|append| append.batch.num_rows() > 0) {
        writer.write(fitted(&append.batch, &schema)?).await?;
    }
    Ok(writer.flush().await?.into_iter().map(Action::Add).collect())
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
