//! Scores of the members of a reference set on one metric, and where the brand stands among its peers.
//!
//! Source: methodology §6.2 (this project's own definition).

use std::{cmp::Ordering, collections::BTreeMap};

use dualwheel_measure::{Absence, rank::median, score::Yardstick};

use crate::model::{Model, Part, Scored};

/// A measured value, or why there is none, in kind and words.
pub type Reading = Result<f64, (Absence, String)>;

/// A member of the reference set: the brand, or a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Brand key, or the name of supplied aggregates.
    pub name: String,
    /// Readings by metric id.
    pub readings: BTreeMap<String, Reading>,
}

impl Member {
    /// The value of `part` in the terms in which members are compared: divided by its base where it has one.
    pub fn compared(&self, part: &Part) -> Reading {
        let value = self.reading(&part.id)?;
        let Some(base) = &part.share_of else {
            return Ok(value);
        };
        let below = self.reading(base)?;
        if below > 0.0 {
            return Ok(value / below);
        }
        Err((
            Absence::NoDenominator,
            format!("{base} is not above zero, so there is nothing to be a share of"),
        ))
    }

    fn reading(&self, id: &str) -> Reading {
        match self.readings.get(id) {
            Some(Ok(value)) if value.is_finite() => Ok(*value),
            Some(Err(absence)) => Err(absence.clone()),
            _ => Err((Absence::NoData, format!("{id} was not answered"))),
        }
    }
}

/// The brand and its peers, in the order of their names: so numbers do not depend on who asks or in which order.
#[derive(Clone, Debug)]
pub struct ReferenceSet {
    /// Names.
    pub names: Vec<String>,
    /// Position of the brand.
    pub brand: usize,
    /// For each of [`Model::parts`], the members' values.
    pub columns: Vec<Column>,
}

/// One measured metric over all members.
#[derive(Clone, Debug)]
pub struct Column {
    /// Values as compared.
    pub compared: Vec<Reading>,
    /// The same on the scale of scores, more is better.
    pub scaled: Vec<Option<f64>>,
}

/// A score with the z behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Robust z, clipped to ±3.
    pub z: f64,
    /// 0 to 100.
    pub points: f64,
}

impl ReferenceSet {
    /// The set of `brand` and `peers`.
    #[must_use]
    pub fn new(model: &Model, brand: Member, peers: Vec<Member>) -> Self {
        let name = brand.name.clone();
        let mut members = peers;
        members.push(brand);
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let columns = model
            .parts
            .iter()
            .map(|part| Column::new(part, &members))
            .collect();
        let names: Vec<String> = members.into_iter().map(|member| member.name).collect();
        let brand = names.iter().position(|other| *other == name).unwrap_or_default();
        Self {
            names,
            brand,
            columns,
        }
    }

    /// For each part, the members' scores.
    #[must_use]
    pub fn scores(&self) -> Vec<Vec<Option<Score>>> {
        self.columns.iter().map(|column| scores(&column.scaled)).collect()
    }
}

impl Column {
    fn new(part: &Part, members: &[Member]) -> Self {
        let compared: Vec<Reading> = members.iter().map(|member| member.compared(part)).collect();
        let scaled = compared
            .iter()
            .map(|value| Some(part.on_scale(*value.as_ref().ok()?)))
            .collect();
        Self { compared, scaled }
    }
}

/// The members' scores on one metric, of values where more is better. Nobody has one with fewer than three values.
#[must_use]
pub fn scores(scaled: &[Option<f64>]) -> Vec<Option<Score>> {
    let values: Vec<f64> = scaled.iter().copied().flatten().collect();
    let yardstick = Yardstick::of(&values);
    let score = |value: f64| {
        yardstick.map(|yardstick| Score {
            z: yardstick.z(value),
            points: yardstick.score(value),
        })
    };
    scaled.iter().map(|value| score((*value)?)).collect()
}

/// Where the brand stands on one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Place among brand and peers with a value, 1 is best, ties share the best; `None` without a value.
    pub rank: Option<usize>,
    /// Members with a value, the brand included.
    pub members: usize,
    /// Mean of the peers.
    pub peer_mean: Option<f64>,
    /// Median of the peers.
    pub peer_median: Option<f64>,
    /// Mean of the best ⌈m/4⌉ of the m peers with a value.
    pub top_quartile_mean: Option<f64>,
    /// The peer nearest above the brand, and its value.
    pub nearest_above: Option<(String, f64)>,
}

/// The brand's standing among `values`, in the order of `names`.
#[must_use]
pub fn standing(names: &[String], brand: usize, values: &[Option<f64>], lower_is_better: bool) -> Standing {
    let better_first = |a: &f64, b: &f64| {
        if lower_is_better {
            a.total_cmp(b)
        } else {
            b.total_cmp(a)
        }
    };
    let own = values.get(brand).copied().flatten();
    let mut peers: Vec<(f64, &String)> = (values.iter().zip(names).enumerate())
        .filter(|(position, _)| *position != brand)
        .filter_map(|(_, (value, name))| Some(((*value)?, name)))
        .collect();
    // Best first; of equals the first by name, as the nearest above is taken from the end: so reversed here.
    peers.sort_by(|a, b| better_first(&a.0, &b.0).then_with(|| b.1.cmp(a.1)));
    let numbers: Vec<f64> = peers.iter().map(|(value, _)| *value).collect();
    let is_above =
        |value: f64| own.is_some_and(|own| better_first(&value, &own) == Ordering::Less && value != own);
    let above: Vec<_> = peers.iter().take_while(|(value, _)| is_above(*value)).collect();
    Standing {
        rank: own.map(|_| above.len() + 1),
        members: peers.len() + usize::from(own.is_some()),
        peer_mean: mean(&numbers),
        peer_median: median(&numbers),
        top_quartile_mean: numbers.get(..numbers.len().div_ceil(4)).and_then(mean),
        nearest_above: above.last().map(|(value, name)| ((*name).clone(), *value)),
    }
}

/// The score of `metric` given the scores of all parts: the mean of those that exist. Of a metric with one part it is
/// that part's score.
#[must_use]
pub fn composed(metric: &Scored, parts: &[Option<f64>]) -> Option<f64> {
    let existing: Vec<f64> = metric
        .parts
        .iter()
        .filter_map(|position| parts.get(*position).copied().flatten())
        .collect();
    mean(&existing)
}

/// Share of the parts of `metric` that have a score.
#[must_use]
pub fn presence(metric: &Scored, parts: &[Option<f64>]) -> f64 {
    let existing = metric
        .parts
        .iter()
        .filter(|position| parts.get(**position).is_some_and(Option::is_some));
    existing.count() as f64 / metric.parts.len().max(1) as f64
}

/// The mean; `None` of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
