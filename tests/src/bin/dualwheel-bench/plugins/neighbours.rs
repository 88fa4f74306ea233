//! What checks of a model whose callers leave cost the questions of a brand: nothing, for they end with their callers and
//! have places of their own.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use dualwheel_kit::{Call, Config, Server, db};
use dualwheel_lake::{Lake, service::Facts};
use dualwheel_measure::Day;
use dualwheel_plugin_host::{Compiler, Features, Plugin, World, sha256};
use dualwheel_plugin_sdk::{Batch, Description, KocModel, KocScores, Parameters, Refusal};
use dualwheel_plugins::{Asked, Options, Plugins, Rows, signature::SecretKey};
use dualwheel_proto::{
    clients,
    facts::{
        AppendRequest, FactKind, FactRows, Product, append_request::Batch as Sent,
        fact_service_client::FactServiceClient, fact_service_server::FactServiceServer,
    },
    plugin::{
        ActivatePluginRequest, CheckPluginRequest, CreatePublisherRequest, ModelSource, PluginFallback,
        PluginSetting, PublishPluginHeader, PublishPluginRequest, Publisher, publish_plugin_request::Part,
    },
};
use tokio::time::timeout;
use tonic::{Status, transport::Channel};

use super::{Components, RUNS, candidates};
use crate::{
    Bench,
    figures::{Figures, median},
};

/// Questions of a run, of whose times the 99th percentile counts.
const QUESTIONS: usize = 200;
/// Candidates of the first; every further question has one more, so that none is known.
const CANDIDATES: usize = 200;
/// Callers who have the model checked and leave.
const CALLERS: usize = 8;
/// Rows of such a check, which takes seconds.
const CHECKED: i32 = 65_536;
/// How long they wait for it.
const PATIENCE: Duration = Duration::from_millis(50);
/// The brand.
const BRAND: &str = "brand";

/// Measures it.
pub(super) fn run(bench: &Bench, components: &Components, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = bench.folder.join("neighbours");
    bench.client.block_on(async {
        let house = House::open(&folder, &components.koc).await?;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        // The first is to warm up.
        for run in 0..=RUNS {
            let questions = house.questions(2 * run)?;
            let quiet = house.ask(&questions).await?;
            let questions = house.questions(2 * run + 1)?;
            let leaving: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(house.check())).collect();
            let busy = house.ask(&questions).await?;
            for caller in leaving {
                ensure!(caller.await?, "a check was done before its caller left");
            }
            if run > 0 {
                alone.push(quiet);
                beside.push(busy);
            }
        }
        eprintln!("questions alone {alone:.4?}, beside checks {beside:.4?} s");
        let (alone, beside) = (median(&alone), median(&beside));
        let ratio = [("ratio_vs_alone", alone / beside)];
        figures.tell("plugins.beside_checks", beside * 1e3, "ms", &ratio)
    })
}

/// A process with a brand that uses the model.
struct House {
    config: Config,
    plugins: Plugins,
    client: clients::Plugin,
    plugin: String,
    description: Description,
}

impl House {
    async fn open(folder: &Path, component: &[u8]) -> anyhow::Result<Self> {
        let config = Config {
            data: folder.display().to_string(),
            ..Config::default()
        };
        let lake = Lake::open(&dualwheel_lake::Options {
            location: config.data.clone(),
            frame_cache_bytes: 1 << 20,
            retention: Duration::from_secs(604_800),
        })?;
        let database = db::connect(&config.database_url()).await?;
        let worlds = World::ALL.into();
        let options = Options::of(&config, lake.clone(), database, worlds, Compiler::Here);
        let plugins = options.build().await?;
        let facts = FactServiceServer::new(Facts::new(lake, &["product"]));
        let server = plugins.mount(Server::builder(&config)?).add(facts);
        let channel = server.build()?.in_process();
        append(&channel).await?;
        let client = clients::Plugin::new(channel);
        let plugin = publish(client.clone(), component).await?;
        activate(client.clone(), &plugin).await?;
        let described = dualwheel_plugin_host::Engine::new(super::limits(), Compiler::Here, None)?;
        let described = described.load_any(component, dualwheel_plugin_host::Policy::Pure)?;
        Ok(Self {
            config,
            plugins,
            client,
            plugin,
            description: described.describe()?.clone(),
        })
    }

    /// Questions that no other turn has.
    fn questions(&self, turn: usize) -> anyhow::Result<Vec<Sheet>> {
        let sheet = |at: usize| {
            let rows = CANDIDATES + at;
            let columns = candidates::columns(&self.description, rows);
            Ok(Sheet(Arc::new(candidates::features(rows, &columns)?)))
        };
        let first = turn * QUESTIONS;
        (first..first + QUESTIONS).map(sheet).collect()
    }

