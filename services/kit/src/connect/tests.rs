use std::sync::Mutex;

use dualwheel_proto::{
    Date,
    content::{GetStartRequest, GetStartResponse},
    types::{Metric, MetricQuery, Window},
};
use prost_reflect::prost::Message;
use serde_json::{Value, json};
use tonic::Code;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::{
    Config, Server,
    failure::to_bytes,
    identity::tests::{House, signed},
    layers::tests::{answer, next},
    server::bind,
};

const START: &str = "/dualwheel.content.v1.ContentService/GetStart";
const LARGEST: usize = 4 << 20;

/// What a service was asked by gRPC.
type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

fn post(path: &str, content_type: &'static str, body: impl Into<Bytes>) -> Request<Body> {
    let body = Body::new(Full::new(body.into()));
    let request = Request::post(path).header(CONTENT_TYPE, content_type);
    request.body(body).unwrap()
}

/// A service that notes what it is asked and answers `response`, or with why it cannot read the call.
fn service(response: impl Fn() -> Response<Body> + Send + Sync + 'static) -> (Connect, Seen) {
    let seen = Seen::default();
    let (notes, response) = (seen.clone(), Arc::new(response));
    let calls = next(move |request: Request<Body>| {
        let (notes, response) = (notes.clone(), response.clone());
        async move {
            let (head, body) = request.into_parts();
            match body.collect().await {
                Ok(body) => notes.lock().unwrap().push((head.headers, body.to_bytes())),
                Err(_) => return Status::internal("broken off").into_http(),
            }
            response()
        }
    });
    let largest = LARGEST;
    (Connect { calls, largest }, seen)
}

/// The HTTP status, the headers and the body of an answer.
async fn ask(connect: &Connect, request: Request<Body>) -> (u16, HeaderMap, Bytes) {
    let nothing_else = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Status> {
        Err(Status::internal("no call of Connect"))
    });
    let response = connect.layer(nothing_else).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    (
        head.status.as_u16(),
        head.headers,
        body.collect().await.unwrap().to_bytes(),
    )
}

async fn ask_json(connect: &Connect, path: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let (status, headers, body) = ask(connect, post(path, "application/json", body)).await;
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    (status, serde_json::from_slice(&body).unwrap())
}

fn question() -> GetStartRequest {
    let day = |day| {
        Some(Date {
            year: 2026,
            month: 5,
            day,
        })
    };
    let window = Window {
        first_day: day(1),
        last_day: day(31),
    };
    GetStartRequest {
        query: Some(MetricQuery {
            brand: "A".to_owned(),
            window: Some(window),
            ..MetricQuery::default()
        }),
    }
}

fn answered() -> GetStartResponse {
    let metric = Metric {
        id: "start.reach".to_owned(),
        value: Some(0.25),
        ..Metric::default()
    };
    GetStartResponse {
        metrics: vec![metric],
    }
}

