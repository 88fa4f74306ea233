//! The RPCs of [`PublisherService`].

use dualwheel_kit::{Call, page::page_size};
use dualwheel_proto::plugin::{
    AddPublisherKeyRequest, AddPublisherKeyResponse, CreatePublisherRequest, CreatePublisherResponse,
    DeletePublisherRequest, DeletePublisherResponse, ListPublishersRequest, ListPublishersResponse,
    RemovePublisherKeyRequest, RemovePublisherKeyResponse, publisher_service_server::PublisherService,
};
use tonic::{Request, Response, Status};

use super::{Service, convert, names};

#[tonic::async_trait]
impl PublisherService for Service {
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
}
