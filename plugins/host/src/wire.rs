//! What crosses between host and guest, as `plugins/wit/plugin.wit` lays it out. One shape serves both worlds.

use dualwheel_plugin_sdk::Values;
use wasmtime::component::{ComponentType, Lift, Lower};

/// Values of a column on their way to the guest.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(variant)]
pub(crate) enum SentValues<'a> {
    #[component(name = "numbers")]
    Numbers(&'a [f64]),
    #[component(name = "texts")]
    Texts(&'a [String]),
    #[component(name = "series")]
    Series(&'a [Vec<f64>]),
}

impl<'a> From<&'a Values> for SentValues<'a> {
    fn from(values: &'a Values) -> Self {
        match values {
            Values::Numbers(numbers) => Self::Numbers(numbers),
            Values::Texts(texts) => Self::Texts(texts),
            Values::Series(series) => Self::Series(series),
        }
    }
}

/// A column on its way to the guest.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentColumn<'a> {
    pub name: &'a str,
    pub values: SentValues<'a>,
}

/// Rows on their way to the guest.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentBatch<'a> {
    pub rows: u32,
    pub columns: &'a [SentColumn<'a>],
}

/// A parameter on its way to the guest.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct SentParameter<'a> {
    pub name: &'a str,
    pub value: f64,
}

/// What `score` and `rank` are given.
pub(crate) type Sent<'a> = (SentBatch<'a>, &'a [SentParameter<'a>]);

/// Values of a column from the guest.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum GivenValues {
    #[component(name = "numbers")]
    Numbers(Vec<f64>),
    #[component(name = "texts")]
    Texts(Vec<String>),
    #[component(name = "series")]
    Series(Vec<Vec<f64>>),
}

/// A column from the guest.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct GivenColumn {
    pub name: String,
    pub values: GivenValues,
}

/// What `score` and `rank` give.
pub(crate) type Given = (Result<Vec<GivenColumn>, String>,);

/// A column that a model asks for.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct GivenWanted {
    pub name: String,
    pub required: bool,
}

/// A parameter that a model has.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct GivenSpec {
    pub name: String,
    pub meaning: String,
    pub default: f64,
    pub least: f64,
    pub greatest: f64,
}

/// What `describe` gives.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct GivenDescription {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub columns: Vec<GivenWanted>,
    pub parameters: Vec<GivenSpec>,
}
