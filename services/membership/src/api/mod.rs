//! The gRPC handlers: contract → domain → contract.

mod koc;

use dualwheel_kit::{Call, Question, Violations, answer, explain, work};
use dualwheel_lake::{Lake, Reader};
use dualwheel_measure::{Catalogue, Day, Metric, MetricGroup};
use dualwheel_plugin_host::Plugin;
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

use self::koc::{Listing, OfDay};
use crate::{
    Parameters,
    closeness::{self, Closeness},
    koc::{DefaultKoc, METRICS as KOC_METRICS},
    plus::{self, Plus},
    queries,
};

/// The membership service's handlers.
#[derive(Clone, Debug)]
pub struct Service {
    lake: Lake,
    catalogue: Catalogue<Parameters>,
    plugins: Plugins,
    built_in: Plugin,
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
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>, plugins: Plugins) -> Self {
        Self {
            lake,
            catalogue,
            plugins,
            built_in: Plugin::native_koc(DefaultKoc),
        }
    }

    /// Reads and checks a question, and opens the tables for it.
    async fn ask(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        cuts: &[&str],
    ) -> Result<(Question, Reader), Status> {
        // All but the current day is checked before the lake is touched; the day needs the tenant's zone.
        let unread = Question::read(query.clone(), cuts, Day(i32::MAX))?;
        let reader = self.lake.of(call).reader(&unread.pin).await?;
        let question = Question::read(query, cuts, reader.today())?;
        reader.require_brand(&question.brand).await?;
        Ok((question, reader))
    }

    async fn plus(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        let (question, reader) = self.ask(call, query, &plus::Cut::NAMES).await?;
        let facts = queries::plus(&reader, &question.brand).await?;
        let definitions = self.catalogue.of(call.tenant(), &question.brand);
        let metrics = compute(move || Plus.measure(&facts, &(), &question.ask(&definitions))).await?;
        Ok(Answered::new(metrics, &reader))
    }

    async fn closeness(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        let (question, reader) = self.ask(call, query, &[]).await?;
        let facts = queries::closeness(&reader, &question.brand).await?;
        let definitions = self.catalogue.of(call.tenant(), &question.brand);
        let metrics = compute(move || Closeness.measure(&facts, &(), &question.ask(&definitions))).await?;
        Ok(Answered::new(metrics, &reader))
    }
}

impl Service {
    /// KOC in numbers, as of a question's day. Neither window nor category restricts them.
    async fn koc(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Answered, Status> {
        let question = Question::read(query, &[], self.today(call).await?)?;
        let of_day = OfDay::new(question);
        let scoreboard = self.scoreboard(call, of_day).await?;
        Ok(Answered::new(scoreboard.metrics(), scoreboard.reader()))
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
        let answered = self.plus(&call, request.query).await?;
        Ok(Response::new(GetPlusResponse {
            metrics: answered.to_proto(),
        }))
    }

    async fn get_closeness(
        &self,
        request: Request<GetClosenessRequest>,
    ) -> Result<Response<GetClosenessResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let answered = self.closeness(&call, request.query).await?;
        Ok(Response::new(GetClosenessResponse {
            metrics: answered.to_proto(),
        }))
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
        let today = self.today(&call).await?;
        let question = OfDay::read(&brand, as_of.as_ref(), data_version, today, Violations::new())?;
        let scoreboard = self.scoreboard(&call, question).await?;
        Ok(Response::new(scoreboard.to_proto()))
    }

    async fn list_koc_candidates(
        &self,
        request: Request<ListKocCandidatesRequest>,
    ) -> Result<Response<ListKocCandidatesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let mut violations = Violations::new();
        let listing = Listing::read(&request, &mut violations)?;
        let today = self.today(&call).await?;
        let version = request.data_version;
        let question = OfDay::read(&request.brand, request.as_of.as_ref(), version, today, violations)?;
        let scoreboard = self.scoreboard(&call, question).await?;
        Ok(Response::new(scoreboard.page(&call, &listing)))
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
        let Some(entry) = definitions.entry(&id) else {
            return Err(explain::unknown(&id));
        };
        let answered = match id.as_str() {
            closeness::METRIC => self.closeness(&call, query).await?,
            id if KOC_METRICS.contains(&id) => self.koc(&call, query).await?,
            _ => self.plus(&call, query).await?,
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
