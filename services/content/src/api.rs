//! The gRPC handlers: contract → domain → contract.

use std::sync::Arc;

use dualwheel_kit::{
    Call,
    metrics::{Group, Registry},
};
use dualwheel_lake::{
    Lake,
    groups::{Asked, Handler, Source},
};
use dualwheel_measure::{Catalogue, MetricGroup};
use dualwheel_proto::{
    content::{GetStartRequest, GetStartResponse, content_service_server::ContentService},
    types,
};
use tonic::{Request, Response, Status};

use crate::{
    Parameters, queries,
    start::{Part, Start, Whole},
};

/// The content service's handlers.
#[derive(Clone)]
pub struct Service {
    groups: Registry,
}

/// The frames of the lake.
struct Frames;

#[tonic::async_trait]
impl Source<Start> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(Part, Whole), Status> {
        Ok(queries::start(&asked.reader, &asked.question.brand).await?)
    }
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>) -> Self {
        let start = Handler {
            lake,
            catalogue,
            group: Start,
            source: Frames,
        };
        let groups: [Arc<dyn Group>; 1] = [Arc::new(start)];
        Self {
            groups: groups.into_iter().collect(),
        }
    }

    /// The metric groups of the service.
    #[must_use]
    pub fn groups(&self) -> Registry {
        self.groups.clone()
    }
}

#[tonic::async_trait]
impl ContentService for Service {
    async fn get_start(
        &self,
        request: Request<GetStartRequest>,
    ) -> Result<Response<GetStartResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Start.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetStartResponse { metrics }))
    }

    async fn list_definitions(
        &self,
        request: Request<types::ListDefinitionsRequest>,
    ) -> Result<Response<types::ListDefinitionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.groups.definitions(&call, &request.brand)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.groups.explain(&call, request).await?))
    }
}
