//! The effective configuration for people's eyes.

use toml::Value;
use url::Url;

use super::Config;

const HIDDEN: &str = "***";

/// Words in the names of what is secret.
const SECRETS: [&str; 8] = [
    "secret",
    "password",
    "passwd",
    "pwd",
    "token",
    "credential",
    "signature",
    "access_key",
];

pub(super) fn render(config: &Config) -> String {
    let Ok(mut value) = Value::try_from(config) else {
        return String::new();
    };
    hide("", &mut value);
    toml::to_string(&value).unwrap_or_default()
}

/// Whether the last part of a dotted key names a secret, or a URL that may hold one.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    SECRETS.iter().any(|word| name.contains(word)) || is_url(&name)
}

fn is_url(name: &str) -> bool {
    name == "database" || name == "url"
}

fn hide(key: &str, value: &mut Value) {
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(key, item)),
        // The name of a file is no secret, what it holds may be.
        Value::String(_) if key.ends_with("_file") => {}
        Value::String(text) if is_url(key) || text.contains("://") => *text = shown(text),
        value if is_secret(key) => *value = Value::String(HIDDEN.to_owned()),
        _ => {}
    }
}

/// One or several URLs, with commas between, for people's eyes: passwords are hidden. Where it is not clear what the password
/// is, because the text is no URL or has an `@` that may end a password which was not escaped, no more than the scheme is
/// shown.
#[must_use]
pub fn shown(text: &str) -> String {
    let several = text.split(',').all(|url| url.contains("://"));
    if several {
        return text.split(',').map(shown_one).collect::<Vec<_>>().join(",");
    }
    shown_one(text)
}

fn shown_one(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        let bare = !text.contains('@') && !SECRETS.iter().any(|word| text.contains(word));
        return if bare { text } else { HIDDEN }.to_owned();
    };
    let on_disk = ["sqlite", "file"].contains(&scheme);
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if !on_disk && (tail.contains('@') || Url::parse(text).is_err()) {
        return format!("{scheme}://{HIDDEN}");
    }
    let place = match authority.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    format!("{scheme}://{place}{}", shown_tail(tail))
}

/// Path and parameters, without the values of those that are secret.
fn shown_tail(tail: &str) -> String {
    let Some((path, parameters)) = tail.split_once('?') else {
        return tail.to_owned();
    };
    let shown = |parameter: &str| match parameter.split_once('=') {
        // What is escaped in a name may spell any.
        Some((name, _)) if is_secret(name) || name == "sig" || name.contains('%') => {
            format!("{name}={HIDDEN}")
        }
        _ => parameter.to_owned(),
    };
    let parts: Vec<String> = parameters.split('&').map(shown).collect();
    format!("{path}?{}", parts.join("&"))
}
