//! The service's RPCs.

use dualwheel_kit::Call;
use dualwheel_measure::MetricGroup;
use dualwheel_proto::{
    consumer::{
        FlowCell, GetAiplRequest, GetAiplResponse, GetBrandSignalsRequest, GetBrandSignalsResponse,
        GetFastRequest, GetFastResponse, GetFlowRequest, GetFlowResponse, GetGrowRequest, GetGrowResponse,
        GetJourneysRequest, GetJourneysResponse, GetMoveCostsRequest, GetMoveCostsResponse, GetRfmRequest,
        GetRfmResponse, GetSourcesRequest, GetSourcesResponse, GetValueRequest, GetValueResponse,
        ListValuesRequest, consumer_service_server::ConsumerService,
    },
    types,
};
use tonic::{Request, Response, Status};

use super::{
    Service,
    value::{VALUE_CUTS, Values, models_to_proto},
};
use crate::{aipl::Aipl, matrix::Matrix, signals::BrandSignals, value::group::Rfm};

/// The cells with people in them, by stage before and after.
fn cells(matrix: &Matrix) -> Vec<FlowCell> {
    let code = |depth: usize| matrix.codes.get(depth).cloned().unwrap_or_default();
    let filled = matrix.iter().filter(|(_, _, people)| *people > 0);
    filled
        .map(|(from, to, people)| FlowCell {
            from: code(from),
            to: code(to),
            people,
        })
        .collect()
}

#[tonic::async_trait]
impl ConsumerService for Service {
    async fn get_aipl(&self, request: Request<GetAiplRequest>) -> Result<Response<GetAiplResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Aipl.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetAiplResponse { metrics }))
    }

    async fn get_flow(&self, request: Request<GetFlowRequest>) -> Result<Response<GetFlowResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let (answered, matrix) = self.flow(&call, request.query).await?;
        Ok(Response::new(GetFlowResponse {
            metrics: answered.to_proto(&answered.metrics),
            cells: cells(&matrix),
        }))
    }

    async fn get_fast(&self, request: Request<GetFastRequest>) -> Result<Response<GetFastResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let step = request.trend_step();
        let (answered, trend) = self.fast(&call, request.query, step).await?;
        Ok(Response::new(GetFastResponse {
            metrics: answered.to_proto(&answered.metrics),
            trend: answered.to_proto(&trend),
        }))
    }

    async fn get_grow(&self, request: Request<GetGrowRequest>) -> Result<Response<GetGrowResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetGrowRequest { query, base } = request;
        let answered = self.grow(&call, query, base).await?;
        Ok(Response::new(GetGrowResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_brand_signals(
        &self,
        request: Request<GetBrandSignalsRequest>,
    ) -> Result<Response<GetBrandSignalsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self
            .groups
            .measure(BrandSignals.name(), &call, request.query)
            .await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetBrandSignalsResponse { metrics }))
    }

    async fn get_rfm(&self, request: Request<GetRfmRequest>) -> Result<Response<GetRfmResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Rfm.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetRfmResponse { metrics }))
    }

    async fn get_value(
        &self,
        request: Request<GetValueRequest>,
    ) -> Result<Response<GetValueResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetValueRequest { query, horizon_weeks } = request;
        let (answered, valued, weeks) = self.value(&call, query, &VALUE_CUTS, horizon_weeks).await?;
        Ok(Response::new(models_to_proto(&answered, &valued, weeks)))
    }

    type ListValuesStream = Values;

    async fn list_values(&self, request: Request<ListValuesRequest>) -> Result<Response<Values>, Status> {
        let (call, request) = Call::of(request)?;
        let ListValuesRequest { query, horizon_weeks } = request;
        Ok(Response::new(self.values(&call, query, horizon_weeks).await?))
    }

    async fn get_journeys(
        &self,
        request: Request<GetJourneysRequest>,
    ) -> Result<Response<GetJourneysResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.journeys(&call, request).await?))
    }

    async fn get_move_costs(
        &self,
        request: Request<GetMoveCostsRequest>,
    ) -> Result<Response<GetMoveCostsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.move_costs(&call, request).await?))
    }

    async fn get_sources(
        &self,
        request: Request<GetSourcesRequest>,
    ) -> Result<Response<GetSourcesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.sources(&call, request).await?))
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
