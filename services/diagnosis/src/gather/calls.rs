//! One call of another service.

use std::{fmt, time::Duration};

use dualwheel_kit::{
    Call, Failure, MESSAGE_BYTES, Reason,
    client::{retry_overloaded, retry_unavailable, with_deadline},
};
use dualwheel_proto::{
    consumer::{self, consumer_service_client::ConsumerServiceClient},
    content::content_service_client::ContentServiceClient,
    membership::membership_service_client::MembershipServiceClient,
    metric::{QueryMetricsRequest, metric_service_client::MetricServiceClient},
    product::{self, product_service_client::ProductServiceClient},
    types,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    Channels,
    parameters::{Group, Service},
};

/// What a service is asked about a brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rpc {
    /// A metric group.
    Group(Group),
    /// Stage sizes, for pictures.
    Aipl,
    /// Flow, for pictures.
    Flow,
    /// Definitions in force.
    Definitions(Service),
}

impl Rpc {
    /// The service that is called.
    #[must_use]
    pub fn service(self) -> Service {
        match self {
            Self::Group(group) => group.service(),
            Self::Aipl | Self::Flow => Service::Consumer,
            Self::Definitions(service) => service,
        }
    }

    /// Name of the group, or else of the method.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group(group) => group.name(),
            Self::Aipl => "GetAipl",
            Self::Flow => "GetFlow",
            Self::Definitions(_) => "ListDefinitions",
        }
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.service(), self.name())
    }
}

/// What a call answered; fields that it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Metrics.
    pub metrics: Vec<types::Metric>,
    /// Points of the FAST trend.
    pub trend: Vec<types::Metric>,
    /// Cells of the flow.
    pub cells: Vec<consumer::FlowCell>,
    /// Definitions.
    pub definitions: Vec<types::Definition>,
}

/// Clients of the four services, and of the metrics of each.
#[derive(Clone, Debug)]
pub struct Clients {
    metrics: [MetricServiceClient<Channel>; Service::ALL.len()],
    consumer: ConsumerServiceClient<Channel>,
    product: ProductServiceClient<Channel>,
    content: ContentServiceClient<Channel>,
    membership: MembershipServiceClient<Channel>,
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a service may take that has begun.
    pub call: Duration,
    /// Until when a service that is overloaded is asked again.
    pub until: Instant,
}

impl Patience {
    /// For one call of at most `limit`, its waits included.
    #[must_use]
    pub fn once(limit: Duration) -> Self {
        Self {
            call: limit,
            until: Instant::now() + limit,
        }
    }
}

/// Asks once more where that is safe, and gives up when `$patience` ends.
macro_rules! ask {
    ($call:expr, $client:expr, $method:ident, $question:expr, $patience:expr) => {
        within($call, $patience, $question, |request| {
            let mut client = $client.clone();
            async move { client.$method(request).await }
        })
        .await
    };
}

impl Clients {
    /// Clients over `channels`.
    #[must_use]
    pub fn new(channels: Channels) -> Self {
        let limit = MESSAGE_BYTES;
        let metrics = [
            &channels.consumer,
            &channels.product,
            &channels.content,
            &channels.membership,
        ];
        Self {
            metrics: metrics
                .map(|channel| MetricServiceClient::new(channel.clone()).max_decoding_message_size(limit)),
            consumer: ConsumerServiceClient::new(channels.consumer).max_decoding_message_size(limit),
            product: ProductServiceClient::new(channels.product).max_decoding_message_size(limit),
            content: ContentServiceClient::new(channels.content).max_decoding_message_size(limit),
            membership: MembershipServiceClient::new(channels.membership).max_decoding_message_size(limit),
        }
    }

