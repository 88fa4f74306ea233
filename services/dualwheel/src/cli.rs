//! The command line, as clap reads it.

pub mod audience;
pub mod expansion;
pub mod job;
pub mod models;
pub mod moves;
pub mod plugin;
mod refused;
pub mod registry;

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::metric::step::Length;

pub use refused::MostRefused;

use crate::mesh::Role;

/// Consumer and product lifecycle value management for brands, as an open mesh of services.
#[derive(Debug, Parser)]
#[command(name = "dualwheel", version, propagate_version = true)]
pub struct Cli {
    /// Settings for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings for every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder, or URL of an object store [default: ./.dualwheel]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<String>,
    /// Any setting of the configuration by its dotted name; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub settings: Vec<(String, String)>,
    /// Print JSON with the contract's field names instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    /// The settings as flags of the configuration.
    #[must_use]
    pub fn flags(&self) -> BTreeMap<String, String> {
        let mut flags: BTreeMap<String, String> = self.settings.iter().cloned().collect();
        if let Some(data) = &self.data {
            flags.insert("data".to_owned(), data.clone());
        }
        flags
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a market of ten brands, bring it in, diagnose one brand and write a report
    Demo(Demo),
    /// Serve one, several or all of the five services
    Serve(Serve),
    /// Bring the tables of operational state up to date, or show which are
    #[command(subcommand)]
    Migrate(Migrate),
    /// Bring facts in through a mapping, or files that already hold facts
    Import(Import),
    /// Write a generated market as Parquet facts and truth.json
    Generate(Generate),
    /// Diagnose a brand against its peers
    Diagnose(Diagnose),
    /// List the brands that there are facts about, and which
    Brands(Place),
    /// List how many facts of which days there are, by kind and brand, and when they were last appended
    Coverage(Coverage),
    /// Ask one group of metrics
    Ask(Ask),
    /// Show what the consumers of a brand are worth and which paths they take; delete and export consumers
    #[command(subcommand)]
    Consumer(Consumer),
    /// Count, list, compare and save the people of audience expressions
    #[command(subcommand)]
    Audience(audience::Audience),
    /// Show where the people index stands, rebuild it, or check it against the facts
    #[command(subcommand)]
    Index(Index),
    /// Make calls in the background: start, list, follow and end them
    #[command(subcommand)]
    Job(job::Job),
    /// Join the small files of the lake's tables, and remove those out of use for limits.retention_s; services do so
    /// themselves now and then
    Compact,
    /// Check what is stored, and show how far producers are
    #[command(subcommand)]
    Lake(Lake),
    /// Show which members can become key opinion consumers
    Koc(models::Koc),
    /// Show which styles, functions, crafts, materials or colours the market moves towards
    Trends(models::Trends),
    /// Make, check, sign, publish and activate partners' models
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Print the configuration in force, secrets hidden
    Config,
}

/// Language of what is printed and drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// Where the mesh is.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Address of a running mesh, for example http://127.0.0.1:7650; the data folder is opened when not given
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
}

/// `dualwheel demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Language of table and report
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Where the report is written
    #[arg(long, value_name = "FILE", default_value = "dualwheel-report.html")]
    pub report: PathBuf,
    /// Brand to diagnose; all others are its peers
    #[arg(long, default_value = "brand-01")]
    pub brand: String,
    /// Seed of the market
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Consumers of the market
    #[arg(long, default_value_t = 150_000)]
    pub consumers: u32,
    /// Facts of the market, about
    #[arg(long, default_value_t = 3_200_000)]
    pub facts: u64,
    /// Keep the five services up afterwards
    #[arg(long)]
    pub serve: bool,
}

/// `dualwheel serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Services to serve
    #[arg(value_enum, default_values_t = [Role::All])]
    pub roles: Vec<Role>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7650]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

/// `dualwheel migrate`.
#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Show which migrations were run; fails when some were not
    Status,
    /// Run those that were not
    Up,
    /// Take the last ones of a service's tables back, and with them what they kept
    Down {
        /// Whose tables: consumer, diagnosis, jobs or plugins
        owner: String,
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
}

