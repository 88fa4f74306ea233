use bytes::Bytes;
use http_body_util::Full;
use proptest::prelude::*;
use prost_reflect::{Cardinality, DynamicMessage, ReflectMessage};
use tonic::{Status, body::Body};

use super::*;
use crate::{
    failure::{reason_of, violations_of},
    layers::{
        framed,
        tests::{answer, call, code, next},
        wrap,
    },
};

const CONSUMER: &str = "dualwheel.consumer.v1.ConsumerService";
const TARGETING: &str = "dualwheel.consumer.v1.TargetingService";
const PRIVACY: &str = "dualwheel.consumer.v1.PrivacyService";
const DIAGNOSIS: &str = "dualwheel.diagnosis.v1.DiagnosisService";

async fn sent(path: &str, message: Vec<u8>) -> Result<(), Status> {
    let calls = wrap(vec![layer(&Config::default())], next(|_| async { answer(b"") }));
    let answered = calls.run(call(&format!("/{path}"), "t", message.into())).await;
    match Status::from_header_map(answered.headers()) {
        Some(status) if code(&answered) != tonic::Code::Ok => Err(status),
        _ => Ok(()),
    }
}

/// What is said of a request that is refused; nothing of one that is not.
async fn refused(path: &str, json: &str) -> Vec<(String, String)> {
    let sent = sent(path, named::encode(path, json)).await;
    sent.map_or_else(|status| violations_of(&status), |()| Vec::new())
}

async fn reason(path: &str, json: &str) -> Option<String> {
    reason_of(&sent(path, named::encode(path, json)).await.unwrap_err())
}

fn said(violations: &[(&str, &str)]) -> Vec<(String, String)> {
    let said = violations
        .iter()
        .map(|(field, text)| ((*field).to_owned(), (*text).to_owned()));
    said.collect()
}

