//! What can go wrong with plugins within the services.

use std::collections::BTreeSet;

use dualwheel_kit::{Failure, Reason, work};
use tonic::Status;

use crate::{signature, store};

/// What can go wrong with plugins within the services.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry's state.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tables cannot be brought up to date.
    #[error(transparent)]
    Tables(#[from] dualwheel_kit::db::Error),
    /// The files beside the tables.
    #[error(transparent)]
    Lake(#[from] dualwheel_lake::Error),
    /// The plugin itself.
    #[error(transparent)]
    Plugin(#[from] dualwheel_plugin_host::Error),
    /// A signature that does not hold.
    #[error("{0}")]
    Signature(#[from] signature::Error),
    /// Its publisher is trusted no longer.
    #[error("the tenant no longer trusts {publisher}, who published {plugin}")]
    Untrusted {
        /// Resource name of the plugin.
        plugin: String,
        /// Resource name of the publisher.
        publisher: String,
    },
    /// A publisher's keys cannot be changed so.
    #[error("{0} {1}")]
    Keys(String, &'static str),
    /// A name of somebody else.
    #[error("plugins named `{name}` belong to publishers/{owner}")]
    NameTaken {
        /// Name of the model.
        name: String,
        /// Publisher to whom it belongs.
        owner: String,
    },
    /// A name of the mesh's own models.
    #[error(
        "models named `{0}` are the mesh's own; a plugin is called neither like a built-in model nor `dualwheel…`"
    )]
    NameReserved(String),
    /// A version that is retired.
    #[error("{0} is retired")]
    Retired(String),
    /// A version that brands use.
    #[error("{plugin} answers for, or is asked beside at, {}", .brands.iter().cloned().collect::<Vec<_>>().join(", "))]
    InUse {
        /// Resource name of the plugin.
        plugin: String,
        /// The brands.
        brands: BTreeSet<String>,
    },
    /// A world of another service.
    #[error("a {world} is not served here: {}", served_by(*service))]
    NotServed {
        /// World.
        world: dualwheel_plugin_host::World,
        /// Service that does; none asks such models where there is none.
        service: Option<&'static str>,
    },
    /// Nothing to promote.
    #[error("brand {0} has no shadow")]
    NoShadow(String),
    /// Another shadow than the one that was looked at.
    #[error("the shadow of brand {0} was just changed; look at it, and promote again")]
    ShadowChanged(String),
    /// Another revision to roll back to than the one that was looked at; it is looked at again.
    #[error("what brand {0} uses was just changed; look at it, and roll back again")]
    BeforeChanged(String),
    /// Nothing to roll back to.
    #[error("nothing was active for brand {0} before what is active now")]
    NothingBefore(String),
    /// No rows to replay.
    #[error("the rows of {0} are not kept")]
    NotKept(String),
    /// As many as may be.
    #[error("the tenant has {most} {what} already; it may have no more")]
    TooMany {
        /// The tenant.
        tenant: String,
        /// Of what.
        what: String,
        /// How many it may have.
        most: u64,
    },
    /// Too many uploads at once.
    #[error("too many uploads are under way at once; upload again later")]
    NoRoom,
    /// A plugin whose check did not hold.
    #[error("{plugin} does not keep the contract: {found}")]
    DoesNotConform {
        /// Resource name of the plugin.
        plugin: String,
        /// What was found.
        found: String,
    },
    /// Work that ended without an answer.
    #[error("work on a plugin broke down: {0}")]
    Lost(String),
    /// An upload that breaks the protocol.
    #[error("{0}")]
    Upload(String),
    /// A kept file that is gone or is another.
    #[error("what is kept of {0} is damaged")]
    Damaged(String),
    /// A plugin that is just being compiled.
    #[error("{0} is being compiled in this process, beside the call; ask again in a few seconds")]
    Compiling(String),
    /// No place for a call.
    #[error(
        "what {of} may have of the places for calls of plugins was in use for {waited:?}; ask again later"
    )]
    Busy {
        /// Whose share it was.
        of: String,
        /// How long the call waited.
        waited: std::time::Duration,
    },
    /// Work that broke down.
    #[error("work broke down: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// A job that gave no answer.
    #[error(transparent)]
    Work(#[from] work::Error),
    /// Rows that cannot be kept.
    #[error("rows cannot be kept: {0}")]
    Rows(#[from] arrow::error::ArrowError),
}

impl Error {
    /// Whether its words are for callers; the others tell of what is inside.
    pub(crate) fn is_for_callers(&self) -> bool {
        match self {
            Self::Plugin(error) => !matches!(
                error,
                dualwheel_plugin_host::Error::Engine { .. } | dualwheel_plugin_host::Error::Limit { .. }
            ),
            Self::Store(error) => matches!(error, store::Error::Unknown(_)),
            Self::Untrusted { .. } | Self::Compiling(_) | Self::Busy { .. } => true,
            _ => false,
        }
    }

    /// Stable code, as answers name it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Plugin(error) => error.reason(),
            Self::Untrusted { .. } => Reason::PluginUntrusted.name(),
            Self::Compiling(_) => Reason::PluginCompiling.name(),
            Self::Busy { .. } => Reason::PluginBusy.name(),
            Self::Store(store::Error::Unknown(_)) => Reason::PluginUnknown.name(),
            Self::Store(store::Error::Database(_)) => Reason::StateUnavailable.name(),
            Self::Lake(_) => Reason::LakeUnavailable.name(),
            _ => Reason::Internal.name(),
        }
    }
}

