//! Tokens: for how long they open anything, and that every command shows the one that it is given.

use std::time::Duration;

use bytes::Bytes;
use dualwheel_kit::failure::reason_of;
use dualwheel_tests::{keys::write_jwks, raw::Raw};
use jsonwebtoken::get_current_timestamp;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tonic::{Code, Request, Streaming, client::Grpc};

use crate::{
    harness::{BRAND, command, finish, generate},
    identity::House,
    requests::encode,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_ends_with_its_token_and_with_its_key() {
    let house = House::new(&["auth.leeway_s=0"]);
    let channel = house.server.channel();
    let path = "dualwheel.facts.v1.FactService/Append";
    let batch = |sequence: i64| {
        encode(
            path,
            &json!({"producer": "late", "sequence": sequence.to_string(), "kind": "FACT_KIND_BEHAVIOR",
            "rows": {"behaviors": [{"consumer": "c-1", "brand": BRAND}]}}),
        )
    };
    let open = async |token: &str| {
        let (sender, messages) = mpsc::channel::<Bytes>(1);
        let mut request = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = format!("/{path}").parse().unwrap();
        let answers = client.streaming(request, path, Raw).await.unwrap();
        (sender, answers.into_inner())
    };
    // A batch is taken; then something ends the stream, though nobody sends anything more.
    let ends = async |(sender, mut answers): (mpsc::Sender<Bytes>, Streaming<Bytes>),
                      sequence: i64,
                      end: &dyn Fn()| {
        sender.send(batch(sequence)).await.unwrap();
        assert!(answers.message().await.unwrap().is_some());
        end();
        let ended = timeout(Duration::from_secs(20), answers.message()).await;
        let status = ended.expect("the stream goes on").unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("UNAUTHENTICATED"));
    };
    let soon = house
        .issuer
        .sign(&json!({"sub": "tester", "tenant": "default", "brands": ["*"], "scope": "facts.write", "iss": "tests",
            "aud": "dualwheel", "exp": get_current_timestamp() + 8}))
        .unwrap();
    ends(open(&soon).await, 1, &|| {}).await;
    let good = house.token("default", &["*"]);
    let jwks = house.folder.path().join("jwks.json");
    ends(open(&good).await, 2, &|| {
        std::fs::write(&jwks, "{\"keys\": []}").unwrap()
    })
    .await;
    let logged = async {
        while !house.server.log().contains("every caller is refused") {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), logged).await.unwrap();
    // With a fresh token, or the key back, a new stream goes on.
    write_jwks(&jwks, &[&house.issuer]).unwrap();
    sleep(Duration::from_millis(1_200)).await;
    let (sender, mut answers) = open(&good).await;
    sender.send(batch(3)).await.unwrap();
    assert!(answers.message().await.unwrap().is_some());
}

