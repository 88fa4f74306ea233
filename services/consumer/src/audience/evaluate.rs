//! Finds the people of an expression.

use std::collections::BTreeMap;

use dualwheel_kit::work;
use dualwheel_lake::frames::{MemberRow, Profile, Profiles, Within};
use dualwheel_measure::{Day, Window};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::{
    check::{OUT, model},
    expression::{
        Accepted, BehaviorMeasure, BehaviorTerm, Expression, Field, FlowTerm, Predicted, PredictedTerm,
        ProfileTerm, PurchaseTerm, RoleTerm, StageTerm, Term,
    },
    indexed::answers,
    sight::Sight,
    sought::{Acts, Bought, Lines, Sought, distinct, recency},
};
use crate::{
    facts::{Facts, fold},
    index::Cells,
    parameters::Parameters,
    people::People,
    stages::{Model, Timeline},
    strategic::{Strategic, audience_of},
    value::measure::Forecast,
};

/// All that an expression is judged by.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The people index of the brand, where there is one.
    pub index: Option<&'a Cells>,
    /// Facts of the brand; with an index only the roles among them are read, unless [`needs_facts`] says so.
    pub facts: &'a Facts,
    /// Profiles of the tenant's consumers; read where [`needs_profiles`] says so.
    pub profiles: Option<&'a Profiles>,
    /// Foreseen values as of the as-of day; read where [`needs_forecasts`] says so.
    pub forecasts: &'a [Forecast],
    /// People of the audiences that the expression names, by id; nobody where one is missing.
    pub audiences: &'a BTreeMap<String, RoaringBitmap>,
    /// The definitions' numbers.
    pub parameters: &'a Parameters,
    /// As-of day.
    pub as_of: Day,
    /// Whom the audience may be of.
    pub sight: &'a Sight,
}

/// The people found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluated {
    /// Everyone who belongs, by ordinal.
    pub people: RoaringBitmap,
    /// Number of people of every term by itself, in reading order.
    pub terms: Vec<u64>,
}

/// Whether facts are read although there is a people index.
#[must_use]
pub fn needs_facts(expression: &Expression, parameters: &Parameters) -> bool {
    !expression.terms().iter().all(|term| answers(term, parameters))
}

/// Whether profiles are read.
#[must_use]
pub fn needs_profiles(expression: &Expression, parameters: &Parameters) -> bool {
    expression.terms().iter().any(|term| match term {
        Term::Profile(_) | Term::Label(_) => true,
        Term::Stage(_) | Term::Flow(_) => parameters.target_audience.is_some(),
        _ => false,
    })
}

/// Whether the values of customers are foreseen.
#[must_use]
pub fn needs_forecasts(expression: &Expression) -> bool {
    expression
        .terms()
        .iter()
        .any(|term| matches!(term, Term::Predicted(_)))
}

/// Finds the people of a checked expression.
#[must_use]
pub fn evaluate(expression: &Expression, world: &World<'_>) -> Evaluated {
    let stop = work::Stop::current();
    let found: Vec<RoaringBitmap> = expression
        .terms()
        .par_iter()
        .map(|term| world.sight.keep(stop.during(|| world.of_term(term))))
        .collect();
    Evaluated {
        terms: found.iter().map(RoaringBitmap::len).collect(),
        people: people(expression, &mut found.into_iter()),
    }
}

/// Joins the people of the terms, which come in reading order.
fn people(expression: &Expression, terms: &mut impl Iterator<Item = RoaringBitmap>) -> RoaringBitmap {
    match expression {
        Expression::AllOf(parts) => {
            let sets = parts.iter().map(|part| people(part, terms));
            sets.reduce(|all, part| all & part).unwrap_or_default()
        }
        Expression::AnyOf(parts) => parts
            .iter()
            .fold(RoaringBitmap::new(), |any, part| any | people(part, terms)),
        Expression::ButNot(from, without) => {
            let from = people(from, terms);
            from - people(without, terms)
        }
        Expression::Term(_) => terms.next().unwrap_or_default(),
    }
}

