//! Whether a model behaves as the contract asks, on made-up rows that look like a brand's: it answers whatever is unknown,
//! absent, nothing or huge, gives the same answer to the same question, and to each row whatever stands beside it.

mod cost;
mod products;
mod rows;

use std::{cell::Cell, collections::BTreeSet, fmt::Display};

use dualwheel_plugin_sdk::{Batch, Description, Parameters, Values};

use self::cost::Cost;
use crate::{Error, Plugin, World};

/// Rows of questions for which a few will do.
const FEW: usize = 50;
/// Questions with columns left out, and with parameters at either bound; where there are more, several share one. For an
/// interpreter a question takes a tenth of a second.
const LEFT_OUT: usize = 9;
const BOUNDS: usize = 7;
/// Questions that may run into the deadline before no more are asked.
const LATE: u32 = 2;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, and what may be the cure.
    pub found: String,
}

impl Finding {
    fn of(check: &'static str, found: Result<String, String>) -> Self {
        Self {
            check,
            holds: found.is_ok(),
            found: found.unwrap_or_else(|fault| fault),
        }
    }
}

/// Asks a plugin some forty made-up questions of up to `rows` rows. Where it does not answer what any model can, nothing
/// else is asked.
#[must_use]
pub fn examine(plugin: &Plugin, rows: usize) -> Vec<Finding> {
    let examination = match Examination::new(plugin, rows.max(2)) {
        Ok(examination) => examination,
        Err(error) => return vec![Finding::of("description", Err(fault(&error)))],
    };
    let usual = match examination.answers(&examination.usual) {
        Ok(usual) => usual,
        Err(fault) => {
            let cure = "of these rows all is known: answer them; nothing else was asked";
            return vec![Finding::of("usual rows", Err(format!("{fault}; {cure}")))];
        }
    };
    examination.findings(&usual)
}

/// What a model answers: a column for each that its world answers.
type Answers = Vec<Values>;

/// Why there is no answer.
struct Fault {
    /// Whether the model says so itself.
    refused: bool,
    told: String,
}

fn fault(error: &Error) -> String {
    format!("{error} ({})", error.reason())
}

/// One plugin, and rows of which all is known.
struct Examination<'a> {
    plugin: &'a Plugin,
    description: &'a Description,
    usual: Batch,
    /// Questions that ran into the deadline.
    late: Cell<u32>,
}

impl<'a> Examination<'a> {
    fn new(plugin: &'a Plugin, rows: usize) -> Result<Self, Error> {
        Ok(Self {
            plugin,
            description: plugin.describe()?,
            usual: rows::usual(plugin.world(), rows),
            late: Cell::new(0),
        })
    }

    /// Asks a question, unless others took for ever.
    fn ask(&self, batch: &Batch, parameters: &Parameters) -> Result<(Answers, Cost), Fault> {
        if self.late.get() >= LATE {
            let told = "not asked, for other questions ran into the deadline".to_owned();
            return Err(Fault { refused: false, told });
        }
        let run = self.plugin.answer(batch, parameters).map_err(|error| {
            let late = u32::from(matches!(error, Error::Deadline { .. }));
            self.late.set(self.late.get() + late);
            Fault {
                refused: matches!(error, Error::Refused { .. }),
                told: fault(&error),
            }
        })?;
        Ok((run.scores, Cost::of(&run.record)))
    }

    /// The same with the model's own parameters.
    fn answers(&self, batch: &Batch) -> Result<Answers, String> {
        let asked = self.ask(batch, &Parameters::new());
        asked.map(|(answers, _)| answers).map_err(|fault| fault.told)
    }

    fn answered(&self, batch: &Batch, cure: &str) -> Result<String, String> {
        let told = self.answers(batch).map(|_| "answered".to_owned());
        told.map_err(|fault| format!("{fault}: {cure}"))
    }

    fn wanted(&self) -> Vec<&str> {
        let columns = self.description.columns.iter();
        columns.map(|column| column.name.as_str()).collect()
    }

    /// The first rows of those of which all is known.
    fn few(&self) -> Batch {
        let places: Vec<usize> = (0..self.usual.rows.min(FEW)).collect();
        rows::pick(&self.usual, &places)
    }

    fn findings(&self, usual: &Answers) -> Vec<Finding> {
        let gaps = rows::with_gaps(&self.usual, &self.wanted());
        let gaps_answered = self.answers(&gaps);
        let mut findings = vec![
            Finding::of("usual rows", Ok("answered".to_owned())),
            Finding::of("rows told apart", self.told_apart(usual)),
        ];
        // Gaps show what fills them from other rows; a model that cannot do with them is held against whole rows.
        let held = match &gaps_answered {
            Ok(answers) => Held::new(self, &gaps, answers),
            Err(_) => Held::new(self, &self.usual, usual),
        };
        findings.extend(self.unusual(gaps_answered.as_ref().err()));
        findings.extend(held.findings());
        findings
    }