/// The names of fields in JSON and in the contract are understood alike.
#[tokio::test]
async fn json_is_asked_by_grpc_and_answered_in_json() {
    let (connect, seen) = service(|| answer(&answered().encode_to_vec()));
    let window = json!({"year": 2026, "month": 5, "day": 1});
    let camel = json!({"query": {"brand": "A", "window": {"firstDay": window, "lastDay": {"year": 2026, "month": 5, "day": 31}}}});
    let snake = json!({"query": {"brand": "A", "window": {"first_day": window, "last_day": {"year": 2026, "month": 5, "day": 31}}}});
    for body in [camel, snake] {
        let (status, told) = ask_json(&connect, START, body.to_string()).await;
        assert_eq!(
            (status, told),
            (200, json!({"metrics": [{"id": "start.reach", "value": 0.25}]}))
        );
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for (headers, body) in seen.iter() {
        assert_eq!(*body, framed(&question().encode_to_vec()));
        assert_eq!(headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(headers[TE], "trailers");
    }
}

#[tokio::test]
async fn the_contracts_bytes_are_passed_on_as_they_are() {
    let (connect, seen) = service(|| answer(&answered().encode_to_vec()));
    let asked = question().encode_to_vec();
    let (status, headers, body) = ask(&connect, post(START, "application/proto", asked.clone())).await;
    assert_eq!(status, 200);
    assert_eq!(headers[CONTENT_TYPE], "application/proto");
    assert_eq!(body, answered().encode_to_vec());
    assert_eq!(seen.lock().unwrap()[0].1, framed(&asked));
}

#[tokio::test]
async fn a_large_message_is_translated_too_and_one_too_large_is_refused() {
    let many = GetStartResponse {
        metrics: vec![answered().metrics.remove(0); 20_000],
    };
    let encoded = many.encode_to_vec();
    let (connect, seen) = service(move || answer(&encoded));
    let by = "x".repeat(SMALL);
    let (status, told) = ask_json(&connect, START, json!({"query": {"by": by}}).to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(told["metrics"].as_array().unwrap().len(), 20_000);
    assert!(seen.lock().unwrap().pop().unwrap().1.len() > SMALL);
    let (status, told) = ask_json(&connect, START, vec![b' '; LARGEST + 1]).await;
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (400, &json!("MESSAGE_TOO_LARGE"))
    );
    let (status, told) = ask_json(&connect, START, vec![b','; dualwheel_proto::MOST_ELEMENTS + 1]).await;
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (400, &json!("MESSAGE_TOO_LARGE"))
    );
    assert!(seen.lock().unwrap().is_empty());
}

/// As the specification of the protocol has them.
#[tokio::test]
async fn every_code_has_its_name_and_status() {
    let names = [
        ("canceled", 499),
        ("unknown", 500),
        ("invalid_argument", 400),
        ("deadline_exceeded", 504),
        ("not_found", 404),
        ("already_exists", 409),
        ("permission_denied", 403),
        ("resource_exhausted", 429),
        ("failed_precondition", 400),
        ("aborted", 409),
        ("out_of_range", 400),
        ("unimplemented", 501),
        ("internal", 500),
        ("unavailable", 503),
        ("data_loss", 500),
        ("unauthenticated", 401),
    ];
    for ((name, http), code) in names.into_iter().zip(1..) {
        let (connect, _) = service(move || Status::new(Code::from(code), "so it is").into_http());
        let (status, told) = ask_json(&connect, START, "{}").await;
        assert_eq!(
            (status, told),
            (http, json!({"code": name, "message": "so it is"}))
        );
    }
}

#[tokio::test]
async fn a_failure_tells_its_details_in_bytes_and_in_json() {
    let failure = || {
        let failure = Failure::new(Reason::InvalidQuestion, "no");
        failure
            .with("limit", 5)
            .violation("query.brand", "a brand")
            .status()
    };
    let (connect, _) = service(move || failure().into_http());
    let (status, told) = ask_json(&connect, START, "{}").await;
    assert_eq!(status, 400);
    let base64 = |place: usize| {
        use base64::Engine;
        let details = dualwheel_proto::rpc::Status::decode(to_bytes(&failure()).as_slice())
            .unwrap()
            .details;
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(&details[place].value)
    };
    assert_eq!(
        told,
        json!({"code": "invalid_argument", "message": "no", "details": [
            {"type": "google.rpc.ErrorInfo", "value": base64(0),
             "debug": {"reason": "INVALID_QUESTION", "domain": "dualwheel.dev", "metadata": {"limit": "5"}}},
            {"type": "google.rpc.BadRequest", "value": base64(1),
             "debug": {"fieldViolations": [{"field": "query.brand", "description": "a brand"}]}},
        ]})
    );
}

/// A body, the field that is named, words of what is expected of it, and words of the message.
#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let (connect, seen) = service(|| answer(&answered().encode_to_vec()));
    let cases = [
        (
            r#"{"query": {"brnd": "A"}}"#,
            "query.brnd",
            "dualwheel.type.v1.MetricQuery: brand, ",
            "'brnd'",
        ),
        (
            r#"{"question": {}}"#,
            "question",
            "GetStartRequest: query",
            "'question'",
        ),
        (
            r#"{"query": {"brand": 5}}"#,
            "query.brand",
            "string",
            "integer `5`",
        ),
        (
            r#"{"query": {"window": {"firstDay": {"year": "x"}}}}"#,
            "query.window.first_day.year",
            "int32",
            "invalid digit",
        ),
        (
            r#"{"query": {"window": "May"}}"#,
            "query.window",
            "the JSON of dualwheel.type.v1.Window",
            "May",
        ),
        (
            r#"{"query": {"dataVersion": {"tables": {"orders": "x"}}}}"#,
            "query.data_version.tables",
            "an object",
            "query.data_version.tables",
        ),
        (r#"{"query": "#, "", "", "EOF"),
        ("", "", "", "EOF"),
        ("brand=A", "", "", "line 1"),
        ("{} {}", "", "", "trailing"),
    ];
    for (body, field, expected, words) in cases {
        let (status, told) = ask_json(&connect, START, body).await;
        assert_eq!(
            (status, &told["code"]),
            (400, &json!("invalid_argument")),
            "{body}: {told}"
        );
        assert_eq!(
            told["details"][0]["debug"]["reason"], "MESSAGE_MALFORMED",
            "{body}"
        );
        assert!(
            told["message"].as_str().unwrap().contains(words),
            "{body}: {told}"
        );
        let wrong = &told["details"][1]["debug"]["fieldViolations"][0];
        if field.is_empty() {
            assert!(wrong.is_null(), "{body}: {told}");
            continue;
        }
        assert_eq!(wrong["field"], field, "{body}: {told}");
        assert!(
            wrong["description"].as_str().unwrap().contains(expected),
            "{body}: {told}"
        );
    }
    assert!(seen.lock().unwrap().is_empty(), "nothing was asked");
}

/// What is refused unread is read for a while, so that its sender gets to the answer.
#[tokio::test]
async fn what_nobody_reads_is_taken_all_the_same() {
    let refuse = next(|_| async { Status::unauthenticated("who are you?").into_http() });
    let connect = Connect {
        calls: refuse,
        largest: LARGEST,
    };
    let (sender, parts) = tokio::sync::mpsc::channel::<Bytes>(1);
    let parts = tokio_stream::wrappers::ReceiverStream::new(parts);
    let body = StreamBody::new(tokio_stream::StreamExt::map(parts, |part| {
        Ok::<_, Status>(Frame::data(part))
    }));
    let mut request = post(START, "application/json", "");
    *request.body_mut() = Body::new(body);
    let sending = tokio::spawn(async move {
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"{}")).await.unwrap();
        }
    });
    assert_eq!(ask(&connect, request).await.0, 401);
    sending.await.unwrap();
}

