//! The RPCs of [`PeopleIndexService`].

use dualwheel_kit::Call;
use dualwheel_proto::consumer::{
    GetPeopleIndexRequest, GetPeopleIndexResponse, RebuildPeopleIndexRequest, RebuildPeopleIndexResponse,
    VerifyPeopleIndexRequest, VerifyPeopleIndexResponse, people_index_service_server::PeopleIndexService,
};
use tonic::{Request, Response, Status};

use super::Service;

#[tonic::async_trait]
impl PeopleIndexService for Service {
    async fn get_people_index(
        &self,
        request: Request<GetPeopleIndexRequest>,
    ) -> Result<Response<GetPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.people_index(&call).await?))
    }

    async fn rebuild_people_index(
        &self,
        request: Request<RebuildPeopleIndexRequest>,
    ) -> Result<Response<RebuildPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.rebuild_index(&call).await?))
    }

    async fn verify_people_index(
        &self,
        request: Request<VerifyPeopleIndexRequest>,
    ) -> Result<Response<VerifyPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.verify_index(&call).await?))
    }
}
