//! Configuration: defaults, a TOML file, `DUALWHEEL_*` of the environment and flags, laid on one another.
//!
//! Nested keys are dotted in flags (`limits.concurrency`) and doubly underlined in the environment
//! (`DUALWHEEL_LIMITS__CONCURRENCY`). An empty value of the environment counts as not set.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use url::Url;

mod check;
mod load;
mod render;

pub use render::shown;

/// Names the configuration file when no flag does.
pub const FILE_VARIABLE: &str = "DUALWHEEL_CONFIG";
/// What a message may be larger than the largest batch: its key, names and framing.
pub const MESSAGE_SLACK: usize = 1 << 20;
/// Prefix of the environment.
pub const PREFIX: &str = "DUALWHEEL_";

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(
        "configuration file {file} cannot be read: {source}; correct --config or DUALWHEEL_CONFIG, or let the user of this \
         process read it"
    )]
    Unreadable {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {file}, {place}: {message}; correct it there")]
    Malformed {
        /// File.
        file: String,
        /// Line and column.
        place: String,
        /// What is wrong; the text itself is left out, as it may be a password.
        message: String,
    },
    /// A key that does not exist.
    #[error("{key} from {origin}: there is no such key; take it out, or write one of {known}")]
    Unknown {
        /// Dotted key.
        key: String,
        /// File, variable or flag.
        origin: String,
        /// The keys that exist beside it.
        known: String,
    },
    /// A value that does not fit.
    #[error("{key} from {origin}: {expected}")]
    Invalid {
        /// Dotted key.
        key: String,
        /// File, variable or flag.
        origin: String,
        /// What is expected.
        expected: String,
    },
}

/// The whole configuration of a process.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Tenant of the embedded mode: 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    pub tenant: String,
    /// Host and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// Serves other machines although nobody is authenticated. Off: only loopback addresses are bound.
    pub allow_remote_without_auth: bool,
    /// The lake: a folder, or the URL of one (`file://`, `s3://`, …).
    pub data: String,
    /// URL of the database of operational state; an SQLite file in the data folder when not set.
    pub database: Option<String>,
    /// Folder of overriding definition files.
    pub definitions: Option<String>,
    /// Logs.
    pub log: Log,
    /// Traces and metrics.
    pub telemetry: Telemetry,
    /// Bounds of the database.
    pub state: State,
    /// What replicas share.
    pub redis: Redis,
    /// What the server proves itself with.
    pub tls: Tls,
    /// Web pages that may call.
    pub web: Web,
    /// How callers prove who they are.
    pub auth: Auth,
    /// What calls to other services carry.
    pub client: Client,
    /// Where the other services are, for a diagnosis process.
    pub endpoints: Endpoints,
    /// Bounds of what is taken in.
    pub limits: Limits,
    /// Bounds of time.
    pub deadlines: Deadlines,
    /// What plugins may use.
    pub plugins: Plugins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            listen: "127.0.0.1:7650".to_owned(),
            allow_remote_without_auth: false,
            data: "./.dualwheel".to_owned(),
            database: None,
            definitions: None,
            log: Log::default(),
            telemetry: Telemetry::default(),
            state: State::default(),
            redis: Redis::default(),
            tls: Tls::default(),
            web: Web::default(),
            auth: Auth::default(),
            client: Client::default(),
            endpoints: Endpoints::default(),
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            plugins: Plugins::default(),
        }
    }
}

/// What is logged by default.
const FILTER: &str = "info,buoyant_kernel=warn,deltalake_core::writer::stats=error";

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// File of the audit log, to which every write and export adds a JSON line; standard error, as other logs, when not set.
    pub audit: Option<String>,
    /// What is logged, as `tracing` filters say it: `info`, `warn,dualwheel_lake=debug`. By default information, but of
    /// the Delta kernel, which logs the whole state of a table at each opening, only warnings, and of the Delta writer no
    /// word of columns whose bounds it does not know.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            audit: None,
            filter: FILTER.to_owned(),
        }
    }
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A readable line.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Where traces and metrics go.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// OTLP collector over gRPC, for example `http://127.0.0.1:4317`; off when not set.
    pub otlp_endpoint: Option<String>,
    /// Host and port on which `GET /metrics` answers in Prometheus' text format; off when not set.
    pub prometheus_listen: Option<String>,
}

/// Bounds of the database of operational state.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Connections of the process to a PostgreSQL database; each of its services takes from the same pool.
    pub max_connections: u32,
    /// Longest time of a statement on PostgreSQL, in milliseconds.
    pub statement_timeout_ms: u64,
    /// Brings the tables up to date at start. Off: the process only checks them, and refuses to serve when
    /// `dualwheel migrate` has not been run.
    pub migrate: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            max_connections: 10,
            statement_timeout_ms: 10_000,
            migrate: true,
        }
    }
}

