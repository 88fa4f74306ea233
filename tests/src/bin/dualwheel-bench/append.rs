//! `append`: rows a second through gRPC until they are durable, beside engines that insert the same file; and rows a second of
//! a shop's export in CSV, mapped, checked and appended.

mod export;
mod requests;

use std::{path::Path, time::Instant};

use anyhow::{Context, ensure};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use dualwheel::import;
use dualwheel_measure::Window;
use dualwheel_proto::{consumer::GetAiplRequest, consumer::consumer_service_client::ConsumerServiceClient};
use serde::Deserialize;
use tonic::transport::Channel;

use crate::{
    Bench, encoded,
    figures::{Figures, median},
    market,
    mesh::Mesh,
    peers,
};
use requests::{Form, encode};

/// Runs of each figure.
const RUNS: usize = 3;
/// Runs of `append.visible`.
const VISIBLE_RUNS: i64 = 5;
/// Rows of the batches that `append.visible` sends.
const VISIBLE_ROWS: usize = 1_000;

/// Seconds of each run of the peers.
#[derive(Debug, Deserialize)]
struct Peers {
    duckdb: Vec<f64>,
    clickhouse: Vec<f64>,
    duckdb_csv: Vec<f64>,
}

/// Measures the group.
pub(crate) fn run(bench: &Bench, figures: &mut Figures) -> anyhow::Result<()> {
    let (file, batches, window) = market::behaviors(&bench.folder, bench.rows)?;
    let arrow = seconds(bench, &batches, Form::Arrow)?;
    let rows = seconds(bench, &batches, Form::Rows)?;
    let visible = visible(bench, &batches, window)?;
    drop(batches);
    let export = bench.folder.join("导出.csv");
    export::write(&export, bench.rows)?;
    let csv = csv(bench, &export)?;
    let peers = ask_peers(bench, &file, &export)?;
    let (duckdb, clickhouse) = (median(&peers.duckdb), median(&peers.clickhouse));
    let total = bench.rows as f64;
    for (name, ours) in [("append.arrow", median(&arrow)), ("append.rows", median(&rows))] {
        let ratios = [
            ("ratio_vs_duckdb", duckdb / ours),
            ("ratio_vs_clickhouse", clickhouse / ours),
        ];
        figures.tell(name, total / ours, "rows/s", &ratios)?;
    }
    let csv = median(&csv);
    let ratios = [("ratio_vs_duckdb", median(&peers.duckdb_csv) / csv)];
    figures.tell("append.csv", total / csv, "rows/s", &ratios)?;
    figures.tell("append.visible", median(&visible), "s", &[])
}

/// Seconds of `dualwheel import` of an export, each run into a lake of its own.
fn csv(bench: &Bench, export: &Path) -> anyhow::Result<Vec<f64>> {
    let mapping = bench.folder.join("export.yaml");
    std::fs::write(&mapping, export::MAPPING)?;
    let paths = [("orders".to_owned(), export.to_owned())].into();
    let plan = import::Plan::of_mapping(&mapping.display().to_string(), paths)?;
    let mut seconds = Vec::new();
    for run in 1..=RUNS {
        let lake = bench.folder.join("lake");
        let mesh = Mesh::start(&lake)?;
        let summary = bench.client.block_on(async {
            let channel = mesh.connect().await?;
            import::import(std::slice::from_ref(&channel), &plan, &mesh.config).await
        })?;
        mesh.stop()?;
        std::fs::remove_dir_all(&lake)?;
        let accepted = summary.accepted();
        ensure!(
            u64::try_from(accepted) == Ok(bench.rows),
            "{accepted} of {} rows were accepted",
            bench.rows
        );
        eprintln!("append.csv run {run}: {:.3} s", summary.seconds);
        seconds.push(summary.seconds);
    }
    Ok(seconds)
}

/// Seconds from the first byte sent to the last acknowledgement, each run into a lake of its own.
fn seconds(bench: &Bench, batches: &[RecordBatch], form: Form) -> anyhow::Result<Vec<f64>> {
    let requests = encode(batches, form, form.name(), 1)?;
    let mut seconds = Vec::new();
    for run in 1..=RUNS {
        let lake = bench.folder.join("lake");
        let mesh = Mesh::start(&lake)?;
        let took = bench.client.block_on(async {
            let channel = mesh.connect().await?;
            send(channel, requests.clone(), bench.rows).await
        })?;
        mesh.stop()?;
        std::fs::remove_dir_all(&lake)?;
        eprintln!("append.{} run {run}: {took:.3} s", form.name());
        seconds.push(took);
    }
    Ok(seconds)
}

async fn send(channel: Channel, requests: Vec<Bytes>, rows: u64) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answers = encoded::append(channel, requests).await?;
    let took = started.elapsed().as_secs_f64();
    let accepted: i64 = answers.iter().map(|answer| answer.accepted).sum();
    ensure!(
        u64::try_from(accepted) == Ok(rows),
        "{accepted} of {rows} rows were accepted"
    );
    Ok(took)
}

/// Seconds from the acknowledgement of a small batch to an answer that counts its people, in a lake that holds all
/// of `batches`.
fn visible(bench: &Bench, batches: &[RecordBatch], window: Window) -> anyhow::Result<Vec<f64>> {
    let lake = bench.folder.join("lake");
    let mesh = Mesh::start(&lake)?;
    let requests = encode(batches, Form::Arrow, "before", 1)?;
    let last = window.last.plus(1).0;
    // An hour before the end of the last day in the market's zone, eight hours east of Greenwich.
    let instant = (i64::from(last) * 24 - 8 - 1) * 3_600_000_000;
    let seconds = bench.client.block_on(async {
        let channel = mesh.connect().await?;
        send(channel.clone(), requests, bench.rows).await?;
        let mut people = interest(&channel, window).await?;
        let mut seconds = Vec::new();
        for sequence in 1..=VISIBLE_RUNS {
            let news = requests::newcomers(sequence, VISIBLE_ROWS, instant)?;
            let news = encode(&[news], Form::Arrow, "news", sequence)?;
            encoded::append(channel.clone(), news).await?;
            let started = Instant::now();
            let now = interest(&channel, window).await?;
            seconds.push(started.elapsed().as_secs_f64());
            let added = now - people;
            ensure!(
                usize::try_from(added) == Ok(VISIBLE_ROWS),
                "{added} of {VISIBLE_ROWS} people are visible"
            );
            people = now;
        }
        anyhow::Ok(seconds)
    })?;
    mesh.stop()?;
    std::fs::remove_dir_all(&lake)?;
    eprintln!("append.visible runs: {seconds:.3?} s");
    Ok(seconds)
}

/// People in the stage of interest.
async fn interest(channel: &Channel, window: Window) -> anyhow::Result<i64> {
    let request = GetAiplRequest {
        query: Some(market::question(window)),
    };
    let answer = ConsumerServiceClient::new(channel.clone())
        .get_aipl(request)
        .await?
        .into_inner();
    let found = answer.metrics.iter().find(|metric| metric.id == "aipl.interest");
    let people = found
        .and_then(|metric| metric.value)
        .context("there is no aipl.interest")?;
    Ok(people as i64)
}

fn ask_peers(bench: &Bench, file: &Path, export: &Path) -> anyhow::Result<Peers> {
    let [file, export, folder] = [file, export, &bench.folder].map(|path| path.display().to_string());
    let (runs, rows) = (RUNS.to_string(), bench.rows.to_string());
    let arguments = [
        "--file", &file, "--csv", &export, "--folder", &folder, "--runs", &runs, "--rows", &rows,
    ];
    peers::ask(&bench.python, "append.py", &arguments)
}
