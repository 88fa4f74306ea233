//! Makes of a batch and parameters just what a model asked for.

use dualwheel_plugin_sdk::{Batch, Column, Description, Parameters, Values};

use crate::{
    Error,
    wire::{SentColumn, SentParameter, SentValues},
    world::{Kind, World},
};

fn wrong<T>(name: &str, reason: String) -> Result<T, Error> {
    Err(Error::Input {
        name: name.to_owned(),
        reason,
    })
}

/// The columns that the model asked for, in its order; one that it can do without is left out where there is none.
pub(crate) fn columns<'a>(
    world: World,
    description: &Description,
    batch: &'a Batch,
    most_rows: usize,
) -> Result<Vec<SentColumn<'a>>, Error> {
    if batch.rows > most_rows {
        let rows = batch.rows;
        return wrong(
            "rows",
            format!("are {rows}; at most {most_rows} are admitted: send them in parts"),
        );
    }
    let mut sent = Vec::with_capacity(description.columns.len());
    for wanted in &description.columns {
        let mut named = batch.columns.iter().filter(|column| column.name == wanted.name);
        match (named.next(), named.next()) {
            (Some(column), None) => sent.push(checked(world, batch.rows, column)?),
            (Some(_), Some(_)) => return wrong(&wanted.name, "is there twice".to_owned()),
            (None, _) if wanted.required => {
                let model = &description.name;
                return wrong(
                    &wanted.name,
                    format!("is missing, and the model {model} cannot do without it"),
                );
            }
            (None, _) => {}
        }
    }
    same_periods(batch.rows, &sent)?;
    Ok(sent)
}

/// A column of the world's kind, with a value for each row.
fn checked(world: World, rows: usize, column: &Column) -> Result<SentColumn<'_>, Error> {
    let (kind, values) = match &column.values {
        Values::Numbers(numbers) => (Kind::Numbers, numbers.len()),
        Values::Texts(texts) => (Kind::Texts, texts.len()),
        Values::Series(series) => (Kind::Series, series.len()),
    };
    if let Some(asked) = world.kind(&column.name).filter(|asked| *asked != kind) {
        return wrong(&column.name, format!("has {kind}; a {world} takes {asked}"));
    }
    if values != rows {
        return wrong(&column.name, format!("has {values} values for {rows} rows"));
    }
    Ok(SentColumn {
        name: &column.name,
        values: SentValues::from(&column.values),
    })
}

