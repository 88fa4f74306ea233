//! How a number of this service came about, from the newest finished run of the brand over the window.

use dualwheel_kit::{
    Call, Failure, Question, Reason,
    answer::{definition_to_proto, metric_to_proto},
    question::window_to_proto,
};
use dualwheel_measure::Absence;
use dualwheel_proto::{diagnosis as proto, types};
use tonic::Status;

use super::{answer::scope, diagnose::Diagnoser, runs::run_to_proto, spec::latest_day};
use crate::store::{Filter, Runs, State};

/// How many of a brand's newest runs are looked through for the window.
const RUNS_LOOKED_THROUGH: usize = 200;

/// Explains a metric.
pub async fn explain(
    diagnoser: &Diagnoser,
    call: &Call,
    request: types::ExplainMetricRequest,
) -> Result<types::ExplainMetricResponse, Status> {
    let question = Question::read(request.query, &[], latest_day())?;
    let definitions = diagnoser.definitions(call, &question.brand);
    let Some(entry) = definitions.entry(&request.metric) else {
        let text = format!(
            "{} is no metric of the diagnosis service; its owner explains it",
            request.metric
        );
        return Err(Failure::new(Reason::MetricUnknown, text)
            .with("metric", &request.metric)
            .status());
    };
    let window = window_to_proto(question.window);
    let run = newest(diagnoser, call, &question.brand, window).await?;
    let told = run.as_ref().and_then(|run| Some((run, run.result.as_ref()?)));
    let (metric, steps) = match told.and_then(|(run, result)| Some((run, result, value(result, &entry.id)?)))
    {
        Some((run, result, metric)) => (metric, steps(run, result, &entry.id)),
        None => {
            let detail = "no finished run of this brand over this window; start a diagnosis first";
            let metric = scope(&definitions, question.window).absent(&entry.id, Absence::NoData, detail);
            (
                metric_to_proto(&metric, "", &types::DataVersion::default()),
                vec![detail.to_owned()],
            )
        }
    };
    let definition = Some(definition_to_proto(&definitions, entry));
    Ok(types::ExplainMetricResponse {
        definition,
        metrics: vec![metric],
        steps,
    })
}

/// The newest run of `brand` over `window` that has a result.
async fn newest(
    diagnoser: &Diagnoser,
    call: &Call,
    brand: &str,
    window: types::Window,
) -> Result<Option<proto::DiagnosisRun>, Status> {
    let finished = Filter {
        brand: Some(brand.to_owned()),
        states: vec![State::Succeeded, State::Partial],
        ..Filter::default()
    };
    let page = Runs::of(call, &diagnoser.database)
        .list(&finished, RUNS_LOOKED_THROUGH, "")
        .await?;
    for made in &page.items {
        let run = run_to_proto(made)?;
        if run.spec.as_ref().is_some_and(|spec| spec.window == Some(window)) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// The metric `id` of a diagnosis.
fn value(result: &proto::Diagnosis, id: &str) -> Option<types::Metric> {
    let index = result.index.as_ref()?;
    if id == "index" {
        return Some(index.clone());
    }
    if let Some(metric) = result
        .metrics
        .iter()
        .filter_map(|score| score.metric.as_ref())
        .find(|metric| metric.id == id)
    {
        return Some(metric.clone());
    }
    let track = result
        .tracks
        .iter()
        .find(|track| id.strip_prefix("track.") == Some(&track.track))?;
    let absent = types::Absence::NoData.into();
    Some(types::Metric {
        id: id.to_owned(),
        value: track.score,
        interval: track.interval,
        interval_absence: track
            .interval
            .map_or(types::IntervalAbsence::NoUnitData.into(), |_| 0),
        absence: if track.score.is_some() { 0 } else { absent },
        absence_detail: if track.score.is_some() {
            String::new()
        } else {
            "none of its metrics has a score".to_owned()
        },
        definition: Some(types::DefinitionRef {
            id: id.to_owned(),
            version: result.definitions_version.clone(),
        }),
        ..index.clone()
    })
}

/// The counts and the rule, a line each.
fn steps(run: &proto::DiagnosisRun, result: &proto::Diagnosis, id: &str) -> Vec<String> {
    let mut steps = vec![format!(
        "{} against {} members of the reference set",
        run.name, result.reference_size
    )];
    if !result.modes.is_empty() {
        steps.push(format!(
            "modes that weigh their metrics higher: {}",
            result.modes.join(", ")
        ));
    }
    let track = id.strip_prefix("track.").unwrap_or_default();
    if id == "index" {
        steps.extend(result.tracks.iter().map(|track| {
            let partial = if track.partial { ", partial" } else { "" };
            format!(
                "track {}: {} × weight {:.4}{partial}",
                track.track,
                points(track.score),
                track.weight
            )
        }));
        steps.push("index = Σ score × weight; absent tracks' weights are spread over the others".to_owned());
    } else if track.is_empty() {
        let prefix = format!("{id}.");
        let of = |score: &&proto::MetricScore| {
            score
                .metric
                .as_ref()
                .is_some_and(|metric| metric.id.starts_with(&prefix))
        };
        steps.extend(result.sub_indicators.iter().filter(of).map(line));
        steps.push(format!("{id} = mean of the scores that exist"));
    } else {
        steps.extend(
            result
                .metrics
                .iter()
                .filter(|score| score.track == track)
                .map(line),
        );
        steps.push(format!(
            "{id} = Σ score × weight ÷ Σ weight of the metrics with a score"
        ));
    }
    steps
}

fn line(score: &proto::MetricScore) -> String {
    let metric = score.metric.clone().unwrap_or_default();
    let value = score.scored_value.or(metric.value).map_or_else(
        || format!("no value ({})", metric.absence_detail),
        |value| format!("{value} among {} members", score.members),
    );
    format!(
        "{}: {value}, score {} × weight {:.4}",
        metric.id,
        points(score.score),
        score.weight
    )
}

fn points(score: Option<f64>) -> String {
    score.map_or_else(|| "absent".to_owned(), |score| format!("{score:.2}"))
}
