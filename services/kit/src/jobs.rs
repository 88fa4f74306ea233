//! Long work as a resource: any call of one message and one answer of a process, made in the background.
//!
//! A job passes the layers that a call passes, but for those that bound its time and its place: it is authorized, audited
//! and answered as the call itself would be.

mod live;
pub mod store;

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use dualwheel_proto::{
    Any,
    job::{self as proto, JobState, job_service_server::JobService},
    rpc,
};
use futures::{Stream, StreamExt, TryStreamExt};
use http::header::{CONTENT_TYPE, TE};
use http_body_util::Full;
use prost_reflect::prost::Message;
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status, body::Body};

use self::store::{NewJob, Outcome, State, StoredJob, StoredJobs};
use crate::{
    Call, Failure, Reason, Violations,
    access::{Effect, Method, Scope, named},
    beats,
    db::DatabaseConnection,
    failure,
    headers::{Deadline, REQUEST_ID},
    layers::{Answer, Next, OnBehalf, framed, permits, unframed},
    page::page_size,
    resource::{id_of, read_request_id, time_to_proto},
    store::states,
    survive::survived,
    work,
};
use live::{Live, Place};

/// What a type URL begins with.
const TYPES: &str = "type.googleapis.com/";
/// Largest request of a job: read as a message of any kind, it takes many times as much memory.
const REQUEST_BYTES: usize = 256 << 10;
/// What the request of a job is.
const NO_JOB: &str = "the request of a call of one message and one answer that is served here and gives no keys of consumers away";

/// The handlers.
#[derive(Clone)]
pub struct Service {
    live: Arc<Live>,
    database: DatabaseConnection,
    calls: Next,
    /// The methods that may be called, by the full names of their requests.
    methods: Arc<BTreeMap<String, &'static Method>>,
    limit: Duration,
    /// Largest answer, in bytes.
    largest: usize,
}

/// How much a job may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest time.
    pub time: Duration,
    /// Largest answer, in bytes.
    pub answer: usize,
}

impl Service {
    /// Jobs that make `calls` of `services`.
    pub(crate) fn new(database: DatabaseConnection, calls: Next, services: &[&str], limits: Limits) -> Self {
        let live = Arc::new(Live::new(database.clone()));
        beats::keep(&live);
        Self {
            live,
            database,
            calls,
            methods: Arc::new(methods(services)),
            limit: limits.time,
            largest: limits.answer,
        }
    }

    /// The method of a call and its message.
    fn asked(&self, request: Option<Any>) -> Result<(&'static Method, Bytes), Status> {
        let mut violations = Violations::new();
        let request = request.unwrap_or_default();
        let name = request.type_url.rsplit('/').next().unwrap_or_default();
        if let Some(method) = self.methods.get(name) {
            if request.value.len() > REQUEST_BYTES {
                violations.add("request.value", format!("at most {REQUEST_BYTES} bytes"));
                return Err(violations.refuse(Reason::InvalidQuestion));
            }
            if named::message(method.path, &request.value).is_some() {
                return Ok((method, request.value.into()));
            }
            violations.add("request.value", format!("the bytes of a {name}"));
        } else if name.is_empty() {
            violations.add("request", "the request of the call, with its type");
        } else {
            violations.add("request", format!("{NO_JOB}; `{name}` is none"));
        }
        Err(violations.refuse(Reason::InvalidQuestion))
    }

