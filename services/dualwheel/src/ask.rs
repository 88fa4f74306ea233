//! `dualwheel ask`: one group of metrics.

use anyhow::bail;
use clap::ValueEnum;
use dualwheel_kit::{
    config::Config,
    failure::of_bytes,
    metrics::spelled_out,
    question::{day_from_proto, day_to_proto, window_to_proto},
};
use dualwheel_proto::{
    Date,
    consumer::{
        GetFastRequest, GetFlowRequest, GetValueRequest, GetValueResponse,
        consumer_service_client::ConsumerServiceClient,
    },
    diagnosis::{
        DiagnosisSpec, GetIndexRequest, GetNeoRequest, Peer, diagnosis_service_client::DiagnosisServiceClient,
    },
    metric::{
        QueryMetricsRequest, Step, StreamMetricsRequest, StreamMetricsResponse,
        metric_service_client::MetricServiceClient,
    },
    types::{Metric, MetricQuery},
};
use prost::Message;
use tonic::transport::Channel;

use crate::{
    cli::{Ask, Common, Group},
    job::long,
    mesh::{self, Role},
    output, table,
    target::{explain, reach, taken},
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn run(config: &Config, common: &Common, args: &Ask) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), owner(args.group), config).await?;
    let lang = args.lang.into();
    let [brand] = args.brands.as_slice() else {
        return many(channel, config, common, args).await;
    };
    if args.step.is_some() {
        return many(channel, config, common, args).await;
    }
    macro_rules! ask {
        ($client:ident, $call:ident, $request:ident { $($more:tt)* }, $answer:literal) => {{
            let request = $request { query: Some(query(args, brand)), $($more)* };
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
                query: Some(query(args, brand)),
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
        Group::Index => index(channel, config, common, args, brand).await,
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

async fn index(
    channel: Channel,
    config: &Config,
    common: &Common,
    args: &Ask,
    brand: &str,
) -> anyhow::Result<()> {
    let peers = args.peers.iter().map(|brand| Peer {
        brand: brand.clone(),
        ..Peer::default()
    });
    let spec = DiagnosisSpec {
        brand: brand.to_owned(),
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

/// Several brands, or a window in steps: an answer each, and a failure at the end where some have failed.
async fn many(channel: Channel, config: &Config, common: &Common, args: &Ask) -> anyhow::Result<()> {
    let group = args.group.to_possible_value();
    let group = group.map(|value| value.get_name().to_owned()).unwrap_or_default();
    if owner(args.group) == Role::Diagnosis {
        bail!(
            "{group} is answered for one brand and one window at a time: give one --brand, and leave out --step"
        );
    }
    if args.as_of.is_some() {
        bail!(
            "with several brands or steps, standing facts are judged on the last day of each: leave out --as-of"
        );
    }
    let request = StreamMetricsRequest {
        brands: args.brands.clone(),
        windows: vec![window_to_proto(args.window)],
        step: args.step.map(|length| Step { length: Some(length) }),
        metrics: Vec::new(),
        groups: vec![group],
        by: args.by.clone().unwrap_or_default(),
        category: args.category.clone().unwrap_or_default(),
        category_level: args.category_level,
        data_version: None,
    };
    let mut client = MetricServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let mut answers = taken(client.stream_metrics(mesh::request(config, request)?).await)?;
    let (mut all, mut failed) = (0_usize, 0_usize);
    while let Some(mut answer) = answers.message().await.map_err(|status| explain(&status))? {
        all += 1;
        if let Some(error) = &mut answer.error {
            failed += 1;
            // In words: the types of details are none of the contracts', so they have no JSON.
            error.message = explain(&of_bytes(&error.encode_to_vec())?).to_string();
            error.details.clear();
        }
        match common.json {
            true => output::line("dualwheel.metric.v1.StreamMetricsResponse", &answer)?,
            false => print_one(answer, args.lang.into())?,
        }
    }
    if failed > 0 {
        bail!("{failed} of {all} answers failed, as they say");
    }
    Ok(())
}

fn print_one(answer: StreamMetricsResponse, lang: crate::report::Lang) -> anyhow::Result<()> {
    let window = answer.window.unwrap_or_default();
    let day = |day: Option<Date>| day.as_ref().and_then(day_from_proto).map(|day| day.to_string());
    let [first, last] = [window.first_day, window.last_day].map(|one| day(one).unwrap_or_default());
    output::text(&format!("{} {first}..{last}", answer.brand))?;
    match &answer.error {
        Some(error) => output::text(&format!("{}\n", error.message)),
        None => print(&spelled_out(answer), lang),
    }
}

fn query(args: &Ask, brand: &str) -> MetricQuery {
    MetricQuery {
        brand: brand.to_owned(),
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
