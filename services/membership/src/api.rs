//! The gRPC handlers: contract → domain → contract.

use dualwheel_kit::{Failure, Question, answer, explain, tenant_of};
use dualwheel_lake::{Lake, Reader};
use dualwheel_measure::{Catalogue, Day, Metric};
use dualwheel_proto::{
    membership::{
        GetClosenessRequest, GetClosenessResponse, GetPlusRequest, GetPlusResponse,
        membership_service_server::MembershipService,
    },
    types,
};
use tonic::{Request, Response, Status};

use crate::{
    Parameters, closeness, plus,
    queries::{ClosenessFrames, PlusFrames},
};

/// The membership service's handlers.
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
    fn new(metrics: Vec<Metric>, reader: &Reader) -> Self {
        Self {
            metrics,
            currency: reader.currency().to_owned(),
            versions: reader.versions(),
        }
    }

    fn to_proto(&self) -> Vec<types::Metric> {
        answer::metrics_to_proto(&self.metrics, &self.currency, &self.versions)
    }
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>) -> Self {
        Self { lake, catalogue }
    }

    /// Reads and checks a question, and opens the tables for it.
    async fn ask(
        &self,
        tenant: &str,
        query: Option<types::MetricQuery>,
        cuts: &[&str],
    ) -> Result<(Question, Reader), Status> {
        // All but the current day is checked before the lake is touched; the day needs the tenant's zone.
        let unread = Question::read(query.clone(), cuts, Day(i32::MAX))?;
        let reader = self.lake.tenant(tenant).reader(&unread.pin).await?;
        let question = Question::read(query, cuts, reader.today())?;
        reader.require_brand(&question.brand).await?;
        Ok((question, reader))
    }

    async fn plus(&self, tenant: &str, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        let (question, reader) = self.ask(tenant, query, &plus::Cut::NAMES).await?;
        let frames = PlusFrames::read(&reader, &question.brand).await?;
        let definitions = self.catalogue.of(tenant, &question.brand);
        let metrics = compute(move || frames.answer(&question, &definitions)).await?;
        Ok(Answered::new(metrics, &reader))
    }

    async fn closeness(&self, tenant: &str, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        let (question, reader) = self.ask(tenant, query, &[]).await?;
        let frames = ClosenessFrames::read(&reader, &question.brand).await?;
        let definitions = self.catalogue.of(tenant, &question.brand);
        let metrics = compute(move || frames.answer(&question, &definitions)).await?;
        Ok(Answered::new(metrics, &reader))
    }
}

/// Runs a scan beside the threads that serve calls.
async fn compute(scan: impl FnOnce() -> Vec<Metric> + Send + 'static) -> Result<Vec<Metric>, Status> {
    Ok(tokio::task::spawn_blocking(scan)
        .await
        .map_err(|error| Failure::internal(&error))?)
}

#[tonic::async_trait]
impl MembershipService for Service {
    async fn get_plus(&self, request: Request<GetPlusRequest>) -> Result<Response<GetPlusResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let answered = self.plus(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetPlusResponse {
            metrics: answered.to_proto(),
        }))
    }

    async fn get_closeness(
        &self,
        request: Request<GetClosenessRequest>,
    ) -> Result<Response<GetClosenessResponse>, Status> {
        let tenant = tenant_of(&request)?.to_owned();
        let answered = self.closeness(&tenant, request.into_inner().query).await?;
        Ok(Response::new(GetClosenessResponse {
            metrics: answered.to_proto(),
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
            return Err(explain::unknown(&id));
        };
        let answered = match id == closeness::METRIC {
            true => self.closeness(&tenant, query).await?,
            false => self.plus(&tenant, query).await?,
        };
        Ok(Response::new(explain::explanation(
            &definitions,
            entry,
            &answered.metrics,
            &answered.currency,
            &answered.versions,
        )))
    }
}
