//! All that is done to the process at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dualwheel_kit::{
    access::{Effect, Method},
    failure::reason_of,
};
use dualwheel_proto::facts::{
    AppendRequest, Behavior, BehaviorKind, FactKind, FactRows, OrderLine, append_request,
    fact_service_client::FactServiceClient,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::BRAND,
    requests::{call, requests, unstored},
};

/// The time that every call is given.
pub const GIVEN: Duration = Duration::from_secs(10);
/// How much later than its time a call may end on a busy machine.
const LATE: Duration = Duration::from_secs(4);
/// Brands that facts are appended to; the one that is asked about is among them.
const APPENDED: [&str; 4] = [BRAND, "brand-02", "brand-03", "brand-04"];
/// How callers may be answered beside a yes: what does not apply to the facts, is no longer there, or has to wait.
const FAIR: [Code; 7] = [
    // How a client says that its own clock ran out.
    Code::Cancelled,
    Code::InvalidArgument,
    Code::NotFound,
    Code::FailedPrecondition,
    Code::ResourceExhausted,
    Code::DeadlineExceeded,
    Code::AlreadyExists,
];

/// What came of the calls.
#[derive(Debug, Default)]
pub struct Told {
    /// Batches that were acknowledged.
    pub batches: usize,
    /// Calls by how they ended.
    pub ended: BTreeMap<String, usize>,
    /// Methods that were answered.
    pub answered: BTreeMap<&'static str, usize>,
    /// What must not be.
    pub wrong: Vec<String>,
}

impl Told {
    pub fn add(&mut self, other: Self) {
        self.batches += other.batches;
        self.wrong.extend(other.wrong);
        for (code, times) in other.ended {
            *self.ended.entry(code).or_default() += times;
        }
        for (method, times) in other.answered {
            *self.answered.entry(method).or_default() += times;
        }
    }

    /// Makes a call, and holds it to its time.
    async fn timed<T>(&mut self, what: &str, call: impl Future<Output = Result<T, Status>>) -> Option<T> {
        let begun = Instant::now();
        let Ok(ended) = timeout(GIVEN + LATE, call).await else {
            self.wrong
                .push(format!("{what} has not ended after {:?}", begun.elapsed()));
            return None;
        };
        let code = ended.as_ref().map_or_else(Status::code, |_| Code::Ok);
        *self.ended.entry(format!("{code:?}")).or_default() += 1;
        match ended {
            Ok(answer) => return Some(answer),
            Err(status) if FAIR.contains(&status.code()) => {}
            // The others may have had no time left for it.
            Err(status) if reason_of(&status).as_deref() == Some("SERVICE_UNAVAILABLE") => {}
            Err(status) => self.wrong.push(format!("{what}: {status:?}")),
        }
        None
    }
}

/// Requests of every method that answers, but for those that need what nobody stored.
pub fn questions() -> Vec<(&'static Method, Value)> {
    let requests = requests(&unstored());
    let asks = |method: &&Method| match method.effect {
        Effect::Measure | Effect::Export => true,
        Effect::Read => !method.path.ends_with("/WatchRun") && !method.path.ends_with("/CheckPlugin"),
        Effect::Write => false,
    };
    let mut questions: Vec<_> = Method::all()
        .iter()
        .filter(asks)
        .map(|method| (method, requests[method.path].clone()))
        .collect();
    for (method, request) in &mut questions {
        if method.path.ends_with("/ExportConsumer") {
            *request = json!({"consumer": "soak-1"});
        }
    }
    questions
}

/// Asks everything, again and again, from the `first` question on.
pub async fn ask(channel: Channel, first: usize, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let questions = questions();
    let header = ("grpc-timeout", format!("{}S", GIVEN.as_secs()));
    for (method, request) in questions.iter().cycle().skip(first) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asked = call(&channel, (header.0, &header.1), method.path, request);
        if told.timed(method.path, asked).await.is_some() {
            *told.answered.entry(method.path).or_default() += 1;
        }
    }
    told
}

