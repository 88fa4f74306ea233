//! Calls a second, and their times, of 64 connections that each ask as soon as they are answered: a metric whose answer is
//! kept, with every layer on, beside a bare tonic server that answers as many bytes; then a minute of metrics of all kinds.
//!
//! Servers and client share the machine, each with a runtime of its own, and nobody decodes an answer.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use dualwheel_kit::config::Config;
use dualwheel_measure::Window;
use dualwheel_proto::{
    consumer::{GetAiplRequest, GetFastRequest, GetGrowRequest, GetRfmRequest},
    content::GetStartRequest,
    membership::GetPlusRequest,
    product::GetSuperRequest,
    types::MetricQuery,
};
use dualwheel_tests::{
    keys::{Issuer, write_jwks},
    raw::Raw,
};
use futures::future::{BoxFuture, try_join_all};
use http::{HeaderValue, Response};
use prost::Message;
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{
    Request, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    transport::{Channel, Endpoint, server::TcpIncoming},
};

use crate::{Bench, figures::Figures, market, mesh::Mesh};

/// Connections, each with one call at a time.
const CONNECTIONS: usize = 64;
/// Time of the comparison, for each side.
const COMPARED: Duration = Duration::from_secs(20);
/// Time of the mixed calls.
const MIXED: Duration = Duration::from_secs(60);
/// Rounds of the comparison, the sides taking turns.
const ROUNDS: usize = 3;

/// A call that is made again and again.
#[derive(Clone)]
struct Call {
    path: &'static str,
    message: Bytes,
}

/// What came of the calls.
#[derive(Default)]
struct Outcome {
    /// Microseconds of each answer.
    times: Vec<u32>,
    errors: u64,
    elapsed: Duration,
}

impl Outcome {
    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile in milliseconds.
    fn quantile(&mut self, share: f64) -> f64 {
        self.times.sort_unstable();
        let at = ((self.times.len() as f64 * share) as usize).min(self.times.len().saturating_sub(1));
        self.times
            .get(at)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
    }
}

pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let (folder, data) = (bench.folder.join("market"), bench.folder.join("lake"));
    let (_, window) = market::generate(&folder, bench.rows / 10)?;
    market::import_into(bench, &folder, &data)?;
    let issuer = Issuer::ed25519("k1")?;
    let jwks = bench.folder.join("jwks.json");
    write_jwks(&jwks, &[&issuer])?;
    let mut config = Config::default();
    config.auth.jwks = Some(jwks.display().to_string());
    config.limits.tenant_calls_per_second = 1_000_000;
    let mesh = Mesh::with(&data, config)?;
    let token = HeaderValue::try_from(format!("Bearer {}", issuer.token("default", &["*"], "")?))?;
    let calls = calls(window);
    let cached = calls.first().context("no calls")?.clone();
    let size = bench.client.block_on(async {
        let channel = connect(mesh.endpoint()).await?;
        // Once each, so that what follows is answered from what is kept.
        let mut size = 0;
        for call in calls.iter().rev() {
            size = ask(&channel, call, &token).await?.len();
        }
        anyhow::Ok(size)
    })?;
    let echo = Echo::start(size)?;
    let (mut ours, mut bare) = (Outcome::default(), Outcome::default());
    let (mut shares, mut late) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let time = COMPARED / ROUNDS as u32;
        let mut of_bare = drive(bench, &echo.endpoint, std::slice::from_ref(&cached), &token, time)?;
        let mut of_ours = drive(
            bench,
            mesh.endpoint(),
            std::slice::from_ref(&cached),
            &token,
            time,
        )?;
        shares.push(of_ours.per_second() / of_bare.per_second());
        late.push(of_bare.quantile(0.99) / of_ours.quantile(0.99));
        for (sum, one) in [(&mut ours, of_ours), (&mut bare, of_bare)] {
            sum.times.extend(one.times);
            sum.errors += one.errors;
            sum.elapsed += one.elapsed;
        }
    }
    let share = crate::figures::median(&shares);
    figures.tell("load.answer_bytes", size as f64, "bytes", &[])?;
    figures.tell("load.bare_tonic", bare.per_second(), "calls/s", &[])?;
    figures.tell("load.cached", ours.per_second(), "calls/s", &[("bare", share)])?;
    figures.tell("load.bare_tonic_p99", bare.quantile(0.99), "ms", &[])?;
    let late = crate::figures::median(&late);
    figures.tell("load.cached_p99", ours.quantile(0.99), "ms", &[("bare", late)])?;
    let mut mixed = drive(bench, mesh.endpoint(), &calls, &token, MIXED)?;
    figures.tell("load.mixed", mixed.per_second(), "calls/s", &[])?;
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        figures.tell(&format!("load.mixed_{name}"), mixed.quantile(share), "ms", &[])?;
    }
    figures.tell(
        "load.errors",
        (ours.errors + bare.errors + mixed.errors) as f64,
        "calls",
        &[],
    )?;
    mesh.stop()
}

