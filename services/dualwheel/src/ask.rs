//! `dualwheel ask`: one group of metrics.

use clap::ValueEnum;
use dualwheel_kit::{
    config::Config,
    question::{day_to_proto, window_to_proto},
};
use dualwheel_proto::{
    consumer::{
        GetFastRequest, GetFlowRequest, GetValueRequest, GetValueResponse,
        consumer_service_client::ConsumerServiceClient,
    },
    diagnosis::{
        DiagnosisSpec, GetIndexRequest, GetNeoRequest, Peer, diagnosis_service_client::DiagnosisServiceClient,
    },
    metric::{QueryMetricsRequest, metric_service_client::MetricServiceClient},
    types::{Metric, MetricQuery},
};
use tonic::transport::Channel;

use crate::{
    cli::{Ask, Common, Group},
    job::long,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn run(config: &Config, common: &Common, args: &Ask) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), owner(args.group), config).await?;
    let lang = args.lang.into();
    macro_rules! ask {
        ($client:ident, $call:ident, $request:ident { $($more:tt)* }, $answer:literal) => {{
            let request = $request { query: Some(query(args)), $($more)* };
            let request = mesh::request(config, request)?;
            let answer = taken($client::new(channel).max_decoding_message_size(usize::MAX).$call(request).await)?;
            if common.json { output::json($answer, &answer) } else { print(&answer.metrics, lang) }
        }};
    }
    match args.group {
        Group::Aipl | Group::Grow | Group::Rfm | Group::Super | Group::Start | Group::Plus => {
            let groups = args.group.to_possible_value();
            let groups: Vec<String> = groups.iter().map(|value| value.get_name().to_owned()).collect();
            ask!(
                MetricServiceClient,
                query_metrics,
                QueryMetricsRequest {
                    groups,
                    metrics: Vec::new()
                },
                "dualwheel.metric.v1.QueryMetricsResponse"
            )
        }
        Group::Flow => ask!(
            ConsumerServiceClient,
            get_flow,
            GetFlowRequest {},
            "dualwheel.consumer.v1.GetFlowResponse"
        ),
        Group::Fast => {
            ask!(
                ConsumerServiceClient,
                get_fast,
                GetFastRequest { trend_step: 0 },
                "dualwheel.consumer.v1.GetFastResponse"
            )
        }
        // Fitting its models may take long.
        Group::Value => {
            let request = GetValueRequest {
                query: Some(query(args)),
                horizon_weeks: 0,
            };
            let answer: GetValueResponse = long(&channel, config, "GetValue", &request).await?;
            if common.json {
                return output::json("dualwheel.consumer.v1.GetValueResponse", &answer);
            }
            print(&answer.metrics, lang)
        }
        Group::Neo => {
            let peers = args.peers.clone();
            ask!(
                DiagnosisServiceClient,
                get_neo,
                GetNeoRequest { peers },
                "dualwheel.diagnosis.v1.GetNeoResponse"
            )
        }
        Group::Index => index(channel, config, common, args).await,
    }
}

/// The service that answers a group.
fn owner(group: Group) -> Role {
    match group {
        Group::Aipl | Group::Flow | Group::Fast | Group::Grow | Group::Rfm | Group::Value => Role::Consumer,
        Group::Super => Role::Product,
        Group::Start => Role::Content,
        Group::Plus => Role::Membership,
        Group::Neo | Group::Index => Role::Diagnosis,
    }
}

async fn index(channel: Channel, config: &Config, common: &Common, args: &Ask) -> anyhow::Result<()> {
    let peers = args.peers.iter().map(|brand| Peer {
        brand: brand.clone(),
        ..Peer::default()
    });
    let spec = DiagnosisSpec {
        brand: args.brand.clone(),
        window: Some(window_to_proto(args.window)),
        peers: peers.collect(),
        category_level: args.category_level,
        ..DiagnosisSpec::default()
    };
    let request = mesh::request(config, GetIndexRequest { spec: Some(spec) })?;
    let mut client = DiagnosisServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let answer = taken(client.get_index(request).await)?;
    if common.json {
        return output::json("dualwheel.diagnosis.v1.GetIndexResponse", &answer);
    }
    output::text(&table::diagnosis(
        &answer.diagnosis.unwrap_or_default(),
        args.lang.into(),
    ))
}

fn query(args: &Ask) -> MetricQuery {
    MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(args.window)),
        as_of: args.as_of.map(day_to_proto),
        by: args.by.clone().unwrap_or_default(),
        category: args.category.clone().unwrap_or_default(),
        category_level: args.category_level,
        data_version: None,
    }
}

fn print(metrics: &[Metric], lang: crate::report::Lang) -> anyhow::Result<()> {
    output::text(&table::metrics(metrics, lang))
}
