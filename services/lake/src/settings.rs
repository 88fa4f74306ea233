//! A tenant's settings: the zone of its days and the currency of its money.

use std::sync::Arc;

use chrono_tz::Tz;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Zone of a tenant that never named one.
pub const DEFAULT_ZONE: Tz = chrono_tz::Asia::Shanghai;
/// Currency of a tenant that never named one.
pub const DEFAULT_CURRENCY: &str = "CNY";

/// A tenant's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Zone in which days are counted.
    pub zone: Tz,
    /// ISO 4217 code of all money.
    pub currency: String,
    /// Whether they are stored, and so fixed.
    pub fixed: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    time_zone: String,
    currency: String,
}

fn path_of(tenant: &str) -> Path {
    Path::from(format!("tenants/{tenant}.json"))
}

/// The settings in force; the defaults, not fixed, for a tenant without any.
pub(crate) async fn read(store: &Arc<dyn ObjectStore>, tenant: &str) -> Result<Settings, Error> {
    match store.get(&path_of(tenant)).await {
        Ok(found) => {
            let bytes = found.bytes().await?;
            let what = format!("settings of tenant {tenant}");
            let stored: Stored =
                serde_json::from_slice(&bytes).map_err(|source| Error::Json { what, source })?;
            Ok(Settings {
                zone: parse_zone(&stored.time_zone)?,
                currency: stored.currency,
                fixed: true,
            })
        }
        Err(object_store::Error::NotFound { .. }) => Ok(Settings {
            zone: DEFAULT_ZONE,
            currency: DEFAULT_CURRENCY.to_owned(),
            fixed: false,
        }),
        Err(error) => Err(error.into()),
    }
}

/// Fixes the settings; what another call fixed first stays, and is returned.
pub(crate) async fn fix(
    store: &Arc<dyn ObjectStore>,
    tenant: &str,
    zone: Tz,
    currency: &str,
) -> Result<Settings, Error> {
    let stored = Stored {
        time_zone: zone.name().to_owned(),
        currency: currency.to_owned(),
    };
    let what = format!("settings of tenant {tenant}");
    let text = serde_json::to_vec_pretty(&stored).map_err(|source| Error::Json { what, source })?;
    let once = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    match store.put_opts(&path_of(tenant), text.into(), once).await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => read(store, tenant).await,
        Err(error) => Err(error.into()),
    }
}

/// Reads a zone's name.
pub(crate) fn parse_zone(name: &str) -> Result<Tz, Error> {
    name.parse().map_err(|_| Error::Setting {
        field: "time_zone",
        reason: format!("`{name}` is no IANA time zone; write it as Asia/Shanghai"),
    })
}

/// Checks a currency's code.
pub(crate) fn parse_currency(code: &str) -> Result<&str, Error> {
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code);
    }
    let reason = format!("`{code}` is no ISO 4217 code; write it as CNY");
    Err(Error::Setting {
        field: "currency",
        reason,
    })
}

/// Reads a zone's name in a file.
pub(crate) fn zone_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    parse_zone(&name).map_err(serde::de::Error::custom)
}
