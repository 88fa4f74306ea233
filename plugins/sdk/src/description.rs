//! Building descriptions, and the contract's rules for them.

use std::{collections::BTreeSet, error::Error, fmt, ops::RangeInclusive};

use crate::{Description, ParameterSpec, Parameters, Wanted};

/// Characters of a name, at most.
const NAME: usize = 63;
/// Bytes of a summary, at most.
const SUMMARY: usize = 2_000;
/// Bytes of a parameter's meaning, at most.
const MEANING: usize = 500;
/// Parameters of a model, at most.
const PARAMETERS: usize = 64;

impl Description {
    /// A model without columns and parameters: `name` of a-z, 0-9 and hyphen, `version` as `1.2.0`, and what it does.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            columns: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Asks for a column that the model cannot do without.
    #[must_use]
    pub fn requires(self, column: &str) -> Self {
        self.wants(column, true)
    }

    /// Asks for a column that may be left out.
    #[must_use]
    pub fn takes(self, column: &str) -> Self {
        self.wants(column, false)
    }

    fn wants(mut self, column: &str, required: bool) -> Self {
        self.columns.push(Wanted {
            name: column.to_owned(),
            required,
        });
        self
    }

    /// With a parameter: its meaning in a sentence with its unit, its value where a brand sets none, and its bounds.
    #[must_use]
    pub fn parameter(mut self, name: &str, meaning: &str, default: f64, bounds: RangeInclusive<f64>) -> Self {
        self.parameters.push(ParameterSpec {
            name: name.to_owned(),
            meaning: meaning.to_owned(),
            default,
            least: *bounds.start(),
            greatest: *bounds.end(),
        });
        self
    }

    /// The parameters where a brand sets none.
    #[must_use]
    pub fn defaults(&self) -> Parameters {
        let value = |spec: &ParameterSpec| (spec.name.clone(), spec.default);
        self.parameters.iter().map(value).collect()
    }

    /// Checks the description against the contract's rules. Meant for a model's own tests, with `has` of its world,
    /// [`crate::koc::has`], [`crate::style::has`] or [`crate::hit::has`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, has: impl Fn(&str) -> bool) -> Result<(), Fault> {
        if !is_name(&self.name, '-') {
            return Err(Fault::Name(self.name.clone()));
        }
        if !is_version(&self.version) {
            return Err(Fault::Version(self.version.clone()));
        }
        if self.summary.trim().is_empty() || self.summary.len() > SUMMARY {
            return Err(Fault::Summary);
        }
        check_text("the summary", &self.summary)?;
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if !has(&column.name) {
                return Err(Fault::UnknownColumn(column.name.clone()));
            }
            if !seen.insert(&column.name) {
                return Err(Fault::Twice(column.name.clone()));
            }
        }
        if self.parameters.len() > PARAMETERS {
            return Err(Fault::Parameters(self.parameters.len()));
        }
        let mut seen = BTreeSet::new();
        for parameter in &self.parameters {
            parameter.check()?;
            if !seen.insert(&parameter.name) {
                return Err(Fault::Twice(parameter.name.clone()));
            }
        }
        Ok(())
    }
}

impl ParameterSpec {
    fn check(&self) -> Result<(), Fault> {
        if !is_name(&self.name, '_') {
            return Err(Fault::ParameterName(self.name.clone()));
        }
        if self.meaning.trim().is_empty() || self.meaning.len() > MEANING {
            return Err(Fault::Meaning(self.name.clone()));
        }
        check_text(&format!("the meaning of `{}`", self.name), &self.meaning)?;
        let finite = self.least.is_finite() && self.greatest.is_finite();
        if !finite || !(self.least..=self.greatest).contains(&self.default) {
            return Err(Fault::Bounds(self.name.clone()));
        }
        Ok(())
    }
}

/// A letter, then letters, digits and `joiner`; all of them lower-case ASCII.
fn is_name(name: &str, joiner: char) -> bool {
    name.len() <= NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joiner)
}

/// The first character of a text that may not stand in what a model says of itself: a control character other than a tab or
/// the end of a line, or one that is not seen or turns the direction of writing, so that a text can pass for another.
#[must_use]
pub fn misleading(text: &str) -> Option<char> {
    text.chars().find(|&character| match character {
        '\t' | '\n' | '\r' => false,
        '\u{61c}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => character.is_control(),
    })
}

fn check_text(what: &str, text: &str) -> Result<(), Fault> {
    match misleading(text) {
        Some(character) => Err(Fault::Misleading(what.to_owned(), character)),
        None => Ok(()),
    }
}

/// Three numbers without leading zeros, joined by dots.
fn is_version(version: &str) -> bool {
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number.to_string() == part);
    version.split('.').count() == 3 && version.split('.').all(is_number)
}