/// What replicas share: answers, request ids, rate limits and notices.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://` or `rediss://` URL of a server, or of several nodes of a Redis Cluster, separated by commas; everything
    /// stays in the process when not set.
    pub url: Option<String>,
    /// Bytes of answers kept in the process.
    pub answer_bytes: u64,
    /// Seconds for which answers and the answers to request ids are kept.
    pub kept_s: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: None,
            answer_bytes: 64 << 20,
            kept_s: 86_400,
        }
    }
}

/// What the server proves itself with. The files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file of the certificate chain, the server's own first; plain text is served when not set.
    pub certificate: Option<String>,
    /// PEM file of its private key.
    pub key: Option<String>,
    /// PEM file of the authorities whose clients are let in; clients need no certificate when not set.
    pub client_ca: Option<String>,
}

/// Web pages that may call, by gRPC-Web or Connect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Exact origins, such as `https://app.example.com`, whose pages browsers let read answers; none when empty. In the
    /// environment and flags with commas between.
    #[serde(deserialize_with = "load::list")]
    pub origins: Vec<String>,
}

/// How callers prove who they are.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// JWKS file with the keys of tokens, read again when it changes; calls need no token when not set.
    pub jwks: Option<String>,
    /// The `iss` that tokens must carry; any when not set.
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry; none is looked at when not set.
    pub audience: Option<String>,
    /// Seconds by which clocks may differ.
    pub leeway_s: u64,
    /// Longest time for which a token may be good, from when it was made (`iat`) and from when it is shown, in seconds.
    pub lifetime_s: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            jwks: None,
            issuer: None,
            audience: None,
            leeway_s: 30,
            lifetime_s: 86_400,
        }
    }
}

/// What calls to other services carry, from the diagnosis process and the command line.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// PEM file of the authorities whose servers are trusted, for `https://` endpoints; the machine's own when not set.
    pub ca: Option<String>,
    /// PEM file of the client's certificate chain, where servers ask for one.
    pub certificate: Option<String>,
    /// PEM file of its private key.
    pub key: Option<String>,
    /// File with the token of the command line's calls, read at each of them.
    pub token_file: Option<String>,
}

/// Where the other services are: `http://HOST:PORT` each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoints {
    /// The consumer service.
    pub consumer: Option<String>,
    /// The product service.
    pub product: Option<String>,
    /// The content service.
    pub content: Option<String>,
    /// The membership service.
    pub membership: Option<String>,
}

/// Bounds of what is taken in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest batch, encoded, in bytes. A message may be [`MESSAGE_SLACK`] larger.
    pub message_bytes: usize,
    /// Calls in hand at once, and streams, of which a tenant has at most half; more are refused.
    pub concurrency: usize,
    /// Bytes of the metadata of a call.
    pub metadata_bytes: u32,
    /// Connections open at once; more wait to be taken in.
    pub connections: u32,
    /// Calls in hand at once on one connection; more wait.
    pub streams_per_connection: u32,
    /// Calls a second of one tenant, at all replicas together; 0 for no limit.
    pub tenant_calls_per_second: u32,
    /// Calls of one tenant that may come at once before that limit counts; 0 for as many as a second allows.
    pub tenant_burst: u32,
    /// Rows of a batch, at most [`dualwheel_proto::MOST_ROWS`].
    pub batch_rows: usize,
    /// Days for which refused rows are kept.
    pub dead_letter_days: u32,
    /// Bytes that the refused rows of a tenant and fact may take; the oldest are removed first.
    pub dead_letter_bytes: u64,
    /// Bytes of decoded facts kept for the next question, with the names that they are written in.
    pub frame_cache_bytes: u64,
    /// Bytes that the bitmaps of the people index, and sums of them, may take in memory.
    pub index_cache_bytes: u64,
    /// Seconds for which files of former versions stay after a consumer's facts were removed, for questions and appends
    /// that are running. Longer than any of them takes.
    pub erasure_grace_s: u64,
    /// Seconds for which files of former versions stay that were joined to larger ones, for questions that pin a version.
    /// Producers of many small batches leave many such files.
    pub retention_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            concurrency: 256,
            metadata_bytes: 16 << 10,
            connections: 10_000,
            streams_per_connection: 128,
            tenant_calls_per_second: 0,
            tenant_burst: 0,
            batch_rows: dualwheel_proto::MOST_ROWS,
            dead_letter_days: 90,
            dead_letter_bytes: 256 << 20,
            frame_cache_bytes: 768 << 20,
            index_cache_bytes: 256 << 20,
            erasure_grace_s: 600,
            retention_s: 604_800,
        }
    }
}

