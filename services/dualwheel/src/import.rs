//! `dualwheel import`: files become facts through gRPC.
//!
//! All rows are mapped and checked before any is sent: of an import that is wrong nothing is written.

mod letters;
mod plan;
mod report;
mod send;
mod spool;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use dualwheel_kit::{client, config::Config};
use dualwheel_lake::{
    check::{Ground, check},
    fact::Fact,
    mapping::{self, BATCH_ROWS},
    service::MOST_BYTES,
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use letters::Letters;
pub use plan::Plan;
use plan::plan;
use report::Counts;
pub use report::Summary;
use send::{configure, owners, send};
use spool::Spool;

use crate::{
    cli::{Common, Import, MostRefused},
    mesh::{self, Role},
    output,
};

/// Services that own facts.
const OWNERS: [Role; 4] = [Role::Consumer, Role::Product, Role::Content, Role::Membership];
/// Rows that a dry run shows of each entry.
const SAMPLE_ROWS: usize = 5;
/// Mapped batches that wait to be kept.
const AHEAD: usize = 2;
/// Where rows wait.
const SPOOL: &str = "the folder of temporary files, which TMPDIR names";

/// The largest batch that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Size {
    rows: usize,
    bytes: usize,
}

impl Size {
    const LARGEST: Self = Self {
        rows: BATCH_ROWS,
        bytes: MOST_BYTES,
    };

    fn of(config: &Config) -> Self {
        Self {
            rows: Self::LARGEST.rows.min(config.limits.batch_rows),
            bytes: Self::LARGEST.bytes.min(config.limits.message_bytes),
        }
    }

    /// What it adds to the producer's name: cut in other batches, the same rows have other sequences.
    fn name(self) -> String {
        if self == Self::LARGEST {
            return String::new();
        }
        format!("-{}-{}", self.rows, self.bytes)
    }

