//! A request of every method, which a small market answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use dualwheel_kit::access::{Method, named};
use dualwheel_tests::raw::Raw;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tonic::{Request, Status, client::Grpc, transport::Channel};

use crate::harness::BRAND;

/// The bytes of a method's request in JSON.
pub fn encode(path: &str, json: &Value) -> Bytes {
    let message = DynamicMessage::deserialize(named::request(path).unwrap(), json).unwrap();
    prost::Message::encode_to_vec(&message).into()
}

/// Calls any method with a request in JSON and a header; answers the bytes of all messages.
pub async fn call(
    channel: &Channel,
    (header, value): (&'static str, &str),
    path: &str,
    json: &Value,
) -> Result<Bytes, Status> {
    let message = encode(path, json);
    let mut request = Request::new(tokio_stream::once(message));
    request.metadata_mut().insert(header, value.parse().unwrap());
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path_of = path;
    let path = format!("/{path}").parse().unwrap();
    let mut answers = client.streaming(request, path, Raw).await?.into_inner();
    let mut whole = Vec::new();
    while let Some(answer) = answers.message().await? {
        whole.extend(answer);
        // It goes on as long as the caller stays.
        if path_of.ends_with("/WatchDataVersions") {
            break;
        }
    }
    Ok(whole.into())
}

pub fn day(month: u32, day: u32) -> Value {
    json!({"year": 2026, "month": month, "day": day})
}

/// A request that the owner of [`BRAND`] has answered, for every method; names of what was stored before come from
/// `stored`.
pub fn requests(stored: &BTreeMap<&str, String>) -> BTreeMap<&'static str, Value> {
    let brand = BRAND;
    let query = json!({"brand": brand, "window": {"firstDay": day(4, 1), "lastDay": day(6, 30)}});
    let definition = json!({"text": "stage(L)"});
    let as_of = day(6, 30);
    let question = json!({"brand": brand, "definition": definition, "asOf": as_of});
    let with = |base: &Value, more: Value| {
        let mut whole = base.clone();
        whole
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        whole
    };
    let asked = json!({"query": query});
    let peers = json!([{"brand": "brand-03"}, {"brand": "brand-04"}, {"brand": "brand-05"}]);
    let spec = json!({"brand": brand, "window": query["window"], "peers": peers});
    let world = json!({"brand": brand, "world": "PLUGIN_WORLD_KOC_MODEL"});
    let at_day = json!({"brand": brand, "asOf": as_of});
    let name = |what: &str| json!({"name": stored[what]});
    Method::all()
        .iter()
        .map(|method| {
            let (service, call) = method.path.split_once('/').unwrap();
            let request = match call {
                "GetAipl"
                | "GetFlow"
                | "GetFast"
                | "GetGrow"
                | "GetBrandSignals"
                | "GetRfm"
                | "GetValue"
                | "ListValues"
                | "GetMoveCosts"
                | "GetSources"
                | "ListWinbackOutlooks"
                | "GetSuper"
                | "GetPriceStrength"
                | "GetStart"
                | "GetPlus"
                | "GetCloseness" => asked.clone(),
                "GetJourneys" => with(
                    &asked,
                    json!({"outcome": "JOURNEY_OUTCOME_PURCHASE", "point": "JOURNEY_POINT_CHANNEL"}),
                ),
                "GetWinback" => with(&asked, json!({"horizonDays": 90})),
                "EstimateAudience" | "ExportAudience" | "ProfileAudience" | "FindClusters" => {
                    question.clone()
                }
                "CompareAudiences" => json!({"brand": brand, "asOf": as_of, "audiences": [
                    {"label": "a", "definition": definition}, {"label": "b", "definition": definition}]}),
                "CreateAudience" => json!({"audienceId": "made", "audience":
                    {"brand": brand, "displayName": "made", "definition": definition}}),
                "ImportAudience" => {
                    json!({"header": {"audienceId": "brought", "brand": brand, "displayName": "brought"}})
                }
                "GetAudience" | "RefreshAudience" | "DeleteAudience" => name("audience"),
                "UpdateAudience" => {
                    json!({"audience": {"name": stored["audience"], "displayName": "changed"}})
                }
                "ListAudiences" | "ListRuns" => json!({"brand": brand}),
                "ExpandAudience" => with(
                    &question,
                    json!({"size": 5, "audienceId": "wider", "displayName": "wider"}),
                ),
                "SaveClusters" => with(&question, json!({"audiencePrefix": "cluster"})),
                "SaveWinbackPacks" => with(&asked, json!({"horizonDays": 90, "audiencePrefix": "pack"})),
                "DeleteConsumers" => json!({"consumers": ["c-no-such"]}),
                "GetConsumerDeletion" => name("deletion"),
                "ExportConsumer" => json!({"consumer": stored["consumer"]}),
                "ListLifecycle" => json!({"brand": brand, "day": as_of}),
                "ListStyleTrends" => with(&at_day, json!({"attribute": "STYLE_ATTRIBUTE_STYLE"})),
                "GetKocBoard" | "ListKocCandidates" => at_day.clone(),
                "StartDiagnosis" | "GetIndex" => json!({"spec": spec}),
                "GetNeo" => with(&asked, json!({"peers": ["brand-03", "brand-04", "brand-05"]})),
                "GetRun" | "WatchRun" | "CancelRun" | "ResumeRun" => name("run"),
                "CreateJob" => json!({"request": with(
                    &asked,
                    json!({"@type": "type.googleapis.com/dualwheel.consumer.v1.GetValueRequest"}),
                )}),
                "GetJob" | "WatchJob" | "CancelJob" | "DeleteJob" => name("job"),
                "CreatePeerSet" => {
                    json!({"peerSetId": "set-made", "peerSet": {"displayName": "s", "peers": peers}})
                }
                "GetPeerSet" | "DeletePeerSet" => name("peer set"),
                "UpdatePeerSet" => json!({"peerSet": {"name": stored["peer set"], "displayName": "changed"},
                    "updateMask": "displayName"}),
                "QueryMetrics" => with(
                    &asked,
                    json!({"metrics": ["fast.fertility", "super.star"], "groups": ["start"]}),
                ),
                "StreamMetrics" => {
                    json!({"brands": [brand], "windows": [query["window"]],
                    "metrics": ["fast.fertility"], "groups": ["start"]})
                }
                "ExplainMetric" => with(
                    &asked,
                    json!({"metric": match service.split('.').nth(1).unwrap() {
                        "consumer" => "fast.fertility",
                        "product" => "super.star",
                        "content" => "start.reach",
                        "membership" => "plus.capital",
                        "metric" => "super.star",
                        _ => "neo.novelty",
                    }}),
                ),
                "CreatePublisher" => {
                    json!({"publisherId": "p2", "publisher": {"displayName": "p", "publicKeyPem": "x"}})
                }
                "DeletePublisher" => json!({"name": "publishers/p1"}),
                "AddPublisherKey" | "RemovePublisherKey" => {
                    json!({"name": "publishers/p1", "publicKeyPem": "x"})
                }
                "PublishPlugin" => json!({"header": {"publisher": "publishers/p1", "signature": "x"}}),
                "GetPluginPublication" | "WatchPluginPublication" => {
                    json!({"name": format!("publishers/p1/publications/{}", "0".repeat(64))})
                }
                "GetPlugin" | "RetirePlugin" | "DeletePlugin" | "CheckPlugin" => {
                    json!({"name": "plugins/m/versions/1.0.0"})
                }
                "ActivatePlugin" => {
                    json!({"brand": brand, "setting": {"plugin": "plugins/m/versions/1.0.0"}})
                }
                "ShadowPlugin"
                | "DeactivatePlugin"
                | "PromotePlugin"
                | "RollBackPlugin"
                | "GetPluginActivation"
                | "ListPluginActivations"
                | "ListPluginRuns" => world.clone(),
                "GetPluginRun" | "GetPluginRunRows" | "ReplayPluginRun" => name("plugin run"),
                "Append" => {
                    json!({"producer": "p", "sequence": "1", "kind": "FACT_KIND_ORDER_LINE", "rows": {}})
                }
                "ListDimensionValues" => json!({"brand": brand, "dimension": "DIMENSION_CATEGORY"}),
                "ConfigureTenant" => json!({"timeZone": "Asia/Shanghai"}),
                _ => json!({}),
            };
            (method.path, request)
        })
        .collect()
}

/// Names of nothing.
pub fn unstored() -> BTreeMap<&'static str, String> {
    [
        "audience",
        "run",
        "job",
        "peer set",
        "plugin run",
        "deletion",
        "consumer",
    ]
    .map(|what| (what, String::new()))
    .into()
}
