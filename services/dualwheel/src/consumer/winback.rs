//! `dualwheel consumer winback`: lapsed buyers, and who of them will come back.

mod outlooks;

use dualwheel_kit::{config::Config, question::window_to_proto};
use dualwheel_measure::Window;
use dualwheel_proto::{
    consumer::{
        GetWinbackRequest, GetWinbackResponse, SaveWinbackPacksRequest, SaveWinbackPacksResponse,
        WinbackModel, WinbackPack,
    },
    types::MetricQuery,
};

use crate::{
    cli::{Common, Winback},
    format,
    job::long,
    mesh::Role,
    output, table,
    target::reach,
};

/// Features that are listed.
const LISTED: usize = 8;

/// Prints the model and the packs, saves these, or prints the outlooks.
pub(super) async fn run(config: &Config, common: &Common, args: &Winback) -> anyhow::Result<()> {
    let mesh = reach(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let query = Some(MetricQuery {
        brand: args.brand.clone(),
        window: Some(window_to_proto(Window::ending(args.as_of, 1))),
        ..MetricQuery::default()
    });
    if args.outlooks {
        return outlooks::run(&mesh, query, config, common).await;
    }
    let (horizon_days, channel) = (args.horizon_days, args.channel.clone().unwrap_or_default());
    let Some(prefix) = &args.save else {
        let request = GetWinbackRequest {
            query,
            horizon_days,
            channel,
        };
        let told: GetWinbackResponse = long(&mesh, config, "GetWinback", &request).await?;
        if common.json {
            return output::json("dualwheel.consumer.v1.GetWinbackResponse", &told);
        }
        return output::text(&readable(&told));
    };
    let request = SaveWinbackPacksRequest {
        query,
        horizon_days,
        channel,
        audience_prefix: prefix.clone(),
        request_id: String::new(),
    };
    let told: SaveWinbackPacksResponse = long(&mesh, config, "SaveWinbackPacks", &request).await?;
    if common.json {
        return output::json("dualwheel.consumer.v1.SaveWinbackPacksResponse", &told);
    }
    let row = |(pack, audience): (&WinbackPack, &str)| {
        let mut cells = pack_row(pack);
        cells.push(audience.to_owned());
        cells
    };
    let saved = told.packs.iter();
    let rows = saved
        .filter_map(|saved| Some(row((saved.pack.as_ref()?, &saved.audience))))
        .collect();
    let mut headings = PACK_HEADINGS.to_vec();
    headings.push(("Audience", false));
    output::text(&table::rows(&headings, rows))
}

const PACK_HEADINGS: [(&str, bool); 5] = [
    ("Tenth", true),
    ("Strongest reason", false),
    ("People", true),
    ("Will come back", true),
    ("Suggested touch", false),
];

fn readable(told: &GetWinbackResponse) -> String {
    let candidates = format!("{} lapsed buyers", format::whole(told.candidates));
    let Some(model) = &told.model else {
        return format!("{candidates}; no model: {}", told.refusal);
    };
    let packs = told.packs.iter().map(pack_row).collect();
    format!(
        "{candidates}\n{}\n\n{}",
        shown(model, told.horizon_days),
        table::rows(&PACK_HEADINGS, packs)
    )
}

/// What the model showed, and its strongest features.
fn shown(model: &WinbackModel, horizon: i32) -> String {
    let strongest = model.features.iter().take(LISTED);
    let features: Vec<String> = strongest
        .map(|feature| format!("{} {}", feature.name, format::percent(feature.importance)))
        .collect();
    format!(
        "tested on {} who had lapsed on {}, {} of whom came back within {horizon} days: AUC {} (by recency alone {}), \
         Brier score {}\nfeatures by gain: {}",
        format::whole(model.test_examples),
        format::day(format::calendar(model.tested_on.as_ref())),
        format::whole(model.test_positives),
        format::decimal(model.auc, 3),
        format::decimal(model.recency_auc, 3),
        format::decimal(model.brier, 4),
        features.join(", ")
    )
}

fn pack_row(pack: &WinbackPack) -> Vec<String> {
    vec![
        pack.decile.to_string(),
        pack.reason.clone(),
        format::whole(pack.people),
        format::decimal(pack.expected_returners, 1),
        pack.suggested_touch.clone(),
    ]
}
