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

struct House {
    folder: tempfile::TempDir,
    config: Auth,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, jwks().to_string()).unwrap();
        let config = Auth {
            jwks: Some(file.display().to_string()),
            issuer: Some("issuer".to_owned()),
            audience: Some("dualwheel".to_owned()),
            leeway_s: 1,
        };
        Self { folder, config }
    }

    fn verifier(&self) -> Verifier {
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

fn signed(changes: Value) -> String {
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
    std::fs::write(house.folder.path().join("jwks.json"), other.to_string()).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(refusal(&verifier, &token).await, Error::Signature);
}

#[test]
fn a_file_without_usable_keys_is_refused() {
    for text in [
        "",
        "{}",
        r#"{"keys": []}"#,
        r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#,
    ] {
        assert!(keys(text.as_bytes()).is_err(), "{text}");
    }
}
