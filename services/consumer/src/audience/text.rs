//! The readable form of expressions: `stage(P) and not behavior(CART | FAVORITE, last 30 days) >= 2`.
//!
//! `or` joins what `and` and `and not` joined from left to right; parentheses do as everywhere. A term is a name with
//! arguments in parentheses, and a range where it measures something: `>= 2`, `<= 2`, `in 2..5`, `= 2`. Keys that are
//! no plain words stand in double quotes. [`Expression`] writes itself in this form, and is read back the same.
//!
//! | term | who |
//! |---|---|
//! | `stage(L, model: o5a, category: "a/b", on: 2026-01-31)` | in a stage, of AIPL unless a model is named |
//! | `flow(A -> P, last 30 days, model:, category:)` | moved from a stage to another, `OUT` for none |
//! | `behavior(CART \| active, last 30 days, measure: days, product:, category:, content:, channel:, keyword:) >= 2` | by behaviours: their `count` (default), `days` or `recency` |
//! | `purchase(net_gmv, 2026-01-01..2026-01-31, product:, category:, channel:) >= 99.50` | by `net_gmv`, `orders`, `units`, `average_price`, `days` or `recency` of purchases |
//! | `profile(age) in 25..35`, `profile(gender) = female` | by a field of the profile |
//! | `label("pioneer@beauty")` | with a label |
//! | `role(member \| paid_member, tier: gold, on: 2026-01-31)` | by the deepest role in the private domain |
//! | `predicted(lifetime_value) >= 100` | by a foreseen value |
//! | `audience(spring)` | of a saved audience |

mod call;
mod write;

use pest::{
    Parser as _,
    error::{Error as PestError, ErrorVariant, LineColLocation},
    iterators::Pair,
};

use self::grammar::{Grammar, Rule};
use super::{
    check::{self, MOST_DEPTH},
    expression::Expression,
};
use crate::parameters::Parameters;

/// Longest text, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;

/// The generated parser.
mod grammar {
    #![allow(missing_docs, reason = "derived code has no place for prose")]

    #[derive(pest_derive::Parser)]
    #[grammar = "src/audience/text/grammar.pest"]
    pub(super) struct Grammar;
}

/// A text that is no sound expression, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would do.
    pub message: String,
}

impl Error {
    fn at(pair: &Pair<'_, Rule>, message: impl Into<String>) -> Self {
        let (line, column) = pair.line_col();
        Self {
            line,
            column,
            message: message.into(),
        }
    }

    fn whole(message: impl Into<String>) -> Self {
        Self {
            line: 1,
            column: 1,
            message: message.into(),
        }
    }
}

impl From<PestError<Rule>> for Error {
    fn from(error: PestError<Rule>) -> Self {
        let (line, column) = match error.line_col {
            LineColLocation::Pos(place) | LineColLocation::Span(place, _) => place,
        };
        let message = match &error.variant {
            ErrorVariant::CustomError { message } => message.clone(),
            ErrorVariant::ParsingError { positives, .. } => {
                let mut expected: Vec<&str> = positives.iter().map(|rule| said(*rule)).collect();
                expected.sort_unstable();
                expected.dedup();
                format!("expected {}", expected.join(", "))
            }
        };
        Self {
            line,
            column,
            message,
        }
    }
}

/// What a rule is called in messages.
fn said(rule: Rule) -> &'static str {
    match rule {
        Rule::any | Rule::all | Rule::part | Rule::term | Rule::name | Rule::expression => {
            "a term such as stage(P), or a parenthesis"
        }
        Rule::and | Rule::not => "`and`, `and not`",
        Rule::or => "`or`",
        Rule::argument | Rule::value | Rule::list | Rule::scalar | Rule::word | Rule::text => "a value",
        Rule::key => "the name of an argument",
        Rule::window | Rule::date => "a day such as 2026-01-31",
        Rule::last => "`last … days`",
        Rule::flow => "`A -> P`",
        Rule::range | Rule::at_least | Rule::at_most | Rule::between | Rule::equal => {
            "a range: `>= …`, `<= …`, `in … .. …` or `= …`"
        }
        Rule::number => "a number",
        Rule::inner | Rule::letter | Rule::WHITESPACE => "text",
        Rule::EOI => "the end",
    }
}

/// Reads an expression that is sound for the definitions of a brand.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn parse(text: &str, parameters: &Parameters) -> Result<Expression, Error> {
    if text.len() > MOST_BYTES {
        return Err(Error::whole(format!("at most {MOST_BYTES} bytes")));
    }
    // Superfluous parentheses and those of terms are no depth of the tree.
    if nesting(text) > 2 * MOST_DEPTH {
        return Err(Error::whole(format!("nested more than {MOST_DEPTH} deep")));
    }
    let mut pairs = Grammar::parse(Rule::expression, text)?;
    let any = pairs.next().ok_or_else(|| Error::whole("empty"))?;
    let expression = read_any(any, parameters)?;
    match check::size(&expression) {
        Some(problem) => Err(Error::whole(problem)),
        None => Ok(expression),
    }
}

/// Deepest nesting of parentheses, without those in quotes; checked first, because the parser calls itself for each.
fn nesting(text: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'(' if !quoted => {
                open += 1;
                deepest = deepest.max(open);
            }
            b')' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn read_any(pair: Pair<'_, Rule>, parameters: &Parameters) -> Result<Expression, Error> {
    let parts = pair
        .into_inner()
        .filter(|part| part.as_rule() == Rule::all)
        .map(|all| read_all(all, parameters));
    Ok(Expression::any_of(parts.collect::<Result<_, _>>()?))
}

/// Parts joined by `and`, in which each `not` takes away from all that stands before it.
fn read_all(pair: Pair<'_, Rule>, parameters: &Parameters) -> Result<Expression, Error> {
    let (mut parts, mut without) = (Vec::new(), false);
    for pair in pair.into_inner() {
        let part = match pair.as_rule() {
            Rule::and => continue,
            Rule::not => {
                without = true;
                continue;
            }
            Rule::term => Expression::Term(call::read(pair, parameters)?),
            _ => read_any(pair, parameters)?,
        };
        if without {
            parts = vec![Expression::all_of(parts).but_not(part)];
            without = false;
        } else {
            parts.push(part);
        }
    }
    Ok(Expression::all_of(parts))
}
