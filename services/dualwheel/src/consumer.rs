//! `dualwheel consumer`: what the consumers of a brand are worth one by one, the ways they take, and their deletion.

mod deletion;
mod moves;
mod sources;
mod winback;

use std::collections::BTreeMap;

use dualwheel_kit::{config::Config, question::window_to_proto};
use dualwheel_measure::Window;
use dualwheel_proto::{
    consumer::{
        ConsumerValue, GetJourneysRequest, GetJourneysResponse, JourneyOutcome, JourneyPoint, JourneyRoute,
        ListValuesRequest, consumer_service_client::ConsumerServiceClient,
    },
    types::MetricQuery,
};

use crate::{
    audience::definition,
    cli::{Common, Consumer, Journeys, Values},
    format,
    job::long,
    mesh::{self, Role},
    output, table,
    target::{explain, reach, taken},
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn run(config: &Config, common: &Common, command: &Consumer) -> anyhow::Result<()> {
    match command {
        Consumer::Values(args) => values(config, common, args).await,
        Consumer::Journeys(args) => journeys(config, common, args).await,
        Consumer::Delete(args) => deletion::delete(config, common, args).await,
        Consumer::Deletions(args) => deletion::list(config, common, args).await,
        Consumer::Export(args) => deletion::export(config, common, args).await,
        Consumer::Moves(args) => moves::run(config, common, args).await,
        Consumer::Sources(args) => sources::run(config, common, args).await,
        Consumer::Winback(args) => winback::run(config, common, args).await,
    }
}

/// Prints the credits of every point by every model, then the routes.
async fn journeys(config: &Config, common: &Common, args: &Journeys) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let (outcome, behavior_kind) = match args.outcome.as_str() {
        "purchase" => (JourneyOutcome::Purchase, ""),
        "joining" => (JourneyOutcome::Joining, ""),
        kind => (JourneyOutcome::Behavior, kind),
    };
    let point = if args.touches {
        JourneyPoint::Touch
    } else {
        JourneyPoint::Channel
    };
    let query = MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(args.window)),
        ..MetricQuery::default()
    };
    let request = GetJourneysRequest {
        query: Some(query),
        outcome: outcome.into(),
        behavior_kind: behavior_kind.to_owned(),
        point: point.into(),
        routes: args.routes,
        audience: args.audience.as_deref().and_then(definition),
    };
    let told: GetJourneysResponse = long(&channel, config, "GetJourneys", &request).await?;
    if common.json {
        return output::json("dualwheel.consumer.v1.GetJourneysResponse", &told);
    }
    output::text(&format!(
        "{} outcomes of {} people\n\n{}\n\n{}",
        format::whole(told.outcomes),
        format::whole(told.people),
        credits(&told),
        routes(&told)
    ))
}

/// A line a point, a column a model: people.
fn credits(told: &GetJourneysResponse) -> String {
    let mut points: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (at, model) in told.models.iter().enumerate() {
        for credit in &model.credits {
            let row = points
                .entry(&credit.point)
                .or_insert_with(|| vec![0.0; told.models.len()]);
            if let Some(cell) = row.get_mut(at) {
                *cell = credit.people;
            }
        }
    }
    let mut headings = vec![("People credited to", false)];
    headings.extend(told.models.iter().map(|model| (model.model.as_str(), true)));
    let row = |(point, people): (&str, Vec<f64>)| {
        let numbers = people.into_iter().map(|people| format::decimal(people, 1));
        std::iter::once(point.to_owned()).chain(numbers).collect()
    };
    table::rows(&headings, points.into_iter().map(row).collect())
}

fn routes(told: &GetJourneysResponse) -> String {
    let row = |route: &JourneyRoute| {
        let money = route.net_gmv.as_ref().map(format::exact_money);
        vec![
            route.points.join(" → "),
            format::whole(route.outcomes),
            format::percent(route.conversion),
            money.unwrap_or_default(),
        ]
    };
    let headings = [
        ("Route", false),
        ("Outcomes", true),
        ("Conversion", true),
        ("Net GMV", true),
    ];
    table::rows(&headings, told.routes.iter().map(row).collect())
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
    let request = mesh::request(config, request)?;
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
