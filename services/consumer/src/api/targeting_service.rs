//! The RPCs of [`TargetingService`].

use dualwheel_kit::Call;
use dualwheel_proto::consumer::{
    ExpandAudienceRequest, ExpandAudienceResponse, FindClustersRequest, FindClustersResponse,
    GetWinbackRequest, GetWinbackResponse, ListWinbackOutlooksRequest, ListWinbackOutlooksResponse,
    SaveClustersRequest, SaveClustersResponse, SaveWinbackPacksRequest, SaveWinbackPacksResponse,
    targeting_service_server::TargetingService,
};
use tonic::{Request, Response, Status};

use super::Service;

#[tonic::async_trait]
impl TargetingService for Service {
    async fn get_winback(
        &self,
        request: Request<GetWinbackRequest>,
    ) -> Result<Response<GetWinbackResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.winback(&call, request).await?))
    }

    async fn save_winback_packs(
        &self,
        request: Request<SaveWinbackPacksRequest>,
    ) -> Result<Response<SaveWinbackPacksResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.save_winback(&call, request).await?))
    }

    async fn expand_audience(
        &self,
        request: Request<ExpandAudienceRequest>,
    ) -> Result<Response<ExpandAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let expanded = self.expand_audience(&call, request).await?;
        Ok(Response::new(expanded))
    }

    async fn find_clusters(
        &self,
        request: Request<FindClustersRequest>,
    ) -> Result<Response<FindClustersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let found = self.find_clusters(&call, request).await?;
        Ok(Response::new(found))
    }

    async fn save_clusters(
        &self,
        request: Request<SaveClustersRequest>,
    ) -> Result<Response<SaveClustersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let saved = self.save_clusters(&call, request).await?;
        Ok(Response::new(saved))
    }

    async fn list_winback_outlooks(
        &self,
        request: Request<ListWinbackOutlooksRequest>,
    ) -> Result<Response<ListWinbackOutlooksResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let told = self.winback_outlooks(&call, request).await?;
        Ok(Response::new(told))
    }
}
