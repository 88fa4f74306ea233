//! What makes an expression sound: its size, and every term for the definitions of a brand.

use dualwheel_lake::frames::Gender;
use dualwheel_measure::Day;

use super::expression::{
    Accepted, Days, Expression, Field, Filter, FlowTerm, ProfileTerm, Range, StageTerm, Term,
};
use crate::parameters::{Parameters, StateRule};

/// Deepest nesting.
pub const MOST_DEPTH: usize = 32;
/// Most terms of an expression.
pub const MOST_TERMS: usize = 100;
/// Longest time that a term looks at, in days.
pub const MOST_DAYS: i32 = 3_660;
/// Longest key, label, path or other text, in bytes.
pub const TEXT_BYTES: usize = 512;
/// Most words of a list.
const MOST_WORDS: usize = 100;
/// Code of no state.
pub const OUT: &str = "OUT";

/// Something wrong with a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field of the term, as the contract calls it.
    pub field: &'static str,
    /// What is wrong and what would do.
    pub message: String,
}

fn problem(field: &'static str, message: impl Into<String>) -> Problem {
    Problem {
        field,
        message: message.into(),
    }
}

/// What is wrong with the size of an expression.
#[must_use]
pub fn size(expression: &Expression) -> Option<String> {
    if depth(expression) > MOST_DEPTH {
        return Some(format!("nested more than {MOST_DEPTH} deep"));
    }
    let terms = expression.terms().len();
    (terms > MOST_TERMS).then(|| format!("{terms} terms; at most {MOST_TERMS}"))
}

fn depth(expression: &Expression) -> usize {
    let deepest = |parts: &[Expression]| parts.iter().map(depth).max().unwrap_or(0);
    match expression {
        Expression::Term(_) => 1,
        Expression::AllOf(parts) | Expression::AnyOf(parts) => 1 + deepest(parts),
        Expression::ButNot(from, without) => 1 + depth(from).max(depth(without)),
    }
}

/// The states of a stage model; AIPL where none is named.
#[must_use]
pub fn model<'a>(name: Option<&str>, parameters: &'a Parameters) -> Option<&'a [StateRule]> {
    match name {
        None => Some(&parameters.aipl),
        Some(name) => parameters.stage_models.get(name).map(Vec::as_slice),
    }
}

/// All that is wrong with a term.
#[must_use]
pub fn term(term: &Term, parameters: &Parameters) -> Vec<Problem> {
    let mut found = Vec::new();
    match term {
        Term::Stage(stage) => check_stage(stage, parameters, &mut found),
        Term::Flow(flow) => check_flow(flow, parameters, &mut found),
        Term::Behavior(behavior) => {
            check_filter(&behavior.filter, &mut found);
            check_days(behavior.days, &mut found);
            check_range("range", &behavior.range, &mut found);
            let least = behavior.range.at_least.or(behavior.range.at_most);
            if least.is_some_and(|least| least < 0) {
                found.push(problem("range", "not negative"));
            }
            if behavior.kinds.len() > MOST_WORDS {
                found.push(problem("kinds", format!("at most {MOST_WORDS}")));
            }
            if behavior.range.is_open() {
                found.push(problem("range", "required: at least one end"));
            }
        }
        Term::Purchase(purchase) => {
            check_filter(&purchase.filter, &mut found);
            check_days(purchase.days, &mut found);
            let field = if purchase.measure.is_money() {
                "money"
            } else {
                "count"
            };
            check_range(field, &purchase.range, &mut found);
            let least = purchase.range.at_least.or(purchase.range.at_most);
            if purchase.range.is_open() {
                found.push(problem(field, "required: at least one end"));
            }
            if !purchase.measure.is_money() && least.is_some_and(|least| least < 0) {
                found.push(problem(field, "not negative"));
            }
        }
        Term::Profile(profile) => check_profile(profile, parameters, &mut found),
        Term::Label(label) => check_text("label", Some(label), &mut found),
        Term::Role(role) => {
            check_text("tier", role.tier.as_ref(), &mut found);
            check_day("day", role.day, &mut found);
        }
        Term::Predicted(predicted) => check_numbers("range", &predicted.range, &mut found),
        Term::Koc(_) => found.push(problem(
            "class",
            "the classes of KOC come from models of the membership service, which has none in force",
        )),
        Term::Audience(_) => {}
    }
    found
}

fn check_stage(stage: &StageTerm, parameters: &Parameters, found: &mut Vec<Problem>) {
    check_state(
        "state",
        stage.model.as_deref(),
        &stage.state,
        false,
        parameters,
        found,
    );
    check_text("category", stage.category.as_ref(), found);
    check_day("day", stage.day, found);
}

