//! What goes on while something breaks, and whether all of it is there afterwards.

mod activations;
mod check;
mod failover;
pub mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dualwheel_proto::{
    clients,
    consumer::{
        Audience, AudienceDefinition, CreateAudienceRequest, GetFastRequest, GetFastResponse,
        audience_definition::Form,
    },
    diagnosis::{
        DiagnosisSpec, Peer, StartDiagnosisRequest, diagnosis_service_client::DiagnosisServiceClient,
    },
    facts::{
        AppendRequest, Behavior, BehaviorKind, FactKind, FactRows, append_request,
        fact_service_client::FactServiceClient,
    },
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Status, transport::Channel};

use self::activations::Activated;
pub use self::check::Seen;
use crate::{
    harness::{market_window, question},
    house::House,
};

/// The brand that is asked about; nothing is appended to it.
const ASKED: &str = "brand-01";
/// The brand that facts are appended to.
pub const APPENDED: &str = "brand-loaded";
/// Rows of a batch.
const ROWS: usize = 20;
/// Longest time in which something must have worked again.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The load while it runs.
pub struct Load {
    name: String,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Told>>,
}

/// What the load did.
#[derive(Debug, Default)]
pub struct Told {
    /// Ids of the events that were acknowledged.
    pub events: BTreeSet<String>,
    pub batches: usize,
    /// Batches that were sent once more after a stream broke.
    pub resent: usize,
    pub answers: usize,
    pub wrong: usize,
    /// Ids by request.
    saved: BTreeMap<String, String>,
    pub audiences: usize,
    activated: Activated,
    /// Names of the runs that were started.
    pub runs: BTreeSet<String>,
    /// Calls that failed at one replica after they were begun, and were made again.
    pub failed: usize,
    pub failures: Vec<String>,
    /// Longest time between two successes, by kind of work.
    pauses: BTreeMap<&'static str, Duration>,
}

/// Makes calls at two replicas, at the other one where one fails, until one answers.
pub struct Caller {
    channels: [Channel; 2],
    turn: usize,
    kind: &'static str,
    last: Instant,
    told: Told,
}

impl Caller {
    pub fn new(kind: &'static str, channels: [Channel; 2]) -> Self {
        Self {
            channels,
            turn: 0,
            kind,
            last: Instant::now(),
            told: Told::default(),
        }
    }

