//! `dualwheel consumer moves`: what campaigns spent per person who moved between the stages.

use dualwheel_kit::{config::Config, question::window_to_proto};
use dualwheel_proto::{
    Money,
    consumer::{
        CampaignMoves, GetMoveCostsRequest, GetMoveCostsResponse, MoveCost,
        consumer_service_client::ConsumerServiceClient,
    },
    types::MetricQuery,
};

use crate::{
    cli::{Common, moves::Moves},
    format,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// Prints the cells with the spend of all campaigns, then the campaigns, and the cells of each.
pub(super) async fn run(config: &Config, common: &Common, args: &Moves) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let query = MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(args.window)),
        ..MetricQuery::default()
    };
    let request = GetMoveCostsRequest { query: Some(query) };
    let request = mesh::request(config, request)?;
    let mut client = ConsumerServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let told = taken(client.get_move_costs(request).await)?;
    if common.json {
        return output::json("dualwheel.consumer.v1.GetMoveCostsResponse", &told);
    }
    output::text(&readable(&told))
}

fn readable(told: &GetMoveCostsResponse) -> String {
    let all = table::rows(&CELL_HEADINGS, told.cells.iter().map(cell_row).collect());
    if told.campaigns.is_empty() {
        return format!("{all}\n\nno campaign ran in the window");
    }
    format!("{all}\n\n{}\n\n{}", campaigns(told), campaign_cells(told))
}

const CELL_HEADINGS: [(&str, bool); 4] = [
    ("From", false),
    ("To", false),
    ("People", true),
    ("Spend a person", true),
];

fn cell_row(cell: &MoveCost) -> Vec<String> {
    vec![
        cell.from.clone(),
        cell.to.clone(),
        format::whole(cell.people),
        money(cell.spend_per_person.as_ref()),
    ]
}

fn campaigns(told: &GetMoveCostsResponse) -> String {
    let row = |one: &CampaignMoves| {
        vec![
            one.campaign.clone(),
            money(one.spend.as_ref()),
            format::whole(one.reached),
        ]
    };
    let headings = [
        ("Campaign", false),
        ("Spend in the window", true),
        ("People reached", true),
    ];
    table::rows(&headings, told.campaigns.iter().map(row).collect())
}

fn campaign_cells(told: &GetMoveCostsResponse) -> String {
    let rows = told.campaigns.iter().flat_map(|one| {
        one.cells.iter().map(|cell| {
            let mut row = vec![one.campaign.clone()];
            row.append(&mut cell_row(cell));
            row
        })
    });
    let mut headings = vec![("Campaign", false)];
    headings.extend(CELL_HEADINGS);
    table::rows(&headings, rows.collect())
}

fn money(amount: Option<&Money>) -> String {
    amount.map_or_else(|| format::NONE.to_owned(), format::exact_money)
}
