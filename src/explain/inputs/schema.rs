//! How inputs are declared: a small TOML file beside the model.
//!
//! ```toml
//! [[inputs]]
//! name = "lead_time"              # the model's name of it; by default the feature's
//! feature = "lead_time"           # by default the name
//! subtract = 104.0                # (value - subtract) / divide, as the model was trained
//! divide = 106.9
//! missing = 104.0                 # in place of a missing value, before that; by default NaN
//!
//! [[inputs]]
//! feature = "meal"
//! one_hot = ["BB", "HB", "SC"]    # three inputs: meal_BB, meal_HB, meal_SC
//! name = "meal_{}"
//!
//! [[inputs]]
//! feature = "country"
//! values = { PRT = 0, GBR = 1 }   # codes, or target encoding
//! unknown = -1                    # any other country; without it such rows can't be explained
//! missing = -1
//!
//! [[inputs]]
//! feature = "segment"
//! text = true                     # a model server is given the name itself
//!
//! [[inputs]]
//! name = "channel"
//! constant = 1
//! ```
//!
//! What is not understood is an error, since an input that is encoded otherwise
//! than in training gives explanations of another model.

use std::fmt;

use serde::Deserialize;
use toml::{Table, Value};

use crate::profile::LONGEST_NAME;

/// Inputs that a schema declares at most: four times the columns of the widest
/// reference.
pub const MOST_INPUTS: usize = 1 << 14;
/// Errors that are told one by one.
const TOLD_ERRORS: usize = 20;
/// Stands for the category in the name of a group of inputs.
const PLACE: &str = "{}";

/// The inputs as they were declared, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSchema {
    pub(super) inputs: Vec<Declared>,
}

/// One declared input of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declared {
    /// Where it stands in the file, for errors.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) source: Source,
}

/// Where an input's numbers come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Constant(f64),
    Feature { feature: String, encoding: Encoding, scale: Scale },
}

/// How a feature's value becomes a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Encoding {
    Number { missing: f64 },
    Values { values: Vec<(String, f64)>, unknown: Option<f64>, missing: f64 },
    Text { unknown: Option<String>, missing: Option<String> },
}

/// `(value - subtract) / divide`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) subtract: f64,
    pub(super) divide: f64,
}

/// One thing that is wrong with how inputs are declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// Path of the key, such as `inputs[2].one_hot`; empty for the whole.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// Everything that is wrong with how inputs are declared; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InputErrors(pub Vec<InputError>);

impl InputError {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), hint: hint.into() }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.problem, self.hint)
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().take(TOLD_ERRORS).enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        let more = self.0.len().saturating_sub(TOLD_ERRORS);
        if more > 0 { write!(f, "\nand {more} more") } else { Ok(()) }
    }
}

/// A table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: Option<String>,
    feature: Option<String>,
    subtract: Option<f64>,
    divide: Option<f64>,
    missing: Option<Value>,
    unknown: Option<Value>,
    one_hot: Option<Value>,
    values: Option<Table>,
    text: Option<bool>,
    constant: Option<f64>,
}

impl InputSchema {
    /// Inputs that it declares.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether it declares none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The schema in `text`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in order of the file.
    pub fn parse(text: &str) -> Result<Self, InputErrors> {
        const HINT: &str = "a schema is a list of [[inputs]] tables";
        let one = |error| InputErrors(vec![error]);
        let file: Table = text.parse().map_err(|error| one(syntax_error(text, &error)))?;
        if let Some(key) = file.keys().find(|key| *key != "inputs") {
            return Err(one(InputError::new(key, "there is no such key", HINT)));
        }
        let tables = file.get("inputs").and_then(Value::as_array).filter(|tables| !tables.is_empty());
        let tables = tables.ok_or_else(|| one(InputError::new("inputs", "there are none", HINT)))?;
        let (mut inputs, mut errors) = (Vec::new(), Vec::new());
        for (place, table) in tables.iter().enumerate() {
            let key = format!("inputs[{place}]");
            match Typed::deserialize(table.clone()) {
                Ok(typed) => Reader { key, errors: &mut errors }.read(typed, &mut inputs),
                Err(error) => {
                    let problem = error.message().trim().replace('\n', " ");
                    errors.push(InputError::new(key, problem, "see the documentation of input schemas"));
                }
            }
            if inputs.len() > MOST_INPUTS {
                let problem = format!("there are more than {MOST_INPUTS}");
                errors.push(InputError::new("inputs", problem, "no model is explained by so many"));
                break;
            }
        }
        if errors.is_empty() { Ok(Self { inputs }) } else { Err(InputErrors(errors)) }
    }
}

