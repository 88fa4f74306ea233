//! Audience expressions between contract and domain.

mod write;

use dualwheel_kit::{
    Violations,
    question::{day_from_proto, read_day},
};
use dualwheel_lake::frames::{KeywordClass, Role};
use dualwheel_measure::{Day, MONEY_SCALE, Money, Window};
use dualwheel_proto::{
    Date, Money as Amount,
    consumer::{AudienceDefinition, audience_definition::Form},
    types::{self, audience_days, audience_expression::Node},
};

pub(super) use self::write::to_proto;
use crate::{
    audience::{
        check,
        expression::{
            Accepted, BehaviorMeasure, BehaviorTerm, Days, Expression, Field, Filter, FlowTerm, Predicted,
            PredictedTerm, ProfileTerm, PurchaseMeasure, PurchaseTerm, Range, RoleTerm, StageTerm, Term,
            named,
        },
        text,
    },
    parameters::{Parameters, Signal},
};

/// Ten-thousandths of a currency unit in billionths of it.
const NANOS: i64 = 100_000;

/// What names in an expression are checked against.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// The definitions of the brand; `None` where the expression was checked when it was stored.
    parameters: Option<&'a Parameters>,
    /// ISO 4217 code of the tenant's money; empty where it was checked when it was stored.
    currency: &'a str,
}

/// Reads an expression that was checked when it was stored. Definitions may have changed since: who is in a state that
/// there is no longer is nobody.
pub(super) fn read_stored(tree: &types::AudienceExpression) -> Option<Expression> {
    let mut violations = Violations::new();
    let mut reader = Reader {
        known: Known {
            parameters: None,
            currency: "",
        },
        violations: &mut violations,
        sound: true,
    };
    reader.expression("expression", Some(tree))
}

/// Reads a required expression at `field`; `None` where something is wrong with it, which is then noted.
pub(super) fn read_definition(
    field: &str,
    definition: Option<&AudienceDefinition>,
    parameters: &Parameters,
    currency: &str,
    violations: &mut Violations,
) -> Option<Expression> {
    match definition.and_then(|definition| definition.form.as_ref()) {
        None => {
            violations.add(field, "required: an expression or a text");
            None
        }
        Some(Form::Text(text)) => match text::parse(text, parameters) {
            Ok(expression) => Some(expression),
            Err(error) => {
                violations.add(format!("{field}.text"), error.to_string());
                None
            }
        },
        Some(Form::Expression(expression)) => {
            let field = format!("{field}.expression");
            let known = Known {
                parameters: Some(parameters),
                currency,
            };
            let mut reader = Reader {
                known,
                violations,
                sound: true,
            };
            let read = reader.expression(&field, Some(expression))?;
            if let Some(problem) = check::size(&read) {
                reader.wrong(&field, problem);
            }
            reader.sound.then_some(read)
        }
    }
}

struct Reader<'a> {
    known: Known<'a>,
    violations: &'a mut Violations,
    sound: bool,
}

