//! Wrong questions, batches, mappings and settings: each is refused with its reason, and names what is wrong.

use std::{fs, path::Path};

use dualwheel_kit::failure::{reason_of, violations_of};
use dualwheel_proto::{
    consumer::{
        GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest, GetGrowRequest,
        consumer_service_client::ConsumerServiceClient,
    },
    content::{GetStartRequest, content_service_client::ContentServiceClient},
    diagnosis::{
        DiagnosisSpec, GetIndexRequest, GetNeoRequest, GetRunRequest, Peer, StartDiagnosisRequest,
        diagnosis_service_client::DiagnosisServiceClient,
    },
    facts::{
        AppendRequest, ConfigureTenantRequest, FactKind, append_request,
        fact_service_client::FactServiceClient,
    },
    membership::{GetClosenessRequest, GetPlusRequest, membership_service_client::MembershipServiceClient},
    product::{
        GetPriceStrengthRequest, GetSuperRequest, ListLifecycleRequest,
        product_service_client::ProductServiceClient,
    },
    types::{MetricQuery, Window},
};
use tonic::{Code, Status, transport::Channel};

use crate::harness::{
    Server, command, date, finish, journey, journey_import, market, market_window, question, question_by,
    run, window,
};

const BRAND: &str = "brand-01";

// ---- questions over gRPC

/// Asks every metric RPC the same question; answers the refusals by RPC.
async fn refusals(channel: Channel, query: Option<MetricQuery>) -> Vec<(&'static str, Status)> {
    let mut consumer = ConsumerServiceClient::new(channel.clone());
    let mut product = ProductServiceClient::new(channel.clone());
    let mut content = ContentServiceClient::new(channel.clone());
    let mut membership = MembershipServiceClient::new(channel.clone());
    let mut diagnosis = DiagnosisServiceClient::new(channel);
    let mut found = Vec::new();
    macro_rules! ask {
        ($($client:ident.$call:ident($request:ident { $($more:tt)* });)+) => {$(
            let answer = $client.$call($request { query: query.clone(), $($more)* }).await;
            found.push((stringify!($call), answer.expect_err(stringify!($call))));
        )+};
    }
    ask! {
        consumer.get_aipl(GetAiplRequest {});
        consumer.get_flow(GetFlowRequest {});
        consumer.get_fast(GetFastRequest { trend_step: 0 });
        consumer.get_grow(GetGrowRequest { base: None });
        consumer.get_brand_signals(GetBrandSignalsRequest {});
        product.get_super(GetSuperRequest {});
        product.get_price_strength(GetPriceStrengthRequest {});
        content.get_start(GetStartRequest {});
        membership.get_plus(GetPlusRequest {});
        membership.get_closeness(GetClosenessRequest {});
        diagnosis.get_neo(GetNeoRequest { peers: Vec::new() });
    }
    found
}

fn fields(status: &Status) -> Vec<String> {
    violations_of(status)
        .into_iter()
        .map(|(field, _)| field)
        .collect()
}

#[track_caller]
fn assert_refused(rpc: &str, status: &Status, code: Code, reason: &str, wrong: &[&str]) {
    assert_eq!(
        (status.code(), reason_of(status).as_deref()),
        (code, Some(reason)),
        "{rpc}: {status:?}"
    );
    assert_eq!(fields(status), wrong, "{rpc}: {status:?}");
}

