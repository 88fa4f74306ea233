//! The consumer service: who a brand's people are, how they move, and what that is worth.
//!
//! - [`aipl`](mod@aipl), [`flow`], [`fast`], [`grow`], [`signals`]: the rules, as pure functions over the frames of
//!   the lake
//! - [`stages`]: the engine of stage models, which are data; [`people`] fills it, [`trend`] runs it over many days
//! - [`value`]: RFM, BG/NBD and Gamma-Gamma
//! - [`audiences`]: the eight strategic audiences
//! - [`Parameters`]: every number, shipped in `definitions.yaml`
//! - [`Options`]: how the gRPC service is made

pub mod aipl;
mod api;
pub mod audiences;
pub mod categories;
pub mod facts;
pub mod fast;
pub mod flow;
pub mod grow;
pub mod launches;
pub mod parameters;
pub mod people;
mod queries;
pub mod signals;
pub mod stages;
pub mod trend;
pub mod value;

use std::path::PathBuf;

use dualwheel_lake::Lake;
use dualwheel_measure::{Catalogue, definitions};
use dualwheel_proto::consumer::consumer_service_server::ConsumerServiceServer;

pub use api::Service;
pub use parameters::Parameters;

/// Name of the service in definition overrides: `{tenant}/consumer.yaml`.
pub const NAME: &str = "consumer";

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
    /// The gRPC service.
    ///
    /// # Errors
    /// When a definition file does not fit the schema.
    pub fn build(self) -> Result<ConsumerServiceServer<Service>, definitions::Error> {
        let catalogue = Catalogue::load(NAME, DEFINITIONS, self.definitions.as_deref())?;
        let service = Service::new(self.lake, catalogue);
        Ok(ConsumerServiceServer::new(service).max_decoding_message_size(dualwheel_kit::MESSAGE_BYTES))
    }
}
