//! The diagnosis service: how a brand stands against its peers, and what to do first.
//!
//! It joins the tracks of the other four services into NEO (brand power) and the DTC Operating Index Plus, names the
//! weakest metrics, what is missing, and the scenes of the dual-wheel map that serve the gaps. It owns no facts: it asks
//! the consumer, product, content and membership services by gRPC. One of them being down gives a partial diagnosis
//! that says so. It stores peer sets and runs.
//!
//! The numbers: [`parameters`] and [`model`] say what is scored and with which weight, [`score`] scores a metric
//! against the reference set, [`neo`] and [`index`] join scores, [`gaps`] and [`missing`] tell what follows, [`assess`]
//! does it all. They are pure functions. [`gather`] asks the other services, [`store`] keeps peer sets and runs, `api`
//! answers calls.

use std::{path::PathBuf, sync::Arc, time::Duration};

use dualwheel_kit::{
    MESSAGE_BYTES,
    db::{self, Database},
    server::Builder,
};
use dualwheel_measure::Catalogue;
use dualwheel_proto::diagnosis::{
    diagnosis_service_server::DiagnosisServiceServer, peer_set_service_server::PeerSetServiceServer,
};
use tonic::transport::Channel;

mod api;
pub mod assess;
pub mod gaps;
pub mod gather;
pub mod index;
pub mod missing;
pub mod model;
pub mod neo;
pub mod parameters;
pub mod peer;
pub mod scenes;
pub mod score;
pub mod store;

pub use api::Service;
use parameters::Parameters;

/// The shipped definitions.
pub const DEFINITIONS: &str = include_str!("../definitions.yaml");

/// How long one call of another service may take, unless said otherwise.
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Ways to the other four services.
#[derive(Clone, Debug)]
pub struct Channels {
    /// To the consumer service.
    pub consumer: Channel,
    /// To the product service.
    pub product: Channel,
    /// To the content service.
    pub content: Channel,
    /// To the membership service.
    pub membership: Channel,
}

/// What the service is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ways to the other four services.
    pub channels: Channels,
    /// Database of peer sets and runs.
    pub database: Database,
    /// Folder of definitions that override the shipped ones, per tenant and brand.
    pub definitions: Option<PathBuf>,
    /// How long one call of another service may take; a service that takes longer is left out of the diagnosis.
    pub call_limit: Duration,
}

/// What can go wrong at start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definition file does not fit.
    #[error(transparent)]
    Definitions(#[from] dualwheel_measure::definitions::Error),
    /// The scenario map does not fit.
    #[error(transparent)]
    Scenes(#[from] scenes::Error),
    /// The database cannot be brought up to date.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl Options {
    /// Brings the database up to date, loads definitions and the scenario map, and offers the service. Runs that a crash
    /// left unfinished are marked as interrupted when nobody has said for a while that they are worked on.
    ///
    /// # Errors
    /// When the database refuses, or a definition file or the map is wrong.
    pub async fn build(self) -> Result<Service, Error> {
        let catalogue: Catalogue<Parameters> =
            Catalogue::load("diagnosis", DEFINITIONS, self.definitions.as_deref())?;
        let maps = scenes::Map::load(self.definitions.as_deref(), &catalogue)?;
        let shipped = dualwheel_measure::Definitions::<Parameters>::shipped(DEFINITIONS)?;
        maps.shipped.fits(
            shipped
                .parameters
                .tracks
                .iter()
                .map(|track| (track.id.as_str(), track.metrics.as_slice())),
        )?;
        db::prepare::<store::Migrator>(&self.database).await?;
        Ok(Service::start(self, catalogue, maps))
    }
}

impl Service {
    /// Adds the gRPC services to a server.
    #[must_use]
    pub fn mount(self: Arc<Self>, builder: Builder) -> Builder {
        builder
            .add(DiagnosisServiceServer::from_arc(self.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(PeerSetServiceServer::from_arc(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}
