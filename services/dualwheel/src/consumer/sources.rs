//! `dualwheel consumer sources`: where new buyers came from.

use dualwheel_kit::{config::Config, question::window_to_proto};
use dualwheel_proto::{
    consumer::{
        GetSourcesRequest, GetSourcesResponse, Source, consumer_service_client::ConsumerServiceClient,
    },
    types::MetricQuery,
};

use crate::{
    cli::{Common, moves::Sources},
    format,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// Prints a line a brand and category that new buyers came from.
pub(super) async fn run(config: &Config, common: &Common, args: &Sources) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let query = MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(args.window)),
        ..MetricQuery::default()
    };
    let request = GetSourcesRequest { query: Some(query) };
    let request = mesh::request(config, request)?;
    let mut client = ConsumerServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let told = taken(client.get_sources(request).await)?;
    if common.json {
        return output::json("dualwheel.consumer.v1.GetSourcesResponse", &told);
    }
    output::text(&readable(&told))
}

fn readable(told: &GetSourcesResponse) -> String {
    let row = |source: &Source| {
        let category = if source.category.is_empty() {
            format::NONE
        } else {
            &source.category
        };
        vec![
            source.brand.clone(),
            category.to_owned(),
            format::whole(source.people),
            format::percent(source.share),
        ]
    };
    let headings = [
        ("Brand", false),
        ("Category", false),
        ("New buyers", true),
        ("Share", true),
    ];
    format!(
        "{} new buyers, {} of whom had bought nothing that is known\n\n{}",
        format::whole(told.new_buyers),
        format::whole(told.without_source),
        table::rows(&headings, told.sources.iter().map(row).collect())
    )
}
