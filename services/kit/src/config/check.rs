//! What a value must satisfy beyond its type.

use tonic::transport::Endpoint;
use tracing_subscriber::EnvFilter;

use super::{Config, Plugins};
use crate::tenant::is_name;

/// The first wrong key and what is expected of it.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    tenant(&config.tenant)?;
    listen("listen", &config.listen)?;
    require(!config.data.is_empty(), "data", "expected a folder or its URL")?;
    require(
        config.database.is_some() || config.data_folder().is_some(),
        "data",
        "a lake that is no local folder needs `database` to be set as well",
    )?;
    database(config.database.as_deref())?;
    filter(&config.log.filter)?;
    let collector = config.telemetry.otlp_endpoint.as_deref();
    require(
        collector.is_none_or(|url| url.starts_with("http://")),
        "telemetry.otlp_endpoint",
        "expected a URL that begins with http://: the collector is reached without TLS",
    )?;
    for (key, endpoint) in endpoints(config) {
        require(
            endpoint.contains("://") && Endpoint::from_shared(endpoint.to_owned()).is_ok(),
            key,
            "expected a URL such as http://127.0.0.1:7650",
        )?;
    }
    let (limits, deadlines) = (&config.limits, &config.deadlines);
    require(
        (1..=1 << 30).contains(&limits.message_bytes),
        "limits.message_bytes",
        "expected 1 to 1 GiB",
    )?;
    require(
        (1..=1 << 20).contains(&limits.concurrency),
        "limits.concurrency",
        "expected 1 to 1 048 576",
    )?;
    require(
        (1..=dualwheel_proto::MOST_ROWS).contains(&limits.batch_rows),
        "limits.batch_rows",
        "expected 1 to 131 072",
    )?;
    require(
        (1..=36_500).contains(&limits.dead_letter_days),
        "limits.dead_letter_days",
        "expected 1 to 36 500",
    )?;
    require(
        limits.dead_letter_bytes >= 1 << 20,
        "limits.dead_letter_bytes",
        "expected at least 1 048 576 (1 MiB)",
    )?;
    require(
        (1..=604_800).contains(&limits.erasure_grace_s),
        "limits.erasure_grace_s",
        "expected 1 to 604 800 (seven days)",
    )?;
    require(
        (60..=31_536_000).contains(&limits.retention_s),
        "limits.retention_s",
        "expected 60 to 31 536 000 (a year)",
    )?;
    for origin in &config.web.origins {
        web_origin(origin)?;
    }
    plugins(&config.plugins)?;
    together(config)?;
    for (key, given, least, most) in [
        (
            "limits.metadata_bytes",
            u64::from(limits.metadata_bytes),
            1_024,
            1 << 20,
        ),
        ("limits.connections", limits.connections.into(), 1, 1_000_000),
        (
            "limits.streams_per_connection",
            limits.streams_per_connection.into(),
            1,
            100_000,
        ),
        (
            "limits.tenant_calls_per_second",
            limits.tenant_calls_per_second.into(),
            0,
            1_000_000,
        ),
        ("limits.tenant_burst", limits.tenant_burst.into(), 0, 10_000_000),
        (
            "state.max_connections",
            config.state.max_connections.into(),
            1,
            1_000,
        ),
        (
            "state.statement_timeout_ms",
            config.state.statement_timeout_ms,
            1,
            3_600_000,
        ),
        ("redis.answer_bytes", config.redis.answer_bytes, 0, 1 << 40),
        ("redis.kept_s", config.redis.kept_s, 1, 2_592_000),
        ("auth.leeway_s", config.auth.leeway_s, 0, 3_600),
        ("auth.lifetime_s", config.auth.lifetime_s, 1, 31_536_000),
        ("deadlines.unready_ms", deadlines.unready_ms, 0, 600_000),
        ("deadlines.handshake_ms", deadlines.handshake_ms, 1, 3_600_000),
        (
            "deadlines.connection_age_ms",
            deadlines.connection_age_ms,
            0,
            86_400_000,
        ),
    ] {
        let expected = format!("expected {least} to {most}");
        require((least..=most).contains(&given), key, &expected)?;
    }
    require(
        (1..=86_400_000).contains(&deadlines.default_ms),
        "deadlines.default_ms",
        "expected 1 to 86 400 000 (a day)",
    )?;
    require(
        (deadlines.default_ms..=604_800_000).contains(&deadlines.job_ms),
        "deadlines.job_ms",
        "expected deadlines.default_ms to 604 800 000 (a week)",
    )?;
    require(
        deadlines.margin_ms < deadlines.default_ms,
        "deadlines.margin_ms",
        "expected less than deadlines.default_ms",
    )?;
    require(
        deadlines.drain_ms <= 3_600_000,
        "deadlines.drain_ms",
        "expected at most 3 600 000 (an hour)",
    )
}