    async fn create(&self, call: &Call, request: proto::CreateJobRequest) -> Result<proto::Job, Status> {
        let proto::CreateJobRequest { request_id, request } = request;
        let mut violations = Violations::new();
        let request_id = read_request_id(&request_id, &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        let (method, message) = self.asked(request)?;
        permits(call, method, &message)?;
        let tenant = call.tenant();
        let jobs = StoredJobs::of(call, &self.database);
        if let Some(made) = jobs.by_request(request_id.as_deref()).await? {
            return self.current(&made, tenant);
        }
        let place = self.live.place(tenant).ok_or_else(|| too_many(tenant))?;
        let new = NewJob {
            id: place.id().to_owned(),
            method: method.path.to_owned(),
            request: message.to_vec(),
            request_id,
        };
        let (made, is_new) = jobs.create(new).await?;
        call.notes().resource(&format!("jobs/{}", made.id));
        let job = self.current(&made, tenant)?;
        if is_new {
            let request = self.request(call, &made.id, method, &message)?;
            let key = place.key().clone();
            let task = tokio::spawn(self.clone().work(jobs, place, request, method));
            self.live.begun(&key, task.abort_handle());
        }
        Ok(job)
    }

    /// What a job asks.
    fn request(
        &self,
        call: &Call,
        id: &str,
        method: &Method,
        message: &Bytes,
    ) -> Result<http::Request<Body>, Status> {
        let mut request = http::Request::builder()
            .method(http::Method::POST)
            .uri(format!("/{}", method.path))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .header(REQUEST_ID, id)
            .body(Body::new(Full::new(framed(message))))
            .map_err(|error| Failure::internal(&error).status())?;
        let extensions = request.extensions_mut();
        extensions.insert(OnBehalf(call.clone()));
        extensions.insert(Deadline(Instant::now() + self.limit));
        Ok(request)
    }

    async fn work(
        self,
        jobs: StoredJobs,
        place: Place,
        request: http::Request<Body>,
        method: &'static Method,
    ) {
        let progress = place.progress();
        let answered = async { Answer::read(self.calls.run(request).await).await };
        let answered = work::followed(Arc::clone(&progress), answered);
        let outcome = match survived(timeout(self.limit, answered)).await {
            Ok(Ok(answer)) => self.outcome(&answer),
            Ok(Err(_)) => {
                let failure = Failure::new(Reason::Deadline, "the job did not end in its time");
                failed(&failure.with("allowed_ms", self.limit.as_millis()).status())
            }
            Err(panicked) => failed(&Failure::internal(&panicked).status()),
        };
        let id = place.id();
        if let Err(error) = jobs.end(id, outcome, progress.told()).await {
            // Nobody says any more that it is worked on: it will be marked as interrupted.
            tracing::error!(job = id, method = method.path, %error, "the end of a job could not be stored");
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        match answer.good().and_then(unframed) {
            Some(message) if message.len() <= self.largest => Outcome::Answered(message.to_vec()),
            Some(message) => {
                let text = "the answer is larger than a message may be; ask for less at a time";
                let failure = Failure::new(Reason::AnswerTooLarge, text).with("bytes", message.len());
                failed(&failure.with("limit", self.largest).status())
            }
            None => failed(&answer.failure()),
        }
    }

    /// A stored job that the caller may see, as it stands.
    fn current(&self, made: &StoredJob, tenant: &str) -> Result<proto::Job, Status> {
        let mut job = to_proto(made)?;
        if made.state == State::Working
            && let Some(progress) = self.live.told(tenant, &made.id)
        {
            job.progress = Some(progress_to_proto(progress.told()));
        }
        Ok(job)
    }

    /// The job of a name, where the caller may see it and make its call.
    async fn named(&self, call: &Call, name: &str) -> Result<(StoredJobs, StoredJob), Status> {
        let jobs = StoredJobs::of(call, &self.database);
        let unknown = || Status::from(store::Error::Unknown(format!("jobs/ of the name {name:?}")));
        let id = id_of("jobs", name).ok_or_else(unknown)?;
        let made = jobs.get(&id).await?;
        if !may_make(call, &made.method) {
            return Err(unknown());
        }
        Ok((jobs, made))
    }
}

/// The methods of `services` whose requests tell them.
fn methods(services: &[&str]) -> BTreeMap<String, &'static Method> {
    let mut found: BTreeMap<String, Vec<&'static Method>> = BTreeMap::new();
    let offered = Method::all().iter().filter(|method| {
        let service = method.path.split('/').next().unwrap_or_default();
        services.contains(&service)
            && named::is_unary(method.path)
            && method.effect != Effect::Export
            && method.scope != Scope::ConsumersErase
    });
    for method in offered {
        if let Some(request) = named::request(method.path) {
            found
                .entry(request.full_name().to_owned())
                .or_default()
                .push(method);
        }
    }
    let alone = |(name, methods): (String, Vec<&'static Method>)| match methods[..] {
        [method] => Some((name, method)),
        _ => None,
    };
    found.into_iter().filter_map(alone).collect()
}

/// Whether who calls may make the call of a job.
fn may_make(call: &Call, method: &str) -> bool {
    let method = Method::all().iter().find(|one| one.path == method);
    method.is_some_and(|method| call.allows(method.scope))
}

fn too_many(tenant: &str) -> Status {
    let text = "as many jobs are at work or wait as may; wait until some have ended, or cancel some";
    Failure::new(Reason::JobLimit, text)
        .with("jobs", live::TENANT_JOBS)
        .quota(tenant, "jobs at work or waiting")
        .retry_after(Duration::from_secs(5))
        .status()
}

fn failed(status: &Status) -> Outcome {
    Outcome::Failed(failure::to_bytes(status))
}

fn progress_to_proto((step, done, total): (&str, u64, u64)) -> proto::JobProgress {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    proto::JobProgress {
        step: step.to_owned(),
        done: whole(done),
        total: whole(total),
    }
}

fn to_proto(made: &StoredJob) -> Result<proto::Job, Status> {
    let any = |name: Option<String>, value: &[u8]| Any {
        type_url: format!("{TYPES}{}", name.unwrap_or_default()),
        value: value.to_vec(),
    };
    let error = made.error.as_deref().map(rpc::Status::decode).transpose();
    let error = error.map_err(|error| {
        Status::from(store::Error::Damaged {
            resource: format!("jobs/{}", made.id),
            message: error.to_string(),
        })
    })?;
    let name = |message: prost_reflect::MessageDescriptor| message.full_name().to_owned();
    let answer = |bytes: &Vec<u8>| any(named::response(&made.method).map(name), bytes);
    Ok(proto::Job {
        name: format!("jobs/{}", made.id),
        method: made.method.clone(),
        request: Some(any(named::request(&made.method).map(name), &made.request)),
        state: made.state as i32,
        progress: Some(progress_to_proto((&made.step, made.done, made.total))),
        create_time: Some(time_to_proto(made.made_at)),
        end_time: made.ended_at.map(time_to_proto),
        answer: made.answer.as_ref().map(answer),
        error,
    })
}

#[tonic::async_trait]
impl JobService for Service {
    async fn create_job(
        &self,
        request: Request<proto::CreateJobRequest>,
    ) -> Result<Response<proto::CreateJobResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let job = Some(self.create(&call, asked).await?);
        Ok(Response::new(proto::CreateJobResponse { job }))
    }

