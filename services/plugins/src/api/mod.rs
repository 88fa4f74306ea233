//! The gRPC handlers: contract → registry → contract.

mod activations;
mod convert;
mod names;
mod publish;
mod publishers;
mod runs;
mod versions;

use dualwheel_kit::{Call, Reason, Violations, resource::page_size};
use dualwheel_plugin_host::conformance;
use dualwheel_proto::plugin::{plugin_service_server::PluginService, *};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
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
    async fn create_publisher(
        &self,
        request: Request<CreatePublisherRequest>,
    ) -> Result<Response<CreatePublisherResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let publisher = Some(self.trust(&call, request).await?);
        Ok(Response::new(CreatePublisherResponse { publisher }))
    }

    async fn list_publishers(
        &self,
        request: Request<ListPublishersRequest>,
    ) -> Result<Response<ListPublishersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let size = page_size(request.page_size)?;
        let publishers = self.plugins.publishers(&call);
        let page = publishers.list(size, &request.page_token).await?;
        Ok(Response::new(ListPublishersResponse {
            publishers: page.items.iter().map(convert::publisher).collect(),
            next_page_token: page.next,
        }))
    }

    async fn delete_publisher(
        &self,
        request: Request<DeletePublisherRequest>,
    ) -> Result<Response<DeletePublisherResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::publisher("name", &request.name)?;
        self.plugins.publishers(&call).delete(&id).await?;
        Ok(Response::new(DeletePublisherResponse {}))
    }

    async fn add_publisher_key(
        &self,
        request: Request<AddPublisherKeyRequest>,
    ) -> Result<Response<AddPublisherKeyResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let publisher = Some(self.add_key(&call, request).await?);
        Ok(Response::new(AddPublisherKeyResponse { publisher }))
    }

    async fn remove_publisher_key(
        &self,
        request: Request<RemovePublisherKeyRequest>,
    ) -> Result<Response<RemovePublisherKeyResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let publisher = Some(self.remove_key(&call, request).await?);
        Ok(Response::new(RemovePublisherKeyResponse { publisher }))
    }

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
        let name = request.name;
        let service = self.clone();
        let first = self.publication(&call, &name).await?;
        let changes = stream::unfold(Some((None, Some(first))), move |from| {
            let (service, call, name) = (service.clone(), call.clone(), name.clone());
            async move {
                let (last, known): (Option<PluginPublication>, _) = from?;
                let now = match known {
                    Some(known) => Ok(known),
                    None => service.changed(&call, &name, last.as_ref()).await,
                };
                let publication = match now {
                    Ok(publication) => publication,
                    Err(status) => return Some((Err(status), None)),
                };
                let goes_on = publication.state() < PluginPublicationState::Published;
                let next = goes_on.then(|| (Some(publication.clone()), None));
                let publication = Some(publication);
                Some((Ok(WatchPluginPublicationResponse { publication }), next))
            }
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
        if !(2..=dualwheel_plugin_host::MOST_ROWS).contains(&rows) {
            let mut violations = Violations::new();
            violations.add("rows", "2 to 65 536, or 0 for 1 000");
            violations.finish(Reason::InvalidResource)?;
        }
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

    async fn activate_plugin(
        &self,
        request: Request<ActivatePluginRequest>,
    ) -> Result<Response<ActivatePluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let activation = Some(self.activate(&call, request).await?);
        Ok(Response::new(ActivatePluginResponse { activation }))
    }

    async fn deactivate_plugin(
        &self,
        request: Request<DeactivatePluginRequest>,
    ) -> Result<Response<DeactivatePluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let activation = Some(self.deactivate(&call, request).await?);
        Ok(Response::new(DeactivatePluginResponse { activation }))
    }

    async fn shadow_plugin(
        &self,
        request: Request<ShadowPluginRequest>,
    ) -> Result<Response<ShadowPluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let activation = Some(self.shadow(&call, request).await?);
        Ok(Response::new(ShadowPluginResponse { activation }))
    }

    async fn promote_plugin(
        &self,
        request: Request<PromotePluginRequest>,
    ) -> Result<Response<PromotePluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let activation = Some(self.promote(&call, request).await?);
        Ok(Response::new(PromotePluginResponse { activation }))
    }

    async fn roll_back_plugin(
        &self,
        request: Request<RollBackPluginRequest>,
    ) -> Result<Response<RollBackPluginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let activation = Some(self.roll_back(&call, request).await?);
        Ok(Response::new(RollBackPluginResponse { activation }))
    }

    async fn get_plugin_activation(
        &self,
        request: Request<GetPluginActivationRequest>,
    ) -> Result<Response<GetPluginActivationResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetPluginActivationRequest { brand, world } = request;
        names::brand_and_world(&brand, world)?;
        let current = self.plugins.activations(&call).current(&brand, world).await?;
        let activation = Some(convert::activation(current));
        Ok(Response::new(GetPluginActivationResponse { activation }))
    }

    async fn list_plugin_activations(
        &self,
        request: Request<ListPluginActivationsRequest>,
    ) -> Result<Response<ListPluginActivationsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        names::brand_and_world(&request.brand, request.world)?;
        let size = page_size(request.page_size)?;
        let activations = self.plugins.activations(&call);
        let page = activations
            .list(&request.brand, request.world, size, &request.page_token)
            .await?;
        Ok(Response::new(ListPluginActivationsResponse {
            activations: page.items.into_iter().map(convert::activation).collect(),
            next_page_token: page.next,
        }))
    }

    async fn list_plugin_runs(
        &self,
        request: Request<ListPluginRunsRequest>,
    ) -> Result<Response<ListPluginRunsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        names::brand_and_world(&request.brand, request.world)?;
        let size = page_size(request.page_size)?;
        let runs = self.plugins.runs(&call);
        let page = runs
            .list(&request.brand, request.world, size, &request.page_token)
            .await?;
        Ok(Response::new(ListPluginRunsResponse {
            runs: page.items.into_iter().map(convert::run).collect(),
            next_page_token: page.next,
        }))
    }

    async fn get_plugin_run(
        &self,
        request: Request<GetPluginRunRequest>,
    ) -> Result<Response<GetPluginRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        let run = Some(convert::run(self.plugins.runs(&call).get(&id).await?));
        Ok(Response::new(GetPluginRunResponse { run }))
    }

    type GetPluginRunRowsStream = runs::Rows;

    async fn get_plugin_run_rows(
        &self,
        request: Request<GetPluginRunRowsRequest>,
    ) -> Result<Response<runs::Rows>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        Ok(Response::new(self.rows(&call, &id).await?))
    }

    async fn replay_plugin_run(
        &self,
        request: Request<ReplayPluginRunRequest>,
    ) -> Result<Response<ReplayPluginRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        Ok(Response::new(self.replay(&call, &id).await?))
    }
}