    /// What a model must do with whatever a brand may not have, or have too much of.
    fn unusual(&self, gaps: Option<&String>) -> [Finding; 7] {
        let answered = |check, batch: &Batch, cure| Finding::of(check, self.answered(batch, cure));
        let guard = "answer neutrally where nothing is known; test for NaN and empty texts before reckoning";
        [
            answered(
                "no rows",
                &rows::pick(&self.usual, &[]),
                "answer columns without values",
            ),
            Finding::of("single values unknown", self.gaps(gaps, guard)),
            answered(
                "nothing known",
                &rows::unknown(self.plugin.world(), self.usual.rows),
                guard,
            ),
            Finding::of("columns left out", self.left_out()),
            Finding::of("zeros of either sign", self.zeros()),
            answered(
                "huge numbers",
                &rows::huge(&self.usual),
                "reckon so that nothing overflows, and clamp at the end",
            ),
            Finding::of("parameters at their bounds", self.bounds()),
        ]
    }

    /// That the columns count for something: of very different rows not all get the same.
    fn told_apart(&self, usual: &Answers) -> Result<String, String> {
        let answers = self.plugin.world().answers().iter().zip(usual);
        let constant: Vec<String> = answers
            .filter_map(|(answer, values)| {
                let always = match values {
                    Values::Numbers(numbers) => always(numbers),
                    Values::Texts(texts) => always(texts),
                    Values::Series(_) => None,
                }?;
                Some(format!("`{}` {always}", answer.name))
            })
            .collect();
        match constant.len() {
            0 => Ok("rows get different answers".to_owned()),
            count if count < usual.len() => Ok(format!("every row gets {}", constant.join(", "))),
            _ => Err(format!(
                "every row gets {}, however different the rows are: reckon from the columns that are asked for",
                constant.join(", ")
            )),
        }
    }

    /// Rows with a value unknown here and there; where they are not answered, the columns are tried one by one.
    fn gaps(&self, failed: Option<&String>, cure: &str) -> Result<String, String> {
        let Some(fault) = failed else {
            return Ok("answered".to_owned());
        };
        let column = self.culprit(|few, column| self.answers(&rows::with_gaps(few, &[column])).is_ok());
        Err(format!("{fault}{column}: {cure}"))
    }

    /// The first column with which a few rows do not do.
    fn culprit(&self, holds: impl Fn(&Batch, &str) -> bool) -> String {
        let few = self.few();
        let mut wanted = self.wanted().into_iter();
        let found = wanted.find(|column| !holds(&few, column));
        found.map_or_else(String::new, |column| format!("; `{column}` is enough for that"))
    }

    /// Columns that the model can do without, left out one by one and all together.
    fn left_out(&self) -> Result<String, String> {
        let columns = self.description.columns.iter().filter(|column| !column.required);
        let optional: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        if optional.is_empty() {
            return Ok("it requires all its columns".to_owned());
        }
        let few = self.few();
        let some = optional.chunks(optional.len().div_ceil(LEFT_OUT));
        let all = (optional.len() > 1).then_some(optional.as_slice());
        for columns in some.chain(all) {
            self.answers(&rows::without(&few, columns)).map_err(|fault| {
                format!(
                    "without {}: {fault}: do without it, or require it",
                    quoted(columns)
                )
            })?;
        }
        Ok(format!("answered without {}", quoted(&optional)))
    }

    /// Rows with zeros are answered, and alike whatever the zeros' sign, which nothing in the facts shows.
    fn zeros(&self) -> Result<String, String> {
        let ask = |rows: &Batch, columns: &[&str], zero| self.answers(&rows::with_zeros(rows, columns, zero));
        let both = |rows: &Batch, columns: &[&str]| Ok((ask(rows, columns, 0.0)?, ask(rows, columns, -0.0)?));
        let (one, other) = both(&self.usual, &self.wanted()).map_err(|fault: String| {
            let column = self.culprit(|few, column| both(few, &[column]).is_ok());
            format!("{fault}{column}: guard against division by 0")
        })?;
        let everywhere: Vec<usize> = (0..self.usual.rows).collect();
        match differs(self.plugin.world(), &one, &everywhere, &other) {
            None => Ok("the same answer".to_owned()),
            Some(told) => Err(format!(
                "of -0 {told} of 0: add 0.0 before dividing or reading the sign"
            )),
        }
    }

    /// Each parameter at its least and at its greatest value. A model may refuse what makes no sense to it.
    fn bounds(&self) -> Result<String, String> {
        let parameters = &self.description.parameters;
        let few = self.few();
        let mut refused = Vec::new();
        for some in parameters.chunks(parameters.len().div_ceil(BOUNDS).max(1)) {
            let names: Vec<&str> = some.iter().map(|spec| spec.name.as_str()).collect();
            let least = some.iter().map(|spec| (spec.name.clone(), spec.least)).collect();
            let greatest = some
                .iter()
                .map(|spec| (spec.name.clone(), spec.greatest))
                .collect();
            for (end, values) in [("least", least), ("greatest", greatest)] {
                let place = format!("with {} at its {end} value", quoted(&names));
                match self.ask(&few, &values) {
                    Ok(_) => {}
                    Err(fault) if fault.refused => refused.push(format!("{place}: {}", fault.told)),
                    Err(fault) => {
                        return Err(format!(
                            "{place}: {}: guard against it, or narrow its bounds",
                            fault.told
                        ));
                    }
                }
            }
        }
        Ok(match (parameters.len(), refused.len()) {
            (0, _) => "it has no parameters".to_owned(),
            (_, 0) => "answered".to_owned(),
            _ => format!("answered, or refused in words {}", refused.join("; ")),
        })
    }
}