#[tokio::test]
async fn streams_are_refused_and_not_begun() {
    let (connect, seen) = service(|| answer(&[]));
    for path in [
        "/dualwheel.facts.v1.FactService/Append",
        "/grpc.health.v1.Health/Watch",
    ] {
        let (status, told) = ask_json(&connect, path, "{}").await;
        assert_eq!((status, &told["code"]), (501, &json!("unimplemented")), "{path}");
        assert_eq!(told["details"][0]["debug"]["reason"], "PROTOCOL_UNSUPPORTED");
        // As clients of the protocol ask for streams.
        let request = post(path, "application/connect+json", "\0\0\0\0\u{2}{}");
        let (status, headers, body) = ask(&connect, request).await;
        assert_eq!(
            (status, &headers[CONTENT_TYPE]),
            (200, &HeaderValue::from_static("application/connect+json"))
        );
        let (prefix, end) = body.split_at(5);
        assert_eq!(
            prefix,
            [&[2], (end.len() as u32).to_be_bytes().as_slice()].concat()
        );
        let end: Value = serde_json::from_slice(end).unwrap();
        assert_eq!(end["error"], told);
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn headers_are_made_those_of_grpc() {
    let ask_with = async |headers: &[(&'static str, &'static str)]| {
        let (connect, seen) = service(|| answer(&[]));
        let mut request = post(START, "application/json; charset=utf-8", "{}");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, HeaderValue::from_static(value));
        }
        let (status, _, body) = ask(&connect, request).await;
        let asked = seen.lock().unwrap().pop().map(|(headers, _)| headers);
        (status, asked, String::from_utf8_lossy(&body).into_owned())
    };
    for (millis, timeout) in [
        ("1500", "1500m"),
        ("0", "0m"),
        ("99999999", "99999999m"),
        ("9999999999", "9999999S"),
    ] {
        let (status, asked, _) =
            ask_with(&[("connect-timeout-ms", millis), ("connect-protocol-version", "1")]).await;
        assert_eq!(
            (status, &asked.unwrap()[TIMEOUT_HEADER]),
            (200, &HeaderValue::from_static(timeout))
        );
    }
    let sent = [
        ("authorization", "Bearer x"),
        ("traceparent", "t"),
        ("accept-encoding", "gzip"),
        ("content-length", "2"),
    ];
    let asked = ask_with(&sent).await.1.unwrap();
    assert_eq!(
        (&asked["authorization"], &asked["traceparent"]),
        (
            &HeaderValue::from_static("Bearer x"),
            &HeaderValue::from_static("t")
        )
    );
    assert!(!asked.contains_key("accept-encoding") && !asked.contains_key("content-length"));
    for (header, code) in [
        (("connect-timeout-ms", "soon"), 400),
        (("connect-timeout-ms", "-5"), 400),
        (("connect-timeout-ms", "12345678901"), 400),
        (("connect-protocol-version", "2"), 400),
        (("content-encoding", "gzip"), 501),
    ] {
        let (status, asked, body) = ask_with(&[header]).await;
        assert_eq!((status, asked), (code, None), "{header:?}");
        assert!(body.contains(header.0), "{body}");
    }
}

