//! The registry of metric groups, and the service that answers for all of them.
//!
//! A service gives its groups as [`Group`]s: how each reads its facts is its own, all else is done here, once. Definitions,
//! explanations and questions for any ids go by the [`Registry`]; so do the typed methods of the services. Whoever adds a
//! group adds it to its service's list, and to nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use dualwheel_measure::{Definitions, Metric, definitions::Entry};
use dualwheel_proto::{
    metric::{
        ListMetricsRequest, ListMetricsResponse, MetricGroup, QueryMetricsRequest, QueryMetricsResponse,
        StreamMetricsRequest, StreamMetricsResponse,
        metric_service_server::{MetricService, MetricServiceServer},
    },
    types,
};
use futures::{StreamExt, stream::BoxStream};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Response, Status};

use crate::{
    Call, MESSAGE_BYTES, Reason, Violations, answer,
    explain::{self, explanation},
};

mod many;

pub use many::spelled_out;

/// Most names of metrics and groups of one question.
const MOST_ASKED: usize = 256;

/// What a group answered.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The metrics: of the whole, then of the cuts.
    pub metrics: Vec<Metric>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// Versions of the tables that were read.
    pub versions: types::DataVersion,
}

impl Measured {
    /// The metrics as the contracts write them.
    #[must_use]
    pub fn to_proto(&self) -> Vec<types::Metric> {
        answer::metrics_to_proto(&self.metrics, &self.currency, &self.versions)
    }
}

/// The definitions in force for a brand, of whatever parameters they are.
pub trait InForce: Send + Sync {
    /// The definition of an id; `None` where there is none.
    fn definition(&self, id: &str) -> Option<types::Definition>;

    /// All definitions, in the order of the file.
    fn all(&self) -> Vec<types::Definition>;

    /// How the metrics of an id came about; `None` where there is no such id.
    fn explain(&self, id: &str, measured: &Measured) -> Option<types::ExplainMetricResponse>;
}

impl<P: DeserializeOwned + Serialize + Send + Sync> InForce for Definitions<P> {
    fn definition(&self, id: &str) -> Option<types::Definition> {
        self.entry(id)
            .map(|entry| answer::definition_to_proto(self, entry))
    }

    fn all(&self) -> Vec<types::Definition> {
        let entries = self.metrics.iter();
        entries
            .map(|entry| answer::definition_to_proto(self, entry))
            .collect()
    }

    fn explain(&self, id: &str, measured: &Measured) -> Option<types::ExplainMetricResponse> {
        let Measured {
            metrics,
            currency,
            versions,
        } = measured;
        let explained = |entry: &Entry| explanation(self, entry, metrics, currency, versions);
        self.entry(id).map(explained)
    }
}

/// A metric group that can be asked.
#[async_trait]
pub trait Group: Send + Sync {
    /// Name of the group: `start`.
    fn name(&self) -> &'static str;

    /// Ids of its metrics, in the order of an answer.
    fn ids(&self) -> &'static [&'static str];

    /// Dimensions that it may be cut by.
    fn cuts(&self) -> &'static [&'static str];

    /// The definitions in force for a brand; for the tenant where it is empty.
    fn in_force(&self, tenant: &str, brand: &str) -> Arc<dyn InForce>;

    /// Reads the question, checks it, opens what is needed and measures.
    async fn measure(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Measured, Status>;
}

/// The groups of a service, or of a process.
#[derive(Clone, Default)]
pub struct Registry(Vec<Arc<dyn Group>>);

impl FromIterator<Arc<dyn Group>> for Registry {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Group>>>(groups: I) -> Self {
        Self(groups.into_iter().collect())
    }
}

