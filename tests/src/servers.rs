//! A real PostgreSQL, a real Redis, and a double of an object store, each on a free port of this machine for as long as the test program runs.
//!
//! A shell stands between: it ends the server and removes its folder when its standard input does, which it does whatever
//! becomes of the test program.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::keys::Certificates;

/// Longest wait for a server to take connections.
const START: Duration = Duration::from_secs(60);
/// What the shell runs: the signal that ends the server, its folder, and its command.
const KEEPER: &str =
    r#"signal=$1; folder=$2; shift 2; "$@" & read -r _; kill -"$signal" $!; wait $!; rm -rf "$folder""#;

/// A port that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A server behind its shell.
struct Kept(Child);

impl Kept {
    fn start(signal: &str, folder: &Path, owner: Option<(u32, u32)>, command: &[&str]) -> Result<Self> {
        let log = fs::File::create(folder.join("log"))?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", KEEPER, "keeper", signal])
            .arg(folder)
            .args(command)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some((user, group)) = owner {
            shell.uid(user).gid(group);
        }
        Ok(Self(shell.spawn()?))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // The shell ends by itself; a test does not fail for want of an exit code.
        let _ = self.0.wait();
    }
}

/// Kills the process of a pid file at once, as a crash would, and with it the processes that it has started: one that
/// lived on would keep the next server from starting.
fn kill(pid_file: &Path) -> Result<()> {
    let text = fs::read_to_string(pid_file).with_context(|| pid_file.display().to_string())?;
    let pid = text.lines().next().unwrap_or_default().trim();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let pids: Vec<&str> = [pid].into_iter().chain(children.split_whitespace()).collect();
    let killed = Command::new("kill").arg("-9").args(&pids).output()?;
    let begun = Instant::now();
    while pids
        .iter()
        .any(|pid| Path::new("/proc").join(pid).join("exe").exists())
    {
        let told = String::from_utf8_lossy(&killed.stderr);
        ensure!(begun.elapsed() < START, "cannot kill {pids:?}: {told}");
        sleep(Duration::from_millis(5));
    }
    // Where nobody asks for its exit code, the next server would take the dead process for a running one.
    fs::remove_file(pid_file)?;
    Ok(())
}

fn wait_for(port: u16, log: &Path, ready: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && ready() {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    bail!(
        "no answer on port {port}: {}",
        fs::read_to_string(log).unwrap_or_default()
    )
}

/// A PostgreSQL of its own.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    kept: Option<Kept>,
}

static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

impl Postgres {
    /// Makes a database cluster and starts its server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed (Debian: `postgresql`), or does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("dualwheel-postgres-")
            .tempdir()?
            .keep();
        let owner = unprivileged()?;
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group))?;
        }
        let mut initdb = Command::new(postgres_program("initdb")?);
        initdb
            .arg("-D")
            .arg(folder.join("data"))
            .args([
                "-U",
                "dualwheel",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .current_dir("/");
        if let Some((user, group)) = owner {
            initdb.uid(user).gid(group);
        }
        let made = initdb.output()?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut postgres = Self {
            folder,
            port: free_port()?,
            owner,
            kept: None,
        };
        postgres.run()?;
        Ok(postgres)
    }

    /// Starts the server again, after [`Self::kill`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&mut self) -> Result<()> {
        let (program, data) = (postgres_program("postgres")?, self.folder.join("data"));
        let port = self.port.to_string();
        // What a killed process has written is kept by the system: only a power cut would need more.
        let command = [
            program.to_str().context("a path that is no text")?,
            "-D",
            data.to_str().context("a path that is no text")?,
            "-p",
            &port,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=300",
        ];
        self.kept = Some(Kept::start("INT", &self.folder, self.owner, &command)?);
        wait_for(self.port, &self.folder.join("log"), || {
            self.sql("SELECT 1").is_ok()
        })
    }

    /// Kills the server at once, as a crash would; its data stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        // The shell would remove the data: it goes without a word.
        if let Some(mut kept) = self.kept.take() {
            kept.0.kill()?;
        }
        kill(&self.folder.join("data/postmaster.pid"))
    }

    /// URL of a fresh schema.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn schema(&self) -> Result<String> {
        let name = format!("s{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {name}"))?;
        Ok(format!("{}?options[search_path]={name}", self.url()))
    }

    /// URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://dualwheel@127.0.0.1:{}/postgres", self.port)
    }

    /// Port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements, and answers what they print.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let ran = Command::new(postgres_program("psql")?)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url())
            .output()?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Ok(String::from_utf8(ran.stdout)?)
    }

    /// A program of PostgreSQL, such as `pg_dump`.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        postgres_program(name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.kept.take().is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Where Debian puts the programs of its PostgreSQL.
