//! `dualwheel import`: files become facts through gRPC.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use dualwheel_kit::{client, config::Config, private};
use dualwheel_lake::{
    check::{Ground, check},
    fact::{FACTS, Fact},
    mapping::{self, BATCH_ROWS, Mapping, Refused, Rows},
    service::MOST_BYTES,
};
use dualwheel_proto::facts::{
    AppendRequest, AppendResponse, ConfigureTenantRequest, FactKind, GetTenantRequest, append_request,
    fact_service_client::FactServiceClient,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::{
    cli::{Common, Import},
    mesh::{self, Role},
    output,
    target::explain,
};

/// Services that own facts.
const OWNERS: [Role; 4] = [Role::Consumer, Role::Product, Role::Content, Role::Membership];
/// Batches on their way at once.
const IN_FLIGHT: usize = 4;
/// Rows that a dry run shows of each entry.
const SAMPLE_ROWS: usize = 5;
/// Problems that a dry run and a summary list of each fact.
const PROBLEMS_LISTED: usize = 10;

/// What became of one fact's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Name of the fact.
    pub fact: String,
    /// Rows written, now or in an earlier try.
    pub accepted: i64,
    /// Rows refused.
    pub refused: i64,
    /// Rows that an earlier try had written.
    pub repeated: i64,
    /// The first problems, in words.
    pub problems: Vec<String>,
    /// Files that keep the refused rows.
    pub dead_letters: Vec<String>,
}

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
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Per fact, in the mapping's order.
    pub facts: Vec<Counts>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Summary {
    /// Rows written.
    #[must_use]
    pub fn accepted(&self) -> i64 {
        self.facts.iter().map(|counts| counts.accepted).sum()
    }

    fn of(&mut self, fact: &Fact) -> Option<&mut Counts> {
        if !self.facts.iter().any(|counts| counts.fact == fact.name) {
            self.facts.push(Counts {
                fact: fact.name.to_owned(),
                ..Counts::default()
            });
        }
        self.facts.iter_mut().find(|counts| counts.fact == fact.name)
    }
}

/// Runs the command.
///
/// # Errors
/// When the mapping or a source is wrong, or the mesh refuses a batch as a whole.
pub async fn run(config: &Config, common: &Common, args: &Import) -> anyhow::Result<()> {
    let plan = plan(args)?;
    if args.dry_run {
        return dry_run(config, &plan, common.json).await;
    }
    let channels = match args.endpoints.as_slice() {
        [] => vec![mesh::in_process(config, &OWNERS).await?],
        given => given
            .iter()
            .map(|endpoint| client::connect(endpoint, config))
            .collect::<Result<_, _>>()?,
    };
    let summary = import(&channels, &plan, config).await?;
    if common.json {
        output::text(&serde_json::to_string_pretty(&summary)?)
    } else {
        output::text(&table(&summary))
    }
}

/// A mapping, its files, and the name under which its batches are sent.
#[derive(Debug)]
pub struct Plan {
    mapping: Mapping,
    paths: BTreeMap<String, PathBuf>,
    producer: String,
}

impl Plan {
    /// A plan for a folder of files that already hold facts.
    ///
    /// # Errors
    /// When the folder holds none, or the zone is not known.
    pub fn of_facts(folder: &Path, time_zone: &str, currency: &str) -> anyhow::Result<Self> {
        let zone = time_zone
            .parse()
            .map_err(|_| anyhow::anyhow!("`{time_zone}` is no IANA time zone"))?;
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| format!("the folder {}", folder.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
            .collect();
        files.sort();
        let mut paths = BTreeMap::new();
        let mut facts = Vec::new();
        for fact in FACTS.iter() {
            for path in &files {
                let source = path
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or_default();
                let shard = source.strip_prefix(fact.name);
                if shard.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
                    paths.insert(source.to_owned(), path.clone());
                    facts.push((source.to_owned(), fact));
                }
            }
        }
        if facts.is_empty() {
            bail!("the folder {} holds no {{fact}}.parquet", folder.display());
        }
        let mapping = mapping::of_facts(zone, currency, &facts);
        let producer = producer_name("facts", "", &paths)?;
        Ok(Self {
            mapping,
            paths,
            producer,
        })
    }
}

fn plan(args: &Import) -> anyhow::Result<Plan> {
    if let Some(folder) = &args.facts {
        return Plan::of_facts(folder, &args.time_zone, &args.currency);
    }
    let name = args.mapping.as_deref().unwrap_or_default();
    let (mapping, text) = Mapping::load(name)?;
    let mut paths = BTreeMap::new();
    for (source, path) in &args.sources {
        if paths.insert(source.clone(), PathBuf::from(path)).is_some() {
            bail!("the source `{source}` is given twice");
        }
    }
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    let producer = match &args.producer {
        Some(producer) => producer.clone(),
        None => producer_name(stem.unwrap_or("mapping"), &text, &paths)?,
    };
    Ok(Plan {
        mapping,
        paths,
        producer,
    })
}

