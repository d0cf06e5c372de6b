//! A reference of guests, and models of them.

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    explain::{ExplainSettings, Explainer, InputMap, InputSchema},
    model::{Link, Model, ModelInfo, PredictError, Rows},
    profile::{Cell, Grid},
    reference::{BuilderSettings, ColumnRole, Reference, ReferenceBuilder, Value},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rand_distr::{Distribution, StandardNormal};

pub(crate) fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

pub(crate) fn uniform(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / 4_294_967_296.0
}

/// Answers rows by a function.
pub(crate) struct Closure {
    pub(crate) info: ModelInfo,
    pub(crate) answer: fn(&[f64], &mut Vec<f64>),
    pub(crate) batch_rows: usize,
    pub(crate) is_remote: bool,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closure").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Model for Closure {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if rows.width() != self.info.inputs {
            return Err(PredictError::Width { wanted: self.info.inputs, given: rows.width() });
        }
        rows.into_iter().for_each(|row| (self.answer)(row, out));
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    fn is_remote(&self) -> bool {
        self.is_remote
    }
}

pub(crate) fn info(inputs: &[&str], outputs: usize, link: Link) -> ModelInfo {
    ModelInfo {
        kind: "test".to_owned(),
        inputs: inputs.len(),
        input_names: inputs.iter().map(|name| (*name).to_owned()).collect(),
        outputs,
        output_names: Vec::new(),
        link,
        fingerprint: 42,
    }
}

/// What guests look like: how many, and the seed.
pub(crate) fn guests(rows: usize, seed: u64) -> Vec<(f64, f64, Option<&'static str>, bool)> {
    let mut random = random(seed);
    (0..rows)
        .map(|_| {
            let age = (40.0 + 12.0 * normal(&mut random)).round();
            let income = 50_000.0 + 15_000.0 * normal(&mut random);
            let meal = match uniform(&mut random) {
                share if share < 0.5 => Some("BB"),
                share if share < 0.8 => Some("HB"),
                share if share < 0.95 => Some("SC"),
                _ => None,
            };
            (age, income, meal, uniform(&mut random) < 0.3)
        })
        .collect()
}

/// The inputs of [`SCHEMA`] of a guest.
pub(crate) fn inputs_of((age, income, meal, member): (f64, f64, Option<&str>, bool)) -> Vec<f64> {
    let is = |name| f64::from(u8::from(meal == Some(name)));
    vec![age, (income - 50_000.0) / 15_000.0, is("BB"), is("HB"), f64::from(u8::from(member))]
}

pub(crate) const SCHEMA: &str = r#"
[[inputs]]
feature = "age"
[[inputs]]
feature = "income"
subtract = 50000
divide = 15000
[[inputs]]
feature = "meal"
one_hot = ["BB", "HB"]
[[inputs]]
feature = "member"
"#;

pub(crate) const NAMES: [&str; 5] = ["age", "income", "meal_BB", "meal_HB", "member"];

/// A reference of guests with what `predict` makes of their inputs.
pub(crate) fn reference(rows: usize, predict: impl Fn(&[f64]) -> f64) -> Reference {
    let settings = BuilderSettings { sample_rows: 2_000, ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new("guests", &BTreeMap::new(), settings);
    for guest in guests(rows, 1) {
        let (age, income, meal, member) = guest;
        builder.push_row([
            ("age", ColumnRole::Feature, Value::Number(age)),
            ("income", ColumnRole::Feature, Value::Number(income)),
            ("meal", ColumnRole::Feature, meal.map_or(Value::Missing, Value::Text)),
            ("member", ColumnRole::Feature, Value::Bool(member)),
            ("noise", ColumnRole::Feature, Value::Number(age % 7.0)),
            ("prediction", ColumnRole::Prediction, Value::Number(predict(&inputs_of(guest)))),
        ]);
    }
    builder.finish("test".to_owned()).unwrap().0
}

/// A row of cells of such a reference.
pub(crate) fn cells(
    reference: &Reference,
    (age, income, meal, member): (f64, f64, Option<&str>, bool),
    logged: f64,
) -> Vec<Cell> {
    let code = |place: usize, name: &str| match &reference.columns[place].grid {
        Grid::Categorical(grid) => Cell::category(grid.code_of(name.as_bytes())),
        Grid::Numeric(_) => panic!("categorical"),
    };
    vec![
        Cell::number(age),
        Cell::number(income),
        meal.map_or(Cell::MISSING, |meal| code(2, meal)),
        code(3, if member { "true" } else { "false" }),
        Cell::number(age % 7.0),
        Cell::number(logged),
    ]
}

/// Interacts and is not linear.
pub(crate) fn margin(row: &[f64]) -> f64 {
    0.05 * (row[0] - 40.0) + row[1] * row[4] + (0.5 + row[1].tanh()) * row[2] - 0.3 * row[3]
}

pub(crate) fn model() -> Closure {
    Closure {
        info: info(&NAMES, 1, Link::Logistic),
        answer: |row, out| out.push(margin(row)),
        batch_rows: 4096,
        is_remote: false,
    }
}

pub(crate) fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

pub(crate) fn explainer(model: Closure, reference: &Reference, settings: ExplainSettings) -> Explainer {
    let schema = InputSchema::parse(SCHEMA).unwrap();
    let map = InputMap::from_schema(&schema, model.info(), reference).unwrap();
    Explainer::new(Arc::new(model), map, reference, settings).unwrap()
}
