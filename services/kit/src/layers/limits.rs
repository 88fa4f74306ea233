//! Holds requests to what the fields of the contracts say of themselves: which are required, and what they may hold.
//!
//! A request is looked at as bytes, by a table of the fields that say something or lead to such: nothing is decoded, and most
//! of a request is skipped. Fields that are only answered are ignored. So are messages that may hold themselves, such as
//! expressions: these have a grammar of their own, and its reader names what is wrong.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::LazyLock,
};

use dualwheel_proto::{google::api::FieldBehavior, types::Limits};
use futures::FutureExt;
use prost_reflect::{
    FieldDescriptor, Kind, MessageDescriptor, Value,
    prost::{
        DecodeError,
        bytes::Buf,
        encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
    },
};

use super::{Layer, body, refused};
use crate::{
    Config, Failure, Reason,
    access::{Effect, Method, named},
};

/// Wrong fields that are noted of a request.
const LISTED: usize = 64;

/// The layer.
pub(super) fn layer(config: &Config) -> Layer {
    let largest = body::largest(config);
    Layer::beside("limits", move |mut request, next| {
        let method = Method::of(request.uri().path()).filter(|method| method.takes_one);
        let Some(method) = method else {
            return next.run(request);
        };
        let work = async move {
            let bytes = match body::read(&mut request, largest).await {
                Ok(bytes) => bytes,
                Err(failure) => return refused(&request, failure),
            };
            if body::has_more(&bytes) {
                let text = "the method takes one message, and more came; nothing was done";
                return refused(&request, Failure::new(Reason::MessageMalformed, text));
            }
            let Some(rules) = RULES.of_request(method.path) else {
                return next.run(request).await;
            };
            // What cannot be read is for the service's own decoder to tell.
            let broken = body::message(&bytes).and_then(|message| rules.broken(&message).ok());
            match broken.filter(|broken| !broken.0.is_empty()) {
                Some(broken) => refused(&request, failure(method, &rules, broken)),
                None => next.run(request).await,
            }
        };
        work.boxed()
    })
}

/// Fields, each with what is expected of it.
#[derive(Default)]
struct Broken(Vec<(String, String)>);

impl Broken {
    fn add(&mut self, place: &Place<'_>, expected: String) {
        if self.0.len() < LISTED {
            self.0.push((place.to_string(), expected));
        }
    }
}

fn failure(method: &Method, rules: &OfRequest<'_>, Broken(broken): Broken) -> Failure {
    // What is to be stored may be asked for by a question, which is a message of its own.
    let is_asked = broken.iter().all(|(field, _)| rules.is_asked(field));
    let reason = match method.effect {
        Effect::Write if !is_asked => Reason::InvalidResource,
        _ => Reason::InvalidQuestion,
    };
    let failure = Failure::new(reason, "the request has missing or wrong fields");
    broken.into_iter().fold(failure, |failure, (field, expected)| {
        failure.violation(field, expected)
    })
}

static RULES: LazyLock<Rules> = LazyLock::new(Rules::read);

/// What the requests of the mesh must be.
struct Rules {
    /// What the fields of messages must be that say something or lead to such, by full name.
    messages: HashMap<String, Vec<Rule>>,
    /// Full names of the requests of methods.
    requests: HashMap<&'static str, String>,
}

/// What a field must be.
struct Rule {
    number: u32,
    name: String,
    is_list: bool,
    /// Whether a number of 32 bits, whose higher ones do not count.
    is_short: bool,
    is_message: bool,
    /// Whether a message that is no resource.
    is_asked: bool,
    is_required: bool,
    limits: Limits,
    /// Full name of its message, where this says something or leads to such.
    message: Option<String>,
}

/// The rules of a request.
struct OfRequest<'a> {
    rules: &'a Rules,
    fields: &'a [Rule],
}

impl Rules {
    fn read() -> Self {
        let mut rules = Self {
            messages: HashMap::new(),
            requests: HashMap::new(),
        };
        for method in Method::all().iter().filter(|method| method.takes_one) {
            if let Some(request) = named::request(method.path).filter(|request| rules.add(request)) {
                rules.requests.insert(method.path, request.full_name().to_owned());
            }
        }
        rules
    }

    /// Adds what a message says; whether it says anything or leads to such.
    fn add(&mut self, message: &MessageDescriptor) -> bool {
        let name = message.full_name().to_owned();
        if let Some(known) = self.messages.get(&name) {
            return !known.is_empty();
        }
        let rules: Vec<Rule> = message.fields().filter_map(|field| self.rule(&field)).collect();
        let says = !rules.is_empty();
        self.messages.insert(name, rules);
        says
    }

