//! The service's RPCs.

use dualwheel_kit::{answer, explain, tenant_of};
use dualwheel_proto::{
    consumer::{
        FlowCell, GetAiplRequest, GetAiplResponse, GetBrandSignalsRequest, GetBrandSignalsResponse,
        GetFastRequest, GetFastResponse, GetFlowRequest, GetFlowResponse, GetGrowRequest, GetGrowResponse,
        GetRfmRequest, GetRfmResponse, GetValueRequest, GetValueResponse, ListValuesRequest,
        consumer_service_server::ConsumerService,
    },
    types,
};
use tonic::{Request, Response, Status};

use super::{
    Service,
    value::{Values, models_to_proto},
};
use crate::flow::Matrix;

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
        let tenant = tenant_of(&request)?.to_owned();
        let answered = self.aipl(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetAiplResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_flow(&self, request: Request<GetFlowRequest>) -> Result<Response<GetFlowResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let (answered, matrix) = self.flow(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetFlowResponse {
            metrics: answered.to_proto(&answered.metrics),
            cells: cells(&matrix),
        }))
    }

    async fn get_fast(&self, request: Request<GetFastRequest>) -> Result<Response<GetFastResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let request = request.into_inner();
        let step = request.trend_step();
        let (answered, trend) = self.fast(&tenant, request.query, step).await?;
        Ok(Response::new(GetFastResponse {
            metrics: answered.to_proto(&answered.metrics),
            trend: answered.to_proto(&trend),
        }))
    }

    async fn get_grow(&self, request: Request<GetGrowRequest>) -> Result<Response<GetGrowResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let GetGrowRequest { query, base } = request.into_inner();
        let answered = self.grow(&tenant, query, base).await?;
        Ok(Response::new(GetGrowResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_brand_signals(
        &self,
        request: Request<GetBrandSignalsRequest>,
    ) -> Result<Response<GetBrandSignalsResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let answered = self.brand_signals(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetBrandSignalsResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_rfm(&self, request: Request<GetRfmRequest>) -> Result<Response<GetRfmResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let answered = self.rfm(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetRfmResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_value(
        &self,
        request: Request<GetValueRequest>,
    ) -> Result<Response<GetValueResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let GetValueRequest { query, horizon_weeks } = request.into_inner();
        let (answered, valued, weeks) = self.value(&tenant, query, horizon_weeks).await?;
        Ok(Response::new(models_to_proto(&answered, &valued, weeks)))
    }

    type ListValuesStream = Values;

    async fn list_values(&self, request: Request<ListValuesRequest>) -> Result<Response<Values>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let ListValuesRequest { query, horizon_weeks } = request.into_inner();
        Ok(Response::new(self.values(&tenant, query, horizon_weeks).await?))
    }

    async fn list_definitions(
        &self,
        request: Request<types::ListDefinitionsRequest>,
    ) -> Result<Response<types::ListDefinitionsResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let definitions = self.catalogue.of(&tenant, &request.into_inner().brand);
        Ok(Response::new(answer::list_definitions(&definitions)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let types::ExplainMetricRequest { metric: id, query } = request.into_inner();
        let brand = query
            .as_ref()
            .map(|query| query.brand.clone())
            .unwrap_or_default();
        let definitions = self.catalogue.of(&tenant, &brand);
        let Some(entry) = definitions.entry(&id) else {
            return Err(explain::unknown(&id));
        };
        let answered = self.group_of(&tenant, &id, query).await?;
        Ok(Response::new(explain::explanation(
            &definitions,
            entry,
            &answered.metrics,
            &answered.currency,
            &answered.versions,
        )))
    }
}