/// What makes sense only with something else.
fn together(config: &Config) -> Result<(), (String, String)> {
    let (tls, client, auth) = (&config.tls, &config.client, &config.auth);
    require(
        tls.certificate.is_some() == tls.key.is_some(),
        "tls.key",
        "expected together with tls.certificate",
    )?;
    require(
        tls.client_ca.is_none() || tls.certificate.is_some(),
        "tls.client_ca",
        "expected together with tls.certificate and tls.key",
    )?;
    require(
        client.certificate.is_some() == client.key.is_some(),
        "client.key",
        "expected together with client.certificate",
    )?;
    require(
        auth.jwks.is_some() || (auth.issuer.is_none() && auth.audience.is_none()),
        "auth.jwks",
        "expected where auth.issuer or auth.audience is set",
    )?;
    if let Some(address) = &config.telemetry.prometheus_listen {
        listen("telemetry.prometheus_listen", address)?;
    }
    let nodes = config.redis.url.iter().flat_map(|url| url.split(','));
    for node in nodes.map(str::trim) {
        require(
            node.starts_with("redis://") || node.starts_with("rediss://"),
            "redis.url",
            "expected a URL such as redis://127.0.0.1:6379, or several with commas between; a comma in a password is written %2C",
        )?;
        require(redis::Client::open(node).is_ok(), "redis.url", UNREADABLE)?;
    }
    Ok(())
}

/// What to do about a URL that cannot be read, which is not shown, as it may hold a password.
const UNREADABLE: &str = "cannot be read as a URL; write @ : / ? # [ ] % of its user and password as %40 %3A %2F %3F %23 %5B \
                          %5D %25, and the port as a number";

fn database(url: Option<&str>) -> Result<(), (String, String)> {
    let Some(url) = url else { return Ok(()) };
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    require(
        postgres || url.starts_with("sqlite:"),
        "database",
        "expected a URL that begins with postgres:// or sqlite:",
    )?;
    require(!postgres || url::Url::parse(url).is_ok(), "database", UNREADABLE)
}

/// An origin is compared with what browsers send, letter by letter.
fn web_origin(origin: &str) -> Result<(), (String, String)> {
    const KEY: &str = "web.origins";
    require(
        !origin.contains('*'),
        KEY,
        "`*` would let every web page call; name each origin, such as https://app.example.com",
    )?;
    let url = url::Url::parse(origin).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()));
    let sent = url.map(|url| url.origin().ascii_serialization());
    let expected = match &sent {
        Some(sent) => format!("expected an origin as browsers send it: {sent}, not {origin}"),
        None => format!("expected origins such as https://app.example.com, not {origin}"),
    };
    require(sent.as_deref() == Some(origin), KEY, &expected)
}

fn plugins(plugins: &Plugins) -> Result<(), (String, String)> {
    for (key, given, least, most) in [
        ("plugins.fuel_base", plugins.fuel_base, 1, u64::MAX),
        ("plugins.deadline_ms", plugins.deadline_ms, 1, 3_600_000),
        ("plugins.memory_bytes", plugins.memory_bytes, 64 << 10, 4 << 30),
        ("plugins.runs", plugins.runs.into(), 1, 1_000),
        ("plugins.checks", plugins.checks.into(), 1, 1_000),
        ("plugins.component_bytes", plugins.component_bytes, 8, 1 << 30),
        (
            "plugins.compile_memory_bytes",
            plugins.compile_memory_bytes,
            512 << 20,
            1 << 40,
        ),
        ("plugins.compile_cpu_s", plugins.compile_cpu_s, 1, 3_600),
        ("plugins.loaded", plugins.loaded, 1, 10_000),
    ] {
        let expected = format!("expected {least} to {most}");
        require((least..=most).contains(&given), key, &expected)?;
    }
    Ok(())
}

fn require(holds: bool, key: &str, expected: &str) -> Result<(), (String, String)> {
    if holds {
        Ok(())
    } else {
        Err((key.to_owned(), expected.to_owned()))
    }
}

fn tenant(tenant: &str) -> Result<(), (String, String)> {
    require(is_name(tenant), "tenant", "expected 1 to 63 of a-z, 0-9, - and _")
}

fn listen(key: &str, listen: &str) -> Result<(), (String, String)> {
    let port = listen
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port);
    require(
        port.is_some_and(|port| port.parse::<u16>().is_ok()),
        key,
        "expected HOST:PORT such as 127.0.0.1:7650",
    )
}

fn filter(filter: &str) -> Result<(), (String, String)> {
    match EnvFilter::try_new(filter) {
        Ok(_) => Ok(()),
        Err(error) => Err((
            "log.filter".to_owned(),
            format!("expected a filter such as info: {error}"),
        )),
    }
}

fn endpoints(config: &Config) -> impl Iterator<Item = (&'static str, &str)> {
    let endpoints = &config.endpoints;
    [
        ("telemetry.otlp_endpoint", &config.telemetry.otlp_endpoint),
        ("endpoints.consumer", &endpoints.consumer),
        ("endpoints.product", &endpoints.product),
        ("endpoints.content", &endpoints.content),
        ("endpoints.membership", &endpoints.membership),
    ]
    .into_iter()
    .filter_map(|(key, endpoint)| Some((key, endpoint.as_deref()?)))
}
