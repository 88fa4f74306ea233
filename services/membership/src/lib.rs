//! The membership service: the brand's private domain (FAST+), the member side of NEO, and KOC cultivation.
//!
//! - [`plus`](mod@plus), [`closeness`](mod@closeness) and [`koc`](mod@koc): the rules, as pure functions over the frames
//!   of the lake
//! - [`KocFrames`]: the facts of KOC cultivation, read from the lake
//! - [`Parameters`]: the thresholds, shipped in `definitions.yaml`
//! - [`Options`]: how the gRPC service is made

mod activity;
mod api;
pub mod closeness;
pub mod kinds;
pub mod koc;
pub mod parameters;
pub mod plus;
mod queries;

use std::{path::PathBuf, sync::Arc};

use dualwheel_kit::{MESSAGE_BYTES, server::Builder};
use dualwheel_lake::Lake;
use dualwheel_measure::{Catalogue, definitions};
use dualwheel_plugins::Plugins;
use dualwheel_proto::membership::membership_service_server::MembershipServiceServer;

pub use api::Service;
pub use parameters::Parameters;
pub use queries::KocFrames;

/// Name of the service in definition overrides: `{tenant}/membership.yaml`.
pub const NAME: &str = "membership";

/// The shipped definitions.
pub const DEFINITIONS: &str = include_str!("../definitions.yaml");

/// How the service is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lake that it reads.
    pub lake: Lake,
    /// Folder of definition overrides, when there is one.
    pub definitions: Option<PathBuf>,
    /// Models of partners.
    pub plugins: Plugins,
}

impl Options {
    /// The handlers.
    ///
    /// # Errors
    /// When a definition file does not fit the schema.
    pub fn service(self) -> Result<Service, definitions::Error> {
        let catalogue = Catalogue::load(NAME, DEFINITIONS, self.definitions.as_deref())?;
        Ok(Service::new(self.lake, catalogue, self.plugins))
    }
}

impl Service {
    /// Adds the gRPC service to a server.
    #[must_use]
    pub fn mount(self: Arc<Self>, builder: Builder) -> Builder {
        builder.add(MembershipServiceServer::from_arc(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}
