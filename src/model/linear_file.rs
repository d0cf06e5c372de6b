//! Coefficients of linear and logistic models from a file that people write.
//!
//! Why: such a model is a handful of numbers, and no library has a file format
//! for them that others read. In TOML or JSON, told apart by the first character:
//!
//! ```toml
//! link = "logistic"          # identity (the default), logistic, softmax, log
//! intercept = -1.2           # 0 where it is left out
//! [coefficients]
//! age = 0.03
//! amount = -0.0007
//! ```
//!
//! and with several outputs `[[outputs]]`, each with `name`, `intercept` and
//! `[outputs.coefficients]`.
//!
//! Promises: inputs are known by their names, and stand in the order of these,
//! so the order in the file does not matter.
//!
//! Refuses: keys that are not known or stand twice, numbers that are not finite,
//! and outputs of different inputs: a name that is misspelt must not become
//! another input with a coefficient of 0 for the rest.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use serde::{Deserialize, Deserializer, de};

use super::{LinearModel, Link, ModelError, ModelInfo};

const FORMAT: &str = "coefficients";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    link: FileLink,
    intercept: Option<f64>,
    coefficients: Option<Coefficients>,
    outputs: Option<Vec<Output>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    #[serde(default)]
    intercept: f64,
    coefficients: Coefficients,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum FileLink {
    #[default]
    Identity,
    Logistic,
    Softmax,
    Log,
}

/// Numbers by name, each name once.
struct Coefficients(BTreeMap<String, f64>);

impl<'de> Deserialize<'de> for Coefficients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Coefficients;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number for each input")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Coefficients, A::Error> {
                let mut numbers = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let number = map
                        .next_value::<f64>()
                        .map_err(|error| de::Error::custom(format!("coefficients.{name}: {error}")))?;
                    match numbers.entry(name) {
                        Entry::Vacant(place) => place.insert(number),
                        Entry::Occupied(place) => {
                            let name = place.key();
                            return Err(de::Error::custom(format!("coefficients.{name} is there twice")));
                        }
                    };
                }
                Ok(Coefficients(numbers))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Reads coefficients from TOML or JSON.
///
/// # Errors
/// When the text is neither, or makes no model; the message has the key.
pub fn read_linear(text: &str) -> Result<LinearModel, ModelError> {
    let file: File = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?
    } else {
        toml::from_str(text).map_err(|error| malformed(error.to_string().trim_end().to_owned()))?
    };
    let (outputs, prefixed) = outputs(file.intercept, file.coefficients, file.outputs)?;
    let link = match (file.link, outputs.len()) {
        (FileLink::Identity, _) => Link::Identity,
        (FileLink::Logistic, _) => Link::Logistic,
        (FileLink::Log, _) => Link::Log,
        (FileLink::Softmax, 2..) => Link::Softmax,
        (FileLink::Softmax, _) => {
            return Err(malformed("link: softmax is of two outputs or more; of one it is logistic"));
        }
    };
    let input_names: Vec<String> =
        outputs.first().map(|output| output.coefficients.0.keys().cloned().collect()).unwrap_or_default();
    if input_names.is_empty() {
        return Err(malformed(if prefixed {
            "outputs[0].coefficients is empty"
        } else {
            "coefficients is empty"
        }));
    }
    for (number, output) in outputs.iter().enumerate() {
        let key = if prefixed { format!("outputs[{number}].") } else { String::new() };
        check(output, &key, &input_names)?;
        if outputs.iter().take(number).any(|other| other.name == output.name) {
            return Err(malformed(format!("{key}name: '{}' is the name of another output", output.name)));
        }
    }
    let info = ModelInfo {
        kind: "linear".to_owned(),
        inputs: input_names.len(),
        input_names,
        outputs: outputs.len(),
        output_names: if prefixed {
            outputs.iter().map(|output| output.name.clone()).collect()
        } else {
            Vec::new()
        },
        link,
        fingerprint: crate::profile::row_hash(text.as_bytes()),
    };
    let coefficients = outputs.iter().flat_map(|output| output.coefficients.0.values().copied()).collect();
    let intercepts = outputs.iter().map(|output| output.intercept).collect();
    LinearModel::new(info, coefficients, intercepts)
        .ok_or_else(|| malformed("a coefficient or an intercept is not finite"))
}

/// The outputs, and whether they were given as a list.
fn outputs(
    intercept: Option<f64>,
    coefficients: Option<Coefficients>,
    outputs: Option<Vec<Output>>,
) -> Result<(Vec<Output>, bool), ModelError> {
    match (coefficients, outputs) {
        (Some(coefficients), None) => {
            let only = Output { name: String::new(), intercept: intercept.unwrap_or(0.0), coefficients };
            Ok((vec![only], false))
        }
        (None, Some(outputs)) if outputs.is_empty() => Err(malformed("outputs is empty")),
        (None, Some(outputs)) if intercept.is_none() => Ok((outputs, true)),
        (None, Some(_)) => Err(malformed("intercept stands beside outputs; each of them has its own")),
        (Some(_), Some(_)) => {
            Err(malformed("coefficients stands beside outputs; of several outputs, each has its own"))
        }
        (None, None) => Err(malformed("coefficients is missing; of several outputs, outputs")),
    }
}

fn check(output: &Output, key: &str, inputs: &[String]) -> Result<(), ModelError> {
    if !output.intercept.is_finite() {
        return Err(malformed(format!("{key}intercept is not finite")));
    }
    let coefficients = &output.coefficients.0;
    if let Some((name, _)) = coefficients.iter().find(|(_, number)| !number.is_finite()) {
        return Err(malformed(format!("{key}coefficients.{name} is not finite")));
    }
    if let Some(name) = inputs.iter().find(|name| !coefficients.contains_key(*name)) {
        return Err(malformed(format!("{key}coefficients.{name} is missing; outputs[0] has it")));
    }
    if let Some(name) = coefficients.keys().find(|name| inputs.binary_search(name).is_err()) {
        return Err(malformed(format!("{key}coefficients.{name} is unknown to outputs[0]")));
    }
    Ok(())
}

fn malformed(problem: impl Into<String>) -> ModelError {
    ModelError::Malformed { format: FORMAT, problem: problem.into() }
}