/// The same mapping over files of the same bytes is the same producer, whatever these are called, so that a repeated import
/// writes nothing twice, and a corrected file is another one.
fn producer_name(stem: &str, text: &str, paths: &BTreeMap<String, PathBuf>) -> anyhow::Result<String> {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(text.as_bytes());
    for (name, path) in paths {
        hasher.update(name.as_bytes());
        for file in mapping::files(path)? {
            let unreadable = || format!("the file {} of source `{name}`", file.display());
            let mut file = std::fs::File::open(&file).with_context(unreadable)?;
            let mut content = Content(xxhash_rust::xxh3::Xxh3::new());
            let bytes = std::io::copy(&mut file, &mut content).with_context(unreadable)?;
            hasher.update(&bytes.to_be_bytes());
            hasher.update(&content.0.digest128().to_be_bytes());
        }
    }
    let plain: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    Ok(format!("import-{plain}-{:016x}", hasher.digest()))
}

/// Hashes what is written to it.
struct Content(xxhash_rust::xxh3::Xxh3);

impl std::io::Write for Content {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Imports into the mesh at `channels`, which together own every fact of the plan.
///
/// # Errors
/// When a source is wrong, no channel owns a fact, or a batch is refused as a whole.
pub async fn import(channels: &[Channel], plan: &Plan, config: &Config) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let import = mapping::Import::open(&plan.mapping, &plan.paths).await?;
    import.plan().await?;
    let owners = owners(channels, config).await?;
    for channel in channels {
        let request = ConfigureTenantRequest {
            time_zone: plan.mapping.time_zone.name().to_owned(),
            currency: plan.mapping.currency.clone(),
        };
        let request = client::with_deadline(request, mesh::patience(config));
        FactServiceClient::new(channel.clone())
            .configure_tenant(request)
            .await
            .map_err(|status| explain(&status))?;
    }
    let progress = progress_bar();
    let size = Size::of(config);
    let mut summary = Summary::default();
    let mut letters = Letters::new(&plan.producer);
    for (number, fact) in import.entries() {
        let Some(channel) = owners.get(&fact.kind) else {
            bail!(
                "no endpoint owns {}; add the {} service with --endpoint",
                fact.table,
                fact.owner
            );
        };
        progress.set_message(fact.name);
        let producer = format!("{}-{number}{}", plan.producer, size.name());
        let rows = import.rows(number).await?;
        let Some(counts) = summary.of(fact) else { continue };
        let refused = send(channel, fact, producer, rows, size, counts, &progress).await?;
        letters.keep(fact, &refused)?;
        refuse(counts, &refused);
        if let Some(file) = letters.file() {
            counts
                .dead_letters
                .extend((!refused.is_empty()).then(|| file.to_owned()));
        }
    }
    progress.finish_and_clear();
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

async fn owners(channels: &[Channel], config: &Config) -> anyhow::Result<HashMap<FactKind, Channel>> {
    let mut owners = HashMap::new();
    for channel in channels {
        let request = client::with_deadline(GetTenantRequest {}, mesh::patience(config));
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

async fn send(
    channel: &Channel,
    fact: &'static Fact,
    producer: String,
    mut rows: Rows,
    size: Size,
    counts: &mut Counts,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<Refused>> {
    let (sender, requests) = mpsc::channel::<AppendRequest>(IN_FLIGHT);
    let kind = fact.kind as i32;
    let reading = tokio::spawn(async move {
        let mut sequence = 0;
        while let Some(batch) = rows.next().await? {
            let parts = (0..batch.num_rows()).step_by(size.rows);
            let parts = parts.map(|first| batch.slice(first, size.rows.min(batch.num_rows() - first)));
            let pieces = parts.map(|part| mapping::to_ipc_pieces(&part, size.bytes));
            for ipc in pieces.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
                sequence += 1;
                let request = AppendRequest {
                    producer: producer.clone(),
                    sequence,
                    kind,
                    batch: Some(append_request::Batch::ArrowIpc(ipc)),
                };
                if sender.send(request).await.is_err() {
                    return Ok(rows.refused());
                }
            }
        }
        anyhow::Ok(rows.refused())
    });
    let mut facts = FactServiceClient::new(channel.clone());
    let answered = async {
        let request = client::unbounded(ReceiverStream::new(requests));
        let mut answers = facts.append(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            progress.inc(u64::try_from(answer.accepted + answer.refused).unwrap_or(0));
            count(counts, answer);
        }
        Ok::<_, tonic::Status>(())
    }
    .await;
    let read = reading.await.context("the reader of the source failed")?;
    let refused = read?;
    answered.map_err(|status| explain(&status))?;
    Ok(refused)
}

/// Counts rows that could not be mapped.
fn refuse(counts: &mut Counts, refused: &[Refused]) {
    counts.refused += refused.len() as i64;
    let room = PROBLEMS_LISTED.saturating_sub(counts.problems.len());
    counts
        .problems
        .extend(refused.iter().take(room).map(ToString::to_string));
}

/// Where rows that could not be mapped are told, all of them: a file beside whoever imports, made with the first.
struct Letters {
    name: String,
    file: Option<std::fs::File>,
}

impl Letters {
    fn new(producer: &str) -> Self {
        Self {
            name: format!("{producer}.refused.jsonl"),
            file: None,
        }
    }

    fn file(&self) -> Option<&str> {
        self.file.as_ref().map(|_| self.name.as_str())
    }

    fn keep(&mut self, fact: &Fact, refused: &[Refused]) -> anyhow::Result<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let failed = || format!("{} cannot be written, which tells the refused rows", self.name);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let open = private::options()
                    .create(true)
                    .truncate(true)
                    .write(true)
                    .open(&self.name);
                self.file.insert(open.with_context(failed)?)
            }
        };
        for Refused {
            file: source,
            line,
            reason,
        } in refused
        {
            let told = serde_json::json!({"fact": fact.name, "file": source, "line": line, "reason": reason});
            writeln!(file, "{told}").with_context(failed)?;
        }
        Ok(())
    }
}

