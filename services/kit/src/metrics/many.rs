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
/// Most tables whose versions are pinned.
const MOST_TABLES: usize = 64;
/// Longest step.
const MOST_DAYS: i32 = 3_660;
const MOST_MONTHS: i32 = 120;
/// Answers of a call that are worked out side by side.
const SIDE_BY_SIDE: usize = 4;

/// The questions of a request.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    /// What all questions share.
    shared: types::MetricQuery,
    brands: Vec<String>,
    windows: Vec<Window>,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// `INVALID_QUESTION`, with every field that would be wrong in all answers.
    pub(super) fn read(request: StreamMetricsRequest) -> Result<Self, Status> {
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
            // Only those who know the tenant's zone know which day it is; a day that is yet to come is refused with its
            // answer.
            let field = format!("windows[{place}]");
            read_window(&field, Some(window), Day(i32::MAX), &mut violations)
        });
        let windows: Vec<Window> = windows.collect();
        let windows = windows.into_iter().flat_map(|window| steps(window, step));
        let windows: Vec<Window> = windows.take(MOST_ANSWERS + 1).collect();
        if windows.len() * request.brands.len() > MOST_ANSWERS {
            let expected =
                format!("brands times windows, cut into steps, at most {MOST_ANSWERS}; ask in parts");
            violations.add("windows", expected);
        }
        let tables = request.data_version.as_ref().map_or(0, |pin| pin.tables.len());
        if tables > MOST_TABLES {
            violations.add("data_version.tables", format!("at most {MOST_TABLES}"));
        }
        violations.finish(Reason::InvalidQuestion)?;
        Ok(Self {
            wanted,
            shared: types::MetricQuery {
                by: request.by,
                category: request.category,
                category_level: request.category_level,
                data_version: request.data_version,
                ..types::MetricQuery::default()
            },
            brands: request.brands,
            windows,
        })
    }

    /// The questions, in the order of their answers.
    fn questions(self) -> impl Iterator<Item = types::MetricQuery> + Send {
        let Self {
            shared,
            brands,
            windows,
            ..
        } = self;
        brands.into_iter().flat_map(move |brand| {
            let shared = shared.clone();
            windows.clone().into_iter().map(move |window| types::MetricQuery {
                brand: brand.clone(),
                window: Some(window_to_proto(window)),
                ..shared.clone()
            })
        })
    }
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

/// The answers, each as soon as it is worked out. The first that is good says which versions of the tables all later ones
/// read: they are of one state of the facts.
pub(super) fn answers(
    registry: Registry,
    call: Call,
    asked: Asked,
) -> impl Stream<Item = Result<StreamMetricsResponse, Status>> + Send + 'static {
    let asker = Asker {
        registry,
        call,
        wanted: asked.wanted.clone(),
    };
    let begun = Some((asker, asked.questions()));
    let parts = stream::unfold(begun, |begun| async move {
        let (asker, mut questions) = begun?;
        let answer = asker.answer(questions.next()?).await;
        if answer.error.is_some() {
            return Some((stream::iter([answer]).boxed(), Some((asker, questions))));
        }
        let versions = answer
            .groups
            .iter()
            .filter_map(|group| group.data_version.clone());
        let pin: BTreeMap<String, i64> = versions.flat_map(|versions| versions.tables).collect();
        let others = stream::iter(questions).map(move |mut query| {
            let pinned = &mut query.data_version.get_or_insert_default().tables;
            pinned.extend(pin.clone());
            let asker = asker.clone();
            async move { asker.answer(query).await }
        });
        let others = others.buffered(SIDE_BY_SIDE);
        Some((stream::iter([answer]).chain(others).boxed(), None))
    });
    parts.flatten().map(Ok)
}

/// Who asks for what.
#[derive(Clone)]
struct Asker {
    registry: Registry,
    call: Call,
    wanted: Wanted,
}

