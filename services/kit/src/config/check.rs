//! What a value must satisfy beyond its type.

use tonic::transport::Endpoint;
use tracing_subscriber::EnvFilter;

use super::{Config, Plugins};

/// The first wrong key and what is expected of it.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    tenant(&config.tenant)?;
    listen(&config.listen)?;
    require(!config.data.is_empty(), "data", "expected a folder or its URL")?;
    require(
        config.database.is_some() || config.data_folder().is_some(),
        "data",
        "a lake that is no local folder needs `database` to be set as well",
    )?;
    filter(&config.log.filter)?;
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
    require(limits.batch_rows > 0, "limits.batch_rows", "expected at least 1")?;
    require(
        (1..=604_800).contains(&limits.erasure_grace_s),
        "limits.erasure_grace_s",
        "expected 1 to 604 800 (seven days)",
    )?;
    plugins(&config.plugins)?;
    require(
        (1..=86_400_000).contains(&deadlines.default_ms),
        "deadlines.default_ms",
        "expected 1 to 86 400 000 (a day)",
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

fn plugins(plugins: &Plugins) -> Result<(), (String, String)> {
    for (key, given, least, most) in [
        ("plugins.fuel_base", plugins.fuel_base, 1, u64::MAX),
        ("plugins.deadline_ms", plugins.deadline_ms, 1, 3_600_000),
        ("plugins.memory_bytes", plugins.memory_bytes, 64 << 10, 4 << 30),
        ("plugins.runs", plugins.runs.into(), 1, 1_000),
        ("plugins.component_bytes", plugins.component_bytes, 8, 1 << 30),
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
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    require(
        (1..=63).contains(&tenant.len()) && tenant.bytes().all(allowed),
        "tenant",
        "expected 1 to 63 of a-z, 0-9, - and _",
    )
}

fn listen(listen: &str) -> Result<(), (String, String)> {
    let port = listen
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port);
    require(
        port.is_some_and(|port| port.parse::<u16>().is_ok()),
        "listen",
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
