//! `dualwheel lake`: what is stored, for those who run a mesh.

use anyhow::{Context, ensure};
use dualwheel_kit::config::Config;
use dualwheel_lake::fact::{FACTS, Fact};
use dualwheel_proto::facts::{
    FactKind, GetProducerRequest, GetTenantRequest, fact_service_client::FactServiceClient,
};

use crate::{
    cli::{Common, Producer},
    format,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// Checks everything that is stored against what is known of it.
///
/// # Errors
/// When something is damaged or gone, or cannot be read.
pub async fn verify(config: &Config, common: &Common) -> anyhow::Result<()> {
    let found = mesh::lake(config)?.verify().await?;
    if common.json {
        let told = serde_json::json!({
            "files": found.files,
            "bytes": found.bytes,
            "files_without_sum": found.unsummed,
            "lists": found.lists,
            "damages": found.damages,
        });
        output::text(&serde_json::to_string_pretty(&told)?)?;
    } else {
        let (files, bytes) = (
            format::whole(found.files as i64),
            format::whole(found.bytes as i64),
        );
        let lists = format::whole(found.lists as i64);
        output::text(&format!(
            "{files} files with {bytes} bytes and {lists} lists looked at"
        ))?;
        if found.unsummed > 0 {
            let unsummed = format::whole(found.unsummed as i64);
            output::text(&format!(
                "{unsummed} files have no sum: of these only the length is known"
            ))?;
        }
        for damage in &found.damages {
            output::text(damage)?;
        }
    }
    ensure!(
        found.damages.is_empty(),
        "{} damaged; the operations guide tells what to do under LAKE_DAMAGED",
        found.damages.len()
    );
    Ok(())
}

/// Tells how far a producer has come with each fact that the mesh owns, or with one.
///
/// # Errors
/// When there is no such fact, the mesh does not own it, or it cannot be reached.
pub async fn producer(config: &Config, common: &Common, args: &Producer) -> anyhow::Result<()> {
    let asked = args.kind.as_deref().map(fact_named).transpose()?;
    let channel = reach(args.place.endpoint.as_deref(), Role::All, config).await?;
    let mut client = FactServiceClient::new(channel);
    let facts: Vec<&'static Fact> = match asked {
        Some(fact) => vec![fact],
        None => {
            let request = mesh::request(config, GetTenantRequest {})?;
            let owned = taken(client.get_tenant(request).await)?.owned.into_iter();
            let kinds = owned.filter_map(|kind| FactKind::try_from(kind).ok());
            kinds.filter_map(Fact::of).collect()
        }
    };
    let mut told = Vec::new();
    for fact in facts {
        let request = GetProducerRequest {
            producer: args.name.clone(),
            kind: fact.kind.into(),
        };
        let request = mesh::request(config, request)?;
        let last = taken(client.get_producer(request).await)?.last_sequence;
        if last > 0 || asked.is_some() {
            told.push((fact.name, last));
        }
    }
    if common.json {
        let sequences: serde_json::Map<_, _> = told
            .iter()
            .map(|(fact, last)| ((*fact).to_owned(), (*last).into()))
            .collect();
        let told = serde_json::json!({"producer": args.name, "last_sequences": sequences});
        return output::text(&serde_json::to_string_pretty(&told)?);
    }
    if told.is_empty() {
        return output::text(&format!("nothing was written by a producer `{}`", args.name));
    }
    let row = |(fact, last): (&str, i64)| vec![fact.to_owned(), format::whole(last)];
    output::text(&table::rows(
        &[("Fact", false), ("Last sequence", true)],
        told.into_iter().map(row).collect(),
    ))
}

pub(crate) fn fact_named(name: &str) -> anyhow::Result<&'static Fact> {
    Fact::named(name).with_context(|| {
        let names: Vec<_> = FACTS.iter().map(|fact| fact.name).collect();
        format!(
            "--kind {name}: there is no such fact; name one of {}",
            names.join(", ")
        )
    })
}
