//! `FactService`: facts in over gRPC.

use std::{pin::Pin, sync::Arc, time::Duration};

use arrow::array::{Array, AsArray, RecordBatch};
use dualwheel_kit::{
    audit,
    failure::{Failure, Reason},
    shared::{Notice, Shared},
    tenant::tenant_of,
};
use dualwheel_proto::facts::{
    AppendRequest, AppendResponse, ConfigureTenantRequest, ConfigureTenantResponse, FactKind,
    GetTenantRequest, GetTenantResponse, RowRefusal, Tenant, append_request,
    fact_service_server::FactService,
};
use object_store::{ObjectStoreExt, path::Path};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    Error, TenantLake,
    append::{Append, Appended},
    check::{Checked, Ground, Refusal, check},
    erasure::suppressed::Suppressed,
    fact::{Content, Fact},
    ipc, rows, settings,
};

/// Rows that a batch may have.
pub const MOST_ROWS: usize = 131_072;
/// Bytes that a batch may have.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Refusals that an answer lists.
const REFUSALS_LISTED: usize = 100;
/// Batches of one stream that are checked or written at once.
const IN_FLIGHT: usize = 8;
/// How long a stream waits for its sender's next batch.
const IDLE: Duration = Duration::from_secs(300);

/// Takes the facts of the tables that this endpoint owns.
#[derive(Clone, Debug)]
pub struct Facts {
    lake: crate::Lake,
    owned: Arc<Vec<FactKind>>,
    shared: Option<Shared>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<AppendResponse, Status>> + Send>>;
type Prepared = tokio::task::JoinHandle<Result<(Append, Vec<Refusal>, Pending), Status>>;
type Pending = oneshot::Receiver<Result<Appended, Error>>;

impl Facts {
    /// Takes the facts whose tables `owners` own, for example `["consumer"]`.
    #[must_use]
    pub fn new(lake: crate::Lake, owners: &[&str]) -> Self {
        let owned = crate::fact::FACTS
            .iter()
            .filter(|fact| owners.contains(&fact.owner))
            .map(|fact| fact.kind);
        Self {
            lake,
            owned: Arc::new(owned.collect()),
            shared: None,
        }
    }

    /// Tells all processes of facts that were appended.
    #[must_use]
    pub fn telling(self, shared: Shared) -> Self {
        Self {
            shared: Some(shared),
            ..self
        }
    }

    fn owned_fact(&self, kind: i32) -> Result<&'static Fact, Status> {
        let known = FactKind::try_from(kind).ok().and_then(Fact::of);
        let fact = known.ok_or_else(|| {
            Failure::new(
                Reason::BatchMalformed,
                "the batch does not say which fact it holds",
            )
            .violation("kind", "name one of the facts")
        })?;
        if self.owned.contains(&fact.kind) {
            return Ok(fact);
        }
        let text = format!(
            "this endpoint does not own {}; send it to the {} service",
            fact.table, fact.owner
        );
        Err(Failure::new(Reason::FactNotOwned, text)
            .with("owner", fact.owner)
            .into())
    }

    /// Begins to check one batch.
    fn prepare(
        &self,
        tenant: &TenantLake,
        zone: chrono_tz::Tz,
        request: AppendRequest,
    ) -> Result<Prepared, Status> {
        let fact = self.owned_fact(request.kind)?;
        check_sender(&request)?;
        let tenant = tenant.clone();
        Ok(tokio::spawn(async move {
            let suppressed = tenant.suppressed().await?;
            let (producer, sequence) = (request.producer.clone(), request.sequence);
            let name = tenant.name().to_owned();
            let checked = tokio::task::spawn_blocking(move || {
                let given = batch_of(fact, request)?;
                let now = chrono::Utc::now().timestamp_micros();
                let checked = check(
                    fact,
                    &given,
                    &Ground {
                        tenant: &name,
                        zone,
                        now,
                    },
                )?;
                Ok::<_, Error>((given, checked))
            });
            let (given, checked) = checked.await.map_err(|error| Failure::internal(&error))??;
            // Of the batch as it was sent: it stays the same when a consumer is deleted before it is sent again.
            let digest = digest_of(fact, &checked.batch, checked.refusals.len());
            let buried = Buried {
                fact,
                given: &given,
                checked: &checked,
                suppressed: &suppressed,
            };
            let dead_letter = buried.keep(&tenant, &producer, sequence).await?;
            let Checked { batch, refusals } = suppressed.refuse(checked)?;
            let (reply, pending) = oneshot::channel();
            let append = Append {
                tenant: tenant.name().to_owned(),
                producer,
                sequence,
                batch,
                refused: refusals.len() as i64,
                dead_letter,
                digest,
                reply,
            };
            Ok((append, refusals, pending))
        }))
    }
}

