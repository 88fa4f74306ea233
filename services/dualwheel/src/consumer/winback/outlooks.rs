//! `dualwheel consumer winback --outlooks`: how many lapsed buyers will come back, by days and channel.

use dualwheel_kit::config::Config;
use dualwheel_proto::{
    consumer::{ListWinbackOutlooksRequest, ListWinbackOutlooksResponse, WinbackModel, WinbackOutlook},
    types::MetricQuery,
};
use tonic::transport::Channel;

use crate::{cli::Common, format, job::long, output, table};

/// Prints a line an outlook.
pub(super) async fn run(
    channel: &Channel,
    query: Option<MetricQuery>,
    config: &Config,
    common: &Common,
) -> anyhow::Result<()> {
    let request = ListWinbackOutlooksRequest { query };
    let told: ListWinbackOutlooksResponse = long(channel, config, "ListWinbackOutlooks", &request).await?;
    if common.json {
        return output::json("dualwheel.consumer.v1.ListWinbackOutlooksResponse", &told);
    }
    output::text(&readable(&told))
}

fn readable(told: &ListWinbackOutlooksResponse) -> String {
    let row = |outlook: &WinbackOutlook| {
        let number = |number: Option<f64>, places: usize| {
            number.map_or_else(
                || format::NONE.to_owned(),
                |number| format::decimal(number, places),
            )
        };
        let of_model = |of: fn(&WinbackModel) -> f64| outlook.model.as_ref().map(of);
        let channel = if outlook.channel.is_empty() {
            "any"
        } else {
            &outlook.channel
        };
        vec![
            outlook.horizon_days.to_string(),
            channel.to_owned(),
            number(outlook.expected_returners, 1),
            number(of_model(|model| model.auc), 3),
            number(of_model(|model| model.recency_auc), 3),
            number(of_model(|model| model.brier), 4),
            outlook.refusal.clone(),
        ]
    };
    let headings = [
        ("Days", true),
        ("Channel", false),
        ("Will come back", true),
        ("AUC", true),
        ("By recency", true),
        ("Brier score", true),
        ("No model because", false),
    ];
    let day = format::day(format::calendar(told.as_of.as_ref()));
    format!(
        "{} lapsed buyers on {day}\n\n{}",
        format::whole(told.candidates),
        table::rows(&headings, told.outlooks.iter().map(row).collect())
    )
}
