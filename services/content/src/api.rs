//! The gRPC handlers: contract → domain → contract.

use dualwheel_kit::{Call, Question, answer, explain, work};
use dualwheel_lake::Lake;
use dualwheel_measure::{Catalogue, Day, Metric, MetricGroup};
use dualwheel_proto::{
    content::{GetStartRequest, GetStartResponse, content_service_server::ContentService},
    types,
};
use tonic::{Request, Response, Status};

use crate::{
    Parameters, queries,
    start::{Cut, METRICS, Start},
};

/// The content service's handlers.
#[derive(Clone, Debug)]
pub struct Service {
    lake: Lake,
    catalogue: Catalogue<Parameters>,
}

/// An answered question.
struct Answered {
    metrics: Vec<Metric>,
    currency: String,
    versions: types::DataVersion,
}

impl Answered {
    fn to_proto(&self) -> Vec<types::Metric> {
        answer::metrics_to_proto(&self.metrics, &self.currency, &self.versions)
    }
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>) -> Self {
        Self { lake, catalogue }
    }

    async fn start(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        // All but the current day is checked before the lake is touched; the day needs the tenant's zone.
        let unread = Question::read(query.clone(), &Cut::NAMES, Day(i32::MAX))?;
        let reader = self.lake.of(call).reader(&unread.pin).await?;
        let question = Question::read(query, &Cut::NAMES, reader.today())?;
        reader.require_brand(&question.brand).await?;
        let (part, whole) = queries::start(&reader, &question.brand).await?;
        let definitions = self.catalogue.of(call.tenant(), &question.brand);
        let metrics =
            work::metrics(move || Start.measure(&part, &whole, &question.ask(&definitions))).await?;
        Ok(Answered {
            metrics,
            currency: reader.currency().to_owned(),
            versions: reader.versions(),
        })
    }
}

#[tonic::async_trait]
impl ContentService for Service {
    async fn get_start(
        &self,
        request: Request<GetStartRequest>,
    ) -> Result<Response<GetStartResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let answered = self.start(&call, request.query).await?;
        Ok(Response::new(GetStartResponse {
            metrics: answered.to_proto(),
        }))
    }

    async fn list_definitions(
        &self,
        request: Request<types::ListDefinitionsRequest>,
    ) -> Result<Response<types::ListDefinitionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let definitions = self.catalogue.of(call.tenant(), &request.brand);
        Ok(Response::new(answer::list_definitions(&definitions)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let types::ExplainMetricRequest { metric: id, query } = request;
        let brand = query
            .as_ref()
            .map(|query| query.brand.clone())
            .unwrap_or_default();
        let definitions = self.catalogue.of(call.tenant(), &brand);
        let Some(entry) = definitions.entry(&id).filter(|_| METRICS.contains(&id.as_str())) else {
            return Err(explain::unknown(&id));
        };
        let answered = self.start(&call, query).await?;
        Ok(Response::new(explain::explanation(
            &definitions,
            entry,
            &answered.metrics,
            &answered.currency,
            &answered.versions,
        )))
    }
}
