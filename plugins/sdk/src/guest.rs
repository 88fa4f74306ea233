//! Binds models to the contract. Used through `export_koc_model!`, `export_style_trend_model!` and `export_hit_model!` only.

use std::{panic, sync::Once};

use crate::{
    Batch, Column, Description, HitModel, HitScores, KocModel, KocScores, ParameterSpec, Parameters, Refusal,
    StyleScores, StyleTrendModel, Values, Wanted,
};

/// The world `hit-model`, as generated; its types are those of `koc`.
#[allow(
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unwrap_used,
    missing_docs,
    unsafe_code,
    reason = "generated; plugins/examples/bindings holds it against the contract"
)]
#[rustfmt::skip]
pub mod hit;
/// The world `koc-model`, as generated.
#[allow(
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unwrap_used,
    missing_docs,
    unsafe_code,
    reason = "generated; plugins/examples/bindings holds it against the contract"
)]
#[rustfmt::skip]
pub mod koc;
/// The world `style-trend-model`, as generated; its types are those of `koc`.
#[allow(
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unwrap_used,
    missing_docs,
    unsafe_code,
    reason = "generated; plugins/examples/bindings holds it against the contract"
)]
#[rustfmt::skip]
pub mod style_trend;

use koc::dualwheel::plugin::{host, types};

/// Makes a type that implements [`KocModel`] and [`Default`] the model of this guest.
#[macro_export]
macro_rules! export_koc_model {
    ($model:ty) => {
        #[doc(hidden)]
        struct DualwheelKocModel;

        impl $crate::guest::koc::Guest for DualwheelKocModel {
            fn describe() -> $crate::guest::koc::Description {
                $crate::guest::describe_koc(&<$model as ::core::default::Default>::default())
            }

            fn score(
                batch: $crate::guest::koc::FeatureBatch,
                parameters: ::std::vec::Vec<$crate::guest::koc::Parameter>,
            ) -> ::core::result::Result<::std::vec::Vec<$crate::guest::koc::Column>, ::std::string::String> {
                $crate::guest::score(&<$model as ::core::default::Default>::default(), batch, parameters)
            }
        }

        $crate::guest::koc::export_koc!(DualwheelKocModel with_types_in $crate::guest::koc);
    };
}

/// Makes a type that implements [`StyleTrendModel`] and [`Default`] the model of this guest.
#[macro_export]
macro_rules! export_style_trend_model {
    ($model:ty) => {
        #[doc(hidden)]
        struct DualwheelStyleTrendModel;

        impl $crate::guest::style_trend::Guest for DualwheelStyleTrendModel {
            fn describe() -> $crate::guest::koc::Description {
                $crate::guest::describe_style_trend(&<$model as ::core::default::Default>::default())
            }

            fn rank(
                batch: $crate::guest::koc::FeatureBatch,
                parameters: ::std::vec::Vec<$crate::guest::koc::Parameter>,
            ) -> ::core::result::Result<::std::vec::Vec<$crate::guest::koc::Column>, ::std::string::String> {
                $crate::guest::rank(&<$model as ::core::default::Default>::default(), batch, parameters)
            }
        }

        $crate::guest::style_trend::export_style_trend!(
            DualwheelStyleTrendModel with_types_in $crate::guest::style_trend
        );
    };
}

/// Makes a type that implements [`HitModel`] and [`Default`] the model of this guest.
#[macro_export]
macro_rules! export_hit_model {
    ($model:ty) => {
        #[doc(hidden)]
        struct DualwheelHitModel;

        impl $crate::guest::hit::Guest for DualwheelHitModel {
            fn describe() -> $crate::guest::koc::Description {
                $crate::guest::describe_hit(&<$model as ::core::default::Default>::default())
            }

            fn assess(
                batch: $crate::guest::koc::FeatureBatch,
                parameters: ::std::vec::Vec<$crate::guest::koc::Parameter>,
            ) -> ::core::result::Result<::std::vec::Vec<$crate::guest::koc::Column>, ::std::string::String> {
                $crate::guest::assess(&<$model as ::core::default::Default>::default(), batch, parameters)
            }
        }

        $crate::guest::hit::export_hit!(DualwheelHitModel with_types_in $crate::guest::hit);
    };
}