impl Reader<'_> {
    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.violations.add(field, message);
        self.sound = false;
    }

    fn expression(&mut self, field: &str, tree: Option<&types::AudienceExpression>) -> Option<Expression> {
        let Some(node) = tree.and_then(|tree| tree.node.as_ref()) else {
            self.wrong(field, "required: an operator or a term");
            return None;
        };
        match node {
            Node::AllOf(parts) => self
                .parts(&format!("{field}.all_of"), parts)
                .map(Expression::all_of),
            Node::AnyOf(parts) => self
                .parts(&format!("{field}.any_of"), parts)
                .map(Expression::any_of),
            Node::ButNot(difference) => {
                let from = self.expression(&format!("{field}.but_not.from"), difference.from.as_deref());
                let without =
                    self.expression(&format!("{field}.but_not.without"), difference.without.as_deref());
                Some(from?.but_not(without?))
            }
            term => {
                let (name, term) = self.term(field, term)?;
                let problems = self
                    .known
                    .parameters
                    .map(|parameters| check::term(&term, parameters));
                for problem in problems.into_iter().flatten() {
                    self.wrong(&format!("{field}.{name}.{}", problem.field), problem.message);
                }
                Some(Expression::Term(term))
            }
        }
    }

    fn parts(&mut self, field: &str, parts: &types::AudienceParts) -> Option<Vec<Expression>> {
        if parts.parts.is_empty() {
            self.wrong(&format!("{field}.parts"), "at least one");
            return None;
        }
        let mut read = Vec::with_capacity(parts.parts.len());
        for (at, part) in parts.parts.iter().enumerate() {
            read.extend(self.expression(&format!("{field}.parts[{at}]"), Some(part)));
        }
        (read.len() == parts.parts.len()).then_some(read)
    }

    /// A term with its name in the contract.
    fn term(&mut self, field: &str, node: &Node) -> Option<(&'static str, Term)> {
        let read = match node {
            Node::Stage(term) => ("stage", Term::Stage(self.stage(&format!("{field}.stage"), term))),
            Node::Flow(term) => ("flow", Term::Flow(self.flow(&format!("{field}.flow"), term)?)),
            Node::Behavior(term) => (
                "behavior",
                Term::Behavior(self.behavior(&format!("{field}.behavior"), term)?),
            ),
            Node::Purchase(term) => (
                "purchase",
                Term::Purchase(self.purchase(&format!("{field}.purchase"), term)?),
            ),
            Node::Profile(term) => (
                "profile",
                Term::Profile(self.profile(&format!("{field}.profile"), term)?),
            ),
            Node::Label(term) => ("label", Term::Label(term.label.clone())),
            Node::Role(term) => ("role", Term::Role(self.role(&format!("{field}.role"), term)?)),
            Node::Predicted(term) => (
                "predicted",
                Term::Predicted(self.predicted(&format!("{field}.predicted"), term)?),
            ),
            Node::Koc(term) => ("koc", Term::Koc(term.class.clone())),
            Node::Audience(term) => ("audience", Term::Audience(self.audience(field, term)?)),
            Node::AllOf(_) | Node::AnyOf(_) | Node::ButNot(_) => return None,
        };
        Some(read)
    }

    fn stage(&mut self, field: &str, term: &types::StageTerm) -> StageTerm {
        StageTerm {
            model: model(&term.model),
            state: term.state.clone(),
            category: given(&term.category),
            day: self.day(&format!("{field}.day"), term.day.as_ref()),
        }
    }

    fn flow(&mut self, field: &str, term: &types::FlowTerm) -> Option<FlowTerm> {
        Some(FlowTerm {
            model: model(&term.model),
            from: term.from.clone(),
            to: term.to.clone(),
            days: self.days(&format!("{field}.days"), term.days.as_ref())?,
            category: given(&term.category),
        })
    }

    fn behavior(&mut self, field: &str, term: &types::BehaviorTerm) -> Option<BehaviorTerm> {
        let mut kinds = Vec::with_capacity(term.kinds.len());
        for (at, name) in term.kinds.iter().enumerate() {
            match Signal::try_from(name.clone()) {
                Ok(signal) => kinds.push(signal),
                Err(message) => self.wrong(&format!("{field}.kinds[{at}]"), message),
            }
        }
        let keyword_class = given(&term.keyword_class).and_then(|name| {
            let class = named(&name, KeywordClass::ALL, KeywordClass::name);
            if class.is_none() {
                self.wrong(
                    &format!("{field}.keyword_class"),
                    "BRAND, SELLING_POINT, CATEGORY or OTHER",
                );
            }
            class
        });
        let measure = match term.measure() {
            types::BehaviorMeasure::Unspecified | types::BehaviorMeasure::Count => BehaviorMeasure::Count,
            types::BehaviorMeasure::Days => BehaviorMeasure::Days,
            types::BehaviorMeasure::Recency => BehaviorMeasure::Recency,
        };
        let filter = Filter {
            product: given(&term.product),
            category: given(&term.category),
            content: given(&term.content),
            channel: given(&term.channel),
            keyword_class,
        };
        let days = self.days(&format!("{field}.days"), term.days.as_ref())?;
        Some(BehaviorTerm::new(
            kinds,
            filter,
            days,
            measure,
            counts(term.range.as_ref()),
        ))
    }

    fn purchase(&mut self, field: &str, term: &types::PurchaseTerm) -> Option<PurchaseTerm> {
        let measure = match term.measure() {
            types::PurchaseMeasure::Unspecified => {
                self.wrong(&format!("{field}.measure"), "required");
                return None;
            }
            types::PurchaseMeasure::NetGmv => PurchaseMeasure::NetGmv,
            types::PurchaseMeasure::Orders => PurchaseMeasure::Orders,
            types::PurchaseMeasure::Units => PurchaseMeasure::Units,
            types::PurchaseMeasure::AveragePrice => PurchaseMeasure::AveragePrice,
            types::PurchaseMeasure::Days => PurchaseMeasure::Days,
            types::PurchaseMeasure::Recency => PurchaseMeasure::Recency,
        };
        let (other, is_set) = if measure.is_money() {
            ("count", term.count.is_some())
        } else {
            ("money", term.money.is_some())
        };
        if is_set {
            self.wrong(
                &format!("{field}.{other}"),
                format!("{} is not held against it", measure.name()),
            );
        }
        let range = if measure.is_money() {
            let money = term.money.clone().unwrap_or_default();
            let ends = (&money.at_least, &money.at_most);
            Range {
                at_least: self.money(&format!("{field}.money.at_least"), ends.0.as_ref()),
                at_most: self.money(&format!("{field}.money.at_most"), ends.1.as_ref()),
            }
        } else {
            let counts = counts(term.count.as_ref());
            Range {
                at_least: counts.at_least.map(Money::from),
                at_most: counts.at_most.map(Money::from),
            }
        };
        let filter = Filter {
            product: given(&term.product),
            category: given(&term.category),
            channel: given(&term.channel),
            ..Filter::default()
        };
        let days = self.days(&format!("{field}.days"), term.days.as_ref())?;
        Some(PurchaseTerm::new(measure, filter, days, range))
    }

    fn profile(&mut self, field: &str, term: &types::ProfileTerm) -> Option<ProfileTerm> {
        let Some(of) = named(&term.field, Field::ALL, Field::name) else {
            let known = Field::ALL.map(Field::name).join(", ");
            self.wrong(&format!("{field}.field"), format!("one of {known}"));
            return None;
        };
        let accepted = match (&term.range, term.values.is_empty()) {
            (Some(_), false) => {
                self.wrong(field, "either values or a range");
                return None;
            }
            (Some(range), true) => Accepted::Numbers(numbers(Some(range))),
            (None, true) if of.is_number() => Accepted::Numbers(Range::open()),
            (None, _) => Accepted::Words(term.values.clone()),
        };
        Some(ProfileTerm { field: of, accepted })
    }

    fn role(&mut self, field: &str, term: &types::RoleTerm) -> Option<RoleTerm> {
        let mut roles = Vec::with_capacity(term.roles.len());
        for (at, name) in term.roles.iter().enumerate() {
            match Role::of_word(name) {
                Some(role) => roles.push(role),
                None => {
                    let known = Role::ALL.map(Role::word).join(", ");
                    self.wrong(&format!("{field}.roles[{at}]"), format!("one of {known}"));
                }
            }
        }
        Some(RoleTerm {
            roles,
            tier: given(&term.tier),
            day: self.day(&format!("{field}.day"), term.day.as_ref()),
        })
    }

    fn predicted(&mut self, field: &str, term: &types::PredictedTerm) -> Option<PredictedTerm> {
        let Some(value) = named(&term.value, Predicted::ALL, Predicted::name) else {
            let known = Predicted::ALL.map(Predicted::name).join(", ");
            self.wrong(&format!("{field}.value"), format!("one of {known}"));
            return None;
        };
        Some(PredictedTerm {
            value,
            range: numbers(term.range.as_ref()),
        })
    }

    fn audience(&mut self, field: &str, term: &types::AudienceTerm) -> Option<String> {
        let id = term.name.strip_prefix("audiences/").filter(|id| !id.is_empty());
        if id.is_none() {
            self.wrong(
                &format!("{field}.audience.name"),
                "a name such as audiences/spring",
            );
        }
        id.map(str::to_owned)
    }

    fn day(&mut self, field: &str, date: Option<&Date>) -> Option<Day> {
        let day = day_from_proto(date?);
        if day.is_none() {
            self.wrong(field, "not a day of the calendar between the years 1 and 9999");
        }
        day
    }

    fn days(&mut self, field: &str, days: Option<&types::AudienceDays>) -> Option<Days> {
        match days.and_then(|days| days.days.as_ref()) {
            None => {
                self.wrong(field, "required: a window or last_days");
                None
            }
            Some(audience_days::Days::LastDays(days)) => Some(Days::Last(*days)),
            Some(audience_days::Days::Window(window)) => {
                let first = read_day(
                    &format!("{field}.window.first_day"),
                    window.first_day.as_ref(),
                    self.violations,
                );
                let last = read_day(
                    &format!("{field}.window.last_day"),
                    window.last_day.as_ref(),
                    self.violations,
                );
                if let (Some(first), Some(last)) = (first, last) {
                    return Some(Days::Window(Window { first, last }));
                }
                self.sound = false;
                None
            }
        }
    }

    fn money(&mut self, field: &str, money: Option<&Amount>) -> Option<Money> {
        let money = money?;
        let (nanos, currency) = (i64::from(money.nanos), money.currency_code.as_str());
        let expected = self.known.currency;
        if !currency.is_empty() && !expected.is_empty() && currency != expected {
            self.wrong(field, format!("in {expected}, the tenant's currency"));
        }
        let mixed = (money.units > 0 && nanos < 0) || (money.units < 0 && nanos > 0);
        if mixed || nanos % NANOS != 0 || nanos.abs() >= 1_000_000_000 {
            self.wrong(field, "nanos of the same sign, with at most four decimals");
        }
        Some(Money::from(money.units) * MONEY_SCALE + Money::from(nanos / NANOS))
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Name of a stage model; AIPL needs none.
fn model(name: &str) -> Option<String> {
    given(name).filter(|name| name != "aipl")
}

fn counts(range: Option<&types::CountRange>) -> Range<i64> {
    range.map_or(Range::open(), |range| Range {
        at_least: range.at_least,
        at_most: range.at_most,
    })
}

fn numbers(range: Option<&types::NumberRange>) -> Range<f64> {
    range.map_or(Range::open(), |range| Range {
        at_least: range.at_least,
        at_most: range.at_most,
    })
}