/// Bounds of time, in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// Longest time to a call's answer, or to the begin of its answering stream; a caller may ask for less.
    pub default_ms: u64,
    /// Longest time to the end of a job.
    pub job_ms: u64,
    /// What is taken off a deadline at every hop, so that the answer is back in time.
    pub margin_ms: u64,
    /// Longest time that running calls are given when the process stops.
    pub drain_ms: u64,
    /// Time between `NOT_SERVING` and the closing of the address, for balancers to notice.
    pub unready_ms: u64,
    /// Longest time in which a new connection must have begun to speak, its TLS handshake included.
    pub handshake_ms: u64,
    /// Age at which a connection is closed, up to a tenth more, when its calls have ended, so that clients look up the
    /// service's addresses again; 0 for no age.
    pub connection_age_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            default_ms: 30_000,
            job_ms: 3_600_000,
            margin_ms: 50,
            drain_ms: 10_000,
            unready_ms: 0,
            handshake_ms: 10_000,
            connection_age_ms: 1_800_000,
        }
    }
}

/// What plugins may use, each call of each of them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Folder of compiled plugins; in the data folder when not set. It is no secret, but who can write to it can slow down
    /// the start of plugins.
    pub cache: Option<String>,
    /// Fuel of a call, about one unit an instruction.
    pub fuel_base: u64,
    /// Fuel of each of its rows besides.
    pub fuel_per_row: u64,
    /// Wall-clock time of a call, in milliseconds.
    pub deadline_ms: u64,
    /// Memory of a call, in bytes.
    pub memory_bytes: u64,
    /// Calls that answer questions under way at once, of which a tenant has at most three quarters, and a brand and a
    /// plugin a half each; more wait, and are served in turn. With fewer than 3, one tenant can keep others waiting.
    pub runs: u32,
    /// Checks and replays under way at once, of which a tenant and a plugin have likewise a part.
    pub checks: u32,
    /// Largest component, in bytes.
    pub component_bytes: u64,
    /// Memory of the process that compiles a component, in bytes.
    pub compile_memory_bytes: u64,
    /// Processor time of that process, in seconds.
    pub compile_cpu_s: u64,
    /// Loaded plugins that are kept ready.
    pub loaded: u64,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            cache: None,
            fuel_base: 200_000_000,
            fuel_per_row: 500_000,
            deadline_ms: 20_000,
            memory_bytes: 256 << 20,
            runs: 4,
            checks: 2,
            component_bytes: 64 << 20,
            compile_memory_bytes: 1_536 << 20,
            compile_cpu_s: 120,
            loaded: 64,
        }
    }
}

impl Config {
    /// Loads defaults, then `file` (or the one that `DUALWHEEL_CONFIG` names), then the environment, then
    /// `flags` (dotted key to value).
    ///
    /// # Errors
    /// When the file cannot be read, or a key or value is wrong; the error names key, source and expectation.
    pub fn load(file: Option<&Path>, flags: &BTreeMap<String, String>) -> Result<Self, Error> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        load::load(file, environment, flags)
    }

    /// The effective configuration as TOML, with secrets hidden.
    #[must_use]
    pub fn render(&self) -> String {
        render::render(self)
    }

    /// The data folder on this machine; `None` when the lake is elsewhere.
    #[must_use]
    pub fn data_folder(&self) -> Option<&Path> {
        match self.data.strip_prefix("file://") {
            Some(path) => Some(Path::new(path)),
            None if self.data.contains("://") => None,
            None => Some(Path::new(&self.data)),
        }
    }

    /// The database's URL: the configured one, or an SQLite file in the data folder.
    #[must_use]
    pub fn database_url(&self) -> String {
        match (&self.database, self.data_folder()) {
            (Some(url), _) => url.clone(),
            (None, Some(folder)) => sqlite_url(&folder.join("state.db")),
            // Refused when loaded; a configuration made in code keeps its state for the process's life.
            (None, None) => "sqlite::memory:".to_owned(),
        }
    }
}

/// The URL of an SQLite file, of whatever letters its path is.
fn sqlite_url(file: &Path) -> String {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    match Url::from_file_path(&whole) {
        Ok(url) => format!("sqlite://{}", url.path()),
        Err(()) => format!("sqlite://{}", file.display()),
    }
}

/// A path whose first part may be `~`, the home folder of who runs this.
#[must_use]
pub fn at_home(path: &str) -> String {
    let rest = path
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}{rest}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
