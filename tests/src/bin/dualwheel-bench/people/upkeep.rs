//! What a brand's people ask for day after day: a trend of 400 days, thousands of live audiences, deletions.

use std::{path::Path, time::Instant};

use anyhow::ensure;
use dualwheel_measure::Window;
use dualwheel_proto::clients;
use dualwheel_proto::consumer::{
    Audience, CreateAudienceRequest, DeleteConsumersRequest, DeletionState, GetConsumerDeletionRequest,
    GetFastRequest, TrendStep,
};
use tonic::transport::Channel;

use super::{APPENDED, CHECKED_IN, append, by_text, estimate};
use crate::{
    Bench,
    figures::{Figures, median},
    market,
    mesh::Mesh,
};

/// Days of the trend.
const TREND_DAYS: i32 = 400;
/// Live audiences of the tenant.
const LIVE: usize = 4_000;
/// Appends that are waited for.
const APPENDS: i64 = 5;
/// Consumers that are deleted at once.
const DELETED: usize = 1_000;

/// Measures all of it; the lake has 1 000 consumers fewer afterwards.
pub(super) fn run(bench: &Bench, figures: &mut Figures, lake: &Path, window: Window) -> anyhow::Result<()> {
    let mesh = Mesh::start(lake)?;
    bench.client.block_on(async {
        let channel = mesh.connect().await?;
        trend(figures, &channel, window).await?;
        live(figures, &channel).await?;
        delete(figures, &channel).await
    })?;
    mesh.stop()
}

async fn trend(figures: &mut Figures, channel: &Channel, window: Window) -> anyhow::Result<()> {
    let request = GetFastRequest {
        query: Some(market::question(Window::ending(window.last, TREND_DAYS))),
        trend_step: TrendStep::Day.into(),
    };
    let mut client = clients::Consumer::new(channel.clone());
    // The facts of the brand are read once, for this question and those to come.
    client.consumers.get_fast(request.clone()).await?;
    let started = Instant::now();
    let told = client.consumers.get_fast(request).await?.into_inner();
    let took = started.elapsed().as_secs_f64() * 1_000.0;
    let days = told
        .trend
        .iter()
        .filter(|metric| metric.id == "fast.fertility")
        .count();
    ensure!(days == TREND_DAYS as usize, "the trend has {days} days");
    figures.tell("people.trend_400d", took, "ms", &[])
}

async fn live(figures: &mut Figures, channel: &Channel) -> anyhow::Result<()> {
    let mut client = clients::Consumer::new(channel.clone());
    let mut made_ms = Vec::with_capacity(LIVE);
    for number in 0..LIVE {
        let text = format!(
            "behavior(CHECK_IN, last 1 days) >= 1 and not purchase(orders, last {} days) >= 1",
            number % 365 + 1
        );
        let request = CreateAudienceRequest {
            audience_id: format!("live-{number}"),
            audience: Some(Audience {
                brand: market::BRAND.to_owned(),
                definition: by_text(&text),
                ..Audience::default()
            }),
            ..CreateAudienceRequest::default()
        };
        let started = Instant::now();
        client.audiences.create_audience(request).await?;
        made_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    let (first, last) = made_ms.split_at(LIVE / 2);
    let last = median(last);
    let ratio = median(first) / last;
    figures.tell(
        "people.live_4000.create",
        last,
        "ms",
        &[("ratio_vs_first", ratio)],
    )?;
    let mut seconds = Vec::new();
    let mut known = estimate(channel, "audience(live-2000)").await?;
    for sequence in 1..=APPENDS {
        let started = Instant::now();
        append(channel, "live", sequence).await?;
        let now = estimate(channel, "audience(live-2000)").await?;
        seconds.push(started.elapsed().as_secs_f64());
        ensure!(
            now == known + APPENDED as i64,
            "{now} people after {known} and {APPENDED} more"
        );
        known = now;
    }
    figures.tell("people.live_4000.visible", median(&seconds), "s", &[])
}

/// Seconds until no answer shows some consumers any more.
async fn delete(figures: &mut Figures, channel: &Channel) -> anyhow::Result<()> {
    let mut client = clients::Consumer::new(channel.clone());
    let before = estimate(channel, CHECKED_IN).await?;
    let consumers = (0..DELETED).map(|row| format!("live-1-{row}"));
    let request = DeleteConsumersRequest {
        consumers: consumers.collect(),
        request_id: String::new(),
    };
    let started = Instant::now();
    let mut deletion = client
        .privacy
        .delete_consumers(request)
        .await?
        .into_inner()
        .deletion
        .unwrap_or_default();
    while deletion.state() < DeletionState::Removed {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let request = GetConsumerDeletionRequest { name: deletion.name };
        deletion = client
            .privacy
            .get_consumer_deletion(request)
            .await?
            .into_inner()
            .deletion
            .unwrap_or_default();
    }
    figures.tell("people.delete_1000", started.elapsed().as_secs_f64(), "s", &[])?;
    let after = estimate(channel, CHECKED_IN).await?;
    ensure!(
        before - after == DELETED as i64,
        "{after} people of {before} are left"
    );
    Ok(())
}
