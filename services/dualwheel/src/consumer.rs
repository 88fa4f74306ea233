//! `dualwheel consumer`: questions about the consumers of a brand one by one.

use dualwheel_kit::{client, config::Config, question::window_to_proto};
use dualwheel_measure::Window;
use dualwheel_proto::{
    consumer::{ConsumerValue, ListValuesRequest, consumer_service_client::ConsumerServiceClient},
    types::MetricQuery,
};

use crate::{
    ask::taken,
    cli::{Common, Consumer, Values},
    mesh::{self, Role},
    output,
    target::{explain, reach},
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn run(config: &Config, common: &Common, command: &Consumer) -> anyhow::Result<()> {
    match command {
        Consumer::Values(args) => values(config, common, args).await,
    }
}

/// Prints a line a customer: a JSON object with `--json`, else columns divided by tabs under a heading.
async fn values(config: &Config, common: &Common, args: &Values) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let query = MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(Window::ending(args.as_of, 1))),
        ..MetricQuery::default()
    };
    let request = ListValuesRequest {
        query: Some(query),
        horizon_weeks: args.horizon_weeks,
    };
    let request = client::with_deadline(request, mesh::patience(config));
    let mut client = ConsumerServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let mut values = taken(client.list_values(request).await)?;
    if !common.json {
        output::text(
            "consumer\trepeats\trecency_weeks\tage_weeks\talive_probability\texpected_purchases\t\
             expected_purchase_value\tlifetime_value",
        )?;
    }
    while let Some(some) = values.message().await.map_err(|status| explain(&status))? {
        for value in &some.values {
            if common.json {
                output::line("dualwheel.consumer.v1.ConsumerValue", value)?;
            } else {
                output::text(&columns(value))?;
            }
        }
    }
    Ok(())
}

fn columns(value: &ConsumerValue) -> String {
    let foreseen = |number: Option<f64>, digits: usize| match number {
        Some(number) => format!("{number:.digits$}"),
        None => "-".to_owned(),
    };
    [
        value.consumer.clone(),
        value.repeats.to_string(),
        format!("{:.2}", value.recency_weeks),
        format!("{:.2}", value.age_weeks),
        foreseen(value.alive_probability, 4),
        foreseen(value.expected_purchases, 4),
        foreseen(value.expected_purchase_value, 2),
        foreseen(value.lifetime_value, 2),
    ]
    .join("\t")
}