fn served_by(service: Option<&str>) -> String {
    service.map_or_else(
        || "no service asks such models yet".to_owned(),
        |service| format!("the {service} service serves it"),
    )
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::Lake(error) => error.into(),
            Error::Plugin(error) => of_plugin(&error),
            Error::Signature(_) => Failure::new(Reason::PluginSignature, text)
                .violation(
                    "header.signature",
                    "made by `dualwheel plugin sign` over this file",
                )
                .into(),
            Error::Untrusted { plugin, publisher } => Failure::new(Reason::PluginUntrusted, text)
                .with("plugin", plugin)
                .with("publisher", publisher)
                .into(),
            Error::NameTaken { owner, .. } => Failure::new(Reason::PluginNameTaken, text)
                .with("owner", format!("publishers/{owner}"))
                .into(),
            Error::Keys(..) => Failure::new(Reason::PublisherKeys, text).into(),
            Error::NameReserved(_) => Failure::new(Reason::PluginNameTaken, text).into(),
            Error::Retired(plugin) => Failure::new(Reason::PluginRetired, text)
                .with("plugin", plugin)
                .into(),
            Error::InUse { plugin, brands } => {
                let brands: Vec<String> = brands.into_iter().collect();
                Failure::new(Reason::PluginInUse, text)
                    .with("plugin", plugin)
                    .with("brands", brands.join(","))
                    .into()
            }
            Error::NotServed { service, .. } => {
                let failure = Failure::new(Reason::PluginWorldNotServed, text);
                match service {
                    Some(service) => failure.with("service", service).into(),
                    None => failure.into(),
                }
            }
            Error::Compiling(plugin) => Failure::new(Reason::PluginCompiling, text)
                .with("plugin", plugin)
                .into(),
            Error::Busy { .. } => Failure::new(Reason::PluginBusy, text).into(),
            Error::NoShadow(_) => Failure::new(Reason::PluginNoShadow, text).into(),
            Error::ShadowChanged(_) | Error::BeforeChanged(_) => {
                Failure::new(Reason::EtagMismatch, text).into()
            }
            Error::NothingBefore(_) => Failure::new(Reason::PluginNothingBefore, text).into(),
            Error::NotKept(_) => Failure::new(Reason::PluginRunNotKept, text).into(),
            Error::TooMany { tenant, what, most } => {
                let failure = Failure::new(Reason::PluginRegistryLimit, text);
                failure.quota(&tenant, format!("{most} {what}")).into()
            }
            Error::NoRoom => Failure::new(Reason::PluginBusy, text).into(),
            Error::DoesNotConform { plugin, .. } => Failure::new(Reason::PluginDoesNotConform, text)
                .with("plugin", plugin)
                .into(),
            Error::Upload(_) => Failure::new(Reason::PluginUpload, text).into(),
            Error::Lost(_)
            | Error::Tables(_)
            | Error::Damaged(_)
            | Error::Broken(_)
            | Error::Work(_)
            | Error::Rows(_) => Failure::internal(&error).into(),
        }
    }
}

fn of_plugin(error: &dualwheel_plugin_host::Error) -> Status {
    let reason = Reason::named(error.reason()).unwrap_or(Reason::Internal);
    match reason {
        // What the operator must mend is told in the log.
        Reason::PluginEngine | Reason::PluginLimit | Reason::Internal => {
            Failure::hidden(reason, "plugins cannot run here; see the server's log", error).into()
        }
        _ => Failure::new(reason, error.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_kit::failure::reason_of;
    use dualwheel_plugin_host::{Error as Host, Guest};

    use super::*;

    #[test]
    fn every_code_of_the_host_is_in_the_table() {
        let guest = || Box::new(Guest::default());
        let text = || "x".to_owned();
        for error in [
            Host::NotAComponent { found: "text" },
            Host::Malformed { reason: text() },
            Host::TooLarge { reason: text() },
            Host::ImportRefused {
                import: text(),
                reason: text(),
            },
            Host::WasiRefused { import: text() },
            Host::BadDescription { reason: text() },
            Host::Input {
                name: text(),
                reason: text(),
            },
            Host::Fuel {
                granted: 1,
                guest: guest(),
            },
            Host::Trapped {
                trap: text(),
                guest: guest(),
            },
            Host::Refused {
                message: text(),
                guest: guest(),
            },
            Host::Engine { reason: text() },
        ] {
            let code = error.reason();
            assert_eq!(reason_of(&Error::from(error).into()).as_deref(), Some(code));
        }
        // All codes of the host's documentation.
        for code in [
            "LIMIT",
            "CONTRACT_VERSION",
            "WRONG_WORLD",
            "BUSY",
            "DEADLINE",
            "MEMORY",
            "TABLE",
            "STACK",
            "BAD_OUTPUT",
            "OUTPUT_TOO_LARGE",
        ] {
            assert!(Reason::named(&format!("PLUGIN_{code}")).is_some(), "{code}");
        }
    }
}