    /// Asks one question after the other: seconds that 99 of 100 take at most.
    async fn ask(&self, questions: &[Sheet]) -> anyhow::Result<f64> {
        let mut seconds = Vec::with_capacity(questions.len());
        for sheet in questions {
            let asked = Asked {
                call: Call::background(&self.config.tenant),
                brand: BRAND.to_owned(),
                day: Day(0),
                versions: Default::default(),
                subject: String::new(),
                built_in: Plugin::native_koc(Nothing),
            };
            let then = async |_, _| Err(Status::not_found("nothing was before"));
            let started = Instant::now();
            let (_, scored) = self.plugins.score(asked, sheet.clone(), then).await?;
            seconds.push(started.elapsed().as_secs_f64());
            ensure!(
                scored.by.source() == ModelSource::Plugin,
                "a question fell back: {:?}",
                scored.by.failure
            );
        }
        seconds.sort_by(f64::total_cmp);
        let rank = (seconds.len() * 99).div_ceil(100).saturating_sub(1);
        seconds.get(rank).copied().context("nothing was asked")
    }

    /// Begins a check and leaves; whether it was still under way.
    fn check(&self) -> impl Future<Output = bool> + use<> {
        let mut client = self.client.clone();
        let request = CheckPluginRequest {
            name: self.plugin.clone(),
            rows: CHECKED,
        };
        async move {
            timeout(PATIENCE, client.plugins.check_plugin(request))
                .await
                .is_err()
        }
    }
}

/// A fact that names the brand.
async fn append(channel: &Channel) -> anyhow::Result<()> {
    let product = Product {
        product: "product".to_owned(),
        brand: BRAND.to_owned(),
        updated_at: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        category: Some("category".to_owned()),
        ..Default::default()
    };
    let rows = FactRows {
        products: vec![product],
        ..Default::default()
    };
    let request = AppendRequest {
        producer: "bench".to_owned(),
        sequence: 1,
        kind: FactKind::Product.into(),
        batch: Some(Sent::Rows(rows)),
    };
    let mut client = FactServiceClient::new(channel.clone());
    let mut answers = client.append(tokio_stream::iter([request])).await?.into_inner();
    answers.message().await?.context("the fact is not acknowledged")?;
    Ok(())
}

/// Publishes a component under a key of its own; answers its name.
async fn publish(mut client: clients::Plugin, component: &[u8]) -> anyhow::Result<String> {
    let key = SecretKey::generate()?;
    let publisher = Publisher {
        public_key_pem: key.public().to_pem()?,
        ..Default::default()
    };
    let trusted = CreatePublisherRequest {
        publisher: Some(publisher),
        publisher_id: "bench".to_owned(),
        ..Default::default()
    };
    client.publishers.create_publisher(trusted).await?;
    let header = Part::Header(PublishPluginHeader {
        publisher: "publishers/bench".to_owned(),
        signature: key.sign(&sha256(component)),
        ..Default::default()
    });
    let chunks = component.chunks(1 << 20).map(|chunk| Part::Chunk(chunk.to_vec()));
    let parts: Vec<_> = std::iter::once(header)
        .chain(chunks)
        .map(|part| PublishPluginRequest { part: Some(part) })
        .collect();
    let published = client.plugins.publish_plugin(tokio_stream::iter(parts)).await?;
    let plugin = published.into_inner().plugin;
    Ok(plugin.context("no plugin is published")?.name)
}

async fn activate(mut client: clients::Plugin, plugin: &str) -> anyhow::Result<()> {
    let setting = PluginSetting {
        plugin: plugin.to_owned(),
        ..Default::default()
    };
    let request = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: Some(setting),
        fallback: PluginFallback::None.into(),
        ..Default::default()
    };
    client.activations.activate_plugin(request).await?;
    Ok(())
}

/// Rows of a question.
#[derive(Clone)]
struct Sheet(Arc<Features>);

impl Rows for Sheet {
    fn table(&self) -> Arc<Features> {
        self.0.clone()
    }
}

/// The built-in model, which is not asked.
struct Nothing;

impl KocModel for Nothing {
    fn describe(&self) -> Description {
        Description::new("nothing", "1.0.0", "Answers nothing.")
    }

    fn score(&self, _: &Batch, _: &Parameters) -> Result<KocScores, Refusal> {
        Err(Refusal("it is not to be asked".to_owned()))
    }
}