/// `dualwheel import`.
#[derive(Args, Debug)]
pub struct Import {
    /// Mapping file, or a shipped mapping: cdnow, complete-journey, olist, online-retail-ii, orders-events, qianniu-orders,
    /// rees46, shopify-orders, taobao-userbehavior
    #[arg(
        long,
        value_name = "FILE|NAME",
        required_unless_present_any = ["facts", "init", "retry"],
        conflicts_with = "facts"
    )]
    pub mapping: Option<String>,
    /// A source of the mapping; may be repeated
    #[arg(long = "source", value_name = "NAME=PATH", value_parser = pair)]
    pub sources: Vec<(String, String)>,
    /// Folder with files that already hold facts: behavior.parquet, order_line-0001.parquet, …
    #[arg(long, value_name = "DIR")]
    pub facts: Option<PathBuf>,
    /// Time zone of a facts folder
    #[arg(long, default_value = "Asia/Shanghai", requires = "facts")]
    pub time_zone: String,
    /// Currency of a facts folder
    #[arg(long, default_value = "CNY", requires = "facts")]
    pub currency: String,
    /// Propose a mapping of files, as YAML on standard output; EDIT marks what the files do not show
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["mapping", "facts", "sources", "dry_run", "retry"])]
    pub init: Vec<PathBuf>,
    /// Show the first mapped rows and every problem, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Import the mended rows of a file of refused ones, by the mapping that refused them if no other is given
    #[arg(long, value_name = "FILE", conflicts_with_all = ["facts", "sources"])]
    pub retry: Option<PathBuf>,
    /// Rows of an entry that may be refused before nothing is written: a number, or a share from ten rows on
    #[arg(long, value_name = "ROWS|SHARE", default_value = "5%")]
    pub max_refused: MostRefused,
    /// Name under which the rows are sent; rows that were sent under it are written before [default: by what the files hold]
    #[arg(long, value_name = "NAME", conflicts_with = "facts")]
    pub producer: Option<String>,
    /// Address of a running mesh; repeat it for services in processes of their own
    #[arg(long = "endpoint", value_name = "URL")]
    pub endpoints: Vec<String>,
}

/// `dualwheel generate`.
#[derive(Args, Debug)]
pub struct Generate {
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed; the same seed and sizes give the same market
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Brands
    #[arg(long, default_value_t = 10)]
    pub brands: u32,
    /// Consumers
    #[arg(long, default_value_t = 150_000)]
    pub consumers: u32,
    /// Months, the last ending on 2026-06-30
    #[arg(long, default_value_t = 15)]
    pub months: u32,
    /// Facts, about
    #[arg(long, default_value_t = 3_200_000)]
    pub facts: u64,
}

/// `dualwheel diagnose`.
#[derive(Args, Debug)]
pub struct Diagnose {
    /// Brand to diagnose
    #[arg(long, required_unless_present = "resume")]
    pub brand: Option<String>,
    /// Peers, separated by commas
    #[arg(long, value_delimiter = ',', required_unless_present_any = ["peer_set", "resume"])]
    pub peers: Vec<String>,
    /// Name of a stored peer set, peerSets/ID
    #[arg(long, conflicts_with = "peers")]
    pub peer_set: Option<String>,
    /// Days to measure, both ends included
    #[arg(long, value_name = "FROM..TO", value_parser = window, required_unless_present = "resume")]
    pub window: Option<Window>,
    /// Start a run again that ended as partial, failed, cancelled or interrupted: its name, runs/ID
    #[arg(long, value_name = "RUN", conflicts_with_all = ["brand", "peers", "peer_set", "window", "modes", "category_level"])]
    pub resume: Option<String>,
    /// DTC modes whose metrics weigh double: brand-led, service-led, product-led, supply-chain-led
    #[arg(long = "mode", value_delimiter = ',')]
    pub modes: Vec<String>,
    /// Depth at which category paths are cut
    #[arg(long, default_value_t = 0)]
    pub category_level: i32,
    /// Also write an HTML report
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Language of table and report
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// A group of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// People per stage
    Aipl,
    /// Moves between stages
    Flow,
    /// Size, deepening, close people, activity
    Fast,
    /// Decomposition of the change of GMV
    Grow,
    /// Customers by recency, frequency and monetary value
    Rfm,
    /// What customers are worth within a year
    Value,
    /// Goods
    Super,
    /// Content
    Start,
    /// Members
    Plus,
    /// Brand power
    Neo,
    /// DTC Operating Index Plus
    Index,
}