/// Rows that were answered, against which the same rows are held in other questions.
struct Held<'a> {
    examination: &'a Examination<'a>,
    batch: &'a Batch,
    answers: &'a Answers,
}

impl<'a> Held<'a> {
    fn new(examination: &'a Examination<'a>, batch: &'a Batch, answers: &'a Answers) -> Self {
        Self {
            examination,
            batch,
            answers,
        }
    }

    fn findings(&self) -> [Finding; 7] {
        let alone = "what a row gets must not depend on the rows beside it, nor on its place";
        let everywhere: Vec<usize> = (0..self.batch.rows).collect();
        let twice = (0..self.batch.rows.div_ceil(2))
            .flat_map(|row| [row, row])
            .collect();
        let (one, one_cost) = self.again(&[0], alone);
        let (cut, few_cost) = self.cut(alone);
        let (again, all_cost) = self.again(
            &everywhere,
            "a model must not keep anything from one call to the next, nor use chance",
        );
        let costs = one_cost.and_then(|one| Some([one, few_cost?, all_cost?]));
        // What is not answered is told of already.
        let unmeasured = || Ok("not measured, for not all was answered".to_owned());
        let cost = |of: fn(&[Cost; 3]) -> Result<String, String>| costs.as_ref().map_or_else(unmeasured, of);
        let order = self.again(&rows::shuffled(everywhere), alone).0;
        let equal = self.again(
            &rows::shuffled(twice),
            "equal rows must get equal answers, also beside each other",
        );
        [
            Finding::of("one row", one),
            Finding::of("asked again", again),
            Finding::of("another order", order),
            Finding::of("cut at random", cut),
            Finding::of("equal rows", equal.0),
            Finding::of("fuel", cost(cost::fuel)),
            Finding::of("memory", cost(cost::memory)),
        ]
    }

    /// Asks about the rows at some places: whether they get what they got, and what that costs.
    fn again(&self, places: &[usize], cure: &str) -> (Result<String, String>, Option<Cost>) {
        let asked = self
            .examination
            .ask(&rows::pick(self.batch, places), &Parameters::new());
        match asked {
            Err(fault) => (Err(fault.told), None),
            Ok((answers, cost)) => {
                let world = self.examination.plugin.world();
                let found = match differs(world, self.answers, places, &answers) {
                    None => Ok("the same answer".to_owned()),
                    Some(told) => Err(format!("{told} before: {cure}")),
                };
                (found, Some(cost))
            }
        }
    }

    /// Asks about all rows in parts: the first half, whose cost is reported, and the second, cut at places that look like chance.
    fn cut(&self, cure: &str) -> (Result<String, String>, Option<Cost>) {
        let (rows, half) = (self.batch.rows, self.batch.rows / 2);
        let mut ends: BTreeSet<usize> = rows::shuffled((half + 1..rows).collect())
            .into_iter()
            .take(3)
            .collect();
        ends.insert(rows);
        let first: Vec<usize> = (0..half).collect();
        let (mut found, cost) = self.again(&first, cure);
        let mut start = half;
        for end in ends {
            let part: Vec<usize> = (start..end).collect();
            found = found.and_then(|_| self.again(&part, cure).0);
            start = end;
        }
        (found, cost)
    }
}

/// The first row whose answer is another than what it is compared with; the rows of `given` are those at `places`.
fn differs(world: World, held: &Answers, places: &[usize], given: &Answers) -> Option<String> {
    let mut columns = world.answers().iter().zip(held.iter().zip(given));
    columns.find_map(|(column, (held, given))| match (held, given) {
        (Values::Numbers(held), Values::Numbers(given)) => another(column.name, held, places, given),
        (Values::Texts(held), Values::Texts(given)) => another(column.name, held, places, given),
        _ => None,
    })
}

/// The first row that gets another value of a column.
fn another<T: Display + PartialEq>(
    column: &str,
    held: &[T],
    places: &[usize],
    given: &[T],
) -> Option<String> {
    places.iter().zip(given).find_map(|(place, given)| {
        let before = held.get(*place)?;
        let told = || format!("row {place} gets another `{column}`, {given} instead of the {before}");
        (before != given).then(told)
    })
}

/// The value that all rows have.
fn always<T: Display + PartialEq>(values: &[T]) -> Option<String> {
    let first = values.first()?;
    let same = values.iter().all(|value| value == first);
    same.then(|| first.to_string())
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
