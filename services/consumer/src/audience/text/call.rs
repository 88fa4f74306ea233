//! Reads one term: a name with arguments and a range.

use std::str::FromStr;

use dualwheel_lake::{
    check::parse_money,
    frames::{KeywordClass, Role},
};
use dualwheel_measure::{Day, Money, Window};
use pest::iterators::Pair;

use super::{Error, Rule};
use crate::{
    audience::{
        check,
        expression::{
            Accepted, BehaviorMeasure, BehaviorTerm, Days, Field, Filter, FlowTerm, Predicted, PredictedTerm,
            ProfileTerm, PurchaseMeasure, PurchaseTerm, Range, RoleTerm, StageTerm, Term, named,
        },
    },
    parameters::{Parameters, Signal},
};

/// Reads and checks a term.
pub(super) fn read(pair: Pair<'_, Rule>, parameters: &Parameters) -> Result<Term, Error> {
    let place = pair.clone();
    let mut call = Call::new(pair)?;
    let term = match call.name.as_str() {
        "stage" => stage(&mut call)?,
        "flow" => flow(&mut call)?,
        "behavior" => behavior(&mut call)?,
        "purchase" => purchase(&mut call)?,
        "profile" => profile(&mut call)?,
        "label" => Term::Label(call.word("a label")?),
        "role" => role(&mut call)?,
        "predicted" => predicted(&mut call)?,
        "koc" => Term::Koc(call.word("a class of KOC")?),
        "audience" => Term::Audience(call.word("the id of an audience")?),
        name => {
            let known = "stage, flow, behavior, purchase, profile, label, role, predicted, koc, audience";
            return Err(Error::at(&place, format!("{name} is no term; one of {known}")));
        }
    };
    call.finish()?;
    match check::term(&term, parameters).into_iter().next() {
        Some(problem) => Err(Error::at(
            &place,
            format!("{}: {}", problem.field, problem.message),
        )),
        None => Ok(term),
    }
}

fn stage(call: &mut Call<'_>) -> Result<Term, Error> {
    Ok(Term::Stage(StageTerm {
        state: call.word("a stage such as P")?,
        model: call.model()?,
        category: call.keyed("category")?,
        day: call.keyed_day("on")?,
    }))
}

fn flow(call: &mut Call<'_>) -> Result<Term, Error> {
    let (from, to) = call.flow()?;
    Ok(Term::Flow(FlowTerm {
        from,
        to,
        days: call.days()?,
        model: call.model()?,
        category: call.keyed("category")?,
    }))
}

fn behavior(call: &mut Call<'_>) -> Result<Term, Error> {
    let kinds = call.one_of_each("a kind of behaviour such as CART, or a class", |name| {
        Signal::try_from(name.to_owned()).ok()
    })?;
    let measure = call.keyed_one_of("measure", BehaviorMeasure::ALL, BehaviorMeasure::name)?;
    let measure = measure.unwrap_or(BehaviorMeasure::Count);
    let filter = Filter {
        product: call.keyed("product")?,
        category: call.keyed("category")?,
        content: call.keyed("content")?,
        channel: call.keyed("channel")?,
        keyword_class: call.keyed_one_of("keyword", KeywordClass::ALL, KeywordClass::name)?,
    };
    let (days, range) = (call.days()?, call.range(number::<i64>, "a whole number")?);
    Ok(Term::Behavior(BehaviorTerm::new(
        kinds, filter, days, measure, range,
    )))
}

fn purchase(call: &mut Call<'_>) -> Result<Term, Error> {
    let measure = call.word_of("a measure", PurchaseMeasure::ALL, PurchaseMeasure::name)?;
    let filter = Filter {
        product: call.keyed("product")?,
        category: call.keyed("category")?,
        channel: call.keyed("channel")?,
        ..Filter::default()
    };
    let range = if measure.is_money() {
        call.range(parse_money, "an amount of at most four decimals")?
    } else {
        call.range(|text| number::<i64>(text).map(Money::from), "a whole number")?
    };
    Ok(Term::Purchase(PurchaseTerm::new(
        measure,
        filter,
        call.days()?,
        range,
    )))
}

fn profile(call: &mut Call<'_>) -> Result<Term, Error> {
    let field = call.word_of("a field", Field::ALL, Field::name)?;
    let accepted = if field.is_number() {
        Accepted::Numbers(call.range(number::<f64>, "a number")?)
    } else {
        Accepted::Words(call.words()?)
    };
    Ok(Term::Profile(ProfileTerm { field, accepted }))
}

fn role(call: &mut Call<'_>) -> Result<Term, Error> {
    Ok(Term::Role(RoleTerm {
        roles: call.one_of_each("a role such as member", Role::of_word)?,
        tier: call.keyed("tier")?,
        day: call.keyed_day("on")?,
    }))
}

