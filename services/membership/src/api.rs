//! The gRPC handlers: contract → domain → contract.

mod koc;

use std::sync::Arc;

use dualwheel_kit::{
    Call, Violations,
    metrics::{Group, Registry},
    work,
};
use dualwheel_lake::{
    Lake,
    groups::{Asked, Handler, Source},
};
use dualwheel_measure::{Catalogue, MetricGroup};
use dualwheel_plugins::Plugins;
use dualwheel_proto::{
    membership::{
        GetClosenessRequest, GetClosenessResponse, GetKocBoardRequest, GetKocBoardResponse, GetPlusRequest,
        GetPlusResponse, ListKocCandidatesRequest, ListKocCandidatesResponse,
        membership_service_server::MembershipService,
    },
    types,
};
use tonic::{Request, Response, Status};

use self::koc::{Cultivation, Listing, OfDay};
use crate::{
    Parameters,
    closeness::{self, Closeness},
    plus::{self, Plus},
    queries,
};

/// The membership service's handlers.
#[derive(Clone)]
pub struct Service {
    groups: Registry,
    koc: Cultivation,
}

/// The frames of the lake.
struct Frames;

#[tonic::async_trait]
impl Source<Plus> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(plus::Facts, ()), Status> {
        Ok((queries::plus(&asked.reader, &asked.question.brand).await?, ()))
    }
}

#[tonic::async_trait]
impl Source<Closeness> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(closeness::Facts, ()), Status> {
        Ok((
            queries::closeness(&asked.reader, &asked.question.brand).await?,
            (),
        ))
    }
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>, plugins: Plugins) -> Self {
        let plus = Handler {
            lake: lake.clone(),
            catalogue: catalogue.clone(),
            group: Plus,
            source: Frames,
        };
        let closeness = Handler {
            lake: lake.clone(),
            catalogue: catalogue.clone(),
            group: Closeness,
            source: Frames,
        };
        let koc = Cultivation::new(lake, catalogue, plugins);
        let groups: [Arc<dyn Group>; 3] = [Arc::new(plus), Arc::new(closeness), Arc::new(koc.clone())];
        Self {
            groups: groups.into_iter().collect(),
            koc,
        }
    }

    /// The metric groups of the service.
    #[must_use]
    pub fn groups(&self) -> Registry {
        self.groups.clone()
    }
}

/// Runs a scan beside the threads that serve calls.
async fn compute<T: Send + 'static>(scan: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    Ok(work::metrics(scan).await?)
}

#[tonic::async_trait]
impl MembershipService for Service {
    async fn get_plus(&self, request: Request<GetPlusRequest>) -> Result<Response<GetPlusResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Plus.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetPlusResponse { metrics }))
    }

    async fn get_closeness(
        &self,
        request: Request<GetClosenessRequest>,
    ) -> Result<Response<GetClosenessResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self
            .groups
            .measure(Closeness.name(), &call, request.query)
            .await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetClosenessResponse { metrics }))
    }

    async fn get_koc_board(
        &self,
        request: Request<GetKocBoardRequest>,
    ) -> Result<Response<GetKocBoardResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetKocBoardRequest {
            brand,
            as_of,
            data_version,
        } = request;
        let today = self.koc.today(&call).await?;
        let question = OfDay::read(&brand, as_of.as_ref(), data_version, today, Violations::new())?;
        let scoreboard = self.koc.scoreboard(&call, question).await?;
        Ok(Response::new(scoreboard.to_proto()))
    }

    async fn list_koc_candidates(
        &self,
        request: Request<ListKocCandidatesRequest>,
    ) -> Result<Response<ListKocCandidatesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let mut violations = Violations::new();
        let listing = Listing::read(&request, &mut violations)?;
        let today = self.koc.today(&call).await?;
        let version = request.data_version;
        let question = OfDay::read(&request.brand, request.as_of.as_ref(), version, today, violations)?;
        let scoreboard = self.koc.scoreboard(&call, question).await?;
        Ok(Response::new(scoreboard.page(&call, &listing)))
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
