//! Logs on standard error; traces and metrics over OTLP where configured.

use std::io::IsTerminal;

use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{Config, config::LogFormat};

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
    /// OTLP needs a tokio runtime around it.
    #[error("telemetry.otlp_endpoint is set, but no tokio runtime runs")]
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

/// Starts logs, and traces and metrics where `telemetry.otlp_endpoint` is set. Once in a process.
///
/// # Errors
/// When the filter or the endpoint is wrong, when called twice, or when OTLP is asked for outside a tokio
/// runtime.
pub fn init(config: &Config) -> Result<Guard, Error> {
    let filter = EnvFilter::try_new(&config.log.filter)?;
    let guard = match &config.telemetry.otlp_endpoint {
        Some(endpoint) => export(endpoint)?,
        None => Guard::default(),
    };
    let traces = guard
        .tracer
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("dualwheel")));
    Registry::default()
        .with(traces)
        .with(written(config.log.format))
        .with(filter)
        .try_init()?;
    Ok(guard)
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

/// Builds the providers that send to `endpoint`, and makes them the process's own.
fn export(endpoint: &str) -> Result<Guard, Error> {
    tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
    let resource = Resource::builder().with_service_name("dualwheel").build();
    let spans = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()?;
    let metrics = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()?;
    let tracer = SdkTracerProvider::builder()
        .with_batch_exporter(spans)
        .with_resource(resource.clone())
        .build();
    let meter = SdkMeterProvider::builder()
        .with_periodic_exporter(metrics)
        .with_resource(resource)
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(tracer.clone());
    global::set_meter_provider(meter.clone());
    Ok(Guard {
        tracer: Some(tracer),
        meter: Some(meter),
    })
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
