//! Who a token says that its bearer is.
//!
//! Tokens are JWTs signed with EdDSA (Ed25519) or RS256 by a key of the JWKS file; `none` and symmetric keys are never
//! accepted. Claims: `sub`, `tenant`, `brands` (keys of brands, or `["*"]` for all), `scope` (words separated by
//! spaces), `exp`, `iat` where there is one, and `iss` and `aud` where the configuration asks for them. A token that is good
//! for longer than the configuration allows is refused, as is one whose header calls something critical: nothing is known here
//! that could be.

use std::{collections::BTreeSet, sync::Arc};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde::Deserialize;

use crate::{
    access::{Brands, Scope},
    config::Auth,
    reload::{self, Reloaded},
};

/// Most tokens whose signatures are remembered as good.
const TOKENS: u64 = 10_000;
/// Longest token, in bytes.
const TOKEN_BYTES: usize = 8 << 10;

/// Who a token says that its bearer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`.
    pub subject: String,
    /// The only tenant whose data it opens.
    pub tenant: String,
    /// The brands that it opens.
    pub brands: Brands,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
}

impl Identity {
    /// Somebody who may do everything with a tenant.
    #[must_use]
    pub fn whole(subject: &str, tenant: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            tenant: tenant.to_owned(),
            brands: Brands::All,
            scopes: Scope::ALL.iter().copied().collect(),
        }
    }

    /// Nobody, who may do nothing.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            subject: String::new(),
            tenant: String::new(),
            brands: Brands::Some(BTreeSet::new()),
            scopes: BTreeSet::new(),
        }
    }
}

/// Why a token is refused; its bearer reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no token, or its signature is not by one of the keys.
    #[error("the token is not signed by a key of this mesh")]
    Signature,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It is good for longer than a token may be.
    #[error("the token is good for longer than the {0} s that this mesh allows")]
    Lifetime(u64),
    /// Its header names an extension that must be understood.
    #[error("the token's header `crit` names what this mesh does not know")]
    Critical,
    /// The JWKS file has no key.
    #[error("this mesh has no key by which a token could be signed; its operator must add one")]
    NoKeys,
    /// A claim is missing or wrong.
    #[error("the token's claim `{0}` is missing or wrong")]
    Claim(String),
}

#[derive(Clone, Deserialize)]
struct Claims {
    sub: String,
    tenant: String,
    #[serde(default)]
    brands: Vec<String>,
    #[serde(default)]
    scope: String,
    exp: u64,
    iat: Option<u64>,
}

struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A token found good, by the keys of the time.
#[derive(Clone)]
struct Seen {
    identity: Arc<Identity>,
    keys: Arc<Keys>,
    expires: u64,
}

/// Reads tokens.
pub struct Verifier {
    keys: Reloaded<Keys>,
    validation: Validation,
    lifetime_s: u64,
    seen: moka::future::Cache<Vec<u8>, Seen>,
}

impl Verifier {
    /// A verifier by the configuration; `None` where no token is asked for.
    ///
    /// # Errors
    /// When the JWKS file cannot be read or has no usable key.
    pub fn open(config: &Auth) -> Result<Option<Self>, reload::Error> {
        let Some(file) = &config.jwks else { return Ok(None) };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = config.leeway_s;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &config.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        let setting = ("auth.jwks", file.as_str());
        let keys = Reloaded::open(&[setting], |files| keys(&files.concat()))?;
        if keys.last().0.is_empty() {
            return Err(reload::Error::of(
                setting,
                "has no Ed25519 and no RSA key, and nobody could be let in; add the public key of who issues tokens",
            ));
        }
        Ok(Some(Self {
            keys,
            validation,
            lifetime_s: config.lifetime_s,
            seen: moka::future::Cache::new(TOKENS),
        }))
    }

