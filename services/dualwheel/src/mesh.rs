//! The five services, built for one process.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::ValueEnum;
use dualwheel_kit::{
    Call, client,
    config::Config,
    db::{self, Database},
    metrics::{self, Registry},
    server::{self, Builder, Server},
    shared::Shared,
};
use dualwheel_lake::{Lake, dead_letters::Bounds, service::Facts};
use dualwheel_plugin_host::{Apart, Compiler, World};
use dualwheel_plugins::Plugins;
use dualwheel_proto::{
    facts::fact_service_server::FactServiceServer, metric::metric_service_server::MetricServiceServer,
};
use tonic::{IntoRequest, Request, transport::Channel};

use crate::answers;

/// A service that a process may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// All five
    All,
    /// People
    Consumer,
    /// Goods
    Product,
    /// Content
    Content,
    /// Members
    Membership,
    /// Diagnosis
    Diagnosis,
}

impl Role {
    const EACH: [Self; 5] = [
        Self::Consumer,
        Self::Product,
        Self::Content,
        Self::Membership,
        Self::Diagnosis,
    ];

    /// The name in configuration and contracts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Consumer => "consumer",
            Self::Product => "product",
            Self::Content => "content",
            Self::Membership => "membership",
            Self::Diagnosis => "diagnosis",
        }
    }
}

/// Opens the configured lake.
///
/// # Errors
/// When its place is wrong.
pub fn lake(config: &Config) -> anyhow::Result<Lake> {
    let options = dualwheel_lake::Options {
        location: config.data.clone(),
        frame_cache_bytes: config.limits.frame_cache_bytes,
        retention: Duration::from_secs(config.limits.retention_s),
    };
    Lake::open(&options).context("the lake (setting `data`) cannot be opened")
}

/// Builds the server of the given roles.
///
/// Diagnosis reaches the services of its own process in memory and the others at the configured endpoints.
///
/// # Errors
/// When a definition file is wrong, the lake or the database cannot be opened, or an endpoint is missing.
pub async fn build(config: &Config, roles: &[Role]) -> anyhow::Result<Server> {
    let wanted: BTreeSet<Role> = match roles {
        [] => Role::EACH.into(),
        given if given.contains(&Role::All) => Role::EACH.into(),
        given => given.iter().copied().collect(),
    };
    let owners: BTreeSet<Role> = wanted
        .iter()
        .copied()
        .filter(|role| *role != Role::Diagnosis)
        .collect();
    let lake = lake(config)?;
    let database = db::open(config).await.context("the state cannot be opened")?;
    let versions = answers::Versions::of(config, lake.clone())
        .context("the definitions (setting `definitions`) cannot be read")?;
    let empty = Server::builder(config)?.keep_answers(Arc::new(versions));
    let services = FactServices::build(config, &lake, &database, empty.shared(), &owners).await?;
    let builder = services.clone().serve(empty.clone()).keep_jobs(&database).await?;
    if !wanted.contains(&Role::Diagnosis) {
        return Ok(builder.build()?);
    }
    let beside = services.serve(empty.inner()).build()?.in_process();
    let reach = |role: Role, endpoint: &Option<String>| -> anyhow::Result<Channel> {
        match endpoint {
            Some(endpoint) => Ok(client::connect(endpoint, config)?),
            None if owners.contains(&role) => Ok(beside.clone()),
            None => anyhow::bail!(
                "diagnosis needs endpoints.{}: say where that service is",
                role.name()
            ),
        }
    };
    let endpoints = &config.endpoints;
    let options = dualwheel_diagnosis::Options {
        channels: dualwheel_diagnosis::Channels {
            consumer: reach(Role::Consumer, &endpoints.consumer)?,
            product: reach(Role::Product, &endpoints.product)?,
            content: reach(Role::Content, &endpoints.content)?,
            membership: reach(Role::Membership, &endpoints.membership)?,
        },
        database,
        definitions: definitions(config),
        call_limit: patience(config),
    };
    let diagnosis = Arc::new(options.build().await?);
    Ok(diagnosis.mount(builder).build()?)
}

/// The given roles in this process, reached in memory.
///
/// # Errors
/// As [`build`].
pub async fn in_process(config: &Config, roles: &[Role]) -> anyhow::Result<Channel> {
    Ok(build(config, roles).await?.in_process())
}

/// The call of the command line: it shows the configured token, and opens nothing by itself.
///
/// # Errors
/// When the token cannot be read.
pub fn call(config: &Config) -> anyhow::Result<Call> {
    Ok(Call::outgoing(client::token(config)?))
}

/// A request of the command line.
///
/// # Errors
/// When the token cannot be read.
pub fn request<T>(config: &Config, request: impl IntoRequest<T>) -> anyhow::Result<Request<T>> {
    Ok(client::with_deadline(&call(config)?, request, patience(config)))
}

/// How long a call of the command line may take.
#[must_use]
pub fn patience(config: &Config) -> Duration {
    Duration::from_millis(config.deadlines.default_ms)
}

fn definitions(config: &Config) -> Option<PathBuf> {
    config.definitions.as_ref().map(PathBuf::from)
}

