//! What is imported: a mapping, its files, and how many of their rows may be refused.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dualwheel_lake::{
    fact::FACTS,
    mapping::{self, Mapping},
};

use super::letters;
use crate::cli::{Import, MostRefused};

/// A mapping, its files, and the name under which its batches are sent.
#[derive(Debug)]
pub struct Plan {
    pub(super) mapping: Mapping,
    /// Name and text of the mapping, for whoever mends the rows that it refuses.
    pub(super) source: (String, String),
    pub(super) paths: BTreeMap<String, PathBuf>,
    pub(super) producer: String,
    pub(super) most_refused: MostRefused,
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

pub(super) fn plan(args: &Import) -> anyhow::Result<Plan> {
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
