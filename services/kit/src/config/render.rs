//! The effective configuration for people's eyes.

use toml::Value;

use super::Config;

const HIDDEN: &str = "***";

pub(super) fn render(config: &Config) -> String {
    let Ok(mut value) = Value::try_from(config) else {
        return String::new();
    };
    hide("", &mut value);
    toml::to_string(&value).unwrap_or_default()
}

/// Whether the last part of a dotted key names a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    ["secret", "password", "token"]
        .iter()
        .any(|word| name.contains(word))
        || name == "database"
        || name == "url"
}

fn hide(key: &str, value: &mut Value) {
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(key, item)),
        Value::String(text) if key == "url" => {
            *text = text.split(',').map(hide_in_url).collect::<Vec<_>>().join(",");
        }
        // The name of a file is no secret, what it holds may be.
        Value::String(_) if key.ends_with("_file") => {}
        Value::String(text) if key == "database" || !is_secret(key) => *text = hide_in_url(text),
        value if is_secret(key) => *value = Value::String(HIDDEN.to_owned()),
        _ => {}
    }
}

/// Hides the password of `scheme://user:password@host` and secrets among the parameters after a `?`.
fn hide_in_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (place, parameters) = rest
        .split_once('?')
        .map_or((rest, None), |(place, tail)| (place, Some(tail)));
    // A password may itself hold `/` or `@` unescaped, so the last `@` ends it.
    let place = match place.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            let hidden = if login.contains(':') {
                format!(":{HIDDEN}")
            } else {
                String::new()
            };
            format!("{user}{hidden}@{host}")
        }
        None => place.to_owned(),
    };
    let parameters = parameters.map_or_else(String::new, |tail| {
        let parts: Vec<String> = tail.split('&').map(hide_parameter).collect();
        format!("?{}", parts.join("&"))
    });
    format!("{scheme}://{place}{parameters}")
}

fn hide_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => parameter.to_owned(),
    }
}
