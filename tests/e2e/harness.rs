//! Runs the program: commands to their end, servers until they are dropped, and data to ask about.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use dualwheel_proto::{
    Date,
    types::{MetricQuery, Window},
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// Longest wait for a server's port.
const START: Duration = Duration::from_secs(60);
/// Longest wait for a server's end.
const STOP: Duration = Duration::from_secs(30);

/// The brand of the small market that is asked about.
pub const BRAND: &str = "brand-01";
/// Brands of the Complete Journey slice.
pub const JOURNEY_BRANDS: [&str; 10] = [
    "103", "1046", "1208", "1251", "194", "317", "544", "673", "764", "794",
];
/// Sources of the Complete Journey slice.
const JOURNEY_SOURCES: [&str; 7] = [
    "transactions",
    "products",
    "demographics",
    "campaigns",
    "campaign_descriptions",
    "coupons",
    "coupon_redemptions",
];

/// The program.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("dualwheel");
    assert!(
        program.is_file(),
        "{} is missing: cargo build --profile quick -p dualwheel",
        program.display()
    );
    program
}

/// The program with arguments, in a clean environment: the tests' own variables are no configuration.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DUALWHEEL_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(std::env::temp_dir())
        // What is compiled for tests is not the user's.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// Standard output of a command that must have succeeded, as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Standard error of a command that must have failed with `code`, and told each of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not told: {}", self.err);
        }
        self.err
    }
}

/// The folder of the components that `plugins/build` made.
pub fn components() -> PathBuf {
    let folder = std::env::var_os("PLUGIN_COMPONENTS");
    PathBuf::from(folder.expect(
        "PLUGIN_COMPONENTS is not set: run tests/run test, or plugins/build, and set it to the folder of the components \
         that plugins/build names",
    ))
}

/// The component of an example.
pub fn component(example: &str) -> PathBuf {
    let path = components().join(format!("{example}.component.wasm"));
    assert!(path.is_file(), "{} is missing: run plugins/build", path.display());
    path
}

/// Runs a command to its end.
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    finish(&mut command(args))
}

