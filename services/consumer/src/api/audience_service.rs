//! The RPCs of [`AudienceService`].

use dualwheel_kit::Call;
use dualwheel_proto::consumer::{
    CompareAudiencesRequest, CompareAudiencesResponse, CreateAudienceRequest, CreateAudienceResponse,
    DeleteAudienceRequest, DeleteAudienceResponse, EstimateAudienceRequest, EstimateAudienceResponse,
    ExportAudienceRequest, GetAudienceRequest, GetAudienceResponse, ImportAudienceRequest,
    ImportAudienceResponse, ListAudiencesRequest, ListAudiencesResponse, ProfileAudienceRequest,
    ProfileAudienceResponse, RefreshAudienceRequest, RefreshAudienceResponse, UpdateAudienceRequest,
    UpdateAudienceResponse, audience_service_server::AudienceService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{Service, audience::Keys};

#[tonic::async_trait]
impl AudienceService for Service {
    async fn estimate_audience(
        &self,
        request: Request<EstimateAudienceRequest>,
    ) -> Result<Response<EstimateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let estimated = self.estimate_audience(&call, request).await?;
        Ok(Response::new(estimated))
    }

    type ExportAudienceStream = Keys;

    async fn export_audience(
        &self,
        request: Request<ExportAudienceRequest>,
    ) -> Result<Response<Keys>, Status> {
        let (call, request) = Call::of(request)?;
        let keys = self.export_audience(&call, request).await?;
        Ok(Response::new(keys))
    }

    async fn compare_audiences(
        &self,
        request: Request<CompareAudiencesRequest>,
    ) -> Result<Response<CompareAudiencesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let compared = self.compare_audiences(&call, request).await?;
        Ok(Response::new(compared))
    }

    async fn profile_audience(
        &self,
        request: Request<ProfileAudienceRequest>,
    ) -> Result<Response<ProfileAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let profiled = self.profile_audience(&call, request).await?;
        Ok(Response::new(profiled))
    }

    async fn create_audience(
        &self,
        request: Request<CreateAudienceRequest>,
    ) -> Result<Response<CreateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.create_audience(&call, request).await?);
        Ok(Response::new(CreateAudienceResponse { audience }))
    }

    async fn import_audience(
        &self,
        request: Request<Streaming<ImportAudienceRequest>>,
    ) -> Result<Response<ImportAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let imported = self.import_audience(&call, request).await?;
        Ok(Response::new(imported))
    }

    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.get_audience(&call, &request.name).await?);
        Ok(Response::new(GetAudienceResponse { audience }))
    }

    async fn list_audiences(
        &self,
        request: Request<ListAudiencesRequest>,
    ) -> Result<Response<ListAudiencesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.list_audiences(&call, &request).await?))
    }

    async fn update_audience(
        &self,
        request: Request<UpdateAudienceRequest>,
    ) -> Result<Response<UpdateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.update_audience(&call, request).await?);
        Ok(Response::new(UpdateAudienceResponse { audience }))
    }

    async fn refresh_audience(
        &self,
        request: Request<RefreshAudienceRequest>,
    ) -> Result<Response<RefreshAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.refresh_audience(&call, request).await?);
        Ok(Response::new(RefreshAudienceResponse { audience }))
    }

    async fn delete_audience(
        &self,
        request: Request<DeleteAudienceRequest>,
    ) -> Result<Response<DeleteAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        self.delete_audience(&call, &request).await?;
        Ok(Response::new(DeleteAudienceResponse {}))
    }
}
