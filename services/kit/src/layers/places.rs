//! How many calls and streams are in hand at once, and what the rest get.
//!
//! A stream that waits for its caller for long, to send the next message or to take an answer, gives its place up when another
//! one needs it, so that nobody holds places without using them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};

use super::{Layer, Next, is_health, is_single, refused, streams::end_of_answers};
use crate::{Call, Failure, Reason};

/// When to try again where a place was taken but now.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often that wait doubles at most, while more calls are refused than let in.
const DOUBLINGS: u32 = 5;
/// After how long of waiting for its caller a stream gives its place up to another.
const IDLE: Duration = Duration::from_secs(10);

/// Refuses single calls beyond `limit` at once instead of queueing them, and streams beyond as many; a stream counts until it
/// ends. Health is always answered, or an orchestrator would take a busy server for a dead one.
pub(super) fn load_shed(limit: usize) -> Layer {
    let [calls, streams] = [(); 2].map(|()| Places::new(limit, IDLE));
    Layer::new("load-shed", move |request: Request<Body>, next: Next| {
        let single = is_single(&request);
        let places = if single { &calls } else { &streams };
        let place = (!is_health(&request)).then(|| places.take());
        async move {
            match place {
                None => next.run(request).await,
                // A caller who does not read a single answer holds no place: only a stream is work that goes on.
                Some(Ok(_held)) if single => next.run(request).await,
                Some(Ok(place)) => held(place, request, next).await,
                Some(Err(wait)) => refused(&request, overloaded(limit, wait)),
            }
        }
    })
}

/// Refuses streams of a tenant beyond half of `limit` at once, so that none has them all.
pub(super) fn stream_share(limit: usize) -> Layer {
    shared_among(limit.div_ceil(2), IDLE)
}

fn shared_among(share: usize, idle: Duration) -> Layer {
    let tenants: Arc<Mutex<HashMap<String, Arc<Places>>>> = Arc::default();
    Layer::beside("stream-share", move |request, next| {
        let call = request.extensions().get::<Call>();
        let Some(call) = call.filter(|_| !is_single(&request)).cloned() else {
            return next.run(request);
        };
        let place = {
            let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
            let of_tenant = tenants
                .entry(call.tenant().to_owned())
                .or_insert_with(|| Places::new(share, idle));
            of_tenant.take()
        };
        let work = async move {
            match place {
                Ok(place) => held(place, request, next).await,
                Err(wait) => {
                    let quota = format!("{share} streams at once");
                    refused(&request, overloaded(share, wait).quota(call.tenant(), quota))
                }
            }
        };
        work.boxed()
    })
}

fn overloaded(limit: usize, wait: Duration) -> Failure {
    let failure = Failure::new(Reason::Overloaded, "too many calls are in hand; try again later");
    failure.with("limit", limit).retry_after(wait)
}

/// So many may be in hand at once.
struct Places {
    limit: usize,
    /// After how long of waiting for its caller a stream gives its place up to another.
    idle: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    held: HashMap<u64, Arc<Holder>>,
    /// How many more were refused than let in, recently.
    refused: u32,
}

/// Who holds a place.
#[derive(Default)]
struct Holder {
    /// Since when it waits for its caller's next message, and for its caller to take an answer; none where it does not.
    waits: Mutex<[Option<Instant>; 2]>,
    /// That its place was given to another.
    ended: CancellationToken,
    /// That it was, because nobody takes the answers.
    untaken: CancellationToken,
}

/// A place, held until it is dropped.
struct Place {
    places: Arc<Places>,
    number: u64,
    holder: Arc<Holder>,
}

