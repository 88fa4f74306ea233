//! Generated markets, and the one day and brand that the questions are about.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::Context;
use arrow::record_batch::RecordBatch;
use dualwheel::{
    generate::{self, Options, Summary},
    import::{self, Plan},
};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::types::MetricQuery;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Compression,
    file::properties::WriterProperties,
};

use crate::{Bench, mesh::Mesh};

/// Brand that is asked about.
pub(crate) const BRAND: &str = "brand-01";
/// Days asked about, up to the market's last.
pub(crate) const WINDOW_DAYS: i32 = 91;
/// Zone of the market.
pub(crate) const ZONE: &str = "Asia/Shanghai";
/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 65_536;

/// A market of about `facts` facts in `folder`.
pub(crate) fn generate(folder: &Path, facts: u64) -> anyhow::Result<(Summary, Window)> {
    generated(&Options::of_size(folder, facts))
}

/// A market of about `facts` facts and exactly `consumers` consumers in `folder`.
pub(crate) fn generate_for(folder: &Path, facts: u64, consumers: u64) -> anyhow::Result<Window> {
    let options = Options {
        consumers: u32::try_from(consumers)?,
        ..Options::of_size(folder, facts)
    };
    Ok(generated(&options)?.1)
}

fn generated(options: &Options) -> anyhow::Result<(Summary, Window)> {
    let window = Window::ending(Day::from_date(options.last_day), WINDOW_DAYS);
    let summary = generate::run(options, &|_| {})?;
    eprintln!("generated {} facts", summary.total);
    Ok((summary, window))
}

/// Imports a market through gRPC.
pub(crate) fn import_into(bench: &Bench, folder: &Path, lake: &Path) -> anyhow::Result<import::Summary> {
    let mesh = Mesh::start(lake)?;
    let summary = bench.client.block_on(async {
        let channel = mesh.connect().await?;
        let plan = Plan::of_facts(folder, ZONE, "CNY")?;
        import::import(std::slice::from_ref(&channel), &plan, &mesh.config).await
    })?;
    mesh.stop()?;
    eprintln!("imported {} rows in {:.1} s", summary.accepted(), summary.seconds);
    Ok(summary)
}

/// The question about `window`.
pub(crate) fn question(window: Window) -> MetricQuery {
    let date = |day: Day| {
        use chrono::Datelike;
        day.date().map(|date| dualwheel_proto::Date {
            year: date.year(),
            month: i32::try_from(date.month()).unwrap_or_default(),
            day: i32::try_from(date.day()).unwrap_or_default(),
        })
    };
    MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(dualwheel_proto::types::Window {
            first_day: date(window.first),
            last_day: date(window.last),
        }),
        ..MetricQuery::default()
    }
}

/// Exactly `rows` behaviours in one Parquet file, for every engine, and the same as batches.
pub(crate) fn behaviors(folder: &Path, rows: u64) -> anyhow::Result<(PathBuf, Vec<RecordBatch>, Window)> {
    let market = folder.join("market");
    // About four facts in five are behaviours.
    let (summary, window) = generate(&market, rows / 10 * 14)?;
    let mut left = usize::try_from(rows)?;
    let mut batches = Vec::new();
    for path in summary.files.iter().filter(|path| is_behaviors(path)) {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS);
        for batch in reader.build()? {
            let batch = batch?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
    }
    anyhow::ensure!(left == 0, "the market has {left} behaviours too few");
    let schema = batches.first().context("there is no behaviour")?.schema();
    let batches = rebatched(&batches)?;
    let path = folder.join("behaviors.parquet");
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(&path)?, schema, Some(properties))?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.close()?;
    std::fs::remove_dir_all(&market)?;
    Ok((path, batches, window))
}

fn is_behaviors(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.starts_with("behavior-") || name == "behavior.parquet"
}

/// The same rows in batches that are full but for the last.
fn rebatched(batches: &[RecordBatch]) -> anyhow::Result<Vec<RecordBatch>> {
    let schema = batches.first().context("there is no batch")?.schema();
    let mut full = Vec::new();
    let mut waiting: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in batches {
        let mut batch = batch.clone();
        while rows + batch.num_rows() >= BATCH_ROWS {
            let taken = BATCH_ROWS - rows;
            waiting.push(batch.slice(0, taken));
            full.push(arrow::compute::concat_batches(&schema, &waiting)?);
            waiting.clear();
            rows = 0;
            batch = batch.slice(taken, batch.num_rows() - taken);
        }
        rows += batch.num_rows();
        waiting.push(batch);
    }
    if rows > 0 {
        full.push(arrow::compute::concat_batches(&schema, &waiting)?);
    }
    Ok(full)
}
