//! Keys and signatures of publishers.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use super::{arg, component};
use crate::harness::{Ran, run};

/// A folder to work in, with a copy of a component.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::copy(component(), place.path("model.wasm")).unwrap();
        place
    }

    fn path(&self, name: &str) -> String {
        arg(&self.0.path().join(name))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn keygen(&self, name: &str) -> Ran {
        run(["plugin", "keygen", "--out", &self.path(name)])
    }

    fn sign(&self, file: &str, key: &str) -> Ran {
        run(["plugin", "sign", &self.path(file), "--key", &self.path(key)])
    }

    fn verify(&self, file: &str, key: &str, more: &[&str]) -> Ran {
        let args = ["plugin", "verify", &self.path(file), "--key", &self.path(key)].map(str::to_owned);
        run(args.into_iter().chain(more.iter().map(|arg| (*arg).to_owned())))
    }

    /// Runs openssl here, to its end.
    fn openssl(&self, args: &str) {
        let mut openssl = Command::new("openssl");
        let done = openssl.args(args.split(' ')).current_dir(self.0.path()).output();
        let done =
            done.unwrap_or_else(|error| panic!("openssl is needed: apt-get install openssl ({error})"));
        assert!(
            done.status.success(),
            "{args}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// The SHA-256 of a file, as another program reckons it.
pub(super) fn sha256sum(path: &Path) -> String {
    let done = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(done.status.success());
    let line = String::from_utf8(done.stdout).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn keys_are_made_once_and_for_their_owner() {
    let place = Place::new();
    let told = place.keygen("key").ok();
    assert!(told.contains("key.pub"), "{told}");
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("key") & 0o777, 0o600);
    let (private, public) = (place.read("key"), place.read("key.pub"));
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    place.keygen("key").fails(1, &["is there already"]);
    std::fs::remove_file(place.path("key")).unwrap();
    place.keygen("key").fails(1, &["key.pub is there already"]);
    assert!(!Path::new(&place.path("key")).exists());
    assert_eq!(place.read("key.pub"), public);
    place
        .keygen("nowhere/key")
        .fails(1, &["nowhere/key cannot be written"]);
}

#[test]
fn a_signature_is_of_one_component_by_one_key() {
    let place = Place::new();
    place.keygen("key").ok();
    place.keygen("other").ok();
    let told = place.sign("model.wasm", "key").ok();
    let sha256 = sha256sum(Path::new(&place.path("model.wasm")));
    assert!(
        told.contains(&format!("dualwheel:plugin@1\nsha256:{sha256}")),
        "{told}"
    );
    let told = place.verify("model.wasm", "key.pub", &[]).ok();
    assert!(told.contains(&sha256), "{told}");
    place
        .verify("model.wasm", "other.pub", &[])
        .fails(1, &["not of this component by this key"]);

    // A component to which a section was added is still one, but another.
    let mut bytes = std::fs::read(place.path("model.wasm")).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    std::fs::write(place.path("more.wasm"), &bytes).unwrap();
    let signature = place.path("model.wasm.sig");
    place
        .verify("more.wasm", "key.pub", &["--signature", &signature])
        .fails(1, &["not of this component"]);
    place
        .verify("more.wasm", "key.pub", &[])
        .fails(1, &["more.wasm.sig cannot be read"]);
    bytes.truncate(1_000);
    std::fs::write(place.path("half.wasm"), &bytes).unwrap();
    place
        .verify("half.wasm", "key.pub", &["--signature", &signature])
        .fails(1, &["half.wasm"]);

    place
        .sign("model.wasm", "key.pub")
        .fails(1, &["key.pub", "no private key of Ed25519"]);
    place
        .verify("model.wasm", "key", &[])
        .fails(1, &["no public key of Ed25519"]);
    place
        .sign("model.wasm", "gone")
        .fails(1, &["gone cannot be read"]);
    place
        .sign("gone.wasm", "key")
        .fails(1, &["gone.wasm cannot be read"]);
    place
        .sign("key.pub", "key")
        .fails(1, &["not a sound WebAssembly file"]);
    std::fs::write(place.path("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    place
        .sign("core.wasm", "key")
        .fails(1, &["core module", "pack it first"]);
    std::fs::write(&signature, "bm8gc2lnbmF0dXJl\n").unwrap();
    place
        .verify("model.wasm", "key.pub", &[])
        .fails(1, &["this is no signature"]);
}

#[test]
fn openssl_makes_and_reads_the_same_keys_and_signatures() {
    let place = Place::new();
    place.openssl("genpkey -algorithm ed25519 -out theirs");
    place.openssl("pkey -in theirs -pubout -out theirs.pub");
    place.keygen("ours").ok();
    place.openssl("pkey -in ours -pubout -out ours.public");
    assert_eq!(place.read("ours.pub"), place.read("ours.public"));
    let sha256 = sha256sum(Path::new(&place.path("model.wasm")));
    std::fs::write(
        place.path("statement"),
        format!("dualwheel:plugin@1\nsha256:{sha256}\n"),
    )
    .unwrap();
    for key in ["theirs", "ours"] {
        place.sign("model.wasm", key).ok();
        place.openssl(&format!(
            "pkeyutl -sign -rawin -inkey {key} -in statement -out raw"
        ));
        place.openssl("base64 -A -in raw -out signature");
        // Ed25519 signs without chance: the same key and words give the same signature.
        assert_eq!(
            place.read("model.wasm.sig").trim(),
            place.read("signature").trim()
        );
        let signature = place.path("signature");
        place
            .verify("model.wasm", &format!("{key}.pub"), &["--signature", &signature])
            .ok();
    }
    place.openssl("genpkey -algorithm rsa -out rsa");
    place
        .sign("model.wasm", "rsa")
        .fails(1, &["no private key of Ed25519"]);
}
