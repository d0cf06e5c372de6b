//! A schema held against the model and the reference that it is for.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Encoding, Feature, Input, InputMap,
    schema::{Declared, Encoding as DeclaredEncoding, InputError, InputErrors, InputSchema, Scale, Source},
};
use crate::{
    model::{Link, ModelInfo},
    profile::{CategoricalGrid, Grid},
    reference::{Column, ColumnRole, Reference},
};

const UNSCALED: Scale = Scale { subtract: 0.0, divide: 1.0 };
/// Names that an error lists at most.
const LISTED_NAMES: usize = 10;

impl InputMap {
    /// The inputs of `model` as `schema` makes them of `reference`'s features.
    ///
    /// Of a model with names for its inputs, each has to be declared, in any
    /// order; of one without, the schema's order is the model's.
    ///
    /// # Errors
    /// Everything that does not go together.
    pub fn from_schema(
        schema: &InputSchema,
        model: &ModelInfo,
        reference: &Reference,
    ) -> Result<Self, InputErrors> {
        let ordered = in_order(schema, model)?;
        Resolver::new(reference).resolve(ordered)
    }

    /// The inputs of a model of which nothing is known but the schema.
    ///
    /// # Errors
    /// As [`Self::from_schema`].
    pub fn of_schema(schema: &InputSchema, reference: &Reference) -> Result<Self, InputErrors> {
        let model = ModelInfo {
            kind: String::new(),
            inputs: schema.inputs.len(),
            input_names: Vec::new(),
            outputs: 1,
            output_names: Vec::new(),
            link: Link::Identity,
            fingerprint: 0,
        };
        Self::from_schema(schema, &model, reference)
    }

    /// The inputs of `model` by their names, which have to be those of numeric
    /// or boolean features.
    ///
    /// # Errors
    /// Every input that is no such feature, with what to write for it.
    pub fn by_name(model: &ModelInfo, reference: &Reference) -> Result<Self, InputErrors> {
        if model.input_names.len() != model.inputs || model.input_names.is_empty() {
            // Their order is that of the training data, which nothing here knows.
            let problem = format!("the model does not name its {} inputs", model.inputs);
            let hint = "declare them in a schema, in the order in which it was trained on them";
            return Err(InputErrors(vec![InputError::new("", problem, hint)]));
        }
        let declared = model.input_names.iter().cloned().map(|name| {
            let encoding = DeclaredEncoding::Number { missing: f64::NAN };
            let source = Source::Feature { feature: name.clone(), encoding, scale: UNSCALED };
            Declared { key: format!("input {name:?}"), name, source }
        });
        Resolver::new(reference).resolve(declared.collect())
    }
}

impl InputMap {
    /// All features of the reference in its order, for a model that is yet to be
    /// fitted by something that splits: numbers as they are, and categories as
    /// their codes, which are in the order of their frequency. The categories
    /// beyond the named ones, and those that the reference never saw, have a
    /// code each; a missing value is NaN.
    ///
    /// # Errors
    /// When the reference has no features.
    pub fn of_reference(reference: &Reference) -> Result<Self, InputErrors> {
        let columns = reference.columns.iter().enumerate();
        let columns = columns.filter(|(_, column)| column.role == ColumnRole::Feature);
        let (mut inputs, mut features) = (Vec::new(), Vec::new());
        for (place, Column { name, grid, .. }) in columns {
            let (encoding, categories) = match grid {
                Grid::Numeric(_) => (Encoding::Number { missing: f64::NAN }, None),
                Grid::Categorical(grid) => (codes(grid), Some(grid.named().into())),
            };
            inputs.push(Input {
                name: name.clone(),
                feature: Some(features.len()),
                encoding,
                scale: UNSCALED,
            });
            features.push(Feature { name: name.clone(), column: place, categories });
        }
        if features.is_empty() {
            let hint = "build it of events with features";
            return Err(InputErrors(vec![InputError::new("", "the reference has no features", hint)]));
        }
        Ok(Self { inputs, features, columns: reference.columns.len(), notes: Vec::new() })
    }
}

/// Every code of a grid as the number that it is.
fn codes(grid: &CategoricalGrid) -> Encoding {
    let by_code = (0..=grid.unseen_code()).map(|code| Some(f64::from(code))).collect();
    Encoding::Code { by_code, unknown: None, missing: f64::NAN, texts: None }
}

