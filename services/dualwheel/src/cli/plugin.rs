//! `dualwheel plugin …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use dualwheel_plugin_host::World as HostWorld;

use super::registry::Registry;

/// `dualwheel plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Make a component of what cargo compiled for wasm32-unknown-unknown
    Pack(Pack),
    /// Show what a component is and needs, and whether it behaves as the contract asks
    Check(Check),
    /// Run a component on rows of a file
    Run(Run),
    /// Write a new crate with a working model
    New(New),
    /// Run the tests of a crate
    Test(Test),
    /// Compile a crate and make a component of it
    Build(Build),
    /// Make a key pair to sign components with
    Keygen(Keygen),
    /// Sign a component
    Sign(Sign),
    /// Check the signature of a component
    Verify(Verify),
    /// Write a component as an OCI image layout, for registries
    Oci(Oci),
    /// Read a component from an OCI image layout
    Unpack(Unpack),
    /// The registry of a mesh
    #[command(flatten)]
    Registry(Registry),
}

/// `dualwheel plugin pack`.
#[derive(Args, Debug)]
pub struct Pack {
    /// Core module, as `target/wasm32-unknown-unknown/release/NAME.wasm`
    pub module: PathBuf,
    /// Where the component goes
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `dualwheel plugin check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Component
    pub component: PathBuf,
    /// Rows of the larger questions
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub rows: u32,
    /// Admit a sealed WASI, for runtimes that cannot live without one
    #[arg(long)]
    pub sealed_wasi: bool,
}

/// `dualwheel plugin run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Component
    pub component: PathBuf,
    /// File with columns as JSON: `{"followers": [120, null], "style": ["plain", "bold"]}`; null is not known. Or one that
    /// `plugin fixtures` wrote
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// A parameter, as `half_life=6`; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, f64)>,
    /// Admit a sealed WASI, for runtimes that cannot live without one
    #[arg(long)]
    pub sealed_wasi: bool,
}

/// What a plugin implements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// Scores key opinion consumers
    #[default]
    KocModel,
    /// Ranks style trends
    StyleTrendModel,
    /// Scores products that may become hits
    HitModel,
}

impl From<World> for HostWorld {
    fn from(world: World) -> Self {
        match world {
            World::KocModel => Self::KocModel,
            World::StyleTrendModel => Self::StyleTrendModel,
            World::HitModel => Self::HitModel,
        }
    }
}

/// What a model is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// The smallest and fastest components
    #[default]
    Rust,
    /// By componentize-py, which comes from PyPI
    Python,
    /// By componentize-js, which comes from npm
    Javascript,
}

/// `dualwheel plugin new`.
#[derive(Args, Debug)]
pub struct New {
    /// Name of the model and its crate: a-z, 0-9 and hyphen, starting with a letter
    pub name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t)]
    pub language: Language,
    /// What it implements
    #[arg(long, value_enum, default_value_t)]
    pub world: World,
    /// Where the crate goes [default: a folder of its name]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Folder of dualwheel-plugin-sdk [default: plugins/sdk of the checkout in which the current folder or this program
    /// lies]
    #[arg(long, value_name = "PATH", conflicts_with = "vendor")]
    pub sdk: Option<PathBuf>,
    /// Pack dualwheel-plugin-sdk and the contract into the crate, so that it needs no checkout; other languages than Rust
    /// need the contract only, and always get it
    #[arg(long)]
    pub vendor: bool,
}

/// `dualwheel plugin test`.
#[derive(Args, Debug)]
#[command(
    after_help = "The environment variables CARGO, PYTHON and NODE name other tools than those on the path."
)]
pub struct Test {
    /// Folder of the crate
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

/// `dualwheel plugin build`.
#[derive(Args, Debug)]
#[command(
    after_help = "The environment variables CARGO, COMPONENTIZE_PY and NODE name other tools than those on the path."
)]
pub struct Build {
    /// Folder of the crate
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Build again whenever a file of the crate changes, until the command is ended
    #[arg(long)]
    pub watch: bool,
}

/// `dualwheel plugin keygen`.
#[derive(Args, Debug)]
pub struct Keygen {
    /// Where the private key goes; the public one goes beside it, as FILE.pub
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `dualwheel plugin sign`.
#[derive(Args, Debug)]
pub struct Sign {
    /// Component
    pub component: PathBuf,
    /// Private key in PEM form
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the signature goes [default: the component's name with .sig]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `dualwheel plugin verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Component
    pub component: PathBuf,
    /// Public key in PEM form
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Signature [default: the component's name with .sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

/// `dualwheel plugin oci`.
#[derive(Args, Debug)]
pub struct Oci {
    /// Component
    pub component: PathBuf,
    /// Where the layout goes: a folder that is not there yet, or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Signature, which goes along as an annotation
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

/// `dualwheel plugin unpack`.
#[derive(Args, Debug)]
pub struct Unpack {
    /// Folder of the layout
    pub layout: PathBuf,
    /// Where the component goes; its signature, if one came along, goes beside it, as FILE.sig
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) fn parameter(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("`{value}` is no number"))?;
    Ok((name.to_owned(), value))
}
