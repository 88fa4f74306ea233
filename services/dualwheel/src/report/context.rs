//! What every part of the report needs to write a diagnosis: words, names and the currency.

use std::collections::HashMap;

use dualwheel_proto::{
    diagnosis::{Diagnosis, MetricScore, MissingPart, TrackScore},
    types::{Definition, Metric},
};

use crate::{
    format,
    words::{Lang, Words},
};

/// A diagnosis with its words, names and currency at hand.
pub struct Context<'a> {
    /// The diagnosis.
    pub diagnosis: &'a Diagnosis,
    /// The language.
    pub lang: Lang,
    /// Its words.
    pub words: &'static Words,
    /// Currency code of the money in it; empty where there is none.
    pub currency: String,
    definitions: HashMap<&'a str, &'a Definition>,
}

impl<'a> Context<'a> {
    /// Looks the names up once.
    pub fn new(diagnosis: &'a Diagnosis, lang: Lang) -> Self {
        let definitions = diagnosis
            .definitions
            .iter()
            .map(|definition| (definition.id.as_str(), definition))
            .collect();
        let scores = diagnosis.metrics.iter().chain(&diagnosis.sub_indicators);
        let metrics = scores.filter_map(|score| score.metric.as_ref());
        let currency = format::currency(metrics);
        Self {
            diagnosis,
            lang,
            words: lang.words(),
            currency,
            definitions,
        }
    }

    /// The definition of a metric.
    pub fn definition(&self, id: &str) -> Option<&'a Definition> {
        self.definitions.get(id).copied()
    }

    /// The name of a metric; its id where it has no definition.
    pub fn name<'b>(&self, id: &'b str) -> &'b str
    where
        'a: 'b,
    {
        match self.definition(id) {
            Some(definition) => self.lang.pick(&definition.name_en, &definition.name_zh, id),
            None => id,
        }
    }

    /// The name of a track; its id where the diagnosis does not name it.
    pub fn track<'b>(&self, id: &'b str) -> &'b str
    where
        'a: 'b,
    {
        match self.diagnosis.tracks.iter().find(|track| track.track == id) {
            Some(track) => self.track_name(track),
            None => id,
        }
    }

    /// The name of a scored track.
    pub fn track_name<'b>(&self, track: &'b TrackScore) -> &'b str {
        self.lang.pick(&track.name_en, &track.name_zh, &track.track)
    }

    /// The scores of the gaps, in the order of the diagnosis.
    pub fn weak(&self) -> impl Iterator<Item = &'a MetricScore> {
        let diagnosis = self.diagnosis;
        diagnosis.gaps.iter().filter_map(|id| {
            let is = |score: &&MetricScore| score.metric.as_ref().is_some_and(|metric| metric.id == *id);
            diagnosis.metrics.iter().chain(&diagnosis.sub_indicators).find(is)
        })
    }

    /// What a missing part is called.
    pub fn part<'b>(&self, part: &'b MissingPart) -> &'b str
    where
        'a: 'b,
    {
        match part.metric.as_str() {
            "" if part.peer.is_empty() => self.words.whole_track,
            "" => self.words.whole_answer,
            metric => self.words.picture(metric).unwrap_or_else(|| self.name(metric)),
        }
    }

    /// Whether less is better for a metric.
    pub fn lower_is_better(&self, id: &str) -> bool {
        self.definition(id)
            .is_some_and(|definition| definition.better == "lower")
    }

    /// A value of a metric as it is written, or the mark for none.
    pub fn value(&self, number: Option<f64>, unit: &str) -> String {
        format::optional(number, unit, &self.currency)
    }

    /// Rank among `members`: `3 of 10`; the mark for none where there is no rank.
    pub fn rank(&self, rank: i32, members: i32) -> String {
        if rank <= 0 {
            format::NONE.to_owned()
        } else {
            format!("{rank} / {members}")
        }
    }

    /// Why a metric has no value or no score, in one phrase; empty when it has both.
    pub fn absence(&self, score: &MetricScore) -> &'static str {
        let own = score
            .metric
            .as_ref()
            .map_or("", |metric| self.words.absence(metric.absence()));
        match own {
            "" if score.score.is_none() => match self.words.absence(score.absence()) {
                "" => self.words.absent,
                why => why,
            },
            why => why,
        }
    }
}

/// The number that was scored and its unit: GROW factors are scored as shares of base GMV.
pub fn scored<'a>(score: &MetricScore, metric: &'a Metric) -> (Option<f64>, &'a str) {
    match score.scored_value {
        Some(value) => (Some(value), "ratio"),
        None => (metric.value, metric.unit.as_str()),
    }
}
