//! Signatures of publishers: Ed25519 (RFC 8032) over a short statement that names a component by its SHA-256.
//!
//! Keys are PEM files (RFC 8410), as `openssl genpkey -algorithm ed25519` writes and reads them. A signature is the 64
//! bytes in base64, so that a key that never leaves its device can sign as well: it signs the text of [`statement`].

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
        spki::der::pem::LineEnding,
    },
};

/// What can be wrong with a key or a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no key.
    #[error("this is no {0} of Ed25519 in PEM form; `dualwheel plugin keygen` makes a pair")]
    Key(&'static str),
    /// The text is no signature.
    #[error("this is no signature: 64 bytes in base64 were expected; `dualwheel plugin sign` makes one")]
    Malformed,
    /// The signature was made by another key or over another component.
    #[error("the signature is not of this component by this key; sign the file that is published")]
    Mismatch,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// What a publisher signs: the component with this SHA-256 (lower-case hexadecimal) as a plugin of contract generation 1.
#[must_use]
pub fn statement(sha256: &str) -> String {
    format!("dualwheel:plugin@1\nsha256:{sha256}\n")
}

/// A publisher's secret key.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let key = SigningKey::from_pkcs8_pem(pem.trim());
        key.map(Self).map_err(|_| Error::Key("private key"))
    }

    /// The key as a PEM file.
    ///
    /// # Errors
    /// [`Error::Key`]; none that a key could cause.
    pub fn to_pem(&self) -> Result<String, Error> {
        // Without the public key, which the other one gives: OpenSSL 3.0 does not read the form that has both.
        let bytes = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF);
        pem.map(|pem| pem.to_string())
            .map_err(|_| Error::Key("private key"))
    }

    /// The key that everybody may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs the component with this SHA-256, in base64.
    #[must_use]
    pub fn sign(&self, sha256: &str) -> String {
        let signature = self.0.sign(statement(sha256).as_bytes());
        BASE64_STANDARD.encode(signature.to_bytes())
    }
}

/// A publisher's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let key = VerifyingKey::from_public_key_pem(pem.trim());
        key.map(Self).map_err(|_| Error::Key("public key"))
    }

    /// The key as a PEM file.
    ///
    /// # Errors
    /// [`Error::Key`]; none that a key could cause.
    pub fn to_pem(&self) -> Result<String, Error> {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.map_err(|_| Error::Key("public key"))
    }

    /// Short name of the key: the first 16 hexadecimal digits of the SHA-256 of its DER form (SubjectPublicKeyInfo), as
    /// `openssl pkey -pubin -in KEY -outform DER | sha256sum` prints it.
    ///
    /// # Errors
    /// [`Error::Key`]; none that a key could cause.
    pub fn fingerprint(&self) -> Result<String, Error> {
        let der = self.0.to_public_key_der().map_err(|_| Error::Key("public key"))?;
        let mut hash = dualwheel_plugin_host::sha256(der.as_bytes());
        hash.truncate(16);
        Ok(hash)
    }

    /// Checks a signature in base64 against the component with this SHA-256.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Mismatch`].
    pub fn verify(&self, sha256: &str, signature: &str) -> Result<(), Error> {
        let signature = read(signature)?;
        // Strict: weak keys and signatures that more than one message would fit are refused.
        self.0
            .verify_strict(statement(sha256).as_bytes(), &signature)
            .map_err(|_| Error::Mismatch)
    }
}

/// The keys of a publisher: one, or two while one takes the place of the other.
#[derive(Clone, Debug)]
pub struct Keys(Vec<PublicKey>);

impl Keys {
    /// Reads PEM files.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn from_pems(pems: &[&str]) -> Result<Self, Error> {
        let keys = pems.iter().map(|pem| PublicKey::from_pem(pem));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// The key that made a signature in base64 of the component with this SHA-256.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::Mismatch`] where none of them did.
    pub fn verify(&self, sha256: &str, signature: &str) -> Result<&PublicKey, Error> {
        check_form(signature)?;
        let mut keys = self.0.iter();
        let made = keys.find(|key| key.verify(sha256, signature).is_ok());
        made.ok_or(Error::Mismatch)
    }
}

/// Whether a text can be a signature at all, whoever made it and over whatever.
///
/// # Errors
/// [`Error::Malformed`].
pub fn check_form(signature: &str) -> Result<(), Error> {
    read(signature).map(|_| ())
}

fn read(signature: &str) -> Result<Signature, Error> {
    let bytes = BASE64_STANDARD
        .decode(signature.trim())
        .map_err(|_| Error::Malformed)?;
    Signature::from_slice(&bytes).map_err(|_| Error::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    /// Key pair and signature of RFC 8032, section 7.1, test 1, whose message is empty: the PEM files hold its bytes.
    const RFC_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const RFC_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn pem(kind: &str, prefix: &[u8], hex: &str) -> String {
        let bytes = hex.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        });
        let der: Vec<u8> = prefix.iter().copied().chain(bytes).collect();
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    }

    #[test]
    fn keys_are_those_of_the_rfcs() {
        // RFC 8410: SEQUENCE { version 0, OID 1.3.101.112, OCTET STRING of OCTET STRING }, and its public kin.
        let private = pem(
            "PRIVATE KEY",
            &[
                0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
            ],
            RFC_SEED,
        );
        let public = pem(
            "PUBLIC KEY",
            &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0],
            RFC_PUBLIC,
        );
        let key = SecretKey::from_pem(&private).unwrap();
        assert_eq!(key.to_pem().unwrap(), private);
        assert_eq!(key.public(), PublicKey::from_pem(&public).unwrap());
        assert_eq!(key.public().to_pem().unwrap(), public);
        // As OpenSSL and sha256sum tell it.
        assert_eq!(key.public().fingerprint().unwrap(), "06e3fd8fda29bb60");
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_component() {
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let key = SecretKey::from_pem(&key.to_pem().unwrap()).unwrap();
        let signature = key.sign(SHA256);
        assert_eq!(key.public().verify(SHA256, &signature), Ok(()));
        assert_eq!(key.public().verify(SHA256, &format!(" {signature}\n")), Ok(()));
        assert_eq!(other.public().verify(SHA256, &signature), Err(Error::Mismatch));
        let another = SHA256.replace('9', "8");
        assert_eq!(key.public().verify(&another, &signature), Err(Error::Mismatch));
        for wrong in ["", "AAAA", "not base64", &signature[..80]] {
            assert_eq!(
                key.public().verify(SHA256, wrong),
                Err(Error::Malformed),
                "{wrong}"
            );
            assert_eq!(check_form(wrong), Err(Error::Malformed), "{wrong}");
        }
        assert_eq!(check_form(&signature), Ok(()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = SecretKey::generate().unwrap();
        let public = key.public().to_pem().unwrap();
        assert!(SecretKey::from_pem(&public).is_err());
        assert!(PublicKey::from_pem(&key.to_pem().unwrap()).is_err());
        assert!(PublicKey::from_pem("").is_err());
    }
}
