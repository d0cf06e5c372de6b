//! Models that ONNX Runtime runs, with the real library: the path that
//! `DRIFTLINE_ONNXRUNTIME` names.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use driftline::{
    explainer::onnx_runtime::{OnnxRuntimeModel, RuntimeError, RuntimeOptions},
    model::{Model as _, Rows},
};

use crate::onnx::{COLUMNS, Case, cases, predicted, rows};

/// The library, or a line that says that the test is skipped, past the capture
/// of the test runner.
fn library() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("DRIFTLINE_ONNXRUNTIME") {
        return Some(path.into());
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED {name}: DRIFTLINE_ONNXRUNTIME names no libonnxruntime.so\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("DRIFTLINE_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
    None
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn load(library: &Path, case: &Case) -> Result<OnnxRuntimeModel, RuntimeError> {
    OnnxRuntimeModel::load(library, &case.file(), &RuntimeOptions::default())
}

/// The oracle's predictions are the library's own: what differs is at most how
/// another version of it, or another processor, rounds.
const TOLERANCE: f64 = 1e-5;

#[test]
fn the_library_predicts_what_it_predicts_elsewhere() {
    let Some(library) = library() else { return };
    let mut count = 0;
    for case in cases().iter().filter(|case| case.rows > 0) {
        let model = match load(&library, case) {
            Ok(model) => model,
            Err(RuntimeError::Unsupported { hint, .. }) => {
                assert_eq!(hint, "convert the model with zipmap=False", "{}", case.name);
                continue;
            }
            Err(error) => panic!("{}: {error}", case.name),
        };
        assert_eq!(model.info().inputs, COLUMNS);
        assert_eq!(model.info().input_names, case.inputs.clone().unwrap_or_default());
        let outputs = model.info().outputs;
        // Of two classes the oracle may have the second only.
        let skipped = outputs - case.outputs;
        let found = predicted(&model, &rows(case.rows, case.missing));
        let found = found.chunks_exact(outputs).flat_map(|row| &row[skipped..]);
        for (found, wanted) in found.zip(case.predictions()) {
            let scale = wanted.abs().max(1.0);
            assert!((found - wanted).abs() <= TOLERANCE * scale, "{}: {found} for {wanted}", case.name);
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn the_same_rows_give_the_same_bits_in_any_grouping_and_on_any_thread() {
    let Some(library) = library() else { return };
    for name in ["network", "network_double", "network_two", "vectors", "sklearn_rf"] {
        let model = Arc::new(load(&library, &case(name)).unwrap());
        let values = rows(300, false);
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        let whole = bits(&predicted(&*model, &values));
        let threads: Vec<_> = [1, 7, 64, 65, 299]
            .into_iter()
            .map(|group| {
                let (model, values) = (Arc::clone(&model), values.clone());
                let grouped = move || -> Vec<f64> {
                    values.chunks(group * COLUMNS).flat_map(|rows| predicted(&*model, rows)).collect()
                };
                (group, std::thread::spawn(grouped))
            })
            .collect();
        for (group, thread) in threads {
            assert_eq!(bits(&thread.join().unwrap()), whole, "{name} by {group} rows");
        }
    }
}

#[test]
fn what_is_no_row_or_no_number_is_refused() {
    let Some(library) = library() else { return };
    let case = case("sklearn_rf");
    let with = |inputs, output: Option<&str>| {
        let options = RuntimeOptions { inputs, output: output.map(str::to_owned) };
        OnnxRuntimeModel::load(&library, &case.file(), &options).map_err(|error| error.to_string())
    };
    let error = with(Some(3), None).unwrap_err();
    assert!(error.contains("5 inputs of which 3 are named"), "{error}");
    let error = with(None, Some("probability")).unwrap_err();
    assert!(error.contains("an output other than 'variable'"), "{error}");

    let model = with(Some(COLUMNS), Some("variable")).unwrap();
    let mut out = vec![1.0];
    model.predict(Rows::new(&[0.0; 8], 4), &mut out).unwrap_err();
    assert_eq!(out, [1.0]);
    model.predict(Rows::new(&[], COLUMNS), &mut out).unwrap();
    assert_eq!(out, [1.0]);
}

#[test]
fn broken_models_are_errors_that_name_the_library() {
    let Some(library) = library() else { return };
    let file = case("network").file();
    for length in [0, 1, file.len() / 2, file.len() - 1] {
        let error =
            OnnxRuntimeModel::load(&library, &file[..length], &RuntimeOptions::default()).unwrap_err();
        assert!(matches!(error, RuntimeError::Model { .. }), "{error}");
        assert!(error.to_string().contains(library.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_library_that_is_not_there_is_an_error_that_names_it() {
    let path = Path::new("/nowhere/libonnxruntime.so");
    let message = load(path, &case("network")).unwrap_err().to_string();
    assert!(message.contains("/nowhere/libonnxruntime.so") && message.contains("1.17 or newer"), "{message}");
}

/// In a process of its own: there is one attempt in each.
#[test]
fn a_library_that_is_none_is_an_error_and_so_is_everything_after_it() {
    const ALONE: &str = "DRIFTLINE_TEST_WRONG_LIBRARY";
    let this = std::env::current_exe().unwrap();
    if std::env::var_os(ALONE).is_none() {
        let name = "onnx_runtime::a_library_that_is_none_is_an_error_and_so_is_everything_after_it";
        let mut alone = std::process::Command::new(this);
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let case = case("network");
    let message = load(&this, &case).unwrap_err().to_string();
    assert!(message.contains(this.to_str().unwrap()), "{message}");
    let Some(library) = library() else { return };
    let error = load(&library, &case).unwrap_err();
    assert!(matches!(error, RuntimeError::TriedBefore { .. }), "{error}");
}

#[test]
fn a_second_library_is_refused() {
    let Some(library) = library() else { return };
    load(&library, &case("network")).unwrap();
    let other = std::env::current_exe().unwrap();
    let error = load(&other, &case("network")).unwrap_err();
    assert!(matches!(error, RuntimeError::OtherLibrary { .. }), "{error}");
    load(&library, &case("network")).unwrap();
}