/// Questions of seven kinds about each of the ten brands.
fn calls(window: Window) -> Vec<Call> {
    fn call(path: &'static str, request: &impl Message) -> Call {
        Call {
            path,
            message: request.encode_to_vec().into(),
        }
    }
    let mut calls = Vec::new();
    for brand in 1..=10 {
        let query = Some(MetricQuery {
            brand: format!("brand-{brand:02}"),
            ..market::question(window)
        });
        let fast = GetFastRequest {
            query: query.clone(),
            ..GetFastRequest::default()
        };
        let grow = GetGrowRequest {
            query: query.clone(),
            ..GetGrowRequest::default()
        };
        let aipl = GetAiplRequest { query: query.clone() };
        let rfm = GetRfmRequest { query: query.clone() };
        let super_ = GetSuperRequest { query: query.clone() };
        let start = GetStartRequest { query: query.clone() };
        let plus = GetPlusRequest { query };
        calls.extend([
            call("/dualwheel.consumer.v1.ConsumerService/GetFast", &fast),
            call("/dualwheel.consumer.v1.ConsumerService/GetAipl", &aipl),
            call("/dualwheel.consumer.v1.ConsumerService/GetGrow", &grow),
            call("/dualwheel.consumer.v1.ConsumerService/GetRfm", &rfm),
            call("/dualwheel.product.v1.ProductService/GetSuper", &super_),
            call("/dualwheel.content.v1.ContentService/GetStart", &start),
            call("/dualwheel.membership.v1.MembershipService/GetPlus", &plus),
        ]);
    }
    calls
}

async fn connect(endpoint: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(endpoint.to_owned())?.tcp_nodelay(true);
    endpoint.connect().await.context("no connection")
}

async fn ask(channel: &Channel, call: &Call, token: &HeaderValue) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(call.message.clone());
    if let Ok(token) = token.as_bytes().try_into() {
        request.metadata_mut().insert("authorization", token);
    }
    let path = http::uri::PathAndQuery::from_static(call.path);
    Ok(client.unary(request, path, Raw).await?.into_inner())
}

/// Lets every connection ask one call after another for `time`.
fn drive(
    bench: &Bench,
    endpoint: &str,
    calls: &[Call],
    token: &HeaderValue,
    time: Duration,
) -> anyhow::Result<Outcome> {
    bench.client.block_on(async {
        let channels = try_join_all((0..CONNECTIONS).map(|_| connect(endpoint))).await?;
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let asking = channels.into_iter().map(|channel| {
            let (calls, token, next) = (calls.to_vec(), token.clone(), next.clone());
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                while begun.elapsed() < time {
                    let at = next.fetch_add(1, Ordering::Relaxed) as usize % calls.len();
                    let Some(call) = calls.get(at) else { break };
                    let asked = Instant::now();
                    match ask(&channel, call, &token).await {
                        Ok(_) => outcome
                            .times
                            .push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)),
                        Err(_) => outcome.errors += 1,
                    }
                }
                outcome
            })
        });
        let mut whole = Outcome::default();
        for outcome in try_join_all(asking.collect::<Vec<_>>()).await? {
            whole.times.extend(outcome.times);
            whole.errors += outcome.errors;
        }
        whole.elapsed = begun.elapsed();
        Ok(whole)
    })
}

/// A tonic server without any layer that answers every call with the same bytes.
struct Echo {
    endpoint: String,
    _runtime: Runtime,
}

impl Echo {
    fn start(size: usize) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("the bare server's runtime cannot be started")?;
        let address: SocketAddr = runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            let service = Bare(Bytes::from(vec![7; size]));
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let server = tonic::transport::Server::builder().add_service(service);
            tokio::spawn(server.serve_with_incoming(incoming));
            anyhow::Ok(address)
        })?;
        Ok(Self {
            endpoint: format!("http://{address}"),
            _runtime: runtime,
        })
    }
}

/// Answers with these bytes.
#[derive(Clone)]
struct Bare(Bytes);

impl NamedService for Bare {
    const NAME: &'static str = "dualwheel.consumer.v1.ConsumerService";
}

impl UnaryService<Bytes> for Bare {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(self.0.clone())))
    }
}

impl tower::Service<http::Request<Body>> for Bare {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answering = self.clone();
        Box::pin(async move { Ok(Grpc::new(Raw).unary(answering, request).await) })
    }
}
