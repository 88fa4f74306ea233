//! Checks what a model says of itself.

use std::collections::BTreeSet;

use dualwheel_plugin_sdk::{Description, ParameterSpec, Wanted, misleading};

use crate::{
    Error,
    text::tidy,
    wire::{GivenDescription, GivenSpec, GivenWanted},
    world::World,
};

/// Characters of a name.
const NAME: usize = 63;
/// Bytes of a summary.
const SUMMARY: usize = 2_000;
/// Bytes of what a parameter does.
const MEANING: usize = 500;
/// Parameters of a model.
const PARAMETERS: usize = 64;
/// Names of the built-in models.
const BUILT_IN: [&str; 2] = ["koc-default", "style-trend-default"];
/// How the names of the mesh's other models begin.
const MESH: &str = "dualwheel";

/// What a model says of itself, if a host can go by it.
pub(crate) fn check(world: World, given: GivenDescription) -> Result<Description, Error> {
    if !is_name(&given.name, '-') {
        let name = tidy(&given.name, NAME);
        return wrong(format!(
            "the name `{name}` must be of a-z, 0-9 and hyphen, start with a letter and have at most {NAME} characters"
        ));
    }
    if !is_version(&given.version) {
        let version = tidy(&given.version, NAME);
        return wrong(format!(
            "the version `{version}` must be three numbers, as `1.2.0`"
        ));
    }
    if given.summary.trim().is_empty() || given.summary.len() > SUMMARY {
        return wrong(format!("the summary must have from 1 to {SUMMARY} bytes"));
    }
    check_text("the summary", &given.summary)?;
    check_columns(world, &given.columns)?;
    check_parameters(&given.parameters)?;
    Ok(Description {
        name: given.name,
        version: given.version,
        summary: tidy(&given.summary, SUMMARY),
        columns: given.columns.into_iter().map(wanted).collect(),
        parameters: given.parameters.into_iter().map(spec).collect(),
    })
}

/// Whether models of this name are the mesh's own: its built-in ones, and all that are called after it. The registry
/// publishes none that is called so.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    BUILT_IN.contains(&name) || name.starts_with(MESH)
}

fn check_text(what: &str, text: &str) -> Result<(), Error> {
    match misleading(text) {
        None => Ok(()),
        Some(character) => wrong(format!(
            "{what} has the character U+{:04X}, which is not seen or turns the direction of writing",
            u32::from(character)
        )),
    }
}

fn wrong<T>(reason: String) -> Result<T, Error> {
    Err(Error::BadDescription { reason })
}

fn wanted(given: GivenWanted) -> Wanted {
    Wanted {
        name: given.name,
        required: given.required,
    }
}

fn spec(given: GivenSpec) -> ParameterSpec {
    ParameterSpec {
        name: given.name,
        meaning: tidy(&given.meaning, MEANING),
        default: given.default,
        least: given.least,
        greatest: given.greatest,
    }
}

/// Whether a name is of a-z, 0-9 and `joint`, and starts with a letter.
fn is_name(name: &str, joint: char) -> bool {
    let admitted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || char::from(byte) == joint;
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= NAME
        && name.bytes().all(admitted)
}

/// Whether a version is three numbers without leading zeros.
fn is_version(version: &str) -> bool {
    let number = |part: &str| part.parse::<u32>().is_ok_and(|number| number.to_string() == part);
    version.split('.').count() == 3 && version.split('.').all(number)
}

fn check_columns(world: World, columns: &[GivenWanted]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for column in columns {
        let name = tidy(&column.name, NAME);
        if world.kind(&column.name).is_none() {
            return wrong(format!(
                "a {world} has no column `{name}`; the contract tells which there are"
            ));
        }
        if !seen.insert(column.name.as_str()) {
            return wrong(format!("the column `{name}` is asked for twice"));
        }
    }
    Ok(())
}

fn check_parameters(parameters: &[GivenSpec]) -> Result<(), Error> {
    if parameters.len() > PARAMETERS {
        return wrong(format!(
            "it has {} parameters; at most {PARAMETERS} are admitted",
            parameters.len()
        ));
    }
    let mut seen = BTreeSet::new();
    for parameter in parameters {
        let name = tidy(&parameter.name, NAME);
        if !is_name(&parameter.name, '_') {
            return wrong(format!(
                "the parameter `{name}` must be of a-z, 0-9 and underscore, start with a letter and have at most \
                 {NAME} characters"
            ));
        }
        if !seen.insert(parameter.name.as_str()) {
            return wrong(format!("the parameter `{name}` is there twice"));
        }
        if parameter.meaning.trim().is_empty() || parameter.meaning.len() > MEANING {
            return wrong(format!(
                "what the parameter `{name}` means must have from 1 to {MEANING} bytes"
            ));
        }
        check_text(&format!("what the parameter `{name}` means"), &parameter.meaning)?;
        check_bounds(&name, parameter)?;
    }
    Ok(())
}

