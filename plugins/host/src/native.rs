//! Models that the host itself brings: plain Rust behind the interface of a plugin, so that either can be compared with
//! the other on the same rows.

use std::{fmt, time::Instant};

use dualwheel_plugin_sdk::{
    Batch, Column, Description, HitModel, KocModel, Parameters, Refusal, StyleTrendModel, Values,
};

use crate::{
    call::Used,
    wire::{GivenColumn, GivenDescription, GivenSpec, GivenValues, GivenWanted, SentColumn, SentValues},
    world::World,
};

/// A model of the host.
pub(crate) enum Native {
    Koc(Box<dyn KocModel + Send + Sync>),
    StyleTrend(Box<dyn StyleTrendModel + Send + Sync>),
    Hit(Box<dyn HitModel + Send + Sync>),
}

impl fmt::Debug for Native {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.world().name())
    }
}

impl Native {
    pub(crate) const fn world(&self) -> World {
        match self {
            Self::Koc(_) => World::KocModel,
            Self::StyleTrend(_) => World::StyleTrendModel,
            Self::Hit(_) => World::HitModel,
        }
    }

    pub(crate) fn describe(&self) -> GivenDescription {
        let description = match self {
            Self::Koc(model) => model.describe(),
            Self::StyleTrend(model) => model.describe(),
            Self::Hit(model) => model.describe(),
        };
        given(description)
    }

    /// Asks it, as a guest is asked.
    pub(crate) fn call(
        &self,
        rows: usize,
        columns: &[SentColumn<'_>],
        parameters: &Parameters,
    ) -> (Result<Vec<GivenColumn>, String>, Used) {
        let columns = columns.iter().map(column).collect();
        let batch = Batch { rows, columns };
        let started = Instant::now();
        let answered = match self {
            Self::Koc(model) => model
                .score(&batch, parameters)
                .map(|scores| scores.into_columns()),
            Self::StyleTrend(model) => model.rank(&batch, parameters).map(|scores| scores.into_columns()),
            Self::Hit(model) => model
                .assess(&batch, parameters)
                .map(|scores| scores.into_columns()),
        };
        let used = Used::native(started.elapsed());
        let answered = answered
            .map(|columns| columns.into_iter().map(given_column).collect())
            .map_err(|Refusal(message)| message);
        (answered, used)
    }
}

fn column(sent: &SentColumn<'_>) -> Column {
    let values = match sent.values {
        SentValues::Numbers(numbers) => Values::Numbers(numbers.to_vec()),
        SentValues::Texts(texts) => Values::Texts(texts.to_vec()),
        SentValues::Series(series) => Values::Series(series.to_vec()),
    };
    Column {
        name: sent.name.to_owned(),
        values,
    }
}

fn given_column(column: Column) -> GivenColumn {
    let values = match column.values {
        Values::Numbers(numbers) => GivenValues::Numbers(numbers),
        Values::Texts(texts) => GivenValues::Texts(texts),
        Values::Series(series) => GivenValues::Series(series),
    };
    GivenColumn {
        name: column.name,
        values,
    }
}

fn given(description: Description) -> GivenDescription {
    let columns = description.columns.into_iter().map(|wanted| GivenWanted {
        name: wanted.name,
        required: wanted.required,
    });
    let parameters = description.parameters.into_iter().map(|spec| GivenSpec {
        name: spec.name,
        meaning: spec.meaning,
        default: spec.default,
        least: spec.least,
        greatest: spec.greatest,
    });
    GivenDescription {
        name: description.name,
        version: description.version,
        summary: description.summary,
        columns: columns.collect(),
        parameters: parameters.collect(),
    }
}
