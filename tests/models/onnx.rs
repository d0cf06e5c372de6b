//! ONNX files beside what ONNX Runtime predicts with them
//! (`tests/oracles/make_onnx.py`).

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use driftline::model::{Link, Model, ModelError, Node, OnnxModel, Precision, Rows, Tree, read_onnx};
use proptest::prelude::*;
use serde::Deserialize;

pub(crate) const COLUMNS: usize = 5;

#[derive(Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

/// A model that is read, with its predictions, or one that is refused.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) rows: usize,
    #[serde(default)]
    pub(crate) missing: bool,
    #[serde(default)]
    pub(crate) outputs: usize,
    kind: Option<String>,
    link: Option<String>,
    precision: Option<String>,
    names: Option<Vec<String>>,
    pub(crate) inputs: Option<Vec<String>>,
    refused: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx")
}

pub(crate) fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("cases.json")).unwrap();
    serde_json::from_str::<Oracle>(&text).unwrap().cases
}

impl Case {
    pub(crate) fn file(&self) -> Vec<u8> {
        std::fs::read(folder().join(format!("{}.onnx", self.name))).unwrap()
    }

    fn read(&self) -> OnnxModel {
        read_onnx(&self.file(), None).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// What ONNX Runtime predicts.
    pub(crate) fn predictions(&self) -> Vec<f64> {
        let file = std::fs::File::open(folder().join(format!("{}.f32.gz", self.name))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        let count = self.rows * self.outputs;
        assert_eq!(bytes.len(), 4 * count);
        let number = |at: usize| f32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[byte * count + at]));
        (0..count).map(|at| f64::from(number(at))).collect()
    }
}

/// The rows that `make_onnx.py` describes.
pub(crate) fn rows(count: usize, missing: bool) -> Vec<f64> {
    (0..count * COLUMNS)
        .map(|at| {
            let mut z = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let value = (z >> 11) as f64 / 2_f64.powi(53) * 8.0 - 4.0;
            match at % COLUMNS {
                _ if missing && z & 255 < 24 => f64::NAN,
                0 | 1 => value,
                2 | 3 => (value * 8.0).floor() / 8.0,
                _ => value.floor() + 4.0,
            }
        })
        .collect()
}

pub(crate) fn predicted(model: &dyn Model, values: &[f64]) -> Vec<f64> {
    let mut raw = Vec::new();
    model.predict(Rows::new(values, COLUMNS), &mut raw).unwrap();
    for row in raw.chunks_exact_mut(model.info().outputs) {
        model.info().link.apply(row);
    }
    raw
}

/// ONNX Runtime adds in `f32` and takes exponentials in it: each of some ten
/// roundings is by up to 6e-8 of a sum that is a few units. The largest
/// difference was 2.5e-7; a row in another leaf differs by hundredths.
const TOLERANCE: f64 = 1e-6;

#[test]
fn models_predict_what_onnx_runtime_predicts() {
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.refused.is_none()) {
        let model = case.read().into_model();
        let values = rows(case.rows, case.missing);
        assert_eq!(values.iter().any(|value| value.is_nan()), case.missing);
        let (found, wanted) = (predicted(&*model, &values), case.predictions());
        assert_eq!(found.len(), wanted.len(), "{}", case.name);
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let scale = wanted.abs().max(1.0);
            assert!(
                (found - wanted).abs() <= TOLERANCE * scale,
                "{}: row {}: {found} for {wanted}",
                case.name,
                at / case.outputs
            );
        }
        compared += case.rows;
    }
    assert!(compared > 14 * 20_000, "{compared} rows");
}