fn predicted(call: &mut Call<'_>) -> Result<Term, Error> {
    Ok(Term::Predicted(PredictedTerm {
        value: call.word_of("a value", Predicted::ALL, Predicted::name)?,
        range: call.range(number::<f64>, "a number")?,
    }))
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A term's arguments that are still to be read, and its range.
struct Call<'i> {
    place: Pair<'i, Rule>,
    name: String,
    arguments: Vec<(Option<Pair<'i, Rule>>, Pair<'i, Rule>)>,
    range: Option<Pair<'i, Rule>>,
}

impl<'i> Call<'i> {
    fn new(pair: Pair<'i, Rule>) -> Result<Self, Error> {
        let mut call = Self {
            place: pair.clone(),
            name: String::new(),
            arguments: Vec::new(),
            range: None,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => call.name = part.as_str().to_owned(),
                Rule::argument => {
                    let place = part.clone();
                    let mut inner: Vec<_> = part.into_inner().collect();
                    let value = inner
                        .pop()
                        .ok_or_else(|| Error::at(&place, "a value is missing"))?;
                    call.arguments.push((inner.pop(), value));
                }
                _ => call.range = Some(part),
            }
        }
        Ok(call)
    }

    /// Takes the first argument without a name, of one of `rules`.
    fn positional(&mut self, rules: &[Rule]) -> Option<Pair<'i, Rule>> {
        let at = self
            .arguments
            .iter()
            .position(|(key, value)| key.is_none() && rules.contains(&value.as_rule()))?;
        Some(self.arguments.remove(at).1)
    }

    fn keyed_pair(&mut self, name: &str) -> Option<Pair<'i, Rule>> {
        let named = |key: &Option<Pair<'i, Rule>>| key.as_ref().is_some_and(|key| key.as_str() == name);
        let at = self.arguments.iter().position(|(key, _)| named(key))?;
        Some(self.arguments.remove(at).1)
    }

    /// The one word or text of a list.
    fn single(pair: &Pair<'i, Rule>, what: &str) -> Result<String, Error> {
        match Self::texts(pair, what)?.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(Error::at(pair, format!("one only: {what}"))),
        }
    }

    fn texts(pair: &Pair<'i, Rule>, what: &str) -> Result<Vec<String>, Error> {
        if pair.as_rule() != Rule::list {
            return Err(Error::at(pair, format!("expected {what}")));
        }
        let text = |scalar: Pair<'i, Rule>| match scalar.as_rule() {
            Rule::word => Ok(scalar.as_str().to_owned()),
            Rule::text => Ok(unquoted(&scalar)),
            _ => Err(Error::at(
                &scalar,
                format!("expected {what}; numbers and days that are meant as a key stand in quotes"),
            )),
        };
        pair.clone().into_inner().map(text).collect()
    }

    fn word(&mut self, what: &str) -> Result<String, Error> {
        match self.positional(&[Rule::list]) {
            Some(pair) => Self::single(&pair, what),
            None => Err(Error::at(&self.place, format!("{} needs {what}", self.name))),
        }
    }

    fn word_of<T: Copy, const N: usize>(
        &mut self,
        what: &str,
        all: [T; N],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, Error> {
        let place = self.place.clone();
        let word = self.word(what)?;
        one_of(&place, &word, all, name)
    }

    fn keyed(&mut self, name: &str) -> Result<Option<String>, Error> {
        let pair = self.keyed_pair(name);
        pair.map(|pair| Self::single(&pair, "a word, or a text in quotes"))
            .transpose()
    }

    /// The name of a stage model; AIPL needs none.
    fn model(&mut self) -> Result<Option<String>, Error> {
        Ok(self.keyed("model")?.filter(|name| name != "aipl"))
    }

    fn keyed_one_of<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        all: [T; N],
        name: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Error> {
        let place = self.place.clone();
        let word = self.keyed(key)?;
        word.map(|word| one_of(&place, &word, all, name)).transpose()
    }

    fn keyed_day(&mut self, name: &str) -> Result<Option<Day>, Error> {
        let Some(pair) = self.keyed_pair(name) else {
            return Ok(None);
        };
        let mut scalars = pair.clone().into_inner();
        match (scalars.next(), scalars.next()) {
            (Some(date), None) if date.as_rule() == Rule::date => day(&date).map(Some),
            _ => Err(Error::at(&pair, "expected a day such as 2026-01-31")),
        }
    }

    /// The words of the first argument, each as `read` knows it; none without such an argument.
    fn one_of_each<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
        let Some(pair) = self.positional(&[Rule::list]) else {
            return Ok(Vec::new());
        };
        let known =
            |word: &String| read(word).ok_or_else(|| Error::at(&pair, format!("{word:?} is not {what}")));
        Self::texts(&pair, what)?.iter().map(known).collect()
    }

    fn flow(&mut self) -> Result<(String, String), Error> {
        let Some(pair) = self.positional(&[Rule::flow]) else {
            return Err(Error::at(&self.place, "flow needs two stages such as A -> P"));
        };
        let mut ends = pair.clone().into_inner().map(|end| match end.as_rule() {
            Rule::text => unquoted(&end),
            _ => end.as_str().to_owned(),
        });
        match (ends.next(), ends.next()) {
            (Some(from), Some(to)) => Ok((from, to)),
            _ => Err(Error::at(&pair, "expected two stages such as A -> P")),
        }
    }

    fn days(&mut self) -> Result<Days, Error> {
        let Some(pair) = self.positional(&[Rule::window, Rule::last]) else {
            let needs = format!(
                "{} needs days: `last 30 days` or 2026-01-01..2026-01-31",
                self.name
            );
            return Err(Error::at(&self.place, needs));
        };
        let is_window = pair.as_rule() == Rule::window;
        let mut ends = pair.clone().into_inner();
        match (ends.next(), ends.next()) {
            (Some(first), Some(last)) if is_window => Ok(Days::Window(Window {
                first: day(&first)?,
                last: day(&last)?,
            })),
            (Some(length), None) => number(length.as_str())
                .map(Days::Last)
                .ok_or_else(|| Error::at(&length, "expected a whole number of days")),
            _ => Err(Error::at(&pair, "expected days")),
        }
    }

    fn range<T: Copy>(&mut self, read: impl Fn(&str) -> Option<T>, what: &str) -> Result<Range<T>, Error> {
        let end = |pair: Option<Pair<'i, Rule>>, place: &Pair<'i, Rule>| match pair {
            Some(pair) if pair.as_rule() == Rule::number => read(pair.as_str())
                .map(Some)
                .ok_or_else(|| Error::at(&pair, format!("expected {what}"))),
            pair => Err(Error::at(
                pair.as_ref().unwrap_or(place),
                format!("expected {what}"),
            )),
        };
        let Some(range) = self.range.take() else {
            return Ok(Range::open());
        };
        let mut inner = range.clone().into_inner();
        let (at_least, at_most) = match range.as_rule() {
            Rule::at_least => (end(inner.next(), &range)?, None),
            Rule::at_most => (None, end(inner.next(), &range)?),
            Rule::between => (end(inner.next(), &range)?, end(inner.next(), &range)?),
            _ => {
                let mut scalars = inner.next().map(Pair::into_inner).into_iter().flatten();
                let only = end(scalars.next(), &range)?;
                if let Some(second) = scalars.next() {
                    return Err(Error::at(&second, "one number only; `in … .. …` is a range"));
                }
                (only, only)
            }
        };
        Ok(Range { at_least, at_most })
    }

    /// The words after `=`.
    fn words(&mut self) -> Result<Vec<String>, Error> {
        match self.range.take() {
            Some(range) if range.as_rule() == Rule::equal => match range.clone().into_inner().next() {
                Some(list) => Self::texts(&list, "a word"),
                None => Err(Error::at(&range, "expected a word")),
            },
            Some(range) => Err(Error::at(&range, "this field has words: `= female | male`")),
            None => Err(Error::at(
                &self.place,
                "this field needs words: `= female | male`",
            )),
        }
    }

    /// Everything must have been taken.
    fn finish(self) -> Result<(), Error> {
        let left = self.arguments.into_iter().next();
        if let Some((key, value)) = left {
            let place = key.as_ref().unwrap_or(&value);
            let message = format!("{} does not take {}, or not twice", self.name, place.as_str());
            return Err(Error::at(place, message));
        }
        match self.range {
            Some(range) => Err(Error::at(&range, format!("{} measures nothing", self.name))),
            None => Ok(()),
        }
    }
}

fn one_of<T: Copy, const N: usize>(
    place: &Pair<'_, Rule>,
    word: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Error> {
    named(word, all, &name).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        Error::at(place, format!("{word:?} is none of {}", known.join(", ")))
    })
}

fn unquoted(text: &Pair<'_, Rule>) -> String {
    let inner = text.clone().into_inner().next();
    let quoted = inner.map_or("", |inner| inner.as_str());
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

fn day(date: &Pair<'_, Rule>) -> Result<Day, Error> {
    Day::parse(date.as_str()).ok_or_else(|| Error::at(date, "there is no such day"))
}
