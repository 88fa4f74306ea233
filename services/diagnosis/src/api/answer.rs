//! A diagnosis as the contract writes it.

use dualwheel_kit::{
    answer::{absence_to_proto, definition_to_proto, metric_to_proto},
    question::{day_to_proto, window_to_proto},
};
use dualwheel_measure::{Absence, Definitions, Interval, IntervalAbsence, Scope};
use dualwheel_proto::{diagnosis as proto, types};

use super::diagnose::Question;
use crate::{
    assess::{Assessment, Metric},
    gather::{Facts, Gathered, Lack, Rpc},
    model::Model,
    parameters::{Group, Parameters, Service},
};

/// Everything that an answer is made of.
pub struct Told<'a> {
    /// Definitions in force.
    pub definitions: &'a Definitions<Parameters>,
    /// Model in force.
    pub model: &'a Model,
    /// What was asked.
    pub question: &'a Question,
    /// What the services answered.
    pub gathered: &'a Gathered,
    /// What follows.
    pub assessment: &'a Assessment<'a>,
}

/// The scope of this service's own metrics.
pub fn scope<'a>(definitions: &'a Definitions<Parameters>, window: dualwheel_measure::Window) -> Scope<'a> {
    let (entries, version) = (definitions.metrics.as_slice(), definitions.version.as_str());
    Scope {
        window,
        as_of: window.last,
        entries,
        version,
        segments: Vec::new(),
    }
}

/// Versions of tables as the contract writes them.
pub fn data_version(gathered: &Gathered) -> types::DataVersion {
    let tables = gathered
        .data_version
        .iter()
        .map(|(table, version)| (table.clone(), *version));
    types::DataVersion {
        tables: tables.collect(),
    }
}

/// The diagnosis.
pub fn diagnosis(told: &Told<'_>) -> proto::Diagnosis {
    let Told {
        definitions,
        question,
        gathered,
        assessment,
        ..
    } = told;
    let mut all = definitions
        .metrics
        .iter()
        .map(|entry| definition_to_proto(definitions, entry))
        .collect::<Vec<_>>();
    for service in Service::ALL {
        let answer = gathered.brand.answer(Rpc::Definitions(service));
        all.extend(answer.into_iter().flat_map(|answer| answer.definitions.clone()));
    }
    let missing = told.missing();
    proto::Diagnosis {
        brand: question.brand.clone(),
        window: Some(window_to_proto(question.window)),
        index: Some(told.index()),
        index_rank: number(assessment.rank.unwrap_or_default()),
        reference_size: number(assessment.members.len()),
        tracks: told.tracks(),
        metrics: assessment
            .metrics
            .iter()
            .map(|metric| told.metric(metric))
            .collect(),
        gaps: assessment.gaps.iter().map(|gap| gap.metric.clone()).collect(),
        scenes: told.scenes(),
        partial: !missing.is_empty(),
        missing,
        members: told.members(),
        pictures: Some(pictures(&gathered.brand)),
        definitions_version: definitions.version.clone(),
        data_version: Some(data_version(gathered)),
        definitions: all,
        modes: question.modes.clone(),
        sub_indicators: assessment
            .sub_indicators
            .iter()
            .map(|metric| told.metric(metric))
            .collect(),
    }
}

