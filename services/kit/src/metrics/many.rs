//! The same metrics for many brands and windows: one answer each, in order, what its metrics share said once.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use chrono::{Datelike, Months};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    Date,
    metric::{GroupMetrics, StreamMetricsRequest, StreamMetricsResponse, step::Length},
    rpc, types,
};
use futures::{Stream, StreamExt, stream};
use prost_reflect::prost::Message;
use tonic::Status;

use super::{Part, Registry, Wanted};
use crate::{
    Call, Reason, Violations,
    failure::to_bytes,
    question::{check_brand, read_window, window_to_proto},
};

/// Most brands, and most windows as they are given.
const MOST_NAMED: usize = 100;
/// Most answers: brands times windows, cut into steps.
const MOST_ANSWERS: usize = 4_096;
/// Longest step.
const MOST_DAYS: i32 = 3_660;
const MOST_MONTHS: i32 = 120;
/// Answers of a call that are worked out side by side.
const SIDE_BY_SIDE: usize = 4;

/// The questions of a request, in the order of their answers.
pub(super) fn questions(request: StreamMetricsRequest) -> Result<(Wanted, Vec<types::MetricQuery>), Status> {
    let mut violations = Violations::new();
    let wanted = Wanted {
        ids: request.metrics,
        groups: request.groups,
    };
    check_brands(&request.brands, &mut violations);
    check_number("windows", request.windows.len(), &mut violations);
    let step = request.step.map(|step| step.length);
    let step = step.and_then(|length| check_step(length, &mut violations));
    let windows = request.windows.iter().zip(0..).filter_map(|(window, place)| {
        // Only those who know the tenant's zone know which day it is; a day that is yet to come is refused with its answer.
        read_window(
            &format!("windows[{place}]"),
            Some(window),
            Day(i32::MAX),
            &mut violations,
        )
    });
    let windows: Vec<Window> = windows.collect();
    let windows = windows.into_iter().flat_map(|window| steps(window, step));
    let windows: Vec<Window> = windows.take(MOST_ANSWERS + 1).collect();
    if windows.len() * request.brands.len() > MOST_ANSWERS {
        let expected = format!("brands times windows, cut into steps, at most {MOST_ANSWERS}; ask in parts");
        violations.add("windows", expected);
    }
    violations.finish(Reason::InvalidQuestion)?;
    let brands = request.brands.iter();
    let questions = brands.flat_map(|brand| windows.iter().map(move |window| (brand, window)));
    let question = |(brand, window): (&String, &Window)| types::MetricQuery {
        brand: brand.clone(),
        window: Some(window_to_proto(*window)),
        as_of: None,
        by: request.by.clone(),
        category: request.category.clone(),
        category_level: request.category_level,
        data_version: request.data_version.clone(),
    };
    Ok((wanted, questions.map(question).collect()))
}

fn check_number(field: &str, named: usize, violations: &mut Violations) {
    if !(1..=MOST_NAMED).contains(&named) {
        violations.add(field, format!("from 1 to {MOST_NAMED}"));
    }
}

fn check_brands(brands: &[String], violations: &mut Violations) {
    check_number("brands", brands.len(), violations);
    let mut seen = BTreeSet::new();
    for (brand, place) in brands.iter().zip(0..) {
        let field = format!("brands[{place}]");
        check_brand(&field, brand, violations);
        if !seen.insert(brand) {
            violations.add(field, "each brand once");
        }
    }
}

fn check_step(length: Option<Length>, violations: &mut Violations) -> Option<Length> {
    let Some(length) = length else {
        violations.add(
            "step",
            "`days` or `months`; leave it out to ask windows as they are",
        );
        return None;
    };
    let (field, number, most) = match length {
        Length::Days(days) => ("step.days", days, MOST_DAYS),
        Length::Months(months) => ("step.months", months, MOST_MONTHS),
    };
    if !(1..=most).contains(&number) {
        violations.add(field, format!("from 1 to {most}"));
        return None;
    }
    Some(length)
}

/// A window cut into steps; as it is where there is none.
fn steps(window: Window, step: Option<Length>) -> impl Iterator<Item = Window> {
    let mut next = Some(window.first);
    iter::from_fn(move || {
        let first = next?;
        let last = step
            .map_or(window.last, |step| last_of(first, step))
            .min(window.last);
        next = (last < window.last).then(|| last.plus(1));
        Some(Window { first, last })
    })
}

