//! The RPCs of [`ActivationService`].

use dualwheel_kit::{Call, page::page_size};
use dualwheel_proto::plugin::{
    ActivatePluginRequest, ActivatePluginResponse, DeactivatePluginRequest, DeactivatePluginResponse,
    GetPluginActivationRequest, GetPluginActivationResponse, ListPluginActivationsRequest,
    ListPluginActivationsResponse, PromotePluginRequest, PromotePluginResponse, RollBackPluginRequest,
    RollBackPluginResponse, ShadowPluginRequest, ShadowPluginResponse,
    activation_service_server::ActivationService,
};
use tonic::{Request, Response, Status};

use super::{Service, convert, names};

#[tonic::async_trait]
impl ActivationService for Service {
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
}