fn count(counts: &mut Counts, answer: AppendResponse) {
    counts.accepted += answer.accepted;
    counts.refused += answer.refused;
    if answer.repeated_batch {
        counts.repeated += answer.accepted;
    }
    for refusal in &answer.refusals {
        if counts.problems.len() < PROBLEMS_LISTED {
            let batch = answer.sequence;
            let text = format!(
                "batch {batch}, row {}: {} {}",
                refusal.row, refusal.field, refusal.reason
            );
            counts.problems.push(text);
        }
    }
    if !answer.dead_letter.is_empty() {
        counts.dead_letters.push(answer.dead_letter);
    }
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

/// What an import did, as a table.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["fact", "accepted", "refused", "written before"]);
    for counts in &summary.facts {
        let cells = [counts.accepted, counts.refused, counts.repeated].map(crate::format::whole);
        table.add_row(std::iter::once(counts.fact.clone()).chain(cells));
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let mut text = table.to_string();
    for counts in &summary.facts {
        for problem in &counts.problems {
            text.push_str(&format!("\n{}: {problem}", counts.fact));
        }
        if let Some(file) = counts.dead_letters.first() {
            text.push_str(&format!("\n{}: refused rows are kept in {file}", counts.fact));
        }
    }
    let rate = summary.accepted() as f64 / summary.seconds.max(1e-9);
    text.push_str(&format!(
        "\n{} rows in {:.1} s, {} rows/s",
        crate::format::whole(summary.accepted()),
        summary.seconds,
        crate::format::whole(rate as i64)
    ));
    text
}

/// Maps and checks every row, writes nothing, and shows the first rows and the problems.
async fn dry_run(config: &Config, plan: &Plan, json: bool) -> anyhow::Result<()> {
    let import = mapping::Import::open(&plan.mapping, &plan.paths).await?;
    import.plan().await?;
    let started = Instant::now();
    let mut summary = Summary::default();
    for (number, fact) in import.entries() {
        let mut rows = import.rows(number).await?;
        let mut batches = 0i64;
        while let Some(batch) = rows.next().await? {
            batches += 1;
            let now = chrono::Utc::now().timestamp_micros();
            let ground = Ground {
                tenant: &config.tenant,
                zone: plan.mapping.time_zone,
                now,
                source: ("dry run", batches),
            };
            let checked = check(fact, &batch, &ground)?;
            if batches == 1 && !json {
                let sample = batch.slice(0, batch.num_rows().min(SAMPLE_ROWS));
                let shown = arrow::util::pretty::pretty_format_batches(&[sample])?;
                output::text(&format!("facts[{number}] {}\n{shown}", fact.name))?;
            }
            let Some(counts) = summary.of(fact) else { continue };
            counts.accepted += checked.batch.num_rows() as i64;
            counts.refused += checked.refusals.len() as i64;
            for refusal in checked
                .refusals
                .iter()
                .take(PROBLEMS_LISTED.saturating_sub(counts.problems.len()))
            {
                let text = format!(
                    "batch {batches}, row {}: {} {}",
                    refusal.row, refusal.field, refusal.reason
                );
                counts.problems.push(text);
            }
        }
        if let Some(counts) = summary.of(fact) {
            refuse(counts, &rows.refused());
        }
    }
    summary.seconds = started.elapsed().as_secs_f64();
    if json {
        return output::text(&serde_json::to_string_pretty(&summary)?);
    }
    output::text(&format!("{}\nnothing was written", table(&summary)))
}
