//! `dualwheel plugin …`: the registry of a mesh.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Place, plugin::World};

/// What is done with the registry of a mesh.
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Trust a publisher's key from now on
    Trust(Trust),
    /// Trust a publisher no longer; its plugins run no more
    Distrust(Distrust),
    /// List the publishers that are trusted
    Publishers(Place),
    /// Publish a signed component
    Publish(Publish),
    /// List the published versions
    List(Place),
    /// Retire a version: it answers where it is active, and can be activated nowhere else
    Retire(Retire),
    /// Remove a version that no brand uses
    Delete(Version),
    /// Make a plugin the one that answers for a brand
    Activate(Activate),
    /// Put the built-in model back
    Deactivate(OfBrand),
    /// Ask a plugin beside the active one and compare their answers; without a plugin, end the shadow
    Shadow(Shadow),
    /// Make the shadow the active plugin
    Promote(Promote),
    /// Make what was active before active again
    Rollback(OfBrand),
    /// Show what a brand uses, and used before
    History(OfBrand),
    /// List the runs of a brand's plugins
    Runs(OfBrand),
    /// Write the rows of a run to a file, for `plugin run` on another machine
    Fixtures(Fixtures),
    /// Ask a plugin the rows of a run again, and compare the answers bit by bit
    Replay(Replay),
}

impl Registry {
    /// Where the mesh is.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Trust(args) => &args.place,
            Self::Distrust(args) => &args.place,
            Self::Publishers(place) | Self::List(place) => place,
            Self::Publish(args) => &args.place,
            Self::Retire(args) => &args.of.place,
            Self::Delete(args) => &args.place,
            Self::Activate(args) => &args.place,
            Self::Deactivate(args) | Self::Rollback(args) => &args.place,
            Self::Promote(args) => &args.of.place,
            Self::History(args) | Self::Runs(args) => &args.place,
            Self::Shadow(args) => &args.of.place,
            Self::Fixtures(args) => &args.place,
            Self::Replay(args) => &args.place,
        }
    }
}

/// What is answered where the active plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Fallback {
    /// What the built-in model answers
    #[default]
    BuiltIn,
    /// What was given last for the same question, by a plugin that could be active still
    LastGood,
    /// Nothing: the question fails
    None,
}

/// `dualwheel plugin trust`.
#[derive(Args, Debug)]
pub struct Trust {
    /// Name of the publisher: a-z, 0-9 and hyphen
    pub publisher: String,
    /// File with the public key, as `plugin keygen` writes it
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Name for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub display_name: String,
    /// Trust the key beside the one that the publisher has, to take its place
    #[arg(long, conflicts_with = "display_name")]
    pub also: bool,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin distrust`.
#[derive(Args, Debug)]
pub struct Distrust {
    /// Name of the publisher
    pub publisher: String,
    /// File with the public key that alone is trusted no longer, of two that the publisher has
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin publish`.
#[derive(Args, Debug)]
pub struct Publish {
    /// Component
    pub component: PathBuf,
    /// Publisher whose key signed it
    #[arg(long)]
    pub publisher: String,
    /// File with the signature [default: the component's with .sig behind it]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// A published version.
#[derive(Args, Debug)]
pub struct Version {
    /// Plugin, as NAME@VERSION
    #[arg(value_parser = plugin)]
    pub plugin: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin retire`.
#[derive(Args, Debug)]
pub struct Retire {
    /// Take it back
    #[arg(long)]
    pub undo: bool,
    /// Which version
    #[command(flatten)]
    pub of: Version,
}

/// A brand and a world.
#[derive(Args, Debug)]
pub struct OfBrand {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// World
    #[arg(long, value_enum)]
    pub world: World,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin activate`.
#[derive(Args, Debug)]
pub struct Activate {
    /// Plugin, as NAME@VERSION
    #[arg(value_parser = plugin)]
    pub plugin: String,
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// A parameter, as `half_life=6`; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = super::plugin::parameter)]
    pub parameters: Vec<(String, f64)>,
    /// What is answered where it fails
    #[arg(long, value_enum, default_value_t)]
    pub fallback: Fallback,
    /// Let plugins run that need a sealed WASI
    #[arg(long)]
    pub sealed_wasi: bool,
    /// Keep the rows of each run, for replays
    #[arg(long)]
    pub keep_inputs: bool,
    /// Why it is to answer although its check did not hold
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin promote`.
#[derive(Args, Debug)]
pub struct Promote {
    /// Why it is to answer although its check did not hold
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// Of which brand and world
    #[command(flatten)]
    pub of: OfBrand,
}

/// `dualwheel plugin shadow`.
#[derive(Args, Debug)]
pub struct Shadow {
    /// Plugin, as NAME@VERSION; none ends the shadow
    #[arg(value_parser = plugin)]
    pub plugin: Option<String>,
    /// A parameter, as `half_life=6`; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = super::plugin::parameter)]
    pub parameters: Vec<(String, f64)>,
    /// Of which brand and world
    #[command(flatten)]
    pub of: OfBrand,
}

/// `dualwheel plugin fixtures`.
#[derive(Args, Debug)]
pub struct Fixtures {
    /// Id of the run, as `plugin runs` lists it; its rows are kept where the plugin was activated with `--keep-inputs`
    pub run: String,
    /// Where the rows go, as an Arrow IPC stream
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel plugin replay`.
#[derive(Args, Debug)]
pub struct Replay {
    /// Id of the run, as `plugin runs` lists it
    pub run: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `NAME@VERSION` as a resource name.
fn plugin(text: &str) -> Result<String, String> {
    let (name, version) = text
        .split_once('@')
        .ok_or("write it as NAME@VERSION, as `plugin list` does")?;
    Ok(format!("plugins/{name}/versions/{version}"))
}