    fn rule(&mut self, field: &FieldDescriptor) -> Option<Rule> {
        let behaviors = behaviors(field);
        if behaviors.contains(&FieldBehavior::OutputOnly) {
            return None;
        }
        let kind = field.kind();
        let inner = kind.as_message().filter(|_| !field.is_map());
        let inner = inner.filter(|inner| !holds_itself(inner) && self.add(inner));
        let rule = Rule {
            number: field.number(),
            name: field.name().to_owned(),
            is_list: field.is_list() || field.is_map(),
            is_short: matches!(kind, Kind::Int32 | Kind::Uint32 | Kind::Enum(_)),
            is_message: kind.as_message().is_some(),
            is_asked: kind.as_message().is_some_and(|message| !is_resource(message)),
            is_required: behaviors.contains(&FieldBehavior::Required),
            limits: named::option(&field.options(), "dualwheel.type.v1.limits").unwrap_or_default(),
            message: inner.map(|inner| inner.full_name().to_owned()),
        };
        let says = rule.is_required || rule.message.is_some() || rule.limits != Limits::default();
        says.then_some(rule)
    }

    fn of_request(&self, path: &str) -> Option<OfRequest<'_>> {
        let fields = self.messages.get(self.requests.get(path)?)?;
        Some(OfRequest { rules: self, fields })
    }

    fn check(
        &self,
        fields: &[Rule],
        message: &[u8],
        place: &Place<'_>,
        broken: &mut Broken,
    ) -> Result<(), DecodeError> {
        let mut seen = vec![Seen::default(); fields.len()];
        let mut rest = message;
        while rest.has_remaining() {
            let (number, wire) = decode_key(&mut rest)?;
            let found = fields
                .iter()
                .zip(&mut seen)
                .find(|(rule, _)| rule.number == number);
            let Some((rule, seen)) = found else {
                skip_field(wire, number, &mut rest, DecodeContext::default())?;
                continue;
            };
            match wire {
                WireType::Varint => {
                    let value = decode_varint(&mut rest)?.cast_signed();
                    #[expect(clippy::cast_possible_truncation, reason = "as the decoder reads it")]
                    let value = if rule.is_short {
                        i64::from(value as i32)
                    } else {
                        value
                    };
                    seen.number = value;
                }
                WireType::LengthDelimited => {
                    let length = usize::try_from(decode_varint(&mut rest)?).unwrap_or(usize::MAX);
                    let Some((part, after)) = rest.split_at_checked(length) else {
                        // Cut off, as the decoder says it.
                        return skip_field(wire, number, &mut [].as_slice(), DecodeContext::default());
                    };
                    rest = after;
                    seen.add(rule, part);
                }
                _ => {
                    skip_field(wire, number, &mut rest, DecodeContext::default())?;
                    // A number of eight or four bytes, which has no limits.
                    seen.number = 1;
                }
            }
            seen.items += 1;
        }
        for (rule, seen) in fields.iter().zip(&seen) {
            self.whole(rule, seen, place, broken)?;
        }
        Ok(())
    }

    /// Checks an element of a list.
    fn element(
        &self,
        rule: &Rule,
        part: &[u8],
        place: &Place<'_>,
        broken: &mut Broken,
    ) -> Result<(), DecodeError> {
        if let Some(expected) = wrong_size(
            rule.limits.least_bytes,
            rule.limits.most_bytes,
            part.len(),
            "bytes",
        ) {
            broken.add(place, expected);
        }
        match rule.message.as_ref().and_then(|inner| self.messages.get(inner)) {
            Some(fields) => self.check(fields, part, place, broken),
            None => Ok(()),
        }
    }

    /// Checks a field that was read whole.
    fn whole(
        &self,
        rule: &Rule,
        seen: &Seen<'_>,
        outer: &Place<'_>,
        broken: &mut Broken,
    ) -> Result<(), DecodeError> {
        for (at, element) in seen.elements.iter().enumerate() {
            self.element(rule, element, &outer.then(&rule.name, Some(at)), broken)?;
        }
        let place = outer.then(&rule.name, None);
        let inner = rule.message.as_ref().filter(|_| !rule.is_list);
        let inner = inner.and_then(|inner| self.messages.get(inner));
        if let Some(fields) = inner.filter(|_| seen.items > 0) {
            return self.check(fields, &seen.bytes, &place, broken);
        }
        let Some(expected) = rule.expected(seen) else {
            return Ok(());
        };
        // A message that the request itself lacks counts as an empty one, so that all that it needs is named at once.
        let before = broken.0.len();
        if let Some(fields) = inner.filter(|_| outer.is_request()) {
            self.check(fields, &[], &place, broken)?;
        }
        if broken.0.len() == before {
            broken.add(&place, expected);
        }
        Ok(())
    }
}