    async fn get_job(
        &self,
        request: Request<proto::GetJobRequest>,
    ) -> Result<Response<proto::GetJobResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let (_, made) = self.named(&call, &asked.name).await?;
        let job = Some(self.current(&made, call.tenant())?);
        Ok(Response::new(proto::GetJobResponse { job }))
    }

    type WatchJobStream = Pin<Box<dyn Stream<Item = Result<proto::WatchJobResponse, Status>> + Send>>;

    async fn watch_job(
        &self,
        request: Request<proto::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let (call, asked) = Call::of(request)?;
        let (jobs, made) = self.named(&call, &asked.name).await?;
        let service = self.clone();
        let look = move || {
            let (service, jobs, call, id) = (service.clone(), jobs.clone(), call.clone(), made.id.clone());
            async move { service.current(&jobs.get(&id).await?, call.tenant()) }
        };
        let states = states(look, |job| job.state() == JobState::Working);
        let states = states.map_ok(|job| proto::WatchJobResponse { job: Some(job) });
        Ok(Response::new(states.boxed()))
    }

    async fn list_jobs(
        &self,
        request: Request<proto::ListJobsRequest>,
    ) -> Result<Response<proto::ListJobsResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let mut violations = Violations::new();
        let mut states = Vec::new();
        for (position, number) in asked.states.iter().enumerate() {
            match State::read(*number) {
                Some(state) => states.push(state),
                None => violations.add(format!("states[{position}]"), "a state of jobs"),
            }
        }
        violations.finish(Reason::InvalidQuestion)?;
        let size = page_size(asked.page_size)?;
        let page = StoredJobs::of(&call, &self.database)
            .list(&states, size, &asked.page_token)
            .await?;
        // A page may be shorter than asked for by what the caller may not see.
        let shown = page.items.iter().filter(|made| may_make(&call, &made.method));
        let jobs = shown.map(|made| {
            let job = self.current(made, call.tenant())?;
            Ok(proto::Job {
                request: None,
                answer: None,
                ..job
            })
        });
        Ok(Response::new(proto::ListJobsResponse {
            jobs: jobs.collect::<Result<_, Status>>()?,
            next_page_token: page.next,
        }))
    }

    async fn cancel_job(
        &self,
        request: Request<proto::CancelJobRequest>,
    ) -> Result<Response<proto::CancelJobResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let (jobs, made) = self.named(&call, &asked.name).await?;
        let tenant = call.tenant();
        let progress = self.live.told(tenant, &made.id);
        let progress = progress.map_or(("", 0, 0), |progress| progress.told());
        let ended = jobs.end(&made.id, Outcome::Cancelled, progress).await?;
        self.live.stop(&(tenant.to_owned(), made.id));
        let job = Some(to_proto(&ended)?);
        Ok(Response::new(proto::CancelJobResponse { job }))
    }

    async fn delete_job(
        &self,
        request: Request<proto::DeleteJobRequest>,
    ) -> Result<Response<proto::DeleteJobResponse>, Status> {
        let (call, asked) = Call::of(request)?;
        let (jobs, made) = self.named(&call, &asked.name).await?;
        if !jobs.delete(&made.id).await? {
            let text = "the job is at work; cancel it before it is deleted";
            return Err(Failure::new(Reason::JobAtWork, text).status());
        }
        Ok(Response::new(proto::DeleteJobResponse {}))
    }
}

#[cfg(test)]
mod tests;