#[tokio::test]
async fn wrong_questions_are_refused_by_every_metric_rpc() {
    let data = market().copy();
    let server = Server::all(data.path());
    let channel = || server.channel();
    for (rpc, status) in refusals(channel(), question("nobody", market_window())).await {
        assert_refused(rpc, &status, Code::NotFound, "BRAND_UNKNOWN", &[]);
        assert!(status.message().contains("nobody"), "{rpc}: {status:?}");
    }
    let cases: [(Option<MetricQuery>, &str); 6] = [
        (
            question(BRAND, window("2026-06-30", "2026-04-01")),
            "query.window",
        ),
        (
            question(BRAND, window("9998-12-01", "9998-12-31")),
            "query.window.last_day",
        ),
        (
            question(BRAND, window("2026-02-30", "2026-04-01")),
            "query.window.first_day",
        ),
        (question_by(BRAND, market_window(), "nose"), "query.by"),
        (question("", market_window()), "query.brand"),
        (
            question(BRAND, market_window()).map(|query| MetricQuery {
                category_level: -1,
                ..query
            }),
            "query.category_level",
        ),
    ];
    for (query, wrong) in cases {
        for (rpc, status) in refusals(channel(), query.clone()).await {
            assert_refused(rpc, &status, Code::InvalidArgument, "INVALID_QUESTION", &[wrong]);
        }
    }
    for (rpc, status) in refusals(channel(), None).await {
        assert_refused(
            rpc,
            &status,
            Code::InvalidArgument,
            "INVALID_QUESTION",
            &["query.brand", "query.window"],
        );
    }
    // A dimension that another group has.
    let by_role = GetAiplRequest {
        query: question_by(BRAND, market_window(), "role"),
    };
    let status = ConsumerServiceClient::new(channel())
        .get_aipl(by_role)
        .await
        .unwrap_err();
    assert_refused(
        "get_aipl",
        &status,
        Code::InvalidArgument,
        "INVALID_QUESTION",
        &["query.by"],
    );
    let unknown = ListLifecycleRequest {
        brand: "nobody".to_owned(),
        day: Some(date("2026-06-30")),
        ..ListLifecycleRequest::default()
    };
    let status = ProductServiceClient::new(channel())
        .list_lifecycle(unknown)
        .await
        .unwrap_err();
    assert_refused("list_lifecycle", &status, Code::NotFound, "BRAND_UNKNOWN", &[]);
}

fn spec(brand: &str, peers: &[&str], window: Window) -> Option<DiagnosisSpec> {
    let peers = peers.iter().map(|brand| Peer {
        brand: (*brand).to_owned(),
        ..Peer::default()
    });
    Some(DiagnosisSpec {
        brand: brand.to_owned(),
        window: Some(window),
        peers: peers.collect(),
        ..DiagnosisSpec::default()
    })
}

