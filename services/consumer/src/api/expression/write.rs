//! Writes expressions as the contract has them.

use dualwheel_kit::{
    answer,
    question::{day_to_proto, window_to_proto},
};
use dualwheel_lake::frames::KeywordClass;
use dualwheel_measure::Money;
use dualwheel_proto::types::{self, audience_days, audience_expression::Node};

use crate::audience::expression::{
    Accepted, BehaviorMeasure, Days, Expression, ProfileTerm, PurchaseMeasure, PurchaseTerm, Range, Term,
};

/// An expression as the contract writes it, money in `currency`.
pub(in crate::api) fn to_proto(expression: &Expression, currency: &str) -> types::AudienceExpression {
    let parts = |parts: &[Expression]| types::AudienceParts {
        parts: parts.iter().map(|part| to_proto(part, currency)).collect(),
    };
    let node = match expression {
        Expression::AllOf(all) => Node::AllOf(parts(all)),
        Expression::AnyOf(any) => Node::AnyOf(parts(any)),
        Expression::ButNot(from, without) => Node::ButNot(Box::new(types::AudienceDifference {
            from: Some(Box::new(to_proto(from, currency))),
            without: Some(Box::new(to_proto(without, currency))),
        })),
        Expression::Term(term) => term_to_proto(term, currency),
    };
    types::AudienceExpression { node: Some(node) }
}

fn term_to_proto(term: &Term, currency: &str) -> Node {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    match term {
        Term::Stage(term) => Node::Stage(types::StageTerm {
            model: text(&term.model),
            state: term.state.clone(),
            category: text(&term.category),
            day: term.day.map(day_to_proto),
        }),
        Term::Flow(term) => Node::Flow(types::FlowTerm {
            model: text(&term.model),
            from: term.from.clone(),
            to: term.to.clone(),
            days: Some(days_to_proto(term.days)),
            category: text(&term.category),
        }),
        Term::Behavior(term) => Node::Behavior(types::BehaviorTerm {
            kinds: term.kinds.iter().map(|signal| String::from(*signal)).collect(),
            product: text(&term.filter.product),
            category: text(&term.filter.category),
            content: text(&term.filter.content),
            channel: text(&term.filter.channel),
            keyword_class: term
                .filter
                .keyword_class
                .map_or("", KeywordClass::name)
                .to_owned(),
            days: Some(days_to_proto(term.days)),
            measure: match term.measure {
                BehaviorMeasure::Count => types::BehaviorMeasure::Count,
                BehaviorMeasure::Days => types::BehaviorMeasure::Days,
                BehaviorMeasure::Recency => types::BehaviorMeasure::Recency,
            }
            .into(),
            range: Some(types::CountRange {
                at_least: term.range.at_least,
                at_most: term.range.at_most,
            }),
        }),
        Term::Purchase(term) => Node::Purchase(purchase_to_proto(term, currency)),
        Term::Profile(term) => Node::Profile(profile_to_proto(term)),
        Term::Label(label) => Node::Label(types::LabelTerm { label: label.clone() }),
        Term::Role(term) => Node::Role(types::RoleTerm {
            roles: term.roles.iter().map(|role| role.word().to_owned()).collect(),
            tier: text(&term.tier),
            day: term.day.map(day_to_proto),
        }),
        Term::Predicted(term) => Node::Predicted(types::PredictedTerm {
            value: term.value.name().to_owned(),
            range: Some(numbers_to_proto(&term.range)),
        }),
        Term::Koc(class) => Node::Koc(types::KocTerm { class: class.clone() }),
        Term::Audience(id) => Node::Audience(types::AudienceTerm {
            name: format!("audiences/{id}"),
        }),
    }
}

fn purchase_to_proto(term: &PurchaseTerm, currency: &str) -> types::PurchaseTerm {
    let (mut count, mut money) = (None, None);
    if term.measure.is_money() {
        let amount = |end: Money| answer::money_to_proto(end, currency);
        money = Some(types::MoneyRange {
            at_least: term.range.at_least.map(amount),
            at_most: term.range.at_most.map(amount),
        });
    } else {
        // Numbers came in as 64 bits.
        let number = |end: Money| i64::try_from(end).unwrap_or(i64::MAX);
        count = Some(types::CountRange {
            at_least: term.range.at_least.map(number),
            at_most: term.range.at_most.map(number),
        });
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    types::PurchaseTerm {
        measure: match term.measure {
            PurchaseMeasure::NetGmv => types::PurchaseMeasure::NetGmv,
            PurchaseMeasure::Orders => types::PurchaseMeasure::Orders,
            PurchaseMeasure::Units => types::PurchaseMeasure::Units,
            PurchaseMeasure::AveragePrice => types::PurchaseMeasure::AveragePrice,
            PurchaseMeasure::Days => types::PurchaseMeasure::Days,
            PurchaseMeasure::Recency => types::PurchaseMeasure::Recency,
        }
        .into(),
        product: text(&term.filter.product),
        category: text(&term.filter.category),
        channel: text(&term.filter.channel),
        days: Some(days_to_proto(term.days)),
        count,
        money,
    }
}

fn profile_to_proto(term: &ProfileTerm) -> types::ProfileTerm {
    let (values, range) = match &term.accepted {
        Accepted::Words(words) => (words.clone(), None),
        Accepted::Numbers(range) => (Vec::new(), Some(numbers_to_proto(range))),
    };
    types::ProfileTerm {
        field: term.field.name().to_owned(),
        values,
        range,
    }
}

fn numbers_to_proto(range: &Range<f64>) -> types::NumberRange {
    types::NumberRange {
        at_least: range.at_least,
        at_most: range.at_most,
    }
}

fn days_to_proto(days: Days) -> types::AudienceDays {
    types::AudienceDays {
        days: Some(match days {
            Days::Window(window) => audience_days::Days::Window(window_to_proto(window)),
            Days::Last(days) => audience_days::Days::LastDays(days),
        }),
    }
}