/// Appends an order line of every brand four times a second, and acts with every tenth.
pub async fn append(channel: Channel, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let mut sequence = 0;
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        let lines = APPENDED.map(|brand| line(brand, sequence)).to_vec();
        let rows = FactRows {
            order_lines: lines,
            ..FactRows::default()
        };
        told.append(&channel, sequence, FactKind::OrderLine, rows).await;
        if sequence % 10 == 0 {
            let behaviors = APPENDED.map(|brand| act(brand, sequence)).to_vec();
            let rows = FactRows {
                behaviors,
                ..FactRows::default()
            };
            told.append(&channel, sequence / 10, FactKind::Behavior, rows)
                .await;
        }
        sleep(Duration::from_millis(250)).await;
    }
    told
}

impl Told {
    async fn append(&mut self, channel: &Channel, sequence: i64, kind: FactKind, rows: FactRows) {
        let request = AppendRequest {
            producer: format!("soak-{kind:?}"),
            sequence,
            kind: kind.into(),
            batch: Some(append_request::Batch::Rows(rows)),
        };
        let mut client = FactServiceClient::new(channel.clone());
        let appended = async move {
            let mut answers = client.append(tokio_stream::once(request)).await?.into_inner();
            let answer = answers.message().await?;
            answer.ok_or_else(|| Status::unavailable("the stream ended"))
        };
        if let Some(answer) = self.timed("Append", appended).await {
            if answer.refused == 0 {
                self.batches += 1;
            } else {
                self.wrong.push(format!("refused: {answer:?}"));
            }
        }
    }
}

fn line(brand: &str, sequence: i64) -> OrderLine {
    OrderLine {
        order: format!("soak-{sequence}"),
        line: brand.to_owned(),
        consumer: format!("soak-{sequence}"),
        brand: brand.to_owned(),
        product: format!("{brand}-soak"),
        category: Some(format!("soak/{}", sequence % 5)),
        quantity: 1,
        paid_amount: (10 + sequence % 90).to_string(),
        paid_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
        ..OrderLine::default()
    }
}

fn act(brand: &str, sequence: i64) -> Behavior {
    Behavior {
        event_id: format!("soak-{brand}-{sequence}"),
        consumer: format!("soak-{sequence}"),
        brand: brand.to_owned(),
        kind: BehaviorKind::Browse.into(),
        occurred_at: Some("2026-05-02T04:00:00Z".parse().unwrap()),
        ..Behavior::default()
    }
}

/// Deletes one consumer after another, all of whose facts were appended before.
pub async fn delete(channel: Channel, stop: Arc<AtomicBool>) -> Told {
    const METHOD: &str = "dualwheel.consumer.v1.PrivacyService/DeleteConsumers";
    let mut told = Told::default();
    for number in 1.. {
        sleep(Duration::from_secs(5)).await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let request = json!({"consumers": [format!("soak-{number}")]});
        told.timed(METHOD, call(&channel, ("x-soak", "1"), METHOD, &request))
            .await;
    }
    told
}

/// Gives a brand's model one parameter after another.
pub async fn activate(channel: Channel, plugin: String, stop: Arc<AtomicBool>) -> Told {
    const METHOD: &str = "dualwheel.plugin.v1.ActivationService/ActivatePlugin";
    let mut told = Told::default();
    for step in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let decay = f64::from(step % 100) / 100.0;
        let request = json!({"brand": BRAND,
            "setting": {"plugin": plugin, "parameters": {"missing_decay": decay}}});
        told.timed(METHOD, call(&channel, ("x-soak", "1"), METHOD, &request))
            .await;
        sleep(Duration::from_millis(500)).await;
    }
    told
}

/// Asks for health; while calls are answered it is good.
pub async fn look_after(channel: Channel, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let mut client = HealthClient::new(channel);
    while !stop.load(Ordering::Relaxed) {
        let check = client.check(HealthCheckRequest::default());
        if let Some(answer) = told.timed("Health/Check", check).await
            && answer.get_ref().status != 1
        {
            told.wrong.push(format!("health says {answer:?}"));
        }
        sleep(Duration::from_millis(250)).await;
    }
    told
}
