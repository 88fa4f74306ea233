//! Keys and signatures of publishers.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};
use dualwheel_plugin_host::sha256;
use dualwheel_plugins::signature::{PublicKey, SecretKey, statement};
use serde_json::json;

use super::{beside, read_component, read_text, say, write};
use crate::{
    cli::{
        Common,
        plugin::{Keygen, Sign, Verify},
    },
    output,
};

/// Ending of the file of a public key.
const PUBLIC: &str = ".pub";
/// Ending of the file of a signature.
pub(super) const SIGNATURE: &str = ".sig";
/// Who may read a private key: its owner.
const OWNER: u32 = 0o600;
/// Who may read a public key: all.
const EVERYBODY: u32 = 0o644;

/// Makes a key pair. Neither file may be there: a key that is gone cannot be had again.
pub(super) fn keygen(args: &Keygen) -> anyhow::Result<()> {
    let public = beside(&args.out, PUBLIC);
    if let Some(taken) = [&args.out, &public].into_iter().find(|path| path.exists()) {
        bail!(
            "{} is there already; keys are never overwritten, choose another name",
            taken.display()
        );
    }
    let key = SecretKey::generate()?;
    create(&args.out, &key.to_pem()?, OWNER)?;
    create(&public, &key.public().to_pem()?, EVERYBODY)?;
    output::text(&format!(
        "{}: the private key; whoever has it signs in your name\n{}: the public key, for whoever is to trust you",
        args.out.display(),
        public.display()
    ))
}

/// Writes a file that must be new.
fn create(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already; keys are never overwritten", path.display())
        }
        written => written.with_context(|| format!("{} cannot be written", path.display())),
    }
}

/// Signs a component.
pub(super) fn sign(common: &Common, args: &Sign) -> anyhow::Result<()> {
    let sha256 = sha256(&read_component(&args.component)?);
    let pem = read_text(&args.key)?;
    let key = SecretKey::from_pem(&pem).with_context(|| args.key.display().to_string())?;
    let signature = key.sign(&sha256);
    let out = signature_of(&args.component, args.out.as_deref());
    write(&out, format!("{signature}\n").as_bytes())?;
    let statement = statement(&sha256);
    say(
        common,
        &json!({ "path": out, "sha256": sha256, "statement": statement, "signature": signature }),
        &format!("{}: signature of\n{}", out.display(), statement.trim_end()),
    )
}

/// Checks the signature of a component.
pub(super) fn verify(common: &Common, args: &Verify) -> anyhow::Result<()> {
    let sha256 = sha256(&read_component(&args.component)?);
    let pem = read_text(&args.key)?;
    let key = PublicKey::from_pem(&pem).with_context(|| args.key.display().to_string())?;
    let path = signature_of(&args.component, args.signature.as_deref());
    key.verify(&sha256, &read_text(&path)?)
        .with_context(|| path.display().to_string())?;
    say(
        common,
        &json!({ "path": args.component, "sha256": sha256, "holds": true }),
        &format!(
            "{}, sha256 {sha256}, is signed by {}",
            args.component.display(),
            args.key.display()
        ),
    )
}

/// Where the signature of a component lies.
fn signature_of(component: &Path, given: Option<&Path>) -> std::path::PathBuf {
    given.map_or_else(|| beside(component, SIGNATURE), Path::to_owned)
}