/// The declared inputs in the model's order.
fn in_order(schema: &InputSchema, model: &ModelInfo) -> Result<Vec<Declared>, InputErrors> {
    let mut errors = Vec::new();
    let mut by_name = BTreeMap::new();
    for declared in &schema.inputs {
        if by_name.insert(declared.name.as_str(), declared).is_some() {
            let problem = format!("there is another input {:?}", declared.name);
            errors.push(InputError::new(declared.key.clone(), problem, "give each input a name of its own"));
        }
    }
    if !errors.is_empty() {
        return Err(InputErrors(errors));
    }
    if schema.inputs.len() != model.inputs {
        let problem = format!("there are {}, and the model takes {}", schema.inputs.len(), model.inputs);
        let hint = if model.input_names.is_empty() {
            "declare every input of the model, in its order".to_owned()
        } else {
            format!("the model's are {}", listed(model.input_names.iter()))
        };
        return Err(InputErrors(vec![InputError::new("inputs", problem, hint)]));
    }
    if model.input_names.is_empty() {
        return Ok(schema.inputs.clone());
    }
    let mut ordered = Vec::with_capacity(model.inputs);
    for name in &model.input_names {
        match by_name.remove(name.as_str()) {
            Some(declared) => ordered.push(declared.clone()),
            None => errors.push(InputError::new(
                "inputs",
                format!("the model's input {name:?} is not declared"),
                "add an [[inputs]] table with this name",
            )),
        }
    }
    for declared in by_name.into_values() {
        let problem = format!("the model has no input {:?}", declared.name);
        let hint = format!("its inputs are {}", listed(model.input_names.iter()));
        errors.push(InputError::new(declared.key.clone(), problem, hint));
    }
    if errors.is_empty() { Ok(ordered) } else { Err(InputErrors(errors)) }
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let mut text = names.take(LISTED_NAMES).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if count > LISTED_NAMES {
        text.push_str(", …");
    }
    text
}

struct Resolver<'a> {
    reference: &'a Reference,
    columns: BTreeMap<&'a str, (usize, &'a Column)>,
    notes: Vec<String>,
}

impl<'a> Resolver<'a> {
    fn new(reference: &'a Reference) -> Self {
        let features = reference.columns.iter().enumerate();
        let features = features.filter(|(_, column)| column.role == ColumnRole::Feature);
        let columns = features.map(|(place, column)| (column.name.as_str(), (place, column))).collect();
        Self { reference, columns, notes: Vec::new() }
    }

