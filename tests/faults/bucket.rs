//! Two processes over a lake in a bucket: facts are appended to both, each and commands beside them join small files and take
//! consumers out, and a process that does so is killed in the middle of it.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dualwheel_proto::{
    consumer::{
        DeleteConsumersRequest, DeletionState, GetConsumerDeletionRequest,
        privacy_service_client::PrivacyServiceClient,
    },
    facts::{Behavior, BehaviorKind},
};
use dualwheel_tests::servers::{Bucket, Postgres, free_port};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};
use tonic::transport::Channel;

use crate::{
    AROUND,
    harness::{Server, command, finish},
    house::{FACTS, channel, faketime},
    load::{APPENDED, Caller, Load, PATIENCE, Seen, Told, append_behaviors, tables, uuid},
};

/// What is done to it.
pub const FAULT: &str = "kill -9 of a process that exchanges files in a bucket";
/// The table that rows are appended to.
const TABLE: &str = "behaviors";
/// Consumers who are taken out, and who stay beside them.
const CONSUMERS: usize = 2;
/// Batches with rows of both before the load starts.
const BATCHES: usize = 8;
/// Between appends: the double of the storage answers one request after the other.
const PAUSE: Duration = Duration::from_millis(150);
/// By how much the storage's clock is set forward so that nobody need wait a minute for the right of who was killed.
const FORWARD: &str = "+55";

struct Cloud {
    bucket: Bucket,
    postgres: Postgres,
    servers: Vec<Server>,
    ports: [u16; 2],
    folder: TempDir,
}

