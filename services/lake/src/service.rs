//! `FactService`: facts in over gRPC.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arrow::{
    array::RecordBatch,
    row::{RowConverter, SortField},
};
use chrono_tz::Tz;
use dualwheel_kit::{
    Call,
    failure::{Failure, Reason},
    shared::{Notice, Shared},
};
use dualwheel_proto::{
    MOST_ELEMENTS,
    facts::{
        AppendRequest, AppendResponse, ConfigureTenantRequest, ConfigureTenantResponse, FactKind,
        GetProducerRequest, GetProducerResponse, GetTenantRequest, GetTenantResponse, ListBrandsRequest,
        ListBrandsResponse, ListCoverageRequest, ListCoverageResponse, ListDimensionValuesRequest,
        ListDimensionValuesResponse, RowRefusal, Tenant, WatchDataVersionsRequest, WatchDataVersionsResponse,
        append_request, fact_service_server::FactService,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    Error, TenantLake,
    acknowledged::Appended,
    append::Append,
    check::{self, Checked, Ground, Refusal, check},
    dead_letters::{self, DeadLetters, Letter},
    discovery::{self, Discovery},
    erasure::suppressed::Suppressed,
    fact::Fact,
    ipc,
    reader::blocking,
    rows, settings,
};

/// Rows that a batch may have.
pub const MOST_ROWS: usize = dualwheel_proto::MOST_ROWS;
/// Bytes that a batch may have.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;
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
    batch_rows: usize,
    letters: Arc<DeadLetters>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<AppendResponse, Status>> + Send>>;
type Prepared = tokio::task::JoinHandle<Result<(Append, Pending), Status>>;
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
            batch_rows: MOST_ROWS,
            letters: Arc::default(),
        }
    }

    /// Takes batches of at most so many rows, never of more than [`MOST_ROWS`], and keeps what it refuses within bounds.
    #[must_use]
    pub fn bounded(self, batch_rows: usize, dead_letters: dead_letters::Bounds) -> Self {
        Self {
            batch_rows: batch_rows.min(MOST_ROWS),
            letters: Arc::new(DeadLetters::new(dead_letters)),
            ..self
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

    async fn discovery<'a>(&'a self, call: &'a Call) -> Result<Discovery<'a>, Status> {
        Ok(Discovery {
            call,
            reader: self.lake.of(call).reader(&BTreeMap::new()).await?,
            owned: &self.owned,
        })
    }

    fn owned_fact(&self, kind: i32) -> Result<&'static Fact, Status> {
        let known = FactKind::try_from(kind).ok().and_then(Fact::of);
        let fact = known.ok_or_else(|| {
            Failure::new(
                Reason::BatchMalformed,
                "the request does not say which fact it is about",
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
        fixed: &Fixed,
        request: AppendRequest,
    ) -> Result<Prepared, Status> {
        let fact = self.owned_fact(request.kind)?;
        check_sender(&request)?;
        let (tenant, fixed) = (tenant.clone(), fixed.clone());
        let (rows, letters) = (self.batch_rows, self.letters.clone());
        Ok(tokio::spawn(async move {
            let suppressed = tenant.suppressed().await?;
            let (producer, sequence) = (request.producer.clone(), request.sequence);
            let (given, digest) = blocking(move || {
                let given = batch_of(fact, request, rows)?;
                let digest = digest_of(&given)?;
                Ok((given, digest))
            })
            .await?;
            let (refused, left) =
                admit(&tenant, fact, &given, (&producer, sequence), &suppressed, &fixed).await?;
            let letter = Letter {
                given,
                refusals: refused,
                suppressed,
            };
            let name = format!("{producer}-{sequence}-{digest:016x}");
            let dead_letter = letters.keep(&tenant, fact, letter, &name).await?;
            let (reply, pending) = oneshot::channel();
            let append = Append {
                tenant: tenant.name().to_owned(),
                producer,
                sequence,
                batch: left.batch,
                refusals: left.refusals,
                dead_letter,
                digest,
                reply,
            };
            Ok((append, pending))
        }))
    }
}

/// The tenant's zone, once a stream knows that it is fixed.
type Fixed = Arc<OnceLock<Tz>>;

/// Checks a batch in the tenant's zone; answers the rows at fault, and the batch without them and without those about consumers
/// about whom everything was deleted. The first row that is admitted fixes the tenant's settings: where others were fixed
/// meanwhile, the batch is checked again.
async fn admit(
    tenant: &TenantLake,
    fact: &'static Fact,
    given: &RecordBatch,
    (producer, sequence): (&str, i64),
    suppressed: &Arc<Suppressed>,
    fixed: &Fixed,
) -> Result<(Vec<Refusal>, Checked), Error> {
    loop {
        let known = fixed.get().copied();
        let zone = match known {
            Some(zone) => zone,
            None => tenant.settings().await?.zone,
        };
        let (name, producer) = (tenant.name().to_owned(), producer.to_owned());
        let (given, suppressed) = (given.clone(), suppressed.clone());
        let (at_fault, left) = blocking(move || {
            let ground = Ground {
                tenant: &name,
                zone,
                now: chrono::Utc::now().timestamp_micros(),
                source: (&producer, sequence),
            };
            let checked = check(fact, &given, &ground)?;
            Ok((checked.refusals.clone(), suppressed.refuse(checked)?))
        })
        .await?;
        if known.is_some() || left.batch.num_rows() == 0 {
            return Ok((at_fault, left));
        }
        let in_force = tenant.fix_settings().await?.zone;
        let _ = fixed.set(in_force);
        if in_force == zone {
            return Ok((at_fault, left));
        }
    }
}

#[tonic::async_trait]
impl FactService for Facts {
    type AppendStream = Answers;

    async fn append(&self, request: Request<Streaming<AppendRequest>>) -> Result<Response<Answers>, Status> {
        let (call, mut requests) = Call::of(request)?;
        let tenant = self.lake.of(&call);
        let (checking, mut checked) = mpsc::channel::<Result<(&'static Fact, Prepared), Status>>(IN_FLIGHT);
        let (writing, mut written) = mpsc::channel::<Result<Pending, Status>>(IN_FLIGHT);
        let (answering, answers) = mpsc::channel::<Result<AppendResponse, Status>>(IN_FLIGHT);

        // Batches are checked side by side, handed to the committer in order, and answered in order.
        let (service, lake) = (self.clone(), tenant.clone());
        let (shared, name) = (self.shared.clone(), tenant.name().to_owned());
        let (notes, tables) = (call.notes().clone(), call.notes().clone());
        let fixed = Fixed::default();
        tokio::spawn(async move {
            loop {
                let next = match timeout(IDLE, requests.message()).await {
                    Ok(Ok(Some(request))) => {
                        let fact = service.owned_fact(request.kind);
                        fact.and_then(|fact| Ok((fact, service.prepare(&lake, &fixed, request)?)))
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
                    tables.resource(fact.table);
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
                    Ok(pending) => answer(pending).await,
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

    async fn get_producer(
        &self,
        request: Request<GetProducerRequest>,
    ) -> Result<Response<GetProducerResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let tenant = self.lake.of(&call);
        let fact = self.owned_fact(asked.kind)?;
        if !is_name(&asked.producer) {
            let failure = Failure::new(Reason::BatchMalformed, "the request does not name a producer");
            return Err(failure.violation("producer", NAMES).into());
        }
        let last_sequence = tenant.last_sequence(fact, &asked.producer).await?;
        Ok(Response::new(GetProducerResponse { last_sequence }))
    }

    async fn list_brands(
        &self,
        request: Request<ListBrandsRequest>,
    ) -> Result<Response<ListBrandsResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        Ok(Response::new(self.discovery(&call).await?.brands(&asked).await?))
    }

    async fn list_coverage(
        &self,
        request: Request<ListCoverageRequest>,
    ) -> Result<Response<ListCoverageResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        Ok(Response::new(
            self.discovery(&call).await?.coverage(&asked).await?,
        ))
    }

    async fn list_dimension_values(
        &self,
        request: Request<ListDimensionValuesRequest>,
    ) -> Result<Response<ListDimensionValuesResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        Ok(Response::new(self.discovery(&call).await?.values(&asked).await?))
    }

    type WatchDataVersionsStream =
        Pin<Box<dyn Stream<Item = Result<WatchDataVersionsResponse, Status>> + Send>>;

    async fn watch_data_versions(
        &self,
        request: Request<WatchDataVersionsRequest>,
    ) -> Result<Response<Self::WatchDataVersionsStream>, Status> {
        let (_, WatchDataVersionsRequest {}) = Call::of(request)?;
        let told = discovery::versions(self.lake.clone(), self.owned.to_vec());
        Ok(Response::new(Box::pin(told)))
    }

    async fn get_tenant(
        &self,
        request: Request<GetTenantRequest>,
    ) -> Result<Response<GetTenantResponse>, Status> {
        let (call, GetTenantRequest {}) = Call::of(request)?;
        let tenant = self.lake.of(&call);
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
        let (call, asked) = Call::of(request)?;
        let tenant = self.lake.of(&call);
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
) -> Result<Pending, Status> {
    let (fact, prepared) = next?;
    let (append, pending) = prepared.await.map_err(|error| Failure::internal(&error))??;
    tenant.writer(fact)?.send(append).await?;
    Ok(pending)
}

async fn answer(pending: Pending) -> Result<AppendResponse, Status> {
    let result = pending.await.unwrap_or(Err(Error::BrokenOff))?;
    let listed = result.refusals.into_iter().map(|refusal| RowRefusal {
        row: refusal.row as i64,
        field: refusal.field,
        reason: refusal.reason,
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
            let text = format!(
                "the batch is too large; at most {MOST_ROWS} rows, {MOST_ELEMENTS} elements of lists in them and {MOST_BYTES} \
                 bytes are admitted: send it in parts"
            );
            Failure::new(Reason::BatchTooLarge, text)
                .with("most_rows", MOST_ROWS)
                .with("most_elements", MOST_ELEMENTS)
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

/// What names of producers are like.
const NAMES: &str = "1 to 128 letters, digits, dots, hyphens or underscores";

fn is_name(producer: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&producer.len()) && producer.bytes().all(plain)
}

fn check_sender(request: &AppendRequest) -> Result<(), Status> {
    let mut failure = Failure::new(
        Reason::BatchMalformed,
        "the batch does not name its producer and sequence",
    );
    let named = is_name(&request.producer);
    if named && request.sequence >= 1 {
        return Ok(());
    }
    if !named {
        failure = failure.violation("producer", NAMES);
    }
    if request.sequence < 1 {
        failure = failure.violation("sequence", "counts from 1");
    }
    Err(failure.into())
}

/// The request's rows as one batch, in whatever types they came.
fn batch_of(fact: &Fact, request: AppendRequest, most_rows: usize) -> Result<RecordBatch, Error> {
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
    ipc::admit_rows(batch.num_rows(), most_rows)?;
    Ok(batch)
}

/// Rows that are digested at once.
const DIGESTED: usize = 4_096;

/// Tells two bodies under one sequence apart: by every column of every row, as they were sent.
fn digest_of(given: &RecordBatch) -> Result<u64, Error> {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&given.num_rows().to_le_bytes());
    let mut sorts = Vec::with_capacity(given.num_columns());
    for field in given.schema().fields() {
        let sort = SortField::new(field.data_type().clone());
        if !RowConverter::supports_fields(std::slice::from_ref(&sort)) {
            return Err(check::unreadable(field.name(), field.data_type()));
        }
        sorts.push(sort);
        hasher.update(field.name().as_bytes());
        hasher.update(&[0]);
    }
    let converter = RowConverter::new(sorts)?;
    for first in (0..given.num_rows()).step_by(DIGESTED) {
        let some = given.slice(first, DIGESTED.min(given.num_rows() - first));
        for row in &converter.convert_columns(some.columns())? {
            hasher.update(&row.as_ref().len().to_le_bytes());
            hasher.update(row.as_ref());
        }
    }
    Ok(hasher.digest())
}