/// Partners' models, where a service asks them.
async fn plugins(
    config: &Config,
    lake: &Lake,
    database: &Database,
    owners: &BTreeSet<Role>,
) -> anyhow::Result<Option<Plugins>> {
    let worlds: BTreeSet<World> = [
        (Role::Membership, World::KocModel),
        (Role::Product, World::StyleTrendModel),
    ]
    .into_iter()
    .filter_map(|(role, world)| owners.contains(&role).then_some(world))
    .collect();
    if worlds.is_empty() {
        return Ok(None);
    }
    let compiler = compiler(&config.plugins)?;
    let options = dualwheel_plugins::Options::of(config, lake.clone(), database.clone(), worlds, compiler);
    Ok(Some(options.build().await.context("plugins cannot be run")?))
}

/// Compiles partners' models in processes of this program.
pub(crate) fn compiler(config: &dualwheel_kit::config::Plugins) -> anyhow::Result<Compiler> {
    let cpu = Duration::from_secs(config.compile_cpu_s);
    let apart = Apart::of_this_program(config.compile_memory_bytes, cpu);
    Ok(Compiler::Apart(
        apart.context("the program does not find itself")?,
    ))
}

/// The services of this process that read facts. Cheap to clone: a clone serves the same caches.
#[derive(Clone)]
struct FactServices {
    consumer: Option<Arc<dualwheel_consumer::Service>>,
    product: Option<Arc<dualwheel_product::Service>>,
    content: Option<Arc<dualwheel_content::Service>>,
    membership: Option<Arc<dualwheel_membership::Service>>,
    /// The metrics of all of them.
    metrics: Option<MetricServiceServer<metrics::Service>>,
    plugins: Option<Plugins>,
    facts: Option<FactServiceServer<Facts>>,
}

impl FactServices {
    async fn build(
        config: &Config,
        lake: &Lake,
        database: &Database,
        shared: &Shared,
        owners: &BTreeSet<Role>,
    ) -> anyhow::Result<Self> {
        let names: Vec<&str> = owners.iter().map(|role| role.name()).collect();
        let grace = Duration::from_secs(config.limits.erasure_grace_s);
        lake.keep_erasing(&names, grace);
        let letters = Bounds {
            age: Duration::from_secs(86_400 * u64::from(config.limits.dead_letter_days)),
            bytes: config.limits.dead_letter_bytes,
        };
        lake.keep_dead_letters(&names, letters);
        let facts = || {
            let facts = Facts::new(lake.clone(), &names)
                .telling(shared.clone())
                .bounded(config.limits.batch_rows, letters);
            FactServiceServer::new(facts).max_decoding_message_size(server::message_bytes(config))
        };
        let plugins = plugins(config, lake, database, owners).await?;
        let mut services = Self {
            consumer: None,
            product: None,
            content: None,
            membership: None,
            metrics: None,
            plugins: plugins.clone(),
            facts: (!owners.is_empty()).then(facts),
        };
        let mut groups = Registry::default();
        for role in owners {
            let (lake, definitions) = (lake.clone(), definitions(config));
            match (role, &plugins) {
                (Role::Consumer, _) => {
                    let options = dualwheel_consumer::Options {
                        lake,
                        database: database.clone(),
                        definitions,
                        index_cache_bytes: config.limits.index_cache_bytes,
                        shared: Some(shared.clone()),
                        erasure_grace: grace,
                    };
                    let service = options.service().await?;
                    groups.extend(service.groups());
                    services.consumer = Some(Arc::new(service));
                }
                (Role::Product, Some(plugins)) => {
                    let options = dualwheel_product::Options {
                        lake,
                        definitions,
                        plugins: plugins.clone(),
                    };
                    let service = options.service()?;
                    groups.extend(service.groups());
                    services.product = Some(Arc::new(service));
                }
                (Role::Content, _) => {
                    let service = dualwheel_content::Options { lake, definitions }.service()?;
                    groups.extend(service.groups());
                    services.content = Some(Arc::new(service));
                }
                (Role::Membership, Some(plugins)) => {
                    let options = dualwheel_membership::Options {
                        lake,
                        definitions,
                        plugins: plugins.clone(),
                    };
                    let service = options.service()?;
                    groups.extend(service.groups());
                    services.membership = Some(Arc::new(service));
                }
                _ => {}
            }
        }
        services.metrics = (!owners.is_empty()).then(|| groups.service());
        Ok(services)
    }

    fn serve(self, mut builder: Builder) -> Builder {
        if let Some(service) = self.consumer {
            builder = service.mount(builder);
        }
        if let Some(service) = self.product {
            builder = service.mount(builder);
        }
        if let Some(service) = self.content {
            builder = service.mount(builder);
        }
        if let Some(service) = self.membership {
            builder = service.mount(builder);
        }
        if let Some(service) = self.metrics {
            builder = builder.add(service);
        }
        if let Some(plugins) = self.plugins {
            builder = plugins.mount(builder);
        }
        match self.facts {
            Some(service) => builder.add(service),
            None => builder,
        }
    }
}
