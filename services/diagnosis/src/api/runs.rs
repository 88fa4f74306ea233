//! Stored runs: start, work, watch, cancel, read.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    page::page_size,
    resource::{id_of, read_request_id, read_time, time_to_proto},
    store::states,
};
use dualwheel_proto::diagnosis as proto;
use futures::{FutureExt, Stream, StreamExt, stream};
use prost::Message;
use tokio::sync::watch;
use tonic::Status;
use tracing::Instrument;

use super::{
    diagnose::{Diagnoser, Question},
    live::{LiveRuns, Place, Progress, TENANT_RUNS},
};
use crate::store::{self, Filter, NewRun, Runs, State, StoredRun};

/// Time for a whole run: with hundreds of peers many calls follow one another.
const RUN_LIMIT: Duration = Duration::from_secs(3_600);

/// When to try again where all places for runs are taken.
const FULL: Duration = Duration::from_secs(10);

/// Starts a run. The same request id again answers the first run.
pub async fn start(
    diagnoser: &Arc<Diagnoser>,
    live: &Arc<LiveRuns>,
    call: &Call,
    request: proto::StartDiagnosisRequest,
) -> Result<proto::DiagnosisRun, Status> {
    let spec = request.spec.unwrap_or_default();
    let mut violations = Violations::new();
    let request_id = read_request_id(&request.request_id, &mut violations);
    violations.finish(Reason::InvalidQuestion)?;
    let runs = Runs::of(call, &diagnoser.database);
    if let Some(made) = runs.by_request(request_id.as_deref()).await? {
        return repeated(live, call, &made, &spec);
    }
    let place = place(live, call)?;
    let question = diagnoser.question(call, &spec).await?;
    diagnoser.check(call, &question).await?;
    let new = NewRun {
        brand: question.brand.clone(),
        peers: question.seen_peers(),
        spec: spec.encode_to_vec(),
        total_steps: question.steps(),
        request_id,
    };
    let (made, is_new) = runs.create(new).await?;
    if !is_new {
        return repeated(live, call, &made, &spec);
    }
    call.notes().resource(&format!("runs/{}", made.id));
    Work::new(diagnoser, live, call, (runs, made), place).begin(question)
}

/// Starts a run again that ended without a whole result, under its name: everything is asked again, so that all of the
/// result is of one state of the facts. One that works or has succeeded stays as it is.
pub async fn resume(
    diagnoser: &Arc<Diagnoser>,
    live: &Arc<LiveRuns>,
    call: &Call,
    name: &str,
) -> Result<proto::DiagnosisRun, Status> {
    let id = run_id(name)?;
    let runs = Runs::of(call, &diagnoser.database);
    let made = runs.get(&id).await?;
    if matches!(made.state, State::Running | State::Succeeded) {
        return current(live, call, &made);
    }
    let place = place(live, call)?;
    let spec = run_to_proto(&made)?.spec.unwrap_or_default();
    let question = diagnoser.question(call, &spec).await?;
    diagnoser.check(call, &question).await?;
    let resumed = runs.resume(&id, &question.seen_peers(), question.steps()).await?;
    let Some(made) = resumed else {
        // Another call was faster.
        return current(live, call, &runs.get(&id).await?);
    };
    Work::new(diagnoser, live, call, (runs, made), place).begin(question)
}

fn place(live: &LiveRuns, call: &Call) -> Result<Place, Status> {
    let full = || {
        Failure::new(
            Reason::RunLimit,
            "as many diagnoses are at work or wait as may; wait until some have ended, or cancel some",
        )
        .with("runs", TENANT_RUNS)
        .quota(call.tenant(), "diagnosis runs at work or waiting")
        .retry_after(FULL)
        .status()
    };
    live.place(call.tenant()).ok_or_else(full)
}

fn repeated(
    live: &LiveRuns,
    call: &Call,
    made: &StoredRun,
    spec: &proto::DiagnosisSpec,
) -> Result<proto::DiagnosisRun, Status> {
    let run = current(live, call, made)?;
    if run.spec.as_ref() == Some(spec) {
        return Ok(run);
    }
    Err(store::Error::RequestReused(run.name).into())
}

/// A run at work.
struct Work {
    diagnoser: Arc<Diagnoser>,
    live: Arc<LiveRuns>,
    call: Call,
    runs: Runs,
    made: StoredRun,
    _place: Place,
}

