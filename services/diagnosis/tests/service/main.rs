//! The service over its contract: in process, against fakes of the other four services, on a temporary SQLite file.

#![cfg(test)]

mod calls;
mod fakes;
mod peer_sets;
mod runs;

use std::{sync::Arc, time::Duration};

use dualwheel_diagnosis::{Channels, Options};
use dualwheel_kit::{
    Config, Server,
    db::Database,
    failure::{reason_of, violations_of},
};
use dualwheel_proto::{
    Date, clients,
    consumer::consumer_service_server::ConsumerServiceServer,
    content::content_service_server::ContentServiceServer,
    diagnosis::{DiagnosisSpec, Peer},
    membership::membership_service_server::MembershipServiceServer,
    metric::metric_service_server::MetricServiceServer,
    product::product_service_server::ProductServiceServer,
    types::Window,
};
use fakes::{Fake, World};

use tonic::Status;

type Client = clients::Diagnosis;

/// A diagnosis service among fakes.
struct House {
    client: Client,
    world: Arc<World>,
    database: Database,
    _folder: tempfile::TempDir,
}

impl House {
    /// With everybody in good health.
    async fn new() -> Self {
        Self::with(World::default(), Duration::from_secs(20)).await
    }

    async fn with(world: World, call_limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/state.db", folder.path().display());
        let database = dualwheel_kit::db::connect(&url).await.unwrap();
        let world = Arc::new(world);
        let client = serve(&world, database.clone(), call_limit).await;
        Self {
            client,
            world,
            database,
            _folder: folder,
        }
    }

    /// The service started anew on the same database.
    async fn restarted(&self) -> Client {
        serve(&self.world, self.database.clone(), Duration::from_secs(20)).await
    }
}

async fn serve(world: &Arc<World>, database: Database, call_limit: Duration) -> Client {
    let config = Config::default();
    let fake = |service| Fake {
        service,
        world: Arc::clone(world),
    };
    let built = |builder: dualwheel_kit::server::Builder| builder.build().unwrap().in_process();
    let new = || Server::builder(&config).unwrap();
    let with_metrics = |service| new().add(MetricServiceServer::new(fake(service)));
    let channels = Channels {
        consumer: built(with_metrics("consumer").add(ConsumerServiceServer::new(fake("consumer")))),
        product: built(with_metrics("product").add(ProductServiceServer::new(fake("product")))),
        content: built(with_metrics("content").add(ContentServiceServer::new(fake("content")))),
        membership: built(with_metrics("membership").add(MembershipServiceServer::new(fake("membership")))),
    };
    let options = Options {
        channels,
        database,
        definitions: world.definitions.clone(),
        call_limit,
    };
    let service = Arc::new(options.build().await.unwrap());
    clients::Diagnosis::new(built(service.mount(new())))
}

fn window() -> Option<Window> {
    let day = |month, day| {
        Some(Date {
            year: 2025,
            month,
            day,
        })
    };
    Some(Window {
        first_day: day(3, 1),
        last_day: day(3, 31),
    })
}

/// A spec with the tenant's brands `peers`.
fn spec(brand: &str, peers: &[&str]) -> DiagnosisSpec {
    DiagnosisSpec {
        brand: brand.to_owned(),
        window: window(),
        peers: peers
            .iter()
            .map(|peer| Peer {
                brand: (*peer).to_owned(),
                ..Peer::default()
            })
            .collect(),
        ..DiagnosisSpec::default()
    }
}

const PEERS: [&str; 4] = ["birch", "cedar", "elm", "fir"];

fn reason(status: &Status) -> String {
    reason_of(status).unwrap_or_else(|| panic!("{status:?} carries no reason"))
}

fn fields(status: &Status) -> Vec<String> {
    violations_of(status)
        .into_iter()
        .map(|(field, _)| field)
        .collect()
}
