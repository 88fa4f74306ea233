//! A service that asks for tokens, with people of two brands and people of none.

use std::collections::BTreeSet;

use dualwheel_kit::config::{Auth, Config};
use dualwheel_proto::{
    clients,
    consumer::{EstimateAudienceRequest, EstimateAudienceResponse, ExportAudienceRequest},
    facts::{
        AppendRequest, Behavior, BehaviorKind, ConsumerProfile, FactKind, FactRows, Member, OrderLine,
        SocialProfile, append_request, fact_service_client::FactServiceClient,
    },
    types::DataVersion,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{
    audience_service::by_text,
    edges::{D, act, sale},
    service::house_with,
    world::{BRAND, date, instant},
};

/// The other brand.
pub const OTHER: &str = "b1";

/// Keys of RFC 8032, of tests alone.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Shows a token with every call.
#[derive(Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A token for some brands, or for `*`.
fn token(brands: &[&str]) -> Token {
    let scopes: Vec<&str> = dualwheel_kit::access::Scope::ALL
        .iter()
        .map(|scope| scope.name())
        .collect();
    let claims = json!({
        "sub": brands.join(" "), "tenant": "default", "brands": brands, "scope": scopes.join(" "),
        "exp": get_current_timestamp() + 3_600,
    });
    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let key = EncodingKey::from_ed_pem(PRIVATE.as_bytes()).unwrap();
    Token(
        format!("Bearer {}", encode(&header, &claims, &key).unwrap())
            .parse()
            .unwrap(),
    )
}

/// Somebody who asks.
#[derive(Clone)]
pub struct Asker(pub clients::Consumer<InterceptedService<Channel, Token>>);

impl Asker {
    pub async fn estimate(&mut self, text: &str) -> Result<EstimateAudienceResponse, Status> {
        let request = EstimateAudienceRequest {
            brand: BRAND.to_owned(),
            definition: by_text(text),
            as_of: date(D),
            data_version: None,
        };
        Ok(self.0.audiences.estimate_audience(request).await?.into_inner())
    }

    pub async fn export_at(
        &mut self,
        text: &str,
        data_version: Option<DataVersion>,
    ) -> Result<BTreeSet<String>, Status> {
        let request = ExportAudienceRequest {
            brand: BRAND.to_owned(),
            definition: by_text(text),
            as_of: date(D),
            data_version,
        };
        let mut stream = self.0.audiences.export_audience(request).await?.into_inner();
        let mut keys = BTreeSet::new();
        while let Some(some) = stream.message().await? {
            keys.extend(some.consumers);
        }
        Ok(keys)
    }

    pub async fn export(&mut self, text: &str) -> BTreeSet<String> {
        self.export_at(text, None).await.unwrap()
    }
}

/// The service, its facts, and who asks.
pub struct House {
    pub rows: FactRows,
    /// For every brand.
    pub all: Asker,
    /// For [`BRAND`] alone.
    pub own: Asker,
    /// For [`OTHER`] alone.
    pub other: Asker,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jwks = folder.path().join("jwks.json");
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": PUBLIC}]});
        std::fs::write(&jwks, keys.to_string()).unwrap();
        let config = Config {
            auth: Auth {
                jwks: Some(jwks.display().to_string()),
                ..Auth::default()
            },
            ..Config::default()
        };
        let (_, channel) = house_with(&folder, &config).await;
        let rows = rows();
        for (kind, rows) in by_kind(&rows) {
            append(&channel, kind, rows).await;
        }
        let asker = |brands: &[&str]| {
            let channel = InterceptedService::new(channel.clone(), token(brands));
            Asker(clients::Consumer::new(channel))
        };
        Self {
            rows,
            all: asker(&["*"]),
            own: asker(&[BRAND]),
            other: asker(&[OTHER]),
            _folder: folder,
        }
    }

    /// Whom a fact or a role of the brand names: by plain loops over the rows that were brought in.
    pub fn known(&self, brand: &str) -> BTreeSet<String> {
        let rows = &self.rows;
        let behaviors = rows.behaviors.iter().map(|row| (&row.brand, &row.consumer));
        let lines = rows.order_lines.iter().map(|row| (&row.brand, &row.consumer));
        let members = rows.members.iter().map(|row| (&row.brand, &row.consumer));
        let social = rows.social_profiles.iter().map(|row| (&row.brand, &row.consumer));
        behaviors
            .chain(lines)
            .chain(members)
            .chain(social)
            .filter(|(of, _)| *of == brand)
            .map(|(_, who)| who.clone())
            .collect()
    }

    /// Everyone who has a profile.
    pub fn profiled(&self) -> BTreeSet<String> {
        self.rows
            .consumer_profiles
            .iter()
            .map(|row| row.consumer.clone())
            .collect()
    }
}

async fn append(channel: &Channel, kind: FactKind, rows: FactRows) {
    let request = AppendRequest {
        producer: "test".to_owned(),
        sequence: 1,
        kind: kind as i32,
        batch: Some(append_request::Batch::Rows(rows)),
    };
    let mut client = FactServiceClient::with_interceptor(channel.clone(), token(&["*"]));
    let answers = client.append(tokio_stream::iter([request])).await;
    let mut answers = answers.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(answer.accepted > 0 && answer.refused == 0, "{answer:?}");
    }
}

