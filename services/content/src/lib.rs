//! The content service: what a brand's contents reach, and what the people reached do then (START).
//!
//! - [`start`](mod@start): the rules, as a pure function over the frames of the lake
//! - [`Parameters`]: the windows and thresholds, shipped in `definitions.yaml`
//! - [`Options`]: how the gRPC service is made

mod api;
pub mod parameters;
mod queries;
pub mod start;

use std::{path::PathBuf, sync::Arc};

use dualwheel_kit::{MESSAGE_BYTES, server::Builder};
use dualwheel_lake::Lake;
use dualwheel_measure::{Catalogue, definitions};
use dualwheel_proto::content::content_service_server::ContentServiceServer;

pub use api::Service;
pub use parameters::Parameters;

/// Name of the service in definition overrides: `{tenant}/content.yaml`.
pub const NAME: &str = "content";

/// The shipped definitions.
pub const DEFINITIONS: &str = include_str!("../definitions.yaml");

/// How the service is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lake that it reads.
    pub lake: Lake,
    /// Folder of definition overrides, when there is one.
    pub definitions: Option<PathBuf>,
}

impl Options {
    /// The handlers.
    ///
    /// # Errors
    /// When a definition file does not fit the schema.
    pub fn service(self) -> Result<Service, definitions::Error> {
        let catalogue = Catalogue::load(NAME, DEFINITIONS, self.definitions.as_deref())?;
        Ok(Service::new(self.lake, catalogue))
    }
}

impl Service {
    /// Adds the gRPC service to a server.
    #[must_use]
    pub fn mount(self: Arc<Self>, builder: Builder) -> Builder {
        builder.add(ContentServiceServer::from_arc(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}
