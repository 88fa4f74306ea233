//! What is sent to the services that own facts.

use std::collections::HashMap;

use anyhow::Context;
use dualwheel_kit::{Call, client, config::Config};
use dualwheel_lake::fact::Fact;
use dualwheel_proto::facts::{
    AppendRequest, ConfigureTenantRequest, FactKind, GetTenantRequest, append_request,
    fact_service_client::FactServiceClient,
};
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::{SPOOL, plan::Plan, report::Counts, spool::Spool};
use crate::{mesh, target::explain};

/// Batches on their way at once.
const IN_FLIGHT: usize = 4;

/// Tells services the zone and currency of a plan.
pub(super) async fn configure(channels: &[Channel], plan: &Plan, config: &Config) -> anyhow::Result<()> {
    for channel in channels {
        let request = ConfigureTenantRequest {
            time_zone: plan.mapping.time_zone.name().to_owned(),
            currency: plan.mapping.currency.clone(),
        };
        let request = mesh::request(config, request)?;
        FactServiceClient::new(channel.clone())
            .configure_tenant(request)
            .await
            .map_err(|status| explain(&status))?;
    }
    Ok(())
}

/// The channel to the owner of each fact.
pub(super) async fn owners(
    channels: &[Channel],
    config: &Config,
) -> anyhow::Result<HashMap<FactKind, Channel>> {
    let mut owners = HashMap::new();
    for channel in channels {
        let request = mesh::request(config, GetTenantRequest {})?;
        let answer = FactServiceClient::new(channel.clone())
            .get_tenant(request)
            .await
            .map_err(|status| explain(&status))?;
        for kind in answer.into_inner().owned {
            if let Ok(kind) = FactKind::try_from(kind) {
                owners.entry(kind).or_insert_with(|| channel.clone());
            }
        }
    }
    Ok(owners)
}

/// Sends the batches of an entry, and counts the answers.
pub(super) async fn send(
    call: &Call,
    channel: &Channel,
    (number, fact): (usize, &'static Fact),
    producer: String,
    spool: Spool,
    counts: &mut Counts,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let (sender, requests) = mpsc::channel::<AppendRequest>(IN_FLIGHT);
    let kind = fact.kind as i32;
    let reading = tokio::task::spawn_blocking(move || {
        for (sequence, batch) in (1..).zip(spool.batches()?) {
            let request = AppendRequest {
                producer: producer.clone(),
                sequence,
                kind,
                batch: Some(append_request::Batch::ArrowIpc(batch?)),
            };
            if sender.blocking_send(request).is_err() {
                break;
            }
        }
        std::io::Result::Ok(())
    });
    let mut facts = FactServiceClient::new(channel.clone());
    let answered = async {
        let request = client::unbounded(call, ReceiverStream::new(requests));
        let mut answers = facts.append(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            progress.inc(u64::try_from(answer.accepted + answer.refused).unwrap_or(0));
            counts.count(number, answer);
        }
        Ok::<_, tonic::Status>(())
    }
    .await;
    let read = reading.await.context("the reader of the mapped rows failed")?;
    answered.map_err(|status| explain(&status))?;
    read.context(SPOOL)
}
