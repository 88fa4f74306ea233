//! Tokens and certificates for tests, made anew in every run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer as Authority, KeyPair,
    PKCS_RSA_SHA256,
};
use serde_json::{Value, json};

/// Issues tokens.
pub struct Issuer {
    key: EncodingKey,
    algorithm: Algorithm,
    id: String,
    jwk: Value,
}

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl Issuer {
    /// With an Ed25519 key.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn ed25519(id: &str) -> Result<Self> {
        let key = SigningKey::from_bytes(&rand::random());
        let public = key.verifying_key();
        let document = [PKCS8_ED25519.as_slice(), key.as_bytes()].concat();
        Ok(Self {
            key: EncodingKey::from_ed_der(&document),
            algorithm: Algorithm::EdDSA,
            id: id.to_owned(),
            jwk: json!({
                "kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
            }),
        })
    }

    /// With an RSA key.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn rsa(id: &str) -> Result<Self> {
        let pem = KeyPair::generate_for(&PKCS_RSA_SHA256)?.serialize_pem();
        let key = EncodingKey::from_rsa_pem(pem.as_bytes())?;
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
        jwk.common.key_id = Some(id.to_owned());
        Ok(Self {
            key,
            algorithm: Algorithm::RS256,
            id: id.to_owned(),
            jwk: serde_json::to_value(jwk)?,
        })
    }

    /// A token for an hour, of a tenant, for brands (`*` for all) and with scopes, all of them when empty.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn token(&self, tenant: &str, brands: &[&str], scopes: &str) -> Result<String> {
        let all: Vec<&str> = dualwheel_kit::access::Scope::ALL
            .iter()
            .map(|scope| scope.name())
            .collect();
        let scopes = if scopes.is_empty() {
            all.join(" ")
        } else {
            scopes.to_owned()
        };
        self.sign(&json!({
            "sub": "tester", "tenant": tenant, "brands": brands, "scope": scopes, "iss": "tests", "aud": "dualwheel",
            "exp": get_current_timestamp() + 3_600,
        }))
    }

    /// Signs claims.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(self.algorithm)
        };
        Ok(encode(&header, claims, &self.key)?)
    }
}

/// Writes the public keys of issuers as a JWKS file.
///
/// # Errors
/// When it cannot be written.
pub fn write_jwks(file: &Path, issuers: &[&Issuer]) -> Result<()> {
    let keys: Vec<&Value> = issuers.iter().map(|issuer| &issuer.jwk).collect();
    fs::write(file, json!({ "keys": keys }).to_string()).with_context(|| file.display().to_string())
}

/// An authority, and a folder for the PEM files of what it signs.
pub struct Certificates {
    folder: PathBuf,
    authority: Authority<'static, KeyPair>,
}

impl Certificates {
    /// Makes an authority; its certificate is `ca.pem`.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "dualwheel tests");
        let key = KeyPair::generate()?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            authority: Authority::new(params, key),
        })
    }

    /// Makes `NAME.pem` and `NAME.key` for servers on this machine, and for clients.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn issue(&self, name: &str) -> Result<()> {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        fs::write(self.folder.join(format!("{name}.pem")), certificate.pem())?;
        fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem())?;
        Ok(())
    }

    /// The path of a file.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}