    pub async fn call<T, F, A>(&mut self, call: F) -> T
    where
        F: Fn(Channel) -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let begun = Instant::now();
        loop {
            self.turn += 1;
            let channel = self.channels[self.turn % 2].clone();
            let status = match timeout(Duration::from_secs(30), call(channel)).await {
                Ok(Ok(answer)) => {
                    let pause = self.told.pauses.entry(self.kind).or_default();
                    *pause = (*pause).max(self.last.elapsed());
                    self.last = Instant::now();
                    return answer;
                }
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer at all"),
            };
            assert!(may_be_tried_again(&status), "{}: {status:?}", self.kind);
            self.told.failed += usize::from(!is_unbegun(&status));
            self.told.failures.push(format!("{}: {status:?}", self.kind));
            assert!(
                begun.elapsed() < PATIENCE,
                "{} does not work again: {status:?}",
                self.kind
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether a client may try again; anything else would be a wrong answer.
fn may_be_tried_again(status: &Status) -> bool {
    let again = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Cancelled,
        Code::Aborted,
        Code::Unknown,
        Code::ResourceExhausted,
    ];
    again.contains(&status.code())
}

/// Whether a call found nobody, or met the end of its connection before it was begun: a client asks another replica.
fn is_unbegun(status: &Status) -> bool {
    let told = format!("{status:?}");
    told.contains("ConnectError") || told.contains("hyper::Error(Canceled") || told.contains("REFUSED_STREAM")
}

impl Load {
    /// Starts all kinds of work; `name` tells this load's things from those of others.
    pub fn start(house: &House, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (facts, runs) = (house.fact_channels(), house.diagnosis_channels());
        let tasks = vec![
            tokio::spawn(append(
                Caller::new("append", facts.clone()),
                format!("{name}-a"),
                Duration::ZERO,
                stop.clone(),
            )),
            tokio::spawn(append(
                Caller::new("append", facts.clone()),
                format!("{name}-b"),
                Duration::ZERO,
                stop.clone(),
            )),
            tokio::spawn(ask(Caller::new("ask", facts.clone()), stop.clone())),
            tokio::spawn(activations::activate(
                Caller::new("activate", facts.clone()),
                house.plugin.clone(),
                stop.clone(),
            )),
            tokio::spawn(save(Caller::new("save", facts), stop.clone())),
            tokio::spawn(diagnose(Caller::new("diagnose", runs), stop.clone())),
        ];
        Self {
            name: name.to_owned(),
            stop,
            tasks,
        }
    }

    /// Starts appends alone, with a pause after each.
    pub fn of_appends(channels: [Channel; 2], name: &str, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let append = |producer: &str| {
            let caller = Caller::new("append", channels.clone());
            let producer = format!("{name}-{producer}");
            tokio::spawn(append(caller, producer, pause, stop.clone()))
        };
        let tasks = vec![append("a"), append("b")];
        Self {
            name: name.to_owned(),
            stop,
            tasks,
        }
    }

    /// Starts producers, one at home in each process with the four services, that stream over the network between.
    pub fn produce(&mut self, house: &House) {
        for home in 0..2 {
            let (name, stop) = (format!("{}-s{home}", self.name), self.stop.clone());
            let channels = house.network_channels();
            self.tasks
                .push(tokio::spawn(failover::produce(name, channels, home, stop)));
        }
    }

    /// Lets what is under way end.
    pub async fn stop(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut whole = Told::default();
        for task in self.tasks {
            let told = task.await.unwrap();
            whole.events.extend(told.events);
            whole.batches += told.batches;
            whole.resent += told.resent;
            whole.answers += told.answers;
            whole.wrong += told.wrong;
            whole.audiences += told.audiences;
            whole.saved.extend(told.saved);
            whole.activated.add(told.activated);
            whole.runs.extend(told.runs);
            whole.failed += told.failed;
            whole.failures.extend(told.failures);
            for (kind, pause) in told.pauses {
                let longest = whole.pauses.entry(kind).or_default();
                *longest = (*longest).max(pause);
            }
        }
        whole
    }
}

async fn append(mut caller: Caller, producer: String, pause: Duration, stop: Arc<AtomicBool>) -> Told {
    let mut sequence = 0;
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        let event = |row: usize| format!("{producer}-{sequence}-{row}");
        let behavior = |row: usize| Behavior {
            event_id: event(row),
            consumer: format!("loaded-{}", row % 7),
            brand: APPENDED.to_owned(),
            kind: BehaviorKind::Browse.into(),
            occurred_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
            ..Behavior::default()
        };
        let behaviors = (0..ROWS).map(behavior).collect();
        append_behaviors(&mut caller, &producer, sequence, behaviors).await;
        caller.told.events.extend((0..ROWS).map(event));
        caller.told.batches += 1;
        sleep(pause).await;
    }
    caller.told
}

/// Appends a batch, again and again until it is acknowledged.
pub async fn append_behaviors(caller: &mut Caller, producer: &str, sequence: i64, behaviors: Vec<Behavior>) {
    let rows = behaviors.len();
    let request = AppendRequest {
        producer: producer.to_owned(),
        sequence,
        kind: FactKind::Behavior.into(),
        batch: Some(append_request::Batch::Rows(FactRows {
            behaviors,
            ..FactRows::default()
        })),
    };
    let acknowledged = caller.call(|channel| {
        let request = tokio_stream::once(request.clone());
        async move {
            let mut answers = FactServiceClient::new(channel)
                .append(request)
                .await?
                .into_inner();
            answers
                .message()
                .await?
                .ok_or_else(|| Status::unavailable("the stream ended"))
        }
    });
    let acknowledged = acknowledged.await;
    assert_eq!(acknowledged.accepted, rows as i64, "{acknowledged:?}");
}

/// An answer without what it was read from, which goes on while it is asked for.
fn values(mut answer: GetFastResponse) -> GetFastResponse {
    for metric in &mut answer.metrics {
        metric.data_version = None;
    }
    answer
}

async fn ask(mut caller: Caller, stop: Arc<AtomicBool>) -> Told {
    let mut first = None;
    while !stop.load(Ordering::Relaxed) {
        let answer = caller.call(|channel| async move {
            let request = GetFastRequest {
                query: question(ASKED, market_window()),
                ..GetFastRequest::default()
            };
            let mut client = clients::Consumer::new(channel);
            let answer = client.consumers.get_fast(request).await?;
            Ok(values(answer.into_inner()))
        });
        let answer = answer.await;
        caller.told.answers += 1;
        if *first.get_or_insert_with(|| answer.clone()) != answer {
            caller.told.wrong += 1;
        }
        sleep(Duration::from_millis(5)).await;
    }
    caller.told
}

async fn save(mut caller: Caller, stop: Arc<AtomicBool>) -> Told {
    while !stop.load(Ordering::Relaxed) {
        let request_id = uuid();
        let request = CreateAudienceRequest {
            request_id: request_id.clone(),
            audience: Some(Audience {
                brand: ASKED.to_owned(),
                display_name: request_id.clone(),
                definition: Some(AudienceDefinition {
                    form: Some(Form::Text("stage(L)".to_owned())),
                }),
                ..Audience::default()
            }),
            ..CreateAudienceRequest::default()
        };
        let made = caller.call(|channel| {
            let request = request.clone();
            async move {
                let made = clients::Consumer::new(channel)
                    .audiences
                    .create_audience(request)
                    .await?;
                Ok(made.into_inner().audience.unwrap().name)
            }
        });
        let made = made.await;
        caller.told.audiences += 1;
        caller.told.saved.insert(request_id, made);
        sleep(Duration::from_millis(30)).await;
    }
    caller.told
}

async fn diagnose(mut caller: Caller, stop: Arc<AtomicBool>) -> Told {
    while !stop.load(Ordering::Relaxed) {
        let peers = ["brand-02", "brand-03", "brand-04"].map(|brand| Peer {
            brand: brand.to_owned(),
            ..Peer::default()
        });
        let request = StartDiagnosisRequest {
            spec: Some(DiagnosisSpec {
                brand: ASKED.to_owned(),
                window: Some(market_window()),
                peers: peers.into(),
                ..DiagnosisSpec::default()
            }),
            request_id: uuid(),
        };
        let started = caller.call(|channel| {
            let request = request.clone();
            async move {
                let started = DiagnosisServiceClient::new(channel)
                    .start_diagnosis(request)
                    .await?;
                Ok(started.into_inner().run.unwrap().name)
            }
        });
        let started = started.await;
        assert!(caller.told.runs.insert(started), "two requests share a run");
        sleep(Duration::from_secs(1)).await;
    }
    caller.told
}

pub fn uuid() -> String {
    let part = |bits: u32| rand::random::<u32>() >> (32 - bits);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:08x}{:04x}",
        part(32),
        part(16),
        part(12),
        part(12),
        part(32),
        part(16)
    )
}

impl Told {
    /// Whether every kind of work was done.
    pub fn worked(&self) -> bool {
        self.batches > 0
            && self.answers > 0
            && self.audiences > 0
            && self.activated.times > 0
            && !self.runs.is_empty()
    }

    pub fn activations(&self) -> usize {
        self.activated.times
    }

    /// Longest time between two successes of one kind of work.
    pub fn pause(&self) -> String {
        let longest = self.pauses.iter().max_by_key(|(_, pause)| **pause);
        longest.map_or_else(String::new, |(kind, pause)| {
            format!("{:.1} s ({kind})", pause.as_secs_f64())
        })
    }
}