#[tokio::test]
async fn metadata_comes_back_without_what_is_grpcs_own() {
    let (connect, _) = service(|| {
        let frames = [Frame::data(framed(&[])), {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            trailers.insert("x-cost", HeaderValue::from_static("7"));
            Frame::trailers(trailers)
        }];
        let frames = stream::iter(frames.map(Ok::<_, Status>));
        let mut response = Response::new(Body::new(StreamBody::new(frames)));
        response
            .headers_mut()
            .insert("x-request-id", HeaderValue::from_static("r-1"));
        response
    });
    let (status, headers, body) = ask(&connect, post(START, "application/json", "{}")).await;
    assert_eq!((status, body.as_ref()), (200, b"{}".as_slice()));
    assert_eq!(headers.len(), 3, "{headers:?}");
    assert_eq!(
        (&headers["x-request-id"], &headers["trailer-x-cost"]),
        (&HeaderValue::from_static("r-1"), &HeaderValue::from_static("7"))
    );
}

#[tokio::test]
async fn calls_of_others_are_passed_on_as_they_are() {
    let (connect, seen) = service(|| answer(&[]));
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web+proto",
        "text/plain",
    ] {
        let others = service_fn(async |request: Request<Body>| {
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = request.into_parts().0.headers;
            Ok::<_, Status>(response)
        });
        let request = post(START, content_type, "x");
        let response = connect.layer(others).oneshot(request).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], content_type);
        assert_eq!(response.headers().len(), 1);
    }
    assert!(seen.lock().unwrap().is_empty());
    let mut got = post(START, "application/json", "");
    *got.method_mut() = Method::GET;
    let (status, headers, _) = ask(&connect, got).await;
    assert_eq!(
        (status, &headers[ALLOW]),
        (405, &HeaderValue::from_static("POST"))
    );
}

/// The JSON of any message has the same bytes as the message.
#[test]
fn json_and_back_loses_nothing() {
    let kind = method(START).input();
    let mut asked = question();
    let query = asked.query.as_mut().unwrap();
    query.by = "channel".to_owned();
    query.as_of = Some(Date {
        year: 2026,
        month: 6,
        day: 2,
    });
    query.data_version.get_or_insert_default().tables =
        [("behaviors".to_owned(), i64::MAX), ("orders".to_owned(), 0)].into();
    let bytes = asked.encode_to_vec();
    let json = json::write(kind.clone(), &bytes).unwrap();
    let back = json::read(&kind, &json).unwrap();
    assert_eq!(GetStartRequest::decode(back.as_slice()).unwrap(), asked);
}

fn method(path: &str) -> prost_reflect::MethodDescriptor {
    json::method(path).unwrap()
}

/// Answers of a whole server that wants tokens, over HTTP/1.1.
#[tokio::test]
async fn a_server_asks_for_tokens_before_it_reads_json() {
    let house = House::new();
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        auth: house.config.clone(),
        ..Config::default()
    };
    let bound = bind(&config).await.unwrap();
    let address = bound.address();
    let server = Server::builder(&config).unwrap().build().unwrap();
    let serving = tokio::spawn(server.serve(bound, std::future::pending()));
    let ask = async |path: &str, token: Option<&str>, body: &str| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let call = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{token}\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(call.as_bytes()).await.unwrap();
        let mut whole = String::new();
        stream.read_to_string(&mut whole).await.unwrap();
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("x-request-id: "), "{head}");
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str::<Value>(body).unwrap())
    };
    let health = ask("/grpc.health.v1.Health/Check", None, "{}").await;
    assert_eq!(health, (200, json!({"status": "SERVING"})));
    let (status, told) = ask("/grpc.health.v1.Health/Check", None, r#"{"service": "nothing"}"#).await;
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (404, &json!("NOT_FOUND"))
    );

    let path = "/dualwheel.content.v1.ContentService/GetStart";
    let (status, told) = ask(path, None, r#"{"question": {}}"#).await;
    assert_eq!(
        (status, &told["code"]),
        (401, &json!("unauthenticated")),
        "{told}"
    );
    let token = signed(json!({"scope": "metrics.read", "brands": ["A"]}));
    let (status, told) = ask(path, Some(&token), r#"{"query": {"brand": "B"}}"#).await;
    assert_eq!(
        (status, &told["code"]),
        (403, &json!("permission_denied")),
        "{told}"
    );
    let (status, told) = ask(path, Some(&token), r#"{"query": {"brnd": "A"}}"#).await;
    assert_eq!(
        (
            status,
            &told["details"][1]["debug"]["fieldViolations"][0]["field"]
        ),
        (400, &json!("query.brnd")),
        "{told}"
    );
    // The server has no such service; it says so as it does by gRPC.
    let (status, told) = ask(path, Some(&token), r#"{"query": {"brand": "A", "window": {}}}"#).await;
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (501, &json!("METHOD_UNKNOWN")),
        "{told}"
    );
    serving.abort();
}