fn check_bounds(name: &str, parameter: &GivenSpec) -> Result<(), Error> {
    let (least, default, greatest) = (parameter.least, parameter.default, parameter.greatest);
    if ![least, default, greatest].into_iter().all(f64::is_finite) {
        return wrong(format!(
            "the bounds and the default of the parameter `{name}` must be finite"
        ));
    }
    if !(least <= default && default <= greatest) {
        return wrong(format!(
            "the parameter `{name}` goes from {least} to {greatest}, by default {default}: it must be least ≤ \
             default ≤ greatest"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check, is_reserved};
    use crate::{
        Error,
        wire::{GivenDescription, GivenSpec, GivenWanted},
        world::World,
    };

    fn good() -> GivenDescription {
        GivenDescription {
            name: "reach-2".to_owned(),
            version: "1.2.0".to_owned(),
            summary: "Reach of a candidate.".to_owned(),
            columns: vec![GivenWanted {
                name: "followers".to_owned(),
                required: true,
            }],
            parameters: vec![parameter("weight", 0.0, 0.5, 1.0)],
        }
    }

    fn parameter(name: &str, least: f64, default: f64, greatest: f64) -> GivenSpec {
        let (name, meaning) = (name.to_owned(), "Weight of followers, from 0 to 1.".to_owned());
        GivenSpec {
            name,
            meaning,
            default,
            least,
            greatest,
        }
    }

    fn reason(change: impl FnOnce(&mut GivenDescription)) -> String {
        let mut given = good();
        change(&mut given);
        match check(World::KocModel, given) {
            Err(Error::BadDescription { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn admits_what_is_right() {
        let description = check(World::KocModel, good()).unwrap();
        assert_eq!(
            (description.name.as_str(), description.version.as_str()),
            ("reach-2", "1.2.0")
        );
        assert_eq!(
            (description.columns.len(), description.parameters[0].default),
            (1, 0.5)
        );
    }

    #[test]
    fn names_and_versions() {
        for name in [
            "",
            "2reach",
            "Reach",
            "re_ach",
            "-reach",
            "reach ",
            &"a".repeat(64),
        ] {
            assert!(
                reason(|given| given.name = name.to_owned()).contains("name"),
                "{name}"
            );
        }
        for version in [
            "", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.-3", "1.2.3-rc", "+1.2.3",
        ] {
            assert!(
                reason(|given| given.version = version.to_owned()).contains("version"),
                "{version}"
            );
        }
        for summary in ["", " \n", &"a".repeat(2_001)] {
            assert!(reason(|given| given.summary = summary.to_owned()).contains("summary"));
        }
    }

    #[test]
    fn texts_that_pass_for_others() {
        for character in [
            '\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}', '\0', '\u{2029}', '\u{feff}',
        ] {
            let text = format!("Reach{character}.");
            let code = format!("U+{:04X}", u32::from(character));
            let summary = reason(|given| given.summary.clone_from(&text));
            assert!(
                summary.starts_with("the summary") && summary.contains(&code),
                "{summary}"
            );
            let meaning = reason(|given| given.parameters[0].meaning.clone_from(&text));
            assert!(
                meaning.contains("`weight` means") && meaning.contains(&code),
                "{meaning}"
            );
        }
        // Lines, other letters, and an emoji that is joined of several.
        let mut given = good();
        given.summary = "种草,\nnä 👩\u{200d}🔬".to_owned();
        let description = check(World::KocModel, given).unwrap();
        assert_eq!(description.summary, "种草, nä 👩\u{200d}🔬");
    }

    #[test]
    fn names_of_the_mesh() {
        for name in [
            "koc-default",
            "style-trend-default",
            "dualwheel",
            "dualwheel-koc",
            "dualwheels",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["koc", "koc-default-2", "my-koc-default", "a-dualwheel", "default"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn columns() {
        let wanted = |name: &str| GivenWanted {
            name: name.to_owned(),
            required: false,
        };
        let unknown = reason(|given| given.columns.push(wanted("gmv")));
        assert_eq!(
            unknown,
            "a koc-model has no column `gmv`; the contract tells which there are"
        );
        assert!(
            reason(|given| given.columns.push(wanted("followers")))
                .contains("`followers` is asked for twice")
        );
    }

    #[test]
    fn parameters() {
        for name in ["", "a-b", "Weight", "1st", &"a".repeat(64)] {
            assert!(
                reason(|given| given.parameters[0].name = name.to_owned()).contains("underscore"),
                "{name}"
            );
        }
        assert!(reason(|given| given.parameters.push(parameter("weight", 0.0, 0.0, 0.0))).contains("twice"));
        assert!(reason(|given| given.parameters[0].meaning = String::new()).contains("means"));
        for (least, default, greatest) in [(1.0, 0.5, 2.0), (0.0, 3.0, 2.0), (2.0, 2.0, 1.0)] {
            let bad = parameter("w", least, default, greatest);
            assert!(reason(|given| given.parameters = vec![bad]).contains("least ≤ default"));
        }
        for bad in [f64::NAN, f64::INFINITY] {
            let bad = parameter("w", 0.0, 0.0, bad);
            assert!(reason(|given| given.parameters = vec![bad]).contains("finite"));
        }
        let many = (0..65)
            .map(|index| parameter(&format!("p{index}"), 0.0, 0.0, 1.0))
            .collect();
        assert!(reason(|given| given.parameters = many).contains("at most 64"));
    }
}