    /// Asks `rpc` for `query`, with the FAST trend by week where `trend` is set.
    ///
    /// # Errors
    /// The service's status; `UNAVAILABLE` where it cannot be reached, `DEADLINE_EXCEEDED` where it takes too long.
    pub async fn ask(
        &self,
        call: &Call,
        rpc: Rpc,
        query: &types::MetricQuery,
        trend: bool,
        patience: Patience,
    ) -> Result<Answer, Status> {
        match rpc {
            Rpc::Group(group) => self.group(call, group, query, trend, patience).await,
            Rpc::Aipl => {
                let question = consumer::GetAiplRequest {
                    query: Some(query.clone()),
                };
                let answer = ask!(call, self.consumer, get_aipl, question, patience)?;
                Ok(Answer {
                    metrics: answer.metrics,
                    ..Answer::default()
                })
            }
            Rpc::Flow => {
                let question = consumer::GetFlowRequest {
                    query: Some(query.clone()),
                };
                let answer = ask!(call, self.consumer, get_flow, question, patience)?;
                Ok(Answer {
                    metrics: answer.metrics,
                    cells: answer.cells,
                    ..Answer::default()
                })
            }
            Rpc::Definitions(service) => self.definitions(call, service, &query.brand, patience).await,
        }
    }

    /// Whether the tenant has facts of `brand`; asked of the product service, where that is cheapest.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn knows(
        &self,
        call: &Call,
        brand: &str,
        day: Option<dualwheel_proto::Date>,
        patience: Patience,
    ) -> Result<(), Status> {
        let question = product::ListLifecycleRequest {
            brand: brand.to_owned(),
            day,
            page_size: 1,
            ..product::ListLifecycleRequest::default()
        };
        ask!(call, self.product, list_lifecycle, question, patience).map(drop)
    }

    async fn group(
        &self,
        call: &Call,
        group: Group,
        query: &types::MetricQuery,
        trend: bool,
        patience: Patience,
    ) -> Result<Answer, Status> {
        let query = Some(query.clone());
        if group == Group::Fast && trend {
            return self.fast(call, query, patience).await;
        }
        let question = QueryMetricsRequest {
            query,
            groups: vec![group.name().to_owned()],
            ..QueryMetricsRequest::default()
        };
        let [consumer, product, content, membership] = &self.metrics;
        let client = match group.service() {
            Service::Consumer => consumer,
            Service::Product => product,
            Service::Content => content,
            Service::Membership => membership,
        };
        let metrics = ask!(call, client, query_metrics, question, patience)?.metrics;
        Ok(Answer {
            metrics,
            ..Answer::default()
        })
    }

    /// FAST with its trend by week.
    async fn fast(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        patience: Patience,
    ) -> Result<Answer, Status> {
        let mut question = consumer::GetFastRequest {
            query,
            ..Default::default()
        };
        question.set_trend_step(consumer::TrendStep::Week);
        let answer = ask!(call, self.consumer, get_fast, question, patience)?;
        Ok(Answer {
            metrics: answer.metrics,
            trend: answer.trend,
            ..Answer::default()
        })
    }

    async fn definitions(
        &self,
        call: &Call,
        service: Service,
        brand: &str,
        patience: Patience,
    ) -> Result<Answer, Status> {
        let question = types::ListDefinitionsRequest {
            brand: brand.to_owned(),
        };
        let answer = match service {
            Service::Consumer => ask!(call, self.consumer, list_definitions, question, patience)?,
            Service::Product => ask!(call, self.product, list_definitions, question, patience)?,
            Service::Content => ask!(call, self.content, list_definitions, question, patience)?,
            Service::Membership => ask!(call, self.membership, list_definitions, question, patience)?,
        };
        Ok(Answer {
            definitions: answer.definitions,
            ..Answer::default()
        })
    }
}

async fn within<Q, R, F, A>(call: &Call, patience: Patience, question: Q, ask: F) -> Result<R, Status>
where
    Q: Clone,
    F: Fn(Request<Q>) -> A,
    A: Future<Output = Result<Response<R>, Status>>,
{
    let once = || async {
        let end = Instant::now() + patience.call;
        let asked = retry_unavailable(end, || {
            let left = end.saturating_duration_since(Instant::now());
            ask(with_deadline(call, Request::new(question.clone()), left))
        });
        match timeout_at(end, asked).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Failure::new(Reason::Deadline, "the service did not answer in time").status()),
        }
    };
    retry_overloaded(patience.until, once).await
}
