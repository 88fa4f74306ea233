//! The RPCs of [`PeerSetService`].

use dualwheel_kit::Call;
use dualwheel_proto::diagnosis::{
    CreatePeerSetRequest, CreatePeerSetResponse, DeletePeerSetRequest, DeletePeerSetResponse,
    GetPeerSetRequest, GetPeerSetResponse, ListPeerSetsRequest, ListPeerSetsResponse, UpdatePeerSetRequest,
    UpdatePeerSetResponse, peer_set_service_server::PeerSetService,
};
use tonic::{Request, Response, Status};

use super::{Service, peer_sets};

#[tonic::async_trait]
impl PeerSetService for Service {
    async fn create_peer_set(
        &self,
        request: Request<CreatePeerSetRequest>,
    ) -> Result<Response<CreatePeerSetResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let peer_set = peer_sets::create(&self.diagnoser, &call, request).await?;
        Ok(Response::new(CreatePeerSetResponse {
            peer_set: Some(peer_set),
        }))
    }

    async fn get_peer_set(
        &self,
        request: Request<GetPeerSetRequest>,
    ) -> Result<Response<GetPeerSetResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let peer_set = peer_sets::get(&self.diagnoser, &call, &request.name).await?;
        Ok(Response::new(GetPeerSetResponse {
            peer_set: Some(peer_set),
        }))
    }

    async fn list_peer_sets(
        &self,
        request: Request<ListPeerSetsRequest>,
    ) -> Result<Response<ListPeerSetsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(
            peer_sets::list(&self.diagnoser, &call, &request).await?,
        ))
    }

    async fn update_peer_set(
        &self,
        request: Request<UpdatePeerSetRequest>,
    ) -> Result<Response<UpdatePeerSetResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let peer_set = peer_sets::update(&self.diagnoser, &call, request).await?;
        Ok(Response::new(UpdatePeerSetResponse {
            peer_set: Some(peer_set),
        }))
    }

    async fn delete_peer_set(
        &self,
        request: Request<DeletePeerSetRequest>,
    ) -> Result<Response<DeletePeerSetResponse>, Status> {
        let (call, request) = Call::of(request)?;
        peer_sets::delete(&self.diagnoser, &call, &request).await?;
        Ok(Response::new(DeletePeerSetResponse {}))
    }
}
