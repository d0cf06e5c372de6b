//! The stored models.

use std::{collections::BTreeMap, fs, io::Read, path::PathBuf};

use driftline::model::{Model, Rows, TreeEnsemble, read_lightgbm, read_xgboost};
use serde::Deserialize;

use crate::rows;

#[derive(Deserialize)]
pub(crate) struct Fixtures {
    rows: Vec<Vec<f64>>,
    models: Vec<Fixture>,
}

/// One model.
#[derive(Deserialize)]
pub(crate) struct Fixture {
    pub(crate) library: String,
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) ubj: Option<String>,
    pub(crate) rows: usize,
    pub(crate) raw: String,
    pub(crate) whole: Option<String>,
    predictions: Vec<Outputs>,
    #[serde(default)]
    pub(crate) names: BTreeMap<usize, Vec<String>>,
    pub(crate) inputs: Option<Vec<String>>,
}

/// What a library predicts of a row: a number or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outputs {
    One(f64),
    Several(Vec<f64>),
}

/// The models of a library.
pub(crate) fn models_of(library: &str) -> Vec<Fixture> {
    let models = ["models.json", "old.json"].into_iter().flat_map(listed);
    let models: Vec<Fixture> = models.filter(|fixture| fixture.library == library).collect();
    assert!(models.len() > 20);
    models
}

fn listed(list: &str) -> Vec<Fixture> {
    let fixtures: Fixtures = serde_json::from_slice(&fs::read(path(list)).unwrap()).unwrap();
    let same = fixtures.rows.concat().into_iter().zip(rows::rows(40)).all(|(theirs, ours)| {
        if ours.is_nan() { theirs > 1e299 } else { theirs.to_bits() == ours.to_bits() }
    });
    assert!(same, "the generators of rows differ");
    fixtures.models
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/oracles/models", name].iter().collect()
}

/// The bytes of a gzipped file.
pub(crate) fn stored(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

impl Fixture {
    /// The model.
    pub(crate) fn read(&self) -> TreeEnsemble {
        let read = if self.library == "xgboost" { read_xgboost } else { read_lightgbm };
        read(&stored(&self.file)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub(crate) fn inputs(&self) -> Vec<f64> {
        if self.inputs.is_some() { rows::framed(self.rows) } else { rows::rows(self.rows) }
    }

    /// The raw outputs of all rows.
    pub(crate) fn raw(&self, model: &TreeEnsemble) -> Vec<f64> {
        let mut out = Vec::new();
        model.predict(Rows::new(&self.inputs(), model.info().inputs), &mut out).unwrap();
        assert_eq!(out.len(), self.rows * model.info().outputs);
        out
    }

    /// Holds what the model predicts of every (rows / 20)th row against the
    /// library, up to `tolerance` relative to what is predicted, or to 1.
    pub(crate) fn check_predictions(&self, model: &TreeEnsemble, tolerance: f64) {
        let raw = self.raw(model);
        let outputs = model.info().outputs;
        let step = (self.rows / 20) * outputs;
        for (row, expected) in self.predictions.iter().enumerate() {
            let mut ours = raw[row * step..][..outputs].to_vec();
            model.info().link.apply(&mut ours);
            let expected = match expected {
                // The library says which class it is, and we how likely each is.
                Outputs::One(class) if self.name == "xgb_multi_softmax" => {
                    let largest = ours.iter().copied().fold(0.0, f64::max);
                    assert_eq!(
                        ours[*class as usize].to_bits(),
                        largest.to_bits(),
                        "{}, row {row}",
                        self.name
                    );
                    continue;
                }
                Outputs::One(expected) => vec![*expected],
                Outputs::Several(expected) => expected.clone(),
            };
            assert_eq!(ours.len(), expected.len());
            for (ours, expected) in ours.iter().zip(&expected) {
                let gap = (ours - expected).abs();
                assert!(
                    gap <= tolerance * expected.abs().max(1.0),
                    "{}, row {row}: {ours} and {expected}",
                    self.name
                );
            }
        }
        assert!(self.predictions.len() >= 20);
    }
}

/// What the trees say one by one, without the layout for predictions.
fn one_by_one(model: &TreeEnsemble, rows: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for row in rows.chunks(model.info().inputs) {
        let mut sums = model.base().to_vec();
        for leaf in model.trees().iter().filter_map(|tree| tree.leaf(row)) {
            for &(output, amount) in &leaf.values {
                sums[output as usize] += amount;
            }
        }
        out.extend(sums);
    }
    out
}

#[test]
fn rows_have_the_same_bits_in_any_grouping_and_as_the_trees_say() {
    for fixture in models_of("xgboost").into_iter().chain(models_of("lightgbm")) {
        let model = fixture.read();
        let width = model.info().inputs;
        let inputs = fixture.inputs();
        let inputs = &inputs[..inputs.len().min(403 * width)];
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        let expected = bits(&one_by_one(&model, inputs));
        for group in [1, 7, 8, 9, 64, 1000] {
            let mut out = vec![1.0];
            for rows in inputs.chunks(group * width) {
                model.predict(Rows::new(rows, width), &mut out).unwrap();
            }
            assert_eq!(bits(&out[1..]), expected, "{}, {group} at a time", fixture.name);
        }
    }
}
