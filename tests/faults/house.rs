//! Two replicas of every service over PostgreSQL, Redis and one lake.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use dualwheel_tests::{
    proxy::Proxy,
    servers::{Postgres, Redis, free_port},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    harness::{Ran, Server, command, finish, market},
    publisher::Publisher,
};

/// The brand that uses a partner's model.
pub const MODELLED: &str = "brand-05";

/// The services that own facts.
pub const FACTS: [&str; 4] = ["consumer", "product", "content", "membership"];

/// Everything that runs.
pub struct House {
    pub postgres: Postgres,
    pub redis: Redis,
    /// Processes with the four services that own facts.
    pub facts: Vec<Server>,
    pub diagnosis: Vec<Server>,
    /// Between each diagnosis and the four services that it asks.
    pub network: Vec<Proxy>,
    /// The partner's model, published.
    pub plugin: String,
    data: TempDir,
    ports: Ports,
}

struct Ports {
    facts: [u16; 2],
    diagnosis: [u16; 2],
    /// Where the first process of the four services tells its measurements.
    measurements: u16,
}

impl House {
    pub async fn new() -> Self {
        let postgres = Postgres::start().unwrap();
        let redis = Redis::start().unwrap();
        let port = || free_port().unwrap();
        let ports = Ports {
            facts: [port(), port()],
            diagnosis: [port(), port()],
            measurements: port(),
        };
        let mut network = Vec::new();
        for port in ports.facts {
            network.push(Proxy::to(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap());
        }
        let mut house = Self {
            postgres,
            redis,
            facts: Vec::new(),
            diagnosis: Vec::new(),
            network,
            plugin: String::new(),
            data: market().copy(),
            ports,
        };
        house.step_clock("+0");
        for at in 0..2 {
            let server = house.serve_facts(at);
            house.facts.push(server);
            let server = house.serve_diagnosis(at);
            house.diagnosis.push(server);
        }
        let plugin = |args: &[&str]| house.ask(&[&["plugin"], args].concat());
        house.plugin = Publisher::trusted(plugin).publish("koc-affinity", plugin);
        house
    }

    /// Asks the first process of the four services by a command.
    pub fn ask(&self, args: &[&str]) -> Ran {
        finish(command(args).args(["--endpoint", &self.facts[0].url()]))
    }

    fn settings(&self) -> Vec<String> {
        vec![
            format!("database={}", self.postgres.url()),
            format!("redis.url={}", self.redis.url()),
            // Longer than a kept connection needs to find out that nobody answers.
            "deadlines.default_ms=5000".to_owned(),
        ]
    }

    /// The program with a clock that [`Self::step_clock`] sets.
    fn begin(&self, port: u16, roles: &[&str], settings: &[String]) -> Server {
        let mut command = command(["serve"]);
        command
            .env("LD_PRELOAD", faketime())
            .env("FAKETIME_TIMESTAMP_FILE", self.clock())
            // Seconds: read at every call of the clock, the file would slow everything down.
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Server::begin(
            command,
            &format!("127.0.0.1:{port}"),
            self.data(),
            roles,
            settings,
        )
    }

    fn serve_facts(&self, at: usize) -> Server {
        let mut settings = self.settings();
        if at == 0 {
            let port = self.ports.measurements;
            settings.push(format!("telemetry.prometheus_listen=127.0.0.1:{port}"));
        }
        self.begin(self.ports.facts[at], &FACTS, &settings)
    }

    /// What Prometheus would read.
    pub async fn measurements(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.measurements))
            .await
            .unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        told
    }

    fn serve_diagnosis(&self, at: usize) -> Server {
        let mut settings = self.settings();
        let address = self.network[at].address();
        settings.extend(FACTS.map(|service| format!("endpoints.{service}=http://{address}")));
        self.begin(self.ports.diagnosis[at], &["diagnosis"], &settings)
    }

    pub fn start_facts(&mut self, at: usize) {
        self.facts[at] = self.serve_facts(at);
    }

    pub fn start_diagnosis(&mut self, at: usize) {
        self.diagnosis[at] = self.serve_diagnosis(at);
    }

    /// Stops a process as a service manager does, and starts it again.
    pub async fn restart_facts(&mut self, at: usize) {
        assert!(self.facts.remove(at).stop().await.success());
        let server = self.serve_facts(at);
        self.facts.insert(at, server);
    }

    pub async fn restart_diagnosis(&mut self, at: usize) {
        assert!(self.diagnosis.remove(at).stop().await.success());
        let server = self.serve_diagnosis(at);
        self.diagnosis.insert(at, server);
    }

    fn clock(&self) -> PathBuf {
        self.data().join("clock")
    }

    /// Sets every process's clock, by seconds against the true time.
    pub fn step_clock(&self, seconds: &str) {
        // Replaced as a whole: processes read it at any time.
        let fresh = self.data().join("clock.new");
        fs::write(&fresh, seconds).unwrap();
        fs::rename(fresh, self.clock()).unwrap();
    }

    /// The lake's folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Channels to both processes of the four services.
    pub fn fact_channels(&self) -> [Channel; 2] {
        self.ports.facts.map(channel)
    }

    /// As [`Self::fact_channels`], over the network that can be cut.
    pub fn network_channels(&self) -> [Channel; 2] {
        [0, 1].map(|at| channel(self.network[at].address().port()))
    }

    /// Channels to both processes of diagnosis.
    pub fn diagnosis_channels(&self) -> [Channel; 2] {
        self.ports.diagnosis.map(channel)
    }
}

/// A channel to a port of this machine.
pub fn channel(port: u16) -> Channel {
    Endpoint::from_shared(format!("http://127.0.0.1:{port}"))
        .unwrap()
        .connect_lazy()
}

/// The library that sets clocks.
pub fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map_while(Result::ok);
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let found = libraries.into_iter().find(|library| library.is_file());
    found.expect("libfaketime is missing: apt-get install libfaketime")
}
