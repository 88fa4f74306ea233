//! A process that serves the registry, and what the tests ask of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dualwheel_kit::{
    Call, Config, Server,
    failure::{reason_of, violations_of},
};
use dualwheel_lake::{Lake, service::Facts};
use dualwheel_measure::Day;
use dualwheel_plugin_host::{Compiler, Features, Plugin, World};
use dualwheel_plugin_sdk::{Batch, Description, KocModel, KocScores, Parameters, Refusal, Values};
use dualwheel_plugins::{Asked, Options, Plugins, Rows, Scored, signature::SecretKey};
use dualwheel_proto::{
    clients,
    facts::{
        AppendRequest, FactKind, FactRows, Product, append_request::Batch as Sent,
        fact_service_client::FactServiceClient, fact_service_server::FactServiceServer,
    },
    plugin::{
        CreatePublisherRequest, GetPluginRequest, PluginPublication, PluginPublicationState, PluginSetting,
        PluginWorld, PublishPluginHeader, PublishPluginRequest, PublishPluginResponse, Publisher,
        WatchPluginPublicationRequest, publish_plugin_request::Part,
    },
};
use tokio_stream::StreamExt;
use tonic::{Status, transport::Channel};

use crate::guest::Guest;

/// The brand of most tests.
pub const BRAND: &str = "b1";
/// Another brand of the same tenant.
pub const OTHER: &str = "b2";
/// The world of most tests.
pub const KOC: i32 = PluginWorld::KocModel as i32;

pub type Client = clients::Plugin;

/// A process over a folder.
pub struct House {
    pub plugins: Plugins,
    pub client: Client,
    pub key: SecretKey,
    pub config: Config,
    folder: Arc<tempfile::TempDir>,
}

impl House {
    /// With both worlds and a trusted publisher, `acme`.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut config = Config {
            data: folder.path().display().to_string(),
            ..Config::default()
        };
        change(&mut config);
        let house = Self::open(config, folder, &World::ALL).await;
        house.append().await;
        house.trust("acme", &house.key).await.unwrap();
        house
    }

    /// Another process over the same folder.
    pub async fn beside(&self, worlds: &[World], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.config.clone();
        change(&mut config);
        Self::open(config, self.folder.clone(), worlds).await
    }

    async fn open(config: Config, folder: Arc<tempfile::TempDir>, worlds: &[World]) -> Self {
        let plugins = start(&config, worlds).await.unwrap();
        let server = plugins.mount(Server::builder(&config).unwrap());
        let channel = server.build().unwrap().in_process();
        Self {
            plugins,
            client: clients::Plugin::new(channel),
            key: SecretKey::generate().unwrap(),
            config,
            folder,
        }
    }

    /// Facts that name the brands.
    async fn append(&self) {
        let product = |brand: &str| Product {
            product: format!("p of {brand}"),
            brand: brand.to_owned(),
            updated_at: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            category: Some("a".to_owned()),
            ..Default::default()
        };
        let rows = FactRows {
            products: [BRAND, OTHER].map(product).into(),
            ..Default::default()
        };
        let request = AppendRequest {
            producer: "test".to_owned(),
            sequence: 1,
            kind: FactKind::Product.into(),
            batch: Some(Sent::Rows(rows)),
        };
        let mut client = FactServiceClient::new(self.channel());
        let mut answers = client
            .append(tokio_stream::iter([request]))
            .await
            .unwrap()
            .into_inner();
        answers.message().await.unwrap().unwrap();
    }

    fn channel(&self) -> Channel {
        let facts = FactServiceServer::new(Facts::new(lake(&self.config), &["product"]));
        let server = Server::builder(&self.config).unwrap().add(facts);
        server.build().unwrap().in_process()
    }

    /// Trusts a key.
    pub async fn trust(&self, id: &str, key: &SecretKey) -> Result<Publisher, Status> {
        let publisher = Publisher {
            public_key_pem: key.public().to_pem().unwrap(),
            ..Default::default()
        };
        let request = CreatePublisherRequest {
            publisher: Some(publisher),
            publisher_id: id.to_owned(),
            ..Default::default()
        };
        let answer = self.client.clone().publishers.create_publisher(request).await?;
        Ok(answer.into_inner().publisher.unwrap())
    }

    /// Publishes parts as they are.
    pub async fn upload(
        &self,
        parts: Vec<PublishPluginRequest>,
    ) -> Result<dualwheel_proto::plugin::Plugin, Status> {
        let answer = self.begun(parts, Duration::from_secs(30)).await?;
        if let Some(plugin) = answer.plugin {
            return Ok(plugin);
        }
        let publication = self.ended(&answer.publication.unwrap().name).await;
        assert_eq!(
            publication.state(),
            PluginPublicationState::Published,
            "{publication:?}"
        );
        let request = GetPluginRequest {
            name: publication.plugin,
        };
        let answer = self.client.clone().plugins.get_plugin(request).await?;
        Ok(answer.into_inner().plugin.unwrap())
    }

    /// What publishing parts answers within a deadline.
    pub async fn begun(
        &self,
        parts: Vec<PublishPluginRequest>,
        deadline: Duration,
    ) -> Result<PublishPluginResponse, Status> {
        let mut request = tonic::Request::new(tokio_stream::iter(parts));
        request.set_timeout(deadline);
        Ok(self
            .client
            .clone()
            .plugins
            .publish_plugin(request)
            .await?
            .into_inner())
    }

    /// A publication at its end.
    pub async fn ended(&self, name: &str) -> PluginPublication {
        self.watched(name).await.pop().unwrap()
    }

    /// All that is told of a publication until its end.
    pub async fn watched(&self, name: &str) -> Vec<PluginPublication> {
        let request = WatchPluginPublicationRequest {
            name: name.to_owned(),
        };
        let mut client = self.client.clone();
        let changes = client
            .plugins
            .watch_plugin_publication(request)
            .await
            .unwrap()
            .into_inner();
        let told = changes.map(|change| change.unwrap().publication.unwrap());
        told.collect().await
    }

    /// Publishes a component as `acme`.
    pub async fn publish(&self, component: &[u8]) -> Result<dualwheel_proto::plugin::Plugin, Status> {
        let signature = self.key.sign(&dualwheel_plugin_host::sha256(component));
        self.upload(parts("acme", &signature, component)).await
    }

    /// Publishes a fixture as `acme` and answers its name.
    pub async fn published(&self, guest: Guest) -> String {
        self.publish(&guest.build()).await.unwrap().name
    }

    /// Files below a folder of the data.
    pub fn files(&self, folder: &str) -> Vec<std::path::PathBuf> {
        fn walk(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, found),
                    false => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder.path().join(folder), &mut found);
        found
    }

    /// Asks about people, each with a rank by followers and one by interactions.
    pub async fn ask(&self, day: i32, people: &[(f64, f64)]) -> Result<(People, Scored), Status> {
        let gone = async |_, _| Err(Status::not_found("the facts of then are gone"));
        self.ask_again(day, people, gone).await
    }

    /// The same of any brand.
    pub async fn ask_of(&self, brand: &str, day: i32, people: &[(f64, f64)]) -> Result<Scored, Status> {
        let gone = async |_, _| Err(Status::not_found("the facts of then are gone"));
        let asked = self.asked(brand, day);
        let scored = self.plugins.score(asked, People(people.to_vec()), gone).await;
        scored.map(|(_, scored)| scored)
    }

    /// The same where facts of then can be read.
    pub async fn ask_again<F>(
        &self,
        day: i32,
        people: &[(f64, f64)],
        then: impl FnOnce(Day, BTreeMap<String, i64>) -> F,
    ) -> Result<(People, Scored), Status>
    where
        F: Future<Output = Result<People, Status>>,
    {
        let asked = self.asked(BRAND, day);
        self.plugins.score(asked, People(people.to_vec()), then).await
    }

    fn asked(&self, brand: &str, day: i32) -> Asked {
        Asked {
            call: Call::background(&self.config.tenant),
            brand: brand.to_owned(),
            day: Day(day),
            versions: [("members".to_owned(), i64::from(day))].into(),
            subject: String::new(),
            built_in: Plugin::native_koc(Sevens),
        }
    }
}

