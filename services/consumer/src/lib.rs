//! The consumer service: who a brand's people are, how they move, and what that is worth.
//!
//! - [`aipl`](mod@aipl), [`flow`], [`fast`], [`grow`], [`signals`]: the rules, as pure functions over the frames of
//!   the lake
//! - [`stages`]: the engine of stage models, which are data; [`people`] fills it, [`trend`] runs it over many days
//! - [`index`]: the people index, by which questions about the whole brand are set algebra
//! - [`journeys`]: paths to purchase, and seven ways to credit them
//! - [`moves`]: what campaigns spent per person who moved between stages; [`sources`]: what new buyers had bought before
//! - [`value`]: RFM, BG/NBD and Gamma-Gamma
//! - [`boosted`]: gradient-boosted trees; by them [`mod@winback`]: which lapsed buyers will come back, and [`expansion`]:
//!   who is most like the people of an audience
//! - [`clusters`]: groups of people who behave and are alike
//! - [`audience`]: audiences as expressions; [`strategic`]: the eight strategic ones
//! - [`deletion`]: removing consumers for good
//! - [`store`]: saved audiences and deletions
//! - [`Parameters`]: every number, shipped in `definitions.yaml`
//! - [`Options`]: how the gRPC service is made

pub mod aipl;
mod api;
pub mod audience;
pub mod boosted;
pub mod categories;
pub mod clusters;
pub mod deletion;
pub mod expansion;
pub mod facts;
pub mod fast;
pub mod flow;
pub mod grow;
pub mod index;
pub mod journeys;
pub mod matrix;
pub mod moves;
pub mod parameters;
pub mod people;
mod portrait;
mod queries;
pub mod signals;
pub mod sources;
pub mod stages;
pub mod store;
pub mod strategic;
pub mod trend;
pub mod value;
pub mod winback;

use std::{path::PathBuf, sync::Arc, time::Duration};

use dualwheel_kit::{
    MESSAGE_BYTES,
    db::{self, Database},
    server::Builder,
    shared::Shared,
};
use dualwheel_lake::Lake;
use dualwheel_measure::Catalogue;
use dualwheel_proto::consumer::{
    audience_service_server::AudienceServiceServer, consumer_service_server::ConsumerServiceServer,
    people_index_service_server::PeopleIndexServiceServer, privacy_service_server::PrivacyServiceServer,
    targeting_service_server::TargetingServiceServer,
};

pub use api::Service;
pub use deletion::Deletions;
pub use index::PeopleIndex;
pub use parameters::Parameters;

/// Name of the service in definition overrides: `{tenant}/consumer.yaml`.
pub const NAME: &str = "consumer";

/// The shipped definitions.
pub const DEFINITIONS: &str = include_str!("../definitions.yaml");

/// Most consumers of a tenant: ordinals have 32 bits, and the highest stands for nobody.
pub const MOST_CONSUMERS: usize = u32::MAX as usize;

/// How the service is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lake that it reads.
    pub lake: Lake,
    /// Database of saved audiences and deletions.
    pub database: Database,
    /// Folder of definition overrides, when there is one.
    pub definitions: Option<PathBuf>,
    /// Bytes that decoded bitmaps of the people index may take together.
    pub index_cache_bytes: u64,
    /// Notices of facts that were appended; the index looks by itself every second, too.
    pub shared: Option<Shared>,
    /// For how long files of former versions stay after a consumer's facts were removed.
    pub erasure_grace: Duration,
}

/// What can go wrong at start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definition file does not fit the schema.
    #[error(transparent)]
    Definitions(#[from] dualwheel_measure::definitions::Error),
    /// The database cannot be brought up to date.
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl Options {
    /// Brings the database up to date, loads the definitions, and makes the handlers.
    ///
    /// # Errors
    /// When the database refuses, or a definition file does not fit the schema.
    pub async fn service(self) -> Result<Service, Error> {
        db::prepare::<store::Migrator>(&self.database).await?;
        let database = self.database.connection().clone();
        let catalogue = Catalogue::load(NAME, DEFINITIONS, self.definitions.as_deref())?;
        let people = PeopleIndex::new(self.lake.clone(), self.index_cache_bytes, MOST_CONSUMERS);
        people.keep_up(self.shared.as_ref().map(Shared::notices));
        let deletions = Deletions::new(
            self.lake.clone(),
            people.clone(),
            database.clone(),
            self.erasure_grace,
        );
        deletions.keep_up();
        Ok(Service::new(self.lake, people, deletions, catalogue, database))
    }
}

impl Service {
    /// Adds the gRPC services to a server.
    #[must_use]
    pub fn mount(self: Arc<Self>, builder: Builder) -> Builder {
        builder
            .add(ConsumerServiceServer::from_arc(self.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(AudienceServiceServer::from_arc(self.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(TargetingServiceServer::from_arc(self.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(PeopleIndexServiceServer::from_arc(self.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(PrivacyServiceServer::from_arc(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}
