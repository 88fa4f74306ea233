//! Partners' models within the services that ask them: membership (world `koc-model`) and product (`style-trend-model`).
//!
//! - [`Plugins::score`]: asks the model that is active for a brand, or the built-in one, and says which it was
//! - [`api::Service`]: the registry over gRPC; who may publish, what is active, what came of it
//! - [`signature`]: publishers' keys
//! - [`store`]: publishers, versions, activations and runs of a tenant
//!
//! Components, and rows and answers of runs, are kept beside the facts; the state of the registry in the database. Every
//! question reads what is active again, so that a change holds at all replicas at once, while running calls keep the plugin that
//! they began with.

pub mod api;
pub mod compare;
mod error;
mod kept;
mod last_good;
mod load;
mod measured;
mod options;
mod places;
mod publishing;
mod run;
mod score;
pub mod signature;
pub mod store;
mod worlds;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex},
};

use dualwheel_kit::{Call, MESSAGE_BYTES, db, server::Builder};
use dualwheel_lake::{Lake, TenantLake};
use dualwheel_plugin_host::{Engine, Plugin, World};
use dualwheel_proto::plugin::{
    activation_service_server::ActivationServiceServer, plugin_run_service_server::PluginRunServiceServer,
    plugin_service_server::PluginServiceServer, publisher_service_server::PublisherServiceServer,
};
use sea_orm::DatabaseConnection;
use tokio::sync::Semaphore;

pub use error::Error;
pub use kept::decode as kept_rows;
pub use options::Options;
pub use score::{Asked, Rows, Scored};

/// Shadows that run at once; more are left out, for they must not slow down what is answered.
const SHADOWS: u32 = 1;
/// Bytes of all uploads that are held at once, while they come in.
const UPLOADS: usize = 512 << 20;
/// Plugins that are compiled and describe themselves at once. Tenants take turns.
const LOADING: u32 = 1;

/// Partners' models within this process. Cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    database: DatabaseConnection,
    engine: Engine,
    worlds: BTreeSet<World>,
    loaded: moka::future::Cache<(String, World), Plugin>,
    /// Bytes of uploads that there is room for.
    uploads: Semaphore,
    /// For who compiles.
    loading: places::Places,
    publishing: Arc<publishing::Publishing>,
    /// What is being compiled beside the calls that ask for it.
    compiling: Mutex<HashSet<(String, World)>>,
    /// For runs that answer questions.
    runs: places::Places,
    /// For what answers no question: checks and replays.
    checks: places::Places,
    shadows: Arc<Semaphore>,
    measured: measured::Measured,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Plugins")
            .field("worlds", &self.inner.worlds)
            .finish_non_exhaustive()
    }
}

impl Plugins {
    async fn start(options: Options) -> Result<Self, Error> {
        db::prepare::<store::Migrator>(&options.database).await?;
        let engine = Engine::new(options.limits, options.compiler, options.cache)?;
        let inner = Inner {
            lake: options.lake,
            database: options.database.connection().clone(),
            engine,
            worlds: options.worlds,
            loaded: moka::future::Cache::new(options.loaded),
            uploads: Semaphore::new(UPLOADS),
            loading: places::Places::new(LOADING as usize),
            publishing: publishing::Publishing::begin(options.database.connection()),
            compiling: Mutex::default(),
            runs: places::Places::new(options.runs as usize).told_as("plugins"),
            checks: places::Places::new(options.checks as usize).told_as("plugin-checks"),
            shadows: Arc::new(Semaphore::new(SHADOWS as usize)),
            measured: measured::Measured::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Adds the registry's gRPC services to a server.
    #[must_use]
    pub fn mount(&self, builder: Builder) -> Builder {
        let service = Arc::new(api::Service::new(self.clone()));
        builder
            .add(PublisherServiceServer::from_arc(service.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(PluginServiceServer::from_arc(service.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(ActivationServiceServer::from_arc(service.clone()).max_decoding_message_size(MESSAGE_BYTES))
            .add(PluginRunServiceServer::from_arc(service).max_decoding_message_size(MESSAGE_BYTES))
    }

    fn lake(&self, call: &Call) -> TenantLake {
        self.inner.lake.of(call)
    }

    fn publishers(&self, call: &Call) -> store::Publishers {
        store::Publishers::of(call, &self.inner.database)
    }

    fn versions(&self, call: &Call) -> store::Plugins {
        store::Plugins::of(call, &self.inner.database)
    }

    fn publications(&self, call: &Call) -> store::Publications {
        store::Publications::of(call, &self.inner.database)
    }

    fn activations(&self, call: &Call) -> store::Activations {
        store::Activations::of(call, &self.inner.database)
    }

    fn runs(&self, call: &Call) -> store::Runs {
        store::Runs::of(call, &self.inner.database)
    }

    /// That a service of this process has the world.
    fn require_served(&self, world: World) -> Result<(), Error> {
        if self.inner.worlds.contains(&world) {
            return Ok(());
        }
        Err(Error::NotServed {
            world,
            service: match world {
                World::KocModel => Some("membership"),
                World::StyleTrendModel => Some("product"),
                World::HitModel => None,
            },
        })
    }
}