/// `dualwheel ask`.
#[derive(Args, Debug)]
pub struct Ask {
    /// Group of metrics
    #[arg(value_enum)]
    pub group: Group,
    /// Brand; with several, each is answered
    #[arg(long = "brand", value_name = "BRAND", required = true)]
    pub brands: Vec<String>,
    /// Days to measure, both ends included
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub window: Window,
    /// Cut the window into steps, each with its answer: 1m is a month of the calendar, 7d are seven days
    #[arg(long, value_name = "STEP", value_parser = step)]
    pub step: Option<Length>,
    /// Day on which standing facts are judged [default: the window's last]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Option<Day>,
    /// Dimension to cut by
    #[arg(long, value_name = "DIMENSION")]
    pub by: Option<String>,
    /// Category path to restrict to
    #[arg(long)]
    pub category: Option<String>,
    /// Depth at which category paths are cut
    #[arg(long, default_value_t = 0)]
    pub category_level: i32,
    /// Peers for neo and index, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Language of names
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer`.
#[derive(Debug, Subcommand)]
pub enum Consumer {
    /// List every customer's value: alive, expected purchases, lifetime value
    Values(Values),
    /// Show the paths to an outcome, and the credit of their points
    Journeys(Journeys),
    /// Show what campaigns spent per person who moved between the stages
    Moves(moves::Moves),
    /// Show which brands and categories new buyers had bought before
    Sources(moves::Sources),
    /// Show which lapsed buyers will come back, in packs by probability and reason
    Winback(Winback),
    /// Remove everything about some consumers for good, in every brand
    Delete(DeleteConsumers),
    /// Show how far deletions have come
    Deletions(Deletions),
    /// Print everything that is stored about a consumer, a JSON object a line
    Export(ExportConsumer),
}

/// `dualwheel consumer delete`.
#[derive(Args, Debug)]
pub struct DeleteConsumers {
    /// Keys of the consumers
    #[arg(value_name = "KEY", required_unless_present = "file")]
    pub keys: Vec<String>,
    /// File with one key a line; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Wait until nothing that is stored holds them; otherwise until no answer shows them
    #[arg(long)]
    pub erased: bool,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer deletions`.
#[derive(Args, Debug)]
pub struct Deletions {
    /// Id of a deletion, whose parts are listed [default: all, a line each]
    pub id: Option<String>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer export`.
#[derive(Args, Debug)]
pub struct ExportConsumer {
    /// Key of the consumer
    pub key: String,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer winback`.
#[derive(Args, Debug)]
pub struct Winback {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Day on which buyers have lapsed; all facts up to it count
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Day,
    /// Days to come back in, 7 to 365
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub horizon_days: i32,
    /// Only a return in this channel counts
    #[arg(long)]
    pub channel: Option<String>,
    /// Save each pack as an audience whose id begins so
    #[arg(long, value_name = "PREFIX")]
    pub save: Option<String>,
    /// Show only how many will come back within 90 and within 180 days, in any channel and in each
    #[arg(long, conflicts_with_all = ["horizon_days", "channel", "save"])]
    pub outlooks: bool,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel index`.
#[derive(Debug, Subcommand)]
pub enum Index {
    /// Let it catch up with the facts, and show where it stands
    Show(Place),
    /// Rebuild every bitmap from the facts
    Rebuild(Place),
    /// Check every bitmap against the facts; fails when one differs
    Verify(Place),
}

/// `dualwheel lake`.
#[derive(Debug, Subcommand)]
pub enum Lake {
    /// Read every stored file and check it against its recorded sums; fails when something is damaged or gone
    Verify,
    /// Show the last sequence of a producer, after which it goes on
    Producer(Producer),
}

/// `dualwheel lake producer`.
#[derive(Args, Debug)]
pub struct Producer {
    /// Name under which batches are appended
    pub name: String,
    /// Fact that it sends, for example order_line [default: each that it has sent]
    #[arg(long, value_name = "FACT")]
    pub kind: Option<String>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel coverage`.
#[derive(Args, Debug)]
pub struct Coverage {
    /// Only this fact, for example order_line
    #[arg(long, value_name = "FACT")]
    pub kind: Option<String>,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer journeys`.
#[derive(Args, Debug)]
pub struct Journeys {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Days of the outcomes, both ends included
    #[arg(long, value_name = "FROM..TO", value_parser = window)]
    pub window: Window,
    /// Outcome: purchase, joining, or a kind of behaviour such as SAMPLE_CLAIM
    #[arg(long, default_value = "purchase")]
    pub outcome: String,
    /// Show channels and kinds, not channels alone
    #[arg(long)]
    pub touches: bool,
    /// Only these people, as an audience expression
    #[arg(long, value_name = "EXPRESSION")]
    pub audience: Option<String>,
    /// Most routes
    #[arg(long, default_value_t = 20)]
    pub routes: i32,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

/// `dualwheel consumer values`.
#[derive(Args, Debug)]
pub struct Values {
    /// Brand
    #[arg(long)]
    pub brand: String,
    /// Last day of observation; every earlier purchase counts
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub as_of: Day,
    /// Weeks that are foreseen [default: the definition's, 52]
    #[arg(long, value_name = "WEEKS", default_value_t = 0, hide_default_value = true)]
    pub horizon_weeks: i32,
    /// Where the mesh is
    #[command(flatten)]
    pub place: Place,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day; write it as 2026-01-31"))
}

fn step(text: &str) -> Result<Length, String> {
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .unwrap_or((text, ""));
    match (number.parse(), unit) {
        (Ok(days), "d") => Ok(Length::Days(days)),
        (Ok(months), "m") => Ok(Length::Months(months)),
        _ => Err(format!("`{text}` is no step; write it as 7d or 1m")),
    }
}

fn window(text: &str) -> Result<Window, String> {
    let (first, last) = text
        .split_once("..")
        .ok_or("write it as 2026-01-01..2026-03-31")?;
    Window::new(day(first)?, day(last)?).ok_or_else(|| "the window ends before it begins".to_owned())
}
