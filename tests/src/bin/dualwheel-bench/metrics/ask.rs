//! One question to each metric group.

use dualwheel_measure::Window;
use dualwheel_proto::{
    metric::{QueryMetricsRequest, metric_service_client::MetricServiceClient},
    types::Metric,
};
use tonic::transport::Channel;

use crate::market::question;

/// The metric groups.
pub(crate) const GROUPS: [&str; 7] = ["aipl", "flow", "fast", "grow", "super", "start", "plus"];

/// Asks `group` about the brand in `window`.
pub(crate) async fn ask(channel: &Channel, group: &str, window: Window) -> anyhow::Result<Vec<Metric>> {
    let request = QueryMetricsRequest {
        query: Some(question(window)),
        groups: vec![group.to_owned()],
        ..QueryMetricsRequest::default()
    };
    let mut metrics = MetricServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    Ok(metrics.query_metrics(request).await?.into_inner().metrics)
}
