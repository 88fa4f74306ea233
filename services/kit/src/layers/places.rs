//! How many calls and streams are in hand at once, and what those are told that are too many.
//!
//! A stream that waits for its caller's next message for long gives its place up when another one needs it, so that nobody
//! holds places without using them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};

use super::{Layer, Next, is_health, is_single, refused};
use crate::{Failure, Reason, Tenant};

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
                Some(Err(wait)) => refused(overloaded(limit, wait)),
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
    Layer::new("stream-share", move |request: Request<Body>, next: Next| {
        let tenant = request.extensions().get::<Tenant>();
        let tenant = tenant
            .filter(|_| !is_single(&request))
            .map(|Tenant(tenant)| tenant.clone());
        let place = tenant.as_ref().map(|tenant| {
            let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
            let of_tenant = tenants
                .entry(tenant.clone())
                .or_insert_with(|| Places::new(share, idle));
            of_tenant.take()
        });
        async move {
            match place {
                None => next.run(request).await,
                Some(Ok(place)) => held(place, request, next).await,
                Some(Err(wait)) => {
                    let quota = format!("{share} streams at once");
                    refused(overloaded(share, wait).quota(&tenant.unwrap_or_default(), quota))
                }
            }
        }
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
    /// How many more were refused than let in, of late.
    refused: u32,
}

/// Who holds a place.
#[derive(Default)]
struct Holder {
    /// Since when it waits for its caller; none where it does not.
    waits: Mutex<Option<Instant>>,
    /// That its place was given to another.
    ended: CancellationToken,
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
    /// How long to wait where there is none; the longer, the more were refused of late.
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
        idle.ended.cancel();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().held.remove(&self.number);
    }
}

impl Holder {
    fn waits(&self) -> Option<Instant> {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_waits(&self, since: Option<Instant>) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Passes a stream on, which keeps the place until its answer is read or given up.
async fn held(place: Place, request: Request<Body>, next: Next) -> Response<Body> {
    let holder = place.holder.clone();
    let request = request.map(|body| while_placed(body, holder));
    next.run(request).await.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &place;
            frame
        }))
    })
}

/// What a caller sends, for as long as the stream has its place.
fn while_placed(body: Body, holder: Arc<Holder>) -> Body {
    let frames = stream::unfold(Some((body, holder)), |state| async move {
        let (mut body, holder) = state?;
        holder.set_waits(Some(Instant::now()));
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = holder.ended.cancelled() => return Some((Err(given_up()), None)),
        };
        holder.set_waits(None);
        Some((frame?, Some((body, holder))))
    });
    Body::new(StreamBody::new(frames))
}

fn given_up() -> Status {
    let text = "no message came for long, and another stream needed the place; what was acknowledged is kept";
    Failure::new(Reason::StreamIdle, text).status()
}

#[cfg(test)]
mod tests;
