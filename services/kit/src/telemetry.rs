//! Logs on standard error; traces and metrics over OTLP, and metrics for Prometheus, where configured.

use std::{convert::Infallible, fs::File, io::IsTerminal, net::TcpListener, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use prometheus::{Encoder, TextEncoder};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{Config, config::LogFormat, private};

/// Target of the lines of the audit log.
pub const AUDIT: &str = "audit";

/// What can go wrong with the start of telemetry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter cannot be read.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logs were started before in this process.
    #[error("logging was started before: {0}")]
    Started(#[from] tracing_subscriber::util::TryInitError),
    /// The exporter cannot be built.
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The file of the audit log cannot be opened.
    #[error("log.audit: the file {file} cannot be opened: {source}; name one that this process may write to")]
    Audit {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The address for Prometheus cannot be bound, or its metrics cannot be collected.
    #[error("telemetry.prometheus_listen: {0}; choose a free address of this machine")]
    Prometheus(String),
    /// Telemetry that is sent or asked for needs a tokio runtime around it.
    #[error("telemetry is configured, but no tokio runtime runs")]
    NoRuntime,
}

/// Keeps telemetry running; sends what is left when dropped.
#[derive(Debug, Default)]
pub struct Guard {
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
}

impl Guard {
    /// Sends what is left and stops. Blocks for some seconds when the collector does not answer.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A collector that is gone must not keep the process from stopping well; what is lost is said.
        if let Some(Err(error)) = self.tracer.take().map(|tracer| tracer.shutdown()) {
            tracing::warn!(%error, "the last traces were not sent");
        }
        if let Some(Err(error)) = self.meter.take().map(|meter| meter.shutdown()) {
            tracing::warn!(%error, "the last metrics were not sent");
        }
    }
}

/// Starts logs, and traces and metrics where they are configured. Once in a process.
///
/// # Errors
/// When the filter, a file or an address is wrong, when called twice, or when telemetry is asked for outside a tokio
/// runtime.
pub fn init(config: &Config) -> Result<Guard, Error> {
    let audit = audit(config)?;
    let mut filter = EnvFilter::try_new(&config.log.filter)?;
    if audit.is_some() {
        filter = filter.add_directive(format!("{AUDIT}=info").parse()?);
    }
    let guard = export(config)?;
    let traces = guard
        .tracer
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("dualwheel")));
    let elsewhere = audit.is_some();
    let on_screen = filter_fn(move |told| !elsewhere || told.target() != AUDIT);
    let audited = filter_fn(|told| told.target() == AUDIT);
    Registry::default()
        .with(traces)
        .with(written(config.log.format).with_filter(on_screen))
        .with(audit.map(|file| {
            let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
            lines
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(Arc::new(file))
                .with_filter(audited)
        }))
        .with(filter)
        .try_init()?;
    Ok(guard)
}

/// The file of the audit log, to which lines are added.
fn audit(config: &Config) -> Result<Option<File>, Error> {
    let Some(name) = &config.log.audit else {
        return Ok(None);
    };
    let opened = private::options().create(true).append(true).open(name);
    opened.map(Some).map_err(|source| Error::Audit {
        file: name.clone(),
        source,
    })
}

/// The layer that writes logs on standard error.
fn written<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().boxed(),
    }
}

/// Builds the providers of what is configured, and makes them the process's own.
fn export(config: &Config) -> Result<Guard, Error> {
    let telemetry = &config.telemetry;
    if telemetry.otlp_endpoint.is_none() && telemetry.prometheus_listen.is_none() {
        return Ok(Guard::default());
    }
    tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
    let resource = Resource::builder().with_service_name("dualwheel").build();
    let mut tracer = None;
    let mut meter = SdkMeterProvider::builder().with_resource(resource.clone());
    if let Some(endpoint) = &telemetry.otlp_endpoint {
        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()?;
        let metrics = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()?;
        meter = meter.with_periodic_exporter(metrics);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_resource(resource)
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(provider.clone());
        tracer = Some(provider);
    }
    if let Some(address) = &telemetry.prometheus_listen {
        let registry = prometheus::Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build();
        meter = meter.with_reader(reader.map_err(|error| Error::Prometheus(error.to_string()))?);
        serve_metrics(address, registry).map_err(|error| Error::Prometheus(format!("{address}: {error}")))?;
    }
    let meter = meter.build();
    global::set_meter_provider(meter.clone());
    Ok(Guard {
        tracer,
        meter: Some(meter),
    })
}

/// Answers `GET /metrics` on `address` for the rest of the process.
fn serve_metrics(address: &str, registry: prometheus::Registry) -> std::io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tracing::info!(address = ?listener.local_addr(), "metrics for Prometheus");
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let registry = registry.clone();
            let answer = service_fn(move |request| {
                let registry = registry.clone();
                async move { Ok::<_, Infallible>(metrics(&request, &registry)) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(served);
        }
    });
    Ok(())
}

fn metrics(request: &Request<Incoming>, registry: &prometheus::Registry) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    if encoder.encode(&registry.gather(), &mut text).is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    }
    *response.body_mut() = Full::from(text);
    if let Ok(kind) = http::HeaderValue::from_str(encoder.format_type()) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    // The only test that starts telemetry: a process has one subscriber.
    #[test]
    fn starts_once_and_says_what_is_wrong() {
        let mut config = Config::default();
        config.log.filter = "a=b=c".to_owned();
        assert!(matches!(init(&config), Err(Error::Filter(_))));
        config.log.filter = "off".to_owned();
        config.telemetry.otlp_endpoint = Some("http://127.0.0.1:1".to_owned());
        assert!(matches!(init(&config), Err(Error::NoRuntime)));
        config.telemetry.otlp_endpoint = None;
        init(&config).unwrap().shutdown();
        assert!(matches!(init(&config), Err(Error::Started(_))));
    }
}
