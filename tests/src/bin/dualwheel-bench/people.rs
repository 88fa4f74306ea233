//! `people`: the people index: how fast it is built, how fast it answers AIPL and FAST of one brand beside DuckDB and
//! ClickHouse, how fast it judges long expressions, and how soon it has what was appended.
//!
//! The questions of one run move a day on each time, so that no answer is one that was given before.

mod expressions;
mod upkeep;

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::ensure;
use dualwheel::import::Summary;
use dualwheel_consumer::PeopleIndex;
use dualwheel_kit::Call;
use dualwheel_lake::Lake;
use dualwheel_measure::Window;
use dualwheel_proto::{
    clients,
    consumer::{
        AudienceDefinition, EstimateAudienceRequest, RebuildPeopleIndexRequest, VerifyPeopleIndexRequest,
        audience_definition::Form,
    },
    facts::{
        AppendRequest, Behavior, FactKind, FactRows, append_request::Batch,
        fact_service_client::FactServiceClient,
    },
    types::Metric,
};
use serde::Deserialize;
use tonic::transport::Channel;

use crate::{
    Bench,
    figures::{Figures, median},
    market,
    mesh::Mesh,
    metrics::{
        ask::ask,
        compare::{Theirs, differences},
    },
    peers,
};

/// Openings of the lake.
const COLD_RUNS: usize = 3;
/// Warm questions after each opening, each a day before the last.
const WARM_RUNS: i32 = 5;
/// Behaviours of an append that is waited for.
const APPENDED: usize = 1_000;
/// Such appends.
const APPENDS: i64 = 7;
/// Who checked in today: none but those appended here, since the market ends before.
const CHECKED_IN: &str = "behavior(CHECK_IN, last 1 days)";

/// What a peer answers.
#[derive(Debug, Deserialize)]
struct Peer {
    cold_ms: Vec<f64>,
    warm_ms: Vec<f64>,
    metrics: BTreeMap<String, Theirs>,
}

/// Measures the group.
pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let (folder, lake) = (bench.folder.join("market"), bench.folder.join("lake"));
    // About seven facts in ten are behaviours.
    let window = market::generate_for(&folder, bench.rows / 10 * 14, bench.rows / 10)?;
    let rows = followed(&market::import_into(bench, &folder, &lake)?);
    build(bench, figures, &lake, rows)?;
    memory(bench, figures, &lake)?;
    let (cold, warm, metrics) = questions(bench, &lake, window)?;
    appends(bench, figures, &lake)?;
    for (peer, theirs) in ask_peers(bench, &folder, window)? {
        let wrong = differences(&metrics, &theirs.metrics);
        wrong.iter().for_each(|difference| eprintln!("{difference}"));
        ensure!(
            wrong.is_empty(),
            "{} numbers are not those of {peer}",
            wrong.len()
        );
        let ratio = |ours: &[f64], theirs: &[f64]| median(theirs) / median(ours);
        let key = format!("ratio_vs_{peer}");
        figures.tell(
            &format!("people.aipl_fast.cold.{peer}"),
            median(&cold),
            "ms",
            &[(&key, ratio(&cold, &theirs.cold_ms))],
        )?;
        figures.tell(
            &format!("people.aipl_fast.warm.{peer}"),
            median(&warm),
            "ms",
            &[(&key, ratio(&warm, &theirs.warm_ms))],
        )?;
    }
    upkeep::run(bench, figures, &lake, window)?;
    expressions::run(bench.rows, figures)
}

/// Rows that the index follows.
fn followed(summary: &Summary) -> f64 {
    let followed = ["behavior", "order_line"];
    let rows = summary
        .facts
        .iter()
        .filter(|counts| followed.contains(&counts.fact));
    rows.map(|counts| counts.accepted as f64).sum()
}

fn build(bench: &Bench, figures: &mut Figures, lake: &Path, rows: f64) -> anyhow::Result<()> {
    let mesh = Mesh::start(lake)?;
    let index = bench.client.block_on(async {
        let mut client = clients::Consumer::new(mesh.connect().await?);
        let started = Instant::now();
        let built = client
            .index
            .rebuild_people_index(RebuildPeopleIndexRequest {})
            .await?
            .into_inner();
        figures.tell(
            "people.build",
            rows / started.elapsed().as_secs_f64(),
            "rows/s",
            &[],
        )?;
        let started = Instant::now();
        let verified = client
            .index
            .verify_people_index(VerifyPeopleIndexRequest {})
            .await?
            .into_inner();
        ensure!(
            verified.different == 0,
            "{} bitmaps differ from the facts",
            verified.different
        );
        eprintln!(
            "{} bitmaps verified in {:.1} s",
            verified.bitmaps,
            started.elapsed().as_secs_f64()
        );
        Ok(built.index.unwrap_or_default())
    })?;
    mesh.stop()?;
    let consumers = index.consumers as f64;
    let bytes = bytes_in(&lake.join("people_index"))? as f64;
    figures.tell("people.stored", bytes / consumers, "bytes/consumer", &[])
}

fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_in(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

type Answers = (Vec<f64>, Vec<f64>, Vec<Metric>);

/// AIPL and FAST of the brand: milliseconds cold and warm, and the numbers of `window`.
fn questions(bench: &Bench, lake: &Path, window: Window) -> anyhow::Result<Answers> {
    let (mut cold, mut warm, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..COLD_RUNS {
        let mesh = Mesh::start(lake)?;
        bench.client.block_on(async {
            let channel = mesh.connect().await?;
            for back in 0..=WARM_RUNS {
                let window = Window {
                    first: window.first.plus(-back),
                    last: window.last.plus(-back),
                };
                let started = Instant::now();
                let mut answer = ask(&channel, "aipl", window).await?;
                let aipl = started.elapsed().as_secs_f64() * 1_000.0;
                answer.extend(ask(&channel, "fast", window).await?);
                let took = started.elapsed().as_secs_f64() * 1_000.0;
                eprintln!("aipl {aipl:.1} ms, both {took:.1} ms");
                if back == 0 {
                    cold.push(took);
                    metrics = answer;
                } else {
                    warm.push(took);
                }
            }
            anyhow::Ok(())
        })?;
        mesh.stop()?;
    }
    Ok((cold, warm, metrics))
}

/// Bytes of the decoded bitmaps of all brands for each consumer; how long the parts of a cold question take goes to
/// standard error.
fn memory(bench: &Bench, figures: &mut Figures, data: &Path) -> anyhow::Result<()> {
    let options = dualwheel_lake::Options {
        location: data.display().to_string(),
        frame_cache_bytes: 1 << 30,
        retention: std::time::Duration::from_secs(604_800),
    };
    bench.client.block_on(async {
        let started = Instant::now();
        let index = PeopleIndex::new(Lake::open(&options)?, 8 << 30, dualwheel_consumer::MOST_CONSUMERS);
        let snapshot = index.catch_up(&Call::background("default")).await?;
        eprintln!("opened in {:.0} ms", started.elapsed().as_secs_f64() * 1_000.0);
        let reader = snapshot.lake.reader(&snapshot.versions()).await?;
        let mut bytes = 0.0;
        for brand in reader.brands().await?.iter() {
            let started = Instant::now();
            bytes += snapshot.brand(brand).await?.bytes() as f64;
            eprintln!(
                "{brand} decoded in {:.0} ms",
                started.elapsed().as_secs_f64() * 1_000.0
            );
        }
        figures.tell(
            "people.memory",
            bytes / snapshot.status().consumers as f64,
            "bytes/consumer",
            &[],
        )
    })
}

/// Seconds from the begin of an append to an answer that has it.
fn appends(bench: &Bench, figures: &mut Figures, lake: &Path) -> anyhow::Result<()> {
    let mesh = Mesh::start(lake)?;
    let seconds = bench.client.block_on(async {
        let channel = mesh.connect().await?;
        let mut seconds = Vec::new();
        let mut known = estimate(&channel, CHECKED_IN).await?;
        for sequence in 1..=APPENDS {
            let started = Instant::now();
            append(&channel, "bench", sequence).await?;
            let now = estimate(&channel, CHECKED_IN).await?;
            seconds.push(started.elapsed().as_secs_f64());
            ensure!(
                now == known + APPENDED as i64,
                "{now} people after {known} and {APPENDED} more"
            );
            known = now;
        }
        Ok(seconds)
    })?;
    mesh.stop()?;
    figures.tell("people.visible", median(&seconds), "s", &[])
}

fn by_text(text: &str) -> Option<AudienceDefinition> {
    Some(AudienceDefinition {
        form: Some(Form::Text(text.to_owned())),
    })
}

async fn estimate(channel: &Channel, text: &str) -> anyhow::Result<i64> {
    let request = EstimateAudienceRequest {
        brand: market::BRAND.to_owned(),
        definition: by_text(text),
        ..EstimateAudienceRequest::default()
    };
    let answer = clients::Consumer::new(channel.clone())
        .audiences
        .estimate_audience(request)
        .await?;
    Ok(answer.into_inner().size)
}

/// Appends behaviours of today by consumers who are new, and named after producer and sequence.
async fn append(channel: &Channel, producer: &str, sequence: i64) -> anyhow::Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let behaviors = (0..APPENDED).map(|row| Behavior {
        event_id: format!("{producer}-{sequence}-{row}"),
        consumer: format!("{producer}-{sequence}-{row}"),
        brand: market::BRAND.to_owned(),
        kind: dualwheel_proto::facts::BehaviorKind::CheckIn.into(),
        occurred_at: Some(prost_types::Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or_default(),
            nanos: 0,
        }),
        ..Behavior::default()
    });
    let rows = FactRows {
        behaviors: behaviors.collect(),
        ..FactRows::default()
    };
    let request = AppendRequest {
        producer: producer.to_owned(),
        sequence,
        kind: FactKind::Behavior.into(),
        batch: Some(Batch::Rows(rows)),
    };
    let mut client = FactServiceClient::new(channel.clone());
    let mut answers = client.append(tokio_stream::iter([request])).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        ensure!(answer.refused == 0, "{} rows were refused", answer.refused);
    }
    Ok(())
}

fn ask_peers(bench: &Bench, folder: &Path, window: Window) -> anyhow::Result<BTreeMap<String, Peer>> {
    let folder = folder.display().to_string();
    let (first, last) = (window.first.0.to_string(), window.last.0.to_string());
    let (cold, warm) = (COLD_RUNS.to_string(), WARM_RUNS.to_string());
    let scratch = bench.folder.join("peers").display().to_string();
    let arguments = [
        "--folder",
        &folder,
        "--scratch",
        &scratch,
        "--brand",
        market::BRAND,
        "--first",
        &first,
        "--last",
        &last,
        "--cold-runs",
        &cold,
        "--warm-runs",
        &warm,
    ];
    peers::ask(&bench.python, "people.py", &arguments)
}