#[tokio::test]
async fn wrong_diagnoses_are_refused_before_they_begin() {
    let data = market().copy();
    let server = Server::all(data.path());
    let mut client = DiagnosisServiceClient::new(server.channel());
    let peers = ["brand-02", "brand-03", "brand-04"];
    let supplied = spec(BRAND, &peers, market_window()).map(|mut spec| {
        spec.peers[1]
            .supplied
            .insert("no.such".to_owned(), Default::default());
        spec.modes = vec!["luck-led".to_owned()];
        spec
    });
    let cases: [(Option<DiagnosisSpec>, &[&str]); 8] = [
        (None, &["spec.brand", "spec.window"]),
        (spec(BRAND, &[], market_window()), &["spec.peers"]),
        (
            spec(BRAND, &["brand-02", "brand-03", "brand-02"], market_window()),
            &["spec.peers[2].brand"],
        ),
        (
            spec(BRAND, &["brand-02", BRAND], market_window()),
            &["spec.peers[1].brand"],
        ),
        (
            spec(BRAND, &["brand-02", "stranger", "brand-03"], market_window()),
            &["spec.peers[1].brand"],
        ),
        (
            spec(BRAND, &peers, window("2026-06-30", "2026-04-01")),
            &["spec.window"],
        ),
        (
            spec(BRAND, &peers, window("9998-12-01", "9998-12-31")),
            &["spec.window.last_day"],
        ),
        (
            supplied,
            &["spec.peers[1].supplied[\"no.such\"]", "spec.modes[0]"],
        ),
    ];
    for (spec, wrong) in cases {
        let index = client
            .get_index(GetIndexRequest { spec: spec.clone() })
            .await
            .unwrap_err();
        assert_refused(
            "get_index",
            &index,
            Code::InvalidArgument,
            "INVALID_QUESTION",
            wrong,
        );
        let request = StartDiagnosisRequest {
            spec,
            request_id: String::new(),
        };
        let start = client.start_diagnosis(request).await.unwrap_err();
        assert_refused(
            "start_diagnosis",
            &start,
            Code::InvalidArgument,
            "INVALID_QUESTION",
            wrong,
        );
    }
    let unknown = GetIndexRequest {
        spec: spec("nobody", &peers, market_window()),
    };
    let status = client.get_index(unknown).await.unwrap_err();
    assert_refused("get_index", &status, Code::NotFound, "BRAND_UNKNOWN", &[]);
    let set = spec(BRAND, &[], market_window()).map(|spec| DiagnosisSpec {
        peer_set: "peerSets/none".into(),
        ..spec
    });
    let status = client.get_index(GetIndexRequest { spec: set }).await.unwrap_err();
    assert_refused("get_index", &status, Code::NotFound, "PEER_SET_UNKNOWN", &[]);
    let status = client
        .get_run(GetRunRequest {
            name: "runs/none".to_owned(),
        })
        .await
        .unwrap_err();
    assert_refused("get_run", &status, Code::NotFound, "RUN_UNKNOWN", &[]);
    let twice = GetNeoRequest {
        query: question(BRAND, market_window()),
        peers: ["brand-02", "brand-02"].map(str::to_owned).into(),
    };
    assert_eq!(
        client.get_neo(twice).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

// ---- batches

async fn append(channel: Channel, request: AppendRequest) -> Status {
    let mut client = FactServiceClient::new(channel);
    match client.append(tokio_stream::iter([request])).await {
        Err(status) => status,
        Ok(answers) => answers.into_inner().message().await.unwrap_err(),
    }
}

#[tokio::test]
async fn wrong_batches_and_settings_are_refused_as_a_whole() {
    let data = market().copy();
    let server = Server::start(data.path(), &["consumer"], &[]);
    let batch = |bytes: Vec<u8>| AppendRequest {
        producer: "p".to_owned(),
        sequence: 1,
        kind: FactKind::Behavior.into(),
        batch: Some(append_request::Batch::ArrowIpc(bytes)),
    };
    let status = append(server.channel(), batch(b"no arrow".to_vec())).await;
    assert_refused("no arrow", &status, Code::InvalidArgument, "BATCH_MALFORMED", &[]);
    for bytes in [17 << 20, 40 << 20] {
        let status = append(server.channel(), batch(vec![0; bytes])).await;
        assert_refused(
            "too large",
            &status,
            Code::InvalidArgument,
            "BATCH_TOO_LARGE",
            &[],
        );
    }
    let foreign = AppendRequest {
        kind: FactKind::Product.into(),
        ..batch(Vec::new())
    };
    let status = append(server.channel(), foreign).await;
    assert_refused(
        "foreign",
        &status,
        Code::FailedPrecondition,
        "FACT_NOT_OWNED",
        &[],
    );
    let mut client = FactServiceClient::new(server.channel());
    for (zone, currency, reason) in [
        ("Europe/Berlin", "", "TENANT_TIME_ZONE_FIXED"),
        ("Asia/Shanghai", "USD", "TENANT_CURRENCY_FIXED"),
    ] {
        let request = ConfigureTenantRequest {
            time_zone: zone.to_owned(),
            currency: currency.to_owned(),
        };
        let status = client.configure_tenant(request).await.unwrap_err();
        assert_refused(zone, &status, Code::FailedPrecondition, reason, &[]);
    }
}

// ---- the command line

fn ask(data: &Path, args: &[&str]) -> crate::harness::Ran {
    finish(command(["ask"]).args(args).arg("--data").arg(data))
}

#[test]
fn wrong_questions_on_the_command_line() {
    let data = market().copy();
    let days = "--window=2026-04-01..2026-06-30";
    ask(data.path(), &["fast", "--brand", "nobody", days]).fails(1, &["BRAND_UNKNOWN", "nobody"]);
    ask(
        data.path(),
        &["fast", "--brand", BRAND, "--window=2026-06-30..2026-04-01"],
    )
    .fails(2, &["--window", "ends before"]);
    ask(data.path(), &["fast", "--brand", BRAND, "--window=soon"]).fails(2, &["--window"]);
    ask(
        data.path(),
        &["fast", "--brand", BRAND, "--window=9998-12-01..9998-12-31"],
    )
    .fails(1, &["INVALID_QUESTION", "query.window.last_day", "future"]);
    ask(data.path(), &["super", "--brand", BRAND, days, "--by", "nose"])
        .fails(1, &["query.by", "price_band"]);
    ask(
        data.path(),
        &["plus", "--brand", BRAND, days, "--as-of", "2026-05-01"],
    )
    .fails(1, &["query.as_of"]);
    ask(
        data.path(),
        &[
            "index",
            "--brand",
            BRAND,
            days,
            "--peers",
            "brand-02,stranger,brand-03",
        ],
    )
    .fails(1, &["spec.peers[1].brand"]);
    ask(
        data.path(),
        &["index", "--brand", BRAND, days, "--peers", "brand-02,brand-02"],
    )
    .fails(1, &["spec.peers[1].brand", "once"]);
    ask(
        data.path(),
        &["fast", "--brand", BRAND, days, "--endpoint", "http://127.0.0.1:1"],
    )
    .fails(1, &["error"]);
    run(["ask", "shoe-size", "--brand", BRAND, days]).fails(2, &["shoe-size", "aipl"]);
    let peers = [
        "diagnose",
        "--brand",
        BRAND,
        days,
        "--peers",
        "brand-02,stranger",
        "--data",
    ];
    finish(command(peers).arg(data.path())).fails(1, &["spec.peers[1].brand"]);
    // A lake without a fact.
    let empty = tempfile::tempdir().unwrap();
    ask(empty.path(), &["aipl", "--brand", BRAND, days]).fails(1, &["BRAND_UNKNOWN"]);
}

#[test]
fn wrong_mappings_name_the_entry_and_the_column() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("x.csv");
    fs::write(&csv, "a,b\n1,2\n").unwrap();
    let lake = folder.path().join("lake");
    let import = |text: &str, source: &str| {
        let mapping = folder.path().join("m.yaml");
        fs::write(&mapping, text).unwrap();
        let args = ["import".as_ref(), "--mapping".as_ref(), mapping.as_os_str()];
        finish(command(args).args(["--source", source, "--data"]).arg(&lake))
    };
    let source = format!("x={}", csv.display());
    let with = |sql: &str| {
        format!(
            "{{about: t, time_zone: UTC, currency: USD, sources: {{x: {{}}}}, facts: [{{fact: member, sql: \"{sql}\"}}]}}"
        )
    };
    import(&with("SELECT missing AS consumer FROM x"), &source).fails(1, &["facts[0] (member)", "missing"]);
    import(&with("SELECT a AS consumer FORM x"), &source).fails(1, &["facts[0] (member)"]);
    import(&with("SELECT a AS stranger FROM x"), &source).fails(1, &["facts[0]", "`stranger`"]);
    import(&with("SELECT a AS consumer FROM x"), &source).fails(1, &["facts[0]", "`brand`"]);
    import("about: [", &source).fails(1, &["m.yaml"]);
    import(&with("SELECT 1").replace("UTC", "Mars/Base"), &source).fails(1, &["m.yaml", "Mars/Base"]);
    import(&with("SELECT 1").replace("member", "nose"), &source)
        .fails(1, &["facts[0]", "`nose`", "order_line"]);
    import(&with("SELECT a AS consumer FROM x"), "y=/dev/null").fails(1, &["`y`"]);
    import(&with("SELECT a AS consumer FROM x"), "x=/nowhere/x.csv").fails(1, &["`x`"]);
    import(&with("SELECT a AS consumer FROM x"), "x").fails(2, &["NAME=VALUE"]);
    run(["import", "--mapping", "no-such-mapping"]).fails(1, &["no-such-mapping", "complete-journey"]);
    run(["import"]).fails(2, &["--mapping"]);
    assert!(
        !lake.join("members").exists(),
        "a refused mapping wrote something"
    );
}

#[test]
fn an_import_in_another_time_zone_is_refused() {
    let data = market().copy();
    let before = fs::read_dir(data.path().join("order_lines/_delta_log"))
        .unwrap()
        .count();
    let told = finish(command(journey_import()).arg("--data").arg(data.path()));
    told.fails(
        1,
        &["TENANT_TIME_ZONE_FIXED", "Asia/Shanghai", "America/New_York"],
    );
    let after = fs::read_dir(data.path().join("order_lines/_delta_log"))
        .unwrap()
        .count();
    assert_eq!(after, before, "a refused import wrote something");
    // The other way round, by a folder of facts.
    let journey = journey().copy();
    let facts = tempfile::tempdir().unwrap();
    crate::harness::generate(facts.path(), 7);
    let import = finish(
        command(["import", "--facts"])
            .arg(facts.path())
            .arg("--data")
            .arg(journey.path()),
    );
    import.fails(1, &["TENANT_TIME_ZONE_FIXED"]);
}