    /// A batch in pieces of the size.
    fn pieces(self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, dualwheel_lake::Error> {
        let parts = (0..batch.num_rows()).step_by(self.rows);
        let parts = parts.map(|first| batch.slice(first, self.rows.min(batch.num_rows() - first)));
        let pieces = parts.map(|part| mapping::to_ipc_pieces(&part, self.bytes));
        Ok(pieces.collect::<Result<Vec<_>, _>>()?.concat())
    }
}

/// Runs the command.
///
/// # Errors
/// When the mapping or a source is wrong, too many rows are refused, or the mesh refuses a batch as a whole.
pub async fn run(config: &Config, common: &Common, args: &Import) -> anyhow::Result<()> {
    if !args.init.is_empty() {
        return output::text(mapping::propose(&args.init).await?.trim_end());
    }
    let plan = plan(args)?;
    let summary = if args.dry_run {
        dry_run(&plan, config, !common.json).await?
    } else {
        let channels = match args.endpoints.as_slice() {
            [] => vec![mesh::in_process(config, &OWNERS).await?],
            given => given
                .iter()
                .map(|endpoint| client::connect(endpoint, config))
                .collect::<Result<_, _>>()?,
        };
        import(&channels, &plan, config).await?
    };
    if common.json {
        return output::text(&serde_json::to_string_pretty(&summary)?);
    }
    let ending = if args.dry_run { "\nnothing was written" } else { "" };
    output::text(&format!("{}{ending}", report::table(&summary)))
}

/// Rows of an entry that are mapped and checked.
struct Ready {
    number: usize,
    fact: &'static Fact,
    spool: Spool,
}

/// Maps and checks the rows of an entry; each batch of good ones goes to `take`, with its number from 1.
async fn read(
    import: &mapping::Import,
    (number, fact): (usize, &'static Fact),
    counts: &mut Counts,
    letters: &mut Option<Letters>,
    mut take: impl AsyncFnMut(i64, RecordBatch, &mut Counts) -> anyhow::Result<()>,
) -> anyhow::Result<Refusals> {
    let mut rows = import.rows(number).await?;
    let (mut batches, mut all) = (0, 0);
    loop {
        let batch = rows.next().await?;
        let refused = rows.refused();
        all += refused.len() as u64;
        counts.refuse(number, &refused);
        if let Some(letters) = letters {
            letters.keep(number, fact, &refused)?;
            if let Some(file) = letters.file().filter(|_| !refused.is_empty()) {
                counts.keep(file);
            }
        }
        let Some(batch) = batch else { break };
        batches += 1;
        take(batches, batch, counts).await?;
    }
    let good = rows.tally().rows();
    counts.see(rows.tally().clone());
    Ok(Refusals {
        refused: all,
        rows: all + good,
    })
}

/// How many rows of an entry are refused.
struct Refusals {
    refused: u64,
    rows: u64,
}

impl Refusals {
    /// Why an import of these rows writes nothing, where they are too many.
    fn too_many(&self, most: MostRefused, number: usize, fact: &Fact) -> Option<String> {
        let Self { refused, rows } = *self;
        let is_all = refused == rows && refused > 0;
        (is_all || most.is_passed(refused, rows)).then(|| {
            format!(
                "{refused} of {rows} rows of facts[{number}] ({}) are refused, so the mapping is wrong, and nothing is written; \
                 correct it, or admit more with --max-refused",
                fact.name
            )
        })
    }
}

/// Keeps batches in pieces of a size.
fn spooled(mut batches: mpsc::Receiver<RecordBatch>, size: Size) -> anyhow::Result<Spool> {
    let mut spool = Spool::new().context(SPOOL)?;
    while let Some(batch) = batches.blocking_recv() {
        for piece in size.pieces(&batch)? {
            spool.push(&piece).context(SPOOL)?;
        }
    }
    Ok(spool)
}

/// Maps and checks all rows, so that nothing is written of an import that is wrong.
///
/// # Errors
/// When a source is wrong, or too many rows are refused.
async fn prepare(
    plan: &Plan,
    import: &mapping::Import,
    size: Size,
    progress: &ProgressBar,
) -> anyhow::Result<(Vec<Ready>, Summary)> {
    let mut summary = Summary {
        notes: import.notes().to_vec(),
        ..Summary::default()
    };
    let mut letters = Some(Letters::new(&plan.producer, &plan.source.0, &plan.source.1));
    let mut ready = Vec::new();
    for (number, fact) in import.entries() {
        progress.set_message(format!("reading {}", fact.name));
        // Encoded beside the reading.
        let (batches, received) = mpsc::channel(AHEAD);
        let spooling = tokio::task::spawn_blocking(move || spooled(received, size));
        let counts = summary.of(fact);
        let read = read(
            import,
            (number, fact),
            counts,
            &mut letters,
            async |_, batch, _| {
                progress.inc(batch.num_rows() as u64);
                // The spool says why it takes no more.
                batches
                    .send(batch)
                    .await
                    .context("mapped rows are kept no longer")
            },
        )
        .await;
        drop(batches);
        let spool = spooling.await.context("the batches of the mapped rows")??;
        let refusals = read?;
        if let Some(told) = refusals.too_many(plan.most_refused, number, fact) {
            bail!("{told}\n{}", report::refusals(counts).join("\n"));
        }
        ready.push(Ready { number, fact, spool });
    }
    Ok((ready, summary))
}

/// Maps and checks every row, writes nothing, and shows the first ones.
async fn dry_run(plan: &Plan, config: &Config, is_shown: bool) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let import = mapping::Import::open(&plan.mapping, &plan.paths).await?;
    import.plan().await?;
    let mut summary = Summary::default();
    let mut notes = import.notes().to_vec();
    for (number, fact) in import.entries() {
        let counts = summary.of(fact);
        let refusals = read(
            &import,
            (number, fact),
            counts,
            &mut None,
            async |number_of, batch, counts| {
                if number_of == 1 && is_shown {
                    let sample = batch.slice(0, batch.num_rows().min(SAMPLE_ROWS));
                    let shown = arrow::util::pretty::pretty_format_batches(&[sample])?;
                    output::text(&format!("facts[{number}] {}\n{shown}", fact.name))?;
                }
                // By the clock of now, which says what lies in the future.
                let ground = Ground {
                    tenant: &config.tenant,
                    zone: plan.mapping.time_zone,
                    now: chrono::Utc::now().timestamp_micros(),
                    source: ("dry run", number_of),
                };
                counts.check(number, number_of, &check(fact, &batch, &ground)?);
                Ok(())
            },
        )
        .await?;
        notes.extend(refusals.too_many(plan.most_refused, number, fact));
    }
    summary.notes.extend(notes);
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// Imports into the mesh at `channels`, which together own every fact of the plan.
///
/// # Errors
/// When a source is wrong, too many rows are refused, no channel owns a fact, or a batch is refused as a whole.
pub async fn import(channels: &[Channel], plan: &Plan, config: &Config) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let import = mapping::Import::open(&plan.mapping, &plan.paths).await?;
    import.plan().await?;
    let owners = owners(channels, config).await?;
    for (_, fact) in import.entries() {
        if !owners.contains_key(&fact.kind) {
            bail!(
                "no endpoint owns {}; add the {} service with --endpoint",
                fact.table,
                fact.owner
            );
        }
    }
    let progress = progress_bar();
    let size = Size::of(config);
    let (ready, mut summary) = prepare(plan, &import, size, &progress).await?;
    configure(channels, plan, config).await?;
    let call = mesh::call(config)?;
    for Ready { number, fact, spool } in ready {
        let Some(channel) = owners.get(&fact.kind) else {
            continue;
        };
        progress.set_message(format!("writing {}", fact.name));
        let producer = format!("{}-{number}{}", plan.producer, size.name());
        send(
            &call,
            channel,
            (number, fact),
            producer,
            spool,
            summary.of(fact),
            &progress,
        )
        .await?;
    }
    progress.finish_and_clear();
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg:18} {human_pos} rows  {per_sec}  {elapsed}");
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
