//! Every question that is answered from facts.

use std::{fmt::Debug, future::Future, pin::Pin};

use dualwheel_proto::{
    Date, clients,
    consumer::{
        AudienceDefinition, CompareAudiencesRequest, EstimateAudienceRequest, ExportAudienceRequest,
        FindClustersRequest, GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest,
        GetGrowRequest, GetJourneysRequest, GetMoveCostsRequest, GetRfmRequest, GetSourcesRequest,
        GetValueRequest, GetWinbackRequest, JourneyOutcome, JourneyPoint, ListValuesRequest,
        ListWinbackOutlooksRequest, NamedAudience, ProfileAudienceRequest, TrendStep,
        VerifyPeopleIndexRequest, audience_definition::Form,
    },
    content::{GetStartRequest, content_service_client::ContentServiceClient},
    diagnosis::{
        DiagnosisSpec, GetIndexRequest, GetNeoRequest, Peer, diagnosis_service_client::DiagnosisServiceClient,
    },
    membership::{
        GetClosenessRequest, GetKocBoardRequest, GetPlusRequest, ListKocCandidatesRequest,
        membership_service_client::MembershipServiceClient,
    },
    product::{
        GetPriceStrengthRequest, GetSuperRequest, ListLifecycleRequest, ListStyleTrendsRequest,
        StyleAttribute, product_service_client::ProductServiceClient,
    },
    types::{ExplainMetricRequest, MetricQuery, Window},
};
use prost::Message;
use tonic::{Response, Status, Streaming, transport::Channel};

/// The brand that is asked about, and the others.
const BRAND: &str = "brand-01";
const PEERS: [&str; 2] = ["brand-02", "brand-03"];

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// As it comes over the wire.
    pub bytes: Vec<u8>,
    /// For people.
    text: String,
    /// Whether it is an error.
    pub refused: bool,
}

impl Told {
    fn one<T: Message + Debug>(answer: Result<Response<T>, Status>) -> Self {
        match answer {
            Ok(answer) => {
                let message = answer.into_inner();
                Self {
                    bytes: message.encode_to_vec(),
                    text: format!("{message:#?}"),
                    refused: false,
                }
            }
            Err(status) => {
                let text = format!("{:?}: {}", status.code(), status.message());
                Self {
                    bytes: text.clone().into_bytes(),
                    text,
                    refused: true,
                }
            }
        }
    }

    async fn all<T: Message + Debug>(answer: Result<Response<Streaming<T>>, Status>) -> Self {
        let mut stream = match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Self::one::<T>(Err(status)),
        };
        let mut whole = Self {
            bytes: Vec::new(),
            text: String::new(),
            refused: false,
        };
        loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    let next = Self::one(Ok(Response::new(message)));
                    whole.bytes.extend(next.bytes);
                    whole.text.push_str(&next.text);
                }
                Ok(None) => return whole,
                Err(status) => return Self::one::<T>(Err(status)),
            }
        }
    }

    /// Where another answer goes another way first.
    pub fn difference(&self, other: &Self) -> String {
        let lines = self.text.lines().zip(other.text.lines()).enumerate();
        let mut lines = lines.skip_while(|(_, (one, other))| one == other);
        match lines.next() {
            Some((line, (one, other))) => {
                let before: Vec<&str> = self.text.lines().take(line).collect();
                let near = before
                    .iter()
                    .rev()
                    .take(12)
                    .rev()
                    .copied()
                    .collect::<Vec<_>>()
                    .join("\n");
                format!(
                    "line {line}: `{}` became `{}` after\n{near}\n",
                    one.trim(),
                    other.trim()
                )
            }
            None => format!("{} bytes became {}", self.bytes.len(), other.bytes.len()),
        }
    }
}

type Question = (String, Pin<Box<dyn Future<Output = Told> + Send>>);

fn date(text: &str) -> Option<Date> {
    let parts: Vec<i32> = text.split('-').map(|part| part.parse().unwrap()).collect();
    Some(Date {
        year: parts[0],
        month: parts[1],
        day: parts[2],
    })
}

fn query(by: &str) -> Option<MetricQuery> {
    Some(MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(Window {
            first_day: date("2026-04-01"),
            last_day: date("2026-06-30"),
        }),
        by: by.to_owned(),
        ..MetricQuery::default()
    })
}

fn by_text(text: &str) -> Option<AudienceDefinition> {
    Some(AudienceDefinition {
        form: Some(Form::Text(text.to_owned())),
    })
}

/// A question by its name.
macro_rules! ask {
    ($asked:ident, $client:expr, $name:expr, $call:ident, $request:expr) => {{
        let (mut client, request) = ($client.clone(), $request);
        let answer = async move { Told::one(client.$call(request).await) };
        $asked.push(($name.to_string(), Box::pin(answer)));
    }};
}

