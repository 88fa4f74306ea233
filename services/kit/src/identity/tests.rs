use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::*;

/// Keys of RFC 8037 (Ed25519) and of this file alone.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn jwks() -> Value {
    json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": ED25519_X},
        {"kty": "EC", "crv": "P-256", "kid": "passed-over",
         "x": "AA", "y": "AA"},
    ]})
}

/// A mesh with a key.
pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) config: Auth,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, jwks().to_string()).unwrap();
        let config = Auth {
            jwks: Some(file.display().to_string()),
            issuer: Some("issuer".to_owned()),
            audience: Some("dualwheel".to_owned()),
            leeway_s: 1,
            ..Auth::default()
        };
        Self { folder, config }
    }

    pub(crate) fn write_jwks(&self, jwks: &Value) {
        std::fs::write(self.folder.path().join("jwks.json"), jwks.to_string()).unwrap();
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::open(&self.config).unwrap().unwrap()
    }
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "s", "tenant": "acme", "brands": ["A"], "scope": "metrics.read unheard.of", "iss": "issuer",
        "aud": "dualwheel", "exp": get_current_timestamp() + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// A token of its key, with other claims than usual.
pub(crate) fn signed(changes: Value) -> String {
    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let key = EncodingKey::from_ed_pem(ED25519.as_bytes()).unwrap();
    encode(&header, &claims(changes), &key).unwrap()
}

async fn refusal(verifier: &Verifier, token: &str) -> Error {
    verifier.identity(token.as_bytes()).await.unwrap_err()
}

#[tokio::test]
async fn a_good_token_tells_who_its_bearer_is() {
    let verifier = House::new().verifier();
    for _ in 0..2 {
        let identity = verifier.identity(signed(json!({})).as_bytes()).await.unwrap();
        assert_eq!(identity.subject, "s");
        assert_eq!(identity.tenant, "acme");
        assert!(identity.brands.has("A") && !identity.brands.has("B"));
        assert_eq!(identity.scopes, [Scope::MetricsRead].into());
    }
    let all = verifier
        .identity(signed(json!({"brands": ["*"]})).as_bytes())
        .await
        .unwrap();
    assert_eq!(all.brands, Brands::All);
    let none = verifier
        .identity(signed(json!({"brands": []})).as_bytes())
        .await
        .unwrap();
    assert!(!none.brands.has("A"));
}

#[tokio::test]
async fn wrong_claims_are_named() {
    let verifier = House::new().verifier();
    let claim = |name: &str| Error::Claim(name.to_owned());
    let now = get_current_timestamp();
    for (changes, refused) in [
        (json!({"exp": now - 5}), Error::Expired),
        (json!({"iss": "another"}), claim("iss")),
        (json!({"aud": "another"}), claim("aud")),
        (json!({"nbf": now + 60}), claim("nbf")),
        (json!({"tenant": "../other"}), claim("tenant")),
        (json!({"tenant": ""}), claim("tenant")),
        (json!({"iat": now + 60}), claim("iat")),
    ] {
        assert_eq!(
            refusal(&verifier, &signed(changes.clone())).await,
            refused,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let verifier = House::new().verifier();
    let good = signed(json!({}));
    let (body, _) = good.rsplit_once('.').unwrap();
    let none = {
        let header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        format!("{header}.{}.", good.split('.').nth(1).unwrap())
    };
    // Signed with the public key as if it were a shared secret.
    let key = EncodingKey::from_secret(ED25519_X.as_bytes());
    let symmetric = encode(&Header::new(Algorithm::HS256), &claims(json!({})), &key).unwrap();
    let long = "a".repeat(TOKEN_BYTES + 1);
    for token in [
        "",
        "x",
        "a.b.c",
        &none,
        &symmetric,
        &long,
        &format!("{body}.{}", "A".repeat(86)),
    ] {
        assert_eq!(refusal(&verifier, token).await, Error::Signature, "{token}");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_though_it_was_good() {
    let verifier = House::new().verifier();
    let token = signed(json!({"exp": get_current_timestamp()}));
    assert!(verifier.identity(token.as_bytes()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(refusal(&verifier, &token).await, Error::Expired);
}

#[tokio::test]
async fn a_key_that_is_taken_out_opens_nothing_any_more() {
    let house = House::new();
    let verifier = house.verifier();
    let token = signed(json!({}));
    assert!(verifier.identity(token.as_bytes()).await.is_ok());
    let other = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "k2", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"},
    ]});
    house.write_jwks(&other);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(refusal(&verifier, &token).await, Error::Signature);
}

const WITHOUT_KEYS: [&str; 3] = [
    r#"{"keys": []}"#,
    r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#,
    r#"{"keys": [{"kty": "a kind of tomorrow"}]}"#,
];

#[test]
fn a_file_without_usable_keys_lets_nobody_begin() {
    let house = House::new();
    let file = house.config.jwks.clone().unwrap();
    for text in ["", "{}", "[]"].iter().chain(&WITHOUT_KEYS) {
        std::fs::write(&file, text).unwrap();
        let told = Verifier::open(&house.config).err().unwrap().to_string();
        assert!(told.contains("auth.jwks") && told.contains(&file), "{told}");
    }
}

#[tokio::test]
async fn the_last_key_taken_out_shuts_everybody_out() {
    for text in WITHOUT_KEYS {
        let house = House::new();
        let verifier = house.verifier();
        let token = signed(json!({}));
        assert!(verifier.identity(token.as_bytes()).await.is_ok());
        std::fs::write(house.folder.path().join("jwks.json"), text).unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(refusal(&verifier, &token).await, Error::NoKeys, "{text}");
    }
}

#[tokio::test]
async fn a_kind_of_key_that_is_not_known_does_not_hide_the_others() {
    let house = House::new();
    let mut with_new = jwks();
    with_new["keys"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}));
    house.write_jwks(&with_new);
    assert!(
        house
            .verifier()
            .identity(signed(json!({})).as_bytes())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn tokens_without_a_near_end_are_refused() {
    let mut house = House::new();
    house.config.lifetime_s = 3_600;
    let verifier = house.verifier();
    let now = get_current_timestamp();
    for (claims, good) in [
        (json!({"exp": now + 3_600}), true),
        (json!({"exp": now + 3_700}), false),
        (json!({"exp": u64::MAX}), false),
        (json!({"exp": now + 600, "iat": now - 3_000}), true),
        // Made long ago, for long.
        (json!({"exp": now + 600, "iat": now - 3_100}), false),
        (json!({"exp": now + 600, "iat": 0}), false),
    ] {
        let told = verifier.identity(signed(claims.clone()).as_bytes()).await;
        let wanted = if good { None } else { Some(Error::Lifetime(3_600)) };
        assert_eq!(told.err(), wanted, "{claims}");
    }
}

#[tokio::test]
async fn what_a_header_calls_critical_is_not_passed_over() {
    let verifier = House::new().verifier();
    let header = Header {
        crit: Some(vec!["http://example.com/UNDEFINED".to_owned()]),
        ..Header::new(Algorithm::EdDSA)
    };
    let key = EncodingKey::from_ed_pem(ED25519.as_bytes()).unwrap();
    let token = encode(&header, &claims(json!({})), &key).unwrap();
    assert_eq!(refusal(&verifier, &token).await, Error::Critical);
}
