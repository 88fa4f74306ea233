//! Writes expressions in their readable form.

use std::fmt::{self, Display, Formatter};

use dualwheel_lake::frames::{KeywordClass, Role};
use dualwheel_measure::{Day, MONEY_SCALE, Money};

use crate::audience::expression::{
    Accepted, BehaviorMeasure, BehaviorTerm, Days, Expression, Filter, FlowTerm, ProfileTerm, PurchaseTerm,
    Range, RoleTerm, StageTerm, Term,
};

impl Display for Expression {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllOf(parts) => joined(out, parts, " and "),
            Self::AnyOf(parts) => joined(out, parts, " or "),
            Self::ButNot(from, without) => {
                write!(out, "{} and not {}", Part(from), Part(without))
            }
            Self::Term(term) => term.fmt(out),
        }
    }
}

fn joined(out: &mut Formatter<'_>, parts: &[Expression], word: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        let before = if at > 0 { word } else { "" };
        write!(out, "{before}{}", Part(part))?;
    }
    Ok(())
}

/// A part of an operator: in parentheses unless it is a term.
struct Part<'a>(&'a Expression);

impl Display for Part<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::Term(term) => term.fmt(out),
            composed => write!(out, "({composed})"),
        }
    }
}

impl Display for Term {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(term) => stage(out, term),
            Self::Flow(term) => flow(out, term),
            Self::Behavior(term) => behavior(out, term),
            Self::Purchase(term) => purchase(out, term),
            Self::Profile(term) => profile(out, term),
            Self::Label(label) => write!(out, "label({})", Quoted(label)),
            Self::Role(term) => role(out, term),
            Self::Predicted(term) => {
                write!(
                    out,
                    "predicted({}){}",
                    term.value.name(),
                    Between(&term.range, |end| end.to_string())
                )
            }
            Self::Koc(class) => write!(out, "koc({})", Quoted(class)),
            Self::Audience(id) => write!(out, "audience({})", Quoted(id)),
        }
    }
}

fn stage(out: &mut Formatter<'_>, term: &StageTerm) -> fmt::Result {
    write!(out, "stage({}", Quoted(&term.state))?;
    named(out, "model", term.model.as_deref())?;
    named(out, "category", term.category.as_deref())?;
    on(out, term.day)?;
    write!(out, ")")
}

fn flow(out: &mut Formatter<'_>, term: &FlowTerm) -> fmt::Result {
    write!(
        out,
        "flow({} -> {}, {}",
        Quoted(&term.from),
        Quoted(&term.to),
        term.days
    )?;
    named(out, "model", term.model.as_deref())?;
    named(out, "category", term.category.as_deref())?;
    write!(out, ")")
}

fn behavior(out: &mut Formatter<'_>, term: &BehaviorTerm) -> fmt::Result {
    write!(out, "behavior(")?;
    for (at, signal) in term.kinds.iter().enumerate() {
        let after = if at + 1 == term.kinds.len() { ", " } else { " | " };
        write!(out, "{}{after}", String::from(*signal))?;
    }
    write!(out, "{}", term.days)?;
    if term.measure != BehaviorMeasure::Count {
        named(out, "measure", Some(term.measure.name()))?;
    }
    filter(out, &term.filter)?;
    write!(out, "){}", Between(&term.range, |end| end.to_string()))
}

fn purchase(out: &mut Formatter<'_>, term: &PurchaseTerm) -> fmt::Result {
    write!(out, "purchase({}, {}", term.measure.name(), term.days)?;
    filter(out, &term.filter)?;
    let range = &term.range;
    if term.measure.is_money() {
        write!(out, "){}", Between(range, decimal))
    } else {
        write!(out, "){}", Between(range, |end| end.to_string()))
    }
}

fn profile(out: &mut Formatter<'_>, term: &ProfileTerm) -> fmt::Result {
    write!(out, "profile({})", term.field.name())?;
    match &term.accepted {
        Accepted::Numbers(range) => write!(out, "{}", Between(range, |end| end.to_string())),
        Accepted::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| Quoted(word).to_string()).collect();
            write!(out, " = {}", words.join(" | "))
        }
    }
}

fn role(out: &mut Formatter<'_>, term: &RoleTerm) -> fmt::Result {
    let mut arguments: Vec<String> = Vec::new();
    if !term.roles.is_empty() {
        let roles: Vec<&str> = term.roles.iter().map(|role| Role::word(*role)).collect();
        arguments.push(roles.join(" | "));
    }
    arguments.extend(term.tier.as_ref().map(|tier| format!("tier: {}", Quoted(tier))));
    arguments.extend(term.day.map(|day| format!("on: {day}")));
    write!(out, "role({})", arguments.join(", "))
}

fn filter(out: &mut Formatter<'_>, filter: &Filter) -> fmt::Result {
    named(out, "product", filter.product.as_deref())?;
    named(out, "category", filter.category.as_deref())?;
    named(out, "content", filter.content.as_deref())?;
    named(out, "channel", filter.channel.as_deref())?;
    named(out, "keyword", filter.keyword_class.map(KeywordClass::name))
}

fn named(out: &mut Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => write!(out, ", {name}: {}", Quoted(value)),
        None => Ok(()),
    }
}

fn on(out: &mut Formatter<'_>, day: Option<Day>) -> fmt::Result {
    match day {
        Some(day) => write!(out, ", on: {day}"),
        None => Ok(()),
    }
}

impl Display for Days {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(window) => write!(out, "{}..{}", window.first, window.last),
            Self::Last(1) => write!(out, "last 1 day"),
            Self::Last(days) => write!(out, "last {days} days"),
        }
    }
}

/// A range behind a term, its ends written by the function.
struct Between<'a, T, W: Fn(T) -> String>(&'a Range<T>, W);

impl<T: Copy + PartialEq, W: Fn(T) -> String> Display for Between<'_, T, W> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(range, end) = self;
        match (range.at_least, range.at_most) {
            (None, None) => Ok(()),
            (Some(least), None) => write!(out, " >= {}", end(least)),
            (None, Some(most)) => write!(out, " <= {}", end(most)),
            (Some(least), Some(most)) if least == most => write!(out, " = {}", end(least)),
            (Some(least), Some(most)) => write!(out, " in {}..{}", end(least), end(most)),
        }
    }
}

/// An amount in currency units, with the decimals that it has.
fn decimal(money: Money) -> String {
    let (sign, amount) = (if money < 0 { "-" } else { "" }, money.unsigned_abs());
    let scale = MONEY_SCALE.unsigned_abs();
    let (whole, fraction) = (amount / scale, amount % scale);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", format!("{fraction:04}").trim_end_matches('0'))
}

/// A key, in quotes unless it is a plain word.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let plain = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(inner);
        if plain {
            return out.write_str(text);
        }
        write!(out, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