fn postgres_program(name: &str) -> Result<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is missing: apt-get install postgresql")?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(name)));
    let newest = programs.filter(|program| program.is_file()).max();
    newest.with_context(|| format!("{name} is missing: apt-get install postgresql"))
}

/// The user and group as which root runs a server that refuses to be run by root.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    let number = |arguments: &[&str]| -> Result<u32> {
        let told = Command::new("id").args(arguments).output()?;
        ensure!(
            told.status.success(),
            "id: {}",
            String::from_utf8_lossy(&told.stderr)
        );
        Ok(String::from_utf8(told.stdout)?.trim().parse()?)
    };
    if number(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((number(&["-u", "postgres"])?, number(&["-g", "postgres"])?)))
}

/// A Redis of its own, in memory only.
pub struct Redis {
    folder: PathBuf,
    port: u16,
    kind: Kind,
    kept: Option<Kept>,
}

enum Kind {
    Server,
    Cluster,
    /// With the folder of its certificates.
    Encrypted(String),
}

impl Redis {
    /// Starts a server.
    ///
    /// # Errors
    /// When Redis is not installed (Debian: `redis-server`), or does not start.
    pub fn start() -> Result<Self> {
        Self::with(Kind::Server)
    }

    /// Starts a server that is reached by TLS alone, with the certificate `redis`.
    ///
    /// # Errors
    /// As [`Self::start`], or when there is no such certificate.
    pub fn encrypted(certificates: &Certificates) -> Result<Self> {
        Self::with(Kind::Encrypted(certificates.path("")))
    }

    /// Starts a Redis Cluster of one node, which refuses commands whose keys lie in different slots.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn cluster() -> Result<Self> {
        let redis = Self::with(Kind::Cluster)?;
        redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])?;
        let begun = Instant::now();
        while !redis.command(&["CLUSTER", "INFO"])?.contains("cluster_state:ok") {
            ensure!(begun.elapsed() < START, "the cluster does not come up");
            sleep(Duration::from_millis(50));
        }
        Ok(redis)
    }

    fn with(kind: Kind) -> Result<Self> {
        let mut redis = Self {
            folder: tempfile::Builder::new()
                .prefix("dualwheel-redis-")
                .tempdir()?
                .keep(),
            // A cluster's nodes talk to one another on a port that is 10 000 higher.
            port: loop {
                let port = free_port()?;
                if port < 55_000 {
                    break port;
                }
            },
            kind,
            kept: None,
        };
        redis.run()?;
        Ok(redis)
    }

    /// Starts the server again, after [`Self::kill`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&mut self) -> Result<()> {
        let folder = self.folder.to_str().context("a path that is no text")?;
        let (port, pid) = (self.port.to_string(), format!("{folder}/pid"));
        let mut command = vec![
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
            "--pidfile",
            &pid,
        ];
        let files;
        match &self.kind {
            Kind::Server => command.extend(["--port", &port]),
            Kind::Cluster => command.extend(["--port", &port, "--cluster-enabled", "yes"]),
            Kind::Encrypted(folder) => {
                files = ["redis.pem", "redis.key", "ca.pem"].map(|file| format!("{folder}{file}"));
                let [certificate, key, authority] = &files;
                command.extend(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
                command.extend(["--tls-cert-file", certificate, "--tls-key-file", key]);
                command.extend(["--tls-ca-cert-file", authority]);
            }
        }
        self.kept = Some(Kept::start("TERM", &self.folder, None, &command)?);
        wait_for(self.port, &self.folder.join("log"), || {
            self.command(&["PING"]).is_ok()
        })
    }

    /// Kills the server at once; what it held is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut kept) = self.kept.take() {
            kept.0.kill()?;
        }
        kill(&self.folder.join("pid"))
    }

    /// Its URL; that of a cluster names its node twice, for one URL alone is a server's.
    #[must_use]
    pub fn url(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        match self.kind {
            Kind::Server => format!("redis://{address}"),
            Kind::Cluster => format!("redis://{address},redis://{address}"),
            Kind::Encrypted(_) => format!("rediss://{address}"),
        }
    }

    /// Port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command, and answers what it prints.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn command(&self, command: &[&str]) -> Result<String> {
        let mut client = Command::new("redis-cli");
        client.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Kind::Encrypted(folder) = &self.kind {
            client.args(["--tls", "--cacert", &format!("{folder}ca.pem")]);
        }
        let ran = client
            .args(command)
            .output()
            .context("redis-cli is missing: apt-get install redis-server")?;
        let told = String::from_utf8(ran.stdout)?;
        ensure!(ran.status.success() && !told.starts_with("ERR"), "{told}");
        Ok(told)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.kept.take().is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A bucket named `lake` in a double of S3 (Python's moto), which is gone with it.
pub struct Bucket {
    port: u16,
    _kept: Kept,
}

/// One request after the other, or two that write the same name for the first time would both be the first.
const MOTO: &str = "import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple('127.0.0.1', int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)";

/// Copies what begins with a URL into a folder.
const COPY: &str = "import os, sys
import boto3
bucket, prefix = sys.argv[1].removeprefix('s3://').split('/', 1)
store = boto3.client('s3')
for page in store.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix + '/'):
    for found in page.get('Contents', []):
        path = os.path.join(sys.argv[2], found['Key'][len(prefix) + 1:])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        store.download_file(bucket, found['Key'], path)";