fn lake(config: &Config) -> Lake {
    Lake::open(&dualwheel_lake::Options {
        location: config.data.clone(),
        frame_cache_bytes: 1 << 20,
        retention: std::time::Duration::from_secs(604_800),
    })
    .unwrap()
}

/// Why fixtures answer although they break the contract in one way or another.
pub const UNTRIED: &str = "a fixture";

/// Plugins of some worlds within a process.
pub async fn start(config: &Config, worlds: &[World]) -> Result<Plugins, dualwheel_plugins::Error> {
    let database = dualwheel_kit::db::connect(&config.database_url()).await.unwrap();
    let worlds = worlds.iter().copied().collect();
    let options = Options::of(config, lake(config), database, worlds, Compiler::Here);
    options.build().await
}

/// The parts of an upload.
pub fn parts(publisher: &str, signature: &str, component: &[u8]) -> Vec<PublishPluginRequest> {
    let header = PublishPluginHeader {
        publisher: format!("publishers/{publisher}"),
        signature: signature.to_owned(),
        ..Default::default()
    };
    let chunks = component.chunks(1_000).map(|chunk| Part::Chunk(chunk.to_vec()));
    std::iter::once(Part::Header(header))
        .chain(chunks)
        .map(|part| PublishPluginRequest { part: Some(part) })
        .collect()
}

/// A setting without parameters.
pub fn setting(plugin: &str) -> Option<PluginSetting> {
    Some(PluginSetting {
        plugin: plugin.to_owned(),
        ..Default::default()
    })
}

/// People with two ranks each.
#[derive(Clone, Debug, PartialEq)]
pub struct People(pub Vec<(f64, f64)>);

impl Rows for People {
    fn table(&self) -> Arc<Features> {
        let mut table = Features::new(self.0.len());
        let (followers, interactions) = self.0.iter().copied().unzip();
        table.add("followers_rank", Values::Numbers(followers)).unwrap();
        table
            .add("interactions_30d_rank", Values::Numbers(interactions))
            .unwrap();
        Arc::new(table)
    }
}

/// The built-in model of these tests: everybody has 7, 8 and 9.
struct Sevens;

impl KocModel for Sevens {
    fn describe(&self) -> Description {
        Description::new("sevens", "1.0.0", "The same for everybody.")
    }

    fn score(&self, batch: &Batch, _: &Parameters) -> Result<KocScores, Refusal> {
        Ok(KocScores {
            content: vec![7.0; batch.rows],
            influence: vec![8.0; batch.rows],
            purchasing: vec![9.0; batch.rows],
        })
    }
}

/// The reason of a refusal.
#[track_caller]
pub fn reason<T: std::fmt::Debug>(refused: Result<T, Status>) -> String {
    reason_of(&refused.unwrap_err()).unwrap_or_default()
}

/// The field that a refusal names first.
#[track_caller]
pub fn field<T: std::fmt::Debug>(refused: Result<T, Status>) -> String {
    violations_of(&refused.unwrap_err()).swap_remove(0).0
}