fn check_flow(flow: &FlowTerm, parameters: &Parameters, found: &mut Vec<Problem>) {
    let model = flow.model.as_deref();
    check_state("from", model, &flow.from, true, parameters, found);
    check_state("to", model, &flow.to, true, parameters, found);
    if flow.from == OUT && flow.to == OUT {
        found.push(problem(
            "to",
            "not OUT when from is: who is in no state on both days is not counted",
        ));
    }
    check_text("category", flow.category.as_ref(), found);
    check_days(flow.days, found);
}

fn check_state(
    field: &'static str,
    name: Option<&str>,
    state: &str,
    out: bool,
    parameters: &Parameters,
    found: &mut Vec<Problem>,
) {
    let Some(states) = model(name, parameters) else {
        let known: Vec<&str> = std::iter::once("aipl")
            .chain(parameters.stage_models.keys().map(String::as_str))
            .collect();
        let message = format!("no stage model of this name; one of {}", known.join(", "));
        if !found.iter().any(|one| one.field == "model") {
            found.push(problem("model", message));
        }
        return;
    };
    let mut known: Vec<&str> = states.iter().map(|rule| rule.state.as_str()).collect();
    if out {
        known.insert(0, OUT);
    }
    if !known.contains(&state) {
        found.push(problem(field, format!("one of {}", known.join(", "))));
    }
}

fn check_profile(profile: &ProfileTerm, parameters: &Parameters, found: &mut Vec<Problem>) {
    let words = match &profile.accepted {
        Accepted::Numbers(range) => {
            if !profile.field.is_number() {
                found.push(problem(
                    "values",
                    format!("{} is a field of words", profile.field.name()),
                ));
            }
            return check_numbers("range", range, found);
        }
        Accepted::Words(words) => words,
    };
    if profile.field.is_number() {
        found.push(problem(
            "range",
            format!("{} is a field of numbers", profile.field.name()),
        ));
        return;
    }
    if words.is_empty() || words.len() > MOST_WORDS {
        found.push(problem("values", format!("1 to {MOST_WORDS} of them")));
    }
    for word in words {
        check_text("values", Some(word), found);
    }
    let known: Vec<&str> = match profile.field {
        Field::Gender => Gender::ALL.map(Gender::word).to_vec(),
        Field::HasChild => vec!["true", "false"],
        Field::StrategicAudience => {
            let mut ids: Vec<&str> = parameters
                .strategic_audiences
                .iter()
                .map(|rule| rule.id.as_str())
                .collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        }
        _ => return,
    };
    if let Some(unknown) = words.iter().find(|word| !known.contains(&word.as_str())) {
        found.push(problem(
            "values",
            format!("{unknown:?} is none of {}", known.join(", ")),
        ));
    }
}

fn check_filter(filter: &Filter, found: &mut Vec<Problem>) {
    check_text("product", filter.product.as_ref(), found);
    check_text("category", filter.category.as_ref(), found);
    check_text("content", filter.content.as_ref(), found);
    check_text("channel", filter.channel.as_ref(), found);
}

fn check_text(field: &'static str, text: Option<&String>, found: &mut Vec<Problem>) {
    if text.is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES) {
        found.push(problem(field, format!("1 to {TEXT_BYTES} bytes")));
    }
}

fn check_days(days: Days, found: &mut Vec<Problem>) {
    match days {
        Days::Last(days) if !(1..=MOST_DAYS).contains(&days) => {
            found.push(problem("days", format!("1 to {MOST_DAYS} days")));
        }
        Days::Window(window) if window.first > window.last => {
            found.push(problem("days", "the first day is after the last"));
        }
        Days::Window(window) if window.last.0.saturating_sub(window.first.0) >= MOST_DAYS => {
            found.push(problem("days", format!("at most {MOST_DAYS} days")));
        }
        _ => {}
    }
}

fn check_day(field: &'static str, day: Option<Day>, found: &mut Vec<Problem>) {
    if day.is_some_and(|day| day.date().is_none()) {
        found.push(problem(field, "not a day of the calendar"));
    }
}

fn check_range<T: PartialOrd + Copy>(field: &'static str, range: &Range<T>, found: &mut Vec<Problem>) {
    if range.is_empty() {
        found.push(problem(field, "the lowest is above the highest"));
    }
}

fn check_numbers(field: &'static str, range: &Range<f64>, found: &mut Vec<Problem>) {
    let ends = [range.at_least, range.at_most];
    if range.is_open() {
        found.push(problem(field, "required: at least one end"));
    } else if ends.iter().flatten().any(|end| !end.is_finite()) {
        found.push(problem(field, "finite numbers"));
    }
    check_range(field, range, found);
}
