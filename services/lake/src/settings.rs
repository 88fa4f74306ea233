//! A tenant's settings: the zone of its days and the currency of its money.

use std::sync::Arc;

use chrono_tz::Tz;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

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
    /// Stands for the two; older releases did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
}

impl Stored {
    fn sum_of(&self) -> String {
        let text = format!("{}\n{}", self.time_zone, self.currency);
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }
}

fn path_of(tenant: &str) -> Path {
    Path::from(format!("tenants/{tenant}.json"))
}

fn damaged(tenant: &str, reason: String) -> Error {
    Error::Damaged {
        what: path_of(tenant).to_string(),
        reason,
        cure: "restore this file from a backup: it holds the time zone and the currency of the tenant's facts",
    }
}

/// That settings are gone which were fixed before.
pub(crate) fn gone(tenant: &str) -> Error {
    damaged(
        tenant,
        "it is gone, but the tenant's settings were fixed".to_owned(),
    )
}

/// The settings in force; the defaults, not fixed, for a tenant without any.
pub(crate) async fn read(store: &Arc<dyn ObjectStore>, tenant: &str) -> Result<Settings, Error> {
    match store.get(&path_of(tenant)).await {
        Ok(found) => {
            let bytes = found.bytes().await?;
            let stored: Stored =
                serde_json::from_slice(&bytes).map_err(|error| damaged(tenant, error.to_string()))?;
            if stored.sum.as_ref().is_some_and(|sum| *sum != stored.sum_of()) {
                return Err(damaged(tenant, "it is not what was written".to_owned()));
            }
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
    let mut stored = Stored {
        time_zone: zone.name().to_owned(),
        currency: currency.to_owned(),
        sum: None,
    };
    stored.sum = Some(stored.sum_of());
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
