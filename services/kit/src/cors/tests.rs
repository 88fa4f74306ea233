use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Config, Server, config::Web, identity::tests::House, server::bind};

const PAGE: &str = "https://app.example.com";
const OTHER: &str = "https://app.example.com.evil.example";

/// The head of an answer, in small letters.
struct Answer(String);

impl Answer {
    fn status(&self) -> &str {
        self.0.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.0.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
    }

    /// The items of a header.
    fn list(&self, name: &str) -> Vec<&str> {
        self.header(name)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .collect()
    }

    fn tells_a_page_anything(&self) -> bool {
        self.0.contains("access-control-")
    }
}

/// What a server that asks for tokens answers a browser.
async fn answer(origins: &[&str], method: &str, path: &str, headers: &str) -> Answer {
    let house = House::new();
    let config = Config {
        listen: "127.0.0.1:0".to_owned(),
        auth: house.config.clone(),
        web: Web {
            origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        },
        ..Config::default()
    };
    let bound = bind(&config).await.unwrap();
    let address = bound.address();
    let server = Server::builder(&config).unwrap().build().unwrap();
    let serving = tokio::spawn(server.serve(bound, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    // An empty message of gRPC.
    let body = if method == "POST" { "\0\0\0\0\0" } else { "" };
    let length = body.len();
    let call = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).await.unwrap();
    serving.abort();
    let whole = String::from_utf8_lossy(&whole).to_lowercase();
    Answer(whole.split("\r\n\r\n").next().unwrap().to_owned())
}

async fn preflight(origins: &[&str], origin: &str) -> Answer {
    let headers = format!(
        "origin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization,x-grpc-web\r\n"
    );
    answer(
        origins,
        "OPTIONS",
        "/dualwheel.facts.v1.FactService/GetTenant",
        &headers,
    )
    .await
}

async fn call(origins: &[&str], path: &str, origin: &str) -> Answer {
    let headers =
        format!("origin: {origin}\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n");
    answer(origins, "POST", path, &headers).await
}

#[tokio::test]
async fn a_page_of_a_known_origin_may_call_before_it_shows_a_token() {
    for origin in [PAGE, "http://localhost:5173"] {
        let told = preflight(&[PAGE, "http://localhost:5173"], origin).await;
        assert_eq!(told.status(), "200", "{}", told.0);
        assert_eq!(told.header("access-control-allow-origin"), Some(origin));
        assert_eq!(told.list("access-control-allow-methods"), ["post"]);
        let allowed = told.list("access-control-allow-headers");
        for header in super::SENT {
            assert!(allowed.contains(&header), "{header} is not among {allowed:?}");
        }
        assert!(told.header("access-control-max-age").is_some());
        assert!(told.list("vary").contains(&"origin"), "{}", told.0);
    }
}

#[tokio::test]
async fn other_pages_are_not_let_in() {
    for origin in [
        OTHER,
        "https://app.example.com:8443",
        "http://app.example.com",
        "null",
    ] {
        let told = preflight(&[PAGE], origin).await;
        assert_eq!(
            told.header("access-control-allow-origin"),
            None,
            "{origin}: {}",
            told.0
        );
        let told = call(&[PAGE], "/grpc.health.v1.Health/Check", origin).await;
        assert_eq!(
            told.header("access-control-allow-origin"),
            None,
            "{origin}: {}",
            told.0
        );
    }
}

#[tokio::test]
async fn no_page_is_let_in_by_default() {
    assert!(Config::default().web.origins.is_empty());
    assert!(!preflight(&[], PAGE).await.tells_a_page_anything());
    let told = call(&[], "/grpc.health.v1.Health/Check", PAGE).await;
    assert_eq!(told.status(), "200");
    assert!(!told.tells_a_page_anything(), "{}", told.0);
}

#[tokio::test]
async fn pages_can_read_answers_and_failures() {
    let answered = call(&[PAGE], "/grpc.health.v1.Health/Check", PAGE).await;
    // Without a token.
    let failed = call(&[PAGE], "/dualwheel.facts.v1.FactService/GetTenant", PAGE).await;
    assert_eq!(failed.header("grpc-status"), Some("16"), "{}", failed.0);
    assert!(failed.header("grpc-status-details-bin").is_some(), "{}", failed.0);
    for told in [answered, failed] {
        assert_eq!(told.status(), "200");
        assert_eq!(
            told.header("access-control-allow-origin"),
            Some(PAGE),
            "{}",
            told.0
        );
        assert!(told.header("x-request-id").is_some());
        let read = told.list("access-control-expose-headers");
        for header in super::READ {
            assert!(read.contains(&header), "{header} is not among {read:?}");
        }
    }
}
