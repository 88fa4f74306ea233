//! Lays the sources on one another with figment, and puts its errors into our words.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider, Source,
    error::Kind,
    providers::{Format, Serialized, Toml},
    util::nest,
    value::{Dict, Map, Value},
};

use serde::{
    Deserializer,
    de::{SeqAccess, Visitor},
};

use super::{Config, Error, FILE_VARIABLE, PREFIX, at_home, check};

/// One value of the environment or a flag.
struct Setting {
    key: String,
    value: String,
    origin: String,
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = nest(&self.key, Value::from(self.value.clone()))
            .into_dict()
            .unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

pub(super) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &BTreeMap<String, String>,
) -> Result<Config, Error> {
    let environment: BTreeMap<String, String> = environment
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
        .collect();
    let file = file
        .map(Path::to_owned)
        .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));

    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    let known = known_keys(&figment);
    if let Some(file) = &file {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| Error::Unreadable {
            file: name.clone(),
            source,
        })?;
        let dict: Dict = toml::from_str(&text).map_err(|error| Error::Malformed {
            file: name.clone(),
            place: place(&text, &error),
            message: error.message().replace('\n', ", "),
        })?;
        for key in leaves(&dict) {
            check_known(&key, &format!("file {name}"), &known)?;
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let flags = flags.iter().map(|(key, value)| Setting {
        key: key.clone(),
        value: value.clone(),
        origin: format!("flag --{key}"),
    });
    for setting in environment.into_iter().filter_map(variable).chain(flags) {
        check_known(&setting.key, &setting.origin, &known)?;
        figment = figment.merge(setting);
    }
    // Lossy: the environment and flags are text, numbers and switches are read out of it.
    let mut config: Config = figment
        .extract_lossy()
        .map_err(|error| invalid(&figment, error))?;
    expand_home(&mut config);
    check::check(&config).map_err(|(key, expected)| Error::Invalid {
        origin: origin(&figment, &key),
        key,
        expected,
    })?;
    Ok(config)
}

/// Paths start at the home folder where they begin with `~`: not every shell and no file does so.
fn expand_home(config: &mut Config) {
    let Config {
        data,
        definitions,
        tls,
        auth,
        client,
        log,
        plugins,
        ..
    } = config;
    let paths = [
        definitions,
        &mut tls.certificate,
        &mut tls.key,
        &mut tls.client_ca,
        &mut auth.jwks,
        &mut client.ca,
        &mut client.certificate,
        &mut client.key,
        &mut client.token_file,
        &mut log.audit,
        &mut plugins.cache,
    ];
    for path in paths.into_iter().flatten().chain([data]) {
        *path = at_home(path);
    }
}

/// A list, or its items as one text with commas between, as the environment and flags have it.
pub(super) fn list<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of texts, or a text with commas between")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(items.map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }
    value.deserialize_any(List)
}

/// Where in `text` something is wrong.
fn place(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}")
}

fn variable((name, value): (String, String)) -> Option<Setting> {
    if name == FILE_VARIABLE {
        return None;
    }
    let key = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
    Some(Setting {
        key,
        value,
        origin: format!("environment variable {name}"),
    })
}

fn check_known(key: &str, origin: &str, known: &[String]) -> Result<(), Error> {
    if known.iter().any(|name| name == key) {
        return Ok(());
    }
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let beside = |name: &&String| name.rsplit_once('.').map_or("", |(section, _)| section) == section;
    let mut names: Vec<&str> = known.iter().filter(beside).map(String::as_str).collect();
    if names.is_empty() {
        names = known.iter().map(String::as_str).collect();
    }
    Err(Error::Unknown {
        key: key.to_owned(),
        origin: origin.to_owned(),
        known: names.join(", "),
    })
}

/// Every key of the configuration, dotted; the defaults name them all.
fn known_keys(defaults: &Figment) -> Vec<String> {
    defaults
        .data()
        .ok()
        .and_then(|mut data| data.remove(&Profile::Default))
        .map_or(Vec::new(), |dict| leaves(&dict))
}

fn leaves(dict: &Dict) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in dict {
        match value.as_dict() {
            Some(inner) => keys.extend(leaves(inner).into_iter().map(|leaf| format!("{key}.{leaf}"))),
            None => keys.push(key.clone()),
        }
    }
    keys
}

fn invalid(figment: &Figment, error: figment::Error) -> Error {
    let key = error.path.join(".");
    let expected = match &error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("expected {expected}, found {}", hidden(&key, &actual.to_string()))
        }
        Kind::UnknownVariant(actual, expected) => {
            format!(
                "expected one of {}, found {}",
                expected.join(", "),
                hidden(&key, actual)
            )
        }
        kind => kind.to_string(),
    };
    let origin = match &error.metadata {
        Some(metadata) => origin_name(metadata),
        None => origin(figment, &key),
    };
    Error::Invalid {
        key,
        origin,
        expected,
    }
}

fn hidden<'a>(key: &str, value: &'a str) -> &'a str {
    if super::render::is_secret(key) || value.contains("://") || value.contains('@') {
        "a value that is kept secret"
    } else {
        value
    }
}

fn origin(figment: &Figment, key: &str) -> String {
    figment
        .find_metadata(key)
        .map_or_else(|| "the defaults".to_owned(), origin_name)
}

fn origin_name(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => format!("file {}", path.display()),
        Some(Source::Code(_)) => "the defaults".to_owned(),
        _ => metadata.name.to_string(),
    }
}