#[test]
fn models_say_what_they_are() {
    for case in cases().iter().filter(|case| case.refused.is_none()) {
        let model = case.read();
        let is_linear = matches!(model, OnnxModel::Linear(_));
        assert_eq!(is_linear, case.kind.as_deref() == Some("linear"), "{}", case.name);
        let model = model.into_model();
        let info = model.info();
        assert_eq!((info.inputs, info.outputs), (COLUMNS, case.outputs), "{}", case.name);
        let link = match case.link.as_deref() {
            None | Some("NONE") => Link::Identity,
            Some("LOGISTIC") => Link::Logistic,
            Some("SOFTMAX") => Link::Softmax,
            Some("LOG") => Link::Log,
            Some(other) => panic!("{other}"),
        };
        assert_eq!(info.link, link, "{}", case.name);
        if let Some(names) = &case.names {
            assert_eq!(&info.output_names, names, "{}", case.name);
        }
        assert_eq!(info.input_names, case.inputs.clone().unwrap_or_default(), "{}", case.name);
        if let Some(trees) = model.trees() {
            let wanted = if case.precision.is_some() { Precision::Double } else { Precision::Single };
            for node in trees.trees().iter().flat_map(Tree::nodes) {
                if let Node::Split(split) = node {
                    assert_eq!(split.precision, wanted, "{}", case.name);
                }
            }
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let mut count = 0;
    for case in cases() {
        let Some(message) = &case.refused else { continue };
        let error = read_onnx(&case.file(), None).unwrap_err();
        assert!(matches!(error, ModelError::Unsupported { .. }), "{}: {error}", case.name);
        let error = error.to_string();
        assert!(error.contains(message), "{}: {error}", case.name);
        assert!(error.contains("ONNX Runtime"), "{}: no hint in: {error}", case.name);
        count += 1;
    }
    assert!(count >= 10);
}

#[test]
fn a_value_is_rounded_as_the_model_does_before_it_is_compared() {
    let model = |name: &str| cases().into_iter().find(|case| case.name == name).unwrap().read().into_model();
    // Column 0 is compared with 0.5.
    let just_above = 0.5 + 1e-12;
    let at = |model: &dyn Model, value: f64| predicted(model, &[value, 0.0, 0.0, 0.0, 0.0])[0];
    let single = model("sets");
    assert!(at(&*single, just_above).to_bits() == at(&*single, 0.5).to_bits());
    let double = model("sets_double");
    assert!(at(&*double, just_above).to_bits() != at(&*double, 0.5).to_bits());
}

#[test]
fn a_width_that_the_file_leaves_open_has_to_be_told() {
    let case = cases().into_iter().find(|case| case.name == "mode_leq").unwrap();
    assert!(read_onnx(&case.file(), Some(COLUMNS)).is_ok());
    let error = read_onnx(&case.file(), Some(7)).unwrap_err().to_string();
    assert!(error.contains("takes 5 inputs, and 7 are named"), "{error}");

    // The dimension 5 of the input is `dim_value`, field 1, in a dimension of two bytes.
    let mut open = case.file();
    let known = [0x0a, 2, 8, 5];
    let at = open.windows(4).rposition(|bytes| bytes == known).unwrap();
    open[at + 3] = 0;
    let error = read_onnx(&open, None).unwrap_err().to_string();
    assert!(error.contains("left open"), "{error}");
    assert_eq!(read_onnx(&open, Some(COLUMNS)).unwrap().into_model().info().inputs, COLUMNS);
}

#[test]
fn broken_files_are_errors() {
    for case in cases() {
        let file = case.file();
        // Whole where they are small, at many places where they are large.
        let step = (file.len() / 600).max(1);
        for length in (0..file.len()).step_by(step) {
            let cut = read_onnx(&file[..length], None);
            assert!(cut.is_err() || length + 64 > file.len(), "{} cut to {length} bytes is read", case.name);
        }
        for at in (0..file.len()).step_by(step) {
            for flip in [0x01, 0x80, 0xff] {
                let mut broken = file.clone();
                broken[at] ^= flip;
                if let Ok(model) = read_onnx(&broken, None) {
                    let model = model.into_model();
                    let width = model.info().inputs.min(4096);
                    let row = vec![0.25; width];
                    let mut out = Vec::new();
                    let _ = model.predict(Rows::new(&row, width), &mut out);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_onnx(&bytes, Some(3)).is_err());
    }

    #[test]
    fn bytes_in_a_graph_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut file = vec![0x3a, u8::try_from(bytes.len()).unwrap()];
        file.extend(&bytes);
        prop_assert!(read_onnx(&file, Some(3)).is_err());
    }
}