/// The consumers below `consumers` for whom `belongs` holds; each core has a scratch of its own.
fn select<S: Send>(
    consumers: u32,
    scratch: impl Fn() -> S + Sync,
    belongs: impl Fn(&mut S, u32) -> bool + Sync,
) -> RoaringBitmap {
    let (people, _) = fold(
        consumers,
        || (RoaringBitmap::new(), scratch()),
        |(people, scratch), consumer| {
            if belongs(scratch, consumer) {
                people.insert(consumer);
            }
        },
        |one, other| (one.0 | other.0, one.1),
    );
    people
}

impl World<'_> {
    fn of_term(&self, term: &Term) -> RoaringBitmap {
        if let Some(people) = self.by_index(term) {
            return people;
        }
        match term {
            Term::Stage(stage) => self.of_stage(stage),
            Term::Flow(flow) => self.of_flow(flow),
            Term::Behavior(behavior) => self.of_behavior(behavior),
            Term::Purchase(purchase) => self.of_purchase(purchase),
            Term::Profile(profile) => self.of_profile(profile),
            Term::Label(label) if !self.sight.shows(label) => RoaringBitmap::new(),
            Term::Label(label) => self.with_profile(|profile| profile.labels.contains(label)),
            Term::Role(role) => self.of_role(role),
            Term::Predicted(predicted) => self.of_predicted(*predicted),
            Term::Koc(_) => RoaringBitmap::new(),
            Term::Audience(id) => self.audiences.get(id).cloned().unwrap_or_default(),
        }
    }

    fn of_stage(&self, term: &StageTerm) -> RoaringBitmap {
        let day = term.day.unwrap_or(self.as_of);
        self.in_states(
            term.model.as_deref(),
            term.category.as_deref(),
            &[(day, &term.state)],
        )
    }

    fn of_flow(&self, term: &FlowTerm) -> RoaringBitmap {
        let window = term.days.until(self.as_of);
        if window.first > window.last {
            return RoaringBitmap::new();
        }
        let (before, after) = (window.first.plus(-1), window.last);
        self.in_states(
            term.model.as_deref(),
            term.category.as_deref(),
            &[(before, &term.from), (after, &term.to)],
        )
    }

    /// Everyone who is in each of the states on its day. Days that have not come on the as-of day have nobody.
    fn in_states(&self, name: Option<&str>, category: Option<&str>, states: &[(Day, &str)]) -> RoaringBitmap {
        let days = || states.iter().map(|(day, _)| *day);
        let (Some(rules), Some(first), Some(last)) =
            (model(name, self.parameters), days().min(), days().max())
        else {
            return RoaringBitmap::new();
        };
        if last > self.as_of {
            return RoaringBitmap::new();
        }
        let model = Model::new(rules, self.parameters, category.is_some());
        let depth = |state: &str| match state {
            OUT => Some(0),
            state => Some(model.codes().iter().position(|code| code == state)? + 1),
        };
        let depths: Option<Vec<(Day, usize)>> = states
            .iter()
            .map(|(day, state)| Some((*day, depth(state)?)))
            .collect();
        let Some(depths) = depths else {
            return RoaringBitmap::new();
        };
        let category = category.map(|path| self.category(path));
        let target = self.target();
        let people = People::new(self.facts, &model, Window { first, last }, category.as_ref())
            .with_target(target.as_deref());
        select(
            people.consumers(),
            || Timeline::new(&model),
            |timeline, consumer| {
                people.read(consumer, timeline);
                depths
                    .iter()
                    .all(|(day, depth)| model.depth(timeline, *day) == *depth)
            },
        )
    }

    /// Who belongs to the target audience of the stage models.
    pub(super) fn target(&self) -> Option<Vec<bool>> {
        let id = self.parameters.target_audience.as_deref()?;
        Strategic::assign(self.profiles?, self.parameters).members(id)
    }

    pub(super) fn category(&self, path: &str) -> Within {
        Within::new(&self.facts.orders.names, Some(path))
    }

    fn of_behavior(&self, term: &BehaviorTerm) -> RoaringBitmap {
        let acts = Acts::new(self, term);
        let (as_of, zero) = (
            self.as_of,
            term.measure != BehaviorMeasure::Recency && term.range.contains(0),
        );
        select(
            self.facts.consumers(),
            Vec::new,
            |days: &mut Vec<Day>, consumer| {
                days.clear();
                acts.each(consumer, |day| days.push(day));
                if days.is_empty() {
                    return zero && self.is_known(consumer);
                }
                let measured = match term.measure {
                    BehaviorMeasure::Count => days.len() as i64,
                    BehaviorMeasure::Days => distinct(days) as i64,
                    BehaviorMeasure::Recency => recency(days, as_of),
                };
                term.range.contains(measured)
            },
        )
    }

    fn of_purchase(&self, term: &PurchaseTerm) -> RoaringBitmap {
        let lines = Lines::new(self, term);
        select(self.facts.consumers(), Bought::default, |bought, consumer| {
            bought.clear();
            lines.each(consumer, |line| bought.add(line));
            lines.each_supplied(consumer, |day| bought.days.push(day));
            bought.belongs(term, self.as_of, || self.is_known(consumer))
        })
    }

    /// Whether the brand has any fact of the consumer up to the as-of day.
    fn is_known(&self, consumer: u32) -> bool {
        self.facts.has_by(consumer, self.as_of)
    }

    fn with_profile(&self, belongs: impl Fn(&Profile) -> bool) -> RoaringBitmap {
        let rows = self.profiles.map_or(&[][..], |profiles| &profiles.rows);
        let belong = rows.iter().filter(|profile| belongs(profile));
        belong.map(|profile| profile.consumer).collect()
    }

    fn of_profile(&self, term: &ProfileTerm) -> RoaringBitmap {
        match &term.accepted {
            Accepted::Numbers(range) => self.with_profile(|profile| {
                number(profile, term.field).is_some_and(|number| range.contains(number))
            }),
            Accepted::Words(words) => self.with_profile(|profile| {
                word(profile, term.field, self.parameters)
                    .is_some_and(|word| words.iter().any(|one| same(term.field, one, &word)))
            }),
        }
    }

    fn of_role(&self, term: &RoleTerm) -> RoaringBitmap {
        let day = term.day.unwrap_or(self.as_of);
        if day > self.as_of {
            return RoaringBitmap::new();
        }
        let members = &self.facts.members;
        let tier = Sought::of(term.tier.as_ref(), &members.names.words);
        select(
            members.groups.len(),
            || (),
            |(), consumer| {
                let Some(deepest) = members.role_on(consumer, day) else {
                    return false;
                };
                let belongs = |row: &MemberRow| row.is_open(day) && row.role == deepest && tier.is(row.tier);
                (term.roles.is_empty() || term.roles.contains(&deepest))
                    && members.of(consumer).iter().any(belongs)
            },
        )
    }

    fn of_predicted(&self, term: PredictedTerm) -> RoaringBitmap {
        let value = |forecast: &Forecast| match term.value {
            Predicted::AliveProbability => forecast.alive,
            Predicted::ExpectedPurchases => forecast.purchases,
            Predicted::LifetimeValue => forecast.lifetime_value,
        };
        let belong = |forecast: &&Forecast| value(forecast).is_some_and(|value| term.range.contains(value));
        let belonging = self.forecasts.iter().filter(belong);
        belonging.map(|forecast| forecast.history.consumer).collect()
    }
}

fn number(profile: &Profile, field: Field) -> Option<f64> {
    match field {
        Field::Age => profile.age.map(|age| age as f64),
        Field::CityTier => profile.city_tier.map(|tier| tier as f64),
        Field::ChildBirthMonth => profile.child_birth_month.map(f64::from),
        Field::SpendingPower => profile.spending_power,
        Field::Gender | Field::HasChild | Field::Occupation | Field::StrategicAudience => None,
    }
}

fn word(profile: &Profile, field: Field, parameters: &Parameters) -> Option<String> {
    match field {
        Field::Gender => profile.gender.map(|gender| gender.word().to_owned()),
        Field::HasChild => profile.has_child.map(|has| has.to_string()),
        Field::Occupation => profile.occupation.clone(),
        Field::StrategicAudience => audience_of(profile, parameters).map(str::to_owned),
        Field::Age | Field::CityTier | Field::ChildBirthMonth | Field::SpendingPower => None,
    }
}

/// Occupations are compared as the strategic audiences do: without case and surrounding space.
fn same(field: Field, one: &str, other: &str) -> bool {
    if field == Field::Occupation {
        one.trim().to_lowercase() == other.trim().to_lowercase()
    } else {
        one == other
    }
}
