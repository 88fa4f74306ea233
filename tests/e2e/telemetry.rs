//! Telemetry as a collector receives it: one connected trace a call, a measurement for every method, no key of a fact.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dualwheel_proto::diagnosis::GetIndexRequest;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    metrics::v1::Metric,
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::{
    diagnosis::{diagnose, diagnosis, spec},
    harness::{BRAND, Server, market},
};

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    metrics: Vec<Metric>,
    services: BTreeSet<String>,
    bytes: Vec<u8>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let mut received = self.0.lock().unwrap();
        received.bytes.extend(request.encode_to_vec());
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let named = attributes.into_iter().filter(|pair| pair.key == "service.name");
            received
                .services
                .extend(named.map(|pair| format!("{:?}", pair.value)));
            for scope in resource.scope_spans {
                received.spans.extend(scope.spans);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let request = request.into_inner();
        let mut received = self.0.lock().unwrap();
        received.bytes.extend(request.encode_to_vec());
        for resource in request.resource_metrics {
            for scope in resource.scope_metrics {
                received.metrics.extend(scope.metrics);
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// A collector that listens, and its URL.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        (collector, url)
    }
}

/// The server spans below `root`, by name.
fn below<'a>(spans: &'a [Span], root: &Span) -> BTreeSet<&'a str> {
    let parents: BTreeMap<&[u8], &[u8]> = spans
        .iter()
        .map(|span| (span.span_id.as_slice(), span.parent_span_id.as_slice()))
        .collect();
    let descends = |span: &&Span| {
        let mut at = span.parent_span_id.as_slice();
        while at != root.span_id {
            match parents.get(at) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        span.trace_id == root.trace_id
    };
    spans
        .iter()
        .filter(descends)
        .map(|span| span.name.as_str())
        .collect()
}

#[tokio::test]
async fn a_collector_receives_one_trace_a_diagnosis_and_a_measurement_a_method() {
    let (collector, url) = Collector::start().await;
    let data = market().copy();
    let server = Server::start(data.path(), &["all"], &[format!("telemetry.otlp_endpoint={url}")]);
    ask(&server).await;
    assert!(server.stop().await.success());
    check(&collector);
}

#[tokio::test]
async fn a_trace_goes_on_in_the_next_process() {
    const FACTS: [&str; 4] = ["consumer", "product", "content", "membership"];
    let (collector, url) = Collector::start().await;
    let data = market().copy();
    let mut settings = vec![format!("telemetry.otlp_endpoint={url}")];
    let facts = Server::start(data.path(), &FACTS, &settings);
    settings.extend(FACTS.map(|service| format!("endpoints.{service}={}", facts.url())));
    let diagnosing = Server::start(data.path(), &["diagnosis"], &settings);
    ask(&diagnosing).await;
    assert!(diagnosing.stop().await.success());
    assert!(facts.stop().await.success());
    check(&collector);
}

async fn ask(server: &Server) {
    let question = GetIndexRequest { spec: Some(spec()) };
    diagnosis(server.channel()).get_index(question).await.unwrap();
    diagnose(server.channel(), spec()).await;
}

/// What was sent of the index and the diagnosis that were asked for.
fn check(collector: &Collector) {
    let received = collector.0.lock().unwrap();
    assert_eq!(received.services.len(), 1, "{:?}", received.services);
    for root in ["GetIndex", "StartDiagnosis"] {
        let name = format!("dualwheel.diagnosis.v1.DiagnosisService/{root}");
        let span = received.spans.iter().find(|span| span.name == name);
        let span = span.unwrap_or_else(|| panic!("no span of {name}"));
        assert!(span.parent_span_id.is_empty(), "{span:?}");
        let asked = below(&received.spans, span);
        for call in [
            "dualwheel.consumer.v1.ConsumerService/GetFast",
            "dualwheel.metric.v1.MetricService/QueryMetrics",
            "dualwheel.product.v1.ProductService/ListDefinitions",
            "dualwheel.content.v1.ContentService/ListDefinitions",
            "dualwheel.membership.v1.MembershipService/ListDefinitions",
        ] {
            assert!(asked.contains(call), "{call} is not below {name}: {asked:?}");
        }
    }
    let durations = received
        .metrics
        .iter()
        .find(|metric| metric.name == "rpc.server.call.duration");
    let measured = format!("{durations:?}");
    assert!(measured.contains("DiagnosisService/GetIndex"), "{measured}");
    // Who was asked about stands in the facts and in no telemetry.
    for key in [BRAND, "consumer-", "brand-02"] {
        let found = received
            .bytes
            .windows(key.len())
            .any(|bytes| bytes == key.as_bytes());
        assert!(!found, "`{key}` was sent to the collector");
    }
}