#[tokio::test]
async fn what_is_required_is_named_and_all_of_a_question_that_is_missing() {
    let fast = &format!("{CONSUMER}/GetFast");
    let both = said(&[("query.brand", "required"), ("query.window", "required")]);
    assert_eq!(refused(fast, "{}").await, both);
    assert_eq!(refused(fast, r#"{"query": {}}"#).await, both);
    let window = r#"{"query": {"window": {}}}"#;
    assert_eq!(refused(fast, window).await, said(&[("query.brand", "required")]));
    assert!(
        refused(fast, r#"{"query": {"brand": "b", "window": {}}}"#)
            .await
            .is_empty()
    );
    let peers = r#"{"spec": {"brand": "b", "window": {}, "peers": [{"brand": "c"}, {}]}}"#;
    assert_eq!(
        refused(&format!("{DIAGNOSIS}/GetIndex"), peers).await,
        said(&[("spec.peers[1].brand", "required")])
    );
}

/// What follows the first message would be dropped by the server, and pass by every layer that looks at messages.
#[tokio::test]
async fn a_second_message_is_refused() {
    let calls = wrap(vec![layer(&Config::default())], next(|_| async { answer(b"") }));
    for path in [
        format!("{TARGETING}/FindClusters"),
        "dualwheel.facts.v1.FactService/GetTenant".to_owned(),
    ] {
        let message = named::encode(&path, "{}");
        let two = [framed(&message), framed(b"")].concat();
        let mut request = call(&format!("/{path}"), "t", Bytes::new());
        *request.body_mut() = Body::new(Full::from(two));
        let answered = calls.run(request).await;
        let status = Status::from_header_map(answered.headers()).unwrap();
        assert_eq!(reason_of(&status).as_deref(), Some("MESSAGE_MALFORMED"), "{path}");
    }
}

#[tokio::test]
async fn numbers_are_held_to_their_range() {
    let winback = &format!("{TARGETING}/GetWinback");
    let asked =
        |days: i32| format!(r#"{{"query": {{"brand": "b", "window": {{}}}}, "horizonDays": {days}}}"#);
    for days in [0, 7, 365] {
        assert!(refused(winback, &asked(days)).await.is_empty(), "{days}");
    }
    for days in [-1, 6, 366, i32::MIN] {
        let expected = format!("from 7 to 365, or 0, not {days}");
        assert_eq!(
            refused(winback, &asked(days)).await,
            said(&[("horizon_days", &expected)])
        );
    }
    let expand = &format!("{TARGETING}/ExpandAudience");
    let sized = |size: i64| format!(r#"{{"brand": "b", "definition": {{}}, "size": "{size}"}}"#);
    assert!(refused(expand, &sized(10_000_000)).await.is_empty());
    for size in [0, -1, 10_000_001, i64::MIN] {
        let expected = format!("from 1 to 10000000, not {size}");
        assert_eq!(refused(expand, &sized(size)).await, said(&[("size", &expected)]));
    }
}

#[tokio::test]
async fn texts_and_lists_are_held_to_their_size() {
    let deletion = &format!("{PRIVACY}/DeleteConsumers");
    let keys = |keys: &[&str]| serde_json::json!({ "consumers": keys }).to_string();
    let long = "k".repeat(129);
    assert!(refused(deletion, &keys(&["k", &long[1..]])).await.is_empty());
    assert_eq!(
        refused(deletion, &keys(&["k", "", &long])).await,
        said(&[
            ("consumers[1]", "1 to 128 bytes, not 0"),
            ("consumers[2]", "1 to 128 bytes, not 129")
        ])
    );
    assert_eq!(
        refused(deletion, &keys(&[])).await,
        said(&[("consumers", "1 to 100000 elements, not 0")])
    );
    let neo = &format!("{DIAGNOSIS}/GetNeo");
    let brand = "b".repeat(129);
    let peers = vec!["p"; 201];
    let asked = serde_json::json!({"query": {"brand": brand, "window": {}}, "peers": peers});
    assert_eq!(
        refused(neo, &asked.to_string()).await,
        said(&[
            ("query.brand", "at most 128 bytes, not 129"),
            ("peers", "at most 200 elements, not 201")
        ])
    );
}

#[tokio::test]
async fn what_is_stored_and_what_is_asked_have_their_reasons() {
    let delete = reason(&format!("{PRIVACY}/DeleteConsumers"), "{}").await;
    assert_eq!(delete.as_deref(), Some("INVALID_RESOURCE"));
    let start = reason(&format!("{DIAGNOSIS}/StartDiagnosis"), "{}").await;
    assert_eq!(start.as_deref(), Some("INVALID_QUESTION"));
    let fast = reason(&format!("{CONSUMER}/GetFast"), "{}").await;
    assert_eq!(fast.as_deref(), Some("INVALID_QUESTION"));
}

#[tokio::test]
async fn parts_of_a_message_count_together_and_what_cannot_be_read_is_passed_on() {
    let fast = &format!("{CONSUMER}/GetFast");
    let mut parts = named::encode(fast, r#"{"query": {"brand": "b"}}"#);
    assert!(sent(fast, parts.clone()).await.is_err());
    parts.extend(named::encode(fast, r#"{"query": {"window": {}}}"#));
    assert!(sent(fast, parts).await.is_ok());
    // The last of a field counts.
    let winback = &format!("{TARGETING}/GetWinback");
    let mut twice = named::encode(
        winback,
        r#"{"query": {"brand": "b", "window": {}}, "horizonDays": 5}"#,
    );
    twice.extend(named::encode(winback, r#"{"horizonDays": 7}"#));
    assert!(sent(winback, twice).await.is_ok());
    for broken in [&[0xff][..], &[0x0a, 9, 1]] {
        assert!(sent(fast, broken.to_vec()).await.is_ok());
    }
    // Methods without rules, and streams, are passed on as they are.
    let calls = wrap(vec![layer(&Config::default())], next(|_| async { answer(b"") }));
    for path in ["/dualwheel.facts.v1.FactService/Append", "/x/Y"] {
        let answered = calls.run(call(path, "t", Bytes::new())).await;
        assert_eq!(code(&answered), tonic::Code::Ok, "{path}");
    }
}

#[test]
fn limits_are_of_the_kind_of_their_fields() {
    let mut found = 0;
    for (name, rules) in &RULES.messages {
        let message = named::request(Method::all()[0].path).unwrap();
        let message = message.parent_pool().get_message_by_name(name).unwrap();
        for rule in rules {
            let field = message.get_field(rule.number).unwrap();
            let limits = rule.limits;
            let is_number = matches!(field.kind(), Kind::Int32 | Kind::Int64 | Kind::Uint32);
            let is_list = field.cardinality() == Cardinality::Repeated;
            if limits.least.is_some() || limits.most.is_some() {
                assert!(is_number && !is_list, "{name}.{}", rule.name);
            }
            if (limits.least_bytes, limits.most_bytes) != (0, 0) {
                assert_eq!(field.kind(), Kind::String, "{name}.{}", rule.name);
            }
            if (limits.least_items, limits.most_items) != (0, 0) {
                assert!(is_list, "{name}.{}", rule.name);
            }
            found += usize::from(limits != Limits::default());
        }
    }
    assert!(found > 15, "only {found}");
}

/// The slow and obvious reading: every field of a decoded message, by what its descriptor says.
fn wrong(message: &DynamicMessage, place: &str, found: &mut Vec<String>) {
    for field in message.descriptor().fields() {
        let behaviors = behaviors(&field);
        if behaviors.contains(&FieldBehavior::OutputOnly) {
            continue;
        }
        let limits: Limits = named::option(&field.options(), "dualwheel.type.v1.limits").unwrap_or_default();
        let is_required = behaviors.contains(&FieldBehavior::Required);
        let at = format!("{place}{}", field.name());
        let value = message.get_field(&field);
        let text = |text: &str| {
            let most = if limits.most_bytes == 0 {
                u32::MAX
            } else {
                limits.most_bytes
            };
            (limits.least_bytes as usize..=most as usize).contains(&text.len())
        };
        let number = |number: i64| {
            let range = limits.least.unwrap_or(i64::MIN)..=limits.most.unwrap_or(i64::MAX);
            range.contains(&number) || limits.or_zero && number == 0
        };
        let is_right = match &*value {
            Value::List(values) => {
                let most = if limits.most_items == 0 {
                    u32::MAX
                } else {
                    limits.most_items
                };
                // What is too much of a list is not looked at.
                for (index, value) in values.iter().enumerate().take(most as usize) {
                    match value {
                        Value::String(one) if !text(one) => found.push(format!("{at}[{index}]")),
                        Value::Message(inner) if !holds_itself(&inner.descriptor()) => {
                            wrong(inner, &format!("{at}[{index}]."), found);
                        }
                        _ => {}
                    }
                }
                let least = limits.least_items.max(u32::from(is_required));
                (least as usize..=most as usize).contains(&values.len())
            }
            Value::Message(inner) if message.has_field(&field) || (is_required && place.is_empty()) => {
                let before = found.len();
                if !holds_itself(&inner.descriptor()) {
                    wrong(inner, &format!("{at}."), found);
                }
                message.has_field(&field) || found.len() > before
            }
            Value::Message(_) => !is_required,
            Value::String(one) if one.is_empty() => !is_required,
            Value::String(one) => text(one),
            Value::I32(0) => !is_required && number(0),
            Value::I32(one) => number((*one).into()),
            Value::I64(0) => !is_required && number(0),
            Value::I64(one) => number(*one),
            Value::EnumNumber(one) => *one != 0 || !is_required,
            _ => true,
        };
        if !is_right {
            found.push(at);
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("b".to_owned()),
        (127..131_usize).prop_map(|bytes| "k".repeat(bytes))
    ]
}

/// Requests of some methods, as JSON.
fn requests() -> impl Strategy<Value = (&'static str, serde_json::Value)> {
    let lists = || prop::collection::vec(texts(), 0..25);
    let numbers = || prop_oneof![-2..15_i32, 360..370_i32, any::<i32>()];
    let query = || {
        (texts(), any::<bool>(), numbers()).prop_map(|(brand, window, level)| {
            let mut query = serde_json::json!({"brand": brand, "categoryLevel": level});
            if window {
                query["window"] = serde_json::json!({});
            }
            query
        })
    };
    prop_oneof![
        lists().prop_map(|keys| (
            "dualwheel.consumer.v1.PrivacyService/DeleteConsumers",
            serde_json::json!({"consumers": keys})
        )),
        (query(), lists()).prop_map(|(query, peers)| {
            (
                "dualwheel.diagnosis.v1.DiagnosisService/GetNeo",
                serde_json::json!({"query": query, "peers": peers}),
            )
        }),
        (query(), numbers()).prop_map(|(query, days)| {
            (
                "dualwheel.consumer.v1.TargetingService/GetWinback",
                serde_json::json!({"query": query, "horizonDays": days}),
            )
        }),
        (texts(), numbers(), lists()).prop_map(|(brand, level, brands)| {
            let peers: Vec<_> = brands
                .iter()
                .map(|brand| serde_json::json!({"brand": brand}))
                .collect();
            let spec = serde_json::json!({"brand": brand, "categoryLevel": level, "peers": peers});
            (
                "dualwheel.diagnosis.v1.DiagnosisService/GetIndex",
                serde_json::json!({"spec": spec}),
            )
        }),
        (texts(), lists()).prop_map(|(brand, labels)| {
            let some = labels.iter().map(|label| match label.len() {
                0 => serde_json::json!({}),
                _ => serde_json::json!({"label": label, "definition": {}}),
            });
            let audiences: Vec<_> = some.collect();
            (
                "dualwheel.consumer.v1.AudienceService/CompareAudiences",
                serde_json::json!({"brand": brand, "audiences": audiences}),
            )
        }),
    ]
}

proptest! {
    #[test]
    fn bytes_are_read_as_messages_are((path, request) in requests()) {
        let bytes = named::encode(path, &request.to_string());
        let mut expected = Vec::new();
        wrong(&named::message(path, &bytes).unwrap(), "", &mut expected);
        expected.truncate(LISTED);
        let Broken(broken) = RULES.of_request(path).unwrap().broken(&bytes).unwrap();
        let mut fields: Vec<String> = broken.into_iter().map(|(field, _)| field).collect();
        fields.sort();
        expected.sort();
        prop_assert_eq!(fields, expected);
    }
}