impl Places {
    fn new(limit: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            idle,
            inner: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free place, or that of who has been idle the longest.
    ///
    /// # Errors
    /// How long to wait where there is none; the longer, the more were refused recently.
    fn take(self: &Arc<Self>) -> Result<Place, Duration> {
        let mut inner = self.lock();
        if inner.held.len() >= self.limit && !inner.end_idle(self.idle) {
            let doublings = f64::from(inner.refused) / self.limit.max(1) as f64;
            let most = DOUBLINGS.saturating_mul(u32::try_from(self.limit).unwrap_or(u32::MAX));
            inner.refused = inner.refused.saturating_add(1).min(most);
            return Err(FIRST_WAIT.mul_f64(doublings.exp2()));
        }
        inner.refused = inner.refused.saturating_sub(1);
        inner.next += 1;
        let (number, holder) = (inner.next, Arc::<Holder>::default());
        inner.held.insert(number, holder.clone());
        Ok(Place {
            places: self.clone(),
            number,
            holder,
        })
    }
}

impl Inner {
    /// Ends the stream that has waited for its caller the longest, if that is long; whether there was one.
    fn end_idle(&mut self, long: Duration) -> bool {
        let waiting = self
            .held
            .iter()
            .filter_map(|(number, holder)| Some((holder.waits()?, *number)));
        let longest = waiting.min().filter(|(since, _)| since.elapsed() >= long);
        let Some(idle) = longest.and_then(|(_, number)| self.held.remove(&number)) else {
            return false;
        };
        if idle.is_untaken(long) {
            idle.untaken.cancel();
        }
        idle.ended.cancel();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().held.remove(&self.number);
    }
}

/// What a stream waits for its caller to do.
#[derive(Clone, Copy)]
enum Awaited {
    Message,
    Taking,
}

impl Holder {
    fn waits(&self) -> Option<Instant> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.iter().flatten().min().copied()
    }

    fn is_untaken(&self, long: Duration) -> bool {
        let [_, taking] = *self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        taking.is_some_and(|since| since.elapsed() >= long)
    }

    fn set_waits(&self, awaited: Awaited, since: Option<Instant>) {
        let [message, taking] = &mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = match awaited {
            Awaited::Message => message,
            Awaited::Taking => taking,
        };
        *waits = since;
    }
}

/// Passes a stream on, which keeps the place until its answer is read or given up.
async fn held(place: Place, request: Request<Body>, next: Next) -> Response<Body> {
    let holder = place.holder.clone();
    let request = request.map(|body| while_placed(body, holder));
    let response = next.run(request).await;
    if response.headers().contains_key(Status::GRPC_STATUS) {
        return response;
    }
    response.map(|body| while_taken(body, place))
}

/// What the service answers, for as long as the stream has its place. A task of its own asks for it: who does not take the
/// answers cannot keep the service from noticing that the place is gone.
fn while_taken(mut body: Body, place: Place) -> Body {
    let (sender, answers) = mpsc::channel::<Result<Frame<Bytes>, Status>>(1);
    let holder = place.holder.clone();
    holder.set_waits(Awaited::Taking, Some(Instant::now()));
    tokio::spawn(async move {
        let pass = async {
            while let Some(frame) = body.frame().await {
                if sender.send(frame).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = pass => {}
            () = sender.closed() => {}
            () = holder.untaken.cancelled() => {}
        }
    });
    let frames = stream::unfold(Some((answers, place)), |state| async move {
        let (mut answers, place) = state?;
        let holder = &place.holder;
        holder.set_waits(Awaited::Taking, None);
        let Some(frame) = answers.recv().await else {
            let untaken = holder.untaken.is_cancelled();
            return untaken.then(|| (Ok(end_of_answers(&untaken_for_long())), None));
        };
        holder.set_waits(Awaited::Taking, Some(Instant::now()));
        Some((frame, Some((answers, place))))
    });
    Body::new(StreamBody::new(frames))
}

/// What a caller sends, for as long as the stream has its place.
fn while_placed(body: Body, holder: Arc<Holder>) -> Body {
    let frames = stream::unfold(Some((body, holder)), |state| async move {
        let (mut body, holder) = state?;
        holder.set_waits(Awaited::Message, Some(Instant::now()));
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = holder.ended.cancelled() => return Some((Err(given_up()), None)),
        };
        holder.set_waits(Awaited::Message, None);
        Some((frame?, Some((body, holder))))
    });
    Body::new(StreamBody::new(frames))
}

fn untaken_for_long() -> Status {
    let text =
        "the answers were not read for long, and another stream needed the place; ask again, and read on";
    Failure::new(Reason::StreamIdle, text).status()
}

fn given_up() -> Status {
    let text = "no message came for long, and another stream needed the place; what was acknowledged is kept";
    Failure::new(Reason::StreamIdle, text).status()
}

#[cfg(test)]
mod tests;
