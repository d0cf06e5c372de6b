//! How the inputs of a model come from the features of an event.
//!
//! Why: a model is asked about rows of numbers in its own order and encoding;
//! an event has features with names, categories among them. Attributions go the
//! way back: what several inputs say of one feature is added up.
//!
//! Promises: an input is what the schema says of the feature's value, or the row
//! is not used and [`Unusable`] says why; nothing is guessed. All features
//! together still add up to the output, since attributions of a feature's inputs
//! are summed. That is the Shapley value of the feature as one player up to
//! interactions of three inputs and more, which a player of several inputs
//! shares with others differently. The model is also asked about rows that no
//! encoding makes, such as two columns of a one-hot group that are both 1.
//!
//! Refuses: a category without an encoding, a schema that is not that of the
//! model, features that the reference does not have.
//!
//! A cell knows a category by its code on the reference's grid. Categories
//! beyond the grid's named ones share a code, so they are all `unknown`.

mod resolve;
mod schema;

pub use schema::{InputError, InputErrors, InputSchema, MOST_INPUTS};

use crate::profile::Cell;
use schema::Scale;

/// Gives a row of inputs for a row of cells, and back.
#[derive(Debug, Clone, PartialEq)]
pub struct InputMap {
    inputs: Vec<Input>,
    /// The features that some input uses, in the reference's order.
    features: Vec<Feature>,
    /// Columns of a row of cells.
    columns: usize,
    notes: Vec<String>,
}

/// One input of the model.
#[derive(Debug, Clone, PartialEq)]
struct Input {
    name: String,
    /// Its feature's place among those used; `None` of a constant.
    feature: Option<usize>,
    encoding: Encoding,
    scale: Scale,
}

#[derive(Debug, Clone, PartialEq)]
enum Encoding {
    Constant(f64),
    /// A number as it is.
    Number {
        missing: f64,
    },
    /// A category by its code.
    Code {
        by_code: Box<[Option<f64>]>,
        unknown: Option<f64>,
        missing: f64,
        /// What numbers stand for, where a model is given names.
        texts: Option<Box<[String]>>,
    },
    /// A number that stands for a category, in ascending order.
    Listed {
        values: Box<[(f64, f64)]>,
        unknown: Option<f64>,
        missing: f64,
    },
}

/// A feature that some input uses.
#[derive(Debug, Clone, PartialEq)]
struct Feature {
    name: String,
    /// Its place in a row of cells.
    column: usize,
    /// The categories with codes of their own, of a categorical feature.
    categories: Option<Box<[String]>>,
}

/// Why a row can't be turned into inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unusable {
    /// A feature is absent: it is only a part of a row.
    #[error("a feature is not in the row")]
    Partial,
    /// A value is of a type that its column can't hold: what the model made of
    /// it is not known.
    #[error("a value is of the wrong type")]
    WrongType,
    /// A category has no encoding, and the schema has none for unknown ones.
    #[error("a category has no encoding")]
    UnknownCategory,
}

impl InputMap {
    /// Inputs of the model.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no inputs; there always are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Inputs whose values can differ between rows.
    #[must_use]
    pub fn varying(&self) -> usize {
        self.inputs.iter().filter(|input| input.feature.is_some()).count()
    }