/// Every question. None changes anything.
pub fn questions(channel: &Channel, consumers: &[String]) -> Vec<Question> {
    let mut asked = people(channel);
    asked.extend(models(channel));
    asked.extend(audiences(channel, consumers));
    asked.extend(goods(channel));
    asked.extend(others(channel));
    asked.extend(diagnoses(channel));
    asked
}

fn people(channel: &Channel) -> Vec<Question> {
    let client = clients::Consumer::new(channel.clone());
    let mut asked: Vec<Question> = Vec::new();
    for by in ["", "category"] {
        let query = || query(by);
        ask!(
            asked,
            client.consumers,
            format!("GetAipl {by}"),
            get_aipl,
            GetAiplRequest { query: query() }
        );
        ask!(
            asked,
            client.consumers,
            format!("GetGrow {by}"),
            get_grow,
            GetGrowRequest {
                query: query(),
                base: None
            }
        );
    }
    let query = || query("");
    ask!(
        asked,
        client.consumers,
        "GetFlow",
        get_flow,
        GetFlowRequest { query: query() }
    );
    let trend_step = TrendStep::Week.into();
    ask!(
        asked,
        client.consumers,
        "GetFast",
        get_fast,
        GetFastRequest {
            query: query(),
            trend_step
        }
    );
    let request = GetBrandSignalsRequest { query: query() };
    ask!(
        asked,
        client.consumers,
        "GetBrandSignals",
        get_brand_signals,
        request
    );
    ask!(
        asked,
        client.consumers,
        "GetMoveCosts",
        get_move_costs,
        GetMoveCostsRequest { query: query() }
    );
    ask!(
        asked,
        client.consumers,
        "GetSources",
        get_sources,
        GetSourcesRequest { query: query() }
    );
    for outcome in [JourneyOutcome::Purchase, JourneyOutcome::Joining] {
        for point in [JourneyPoint::Channel, JourneyPoint::Touch] {
            let request = GetJourneysRequest {
                query: query(),
                outcome: outcome.into(),
                point: point.into(),
                routes: 20,
                ..GetJourneysRequest::default()
            };
            ask!(
                asked,
                client.consumers,
                format!("GetJourneys {outcome:?} {point:?}"),
                get_journeys,
                request
            );
        }
    }
    for metric in ["aipl.interest", "grow.gain"] {
        let request = ExplainMetricRequest {
            metric: metric.to_owned(),
            query: query(),
        };
        ask!(
            asked,
            client.consumers,
            format!("ExplainMetric {metric}"),
            explain_metric,
            request
        );
    }
    ask!(
        asked,
        client.index,
        "VerifyPeopleIndex",
        verify_people_index,
        VerifyPeopleIndexRequest {}
    );
    asked
}

fn models(channel: &Channel) -> Vec<Question> {
    let client = clients::Consumer::new(channel.clone());
    let mut asked: Vec<Question> = Vec::new();
    let query = || query("");
    ask!(
        asked,
        client.consumers,
        "GetRfm",
        get_rfm,
        GetRfmRequest { query: query() }
    );
    let request = GetValueRequest {
        query: query(),
        horizon_weeks: 0,
    };
    ask!(asked, client.consumers, "GetValue", get_value, request);
    let (mut lister, request) = (
        client.clone(),
        ListValuesRequest {
            query: query(),
            horizon_weeks: 0,
        },
    );
    let values = async move { Told::all(lister.consumers.list_values(request).await).await };
    asked.push(("ListValues".to_owned(), Box::pin(values)));
    let request = GetWinbackRequest {
        query: query(),
        horizon_days: 30,
        ..GetWinbackRequest::default()
    };
    ask!(asked, client.targeting, "GetWinback", get_winback, request);
    let request = ListWinbackOutlooksRequest { query: query() };
    ask!(
        asked,
        client.targeting,
        "ListWinbackOutlooks",
        list_winback_outlooks,
        request
    );
    let request = FindClustersRequest {
        brand: BRAND.to_owned(),
        definition: by_text(EVERYBODY),
        clusters: 4,
        as_of: date("2026-06-30"),
        ..FindClustersRequest::default()
    };
    ask!(asked, client.targeting, "FindClusters", find_clusters, request);
    asked
}

/// Who did anything.
const EVERYBODY: &str = "behavior(BROWSE, last 400 days) >= 1 or purchase(orders, last 400 days) >= 1";