fn by_kind(rows: &FactRows) -> Vec<(FactKind, FactRows)> {
    let none = FactRows::default;
    let parts = [
        (
            FactKind::Behavior,
            FactRows {
                behaviors: rows.behaviors.clone(),
                ..none()
            },
        ),
        (
            FactKind::OrderLine,
            FactRows {
                order_lines: rows.order_lines.clone(),
                ..none()
            },
        ),
        (
            FactKind::Member,
            FactRows {
                members: rows.members.clone(),
                ..none()
            },
        ),
        (
            FactKind::SocialProfile,
            FactRows {
                social_profiles: rows.social_profiles.clone(),
                ..none()
            },
        ),
        (
            FactKind::ConsumerProfile,
            FactRows {
                consumer_profiles: rows.consumer_profiles.clone(),
                ..none()
            },
        ),
    ];
    parts.into()
}

fn of(brand: &str, behavior: Behavior) -> Behavior {
    Behavior {
        brand: brand.to_owned(),
        event_id: format!("{brand} {}", behavior.event_id),
        ..behavior
    }
}

fn sold(brand: &str, line: OrderLine) -> OrderLine {
    OrderLine {
        brand: brand.to_owned(),
        order: format!("{brand} {}", line.order),
        ..line
    }
}

fn member(brand: &str, who: &str, number: i32) -> Member {
    Member {
        consumer: who.to_owned(),
        brand: brand.to_owned(),
        role: 1 + number % 4,
        tier: (number % 3 == 0).then(|| "gold".to_owned()),
        joined_at: instant(D - 100, 0),
        left_at: (number % 5 == 4).then(|| instant(D - 20, 0)).flatten(),
        ..Default::default()
    }
}

/// 250 each who browse and who buy, 60 with a role and 40 with a social profile, of both brands; 40 of the buyers of both;
/// 120 with a profile alone; 5 with a rare label. All have profiles, but every seventh.
fn rows() -> FactRows {
    let mut rows = FactRows::default();
    let mut people: Vec<(String, i32)> = Vec::new();
    for brand in [BRAND, OTHER] {
        for number in 0..250 {
            let who = format!("{brand}-browses-{number:03}");
            for day in [60, 40, 3 + number % 5] {
                rows.behaviors
                    .push(of(brand, act(&who, BehaviorKind::Browse, D - day)));
            }
            if number % 2 == 0 {
                rows.behaviors
                    .push(of(brand, act(&who, BehaviorKind::Search, D - 10)));
            }
            people.push((who, number));
        }
        for number in 0..250 {
            let who = format!("{brand}-buys-{number:03}");
            let times = [1, 1, 1, 2, 2, 3, 4, 6][number as usize % 8];
            for time in 0..times {
                let day = D - 10 - (number * 37 + time * 53 * (1 + number % 5)) % 290;
                let paid = 10 + i64::from((number * 7 + time * 3) % 60);
                rows.order_lines
                    .push(sold(brand, sale(&who, day, "a/x", 1, paid)));
                if number < 40 && time == 0 {
                    let elsewhere = if brand == BRAND { OTHER } else { BRAND };
                    rows.order_lines
                        .push(sold(elsewhere, sale(&who, day, "a/y", 1, paid)));
                }
            }
            people.push((who, number));
        }
        for number in 0..60 {
            let who = format!("{brand}-belongs-{number:03}");
            rows.members.push(member(brand, &who, number));
            people.push((who, number));
        }
        for number in 0..40 {
            let who = format!("{brand}-posts-{number:03}");
            rows.social_profiles.push(SocialProfile {
                consumer: who.clone(),
                brand: brand.to_owned(),
                updated_at: instant(D - 9, 0),
                followers: Some(10),
                ..Default::default()
            });
            people.push((who, number));
        }
    }
    people.extend((0..120).map(|number| (format!("nobody-{number:03}"), number)));
    let profiled = people.into_iter().filter(|(_, number)| number % 7 != 6);
    rows.consumer_profiles = profiled.map(|(who, number)| profile(&who, number)).collect();
    rows
}

fn profile(who: &str, number: i32) -> ConsumerProfile {
    let mut labels = vec!["tea", "pioneer@a", "close_fan@b1", "vip@b1"];
    if number % 2 == 0 {
        labels.push("close_fan@b0");
    }
    if number < 3 {
        labels.push("rare");
    }
    ConsumerProfile {
        consumer: who.to_owned(),
        updated_at: instant(D - 200, 0),
        age: Some(20 + number % 40),
        gender: 1 + number % 3,
        city_tier: Some(1 + number % 6),
        has_child: Some(number % 2 == 0),
        child_birth_month: date(D - 1_000),
        spending_power: Some(f64::from(number % 10) / 10.0),
        occupation: Some("teacher".to_owned()),
        labels: labels.into_iter().map(str::to_owned).collect(),
    }
}