    /// The inputs' names in the model's order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.inputs.iter().map(|input| input.name.as_str())
    }

    /// Names of the features that any input uses, in the reference's order.
    pub fn features(&self) -> impl ExactSizeIterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// What is worth knowing of a schema that is right: categories that the
    /// reference does not name, which therefore never reach their input.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// For every feature, the places of its inputs: what permutation importance
    /// permutes together.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.features.len()];
        for (place, input) in self.inputs.iter().enumerate() {
            if let Some(group) = input.feature.and_then(|feature| groups.get_mut(feature)) {
                group.push(place);
            }
        }
        groups
    }

    /// The texts that the numbers of an input stand for, by index; `None` of an
    /// input that is a number. A missing text is NaN.
    #[must_use]
    pub fn texts(&self, input: usize) -> Option<&[String]> {
        match &self.inputs.get(input)?.encoding {
            Encoding::Code { texts, .. } => texts.as_deref(),
            _ => None,
        }
    }

    /// Appends the inputs of a row of cells.
    ///
    /// # Errors
    /// When the row can't be used; nothing is appended then.
    pub fn encode(&self, cells: &[Cell], out: &mut Vec<f64>) -> Result<(), Unusable> {
        let start = out.len();
        let mut failed = if cells.len() < self.columns { Err(Unusable::Partial) } else { Ok(()) };
        if failed.is_ok() {
            for input in &self.inputs {
                let feature = input.feature.and_then(|feature| self.features.get(feature));
                let cell = feature.map_or(Some(Cell::MISSING), |feature| cells.get(feature.column).copied());
                match input.encode(cell.unwrap_or(Cell::ABSENT)) {
                    Ok(value) => out.push(value),
                    Err(unusable) => {
                        failed = Err(unusable);
                        break;
                    }
                }
            }
        }
        if failed.is_err() {
            out.truncate(start);
        }
        failed
    }

    /// The feature that keeps a row of cells from being used, and its category,
    /// where it is one with a name.
    #[must_use]
    pub fn culprit(&self, cells: &[Cell]) -> Option<(&str, Option<&str>)> {
        let place = self.inputs.iter().find_map(|input| {
            let place = input.feature?;
            let cell = cells.get(self.features.get(place)?.column).copied().unwrap_or(Cell::ABSENT);
            input.encode(cell).is_err().then_some(place)
        })?;
        let category = self.value(place, cells).and_then(|(_, category)| category);
        Some((self.features.get(place)?.name.as_str(), category))
    }

    /// Adds what is said by inputs up by features, into `out`, which is made as
    /// long as there are features.
    ///
    /// Of standard errors the sums are upper bounds, since errors of inputs may
    /// go together.
    pub fn fold(&self, by_input: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.features.len(), 0.0);
        for (input, value) in self.inputs.iter().zip(by_input) {
            if let Some(sum) = input.feature.and_then(|feature| out.get_mut(feature)) {
                *sum += value;
            }
        }
    }

    /// The value of a feature in a row of cells: its column's cell and, where
    /// it is a category, the name of its code.
    pub(super) fn value<'a>(&'a self, feature: usize, cells: &[Cell]) -> Option<(Cell, Option<&'a str>)> {
        const BEYOND: [&str; 2] = ["other", "unseen"];
        let feature = self.features.get(feature)?;
        let cell = *cells.get(feature.column)?;
        let name = cell.code().zip(feature.categories.as_deref()).and_then(|(code, names)| {
            let code = code as usize;
            let named = names.get(code).map(String::as_str);
            named.or_else(|| BEYOND.get(code.wrapping_sub(names.len())).copied())
        });
        Some((cell, name))
    }
}

impl Input {
    fn encode(&self, cell: Cell) -> Result<f64, Unusable> {
        if let Encoding::Constant(number) = self.encoding {
            return Ok(number);
        }
        if cell.is_absent() {
            return Err(Unusable::Partial);
        }
        if cell == Cell::WRONG_TYPE {
            return Err(Unusable::WrongType);
        }
        let is_missing = cell == Cell::MISSING || cell == Cell::number(f64::NAN);
        let value = match (&self.encoding, cell.code()) {
            (Encoding::Constant(number), _) => *number,
            (
                Encoding::Number { missing }
                | Encoding::Code { missing, .. }
                | Encoding::Listed { missing, .. },
                _,
            ) if is_missing => *missing,
            (Encoding::Number { .. }, None) => cell.to_f64(),
            (Encoding::Code { by_code, unknown, .. }, Some(code)) => {
                let known = by_code.get(code as usize).copied().flatten();
                known.or(*unknown).ok_or(Unusable::UnknownCategory)?
            }
            (Encoding::Listed { values, unknown, .. }, None) => {
                // Adding zero turns -0.0 into 0.0.
                let number = cell.to_f64() + 0.0;
                let place = values.binary_search_by(|(value, _)| value.total_cmp(&number)).ok();
                let known = place.and_then(|place| values.get(place)).map(|(_, value)| *value);
                known.or(*unknown).ok_or(Unusable::UnknownCategory)?
            }
            _ => return Err(Unusable::WrongType),
        };
        Ok((value - self.scale.subtract) / self.scale.divide)
    }
}
