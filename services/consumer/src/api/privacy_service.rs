//! The RPCs of [`PrivacyService`].

use dualwheel_kit::Call;
use dualwheel_proto::consumer::{
    DeleteConsumersRequest, DeleteConsumersResponse, ExportConsumerRequest, GetConsumerDeletionRequest,
    GetConsumerDeletionResponse, ListConsumerDeletionsRequest, ListConsumerDeletionsResponse,
    privacy_service_server::PrivacyService,
};
use tonic::{Request, Response, Status};

use super::{Service, deletion::Kept};

#[tonic::async_trait]
impl PrivacyService for Service {
    async fn delete_consumers(
        &self,
        request: Request<DeleteConsumersRequest>,
    ) -> Result<Response<DeleteConsumersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let deletion = Some(self.delete_consumers(&call, request).await?);
        Ok(Response::new(DeleteConsumersResponse { deletion }))
    }

    async fn get_consumer_deletion(
        &self,
        request: Request<GetConsumerDeletionRequest>,
    ) -> Result<Response<GetConsumerDeletionResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let deletion = Some(self.get_deletion(&call, &request.name).await?);
        Ok(Response::new(GetConsumerDeletionResponse { deletion }))
    }

    async fn list_consumer_deletions(
        &self,
        request: Request<ListConsumerDeletionsRequest>,
    ) -> Result<Response<ListConsumerDeletionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.list_deletions(&call, &request).await?))
    }

    type ExportConsumerStream = Kept;

    async fn export_consumer(
        &self,
        request: Request<ExportConsumerRequest>,
    ) -> Result<Response<Kept>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(
            self.export_consumer(&call, request.consumer).await?,
        ))
    }
}
