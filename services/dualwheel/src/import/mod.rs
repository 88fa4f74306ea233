//! `dualwheel import`: files become facts through gRPC.
//!
//! All rows are mapped and checked before any is sent: of an import that is wrong nothing is written.

mod letters;
mod report;
mod spool;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use dualwheel_kit::{client, config::Config};
use dualwheel_lake::{
    check::{Ground, check},
    fact::{FACTS, Fact},
    mapping::{self, BATCH_ROWS, Mapping},
    service::MOST_BYTES,
};
use dualwheel_proto::facts::{
    AppendRequest, ConfigureTenantRequest, FactKind, GetTenantRequest, append_request,
    fact_service_client::FactServiceClient,
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use letters::Letters;
use report::Counts;
pub use report::Summary;
use spool::Spool;

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
/// Rows that may be refused whatever share of the whole they are.
const FEW: u64 = 10;
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

/// Of the rows of an entry how many may be refused, before the mapping is wrong and not the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MostRefused {
    /// So many.
    Rows(u64),
    /// A share of them; a few may be in any case.
    Share(f64),
}

impl Default for MostRefused {
    fn default() -> Self {
        Self::Share(0.05)
    }
}

impl std::str::FromStr for MostRefused {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of rows, such as 100, and no share, such as 5%");
        match text.strip_suffix('%') {
            Some(share) => {
                let share: f64 = share.parse().map_err(|_| wrong())?;
                (0.0..=100.0)
                    .contains(&share)
                    .then_some(Self::Share(share / 100.0))
                    .ok_or_else(wrong)
            }
            None => text.parse().map(Self::Rows).map_err(|_| wrong()),
        }
    }
}

impl MostRefused {
    /// Whether `refused` of `rows` are too many.
    fn is_passed(self, refused: u64, rows: u64) -> bool {
        match self {
            Self::Rows(most) => refused > most,
            Self::Share(most) => refused > FEW && refused as f64 > most * rows as f64,
        }
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

/// A mapping, its files, and the name under which its batches are sent.
#[derive(Debug)]
pub struct Plan {
    mapping: Mapping,
    /// Name and text of the mapping, for whoever mends the rows that it refuses.
    source: (String, String),
    paths: BTreeMap<String, PathBuf>,
    producer: String,
    most_refused: MostRefused,
}

impl Plan {
    /// A plan for the sources of a mapping: a file, or a shipped one's name.
    ///
    /// # Errors
    /// When the mapping or a file cannot be read.
    pub fn of_mapping(name: &str, paths: BTreeMap<String, PathBuf>) -> anyhow::Result<Self> {
        Self::of_loaded(loaded(name)?, paths)
    }

    fn of_loaded((mapping, name, text): Loaded, paths: BTreeMap<String, PathBuf>) -> anyhow::Result<Self> {
        Ok(Self {
            producer: producer_name(&name, &text, &paths)?,
            mapping,
            source: (name, text),
            paths,
            most_refused: MostRefused::default(),
        })
    }

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
        let text = serde_json::json!({
            "about": mapping.about,
            "time_zone": time_zone,
            "currency": currency,
            "sources": facts.iter().map(|(source, _)| (source.clone(), serde_json::json!({}))).collect::<serde_json::Map<_, _>>(),
            "facts": mapping.facts.iter().map(|entry| serde_json::json!({"fact": entry.fact, "sql": entry.sql})).collect::<Vec<_>>(),
        });
        Ok(Self {
            mapping,
            source: ("facts".to_owned(), text.to_string()),
            paths,
            producer,
            most_refused: MostRefused::default(),
        })
    }
}

/// A mapping, its name and text.
type Loaded = (Mapping, String, String);

fn loaded(name: &str) -> anyhow::Result<Loaded> {
    let (mapping, text) = Mapping::load(name)?;
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    Ok((mapping, stem.unwrap_or("mapping").to_owned(), text))
}

fn plan(args: &Import) -> anyhow::Result<Plan> {
    let given = args.mapping.as_deref().map(loaded).transpose()?;
    let plan = match (&args.facts, &args.retry, given) {
        (Some(folder), ..) => Plan::of_facts(folder, &args.time_zone, &args.currency)?,
        (None, Some(letter), given) => {
            let paths = BTreeMap::from([(letters::LETTER.to_owned(), letter.clone())]);
            Plan::of_loaded(letters::mended(letter, given)?, paths)?
        }
        (None, None, Some(given)) => {
            let mut paths = BTreeMap::new();
            for (source, path) in &args.sources {
                if paths.insert(source.clone(), PathBuf::from(path)).is_some() {
                    bail!("the source `{source}` is given twice");
                }
            }
            Plan::of_loaded(given, paths)?
        }
        (None, None, None) => bail!("give --mapping, --facts or --retry"),
    };
    Ok(Plan {
        producer: args.producer.clone().unwrap_or(plan.producer),
        most_refused: args.max_refused,
        ..plan
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
                // The spool tells why it takes no more.
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
    for Ready { number, fact, spool } in ready {
        let Some(channel) = owners.get(&fact.kind) else {
            continue;
        };
        progress.set_message(format!("writing {}", fact.name));
        let producer = format!("{}-{number}{}", plan.producer, size.name());
        send(
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

async fn configure(channels: &[Channel], plan: &Plan, config: &Config) -> anyhow::Result<()> {
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
    Ok(())
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
        let request = client::unbounded(ReceiverStream::new(requests));
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

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg:18} {human_pos} rows  {per_sec}  {elapsed}");
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
