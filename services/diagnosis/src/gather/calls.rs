//! One call of another service.

use std::{fmt, time::Duration};

use dualwheel_kit::{
    Failure, MESSAGE_BYTES, Reason,
    client::{retry_unavailable, with_deadline},
};
use dualwheel_proto::{
    consumer::{self, consumer_service_client::ConsumerServiceClient},
    content::{self, content_service_client::ContentServiceClient},
    membership::{self, membership_service_client::MembershipServiceClient},
    product::{self, product_service_client::ProductServiceClient},
    types,
};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    Channels,
    parameters::{Group, Service},
};

/// A call about a brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A metric group.
    Group(Group),
    /// Stage sizes, for pictures.
    Aipl,
    /// Flow, for pictures.
    Flow,
    /// Definitions in force.
    Definitions(Service),
}

impl Call {
    /// The service that is called.
    #[must_use]
    pub fn service(self) -> Service {
        match self {
            Self::Group(group) => group.service(),
            Self::Aipl | Self::Flow => Service::Consumer,
            Self::Definitions(service) => service,
        }
    }

    /// Name of the method.
    #[must_use]
    pub fn method_name(self) -> &'static str {
        match self {
            Self::Group(group) => group.call(),
            Self::Aipl => "GetAipl",
            Self::Flow => "GetFlow",
            Self::Definitions(_) => "ListDefinitions",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.service(), self.method_name())
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

/// Clients of the four services.
#[derive(Clone, Debug)]
pub struct Clients {
    consumer: ConsumerServiceClient<Channel>,
    product: ProductServiceClient<Channel>,
    content: ContentServiceClient<Channel>,
    membership: MembershipServiceClient<Channel>,
}

/// Asks once more where that is safe, and gives up after `$within`.
macro_rules! ask {
    ($client:expr, $method:ident, $question:expr, $within:expr) => {
        within($within, $question, |request| {
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
        Self {
            consumer: ConsumerServiceClient::new(channels.consumer).max_decoding_message_size(limit),
            product: ProductServiceClient::new(channels.product).max_decoding_message_size(limit),
            content: ContentServiceClient::new(channels.content).max_decoding_message_size(limit),
            membership: MembershipServiceClient::new(channels.membership).max_decoding_message_size(limit),
        }
    }

    /// Makes `call` for `query`, with the FAST trend by week where `trend` is set.
    ///
    /// # Errors
    /// The service's status; `UNAVAILABLE` where it cannot be reached, `DEADLINE_EXCEEDED` after `limit`.
    pub async fn ask(
        &self,
        call: Call,
        query: &types::MetricQuery,
        trend: bool,
        limit: Duration,
    ) -> Result<Answer, Status> {
        match call {
            Call::Group(group) => self.group(group, query, trend, limit).await,
            Call::Aipl => {
                let question = consumer::GetAiplRequest {
                    query: Some(query.clone()),
                };
                let answer = ask!(self.consumer, get_aipl, question, limit)?;
                Ok(Answer {
                    metrics: answer.metrics,
                    ..Answer::default()
                })
            }
            Call::Flow => {
                let question = consumer::GetFlowRequest {
                    query: Some(query.clone()),
                };
                let answer = ask!(self.consumer, get_flow, question, limit)?;
                Ok(Answer {
                    metrics: answer.metrics,
                    cells: answer.cells,
                    ..Answer::default()
                })
            }
            Call::Definitions(service) => self.definitions(service, &query.brand, limit).await,
        }
    }

    /// Whether the tenant has facts of `brand`; asked of the product service, where that is cheapest.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn knows(
        &self,
        brand: &str,
        day: Option<dualwheel_proto::Date>,
        limit: Duration,
    ) -> Result<(), Status> {
        let question = product::ListLifecycleRequest {
            brand: brand.to_owned(),
            day,
            page_size: 1,
            ..product::ListLifecycleRequest::default()
        };
        ask!(self.product, list_lifecycle, question, limit).map(drop)
    }

    async fn group(
        &self,
        group: Group,
        query: &types::MetricQuery,
        trend: bool,
        limit: Duration,
    ) -> Result<Answer, Status> {
        let query = Some(query.clone());
        let metrics = match group {
            Group::Fast => return self.fast(query, trend, limit).await,
            Group::Grow => {
                ask!(
                    self.consumer,
                    get_grow,
                    consumer::GetGrowRequest { query, base: None },
                    limit
                )?
                .metrics
            }
            Group::BrandSignals => {
                ask!(
                    self.consumer,
                    get_brand_signals,
                    consumer::GetBrandSignalsRequest { query },
                    limit
                )?
                .metrics
            }
            Group::Super => ask!(self.product, get_super, product::GetSuperRequest { query }, limit)?.metrics,
            Group::PriceStrength => {
                ask!(
                    self.product,
                    get_price_strength,
                    product::GetPriceStrengthRequest { query },
                    limit
                )?
                .metrics
            }
            Group::Start => ask!(self.content, get_start, content::GetStartRequest { query }, limit)?.metrics,
            Group::Plus => {
                ask!(
                    self.membership,
                    get_plus,
                    membership::GetPlusRequest { query },
                    limit
                )?
                .metrics
            }
            Group::Closeness => {
                ask!(
                    self.membership,
                    get_closeness,
                    membership::GetClosenessRequest { query },
                    limit
                )?
                .metrics
            }
        };
        Ok(Answer {
            metrics,
            ..Answer::default()
        })
    }

    async fn fast(
        &self,
        query: Option<types::MetricQuery>,
        trend: bool,
        limit: Duration,
    ) -> Result<Answer, Status> {
        let mut question = consumer::GetFastRequest {
            query,
            ..Default::default()
        };
        if trend {
            question.set_trend_step(consumer::TrendStep::Week);
        }
        let answer = ask!(self.consumer, get_fast, question, limit)?;
        Ok(Answer {
            metrics: answer.metrics,
            trend: answer.trend,
            ..Answer::default()
        })
    }

    async fn definitions(&self, service: Service, brand: &str, limit: Duration) -> Result<Answer, Status> {
        let question = types::ListDefinitionsRequest {
            brand: brand.to_owned(),
        };
        let answer = match service {
            Service::Consumer => ask!(self.consumer, list_definitions, question, limit)?,
            Service::Product => ask!(self.product, list_definitions, question, limit)?,
            Service::Content => ask!(self.content, list_definitions, question, limit)?,
            Service::Membership => ask!(self.membership, list_definitions, question, limit)?,
        };
        Ok(Answer {
            definitions: answer.definitions,
            ..Answer::default()
        })
    }
}

async fn within<Q, R, F, A>(limit: Duration, question: Q, ask: F) -> Result<R, Status>
where
    Q: Clone,
    F: Fn(Request<Q>) -> A,
    A: Future<Output = Result<Response<R>, Status>>,
{
    let end = Instant::now() + limit;
    let asked = retry_unavailable(end, || {
        let left = end.saturating_duration_since(Instant::now());
        ask(with_deadline(Request::new(question.clone()), left))
    });
    match timeout_at(end, asked).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Failure::new(Reason::Deadline, "the service did not answer in time").status()),
    }
}
