//! The product service: goods over their whole life.
//!
//! - [`lifecycle`]: the one stage that every product is in on a day
//! - [`super_`]: SUPER, five numbers of how the assortment works
//! - [`style_trend`]: which styles, functions, crafts, materials and colours the market moves towards
//! - [`price_strength`]: the price side of NEO, which the diagnosis joins with the other services' answers
//!
//! The domain modules are pure functions from the lake's frames and [`Parameters`] to metrics; `queries` says which
//! frames a question needs, `api` speaks gRPC. [`Options::service`] makes the service.

mod api;
pub mod cut;
pub mod goods;
pub mod lifecycle;
pub mod market;
mod markets;
mod parameters;
pub mod price_band;
pub mod price_market;
pub mod price_strength;
mod queries;
pub mod strangers;
pub mod style_trend;
pub mod super_;
pub mod visits;

use std::{path::PathBuf, sync::Arc};

use dualwheel_kit::{MESSAGE_BYTES, server::Builder};
use dualwheel_lake::Lake;
use dualwheel_measure::{Catalogue, definitions};
use dualwheel_plugins::Plugins;
use dualwheel_proto::product::product_service_server::ProductServiceServer;

pub use api::Service;
pub use parameters::{BandCount, Edges, Parameters};
pub use queries::StyleFrames;

/// Name of the service in definition overrides: `{tenant}/product.yaml`.
pub const NAME: &str = "product";

/// The shipped definitions.
pub const DEFINITIONS: &str = include_str!("../definitions.yaml");

/// What the service is made of.
#[derive(Clone)]
pub struct Options {
    /// The lake that it reads.
    pub lake: Lake,
    /// Folder with the tenants' overrides of definitions; none for the shipped ones alone.
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
        builder.add(ProductServiceServer::from_arc(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}
