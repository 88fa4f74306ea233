//! The command line of `dualwheel audience`.

mod clusters;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use dualwheel_measure::Day;

pub use self::clusters::Clusters;
use super::{Place, day, expansion::Expand};

/// `dualwheel audience`.
#[derive(Debug, Subcommand)]
pub enum Audience {
    /// Count the people of an expression, and of each of its terms
    Estimate(People),
    /// List the keys of an expression's people, one a line
    Export(People),
    /// Count how expressions overlap, pair by pair
    Compare(Compare),
    /// Show by which traits the people of an expression stand out (TGI)
    Profile(ProfilePeople),
    /// Find the people most like those of an expression and not among them, and save them on request
    Expand(Expand),
    /// Group people by how they behave and who they are
    Clusters(Clusters),
    /// Save an expression as an audience, live or frozen
    Save(Save),
    /// Make an audience of a list of keys
    Import(ImportKeys),
    /// List the saved audiences
    List(ListSaved),
    /// Show a saved audience
    Show(Saved),
    /// Change the name or the expression of a saved audience
    Update(UpdateSaved),
    /// Judge a frozen audience again, or freeze a live one
    Refresh(RefreshSaved),
    /// Delete a saved audience
    Delete(Saved),
}

impl Audience {
    /// Where the mesh is.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Estimate(args) | Self::Export(args) => &args.basis.place,
            Self::Compare(args) => &args.basis.place,
            Self::Profile(args) => &args.basis.place,
            Self::Expand(args) => &args.basis.place,
            Self::Clusters(args) => &args.basis.place,
            Self::Save(args) => &args.basis.place,
            Self::Import(args) => &args.place,
            Self::List(args) => &args.place,
            Self::Show(args) | Self::Delete(args) => &args.place,
            Self::Update(args) => &args.saved.place,
            Self::Refresh(args) => &args.saved.place,
        }
    }
}

/// `dualwheel audience profile`.
#[derive(Args, Debug)]
pub struct ProfilePeople {
    /// Who belongs
    pub expression: String,
    /// Whom to compare them with, as an expression [default: everyone with a profile]
    #[arg(long, value_name = "EXPRESSION")]
    pub base: Option<String>,
    /// Traits, separated by commas: age, gender, city_tier, has_child, spending_power, occupation, strategic_audience,
    /// label [default: all]
    #[arg(long, value_delimiter = ',')]
    pub traits: Vec<String>,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}

/// `dualwheel audience save`.
#[derive(Args, Debug)]
pub struct Save {
    /// Who belongs: `stage(P) and not behavior(CART | FAVORITE, last 30 days) >= 2`
    pub expression: String,
    /// Id, a-z, 0-9 and hyphen [default: made up]
    #[arg(long)]
    pub id: Option<String>,
    /// Name for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Keep the people as they are on the as-of day; otherwise the audience stays live
    #[arg(long)]
    pub freeze: bool,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}

/// `dualwheel audience import`.
#[derive(Args, Debug)]
pub struct ImportKeys {
    /// File with one key a line; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub keys: PathBuf,
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Id, a-z, 0-9 and hyphen [default: made up]
    #[arg(long)]
    pub id: Option<String>,
    /// Name for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel audience list`.
#[derive(Args, Debug)]
pub struct ListSaved {
    /// Brand [default: all]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub brand: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// A saved audience.
#[derive(Args, Debug)]
pub struct Saved {
    /// Id of the audience
    pub id: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel audience update`.
#[derive(Args, Debug)]
pub struct UpdateSaved {
    /// Which
    #[command(flatten)]
    pub saved: Saved,
    /// New name for people
    #[arg(long, required_unless_present = "expression")]
    pub name: Option<String>,
    /// New expression
    #[arg(long)]
    pub expression: Option<String>,
}

/// `dualwheel audience refresh`.
#[derive(Args, Debug)]
pub struct RefreshSaved {
    /// Which
    #[command(flatten)]
    pub saved: Saved,
    /// As-of day [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Option<Day>,
}

/// `dualwheel audience estimate` and `export`.
#[derive(Args, Debug)]
pub struct People {
    /// Who belongs: `stage(P) and not behavior(CART | FAVORITE, last 30 days) >= 2`
    pub expression: String,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}

/// `dualwheel audience compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// Who belongs to each, 2 to 20 of them
    #[arg(required = true)]
    pub expressions: Vec<String>,
    /// Whose facts, and when
    #[command(flatten)]
    pub basis: Basis,
}

/// Whose facts an audience is judged by, as of which day.
#[derive(Args, Debug)]
pub struct Basis {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// As-of day [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Option<Day>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}