/// All series of a row tell of the same periods.
fn same_periods(rows: usize, columns: &[SentColumn<'_>]) -> Result<(), Error> {
    let mut series = columns.iter().filter_map(|column| match column.values {
        SentValues::Series(series) => Some((column.name, series)),
        _ => None,
    });
    let Some((first, lengths)) = series.next() else {
        return Ok(());
    };
    for (name, series) in series {
        let differs = lengths
            .iter()
            .zip(series)
            .position(|(one, other)| one.len() != other.len());
        if let Some(row) = differs {
            return wrong(
                name,
                format!("has another length than `{first}` in row {row} of {rows}"),
            );
        }
    }
    Ok(())
}

/// Every parameter of the model with its value: the one that is given, or the model's own.
pub(crate) fn parameters(description: &Description, given: &Parameters) -> Result<Parameters, Error> {
    let known = |name: &str| {
        description
            .parameters
            .iter()
            .any(|parameter| parameter.name == name)
    };
    if let Some(name) = given.keys().find(|name| !known(name)) {
        return wrong(name, format!("is no parameter of the model {}", description.name));
    }
    let mut all = Parameters::new();
    for parameter in &description.parameters {
        let value = given.get(&parameter.name).copied().unwrap_or(parameter.default);
        let (least, greatest) = (parameter.least, parameter.greatest);
        if !(least..=greatest).contains(&value) {
            return wrong(
                &parameter.name,
                format!("is {value}, but must be from {least} to {greatest}"),
            );
        }
        all.insert(parameter.name.clone(), value);
    }
    Ok(all)
}

/// The parameters in the order of the model's description.
pub(crate) fn in_order<'a>(description: &'a Description, all: &Parameters) -> Vec<SentParameter<'a>> {
    let value = |name: &str| all.get(name).copied();
    let ordered = description.parameters.iter();
    ordered
        .map(|parameter| SentParameter {
            name: &parameter.name,
            value: value(&parameter.name).unwrap_or(parameter.default),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dualwheel_plugin_sdk::{Batch, Column, Description, ParameterSpec, Parameters, Values, Wanted};

    use super::{columns, in_order, parameters};
    use crate::{Error, world::World};

    fn description(wanted: &[(&str, bool)]) -> Description {
        let wanted = wanted.iter().map(|&(name, required)| Wanted {
            name: name.to_owned(),
            required,
        });
        let parameter = |name: &str, default| ParameterSpec {
            name: name.to_owned(),
            meaning: "A weight.".to_owned(),
            default,
            least: 0.0,
            greatest: 1.0,
        };
        Description {
            name: "model".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A model.".to_owned(),
            columns: wanted.collect(),
            parameters: vec![parameter("weight", 0.5), parameter("bias", 0.25)],
        }
    }

    fn column(name: &str, values: Values) -> Column {
        Column {
            name: name.to_owned(),
            values,
        }
    }

    fn reason(wanted: &[(&str, bool)], columns_given: Vec<Column>) -> String {
        let batch = Batch {
            rows: 2,
            columns: columns_given,
        };
        match columns(World::StyleTrendModel, &description(wanted), &batch, 100) {
            Err(error) => error.to_string(),
            Ok(columns) => panic!("{columns:?}"),
        }
    }

    #[test]
    fn just_what_was_asked_for_in_its_order() {
        let batch = Batch {
            rows: 2,
            columns: vec![
                column("brand_tgi", Values::Numbers(vec![100.0, f64::NAN])),
                column("penetration", Values::Numbers(vec![0.1, 0.2])),
                column("style", Values::Texts(vec!["a".to_owned(), String::new()])),
            ],
        };
        let wanted = [("style", true), ("gmv", false), ("brand_tgi", true)];
        let sent = columns(World::StyleTrendModel, &description(&wanted), &batch, 2).unwrap();
        assert_eq!(
            sent.iter().map(|column| column.name).collect::<Vec<_>>(),
            ["style", "brand_tgi"]
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let numbers = |count| Values::Numbers(vec![0.0; count]);
        assert!(reason(&[("penetration", true)], vec![]).contains("`penetration` is missing"));
        assert!(reason(&[("style", true)], vec![column("style", numbers(2))]).contains("takes texts"));
        let short = vec![column("penetration", numbers(1))];
        assert_eq!(
            reason(&[("penetration", true)], short),
            "`penetration` has 1 values for 2 rows"
        );
        let twice = vec![
            column("penetration", numbers(2)),
            column("penetration", numbers(2)),
        ];
        assert_eq!(
            reason(&[("penetration", false)], twice),
            "`penetration` is there twice"
        );
        let gmv = column("gmv", Values::Series(vec![vec![1.0], vec![1.0, 2.0]]));
        let units = column("units", Values::Series(vec![vec![1.0], vec![1.0]]));
        let told = reason(&[("gmv", true), ("units", true)], vec![gmv, units]);
        assert_eq!(told, "`units` has another length than `gmv` in row 1 of 2");
        let many = Batch {
            rows: 101,
            columns: vec![],
        };
        let told = columns(World::KocModel, &description(&[]), &many, 100).unwrap_err();
        assert!(matches!(told, Error::Input { name, .. } if name == "rows"));
    }

    #[test]
    fn parameters_are_completed_and_bounded() {
        let description = description(&[]);
        let given = Parameters::from([("bias".to_owned(), 1.0)]);
        let all = parameters(&description, &given).unwrap();
        let sent = in_order(&description, &all);
        let sent: Vec<_> = sent
            .iter()
            .map(|parameter| (parameter.name, parameter.value))
            .collect();
        assert_eq!(sent, [("weight", 0.5), ("bias", 1.0)]);
        for (name, value) in [("bias", 1.1), ("bias", -0.1), ("bias", f64::NAN), ("other", 0.5)] {
            let told = parameters(&description, &Parameters::from([(name.to_owned(), value)]));
            assert!(
                matches!(told, Err(Error::Input { name: at, .. }) if at == name),
                "{name} {value}"
            );
        }
    }
}
