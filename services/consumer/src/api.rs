//! The gRPC handlers: contract → domain → contract.

mod audience;
mod audience_service;
mod basis;
mod clusters;
mod consumer_service;
mod deletion;
mod expansion;
mod expression;
mod groups;
mod import;
mod index;
mod journeys;
mod moves;
mod outlooks;
mod people_index_service;
mod privacy_service;
mod saved;
mod sources;
mod targeting_service;
mod together;
mod value;
mod winback;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dualwheel_kit::{Call, Question, Reason, Violations, answer, metrics::Registry, question::read_window};
use dualwheel_lake::{Lake, Reader, frames::Names};
use dualwheel_measure::{Catalogue, Day, Definitions, Extent, Metric, MetricGroup, Window};
use dualwheel_proto::{consumer::TrendStep, types};
use sea_orm::DatabaseConnection;
use tonic::Status;

use crate::{
    Parameters,
    deletion::Deletions,
    facts::Facts,
    fast::Fast,
    flow::Flow,
    grow::{By, Grow},
    index::{PeopleIndex, Snapshot, judge::can_judge},
    matrix::Matrix,
    queries::{self, Indexed, compute},
    stages::Model,
    trend::FastTrend,
    trend::{MOST_STEPS, Step, Steps},
};

/// The consumer service's handlers.
#[derive(Clone)]
pub struct Service {
    lake: Lake,
    people: PeopleIndex,
    deletions: Deletions,
    catalogue: Catalogue<Parameters>,
    database: DatabaseConnection,
    groups: Registry,
}

/// A checked question with what it takes to answer it.
struct Asked {
    question: Question,
    reader: Arc<Reader>,
    /// The people index, where the question may be answered by it and it has caught up.
    snapshot: Option<Snapshot>,
    definitions: Arc<Definitions<Parameters>>,
}

/// The people of a brand.
enum People {
    Indexed(Indexed),
    Facts(Facts),
}

/// Metrics, with what they were read from.
struct Answered {
    metrics: Vec<Metric>,
    names: Arc<Names>,
    currency: String,
    versions: types::DataVersion,
}

impl Answered {
    fn to_proto(&self, metrics: &[Metric]) -> Vec<types::Metric> {
        answer::metrics_to_proto(metrics, &self.currency, &self.versions)
    }
}

impl Asked {
    /// The people of the brand: by the index, where it has caught up and can judge AIPL, or else by their facts.
    async fn people(&self) -> Result<People, Status> {
        let (parameters, brand) = (&self.definitions.parameters, &self.question.brand);
        let can = can_judge(&Model::new(&parameters.aipl, parameters, false));
        if let Some(snapshot) = self.snapshot.as_ref().filter(|_| can)
            && let Some(indexed) = queries::indexed(&self.reader, brand, snapshot).await?
        {
            return Ok(People::Indexed(indexed));
        }
        Ok(People::Facts(queries::people(&self.reader, brand).await?))
    }

    fn answered(&self, metrics: Vec<Metric>) -> Answered {
        Answered {
            metrics,
            names: self.reader.names(),
            currency: self.reader.currency().to_owned(),
            versions: self.reader.versions(),
        }
    }
}

/// How long a question waits for the people index to catch up, before it reads the facts themselves.
const INDEX_PATIENCE: Duration = Duration::from_millis(250);

impl Service {
    pub(crate) fn new(
        lake: Lake,
        people: PeopleIndex,
        deletions: Deletions,
        catalogue: Catalogue<Parameters>,
        database: DatabaseConnection,
    ) -> Self {
        let service = Self {
            lake,
            people,
            deletions,
            catalogue,
            database,
            groups: Registry::default(),
        };
        Self {
            groups: groups::registry(&service),
            ..service
        }
    }

    /// The metric groups of the service.
    #[must_use]
    pub fn groups(&self) -> Registry {
        self.groups.clone()
    }

    /// Checks a question, then opens the tables for it; `check` adds the checks of one RPC.
    async fn ask<T>(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        cuts: &[&str],
        check: impl Fn(&Question) -> Result<T, Status>,
    ) -> Result<(Asked, T), Status> {
        let by_facts = |question: &Question| Ok((check(question)?, false));
        self.ask_people(call, query, cuts, by_facts).await
    }

    /// The same; `check` says too whether the people index may answer.
    async fn ask_people<T>(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        cuts: &[&str],
        check: impl Fn(&Question) -> Result<(T, bool), Status>,
    ) -> Result<(Asked, T), Status> {
        // All but the current day is checked before the lake is touched; the day needs the tenant's zone.
        let unread = Question::read(query.clone(), cuts, Day(i32::MAX))?;
        let (extra, by_index) = check(&unread)?;
        let (reader, snapshot) = self.open(call, &unread.pin, by_index).await?;
        let question = Question::read(query, cuts, reader.today())?;
        reader.require_brand(&question.brand).await?;
        let definitions = self.catalogue.of(call.tenant(), &question.brand);
        Ok((
            Asked {
                question,
                reader,
                snapshot,
                definitions,
            },
            extra,
        ))
    }

    /// Opens the facts, at the versions of the people index where that may answer and has caught up.
    async fn open(
        &self,
        call: &Call,
        pin: &BTreeMap<String, i64>,
        by_index: bool,
    ) -> Result<(Arc<Reader>, Option<Snapshot>), Status> {
        let snapshot = if by_index && pin.is_empty() {
            self.people.soon(call, INDEX_PATIENCE).await
        } else {
            None
        };
        let reader = match &snapshot {
            Some(snapshot) => snapshot.lake.reader(&snapshot.versions()).await?,
            None => self.lake.of(call).reader(pin).await?,
        };
        Ok((Arc::new(reader), snapshot))
    }