#[tonic::async_trait]
impl FactService for Facts {
    type AppendStream = Answers;

    async fn append(&self, request: Request<Streaming<AppendRequest>>) -> Result<Response<Answers>, Status> {
        let tenant = self.lake.tenant(tenant_of(&request)?);
        let zone = tenant.fix_settings().await?.zone;
        let mut requests = request.into_inner();
        let (checking, mut checked) = mpsc::channel::<Result<(&'static Fact, Prepared), Status>>(IN_FLIGHT);
        let (writing, mut written) = mpsc::channel::<Result<(Pending, Vec<Refusal>), Status>>(IN_FLIGHT);
        let (answering, answers) = mpsc::channel::<Result<AppendResponse, Status>>(IN_FLIGHT);

        // Batches are checked side by side, handed to the committer in order, and answered in order.
        let (service, lake) = (self.clone(), tenant.clone());
        let (shared, name) = (self.shared.clone(), tenant.name().to_owned());
        let (notes, tables) = (audit::current(), audit::current());
        tokio::spawn(async move {
            loop {
                let next = match timeout(IDLE, requests.message()).await {
                    Ok(Ok(Some(request))) => {
                        let fact = service.owned_fact(request.kind);
                        fact.and_then(|fact| Ok((fact, service.prepare(&lake, zone, request)?)))
                    }
                    Ok(Ok(None)) => return,
                    Ok(Err(status)) => Err(unreadable(status)),
                    Err(_) => Err(idle()),
                };
                let ended = next.is_err();
                if checking.send(next).await.is_err() || ended {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            while let Some(next) = checked.recv().await {
                if let Ok((fact, _)) = &next {
                    tables.add_resource(fact.table);
                }
                let handed = hand_over(&tenant, next).await;
                let ended = handed.is_err();
                if writing.send(handed).await.is_err() || ended {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            while let Some(next) = written.recv().await {
                let answer = match next {
                    Ok((pending, refusals)) => answer(pending, &refusals).await,
                    Err(status) => Err(status),
                };
                let ended = answer.is_err();
                if let Ok(answer) = &answer {
                    notes.add_rows(u64::try_from(answer.accepted).unwrap_or_default());
                }
                if let Some(shared) = shared.as_ref().filter(|_| !ended) {
                    shared.notify(Notice::facts(&name));
                }
                if answering.send(answer).await.is_err() || ended {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers).fuse())))
    }

    async fn get_tenant(
        &self,
        request: Request<GetTenantRequest>,
    ) -> Result<Response<GetTenantResponse>, Status> {
        let tenant = self.lake.tenant(tenant_of(&request)?);
        let in_force = tenant.settings().await?;
        let owned = self.owned.iter().map(|kind| *kind as i32).collect();
        Ok(Response::new(GetTenantResponse {
            tenant: Some(to_proto(tenant.name(), &in_force)),
            owned,
        }))
    }

    async fn configure_tenant(
        &self,
        request: Request<ConfigureTenantRequest>,
    ) -> Result<Response<ConfigureTenantResponse>, Status> {
        let tenant = self.lake.tenant(tenant_of(&request)?);
        let asked = request.into_inner();
        let in_force = tenant.configure(&asked.time_zone, &asked.currency).await?;
        Ok(Response::new(ConfigureTenantResponse {
            tenant: Some(to_proto(tenant.name(), &in_force)),
        }))
    }
}

fn to_proto(name: &str, settings: &settings::Settings) -> Tenant {
    Tenant {
        name: name.to_owned(),
        time_zone: settings.zone.name().to_owned(),
        currency: settings.currency.clone(),
        configured: settings.fixed,
    }
}

async fn hand_over(
    tenant: &TenantLake,
    next: Result<(&'static Fact, Prepared), Status>,
) -> Result<(Pending, Vec<Refusal>), Status> {
    let (fact, prepared) = next?;
    let (append, refusals, pending) = prepared.await.map_err(|error| Failure::internal(&error))??;
    tenant.writer(fact)?.send(append).await?;
    Ok((pending, refusals))
}

async fn answer(pending: Pending, refusals: &[Refusal]) -> Result<AppendResponse, Status> {
    let result = pending.await.unwrap_or(Err(Error::BrokenOff))?;
    let listed = refusals.iter().take(REFUSALS_LISTED).map(|refusal| RowRefusal {
        row: refusal.row as i64,
        field: refusal.field.to_owned(),
        reason: refusal.reason.clone(),
    });
    Ok(AppendResponse {
        sequence: result.sequence,
        accepted: result.accepted,
        refused: result.refused,
        refusals: listed.collect(),
        table_version: result.version,
        repeated_batch: result.repeated,
        dead_letter: result.dead_letter,
    })
}

/// A stream that could not be decoded is the sender's fault, and says which field.
fn unreadable(status: Status) -> Status {
    match status.code() {
        Code::Internal | Code::InvalidArgument if status.message().contains("decode") => {
            let text = format!(
                "the batch is no valid message, nothing of it was kept: {}",
                status.message()
            );
            Failure::new(Reason::BatchMalformed, text).into()
        }
        Code::OutOfRange => {
            let text =
                format!("the batch is too large; at most {MOST_BYTES} bytes are admitted: send it in parts");
            Failure::new(Reason::BatchTooLarge, text)
                .with("most_bytes", MOST_BYTES)
                .into()
        }
        _ => status,
    }
}

fn idle() -> Status {
    let text = "no batch came for long; what was acknowledged is kept: go on with a new stream";
    let failure = Failure::new(Reason::Deadline, text);
    failure.with("allowed_ms", IDLE.as_millis()).into()
}

fn check_sender(request: &AppendRequest) -> Result<(), Status> {
    let mut failure = Failure::new(
        Reason::BatchMalformed,
        "the batch does not name its producer and sequence",
    );
    let length = request.producer.len();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let named = (1..=128).contains(&length) && request.producer.bytes().all(plain);
    if named && request.sequence >= 1 {
        return Ok(());
    }
    if !named {
        failure = failure.violation(
            "producer",
            "1 to 128 letters, digits, dots, hyphens or underscores",
        );
    }
    if request.sequence < 1 {
        failure = failure.violation("sequence", "counts from 1");
    }
    Err(failure.into())
}

/// The request's rows as one batch, in whatever types they came.
fn batch_of(fact: &Fact, request: AppendRequest) -> Result<RecordBatch, Error> {
    let malformed = |reason: String| Error::Malformed { reason };
    let batch = match request.batch {
        Some(append_request::Batch::Rows(given)) => rows::to_batch(fact.kind, &given)?.ok_or_else(|| {
            malformed(format!(
                "the batch says {} but holds rows of another fact",
                fact.name
            ))
        })?,
        Some(append_request::Batch::ArrowIpc(bytes)) => ipc::read(&bytes)?,
        None => return Err(malformed("the batch holds neither rows nor arrow_ipc".to_owned())),
    };
    ipc::admit_rows(batch.num_rows())?;
    Ok(batch)
}

/// Tells two bodies under one sequence apart: the number of rows and the keys of each.
fn digest_of(fact: &Fact, batch: &RecordBatch, refused: usize) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&(batch.num_rows() as u64).to_le_bytes());
    hasher.update(&(refused as u64).to_le_bytes());
    for column in fact
        .columns
        .iter()
        .filter(|column| column.content == Content::Key)
        .take(2)
    {
        if let Some(keys) = batch
            .column_by_name(column.name)
            .and_then(|array| array.as_string_opt::<i32>())
        {
            for key in keys.iter().flatten() {
                hasher.update(key.as_bytes());
                hasher.update(&[0]);
            }
        }
    }
    hasher.digest()
}

/// Rows of a batch that were refused.
struct Buried<'a> {
    fact: &'a Fact,
    given: &'a RecordBatch,
    checked: &'a Checked,
    suppressed: &'a Suppressed,
}

impl Buried<'_> {
    /// Keeps them, with field and reason, as a line of JSON each; answers where. Nothing is kept of consumers about whom
    /// everything was deleted.
    async fn keep(&self, tenant: &TenantLake, producer: &str, sequence: i64) -> Result<String, Error> {
        let mut lines = Vec::new();
        for refusal in &self.checked.refusals {
            let row = self.row(refusal.row);
            let consumer = row.get("consumer").and_then(serde_json::Value::as_str);
            if consumer.is_some_and(|key| self.suppressed.has(key)) {
                continue;
            }
            let line = serde_json::json!({
                "row": refusal.row, "field": refusal.field, "reason": refusal.reason, "fact": row,
            });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(String::new());
        }
        let file = format!("{producer}-{sequence}.jsonl");
        let path = Path::from_iter(["dead-letter", tenant.name(), self.fact.name, &file]);
        tenant.store().put(&path, lines.into()).await?;
        Ok(path.to_string())
    }

    fn row(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        let schema = self.given.schema();
        let columns = schema.fields().iter().zip(self.given.columns());
        columns
            .map(|(field, array)| (field.name().clone(), readable(array, row)))
            .collect()
    }
}

fn readable(array: &arrow::array::ArrayRef, row: usize) -> serde_json::Value {
    if row >= array.len() || array.is_null(row) {
        return serde_json::Value::Null;
    }
    match arrow::util::display::array_value_to_string(array, row) {
        Ok(text) => serde_json::Value::String(text),
        Err(error) => serde_json::Value::String(format!("unreadable: {error}")),
    }
}