    /// Who the bearer of `token` is.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn identity(&self, token: &[u8]) -> Result<Arc<Identity>, Error> {
        let keys = self.keys.get().await;
        if let Some(seen) = self.seen.get(token).await
            && Arc::ptr_eq(&seen.keys, &keys)
        {
            // A second look at the clock alone: the signature and the other claims do not change.
            let over =
                jsonwebtoken::get_current_timestamp() > seen.expires.saturating_add(self.validation.leeway);
            return if over {
                Err(Error::Expired)
            } else {
                Ok(seen.identity)
            };
        }
        let claims = self.claims(token, &keys)?;
        let expires = claims.exp;
        let identity = Arc::new(identity(claims)?);
        let seen = Seen {
            identity: identity.clone(),
            keys,
            expires,
        };
        self.seen.insert(token.to_vec(), seen).await;
        Ok(identity)
    }

    fn claims(&self, token: &[u8], keys: &Keys) -> Result<Claims, Error> {
        if token.len() > TOKEN_BYTES {
            return Err(Error::Signature);
        }
        if keys.0.is_empty() {
            return Err(Error::NoKeys);
        }
        let header = decode_header(token).map_err(|_| Error::Signature)?;
        if header.crit.is_some() {
            return Err(Error::Critical);
        }
        let fits = |key: &&Key| key.algorithm == header.alg && (header.kid.is_none() || key.id == header.kid);
        let mut refused = Error::Signature;
        for key in keys.0.iter().filter(fits) {
            let validation = Validation {
                algorithms: vec![key.algorithm],
                ..self.validation.clone()
            };
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(token) => return self.in_bounds(token.claims),
                Err(error) => refused = explain(&error, refused),
            }
        }
        Err(refused)
    }

    /// Claims that are not good for longer than allowed, from when they were made as from now.
    fn in_bounds(&self, claims: Claims) -> Result<Claims, Error> {
        let (now, leeway) = (jsonwebtoken::get_current_timestamp(), self.validation.leeway);
        if claims.iat.is_some_and(|made| made > now.saturating_add(leeway)) {
            return Err(Error::Claim("iat".to_owned()));
        }
        let from = claims.iat.map_or(now, |made| made.min(now));
        if claims.exp.saturating_sub(from) > self.lifetime_s.saturating_add(leeway) {
            return Err(Error::Lifetime(self.lifetime_s));
        }
        Ok(claims)
    }
}

fn explain(error: &jsonwebtoken::errors::Error, before: Error) -> Error {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => Error::Expired,
        ErrorKind::InvalidIssuer => Error::Claim("iss".to_owned()),
        ErrorKind::InvalidAudience => Error::Claim("aud".to_owned()),
        ErrorKind::ImmatureSignature => Error::Claim("nbf".to_owned()),
        ErrorKind::MissingRequiredClaim(claim) => Error::Claim(claim.clone()),
        ErrorKind::Json(error) => {
            let text = error.to_string();
            let field = text
                .split('`')
                .nth(1)
                .filter(|_| text.starts_with("missing field"));
            Error::Claim(field.unwrap_or("of a wrong type").to_owned())
        }
        _ => before,
    }
}

fn identity(claims: Claims) -> Result<Identity, Error> {
    if !crate::tenant::is_name(&claims.tenant) {
        return Err(Error::Claim("tenant".to_owned()));
    }
    let brands = if claims.brands.iter().any(|brand| brand == "*") {
        Brands::All
    } else {
        Brands::Some(claims.brands.into_iter().collect())
    };
    let words: BTreeSet<&str> = claims.scope.split_whitespace().collect();
    let scopes = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| words.contains(scope.name()));
    Ok(Identity {
        subject: claims.sub,
        tenant: claims.tenant,
        brands,
        scopes: scopes.collect(),
    })
}

/// A JWKS, of which each key is read by itself.
#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// The usable keys of a JWKS; others, such as a new kind beside the old one, are passed over. Where none is left, nobody is let
/// in: whoever takes the last key out wants that.
fn keys(json: &[u8]) -> Result<Keys, String> {
    let set: Set = serde_json::from_slice(json).map_err(|error| format!("is no JWKS: {error}"))?;
    let read = |jwk| serde_json::from_value::<Jwk>(jwk).ok();
    let keys: Vec<Key> = set
        .keys
        .into_iter()
        .filter_map(read)
        .filter_map(|jwk| key(&jwk))
        .collect();
    if keys.is_empty() {
        tracing::error!("the JWKS has no Ed25519 and no RSA key: every caller is refused until it has one");
    }
    Ok(Keys(keys))
}

fn key(jwk: &Jwk) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    Some(Key {
        id: jwk.common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}

#[cfg(test)]
pub(crate) mod tests;