fn audiences(channel: &Channel, consumers: &[String]) -> Vec<Question> {
    let client = clients::Consumer::new(channel.clone());
    let mut asked: Vec<Question> = Vec::new();
    let _ = consumers;
    let (brand, as_of) = (BRAND.to_owned(), date("2026-06-30"));
    for text in [
        EVERYBODY,
        "purchase(net_gmv, last 90 days) >= 300",
        "profile(gender) = female",
    ] {
        let request = EstimateAudienceRequest {
            brand: brand.clone(),
            definition: by_text(text),
            as_of,
            ..EstimateAudienceRequest::default()
        };
        ask!(
            asked,
            client.audiences,
            format!("EstimateAudience {text}"),
            estimate_audience,
            request
        );
        let request = ExportAudienceRequest {
            brand: brand.clone(),
            definition: by_text(text),
            as_of,
            ..ExportAudienceRequest::default()
        };
        let mut exporter = client.clone();
        let keys = async move { Told::all(exporter.audiences.export_audience(request).await).await };
        asked.push((format!("ExportAudience {text}"), Box::pin(keys)));
    }
    let named = |label: &str, text: &str| NamedAudience {
        label: label.to_owned(),
        definition: by_text(text),
    };
    let request = CompareAudiencesRequest {
        brand: brand.clone(),
        audiences: vec![
            named("all", EVERYBODY),
            named("buyers", "purchase(orders, last 90 days) >= 1"),
        ],
        as_of,
        ..CompareAudiencesRequest::default()
    };
    ask!(
        asked,
        client.audiences,
        "CompareAudiences",
        compare_audiences,
        request
    );
    let request = ProfileAudienceRequest {
        brand,
        definition: by_text(EVERYBODY),
        as_of,
        ..ProfileAudienceRequest::default()
    };
    ask!(
        asked,
        client.audiences,
        "ProfileAudience",
        profile_audience,
        request
    );
    asked
}

fn goods(channel: &Channel) -> Vec<Question> {
    let client = ProductServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let mut asked: Vec<Question> = Vec::new();
    for by in ["", "category", "price_band", "lifecycle"] {
        ask!(
            asked,
            client,
            format!("GetSuper {by}"),
            get_super,
            GetSuperRequest { query: query(by) }
        );
    }
    let request = GetPriceStrengthRequest { query: query("") };
    ask!(asked, client, "GetPriceStrength", get_price_strength, request);
    let request = ListLifecycleRequest {
        brand: BRAND.to_owned(),
        day: date("2026-06-30"),
        page_size: 1_000,
        ..ListLifecycleRequest::default()
    };
    ask!(asked, client, "ListLifecycle", list_lifecycle, request);
    for attribute in [
        StyleAttribute::Style,
        StyleAttribute::Material,
        StyleAttribute::Colour,
    ] {
        for by_price_band in [false, true] {
            let request = ListStyleTrendsRequest {
                brand: BRAND.to_owned(),
                attribute: attribute.into(),
                by_price_band,
                as_of: date("2026-06-30"),
                page_size: 1_000,
                ..ListStyleTrendsRequest::default()
            };
            let name = format!("ListStyleTrends {attribute:?} {by_price_band}");
            ask!(asked, client, name, list_style_trends, request);
        }
    }
    let request = ExplainMetricRequest {
        metric: "super.sell_through".to_owned(),
        query: query(""),
    };
    ask!(asked, client, "ExplainMetric super", explain_metric, request);
    asked
}

fn others(channel: &Channel) -> Vec<Question> {
    let mut asked: Vec<Question> = Vec::new();
    let client = ContentServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    for by in ["", "content", "channel", "author", "product", "format", "day"] {
        ask!(
            asked,
            client,
            format!("GetStart {by}"),
            get_start,
            GetStartRequest { query: query(by) }
        );
    }
    let client = MembershipServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    for by in ["", "role"] {
        ask!(
            asked,
            client,
            format!("GetPlus {by}"),
            get_plus,
            GetPlusRequest { query: query(by) }
        );
    }
    ask!(
        asked,
        client,
        "GetCloseness",
        get_closeness,
        GetClosenessRequest { query: query("") }
    );
    let (brand, as_of) = (BRAND.to_owned(), date("2026-06-30"));
    let request = GetKocBoardRequest {
        brand: brand.clone(),
        as_of,
        ..GetKocBoardRequest::default()
    };
    ask!(asked, client, "GetKocBoard", get_koc_board, request);
    let request = ListKocCandidatesRequest {
        brand,
        as_of,
        page_size: 1_000,
        ..ListKocCandidatesRequest::default()
    };
    ask!(asked, client, "ListKocCandidates", list_koc_candidates, request);
    asked
}

fn diagnoses(channel: &Channel) -> Vec<Question> {
    let client = DiagnosisServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let mut asked: Vec<Question> = Vec::new();
    let peers = || PEERS.map(str::to_owned);
    let request = GetNeoRequest {
        query: query(""),
        peers: peers().to_vec(),
    };
    ask!(asked, client, "GetNeo", get_neo, request);
    let spec = DiagnosisSpec {
        brand: BRAND.to_owned(),
        window: query("").unwrap().window,
        peers: peers()
            .into_iter()
            .map(|brand| Peer {
                brand,
                ..Peer::default()
            })
            .collect(),
        ..DiagnosisSpec::default()
    };
    ask!(
        asked,
        client,
        "GetIndex",
        get_index,
        GetIndexRequest { spec: Some(spec) }
    );
    asked
}
