//! Journeys between contract and domain.

use dualwheel_kit::{Call, Reason, Violations, answer::money_to_proto, question::day_to_proto};
use dualwheel_proto::{
    Money,
    consumer::{
        GetJourneysRequest, GetJourneysResponse, JourneyCredit, JourneyModel, JourneyOutcome, JourneyPoint,
        JourneyRoute,
    },
};
use tonic::Status;

use super::{Service, basis::Basis};
use crate::{
    audience::Sight,
    journeys::{
        self, Journeys, Outcome, Point,
        attribution::{self, Credit, Model},
        routes::{self, Route},
    },
    parameters::Signal,
    queries,
};

/// Routes of an answer unless said otherwise.
const ROUTES: i32 = 20;

impl Service {
    pub(super) async fn journeys(
        &self,
        call: &Call,
        request: GetJourneysRequest,
    ) -> Result<GetJourneysResponse, Status> {
        let (asked, (outcome, most)) = self
            .ask(call, request.query.clone(), &[], |question| {
                read(&request, question.category.is_some())
            })
            .await?;
        let question = &asked.question;
        let mut sight = Sight::whole();
        let people = match &request.audience {
            None => None,
            Some(audience) => {
                let basis = Basis::new(
                    call,
                    &question.brand,
                    asked.reader.clone(),
                    asked.snapshot.clone(),
                    asked.definitions.clone(),
                    question.window.last,
                );
                let mut violations = Violations::new();
                let expression = basis.read("audience", Some(audience), &mut violations);
                violations.finish(Reason::InvalidQuestion)?;
                sight = basis.sight().await?;
                match expression {
                    Some(expression) => Some(self.judge_one(call, &basis, expression).await?.people),
                    None => None,
                }
            }
        };
        let facts = queries::people(&asked.reader, &question.brand).await?;
        let point = match request.point() {
            JourneyPoint::Touch => Point::Touch,
            JourneyPoint::Unspecified | JourneyPoint::Channel => Point::Channel,
        };
        let window = question.window;
        let (found, credits, routes) = queries::model(move || {
            let found = journeys::journeys(&facts, window, outcome, point, people.as_ref());
            let credits = Model::ALL.map(|model| (model, attribution::credits(&found, model)));
            let routes = routes::routes(&found, most);
            (found, credits, routes)
        })
        .await?;
        let currency = (outcome == Outcome::Purchase).then(|| asked.reader.currency());
        let money = |amount| currency.map(|currency| money_to_proto(amount, currency));
        let reached = || found.paths.iter().filter(|path| path.outcome.is_some());
        let mut people: Vec<u32> = reached().map(|path| path.consumer).collect();
        people.dedup();
        if sight.count(people.len() as u64).is_none() {
            return Ok(GetJourneysResponse {
                withheld: true,
                as_of: Some(day_to_proto(window.last)),
                definition_version: asked.definitions.version.clone(),
                data_version: Some(asked.reader.versions()),
                ..GetJourneysResponse::default()
            });
        }
        Ok(GetJourneysResponse {
            outcomes: reached().count() as i64,
            people: people.len() as i64,
            net_gmv: money(reached().filter_map(|path| path.outcome).sum()),
            models: credits
                .iter()
                .map(|(model, credits)| model_to_proto(*model, credits, &found, &money))
                .collect(),
            routes: routes
                .iter()
                .map(|route| route_to_proto(route, &found, &money))
                .collect(),
            lengths: routes::lengths(&found),
            days: routes::times(&found),
            as_of: Some(day_to_proto(window.last)),
            definition_version: asked.definitions.version.clone(),
            data_version: Some(asked.reader.versions()),
            withheld: false,
        })
    }
}

/// The outcome asked for, and the number of routes.
fn read(request: &GetJourneysRequest, of_category: bool) -> Result<(Outcome, usize), Status> {
    let mut violations = Violations::new();
    if of_category {
        violations.add("query.category", "journeys know no category; leave it empty");
    }
    let kind = match Signal::try_from(request.behavior_kind.clone()) {
        Ok(Signal::Kind(kind)) => Some(kind),
        _ => None,
    };
    let outcome = match request.outcome() {
        JourneyOutcome::Behavior => kind.map(Outcome::Behavior),
        JourneyOutcome::Joining => Some(Outcome::Joining),
        JourneyOutcome::Unspecified | JourneyOutcome::Purchase => Some(Outcome::Purchase),
    };
    if outcome.is_none() {
        violations.add(
            "behavior_kind",
            "required for this outcome: a kind such as SAMPLE_CLAIM",
        );
    } else if request.outcome() != JourneyOutcome::Behavior && !request.behavior_kind.is_empty() {
        violations.add("behavior_kind", "only for the outcome BEHAVIOR");
    }
    violations.finish(Reason::InvalidQuestion)?;
    let routes = if request.routes == 0 {
        ROUTES
    } else {
        request.routes
    };
    Ok((
        outcome.unwrap_or(Outcome::Purchase),
        usize::try_from(routes).unwrap_or(1),
    ))
}

fn model_to_proto(
    model: Model,
    credits: &[Credit],
    journeys: &Journeys,
    money: &impl Fn(dualwheel_measure::Money) -> Option<Money>,
) -> JourneyModel {
    let mut credited: Vec<(&String, &Credit)> = journeys
        .points
        .iter()
        .zip(credits)
        .filter(|(_, credit)| **credit != Credit::default())
        .collect();
    // Stable: equal credits stay in the order of the points.
    credited.sort_by_key(|(_, credit)| std::cmp::Reverse((credit.people, credit.money)));
    let credit = |(point, credit): (&String, &Credit)| JourneyCredit {
        point: point.clone(),
        people: credit.people as f64 / attribution::PERSON as f64,
        net_gmv: money(credit.money),
    };
    JourneyModel {
        model: model.name().to_owned(),
        credits: credited.into_iter().map(credit).collect(),
    }
}

fn route_to_proto(
    route: &Route,
    journeys: &Journeys,
    money: &impl Fn(dualwheel_measure::Money) -> Option<Money>,
) -> JourneyRoute {
    let names = route
        .points
        .iter()
        .filter_map(|point| journeys.points.get(*point));
    JourneyRoute {
        points: names.cloned().collect(),
        outcomes: route.outcomes,
        without: route.without,
        conversion: route.conversion(),
        net_gmv: money(route.money),
    }
}
