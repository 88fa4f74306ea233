//! `dualwheel brands` and `dualwheel coverage`: which facts the mesh has.

use dualwheel_kit::config::Config;
use dualwheel_lake::fact::Fact;
use dualwheel_proto::facts::{
    Coverage, FactKind, ListBrandsRequest, ListBrandsResponse, ListCoverageRequest, ListCoverageResponse,
    fact_service_client::FactServiceClient,
};

use crate::{
    cli::{self, Common, Place},
    format,
    lake::fact_named,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// Items that are asked for at once.
const AT_ONCE: i32 = 1_000;

/// Lists the brands that there are facts about, and which.
///
/// # Errors
/// When the mesh cannot be reached or read.
pub async fn brands(config: &Config, common: &Common, place: &Place) -> anyhow::Result<()> {
    let mut client = FactServiceClient::new(reach(place.endpoint.as_deref(), Role::All, config).await?);
    let mut all = ListBrandsResponse::default();
    loop {
        let asked = ListBrandsRequest {
            page_size: AT_ONCE,
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = taken(client.list_brands(mesh::request(config, asked)?).await)?;
        all.brands.extend(page.brands);
        (all.next_page_token, all.data_version) = (page.next_page_token, page.data_version);
        if all.next_page_token.is_empty() {
            break;
        }
    }
    if common.json {
        return output::json("dualwheel.facts.v1.ListBrandsResponse", &all);
    }
    let rows = all.brands.iter().map(|found| {
        let facts: Vec<&str> = found.kinds().map(name).collect();
        vec![found.brand.clone(), facts.join(", ")]
    });
    output::text(&table::rows(
        &[("Brand", false), ("Facts", false)],
        rows.collect(),
    ))
}

/// Lists how many facts of which days there are, by kind and brand.
///
/// # Errors
/// When there is no such fact, or the mesh cannot be reached or read.
pub async fn coverage(config: &Config, common: &Common, args: &cli::Coverage) -> anyhow::Result<()> {
    let kind = args.kind.as_deref().map(fact_named).transpose()?;
    let channel = reach(args.place.endpoint.as_deref(), Role::All, config).await?;
    let mut client = FactServiceClient::new(channel);
    let mut all = ListCoverageResponse::default();
    loop {
        let asked = ListCoverageRequest {
            kind: kind.map_or(FactKind::Unspecified, |fact| fact.kind).into(),
            page_size: AT_ONCE,
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = taken(client.list_coverage(mesh::request(config, asked)?).await)?;
        all.coverage.extend(page.coverage);
        (all.next_page_token, all.data_version) = (page.next_page_token, page.data_version);
        if all.next_page_token.is_empty() {
            break;
        }
    }
    if common.json {
        return output::json("dualwheel.facts.v1.ListCoverageResponse", &all);
    }
    let headings = [
        ("Fact", false),
        ("Brand", false),
        ("Rows", true),
        ("First day", false),
        ("Last day", false),
        ("Last append", false),
    ];
    output::text(&table::rows(&headings, all.coverage.iter().map(row).collect()))
}

fn row(covered: &Coverage) -> Vec<String> {
    let day = |date| format::day(format::calendar(date));
    vec![
        name(covered.kind()).to_owned(),
        covered.brand.clone(),
        format::whole(covered.rows),
        day(covered.first_day.as_ref()),
        day(covered.last_day.as_ref()),
        covered
            .last_append_time
            .map(|at| at.to_string())
            .unwrap_or_default(),
    ]
}

fn name(kind: FactKind) -> &'static str {
    Fact::of(kind).map_or("", |fact| fact.name)
}