#[test]
fn every_command_shows_the_token_that_is_configured() {
    let house = House::new(&[]);
    let token = house.folder.path().join("token");
    // Of a tenant without facts, so that each is answered at once.
    std::fs::write(&token, house.token("other", &["*"])).unwrap();
    let facts = tempfile::tempdir().unwrap();
    generate(facts.path(), 7);
    let keys = house.folder.path().join("keys");
    std::fs::write(&keys, "c-1\n").unwrap();
    let component = house.folder.path().join("m.wasm");
    std::fs::write(&component, "x").unwrap();
    std::fs::write(house.folder.path().join("m.wasm.sig"), "x").unwrap();
    let (keys, component) = (keys.display().to_string(), component.display().to_string());
    let days = "--window=2026-04-01..2026-06-30";
    let (brand, at) = ("--brand=B", "--as-of=2026-06-30");
    let koc = "--world=koc-model";
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["diagnose", brand, days, "--peers=C,D,E"],
        vec!["consumer", "values", brand, at],
        vec!["consumer", "journeys", brand, days],
        vec!["consumer", "moves", brand, days],
        vec!["consumer", "sources", brand, days],
        vec!["consumer", "winback", brand, at],
        vec!["consumer", "winback", brand, at, "--outlooks"],
        vec!["consumer", "winback", brand, at, "--save=w"],
        vec!["consumer", "delete", "c-1"],
        vec!["consumer", "deletions"],
        vec!["consumer", "deletions", "none"],
        vec!["consumer", "export", "c-1"],
        vec!["audience", "estimate", "stage(L)", brand, at],
        vec!["audience", "export", "stage(L)", brand, at],
        vec!["audience", "compare", "stage(L)", "stage(P)", brand, at],
        vec!["audience", "profile", "stage(L)", brand, at],
        vec!["audience", "expand", "stage(L)", brand, at, "--size=5"],
        vec!["audience", "clusters", "--expression=stage(L)", brand, at],
        vec!["audience", "save", "stage(L)", brand, at, "--id=a"],
        vec!["audience", "import", &keys, brand, "--id=b"],
        vec!["audience", "list"],
        vec!["audience", "show", "a"],
        vec!["audience", "update", "a", "--name=n"],
        vec!["audience", "refresh", "a"],
        vec!["audience", "delete", "a"],
        vec!["index", "show"],
        vec!["index", "rebuild"],
        vec!["index", "verify"],
        vec!["koc", brand, at],
        vec!["koc", brand, at, "--list=5"],
        vec!["trends", brand, at],
        vec!["plugin", "trust", "p", "--key", &keys],
        vec!["plugin", "trust", "p", "--key", &keys, "--also"],
        vec!["plugin", "distrust", "p", "--key", &keys],
        vec!["plugin", "distrust", "p"],
        vec!["plugin", "publishers"],
        vec!["plugin", "publish", &component, "--publisher=p"],
        vec!["plugin", "list"],
        vec!["plugin", "activate", "m@1.0.0", brand],
        vec!["plugin", "retire", "m@1.0.0"],
        vec!["plugin", "delete", "m@1.0.0"],
        vec!["plugin", "deactivate", brand, koc],
        vec!["plugin", "shadow", "m@1.0.0", brand, koc],
        vec!["plugin", "promote", brand, koc],
        vec!["plugin", "rollback", brand, koc],
        vec!["plugin", "history", brand, koc],
        vec!["plugin", "runs", brand, koc],
        vec!["plugin", "replay", "none"],
    ];
    for group in [
        "aipl", "flow", "fast", "grow", "rfm", "value", "super", "start", "plus", "neo", "index",
    ] {
        commands.push(vec!["ask", group, brand, days, "--peers=C,D,E"]);
    }
    let facts = facts.path().display().to_string();
    commands.push(vec!["import", "--facts", &facts]);
    let (url, with) = (
        house.server.url(),
        format!("client.token_file={}", token.display()),
    );
    let run = |args: &[&str], settings: &[&str]| {
        let mut run = command(args);
        run.args(["--endpoint", &url]);
        settings.iter().for_each(|setting| {
            run.args(["--set", setting]);
        });
        finish(&mut run)
    };
    for args in &commands {
        run(args, &[]).fails(1, &["UNAUTHENTICATED"]);
        let shown = run(args, &[&with]);
        assert!(
            shown.code < 2 && !shown.err.contains("UNAUTHENTICATED"),
            "{args:?} forgets the token: {}",
            shown.err
        );
    }
    run(&["import", "--facts", &facts], &[&with]).ok();
}

/// The calls that a run makes of the other services show the token too: with one of some brands, they see no others.
#[test]
fn a_diagnosis_is_followed_to_its_end_with_the_token_that_is_configured() {
    let house = House::new(&[]);
    let token = house.folder.path().join("token");
    let report = house.folder.path().join("report.html");
    let (url, report) = (house.server.url(), format!("--report={}", report.display()));
    let with = format!("client.token_file={}", token.display());
    let run = |brands: &[&str]| {
        std::fs::write(&token, house.token("default", brands)).unwrap();
        finish(&mut command([
            "diagnose",
            "--brand",
            BRAND,
            "--window=2026-04-01..2026-06-30",
            "--peers=brand-02,brand-03,brand-04",
            &report,
            "--endpoint",
            &url,
            "--set",
            &with,
        ]))
    };
    run(&["*"]).ok();
    run(&[BRAND, "brand-02", "brand-03", "brand-04"]).ok();
    run(&[BRAND, "brand-02", "brand-03"]).fails(1, &["PERMISSION_DENIED"]);
}