impl Work {
    fn new(
        diagnoser: &Arc<Diagnoser>,
        live: &Arc<LiveRuns>,
        call: &Call,
        (runs, made): (Runs, StoredRun),
        place: Place,
    ) -> Self {
        Self {
            diagnoser: Arc::clone(diagnoser),
            live: Arc::clone(live),
            call: call.clone(),
            runs,
            made,
            _place: place,
        }
    }

    fn begin(self, question: Question) -> Result<proto::DiagnosisRun, Status> {
        let run = run_to_proto(&self.made)?;
        let (live, call, id) = (Arc::clone(&self.live), self.call.clone(), self.made.id.clone());
        live.begin(call.tenant(), run.clone(), &id, |progress| {
            let work = self.run(question, progress);
            tokio::spawn(work.instrument(call.trace().clone())).abort_handle()
        });
        Ok(run)
    }

    async fn run(self, question: Question, progress: watch::Sender<Progress>) {
        // The semaphore is never closed.
        let _turn = self.diagnoser.places.acquire().await;
        let step = |text: String| {
            progress.send_modify(|progress| {
                progress.done_steps += 1;
                progress.step = text;
            });
        };
        let diagnosis = self.diagnoser.diagnose(&self.call, &question, RUN_LIMIT, &step);
        // A panic in here must not leave the run working for ever.
        let outcome = AssertUnwindSafe(diagnosis).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Failure::new(
                Reason::Internal,
                "something went wrong inside; see the server's log",
            )
            .status())
        });
        let done = progress.borrow().done_steps;
        match self
            .keep(outcome, done)
            .await
            .map_err(Status::from)
            .and_then(|ended| run_to_proto(&ended))
        {
            Ok(run) => self.live.end(self.call.tenant(), &self.made.id, &run),
            Err(status) => {
                tracing::error!(run = self.made.id, %status, "the end of a run could not be stored");
                let failed = proto::DiagnosisRun {
                    state: proto::RunState::Failed.into(),
                    done_steps: done,
                    error: "the result could not be stored; start the diagnosis again".to_owned(),
                    ..proto::DiagnosisRun::clone(&progress.borrow().run)
                };
                self.live.end(self.call.tenant(), &self.made.id, &failed);
            }
        }
    }

    async fn keep(
        &self,
        outcome: Result<proto::Diagnosis, Status>,
        done: i32,
    ) -> Result<StoredRun, store::Error> {
        let id = &self.made.id;
        match outcome {
            Ok(diagnosis) => {
                let state = if diagnosis.partial {
                    State::Partial
                } else {
                    State::Succeeded
                };
                self.runs
                    .end(id, state, done, Some(diagnosis.encode_to_vec()), "")
                    .await
            }
            Err(status) => {
                // What was there before a run was resumed is still true of its day.
                let state = if self.made.result.is_some() {
                    State::Partial
                } else {
                    State::Failed
                };
                self.runs.end(id, state, done, None, status.message()).await
            }
        }
    }
}

/// Follows a run to its end.
pub async fn watch(
    diagnoser: &Diagnoser,
    live: &LiveRuns,
    call: &Call,
    name: &str,
) -> Result<Pin<Box<dyn Stream<Item = Result<proto::WatchRunResponse, Status>> + Send>>, Status> {
    let id = run_id(name)?;
    // Looked up before the store: a run that ends in between is then found ended there.
    let here = live.follow(call.tenant(), &id);
    let runs = Runs::of(call, &diagnoser.database);
    // The store also says whether the caller may see it.
    runs.get(&id).await?;
    if let Some(receiver) = here {
        return Ok(follow(receiver).map(Ok).boxed());
    }
    Ok(elsewhere(runs, id).boxed())
}

/// Each state in which a run is seen that works at another process, or has ended; the first at once.
fn elsewhere(runs: Runs, id: String) -> impl Stream<Item = Result<proto::WatchRunResponse, Status>> + Send {
    let look = move || {
        let (runs, id) = (runs.clone(), id.clone());
        async move { runs.get(&id).await.map_err(Status::from) }
    };
    let seen = states(look, |run: &StoredRun| run.state == State::Running);
    seen.map(|run| {
        let run = run?;
        let working = run.state == State::Running;
        Ok(proto::WatchRunResponse {
            run: Some(run_to_proto(&run)?),
            step: if working { "started" } else { "ended" }.to_owned(),
        })
    })
}