/// How a description breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The model's name.
    Name(String),
    /// The model's version.
    Version(String),
    /// The summary.
    Summary,
    /// So many parameters.
    Parameters(usize),
    /// A column that the world does not have.
    UnknownColumn(String),
    /// A column or parameter is there twice.
    Twice(String),
    /// A parameter's name.
    ParameterName(String),
    /// A parameter's meaning.
    Meaning(String),
    /// A parameter's bounds or default.
    Bounds(String),
    /// A text, and a character in it that is not seen, turns the direction of writing or controls something.
    Misleading(String, char),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "`{name}` names no model: use a-z, 0-9 and hyphen, starting with a letter, at most {NAME}"
            ),
            Self::Version(version) => write!(f, "`{version}` is no version: write three numbers, as `1.2.0`"),
            Self::Summary => write!(
                f,
                "the summary must say what the model does, in 1 to {SUMMARY} bytes"
            ),
            Self::UnknownColumn(name) => write!(f, "the world has no column `{name}`: see plugin.wit"),
            Self::Twice(name) => write!(f, "`{name}` is there twice: leave one out"),
            Self::Parameters(count) => write!(
                f,
                "there are {count} parameters: at most {PARAMETERS} are admitted"
            ),
            Self::ParameterName(name) => write!(
                f,
                "`{name}` names no parameter: use a-z, 0-9 and underscore, starting with a letter, at most {NAME}"
            ),
            Self::Meaning(name) => write!(
                f,
                "the parameter `{name}` must say what it does, with its unit, in 1 to {MEANING} bytes"
            ),
            Self::Bounds(name) => write!(
                f,
                "the parameter `{name}` needs finite bounds, the least first, with its default between them"
            ),
            Self::Misleading(what, character) => write!(
                f,
                "{what} has the character U+{:04X}, which is not seen or turns the direction of writing: leave it out",
                u32::from(*character)
            ),
        }
    }
}

impl Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koc;

    fn sound() -> Description {
        Description::new("koc-affinity", "1.20.0", "Scores.")
            .requires("followers_rank")
            .takes("match")
            .parameter("half_life", "Days.", 28.0, 1.0..=365.0)
            .parameter("fixed", "A ratio.", 0.5, 0.5..=0.5)
    }

    #[test]
    fn builds_in_order() {
        let description = sound();
        let columns: Vec<_> = description
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.required))
            .collect();
        assert_eq!(columns, [("followers_rank", true), ("match", false)]);
        assert_eq!(
            description.defaults(),
            Parameters::from([("fixed".to_owned(), 0.5), ("half_life".to_owned(), 28.0)])
        );
        assert_eq!(description.check(koc::has), Ok(()));
    }

    /// What is broken, and the fault that names it.
    fn broken() -> Vec<(Description, Fault)> {
        let named = |name: &str| Description {
            name: name.into(),
            ..sound()
        };
        let versioned = |version: &str| Description {
            version: version.into(),
            ..sound()
        };
        let bounded = |default, least, greatest| {
            let description = sound().parameter("odd", "A ratio.", default, least..=greatest);
            (description, Fault::Bounds("odd".into()))
        };
        let long = "a".repeat(64);
        let mut cases: Vec<_> = ["", "Koc", "1koc", "koc_affinity", "-koc", "köc", &long]
            .into_iter()
            .map(|name| (named(name), Fault::Name(name.into())))
            .collect();
        cases.extend(
            [
                "", "1", "1.2", "1.2.3.4", "1.2.x", "1..2", "01.2.3", "1.2.3-rc", "+1.0.0",
            ]
            .into_iter()
            .map(|version| (versioned(version), Fault::Version(version.into()))),
        );
        cases.extend([
            (
                Description {
                    summary: " ".into(),
                    ..sound()
                },
                Fault::Summary,
            ),
            (
                Description {
                    summary: "Scores\u{202e}.".into(),
                    ..sound()
                },
                Fault::Misleading("the summary".into(), '\u{202e}'),
            ),
            (
                sound().parameter("odd", "A \u{7}ratio.", 0.5, 0.0..=1.0),
                Fault::Misleading("the meaning of `odd`".into(), '\u{7}'),
            ),
            (sound().takes("fans"), Fault::UnknownColumn("fans".into())),
            (sound().takes("match"), Fault::Twice("match".into())),
            (
                sound().parameter("half_life", "Days.", 1.0, 0.0..=2.0),
                Fault::Twice("half_life".into()),
            ),
            (
                sound().parameter("half-life", "Days.", 1.0, 0.0..=2.0),
                Fault::ParameterName("half-life".into()),
            ),
            (
                sound().parameter("odd", "", 1.0, 0.0..=2.0),
                Fault::Meaning("odd".into()),
            ),
            (
                Description {
                    summary: "a".repeat(2_001),
                    ..sound()
                },
                Fault::Summary,
            ),
            (
                sound().parameter("odd", &"a".repeat(501), 1.0, 0.0..=2.0),
                Fault::Meaning("odd".into()),
            ),
            (
                sound().parameter(&long, "A ratio.", 1.0, 0.0..=2.0),
                Fault::ParameterName(long.clone()),
            ),
            (
                (2..65).fold(sound(), |so_far, at| {
                    so_far.parameter(&format!("p{at}"), "A ratio.", 1.0, 0.0..=2.0)
                }),
                Fault::Parameters(65),
            ),
            bounded(3.0, 0.0, 2.0),
            bounded(f64::NAN, 0.0, 2.0),
            bounded(1.0, 2.0, 0.0),
            bounded(1.0, f64::NEG_INFINITY, 2.0),
            bounded(1.0, 0.0, f64::INFINITY),
        ]);
        cases
    }

    #[test]
    fn names_the_rule_that_is_broken() {
        for (description, fault) in broken() {
            assert_eq!(description.check(koc::has), Err(fault.clone()), "{fault}");
        }
        assert_eq!(
            Fault::Version("1.2".into()).to_string(),
            "`1.2` is no version: write three numbers, as `1.2.0`"
        );
    }
}