/// The lake's place in the bucket, as URLs have it.
const PLACE: &str = "some%20where";

impl Bucket {
    /// Starts the double, and makes the bucket.
    ///
    /// # Errors
    /// When `ORACLE_PYTHON` names no Python that has moto, or it does not start.
    pub fn start() -> Result<Self> {
        Self::with(&[])
    }

    /// As [`Self::start`], with a clock that faketime's library takes from a file.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with_clock(faketime: &Path, clock: &Path) -> Result<Self> {
        Self::with(&[
            "env",
            &format!("LD_PRELOAD={}", faketime.display()),
            &format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()),
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ])
    }

    fn with(before: &[&str]) -> Result<Self> {
        let (python, folder) = (
            python()?,
            tempfile::Builder::new().prefix("dualwheel-s3-").tempdir()?.keep(),
        );
        let port = free_port()?;
        let port_text = port.to_string();
        let command = [before, &[&python, "-c", MOTO, &port_text]].concat();
        let kept = Kept::start("TERM", &folder, None, &command)?;
        wait_for(port, &folder.join("log"), || make_bucket(port).is_ok())?;
        Ok(Self { port, _kept: kept })
    }

    /// Where a lake may lie in it.
    #[must_use]
    pub fn url(&self) -> &'static str {
        "s3://lake/some where"
    }

    /// The text of the last of the lake's objects whose names begin with a prefix; none where there is none, or no longer.
    ///
    /// # Errors
    /// When the double refuses.
    pub fn last(&self, prefix: &str) -> Result<Option<String>> {
        let listed = request(self.port, "GET", &format!("?list-type=2&prefix={PLACE}/{prefix}"))?;
        let last = listed.as_deref().and_then(|listed| listed.rsplit_once("<Key>"));
        let Some((name, _)) = last.and_then(|(_, rest)| rest.split_once("</Key>")) else {
            return Ok(None);
        };
        request(self.port, "GET", &format!("/{}", name.replace(' ', "%20")))
    }

    /// Copies the lake into a folder.
    ///
    /// # Errors
    /// When that fails.
    pub fn copy(&self, folder: &Path) -> Result<()> {
        let copied = Command::new(python()?)
            .args(["-c", COPY, self.url()])
            .arg(folder)
            .envs(self.environment())
            .output()?;
        ensure!(
            copied.status.success(),
            "{}",
            String::from_utf8_lossy(&copied.stderr)
        );
        Ok(())
    }

    /// What the environment says of it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }
}

fn python() -> Result<String> {
    std::env::var("ORACLE_PYTHON").context("ORACLE_PYTHON is not set: run tests/run test")
}

fn make_bucket(port: u16) -> Result<()> {
    request(port, "PUT", "").map(drop)
}

/// What the double says of the bucket, or of something in it; none where it is not there.
fn request(port: u16, method: &str, target: &str) -> Result<Option<String>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    // It looks for a signature, and does not check it.
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request";
    let head = format!(
        "{method} /lake{target} HTTP/1.0\r\nHost: 127.0.0.1\r\n{signed}, SignedHeaders=host, Signature=0\r\n\
         Content-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.contains(" 404 ") {
        return Ok(None);
    }
    ensure!(head.contains(" 200 "), "{answer}");
    Ok(Some(body.to_owned()))
}