impl Told<'_> {
    fn own(
        &self,
        id: &str,
        value: Result<f64, &(Absence, String)>,
        interval: Option<Interval>,
    ) -> types::Metric {
        let scope = scope(self.definitions, self.question.window);
        let metric = match value {
            Ok(points) => scope.real(id, points, interval.ok_or(IntervalAbsence::NoUnitData)),
            Err((absence, detail)) => scope.absent(id, *absence, detail),
        };
        metric_to_proto(&metric, "", &data_version(self.gathered))
    }

    fn index(&self) -> types::Metric {
        let nothing = (Absence::NoData, "nothing was measured".to_owned());
        let absence = self.assessment.index_absence.as_ref().unwrap_or(&nothing);
        self.own(
            "index",
            self.assessment.index.points.ok_or(absence),
            self.assessment.interval,
        )
    }

    fn tracks(&self) -> Vec<proto::TrackScore> {
        let model = self.model.tracks.iter();
        (model
            .zip(&self.assessment.tracks)
            .zip(&self.assessment.index.tracks))
        .map(|((track, place), index)| proto::TrackScore {
            track: track.id.clone(),
            name_en: track.en.clone(),
            name_zh: track.zh.clone(),
            score: index.points,
            peer_mean: place.peer_mean,
            rank: number(place.rank.unwrap_or_default()),
            weight: index.weight,
            weight_present: index.weight_present,
            partial: index.partial,
            interval: place.interval.map(interval_to_proto),
        })
        .collect()
    }

    fn metric(&self, metric: &Metric) -> proto::MetricScore {
        let absence = metric
            .score
            .as_ref()
            .err()
            .map_or(types::Absence::Unspecified, |(absence, _)| {
                absence_to_proto(*absence)
            });
        let standing = &metric.standing;
        proto::MetricScore {
            metric: Some(self.measured(metric)),
            track: metric.track.clone(),
            score: metric.score.as_ref().ok().copied(),
            absence: absence.into(),
            z: metric.z,
            rank: number(standing.rank.unwrap_or_default()),
            members: number(standing.members),
            peer_mean: standing.peer_mean,
            peer_median: standing.peer_median,
            top_quartile_mean: standing.top_quartile_mean,
            nearest_above: standing
                .nearest_above
                .as_ref()
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
            nearest_above_value: standing.nearest_above.as_ref().map(|(_, value)| *value),
            weight: metric.weight,
            gap: metric.gap,
            scored_value: metric.compared.as_ref().ok().copied().filter(|_| metric.is_share),
        }
    }

    /// The brand's metric: as its service answered it, or a mean of scores, or absent.
    fn measured(&self, metric: &Metric) -> types::Metric {
        if metric.is_mean {
            return self.own(&metric.id, metric.score.as_ref().copied(), metric.interval);
        }
        if let Some(answered) = self.gathered.brand.metric(&metric.id) {
            return answered.clone();
        }
        let (absence, detail) = metric
            .compared
            .clone()
            .err()
            .unwrap_or((Absence::NoData, String::new()));
        types::Metric {
            id: metric.id.clone(),
            interval_absence: types::IntervalAbsence::NoValue.into(),
            absence: absence_to_proto(absence).into(),
            absence_detail: detail,
            window: Some(window_to_proto(self.question.window)),
            as_of: Some(day_to_proto(self.question.window.last)),
            ..types::Metric::default()
        }
    }

    fn scenes(&self) -> Vec<proto::SceneAction> {
        let action = |action: &crate::gaps::Action<'_>| proto::SceneAction {
            scene: action.scene.id.clone(),
            name_en: action.scene.en.clone(),
            name_zh: action.scene.zh.clone(),
            wheel: action.scene.wheel().to_owned(),
            does: action.scene.does.clone(),
            metrics: action.metrics.clone(),
            priority: action.priority,
            focus: action.scene.focus,
        };
        self.assessment.scenes.iter().map(action).collect()
    }

    fn missing(&self) -> Vec<proto::MissingPart> {
        let metrics = self.assessment.missing.iter().map(|part| proto::MissingPart {
            metric: part.metric.clone(),
            track: part.track.clone(),
            absence: absence_to_proto(part.absence).into(),
            detail: part.detail.clone(),
            weight: part.weight,
            supply: part.supply.clone(),
            peer: String::new(),
            service: part
                .service
                .map(|service| service.name().to_owned())
                .unwrap_or_default(),
        });
        let pictures = self.gathered.brand.answers.iter().filter_map(|(rpc, answer)| {
            let metric = match rpc {
                Rpc::Group(_) => return None,
                Rpc::Aipl => "aipl",
                Rpc::Flow => "flow",
                Rpc::Definitions(_) => "definitions",
            };
            Some(unanswered(*rpc, metric, "", answer.as_ref().err()?))
        });
        let peers = self.gathered.peers.iter().flat_map(|(peer, facts)| {
            let failed = facts
                .answers
                .iter()
                .filter_map(|(rpc, answer)| Some((rpc, answer.as_ref().err()?)));
            failed.map(move |(rpc, why)| unanswered(*rpc, "", peer, why))
        });
        metrics.chain(pictures).chain(peers).collect()
    }

    fn members(&self) -> Vec<proto::MemberScore> {
        let member = |member: &crate::assess::MemberIndex| proto::MemberScore {
            brand: member.name.clone(),
            index: member.points,
            tracks: member.tracks.clone(),
            values: member.values.clone(),
        };
        self.assessment.members.iter().map(member).collect()
    }
}

fn unanswered(rpc: Rpc, metric: &str, peer: &str, lack: &Lack) -> proto::MissingPart {
    let supply = match lack {
        Lack::NotAnswered(_) => format!("no fact; the {} service has to answer", rpc.service()),
        Lack::OtherDefinitions(_) => format!(
            "no fact; the {} definitions of the brand and its peers have to be the same",
            rpc.service()
        ),
    };
    proto::MissingPart {
        metric: metric.to_owned(),
        absence: absence_to_proto(lack.absence()).into(),
        detail: lack.why().to_owned(),
        supply,
        peer: peer.to_owned(),
        service: rpc.service().name().to_owned(),
        ..proto::MissingPart::default()
    }
}

fn pictures(brand: &Facts) -> proto::Pictures {
    let of = |rpc| brand.answer(rpc);
    let link = |cell: &dualwheel_proto::consumer::FlowCell| proto::FlowLink {
        from: cell.from.clone(),
        to: cell.to.clone(),
        people: cell.people,
    };
    proto::Pictures {
        aipl: of(Rpc::Aipl)
            .map(|answer| answer.metrics.clone())
            .unwrap_or_default(),
        flow: of(Rpc::Flow)
            .map(|answer| answer.cells.iter().map(link).collect())
            .unwrap_or_default(),
        fast_trend: of(Rpc::Group(Group::Fast))
            .map(|answer| answer.trend.clone())
            .unwrap_or_default(),
    }
}

fn interval_to_proto(interval: Interval) -> types::Interval {
    let method = types::IntervalMethod::Bootstrap.into();
    types::Interval {
        low: interval.low,
        high: interval.high,
        method,
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