impl Rule {
    /// What is expected of the field, where it is not what it must be.
    fn expected(&self, seen: &Seen<'_>) -> Option<String> {
        let limits = &self.limits;
        let required = |is_absent: bool| (self.is_required && is_absent).then(|| "required".to_owned());
        if self.is_list {
            let wrong = wrong_size(limits.least_items, limits.most_items, seen.items, "elements");
            return wrong.or_else(|| required(seen.items == 0));
        }
        let is_empty = seen.number == 0 && seen.bytes.is_empty();
        let size = || wrong_size(limits.least_bytes, limits.most_bytes, seen.bytes.len(), "bytes");
        wrong_number(limits, seen.number)
            .or_else(|| required(is_empty && !(self.is_message && seen.items > 0)))
            .or_else(|| if is_empty { None } else { size() })
    }
}

impl OfRequest<'_> {
    /// What is wrong with a request.
    ///
    /// # Errors
    /// When it cannot be read.
    fn broken(&self, message: &[u8]) -> Result<Broken, DecodeError> {
        let mut broken = Broken::default();
        self.rules
            .check(self.fields, message, &Place::REQUEST, &mut broken)?;
        Ok(broken)
    }

    fn is_asked(&self, field: &str) -> bool {
        let name = field.split(['.', '[']).next();
        let mut rules = self.fields.iter();
        rules.any(|rule| rule.is_asked && Some(rule.name.as_str()) == name)
    }
}

/// What was read of a field.
#[derive(Clone, Default)]
struct Seen<'a> {
    /// How often it came.
    items: usize,
    number: i64,
    /// A text, or a message of all the parts that came.
    bytes: Cow<'a, [u8]>,
    /// The texts or messages of a list.
    elements: Vec<&'a [u8]>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, rule: &Rule, part: &'a [u8]) {
        if rule.is_list {
            // A list that is too long is refused for that.
            if rule.limits.most_items == 0 || self.items < rule.limits.most_items as usize {
                self.elements.push(part);
            }
        } else if rule.is_message && !self.bytes.is_empty() {
            self.bytes.to_mut().extend_from_slice(part);
        } else {
            self.bytes = Cow::Borrowed(part);
        }
    }
}

/// Where a field stands.
struct Place<'a> {
    outer: Option<&'a Self>,
    name: &'a str,
    at: Option<usize>,
}

impl<'a> Place<'a> {
    /// The request itself.
    const REQUEST: Place<'static> = Place {
        outer: None,
        name: "",
        at: None,
    };

    fn then<'b>(&'b self, name: &'b str, at: Option<usize>) -> Place<'b>
    where
        'a: 'b,
    {
        Place {
            outer: Some(self),
            name,
            at,
        }
    }

    fn is_request(&self) -> bool {
        self.outer.is_none()
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer.filter(|outer| !outer.is_request()) {
            write!(formatter, "{outer}.")?;
        }
        formatter.write_str(self.name)?;
        self.at.map_or(Ok(()), |at| write!(formatter, "[{at}]"))
    }
}

/// What is expected of a number, where it is none such.
fn wrong_number(limits: &Limits, number: i64) -> Option<String> {
    let range = match (limits.least, limits.most) {
        (None, None) => return None,
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (Some(least), Some(most)) => format!("from {least} to {most}"),
    };
    let is_within =
        limits.least.is_none_or(|least| number >= least) && limits.most.is_none_or(|most| number <= most);
    let zero = if limits.or_zero { ", or 0" } else { "" };
    let is_right = is_within || limits.or_zero && number == 0;
    (!is_right).then(|| format!("{range}{zero}, not {number}"))
}

/// What is expected of a size, where it is none such; a `most` of 0 is no limit.
fn wrong_size(least: u32, most: u32, size: usize, of: &str) -> Option<String> {
    let is_more = most > 0 && size > most as usize;
    if size >= least as usize && !is_more {
        return None;
    }
    Some(match (least, most) {
        (0, most) => format!("at most {most} {of}, not {size}"),
        (least, 0) => format!("at least {least} {of}, not {size}"),
        (least, most) => format!("{least} to {most} {of}, not {size}"),
    })
}

fn behaviors(field: &FieldDescriptor) -> Vec<FieldBehavior> {
    let Some(extension) = field
        .parent_pool()
        .get_extension_by_name("google.api.field_behavior")
    else {
        return Vec::new();
    };
    let options = field.options();
    let said = options.get_extension(&extension);
    let numbers = said
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_enum_number);
    numbers
        .filter_map(|number| FieldBehavior::try_from(number).ok())
        .collect()
}

fn is_resource(message: &MessageDescriptor) -> bool {
    let mut fields = message.fields();
    fields.any(|field| behaviors(&field).contains(&FieldBehavior::Identifier))
}

/// Whether a message may hold one of its own kind.
fn holds_itself(message: &MessageDescriptor) -> bool {
    let mut known = HashSet::new();
    let mut open = vec![message.clone()];
    while let Some(one) = open.pop() {
        for inner in one
            .fields()
            .filter_map(|field| field.kind().as_message().cloned())
        {
            if inner == *message {
                return true;
            }
            if known.insert(inner.full_name().to_owned()) {
                open.push(inner);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