/// Each state that is seen, the first at once; who reads slowly misses some between, never the last.
fn follow(receiver: watch::Receiver<Progress>) -> impl Stream<Item = proto::WatchRunResponse> + Send {
    stream::unfold(Some((receiver, true)), |state| async move {
        let (mut receiver, first) = state?;
        if !first && receiver.changed().await.is_err() {
            return None;
        }
        let progress = receiver.borrow_and_update().clone();
        let answer = proto::WatchRunResponse {
            run: Some(progress.run()),
            step: progress.step,
        };
        Some((answer, (!progress.ended).then_some((receiver, false))))
    })
}

/// Ends a run; one that has ended before stays as it was.
pub async fn cancel(
    diagnoser: &Diagnoser,
    live: &LiveRuns,
    call: &Call,
    name: &str,
) -> Result<proto::DiagnosisRun, Status> {
    let id = run_id(name)?;
    let runs = Runs::of(call, &diagnoser.database);
    let done = live
        .follow(call.tenant(), &id)
        .map(|receiver| receiver.borrow().done_steps)
        .unwrap_or_default();
    let run = runs.end(&id, State::Cancelled, done, None, "").await?;
    let run = run_to_proto(&run)?;
    live.end(call.tenant(), &id, &run);
    Ok(run)
}

/// One run as it stands.
pub async fn get(
    diagnoser: &Diagnoser,
    live: &LiveRuns,
    call: &Call,
    name: &str,
) -> Result<proto::DiagnosisRun, Status> {
    let made = Runs::of(call, &diagnoser.database).get(&run_id(name)?).await?;
    current(live, call, &made)
}

/// A page of runs without results.
pub async fn list(
    diagnoser: &Diagnoser,
    live: &LiveRuns,
    call: &Call,
    request: &proto::ListRunsRequest,
) -> Result<proto::ListRunsResponse, Status> {
    let filter = read_filter(request)?;
    let size = page_size(request.page_size)?;
    let page = Runs::of(call, &diagnoser.database)
        .list(&filter, size, &request.page_token)
        .await?;
    let runs = page.items.iter().map(|made| {
        let run = current(live, call, made)?;
        Ok(proto::DiagnosisRun { result: None, ..run })
    });
    Ok(proto::ListRunsResponse {
        runs: runs.collect::<Result<_, Status>>()?,
        next_page_token: page.next,
    })
}

fn read_filter(request: &proto::ListRunsRequest) -> Result<Filter, Status> {
    let mut violations = Violations::new();
    let mut states = Vec::new();
    for (position, number) in request.states.iter().enumerate() {
        match State::read(*number) {
            Some(state) => states.push(state),
            None => violations.add(format!("states[{position}]"), "a state of runs"),
        }
    }
    let filter = Filter {
        brand: (!request.brand.is_empty()).then(|| request.brand.clone()),
        states,
        from: read_time("created_from", request.created_from.as_ref(), &mut violations),
        before: read_time("created_before", request.created_before.as_ref(), &mut violations),
    };
    violations.finish(Reason::InvalidQuestion)?;
    Ok(filter)
}

/// A stored run with the steps that it has done since.
fn current(live: &LiveRuns, call: &Call, made: &StoredRun) -> Result<proto::DiagnosisRun, Status> {
    let mut run = run_to_proto(made)?;
    if let Some(receiver) = live
        .follow(call.tenant(), &made.id)
        .filter(|_| made.state == State::Running)
    {
        run.done_steps = receiver.borrow().done_steps;
    }
    Ok(run)
}

/// A stored run as the contract writes it.
pub fn run_to_proto(run: &StoredRun) -> Result<proto::DiagnosisRun, Status> {
    let damaged = |error: prost::DecodeError| {
        let resource = format!("runs/{}", run.id);
        Status::from(store::Error::Damaged {
            resource,
            message: error.to_string(),
        })
    };
    let result = run
        .result
        .as_deref()
        .map(proto::Diagnosis::decode)
        .transpose()
        .map_err(damaged)?;
    Ok(proto::DiagnosisRun {
        name: format!("runs/{}", run.id),
        spec: Some(proto::DiagnosisSpec::decode(run.spec.as_slice()).map_err(damaged)?),
        state: run.state as i32,
        done_steps: run.done_steps,
        total_steps: run.total_steps,
        create_time: Some(time_to_proto(run.made_at)),
        end_time: run.ended_at.map(time_to_proto),
        result,
        error: run.error.clone(),
    })
}

fn run_id(name: &str) -> Result<String, Status> {
    id_of("runs", name).ok_or_else(|| store::Error::Unknown(format!("runs/ of the name {name:?}")).into())
}