    fn resolve(mut self, declared: Vec<Declared>) -> Result<InputMap, InputErrors> {
        let mut errors = Vec::new();
        let used: BTreeSet<usize> = declared
            .iter()
            .filter_map(|declared| match &declared.source {
                Source::Constant(_) => None,
                Source::Feature { feature, .. } => self.columns.get(feature.as_str()),
            })
            .map(|(place, _)| *place)
            .collect();
        let used: Vec<usize> = used.into_iter().collect();
        let mut inputs = Vec::with_capacity(declared.len());
        for Declared { key, name, source } in declared {
            let resolved = match source {
                Source::Constant(number) => Ok((None, Encoding::Constant(number), UNSCALED)),
                Source::Feature { feature, encoding, scale } => self
                    .feature(&key, &feature, encoding)
                    .map(|(column, encoding)| (used.binary_search(&column).ok(), encoding, scale)),
            };
            match resolved {
                Ok((feature, encoding, scale)) => inputs.push(Input { name, feature, encoding, scale }),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(InputErrors(errors));
        }
        let features = used.into_iter().filter_map(|column| {
            let Column { name, grid, .. } = self.reference.columns.get(column)?;
            let categories = match grid {
                Grid::Numeric(_) => None,
                Grid::Categorical(grid) => Some(grid.named().into()),
            };
            Some(Feature { name: name.clone(), column, categories })
        });
        let features: Vec<_> = features.collect();
        if features.is_empty() {
            let hint = "a model of constants has nothing to explain";
            return Err(InputErrors(vec![InputError::new("inputs", "no feature is used", hint)]));
        }
        Ok(InputMap { inputs, features, columns: self.reference.columns.len(), notes: self.notes })
    }

    /// The column and the encoding of a feature's input.
    fn feature(
        &mut self,
        key: &str,
        feature: &str,
        encoding: DeclaredEncoding,
    ) -> Result<(usize, Encoding), InputError> {
        let Some(&(place, column)) = self.columns.get(feature) else {
            let names: Vec<String> = self.columns.keys().map(|name| (*name).to_owned()).collect();
            let problem = format!("the reference has no feature {feature:?}");
            let hint = format!(
                "its features are {}; build it of events that carry this one, or declare where the input comes from",
                listed(names.iter())
            );
            return Err(InputError::new(key, problem, hint));
        };
        let encoding = match (&column.grid, encoding) {
            (Grid::Numeric(_), DeclaredEncoding::Number { missing }) => Encoding::Number { missing },
            (Grid::Numeric(_), DeclaredEncoding::Values { values, unknown, missing }) => {
                listed_numbers(key, feature, values, (unknown, missing))?
            }
            (Grid::Numeric(_), DeclaredEncoding::Text { .. }) => {
                let problem = format!("feature {feature:?} is a number");
                return Err(InputError::new(key, problem, "leave text out, or make the feature categorical"));
            }
            (Grid::Categorical(grid), DeclaredEncoding::Number { missing }) => {
                boolean(key, feature, grid, missing)?
            }
            (Grid::Categorical(grid), DeclaredEncoding::Values { values, unknown, missing }) => {
                self.by_code(feature, grid, &values, (unknown, missing))
            }
            (Grid::Categorical(grid), DeclaredEncoding::Text { unknown, missing }) => {
                texts(grid, unknown, missing)
            }
        };
        Ok((place, encoding))
    }

    fn by_code(
        &mut self,
        feature: &str,
        grid: &CategoricalGrid,
        values: &[(String, f64)],
        (unknown, missing): (Option<f64>, f64),
    ) -> Encoding {
        let mut by_code = vec![None; grid.named().len()];
        for (category, value) in values {
            match by_code.get_mut(grid.code_of(category.as_bytes()) as usize) {
                Some(slot) => *slot = Some(*value),
                None => self.notes.push(format!(
                    "category {category:?} of feature {feature:?} is not among the named ones of the reference; \
                     its rows count as unknown"
                )),
            }
        }
        Encoding::Code { by_code: by_code.into(), unknown, missing, texts: None }
    }
}

/// Booleans are categories of their own two names.
fn boolean(key: &str, feature: &str, grid: &CategoricalGrid, missing: f64) -> Result<Encoding, InputError> {
    let value = |name: &String| match name.as_str() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => None,
    };
    let by_code: Box<[Option<f64>]> = grid.named().iter().map(value).collect();
    if by_code.iter().any(Option::is_none) {
        let problem = format!("feature {feature:?} is categorical, and the model takes numbers");
        let example = grid.named().iter().take(2).enumerate();
        let example: Vec<_> = example.map(|(code, name)| format!("{name:?} = {code}")).collect();
        let hint = format!(
            "declare how training encoded it: one_hot = [\"…\"], values = {{ {}, … }}, or text = true",
            example.join(", ")
        );
        return Err(InputError::new(key, problem, hint));
    }
    Ok(Encoding::Code { by_code, unknown: None, missing, texts: None })
}

fn texts(grid: &CategoricalGrid, unknown: Option<String>, missing: Option<String>) -> Encoding {
    let mut texts = grid.named().to_vec();
    let mut index = |text: Option<String>| {
        text.map(|text| {
            texts.push(text);
            // At most a grid's named categories and two more.
            u32::try_from(texts.len() - 1).map_or(f64::NAN, f64::from)
        })
    };
    let (unknown, missing) = (index(unknown), index(missing).unwrap_or(f64::NAN));
    let by_code = (0..grid.other_code()).map(|code| Some(f64::from(code))).collect();
    Encoding::Code { by_code, unknown, missing, texts: Some(texts.into()) }
}

/// Categories of a feature whose values are numbers: they have to read as such.
fn listed_numbers(
    key: &str,
    feature: &str,
    values: Vec<(String, f64)>,
    (unknown, missing): (Option<f64>, f64),
) -> Result<Encoding, InputError> {
    let mut numbers = Vec::with_capacity(values.len());
    for (category, value) in values {
        let number = category.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let Some(number) = number else {
            let problem = format!("feature {feature:?} is a number, and {category:?} is none");
            return Err(InputError::new(key, problem, "name its values as numbers"));
        };
        numbers.push((number + 0.0, value));
    }
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    if numbers.windows(2).any(|pair| matches!(pair, [a, b] if a.0.total_cmp(&b.0).is_eq())) {
        let problem = format!("a value of feature {feature:?} is there twice");
        return Err(InputError::new(key, problem, "name each value once"));
    }
    Ok(Encoding::Listed { values: numbers.into(), unknown, missing })
}