    async fn flow(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
    ) -> Result<(Answered, Matrix), Status> {
        let whole = |question: &Question| Ok(((), question.category.is_none()));
        let (asked, ()) = self.ask_people(call, query, &[], whole).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let people = asked.people().await?;
        let (metrics, matrix) = compute(move || {
            let ask = question.ask(&definitions);
            let moved = match &people {
                People::Indexed(people) => Flow.by_index(&people.judge(), &ask),
                People::Facts(facts) => Flow.partial(facts, &(), Extent::Whole, &ask),
            };
            let matrix = moved.get().cloned();
            (Flow.finish(moved, &(), &ask), matrix)
        })
        .await?;
        let matrix = matrix.ok_or_else(|| Status::internal("a flow was not counted"))?;
        Ok((asked.answered(metrics), matrix))
    }

    async fn fast(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        step: TrendStep,
    ) -> Result<(Answered, Vec<Metric>), Status> {
        let whole = |question: &Question| {
            let steps = steps(question.window, step)?;
            let by_index = question.category.is_none() && steps.is_none();
            Ok((steps, by_index))
        };
        let (asked, steps) = self.ask_people(call, query, &[], whole).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let people = asked.people().await?;
        let (metrics, trend) = compute(move || {
            let ask = question.ask(&definitions);
            match &people {
                People::Indexed(people) => {
                    let counts = Fast.by_index(&people.judge(), &ask);
                    (Fast.finish(counts, &(), &ask), Vec::new())
                }
                People::Facts(facts) => {
                    let trend = steps.map(|steps| FastTrend { steps }.measure(facts, &(), &ask));
                    (Fast.measure(facts, &(), &ask), trend.unwrap_or_default())
                }
            }
        })
        .await?;
        Ok((asked.answered(metrics), trend))
    }

    async fn grow(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        base: Option<types::Window>,
    ) -> Result<Answered, Status> {
        let (asked, base) = self
            .ask(call, query, &By::NAMES, |question| {
                base_window(question.window, base.as_ref())
            })
            .await?;
        let (part, whole) = queries::grow(&asked.reader, &asked.question).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let group = Grow { base: Some(base) };
        let metrics = compute(move || group.measure(&part, &whole, &question.ask(&definitions))).await?;
        Ok(asked.answered(metrics))
    }
}

/// Refuses a question about one category, where the answer is about the whole brand.
fn of_whole_brand(question: &Question) -> Result<(), Status> {
    let mut violations = Violations::new();
    if question.category.is_some() {
        violations.add(
            "query.category",
            "must be empty: the answer is about the whole brand",
        );
    }
    violations.finish(Reason::InvalidQuestion)
}

/// The steps of a trend; none when none is asked for.
fn steps(window: Window, step: TrendStep) -> Result<Option<Steps>, Status> {
    let step = match step {
        TrendStep::Unspecified => return Ok(None),
        TrendStep::Day => Step::Day,
        TrendStep::Week => Step::Week,
        TrendStep::Month => Step::Month,
    };
    let mut violations = Violations::new();
    let steps = Steps::new(window, step);
    if steps.is_none() {
        violations.add(
            "trend_step",
            format!("the window has more than {MOST_STEPS} steps; take longer steps"),
        );
    }
    violations.finish(Reason::InvalidQuestion)?;
    Ok(steps)
}

/// Period 0: as asked, else the days just before the window.
fn base_window(window: Window, base: Option<&types::Window>) -> Result<Window, Status> {
    let Some(asked) = base else {
        return Ok(window.before());
    };
    let mut violations = Violations::new();
    // That it lies before the window keeps it from the future.
    let base = read_window("base", Some(asked), Day(i32::MAX), &mut violations);
    if let Some(base) = base {
        if base.days() != window.days() {
            violations.add(
                "base",
                format!(
                    "as long as the window: {} days, not {}",
                    window.days(),
                    base.days()
                ),
            );
        } else if base.last >= window.first {
            violations.add(
                "base",
                format!("before the window, which starts on {}", window.first),
            );
        }
    }
    violations.finish(Reason::InvalidQuestion)?;
    Ok(base.unwrap_or(window.before()))
}

#[cfg(test)]
mod tests {
    use dualwheel_kit::{
        failure::violations_of,
        question::{day_to_proto, window_to_proto},
    };

    use super::*;

    fn window(first: i32, last: i32) -> Window {
        Window::new(Day(first), Day(last)).unwrap()
    }

    fn wrong<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
        let fields = violations_of(&result.unwrap_err());
        fields
            .iter()
            .map(|(field, _)| field.as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    #[test]
    fn bases_are_as_long_as_the_window_and_before_it() {
        let asked = |base: Window| base_window(window(100, 109), Some(&window_to_proto(base)));
        assert_eq!(base_window(window(100, 109), None).unwrap(), window(90, 99));
        assert_eq!(asked(window(50, 59)).unwrap(), window(50, 59));
        assert_eq!(wrong(asked(window(50, 60))), "base");
        assert_eq!(wrong(asked(window(91, 100))), "base");
        let reversed = types::Window {
            first_day: Some(day_to_proto(Day(9))),
            last_day: Some(day_to_proto(Day(8))),
        };
        assert_eq!(wrong(base_window(window(100, 109), Some(&reversed))), "base");
    }

    #[test]
    fn trends_have_at_most_400_steps() {
        assert!(steps(window(1, 400), TrendStep::Day).unwrap().is_some());
        assert_eq!(wrong(steps(window(1, 401), TrendStep::Day)), "trend_step");
        assert!(steps(window(1, 401), TrendStep::Unspecified).unwrap().is_none());
    }
}
