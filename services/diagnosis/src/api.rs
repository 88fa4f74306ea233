//! The gRPC handlers: contract in, domain, contract out.

use std::{pin::Pin, sync::Arc};

use dualwheel_kit::{Call, answer::list_definitions, beats};
use dualwheel_measure::{Catalogue, definitions::Overridden};
use dualwheel_proto::{
    diagnosis::{
        CancelRunRequest, CancelRunResponse, GetIndexRequest, GetIndexResponse, GetNeoRequest,
        GetNeoResponse, GetRunRequest, GetRunResponse, ListRunsRequest, ListRunsResponse, ResumeRunRequest,
        ResumeRunResponse, StartDiagnosisRequest, StartDiagnosisResponse, WatchRunRequest, WatchRunResponse,
        diagnosis_service_server::DiagnosisService,
    },
    types::{ExplainMetricRequest, ExplainMetricResponse, ListDefinitionsRequest, ListDefinitionsResponse},
};
use futures::Stream;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

mod answer;
mod diagnose;
mod explain;
mod keeper;
mod live;
mod measure;
mod neo;
mod peer_set_service;
mod peer_sets;
mod runs;
mod spec;

use diagnose::{Diagnoser, RUNS_AT_ONCE};
use live::LiveRuns;

use crate::{Options, gather::Clients, parameters::Parameters, scenes::Map};

/// The service behind [`Options::build`].
pub struct Service {
    diagnoser: Arc<Diagnoser>,
    live: Arc<LiveRuns>,
}

impl Service {
    pub(crate) fn start(options: Options, catalogue: Catalogue<Parameters>, maps: Overridden<Map>) -> Self {
        let diagnoser = Diagnoser {
            clients: Clients::new(options.channels),
            database: options.database.connection().clone(),
            catalogue,
            maps,
            call_limit: options.call_limit,
            places: Semaphore::new(RUNS_AT_ONCE),
        };
        let live = Arc::new(LiveRuns::new(diagnoser.database.clone()));
        beats::keep(&live);
        Self {
            diagnoser: Arc::new(diagnoser),
            live,
        }
    }
}

#[tonic::async_trait]
impl DiagnosisService for Service {
    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<WatchRunResponse, Status>> + Send>>;

    async fn start_diagnosis(
        &self,
        request: Request<StartDiagnosisRequest>,
    ) -> Result<Response<StartDiagnosisResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let run = runs::start(&self.diagnoser, &self.live, &call, request).await?;
        Ok(Response::new(StartDiagnosisResponse { run: Some(run) }))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let (call, request) = Call::of(request)?;
        let stream = runs::watch(&self.diagnoser, &self.live, &call, &request.name).await?;
        Ok(Response::new(stream))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let run = runs::get(&self.diagnoser, &self.live, &call, &request.name).await?;
        Ok(Response::new(GetRunResponse { run: Some(run) }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(
            runs::list(&self.diagnoser, &self.live, &call, &request).await?,
        ))
    }

    async fn cancel_run(
        &self,
        request: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let run = runs::cancel(&self.diagnoser, &self.live, &call, &request.name).await?;
        Ok(Response::new(CancelRunResponse { run: Some(run) }))
    }

    async fn resume_run(
        &self,
        request: Request<ResumeRunRequest>,
    ) -> Result<Response<ResumeRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let run = runs::resume(&self.diagnoser, &self.live, &call, &request.name).await?;
        Ok(Response::new(ResumeRunResponse { run: Some(run) }))
    }

    async fn get_index(
        &self,
        request: Request<GetIndexRequest>,
    ) -> Result<Response<GetIndexResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let spec = request.spec.unwrap_or_default();
        let question = self.diagnoser.question(&call, &spec).await?;
        let diagnosis = self
            .diagnoser
            .diagnose(&call, &question, call.remaining(), &|_| {})
            .await?;
        Ok(Response::new(GetIndexResponse {
            diagnosis: Some(diagnosis),
        }))
    }

    async fn get_neo(&self, request: Request<GetNeoRequest>) -> Result<Response<GetNeoResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let metrics = neo::get(&self.diagnoser, &call, request).await?;
        Ok(Response::new(GetNeoResponse { metrics }))
    }

    async fn list_definitions(
        &self,
        request: Request<ListDefinitionsRequest>,
    ) -> Result<Response<ListDefinitionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let definitions = self.diagnoser.definitions(&call, &request.brand);
        Ok(Response::new(list_definitions(&definitions)))
    }

    async fn explain_metric(
        &self,
        request: Request<ExplainMetricRequest>,
    ) -> Result<Response<ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(
            explain::explain(&self.diagnoser, &call, request).await?,
        ))
    }
}