impl Cloud {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0").unwrap();
        let mut cloud = Self {
            bucket: Bucket::with_clock(&faketime(), &clock).unwrap(),
            postgres: Postgres::start().unwrap(),
            servers: Vec::new(),
            ports: [free_port().unwrap(), free_port().unwrap()],
            folder,
        };
        cloud.servers = vec![cloud.serve(0), cloud.serve(1)];
        cloud
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.envs(self.bucket.environment());
        command
    }

    fn settings(&self) -> [String; 2] {
        // Longer than an append to this bucket takes.
        let grace = "limits.erasure_grace_s=5".to_owned();
        [format!("database={}", self.postgres.url()), grace]
    }

    fn serve(&self, at: usize) -> Server {
        let listen = format!("127.0.0.1:{}", self.ports[at]);
        let place = Path::new(self.bucket.url());
        Server::begin(self.command(&["serve"]), &listen, place, &FACTS, &self.settings())
    }

    fn channels(&self) -> [Channel; 2] {
        self.ports.map(channel)
    }

    /// Joins small files again and again, by commands.
    fn compact(&self, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        let mut compact = self.command(&["compact", "--data", self.bucket.url()]);
        for setting in self.settings() {
            compact.args(["--set", &setting]);
        }
        tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                finish(&mut compact).ok();
            }
        })
    }

    /// The server that has the right to exchange the table's files, as soon as one has.
    async fn exchanging(&self) -> usize {
        let begun = Instant::now();
        loop {
            let holder = self.bucket.last(&format!("leases/{TABLE}/")).unwrap();
            let held = |server: &Server| holder == Some(format!("process {}\n", server.pid()));
            if let Some(at) = self.servers.iter().position(held) {
                return at;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no server exchanges files: {holder:?}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn step_clock(&self, seconds: &str) {
        let fresh = self.folder.path().join("clock.new");
        fs::write(&fresh, seconds).unwrap();
        fs::rename(fresh, self.folder.path().join("clock")).unwrap();
    }

    /// The table's rows as any reader finds them, and whether all that is stored is what was written.
    fn check(&self, told: &Told, staying: &BTreeSet<String>) -> Seen {
        let copy = tempfile::tempdir().unwrap();
        self.bucket.copy(copy.path()).unwrap();
        let mut stored = tables::events(&copy.path().join(TABLE));
        let mut seen = Seen::default();
        for event in told.events.iter().chain(staying) {
            match stored.remove(event) {
                None => seen.lost += 1,
                Some(times) => seen.doubled += times - 1,
            }
        }
        // What is left was taken out, or never acknowledged.
        seen.doubled += stored.values().sum::<usize>();
        let mut verify = self.command(&["lake", "verify", "--json", "--data", self.bucket.url()]);
        verify.args(["--set", &self.settings()[0]]);
        let verified = finish(&mut verify).json();
        assert_eq!(
            (&verified["files_without_sum"], &verified["damages"]),
            (&0.into(), &serde_json::json!([]))
        );
        seen
    }
}

fn event(name: &str, who: &str, batch: usize, at: usize) -> String {
    format!("{name}-{who}-{batch}-{at}")
}

/// Appends rows of those who stay and of those who go, in the same files; the events of the first.
async fn fill(cloud: &Cloud, name: &str) -> BTreeSet<String> {
    let mut caller = Caller::new("fill", cloud.channels());
    for batch in 0..BATCHES {
        let row = |(who, at): (&str, usize)| Behavior {
            event_id: event(name, who, batch, at),
            consumer: format!("{who}-{at}"),
            brand: APPENDED.to_owned(),
            kind: BehaviorKind::Browse.into(),
            occurred_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
            ..Behavior::default()
        };
        let people = (0..CONSUMERS).flat_map(|at| [("stays", at), ("goes", at)]);
        append_behaviors(&mut caller, name, batch as i64 + 1, people.map(row).collect()).await;
    }
    let staying = (0..BATCHES).flat_map(|batch| (0..CONSUMERS).map(move |at| (batch, at)));
    staying
        .map(|(batch, at)| event(name, "stays", batch, at))
        .collect()
}

/// Has those who go taken out, one after the other; names of the deletions.
async fn delete(mut caller: Caller) -> Vec<String> {
    let mut names = Vec::new();
    for at in 0..CONSUMERS {
        let request = DeleteConsumersRequest {
            consumers: vec![format!("goes-{at}")],
            request_id: uuid(),
        };
        let begun = caller.call(|channel| {
            let request = request.clone();
            async move {
                let begun = PrivacyServiceClient::new(channel)
                    .delete_consumers(request)
                    .await?;
                Ok(begun.into_inner().deletion.unwrap().name)
            }
        });
        names.push(begun.await);
        sleep(AROUND / 2).await;
    }
    names
}

/// Waits until nothing that is stored holds those who were taken out.
async fn erased(cloud: &Cloud, names: Vec<String>) {
    let mut caller = Caller::new("erase", cloud.channels());
    let begun = Instant::now();
    for name in names {
        loop {
            let request = GetConsumerDeletionRequest { name: name.clone() };
            let deletion = caller.call(|channel| {
                let request = request.clone();
                async move {
                    let found = PrivacyServiceClient::new(channel)
                        .get_consumer_deletion(request)
                        .await?;
                    Ok(found.into_inner().deletion.unwrap())
                }
            });
            let deletion = deletion.await;
            if deletion.state() == DeletionState::Erased {
                break;
            }
            assert!(begun.elapsed() < PATIENCE * 2, "not erased: {deletion:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What went on, and what is there afterwards.
pub async fn strike(name: &str) -> (Told, Seen) {
    let mut cloud = Cloud::new();
    let staying = fill(&cloud, &format!("{name}-f")).await;
    let load = Load::of_appends(cloud.channels(), name, PAUSE);
    let stop = Arc::new(AtomicBool::new(false));
    let compacting = cloud.compact(stop.clone());
    let deleting = tokio::spawn(delete(Caller::new("delete", cloud.channels())));
    let at = cloud.exchanging().await;
    cloud.servers[at].kill();
    cloud.step_clock(FORWARD);
    sleep(AROUND).await;
    cloud.servers[at] = cloud.serve(at);
    let deleted = deleting.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    compacting.await.unwrap();
    let told = load.stop().await;
    erased(&cloud, deleted).await;
    crate::check_index(cloud.channels()).await;
    let seen = cloud.check(&told, &staying);
    (told, seen)
}
