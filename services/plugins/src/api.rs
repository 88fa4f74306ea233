//! The gRPC handlers: contract → registry → contract.

mod activation_service;
mod activations;
mod convert;
mod names;
mod plugin_run_service;
mod publish;
mod publisher_service;
mod publishers;
mod runs;
mod versions;

use dualwheel_kit::{Call, Reason, Violations, page::page_size, store::states};
use dualwheel_plugin_host::conformance;
use dualwheel_proto::plugin::{plugin_service_server::PluginService, *};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{Error, Plugins, load::WIDEST, publishing::CHECKED_ROWS, store::KeptFinding, worlds};

/// The registry's handlers.
#[derive(Clone, Debug)]
pub struct Service {
    plugins: Plugins,
}

impl Service {
    pub(crate) fn new(plugins: Plugins) -> Self {
        Self { plugins }
    }
}

#[tonic::async_trait]
impl PluginService for Service {
    async fn publish_plugin(
        &self,
        request: Request<Streaming<PublishPluginRequest>>,
    ) -> Result<Response<PublishPluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let published = self.publish(&call, request).await?;
        Ok(Response::new(published))
    }

    async fn get_plugin_publication(
        &self,
        request: Request<GetPluginPublicationRequest>,
    ) -> Result<Response<GetPluginPublicationResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let publication = Some(self.publication(&call, &request.name).await?);
        Ok(Response::new(GetPluginPublicationResponse { publication }))
    }

    type WatchPluginPublicationStream = BoxStream<'static, Result<WatchPluginPublicationResponse, Status>>;

    async fn watch_plugin_publication(
        &self,
        request: Request<WatchPluginPublicationRequest>,
    ) -> Result<Response<Self::WatchPluginPublicationStream>, Status> {
        let (call, request) = Call::of(request)?;
        // Whether there is one, before there is a stream.
        self.publication(&call, &request.name).await?;
        let (service, name) = (self.clone(), request.name);
        let look = move || {
            let (service, call, name) = (service.clone(), call.clone(), name.clone());
            async move { service.publication(&call, &name).await }
        };
        let is_at_work = |one: &PluginPublication| one.state() < PluginPublicationState::Published;
        let changes = states(look, is_at_work).map_ok(|publication| WatchPluginPublicationResponse {
            publication: Some(publication),
        });
        Ok(Response::new(changes.boxed()))
    }

    async fn get_plugin(
        &self,
        request: Request<GetPluginRequest>,
    ) -> Result<Response<GetPluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let (id, version) = names::plugin("name", &request.name)?;
        let version = self.plugins.versions(&call).get(&id, &version).await?;
        let plugin = Some(convert::plugin(&version)?);
        Ok(Response::new(GetPluginResponse { plugin }))
    }

    async fn list_plugins(
        &self,
        request: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let size = page_size(request.page_size)?;
        let world = match request.world {
            0 => None,
            world => {
                let mut violations = Violations::new();
                worlds::read("world", world, &mut violations);
                violations.finish(Reason::InvalidResource)?;
                Some(world)
            }
        };
        let versions = self.plugins.versions(&call);
        let page = versions.list(world, size, &request.page_token).await?;
        Ok(Response::new(ListPluginsResponse {
            plugins: page.items.iter().map(convert::plugin).collect::<Result<_, _>>()?,
            next_page_token: page.next,
        }))
    }

    async fn retire_plugin(
        &self,
        request: Request<RetirePluginRequest>,
    ) -> Result<Response<RetirePluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let plugin = Some(self.retire(&call, &request).await?);
        Ok(Response::new(RetirePluginResponse { plugin }))
    }

    async fn delete_plugin(
        &self,
        request: Request<DeletePluginRequest>,
    ) -> Result<Response<DeletePluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        self.delete(&call, &request.name).await?;
        Ok(Response::new(DeletePluginResponse {}))
    }

    async fn check_plugin(
        &self,
        request: Request<CheckPluginRequest>,
    ) -> Result<Response<CheckPluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let (id, version) = names::plugin("name", &request.name)?;
        let rows = match request.rows {
            0 => CHECKED_ROWS,
            rows => usize::try_from(rows).unwrap_or_default(),
        };
        self.plugins.note(&call, &id, &version).await;
        let plugin = self.plugins.load(&call, &id, &version, WIDEST).await?;
        plugin.describe().map_err(Error::from)?;
        let examined = self
            .plugins
            .examine(&call, plugin, move |plugin| conformance::examine(plugin, rows));
        let findings = examined.await?;
        if rows >= CHECKED_ROWS {
            let kept: Vec<KeptFinding> = findings.iter().cloned().map(KeptFinding::from).collect();
            let versions = self.plugins.versions(&call);
            versions.checked(&id, &version, &kept).await?;
        }
        Ok(Response::new(CheckPluginResponse {
            conforms: findings.iter().all(|finding| finding.holds),
            findings: findings.into_iter().map(convert::finding).collect(),
        }))
    }
}
