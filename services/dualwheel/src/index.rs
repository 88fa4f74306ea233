//! `dualwheel index`: the people index, for those who run a mesh.

use anyhow::ensure;
use dualwheel_kit::config::Config;
use dualwheel_proto::consumer::{
    GetPeopleIndexRequest, GetPeopleIndexResponse, PeopleIndex, PeopleIndexDifference,
    RebuildPeopleIndexRequest, RebuildPeopleIndexResponse, VerifyPeopleIndexRequest,
    VerifyPeopleIndexResponse,
};
use tonic::transport::Channel;

use crate::{
    cli::{Common, Index, Place},
    format,
    job::long,
    mesh::Role,
    output, table,
    target::reach,
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached, the index cannot be read or stored, or a bitmap differs from the facts.
pub async fn run(config: &Config, common: &Common, command: &Index) -> anyhow::Result<()> {
    match command {
        Index::Show(place) => {
            let channel = channel(config, place).await?;
            let told: GetPeopleIndexResponse =
                long(&channel, config, "GetPeopleIndex", &GetPeopleIndexRequest {}).await?;
            print(common, "GetPeopleIndexResponse", &told, told.index.as_ref())
        }
        Index::Rebuild(place) => {
            let channel = channel(config, place).await?;
            let told: RebuildPeopleIndexResponse = long(
                &channel,
                config,
                "RebuildPeopleIndex",
                &RebuildPeopleIndexRequest {},
            )
            .await?;
            print(common, "RebuildPeopleIndexResponse", &told, told.index.as_ref())
        }
        Index::Verify(place) => {
            let channel = channel(config, place).await?;
            let told: VerifyPeopleIndexResponse = long(
                &channel,
                config,
                "VerifyPeopleIndex",
                &VerifyPeopleIndexRequest {},
            )
            .await?;
            print(common, "VerifyPeopleIndexResponse", &told, told.index.as_ref())?;
            report(common, &told)
        }
    }
}

async fn channel(config: &Config, place: &Place) -> anyhow::Result<Channel> {
    reach(place.endpoint.as_deref(), Role::Consumer, config).await
}

fn print<M: prost::Message>(
    common: &Common,
    name: &str,
    told: &M,
    index: Option<&PeopleIndex>,
) -> anyhow::Result<()> {
    if common.json {
        return output::json(&format!("dualwheel.consumer.v1.{name}"), told);
    }
    let index = index.cloned().unwrap_or_default();
    let tables = index.data_version.unwrap_or_default().tables;
    let followed: Vec<String> = tables
        .iter()
        .map(|(table, version)| format!("{table} {version}"))
        .collect();
    output::text(&format!(
        "{} consumers, index version {}, up to {}",
        format::whole(index.consumers),
        index.version,
        if followed.is_empty() {
            "no facts".to_owned()
        } else {
            followed.join(", ")
        }
    ))
}

fn report(common: &Common, told: &VerifyPeopleIndexResponse) -> anyhow::Result<()> {
    if !common.json {
        output::text(&format!(
            "{} bitmaps of {} brands with {} people compared, {} differ",
            format::whole(told.bitmaps),
            format::whole(told.brands),
            format::whole(told.people),
            format::whole(told.different)
        ))?;
        if !told.differences.is_empty() {
            let headings = [
                ("Brand", false),
                ("Signal", false),
                ("Day", false),
                ("Missing", true),
                ("Extra", true),
            ];
            let rows = told.differences.iter().map(difference).collect();
            output::text(&table::rows(&headings, rows))?;
        }
    }
    ensure!(
        told.different == 0,
        "the people index differs from the facts; rebuild it: dualwheel index rebuild"
    );
    Ok(())
}

fn difference(one: &PeopleIndexDifference) -> Vec<String> {
    vec![
        one.brand.clone(),
        one.signal.clone(),
        format::day(format::calendar(one.day.as_ref())),
        format::whole(one.missing),
        format::whole(one.extra),
    ]
}