impl Asker {
    async fn answer(&self, query: types::MetricQuery) -> StreamMetricsResponse {
        let window = query.window.unwrap_or_default();
        let mut answer = StreamMetricsResponse {
            brand: query.brand.clone(),
            window: Some(window),
            as_of: window.last_day,
            ..StreamMetricsResponse::default()
        };
        match self.registry.parts(&self.call, &self.wanted, Some(query)).await {
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

#[cfg(test)]
mod tests {
    use dualwheel_proto::metric::Step;
    use proptest::prelude::*;

    use super::*;
    use crate::failure::violations_of;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn window(text: &str) -> Window {
        let (first, last) = text.split_once("..").unwrap();
        Window::new(day(first), day(last)).unwrap()
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let cut = |text: &str, step| -> Vec<Window> { steps(window(text), Some(step)).collect() };
        assert_eq!(
            cut("2027-11-15..2028-03-01", Length::Months(1)),
            [
                "2027-11-15..2027-11-30",
                "2027-12-01..2027-12-31",
                "2028-01-01..2028-01-31",
                "2028-02-01..2028-02-29",
                "2028-03-01..2028-03-01"
            ]
            .map(window)
        );
        assert_eq!(
            cut("2027-02-10..2027-12-31", Length::Months(6)),
            ["2027-02-10..2027-07-31", "2027-08-01..2027-12-31"].map(window)
        );
        assert_eq!(
            cut("2027-01-01..2027-01-20", Length::Days(7)),
            [
                "2027-01-01..2027-01-07",
                "2027-01-08..2027-01-14",
                "2027-01-15..2027-01-20"
            ]
            .map(window)
        );
        assert_eq!(steps(window("2027-01-01..2027-01-20"), None).count(), 1);
    }

    proptest! {
        #[test]
        fn steps_lie_end_to_end_and_are_the_window(
            first in 0..30_000_i32, days in 1..2_000_i32, number in 1..120_i32, months: bool,
        ) {
            let whole = Window { first: Day(first), last: Day(first + days - 1) };
            let step = if months { Length::Months(number) } else { Length::Days(number) };
            let cut: Vec<Window> = steps(whole, Some(step)).collect();
            prop_assert_eq!((cut[0].first, cut[cut.len() - 1].last), (whole.first, whole.last));
            for pair in cut.windows(2) {
                prop_assert_eq!(pair[1].first, pair[0].last.plus(1));
                let begins = pair[1].first.date().unwrap();
                let as_asked = if months { begins.day() == 1 } else { pair[0].days() == number };
                prop_assert!(as_asked);
            }
        }
    }

    fn request() -> StreamMetricsRequest {
        StreamMetricsRequest {
            brands: vec!["A".to_owned()],
            windows: vec![window_to_proto(window("2027-01-01..2027-12-31"))],
            groups: vec!["start".to_owned()],
            ..StreamMetricsRequest::default()
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let days = |days| {
            Some(Step {
                length: Some(Length::Days(days)),
            })
        };
        let many = |number: usize| (0..number).map(|brand| brand.to_string()).collect::<Vec<_>>();
        let cases = [
            (
                StreamMetricsRequest {
                    brands: Vec::new(),
                    ..request()
                },
                "brands",
            ),
            (
                StreamMetricsRequest {
                    brands: many(101),
                    ..request()
                },
                "brands",
            ),
            (
                StreamMetricsRequest {
                    brands: vec!["A".to_owned(), String::new()],
                    ..request()
                },
                "brands[1]",
            ),
            (
                StreamMetricsRequest {
                    brands: vec!["A".to_owned(); 2],
                    ..request()
                },
                "brands[1]",
            ),
            (
                StreamMetricsRequest {
                    windows: Vec::new(),
                    ..request()
                },
                "windows",
            ),
            (
                StreamMetricsRequest {
                    windows: vec![types::Window::default()],
                    ..request()
                },
                "windows[0].first_day",
            ),
            (
                StreamMetricsRequest {
                    data_version: Some(types::DataVersion {
                        tables: many(65).into_iter().map(|table| (table, 1)).collect(),
                    }),
                    ..request()
                },
                "data_version.tables",
            ),
            (
                StreamMetricsRequest {
                    step: Some(Step::default()),
                    ..request()
                },
                "step",
            ),
            (
                StreamMetricsRequest {
                    step: days(0),
                    ..request()
                },
                "step.days",
            ),
            (
                StreamMetricsRequest {
                    step: days(3_661),
                    ..request()
                },
                "step.days",
            ),
            (
                StreamMetricsRequest {
                    step: days(1),
                    brands: many(12),
                    ..request()
                },
                "windows",
            ),
        ];
        for (wrong, field) in cases {
            let refused = Asked::read(wrong).err().unwrap();
            assert_eq!(violations_of(&refused)[0].0, field);
        }
        let asked = Asked::read(StreamMetricsRequest {
            step: days(1),
            brands: many(11),
            ..request()
        });
        let questions: Vec<_> = asked.unwrap().questions().collect();
        assert_eq!(questions.len(), 11 * 365);
        let (first, last) = (&questions[0], &questions[11 * 365 - 1]);
        assert_eq!((first.brand.as_str(), last.brand.as_str()), ("0", "10"));
    }
}
