//! A mesh of all services behind a loopback port, on a runtime of its own.

use std::{path::Path, time::Duration};

use anyhow::Context;
use dualwheel::mesh::{self, Role};
use dualwheel_kit::{client, config::Config, server};
use dualwheel_proto::facts::{GetTenantRequest, fact_service_client::FactServiceClient};
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;

/// Longest time that a call may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running mesh.
pub(crate) struct Mesh {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), server::Error>>,
    endpoint: String,
    /// Its configuration.
    pub(crate) config: Config,
}

impl Mesh {
    /// Opens the lake in `data` and serves it. No answer is kept: what is measured is the work.
    pub(crate) fn start(data: &Path) -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.redis.answer_bytes = 0;
        Self::with(data, config)
    }

    /// Opens the lake in `data` and serves it as `config` says.
    pub(crate) fn with(data: &Path, config: Config) -> anyhow::Result<Self> {
        let mut config = Config {
            data: data.display().to_string(),
            listen: "127.0.0.1:0".to_owned(),
            ..config
        };
        config.deadlines.default_ms = u64::try_from(PATIENCE.as_millis())?;
        let runtime = Runtime::new().context("the server's runtime cannot be started")?;
        let (server, bound) = runtime.block_on(async {
            let server = mesh::build(&config, &[Role::All]).await?;
            anyhow::Ok((server, server::bind(&config).await?))
        })?;
        let endpoint = format!("http://{}", bound.address());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = runtime.spawn(server.serve(bound, async move {
            // A sender that is gone means the same as one that told.
            let _ = stopped.await;
        }));
        Ok(Self {
            runtime,
            stop,
            served,
            endpoint,
            config,
        })
    }

    /// A connected channel over TCP. Call it within the client's runtime.
    pub(crate) async fn connect(&self) -> anyhow::Result<Channel> {
        let channel = client::connect(&self.endpoint, &self.config)?;
        FactServiceClient::new(channel.clone())
            .get_tenant(GetTenantRequest {})
            .await
            .context("the mesh does not answer")?;
        Ok(channel)
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Stops serving and waits for it. Channels to it must be gone.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        // An error means that it has stopped already; then the next line says why.
        let _ = self.stop.send(());
        self.runtime.block_on(self.served)??;
        self.runtime.shutdown_timeout(Duration::from_secs(10));
        Ok(())
    }
}