/// The last day of a step that begins on `first`.
fn last_of(first: Day, step: Length) -> Day {
    match step {
        Length::Days(days) => first.plus(days - 1),
        Length::Months(months) => {
            let begin = first.date().and_then(|date| date.with_day(1));
            let months = Months::new(months.unsigned_abs());
            let end = begin.and_then(|date| date.checked_add_months(months));
            end.map_or(Day(i32::MAX), |date| Day::from_date(date).plus(-1))
        }
    }
}

/// The answers. The first that is good says which versions of the tables all later ones read: they are of one state of the
/// facts.
pub(super) fn answers(
    registry: Registry,
    call: Call,
    wanted: Wanted,
    questions: Vec<types::MetricQuery>,
) -> impl Stream<Item = Result<StreamMetricsResponse, Status>> + Send + 'static {
    let first = async move {
        let mut questions = questions.into_iter();
        let (mut told, mut pin) = (Vec::new(), BTreeMap::new());
        for query in questions.by_ref() {
            let answer = answer(&registry, &call, &wanted, query).await;
            let is_good = answer.error.is_none();
            let versions = answer
                .groups
                .iter()
                .filter_map(|group| group.data_version.clone());
            pin.extend(versions.flat_map(|versions| versions.tables));
            told.push(answer);
            if is_good {
                break;
            }
        }
        let others = stream::iter(questions).map(move |mut query| {
            query
                .data_version
                .get_or_insert_default()
                .tables
                .extend(pin.clone());
            let (registry, call, wanted) = (registry.clone(), call.clone(), wanted.clone());
            async move { answer(&registry, &call, &wanted, query).await }
        });
        stream::iter(told).chain(others.buffered(SIDE_BY_SIDE))
    };
    stream::once(first).flatten().map(Ok)
}

async fn answer(
    registry: &Registry,
    call: &Call,
    wanted: &Wanted,
    query: types::MetricQuery,
) -> StreamMetricsResponse {
    let window = query.window.unwrap_or_default();
    let mut answer = StreamMetricsResponse {
        brand: query.brand.clone(),
        window: Some(window),
        as_of: window.last_day,
        ..StreamMetricsResponse::default()
    };
    match registry.parts(call, wanted, Some(query)).await {
        Ok(parts) => {
            let shared = (window, window.last_day.unwrap_or_default());
            answer.groups = parts.into_iter().map(|part| said_once(part, shared)).collect();
        }
        Err(status) => {
            let error = rpc::Status::decode(to_bytes(&status).as_slice());
            answer.error = Some(error.unwrap_or_default());
        }
    }
    answer
}

/// The metrics of a group without what they share.
fn said_once(part: Part, (window, as_of): (types::Window, Date)) -> GroupMetrics {
    fn drop_same<T: PartialEq>(own: &mut Option<T>, shared: &T) {
        if own.as_ref() == Some(shared) {
            *own = None;
        }
    }
    let Part {
        group,
        versions,
        mut metrics,
    } = part;
    let mut definitions = metrics.iter().filter_map(|metric| metric.definition.as_ref());
    let version = definitions.next().map(|definition| definition.version.clone());
    let version = version.unwrap_or_default();
    for metric in &mut metrics {
        let definition = definition(metric, &version);
        drop_same(&mut metric.window, &window);
        drop_same(&mut metric.as_of, &as_of);
        drop_same(&mut metric.definition, &definition);
        drop_same(&mut metric.data_version, &versions);
    }
    GroupMetrics {
        group: group.to_owned(),
        definition_version: version,
        data_version: Some(versions),
        metrics,
    }
}

/// The metrics of an answer, each with all that it shares with the others: as `QueryMetrics` answers them.
#[must_use]
pub fn spelled_out(answer: StreamMetricsResponse) -> Vec<types::Metric> {
    let (window, as_of) = (answer.window, answer.as_of);
    let of_group = |group: GroupMetrics| {
        let (version, versions) = (group.definition_version, group.data_version);
        group.metrics.into_iter().map(move |metric| types::Metric {
            window: metric.window.or(window),
            as_of: metric.as_of.or(as_of),
            definition: Some(
                metric
                    .definition
                    .clone()
                    .unwrap_or_else(|| definition(&metric, &version)),
            ),
            data_version: metric.data_version.clone().or_else(|| versions.clone()),
            ..metric
        })
    };
    answer.groups.into_iter().flat_map(of_group).collect()
}

fn definition(metric: &types::Metric, version: &str) -> types::DefinitionRef {
    types::DefinitionRef {
        id: metric.id.clone(),
        version: version.to_owned(),
    }
}
