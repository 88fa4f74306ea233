//! gRPC-Web over HTTP/1.1, as a browser speaks it, and the Connect protocol, as curl does.

use std::process::Command;

use dualwheel_kit::access::named;
use dualwheel_proto::consumer::{
    GetAiplRequest, GetAiplResponse, consumer_service_client::ConsumerServiceClient,
};
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    diagnosis::query,
    harness::{BRAND, Server, market},
    identity::House,
    requests::{call, day},
};

/// Flag of a frame that holds the trailers.
const TRAILERS: u8 = 0x80;

/// Asks by HTTP/1.1 and answers the head and the body of the response.
async fn post(address: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\norigin: http://localhost\r\n\
         content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let body = &answer[end + 4..];
    let body = match head.contains("transfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_vec(),
    };
    (head, body)
}

/// The content of a chunked body.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = body.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return content;
        }
        content.extend(&body[line + 2..line + 2 + length]);
        body = &body[line + 2 + length + 2..];
    }
}

/// The frames of a gRPC-Web body: flag and content.
fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        frames.push((head[0], rest[..length].to_vec()));
        body = &rest[length..];
    }
    frames
}

fn framed(message: &impl Message) -> Vec<u8> {
    let content = message.encode_to_vec();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), &content].concat()
}

#[tokio::test]
async fn a_browser_gets_the_same_answer_as_a_grpc_client() {
    let data = market().copy();
    let server = Server::all(data.path());
    let address = server.url().trim_start_matches("http://").to_owned();
    let path = "/dualwheel.consumer.v1.ConsumerService/GetAipl";
    let question = GetAiplRequest { query: query() };
    let (head, body) = post(&address, path, &framed(&question)).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: application/grpc-web+proto"),
        "{head}"
    );
    let frames_found = frames(&body);
    let [(0, content), (TRAILERS, trailers)] = frames_found.as_slice() else {
        panic!("{frames_found:?}")
    };
    let trailers = String::from_utf8_lossy(trailers);
    assert!(
        trailers.contains("grpc-status:0") || trailers.contains("grpc-status: 0"),
        "{trailers}"
    );
    let plain = ConsumerServiceClient::new(server.channel())
        .get_aipl(question)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(GetAiplResponse::decode(content.as_slice()).unwrap(), plain);
    assert_eq!(
        *content,
        plain.encode_to_vec(),
        "the same message is the same bytes"
    );
}

#[tokio::test]
async fn a_browser_is_told_why_a_question_is_wrong() {
    let data = market().copy();
    let server = Server::all(data.path());
    let address = server.url().trim_start_matches("http://").to_owned();
    let path = "/dualwheel.consumer.v1.ConsumerService/GetAipl";
    let (head, body) = post(&address, path, &framed(&GetAiplRequest { query: None })).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let told = format!("{head}{}", String::from_utf8_lossy(&body));
    assert!(
        told.contains("grpc-status:3") || told.contains("grpc-status: 3"),
        "{told}"
    );
}

const START: &str = "dualwheel.content.v1.ContentService/GetStart";

/// What curl gets: the HTTP status and the JSON.
fn curl(server: &Server, path: &str, more: &[&str], body: &str) -> (u16, Value) {
    let url = format!("{}/{path}", server.url());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args([
            "--write-out",
            "\n%{http_code}",
            "--header",
            "content-type: application/json",
        ])
        .args(more)
        .args(["--data", body, &url]);
    let output = curl.output().expect("curl is not installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{told}"));
    let status = status.parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text} {told}")),
    )
}

fn start_of(brand: &str) -> Value {
    json!({"query": {"brand": brand, "window": {"first_day": day(4, 1), "last_day": day(6, 30)}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_the_same_answer_as_a_grpc_client() {
    let data = market().copy();
    let server = Server::all(data.path());
    let question = start_of(BRAND);
    let plain = call(&server.channel(), ("x-request-id", "plain"), START, &question)
        .await
        .unwrap();
    // HTTP/1.1, and HTTP/2 without an upgrade.
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (status, told) = curl(&server, START, &[version], &question.to_string());
        assert_eq!(status, 200, "{told}");
        let told = DynamicMessage::deserialize(named::response(START).unwrap(), told).unwrap();
        let same = DynamicMessage::decode(named::response(START).unwrap(), plain.clone()).unwrap();
        assert_eq!(told, same);
    }
    let (status, told) = curl(
        &server,
        START,
        &[],
        &json!({"query": {"brnd": BRAND}}).to_string(),
    );
    assert_eq!((status, &told["code"]), (400, &json!("invalid_argument")));
    assert_eq!(
        told["details"][1]["debug"]["fieldViolations"][0]["field"],
        "query.brnd"
    );
    let (status, told) = curl(&server, START, &[], "{}");
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (400, &json!("INVALID_QUESTION"))
    );
    let mut unasked = question.clone();
    unasked["query"]["window"]["first_day"] = day(4, 2);
    let in_no_time = ["--header", "connect-timeout-ms: 0"];
    let (status, told) = curl(&server, START, &in_no_time, &unasked.to_string());
    assert_eq!(
        (status, &told["code"]),
        (504, &json!("deadline_exceeded")),
        "{told}"
    );
    // Streams are for gRPC.
    let (status, told) = curl(&server, "dualwheel.facts.v1.FactService/Append", &[], "{}");
    assert_eq!((status, &told["code"]), (501, &json!("unimplemented")));
}

#[test]
fn a_token_opens_by_curl_what_it_opens_by_grpc() {
    let house = House::new(&[]);
    let bearer = format!("authorization: Bearer {}", house.token("default", &[BRAND]));
    let ask = |more: &[&str], brand| curl(&house.server, START, more, &start_of(brand).to_string());
    let (status, told) = ask(&["--header", &bearer], BRAND);
    assert_eq!(status, 200, "{told}");
    let (status, told) = ask(&["--header", &bearer], "OTHER");
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (403, &json!("PERMISSION_DENIED"))
    );
    let (status, told) = ask(&[], BRAND);
    assert_eq!(
        (status, &told["details"][0]["debug"]["reason"]),
        (401, &json!("UNAUTHENTICATED"))
    );
}
