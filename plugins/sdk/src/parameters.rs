//! Values of parameters by name, and refusals.

use std::{error::Error, fmt};

use crate::{Parameters, Refusal};

/// Access to a model's parameters.
pub trait ParameterAccess {
    /// Value of a parameter that the model described. The host always gives all of them, so that only a misspelt name
    /// can be absent.
    ///
    /// # Errors
    /// No such parameter was given.
    fn number(&self, name: &str) -> Result<f64, Refusal>;
}

impl ParameterAccess for Parameters {
    fn number(&self, name: &str) -> Result<f64, Refusal> {
        self.get(name).copied().ok_or_else(|| {
            Refusal(format!(
                "the parameter `{name}` was not given: the model must name it in its description"
            ))
        })
    }
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_values_and_names_what_is_absent() {
        let parameters = Parameters::from([("factor".to_owned(), 0.5)]);
        assert_eq!(parameters.number("factor"), Ok(0.5));
        let refusal = parameters.number("number").unwrap_err();
        assert!(
            refusal.to_string().contains("`number` was not given"),
            "{refusal}"
        );
        assert_eq!(Refusal::new("no"), Refusal("no".to_owned()));
    }
}
