//! The service's RPCs.

use dualwheel_kit::{answer, tenant_of};
use dualwheel_proto::{
    consumer::{
        FlowCell, GetAiplRequest, GetAiplResponse, GetBrandSignalsRequest, GetBrandSignalsResponse,
        GetFastRequest, GetFastResponse, GetFlowRequest, GetFlowResponse, GetGrowRequest, GetGrowResponse,
        consumer_service_server::ConsumerService,
    },
    types,
};
use tonic::{Request, Response, Status};

use super::{Service, explain, unknown};
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
            return Err(unknown(&id));
        };
        let mut answered = self.group_of(&tenant, &id, query).await?;
        answered.metrics.retain(|metric| metric.id == id);
        Ok(Response::new(types::ExplainMetricResponse {
            definition: Some(answer::definition_to_proto(&definitions, entry)),
            steps: explain::steps(
                entry,
                &definitions.parameters_json(entry),
                &answered.metrics,
                &answered.currency,
            ),
            metrics: answered.to_proto(&answered.metrics),
        }))
    }
}
