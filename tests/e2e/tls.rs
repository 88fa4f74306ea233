//! Encrypted ways: to the mesh, and from it to Redis.

use std::path::Path;

use dualwheel_kit::{
    client,
    config::{Client as ClientConfig, Config},
};
use dualwheel_tests::{keys::Certificates, servers::Redis};
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::{Server, command, market},
    identity::ask,
};

fn tls(folder: &Path) -> [String; 3] {
    let file = |name: &str| folder.join(name).display().to_string();
    [
        format!("tls.certificate={}", file("server.pem")),
        format!("tls.key={}", file("server.key")),
        format!("tls.client_ca={}", file("ca.pem")),
    ]
}

/// A check of health over TLS, with the files of an authority, a certificate and a key.
async fn reach(server: &Server, files: &[&str]) -> Result<(), Status> {
    let file = |at: usize| files.get(at).map(|file| (*file).to_owned());
    let config = Config {
        client: ClientConfig {
            ca: file(0),
            certificate: file(1),
            key: file(2),
            token_file: None,
        },
        ..Config::default()
    };
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    let mut health = HealthClient::new(client::connect(&url, &config).unwrap());
    health.check(HealthCheckRequest::default()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_asked_for_and_exchanged_without_a_restart() {
    let (data, folder) = (market().copy(), tempfile::tempdir().unwrap());
    let certificates = Certificates::new(folder.path()).unwrap();
    certificates.issue("server").unwrap();
    certificates.issue("client").unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let strangers = Certificates::new(stranger.path()).unwrap();
    strangers.issue("client").unwrap();
    let server = Server::start(data.path(), &["all"], &tls(folder.path()));
    let file = |name: &str| certificates.path(name);
    let (client, key) = (file("client.pem"), file("client.key"));
    reach(&server, &[&file("ca.pem"), &client, &key]).await.unwrap();
    assert!(reach(&server, &[&file("ca.pem")]).await.is_err());
    let theirs = |name: &str| strangers.path(name);
    assert!(
        reach(
            &server,
            &[&file("ca.pem"), &theirs("client.pem"), &theirs("client.key")]
        )
        .await
        .is_err()
    );
    assert!(reach(&server, &[&theirs("ca.pem"), &client, &key]).await.is_err());
    // The command line, with a certificate of its own.
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    let ask = |settings: &[String]| ask(&url, settings);
    let own = [
        format!("client.ca={}", file("ca.pem")),
        format!("client.certificate={client}"),
        format!("client.key={key}"),
    ];
    ask(&own).ok();
    ask(&own[..1]).fails(1, &[]);
    // A new authority signs everything anew.
    let renewed = Certificates::new(folder.path()).unwrap();
    renewed.issue("server").unwrap();
    renewed.issue("client").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    reach(&server, &[&file("ca.pem"), &client, &key]).await.unwrap();
    ask(&own).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_tls() {
    let (data, folder) = (market().copy(), tempfile::tempdir().unwrap());
    let certificates = Certificates::new(folder.path()).unwrap();
    certificates.issue("redis").unwrap();
    let redis = Redis::encrypted(&certificates).unwrap();
    let keys = || redis.command(&["DBSIZE"]).unwrap();
    let serve = |trusted: bool| {
        let mut serve = command(["serve"]);
        if trusted {
            serve.env("SSL_CERT_FILE", certificates.path("ca.pem"));
        }
        let settings = [format!("redis.url={}", redis.url())];
        Server::begin(serve, "127.0.0.1:0", data.path(), &["all"], &settings)
    };
    // A stranger's certificate is not taken, and Redis is done without.
    let server = serve(false);
    ask(&server.url(), &[]).ok();
    assert_eq!(keys(), "0\n");
    drop(server);
    let server = serve(true);
    ask(&server.url(), &[]).ok();
    assert_ne!(keys(), "0\n");
}
