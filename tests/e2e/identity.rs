//! Who may see what: every RPC with the tokens of others, over TLS, and what the audit log says of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use dualwheel_kit::access::{BrandRule, Effect, Method};
use dualwheel_proto::diagnosis::{Diagnosis, GetIndexResponse, GetRunResponse, StartDiagnosisResponse};
use dualwheel_tests::keys::{Issuer, write_jwks};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::{BRAND, Ran, Server, command, finish, market},
    requests::{self, day, requests, unstored},
};

/// A brand of the market whose token must not open [`BRAND`].
const OTHER: &str = "brand-02";

/// Calls any method with a request in JSON and a token; answers the bytes of all messages.
async fn call(channel: &Channel, token: &str, path: &str, json: &Value) -> Result<Bytes, Status> {
    requests::call(channel, ("authorization", &format!("Bearer {token}")), path, json).await
}

/// Serves the market to who shows a token.
pub struct House {
    pub server: Server,
    pub issuer: Issuer,
    pub folder: TempDir,
    _data: TempDir,
}

impl House {
    pub fn new(settings: &[&str]) -> Self {
        let (data, folder) = (market().copy(), tempfile::tempdir().unwrap());
        let issuer = Issuer::ed25519("k1").unwrap();
        let jwks = folder.path().join("jwks.json");
        write_jwks(&jwks, &[&issuer]).unwrap();
        let audit = folder.path().join("audit.log");
        let mut all = vec![
            format!("auth.jwks={}", jwks.display()),
            "auth.issuer=tests".to_owned(),
            "auth.audience=dualwheel".to_owned(),
            format!("log.audit={}", audit.display()),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        Self {
            server: Server::start(data.path(), &["all"], &all),
            issuer,
            folder,
            _data: data,
        }
    }

    pub fn token(&self, tenant: &str, brands: &[&str]) -> String {
        self.issuer.token(tenant, brands, "").unwrap()
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// What [`BRAND`] has stored, and a key of one of its customers.
async fn stored(house: &House) -> BTreeMap<&'static str, String> {
    let (channel, token) = (house.server.channel(), house.token("default", &["*"]));
    let pool = DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap();
    let ask = async |path: &str, message: &str, request: Value| -> Value {
        let answer = call(&channel, &token, path, &request)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let message = DynamicMessage::decode(pool.get_message_by_name(message).unwrap(), answer).unwrap();
        serde_json::to_value(message).unwrap()
    };
    let requests = requests(&unstored());
    let package = "dualwheel.consumer.v1";
    let mut create = requests["dualwheel.consumer.v1.AudienceService/CreateAudience"].clone();
    create["audienceId"] = "planted".into();
    create["audience"]["displayName"] = "planted-name".into();
    ask(
        &format!("{package}.AudienceService/CreateAudience"),
        "dualwheel.consumer.v1.CreateAudienceResponse",
        create,
    )
    .await;
    let run = ask(
        "dualwheel.diagnosis.v1.DiagnosisService/StartDiagnosis",
        "dualwheel.diagnosis.v1.StartDiagnosisResponse",
        requests["dualwheel.diagnosis.v1.DiagnosisService/StartDiagnosis"].clone(),
    )
    .await;
    let job = ask(
        "dualwheel.job.v1.JobService/CreateJob",
        "dualwheel.job.v1.CreateJobResponse",
        requests["dualwheel.job.v1.JobService/CreateJob"].clone(),
    )
    .await;
    let mut set = requests["dualwheel.diagnosis.v1.PeerSetService/CreatePeerSet"].clone();
    set["peerSetId"] = "planted-set".into();
    ask(
        "dualwheel.diagnosis.v1.PeerSetService/CreatePeerSet",
        "dualwheel.diagnosis.v1.CreatePeerSetResponse",
        set,
    )
    .await;
    let deletion = ask(
        &format!("{package}.PrivacyService/DeleteConsumers"),
        "dualwheel.consumer.v1.DeleteConsumersResponse",
        json!({"consumers": ["c-no-such"]}),
    )
    .await;
    let keys = ask(
        &format!("{package}.AudienceService/ExportAudience"),
        "dualwheel.consumer.v1.ExportAudienceResponse",
        requests["dualwheel.consumer.v1.AudienceService/ExportAudience"].clone(),
    )
    .await;
    let told = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    BTreeMap::from([
        ("audience", "audiences/planted".to_owned()),
        ("run", told(&run["run"]["name"])),
        ("job", told(&job["job"]["name"])),
        ("peer set", "peerSets/planted-set".to_owned()),
        ("plugin run", "pluginRuns/none".to_owned()),
        ("deletion", told(&deletion["deletion"]["name"])),
        ("consumer", told(&keys["consumers"][0])),
    ])
}

/// Methods that the test's owner cannot have answered well: they would need a signed plugin.
fn needs_a_plugin(method: &Method) -> bool {
    method.path.starts_with("dualwheel.plugin.") && !matches!(method.effect, Effect::Read)
        || method.path.ends_with("/GetPlugin")
        || method.path.ends_with("/CheckPlugin")
        || method.path.ends_with("PluginRun")
        || method.path.ends_with("PluginPublication")
}

fn is_refused(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::PermissionDenied)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rpc_tells_a_token_of_others_anything() {
    let house = House::new(&[]);
    let stored = stored(&house).await;
    let requests = requests(&stored);
    let channel = house.server.channel();
    // Everything that only the owner's data have in them; brands and what a request itself names come back in errors.
    let secrets = ["planted-name", &stored["consumer"], "brand-01-p"];
    let (other_tenant, other_brand) = (house.token("other", &["*"]), house.token("default", &[OTHER]));
    for method in Method::all() {
        let request = &requests[method.path];
        let text = request.to_string();
        for (who, token) in [("tenant", &other_tenant), ("brand", &other_brand)] {
            let told = format!("{} with the token of another {who}", method.path);
            let (bytes, code) = match call(&channel, token, method.path, request).await {
                Ok(bytes) => (bytes, Code::Ok),
                Err(status) => (Bytes::from(format!("{status:?}")), status.code()),
            };
            for secret in secrets.iter().filter(|secret| !text.contains(**secret)) {
                assert!(!has(&bytes, secret), "{told} tells `{secret}`: {bytes:?}");
            }
            match (who, method.brands) {
                // Their own, empty tenant may well be written to and listed; nothing there is the owner's.
                ("tenant", BrandRule::Whole | BrandRule::Free) => {}
                ("tenant", _) if method.path.ends_with("/ListPeerSets") => {}
                // What is answered is about their own tenant: definitions, and what the request itself says.
                ("tenant", _) if code == Code::Ok => {
                    let short = bytes.len() < 600 || method.path.ends_with("/ExplainMetric");
                    assert!(short && !has(&bytes, "brand-03"), "{told} is answered: {bytes:?}");
                }
                // A list of what is shown to the brand: of nothing.
                ("brand", BrandRule::Stored) if code == Code::Ok => {
                    assert!(bytes.is_empty(), "{told}: {bytes:?}")
                }
                ("brand", BrandRule::Free) => assert!(!has(&bytes, BRAND), "{told}: {bytes:?}"),
                ("tenant", _) => assert!(
                    is_refused(code) || code == Code::InvalidArgument || code == Code::FailedPrecondition,
                    "{told}: {code:?} {bytes:?}"
                ),
                _ => assert!(is_refused(code), "{told}: {code:?} {bytes:?}"),
            }
        }
    }
    // The owner is answered, or told what the small market lacks: nothing above was refused for being asked wrongly.
    let owner = house.token("default", &["*"]);
    let (mut answered, mut refused) = (0, Vec::new());
    for method in Method::all().iter().filter(|method| !needs_a_plugin(method)) {
        match call(&channel, &owner, method.path, &requests[method.path]).await {
            Ok(_) => answered += 1,
            Err(status) if is_refused(status.code()) => refused.push(format!("{}: {status:?}", method.path)),
            Err(_) => {}
        }
    }
    assert!(refused.is_empty(), "the owner is refused: {refused:#?}");
    assert!(answered > 50, "the owner is answered only {answered} times");
    check_audit(&house);
}

/// The owner of one brand is scored against others of which only aggregates are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_brand_is_diagnosed_against_aggregates_and_an_opened_set() {
    const PACKAGE: &str = "dualwheel.diagnosis.v1";
    let house = House::new(&[]);
    let channel = house.server.channel();
    let (admin, owner) = (house.token("default", &["*"]), house.token("default", &[BRAND]));
    let stranger = house.token("default", &[OTHER]);
    let ask = async |token: &str, method: &str, request: Value| {
        let service = if method.ends_with("PeerSet") {
            "PeerSetService"
        } else {
            "DiagnosisService"
        };
        call(
            &channel,
            token,
            &format!("{PACKAGE}.{service}/{method}"),
            &request,
        )
        .await
    };
    let index = async |token: &str, spec: Value| -> Result<Diagnosis, Status> {
        let bytes = ask(token, "GetIndex", json!({"spec": spec})).await?;
        Ok(GetIndexResponse::decode(bytes).unwrap().diagnosis.unwrap())
    };
    let window = json!({"firstDay": day(4, 1), "lastDay": day(6, 30)});
    let others = json!([{"brand": "brand-03"}, {"brand": "brand-04"}, {"brand": "brand-05"}]);
    let against = |peers: Value| json!({"brand": BRAND, "window": window, "peers": peers});
    let code = |answer: Result<Diagnosis, Status>| answer.map_or_else(|status| status.code(), |_| Code::Ok);
    assert_eq!(
        code(index(&owner, against(others.clone())).await),
        Code::PermissionDenied
    );

    // Values that come along are nobody's facts.
    let supplied =
        |name: &str, value: f64| json!({"brand": name, "supplied": {"super.star": {"value": value}}});
    let along = json!([
        supplied("brand-03", 0.1),
        supplied("rival", 0.2),
        supplied("other", 0.3)
    ]);
    let diagnosis = index(&owner, against(along)).await.unwrap();
    assert_eq!(diagnosis.reference_size, 4);

    // What the administrator has measured is what the administrator would be answered, whoever asks.
    let make = json!({"peerSetId": "house", "measuredOver": window,
        "peerSet": {"displayName": "house", "peers": others, "openTo": [BRAND]}});
    assert_eq!(
        ask(&owner, "CreatePeerSet", make.clone())
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    ask(&admin, "CreatePeerSet", make).await.unwrap();
    let by_set = json!({"brand": BRAND, "window": window, "peerSet": "peerSets/house"});
    let (measured, live) = (
        index(&owner, by_set.clone()).await.unwrap(),
        index(&admin, against(others)).await.unwrap(),
    );
    assert_eq!(measured.index, live.index);
    assert_eq!(measured.members, live.members);
    let shifted = json!({"brand": BRAND, "peerSet": "peerSets/house",
        "window": {"firstDay": day(4, 1), "lastDay": day(6, 29)}});
    assert_eq!(code(index(&owner, shifted).await), Code::InvalidArgument);
    let set = json!({"name": "peerSets/house"});
    ask(&owner, "GetPeerSet", set.clone()).await.unwrap();
    assert_eq!(
        ask(&stranger, "GetPeerSet", set).await.unwrap_err().code(),
        Code::NotFound
    );
    let strangers = json!({"brand": OTHER, "window": window, "peerSet": "peerSets/house"});
    assert_eq!(code(index(&stranger, strangers).await), Code::NotFound);

    // The run is the brand's own.
    let started = ask(&owner, "StartDiagnosis", json!({"spec": by_set}))
        .await
        .unwrap();
    let name = StartDiagnosisResponse::decode(started).unwrap().run.unwrap().name;
    ask(&owner, "WatchRun", json!({"name": name})).await.unwrap();
    let run = ask(&owner, "GetRun", json!({"name": name})).await.unwrap();
    let run = GetRunResponse::decode(run).unwrap().run.unwrap();
    assert_eq!(run.result.unwrap().members, live.members);
    assert_eq!(
        ask(&stranger, "GetRun", json!({"name": name}))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
}

/// Every write and export is told, and nothing of what was in it.
fn check_audit(house: &House) {
    let told = house.audit();
    for method in Method::all()
        .iter()
        .filter(|method| matches!(method.effect, Effect::Write | Effect::Export))
    {
        let lines: Vec<_> = told.iter().filter(|line| line["method"] == method.path).collect();
        let reached = lines
            .iter()
            .filter(|line| line["tenant"] == "default" || line["tenant"] == "other");
        assert!(reached.count() > 0, "{} is not in the audit log", method.path);
        assert!(
            lines
                .iter()
                .all(|line| line["subject"] == "tester" && line["kind"].is_string()),
            "{lines:?}"
        );
    }
    assert!(
        told.iter()
            .all(|line| line["method"] != "dualwheel.consumer.v1.ConsumerService/GetFast")
    );
    let by_owner = |method: &str| {
        let path = format!("dualwheel.consumer.v1.AudienceService/{method}");
        let line = told
            .iter()
            .find(|line| line["method"] == path.as_str() && line["code"] == "Ok");
        line.unwrap_or_else(|| panic!("{method} was not done"))
    };
    let exported = by_owner("ExportAudience");
    assert_eq!(exported["brand"], BRAND);
    assert!(exported["people"].as_u64() > Some(0), "{exported}");
    assert_eq!(
        exported["expression"].as_str().map(str::len),
        Some(64),
        "{exported}"
    );
    let made = by_owner("CreateAudience");
    assert_eq!(
        (&made["brand"], &made["resource"]),
        (&json!(BRAND), &json!("audiences/planted"))
    );
    assert_eq!(made["expression"], exported["expression"]);
    let text = serde_json::to_string(&told).unwrap();
    assert!(
        !text.contains("planted-name") && !text.contains("c-no-such"),
        "the audit log tells contents"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_are_looked_at_as_they_are_now() {
    let house = House::new(&[]);
    let channel = house.server.channel();
    let fast = "dualwheel.consumer.v1.ConsumerService/GetFast";
    let request =
        json!({"query": {"brand": BRAND, "window": {"firstDay": day(4, 1), "lastDay": day(6, 30)}}});
    let code = async |token: &str| match call(&channel, token, fast, &request).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    };
    let good = house.token("default", &["*"]);
    assert_eq!(code(&good).await, Code::Ok);
    assert_eq!(code("").await, Code::Unauthenticated);
    assert_eq!(
        code(
            &Issuer::ed25519("k1")
                .unwrap()
                .token("default", &["*"], "")
                .unwrap()
        )
        .await,
        Code::Unauthenticated
    );
    let narrow = house.issuer.token("default", &["*"], "facts.read").unwrap();
    assert_eq!(code(&narrow).await, Code::PermissionDenied);
    // A second issuer, of another kind of key, comes; then the first one goes.
    let second = Issuer::rsa("k2").unwrap();
    let of_second = second.token("default", &["*"], "metrics.read").unwrap();
    assert_eq!(code(&of_second).await, Code::Unauthenticated);
    let jwks = house.folder.path().join("jwks.json");
    for (issuers, first, other) in [
        (vec![&house.issuer, &second], Code::Ok, Code::Ok),
        (vec![&second], Code::Unauthenticated, Code::Ok),
    ] {
        write_jwks(&jwks, &issuers).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        assert_eq!((code(&good).await, code(&of_second).await), (first, other));
    }
    // Health needs no token; a command takes it from a file.
    let mut health = HealthClient::new(channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let token = house.folder.path().join("token");
    std::fs::write(&token, &of_second).unwrap();
    let ask = |settings: &[String]| ask(&house.server.url(), settings);
    ask(&[]).fails(1, &["UNAUTHENTICATED"]);
    ask(&[format!("client.token_file={}", token.display())]).ok();
}

/// The command line's question, with settings of its own.
pub fn ask(url: &str, settings: &[String]) -> Ran {
    let mut ask = command(["ask", "fast", "--brand", BRAND]);
    ask.args(["--window", "2026-04-01..2026-06-30", "--endpoint", url]);
    settings.iter().for_each(|setting| {
        ask.args(["--set", setting]);
    });
    finish(&mut ask)
}