/// `model.describe` for the host.
pub fn describe_koc(model: &impl KocModel) -> types::Description {
    tell_panics();
    description_out(model.describe())
}

/// `model.score` for the host.
///
/// # Errors
/// The model's refusal.
pub fn score(
    model: &impl KocModel,
    batch: types::FeatureBatch,
    parameters: Vec<types::Parameter>,
) -> Result<Vec<types::Column>, String> {
    tell_panics();
    let scores = model.score(&batch_in(batch), &parameters_in(parameters));
    answer_out(scores.map(KocScores::into_columns))
}

/// `model.describe` for the host.
pub fn describe_style_trend(model: &impl StyleTrendModel) -> types::Description {
    tell_panics();
    description_out(model.describe())
}

/// `model.rank` for the host.
///
/// # Errors
/// The model's refusal.
pub fn rank(
    model: &impl StyleTrendModel,
    batch: types::FeatureBatch,
    parameters: Vec<types::Parameter>,
) -> Result<Vec<types::Column>, String> {
    tell_panics();
    let scores = model.rank(&batch_in(batch), &parameters_in(parameters));
    answer_out(scores.map(StyleScores::into_columns))
}

/// `model.describe` for the host.
pub fn describe_hit(model: &impl HitModel) -> types::Description {
    tell_panics();
    description_out(model.describe())
}

/// `model.assess` for the host.
///
/// # Errors
/// The model's refusal.
pub fn assess(
    model: &impl HitModel,
    batch: types::FeatureBatch,
    parameters: Vec<types::Parameter>,
) -> Result<Vec<types::Column>, String> {
    tell_panics();
    let scores = model.assess(&batch_in(batch), &parameters_in(parameters));
    answer_out(scores.map(HitScores::into_columns))
}

/// Sends the words and the place of a panic to the log; without this the host learns only that the guest trapped.
/// Only in a guest: elsewhere there is no host to hear it.
fn tell_panics() {
    static ONCE: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| panic::set_hook(Box::new(|panic| host::log(&panic.to_string()))));
    }
}

// The values move between the two sides' types; no number is copied.

fn batch_in(batch: types::FeatureBatch) -> Batch {
    let column = |column: types::Column| Column {
        name: column.name,
        values: match column.values {
            types::Values::Numbers(values) => Values::Numbers(values),
            types::Values::Texts(values) => Values::Texts(values),
            types::Values::Series(values) => Values::Series(values),
        },
    };
    Batch {
        rows: batch.rows as usize,
        columns: batch.columns.into_iter().map(column).collect(),
    }
}

fn parameters_in(parameters: Vec<types::Parameter>) -> Parameters {
    parameters
        .into_iter()
        .map(|parameter| (parameter.name, parameter.value))
        .collect()
}

fn answer_out(answer: Result<Vec<Column>, Refusal>) -> Result<Vec<types::Column>, String> {
    answer.map(columns_out).map_err(|Refusal(message)| message)
}

fn columns_out(columns: Vec<Column>) -> Vec<types::Column> {
    let column = |column: Column| types::Column {
        name: column.name,
        values: match column.values {
            Values::Numbers(values) => types::Values::Numbers(values),
            Values::Texts(values) => types::Values::Texts(values),
            Values::Series(values) => types::Values::Series(values),
        },
    };
    columns.into_iter().map(column).collect()
}

fn description_out(description: Description) -> types::Description {
    let column = |column: Wanted| types::WantedColumn {
        name: column.name,
        required: column.required,
    };
    let parameter = |parameter: ParameterSpec| types::ParameterSpec {
        name: parameter.name,
        meaning: parameter.meaning,
        default: parameter.default,
        least: parameter.least,
        greatest: parameter.greatest,
    };
    types::Description {
        name: description.name,
        version: description.version,
        summary: description.summary,
        columns: description.columns.into_iter().map(column).collect(),
        parameters: description.parameters.into_iter().map(parameter).collect(),
    }
}