impl Registry {
    /// The groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<dyn Group>> {
        self.0.iter()
    }

    /// Adds the groups of another service.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The group of a name.
    ///
    /// # Errors
    /// `METRIC_UNKNOWN` where there is none.
    pub fn named(&self, name: &str) -> Result<&Arc<dyn Group>, Status> {
        let mut groups = self.groups();
        groups
            .find(|group| group.name() == name)
            .ok_or_else(|| explain::unknown(name))
    }

    /// The group that makes a metric.
    ///
    /// # Errors
    /// `METRIC_UNKNOWN` where there is none.
    pub fn owning(&self, id: &str) -> Result<&Arc<dyn Group>, Status> {
        let mut groups = self.groups();
        groups
            .find(|group| group.ids().contains(&id))
            .ok_or_else(|| explain::unknown(id))
    }

    /// Answers a question to the group of a name.
    ///
    /// # Errors
    /// As the group answers.
    pub async fn measure(
        &self,
        name: &str,
        call: &Call,
        query: Option<types::MetricQuery>,
    ) -> Result<Measured, Status> {
        self.named(name)?.measure(call, query).await
    }

    /// How a metric came about.
    ///
    /// # Errors
    /// `METRIC_UNKNOWN` where no group makes it; else as the group answers.
    pub async fn explain(
        &self,
        call: &Call,
        request: types::ExplainMetricRequest,
    ) -> Result<types::ExplainMetricResponse, Status> {
        let types::ExplainMetricRequest { metric: id, query } = request;
        let group = self.owning(&id)?;
        let brand = query
            .as_ref()
            .map(|query| query.brand.clone())
            .unwrap_or_default();
        let definitions = group.in_force(call.tenant(), &brand);
        if definitions.definition(&id).is_none() {
            return Err(explain::unknown(&id));
        }
        let measured = group.measure(call, query).await?;
        let explained = definitions.explain(&id, &measured);
        explained.ok_or_else(|| explain::unknown(&id))
    }

    /// The definitions of all groups in force for a brand.
    #[must_use]
    pub fn definitions(&self, call: &Call, brand: &str) -> types::ListDefinitionsResponse {
        let mut definitions = Vec::new();
        for group in self.groups() {
            let in_force = group.in_force(call.tenant(), brand);
            definitions.extend(group.ids().iter().filter_map(|id| in_force.definition(id)));
        }
        types::ListDefinitionsResponse { definitions }
    }

    /// The service that answers for all groups.
    #[must_use]
    pub fn service(self) -> MetricServiceServer<Service> {
        MetricServiceServer::new(Service(self)).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// The groups of a question, each once, in order; all that it names must be there.
    fn asked(&self, wanted: &Wanted) -> Result<Vec<&Arc<dyn Group>>, Status> {
        let mut violations = Violations::new();
        match wanted.ids.len() + wanted.groups.len() {
            0 => violations.add("metrics", "name at least one metric, or one of `groups`"),
            named if named > MOST_ASKED => {
                violations.add(
                    "metrics",
                    format!("at most {MOST_ASKED} metrics and groups in all"),
                );
            }
            _ => {}
        }
        violations.finish(Reason::InvalidQuestion)?;
        for id in &wanted.ids {
            self.owning(id)?;
        }
        for name in &wanted.groups {
            self.named(name)?;
        }
        let is_asked = |group: &&Arc<dyn Group>| {
            wanted.is_whole(group.name())
                || group
                    .ids()
                    .iter()
                    .any(|id| wanted.ids.iter().any(|one| one == id))
        };
        Ok(self.groups().filter(is_asked).collect())
    }

    /// What each group that is wanted answers. Groups are measured one after the other, each at the versions of the tables that
    /// those before it have read: the answer is of one state of the facts.
    async fn parts(
        &self,
        call: &Call,
        wanted: &Wanted,
        mut query: Option<types::MetricQuery>,
    ) -> Result<Vec<Part>, Status> {
        let mut parts = Vec::new();
        for group in self.asked(wanted)? {
            let measured = group.measure(call, query.clone()).await?;
            if let Some(query) = &mut query {
                let pin = query.data_version.get_or_insert_default();
                pin.tables.extend(measured.versions.tables.clone());
            }
            let mut metrics = measured.to_proto();
            metrics.retain(|metric| wanted.is_whole(group.name()) || wanted.ids.contains(&metric.id));
            parts.push(Part {
                group: group.name(),
                versions: measured.versions,
                metrics,
            });
        }
        Ok(parts)
    }
}

/// The metrics that a question wants: some by their ids, and all of some groups.
#[derive(Clone, Debug)]
struct Wanted {
    ids: Vec<String>,
    groups: Vec<String>,
}

impl Wanted {
    fn is_whole(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}

/// What a group answers of a question.
struct Part {
    group: &'static str,
    versions: types::DataVersion,
    metrics: Vec<types::Metric>,
}

/// The handlers of the service of all metrics.
#[derive(Clone)]
pub struct Service(Registry);

#[tonic::async_trait]
impl MetricService for Service {
    async fn list_metrics(
        &self,
        request: Request<ListMetricsRequest>,
    ) -> Result<Response<ListMetricsResponse>, Status> {
        let (_, ListMetricsRequest {}) = Call::of(request)?;
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let groups = self.0.groups().map(|group| MetricGroup {
            name: group.name().to_owned(),
            metrics: texts(group.ids()),
            cuts: texts(group.cuts()),
        });
        Ok(Response::new(ListMetricsResponse {
            groups: groups.collect(),
        }))
    }

    async fn query_metrics(
        &self,
        request: Request<QueryMetricsRequest>,
    ) -> Result<Response<QueryMetricsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let QueryMetricsRequest {
            query,
            metrics: ids,
            groups,
        } = request;
        let parts = self.0.parts(&call, &Wanted { ids, groups }, query).await?;
        let metrics = parts.into_iter().flat_map(|part| part.metrics).collect();
        Ok(Response::new(QueryMetricsResponse { metrics }))
    }

    type StreamMetricsStream = BoxStream<'static, Result<StreamMetricsResponse, Status>>;

    async fn stream_metrics(
        &self,
        request: Request<StreamMetricsRequest>,
    ) -> Result<Response<Self::StreamMetricsStream>, Status> {
        let (call, request) = Call::of(request)?;
        let asked = many::Asked::read(request)?;
        self.0.asked(&asked.wanted)?;
        let answers = many::answers(self.0.clone(), call, asked);
        Ok(Response::new(answers.boxed()))
    }

    async fn list_definitions(
        &self,
        request: Request<types::ListDefinitionsRequest>,
    ) -> Result<Response<types::ListDefinitionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.0.definitions(&call, &request.brand)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.0.explain(&call, request).await?))
    }
}