fn syntax_error(text: &str, error: &toml::de::Error) -> InputError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let problem = error.message().trim().replace('\n', " ");
    InputError::new(format!("line {line}"), problem, "the file has to be TOML")
}

/// Reads one table and notes what is wrong.
struct Reader<'a> {
    key: String,
    errors: &'a mut Vec<InputError>,
}

impl Reader<'_> {
    fn refuse(&mut self, key: &str, problem: impl Into<String>, hint: &str) {
        let path = if key.is_empty() { self.key.clone() } else { format!("{}.{key}", self.key) };
        self.errors.push(InputError::new(path, problem, hint));
    }

    /// Appends the inputs that `typed` declares.
    fn read(&mut self, typed: Typed, inputs: &mut Vec<Declared>) {
        const KINDS: &str = "say how it is encoded once: one_hot, values, text or constant";
        let kinds = [
            typed.one_hot.is_some(),
            typed.values.is_some(),
            typed.text == Some(true),
            typed.constant.is_some(),
        ];
        if kinds.iter().filter(|is_there| **is_there).count() > 1 {
            return self.refuse("", "there are several encodings", KINDS);
        }
        for (key, name) in [("name", &typed.name), ("feature", &typed.feature)] {
            if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > LONGEST_NAME) {
                let problem = format!("a name has 1 to {LONGEST_NAME} bytes");
                return self.refuse(key, problem, "no feature has such a name");
            }
        }
        if typed.constant.is_some() {
            return self.constant(typed, inputs);
        }
        let Some(feature) = typed.feature.clone().or_else(|| typed.name.clone()) else {
            return self.refuse("feature", "it is not there", "name the feature that the input is made of");
        };
        let Some(scale) = self.scale(&typed) else { return };
        if let Some(categories) = &typed.one_hot {
            let categories = categories.clone();
            return self.one_hot(&typed, (feature, scale), &categories, inputs);
        }
        let encoding = match (&typed.values, typed.text) {
            (Some(values), _) => self.values(&typed, values),
            (None, Some(true)) => self.text(&typed),
            (None, _) => self.number(&typed),
        };
        if let Some(encoding) = encoding {
            let name = typed.name.unwrap_or_else(|| feature.clone());
            let source = Source::Feature { feature, encoding, scale };
            inputs.push(Declared { key: self.key.clone(), name, source });
        }
    }

    fn constant(&mut self, typed: Typed, inputs: &mut Vec<Declared>) {
        const HINT: &str = "a constant has a name and no feature";
        let is_alone = typed.feature.is_none()
            && typed.subtract.is_none()
            && typed.divide.is_none()
            && typed.missing.is_none()
            && typed.unknown.is_none();
        match (typed.constant.filter(|number| number.is_finite()), typed.name) {
            (Some(number), Some(name)) if is_alone => {
                inputs.push(Declared { key: self.key.clone(), name, source: Source::Constant(number) });
            }
            (None, _) => self.refuse("constant", "it is no number", HINT),
            _ => self.refuse("", "a constant is said to come from a feature, or has no name", HINT),
        }
    }

    fn scale(&mut self, typed: &Typed) -> Option<Scale> {
        let scale = Scale { subtract: typed.subtract.unwrap_or(0.0), divide: typed.divide.unwrap_or(1.0) };
        if !scale.subtract.is_finite() || !scale.divide.is_finite() || scale.divide == 0.0 {
            let hint = "subtract the mean and divide by the standard deviation that training used";
            self.refuse("divide", "subtract and divide have to be numbers, and divide not 0", hint);
            return None;
        }
        if typed.text == Some(true) && (typed.subtract.is_some() || typed.divide.is_some()) {
            self.refuse("text", "text can't be scaled", "leave subtract and divide out");
            return None;
        }
        Some(scale)
    }

    fn number(&mut self, typed: &Typed) -> Option<Encoding> {
        if typed.unknown.is_some() {
            self.refuse("unknown", "a number is never unknown", "say missing, or encode by values");
            return None;
        }
        let missing = self.stand_in("missing", typed.missing.as_ref())?;
        Some(Encoding::Number { missing: missing.unwrap_or(f64::NAN) })
    }

    /// A number in place of a value; NaN is one.
    #[expect(clippy::option_option, reason = "outside an error, inside a key that is not there")]
    fn stand_in(&mut self, key: &str, value: Option<&Value>) -> Option<Option<f64>> {
        let Some(value) = value else { return Some(None) };
        let number = number(value).filter(|number| !number.is_infinite());
        if number.is_none() {
            self.refuse(key, "it is no number", "write a number, or nan for what the model takes as missing");
        }
        number.map(Some)
    }

    fn values(&mut self, typed: &Typed, table: &Table) -> Option<Encoding> {
        if table.is_empty() {
            self.refuse("values", "there are none", "write values = { category = number, … }");
            return None;
        }
        let mut values = Vec::with_capacity(table.len());
        for (category, value) in table {
            match number(value).filter(|number| number.is_finite()) {
                Some(number) => values.push((category.clone(), number)),
                None if value.is_table() => self.refuse(
                    &format!("values.{category}"),
                    "it holds other keys",
                    "put quotes around a category with a dot in it",
                ),
                None => self.refuse(
                    &format!("values.{category}"),
                    "it is no number",
                    "every category has the number that training gave it",
                ),
            }
        }
        let unknown = self.stand_in("unknown", typed.unknown.as_ref())?;
        let missing = self.stand_in("missing", typed.missing.as_ref())?.unwrap_or(f64::NAN);
        (values.len() == table.len()).then_some(Encoding::Values { values, unknown, missing })
    }

    fn text(&mut self, typed: &Typed) -> Option<Encoding> {
        let mut texts = Vec::new();
        for (key, value) in [("unknown", &typed.unknown), ("missing", &typed.missing)] {
            match value {
                None => texts.push(None),
                Some(Value::String(text)) => texts.push(Some(text.clone())),
                Some(_) => {
                    self.refuse(key, "it is no text", "write the text that the model is to be given");
                    return None;
                }
            }
        }
        let missing = texts.pop().flatten();
        Some(Encoding::Text { unknown: texts.pop().flatten(), missing })
    }

    /// An input per category that is 1 where the feature is it and 0 elsewhere.
    fn one_hot(
        &mut self,
        typed: &Typed,
        (feature, scale): (String, Scale),
        categories: &Value,
        inputs: &mut Vec<Declared>,
    ) {
        const HINT: &str = "write one_hot = \"A\" for one input or one_hot = [\"A\", \"B\"] for two";
        let (categories, is_group) = match categories {
            Value::String(category) => (vec![category.as_str()], false),
            Value::Array(list) => (list.iter().filter_map(Value::as_str).collect(), true),
            _ => (Vec::new(), true),
        };
        let declared = typed.one_hot.as_ref().and_then(Value::as_array).map_or(1, Vec::len);
        if categories.is_empty() || categories.len() != declared {
            return self.refuse("one_hot", "it names no categories", HINT);
        }
        let default = format!("{feature}_{PLACE}");
        let pattern = typed.name.as_ref().unwrap_or(&default);
        if is_group && !pattern.contains(PLACE) {
            let hint = "write {} in the name where the category belongs";
            return self.refuse("name", "all inputs of the group would have one name", hint);
        }
        let Some(missing) = self.stand_in("missing", typed.missing.as_ref()) else { return };
        let Some(unknown) = self.stand_in("unknown", typed.unknown.as_ref()) else { return };
        for category in categories.into_iter().take(MOST_INPUTS) {
            // A name that is longer than any feature's is no model's either.
            let name = pattern.replacen(PLACE, category, 1);
            if name.len() > 2 * LONGEST_NAME {
                return self.refuse("one_hot", "a category is longer than any is kept", HINT);
            }
            let encoding = Encoding::Values {
                values: vec![(category.to_owned(), 1.0)],
                unknown: Some(unknown.unwrap_or(0.0)),
                missing: missing.unwrap_or(0.0),
            };
            let source = Source::Feature { feature: feature.clone(), encoding, scale };
            inputs.push(Declared { key: self.key.clone(), name, source });
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "codes are far below 2^53")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