/// Runs a prepared command to its end.
pub fn finish(command: &mut Command) -> Ran {
    let done = command.output().unwrap();
    Ran {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// A serving process; killed when dropped.
pub struct Server {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Serves `roles` over `data` on a free port, with further settings `KEY=VALUE`.
    #[track_caller]
    pub fn start(data: &Path, roles: &[&str], settings: &[String]) -> Self {
        Self::begin(command(["serve"]), "127.0.0.1:0", data, roles, settings)
    }

    /// As [`Self::start`], on an address and by a prepared command.
    #[track_caller]
    pub fn begin(
        mut command: Command,
        listen: &str,
        data: &Path,
        roles: &[&str],
        settings: &[String],
    ) -> Self {
        command
            .args(roles)
            .args(["--listen", listen, "--set", "log.format=json", "--data"])
            .arg(data);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let mut server = Self {
            child,
            address: String::new(),
            log: log.clone(),
        };
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || follow(stderr, &log, &tell));
        match told.recv_timeout(START) {
            Ok(address) => server.address = address,
            Err(_) => panic!("the server did not become ready: {}", server.log()),
        }
        server
    }

    /// Serves everything over `data`.
    #[track_caller]
    pub fn all(data: &Path) -> Self {
        Self::start(data, &["all"], &[])
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A channel to it, which connects with the first call.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).unwrap().connect_lazy()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program, in parentheses, may hold spaces; user and system time are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        // A hundredth of a second each, on every Linux.
        Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
    }

    /// Kills it, as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, as a service manager does, and answers how it ended. Waits without blocking the thread: the
    /// channels to the server, which drain with it, run on it.
    pub async fn stop(mut self) -> ExitStatus {
        let asked = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.pid())])
            .status()
            .unwrap();
        assert!(asked.success());
        let limit = Instant::now() + STOP;
        while Instant::now() < limit {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not stop: {}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Keeps a server's log, and tells the address of its `ready` line.
fn follow(stderr: ChildStderr, log: &Mutex<String>, tell: &std::sync::mpsc::Sender<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let fields = serde_json::from_str(&line).map(|line: serde_json::Value| line["fields"].clone());
        if let Some(address) = fields
            .ok()
            .filter(is_ready)
            .and_then(|fields| fields["address"].as_str().map(str::to_owned))
        {
            // Nobody listens any more when the server was not waited for.
            let _ = tell.send(address);
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

fn is_ready(fields: &serde_json::Value) -> bool {
    fields["message"]
        .as_str()
        .is_some_and(|message| message.starts_with("ready"))
}

/// The folder of the tests.
pub fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the Complete Journey slice.
pub fn journey_folder() -> PathBuf {
    tests_folder().join("data/complete-journey")
}

/// Arguments that import the Complete Journey slice.
pub fn journey_import() -> Vec<String> {
    let mut args: Vec<String> = ["import", "--mapping", "complete-journey"]
        .map(str::to_owned)
        .into();
    for source in JOURNEY_SOURCES {
        let file = journey_folder().join(format!("{source}.parquet"));
        args.extend(["--source".to_owned(), format!("{source}={}", file.display())]);
    }
    args
}

/// A lake that was imported once, for several tests to copy.
pub struct Imported(TempDir);

impl Imported {
    /// A copy to work on.
    pub fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        let done = Command::new("cp")
            .arg("-r")
            .arg(self.0.path().join("."))
            .arg(copy.path())
            .status()
            .unwrap();
        assert!(done.success());
        copy
    }
}

/// Kept as long as a test uses it, so that nothing is left when the last one ends.
type Shared = Mutex<Weak<Imported>>;

fn shared(held: &Shared, make: impl FnOnce(&Path)) -> Arc<Imported> {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(imported) = held.upgrade() {
        return imported;
    }
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let imported = Arc::new(Imported(folder));
    *held = Arc::downgrade(&imported);
    imported
}

/// The Complete Journey slice, imported by the command.
pub fn journey() -> Arc<Imported> {
    static HELD: Shared = Shared::new(Weak::new());
    shared(&HELD, |folder| {
        finish(command(journey_import()).arg("--data").arg(folder)).ok();
    })
}

/// A small generated market of ten brands with facts of every kind, imported by the command.
pub fn market() -> Arc<Imported> {
    static HELD: Shared = Shared::new(Weak::new());
    shared(&HELD, |folder| {
        let facts = tempfile::tempdir().unwrap();
        generate(facts.path(), 7);
        finish(
            command(["import", "--facts"])
                .arg(facts.path())
                .arg("--data")
                .arg(folder),
        )
        .ok();
    })
}

/// Generates the small market.
pub fn generate(folder: &Path, seed: u64) -> String {
    let seed = seed.to_string();
    let mut generate = command([
        "generate",
        "--consumers",
        "2000",
        "--facts",
        "40000",
        "--seed",
        &seed,
        "--out",
    ]);
    finish(generate.arg(folder)).ok()
}

/// Last quarter of the small market.
pub fn market_window() -> Window {
    window("2026-04-01", "2026-06-30")
}

/// A date out of `YYYY-MM-DD`.
pub fn date(text: &str) -> Date {
    let mut parts = text.split('-').map(|part| part.parse().unwrap());
    Date {
        year: parts.next().unwrap(),
        month: parts.next().unwrap(),
        day: parts.next().unwrap(),
    }
}

/// A window between two days.
pub fn window(first: &str, last: &str) -> Window {
    Window {
        first_day: Some(date(first)),
        last_day: Some(date(last)),
    }
}

/// A plain question about a brand.
pub fn question(brand: &str, window: Window) -> Option<MetricQuery> {
    Some(MetricQuery {
        brand: brand.to_owned(),
        window: Some(window),
        ..MetricQuery::default()
    })
}

/// The same question, cut by a dimension.
pub fn question_by(brand: &str, window: Window, by: &str) -> Option<MetricQuery> {
    question(brand, window).map(|query| MetricQuery {
        by: by.to_owned(),
        ..query
    })
}
