//! Explanations beside shap: speed, evaluations and memory.
//!
//! `cargo bench --bench explanations` measures the explainers alone. With
//! `DRIFTLINE_SHAP_PYTHON` naming a Python that has shap 0.51.0, xgboost-cpu
//! 3.2.0 and scikit-learn 1.9.1, the same models, rows and backgrounds are given
//! to shap in the same run (`benches/support/shap_speed.py`; some minutes).
//!
//! Speeds are per second of processor time of one thread. Errors are relative to
//! the exact values: √(mean |φ̂ − φ|² / mean |φ|²) over rows and seeds. shap is
//! credited with the evaluations that its permutations need, although it asks
//! for more. Memory is, of the explainers here, the heap that explaining took
//! beside model and rows, and of shap its whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss)]

#[path = "support/clock.rs"]
mod clock;
#[path = "../tests/explain/neutral.rs"]
mod neutral;

use std::{env, fs, path::Path, process::Command};

use clock::{load, median, thread_ns};
use driftline::{
    explain::{Attribution, Background, LeafTableSettings, LeafTables, PermutationSettings, permute},
    model::{Model, TreeEnsemble},
};
use neutral::{numbers, oracle, trees};
use peak_alloc::PeakAlloc;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const REPEATS: usize = 9;
const SEEDS: u64 = 3;
const ROUNDS: [u32; 4] = [1, 2, 4, 8];
const PAIRS: [u32; 3] = [1, 6, 36];
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// A model with a background and rows to explain.
struct Case {
    name: String,
    model: TreeEnsemble,
    background: Background,
    rows: Vec<Vec<f64>>,
    many_rows: Vec<Vec<f64>>,
    truth: Vec<Vec<f64>>,
}

impl Case {
    fn new(case: &Value) -> Self {
        let model = trees(&case["model"]);
        let background = Background::new(numbers(&case["background"]), model.info().inputs);
        let tables = LeafTables::new(&model, &background, LeafTableSettings::default()).expect("fits");
        let rows: Vec<Vec<f64>> = case["rows"].as_array().unwrap().iter().map(numbers).collect();
        let truth = rows.iter().map(|row| {
            let mut out = Attribution::default();
            tables.explain(row, &mut out).expect("fits");
            out.values
        });
        let truth = truth.collect();
        let many_rows = match &case["many_rows"] {
            Value::Array(rows) => rows.iter().map(numbers).collect(),
            _ => rows.clone(),
        };
        Self { name: case["name"].as_str().unwrap().to_owned(), model, background, rows, many_rows, truth }
    }

    /// The relative error of values, row by row and seed by seed.
    fn error<'a>(&self, found: impl Iterator<Item = (usize, &'a [f64])>) -> f64 {
        let (mut gaps, mut sizes) = (0.0, 0.0);
        for (row, values) in found {
            gaps += values.iter().zip(&self.truth[row]).map(|(is, truth)| (is - truth).powi(2)).sum::<f64>();
            sizes += self.truth[row].iter().map(|truth| truth * truth).sum::<f64>();
        }
        (gaps / sizes).sqrt()
    }
}

/// The Python that has shap, when there is one.
struct Shap(String);

impl Shap {
    fn ask(&self, arguments: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/shap_speed.py");
        let output = Command::new(&self.0).arg(script).args(arguments).output().expect("the Python starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| {
            let problem = String::from_utf8_lossy(&output.stderr);
            eprintln!("{arguments:?}: {problem}");
            std::process::exit(1);
        })
    }
}

fn main() {
    let shap = env::var("DRIFTLINE_SHAP_PYTHON").ok().map(Shap);
    let cases: Value = if let Some(shap) = &shap {
        let file = env::temp_dir().join(format!("driftline-explanations-{}.json", std::process::id()));
        let models = shap.ask(&["models", &file.to_string_lossy()]);
        println!("shap {} and XGBoost {}", models["versions"]["shap"], models["versions"]["xgboost"]);
        let cases = serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
        fs::remove_file(&file).expect("was there");
        cases
    } else {
        println!("without shap (DRIFTLINE_SHAP_PYTHON is not set), on the models of the tests");
        oracle()["fitted"].clone()
    };
    let cases: Vec<Case> = cases.as_array().unwrap().iter().map(Case::new).collect();
    println!("load of the machine {}\n", load());
    exact(&cases[0], shap.as_ref());
    estimated(&cases, shap.as_ref());
    println!("\nThis process, with all models and rows, held {:.0} MB at most.", resident());
}

/// Rows per second of processor time.
fn speed(case: &Case, tables: &LeafTables, rows: usize) -> f64 {
    let mut scratch = tables.scratch();
    let mut out = Attribution::default();
    let times = (0..REPEATS).map(|_| {
        let start = thread_ns();
        let mut explained = 0.0;
        // The clock's ticks are 4 ms.
        while thread_ns() - start < 100_000_000 {
            for row in case.many_rows.iter().take(rows) {
                tables.explain_with(row, &mut scratch, &mut out).expect("fits");
                explained += 1.0;
            }
        }
        explained * 1e9 / (thread_ns() - start) as f64
    });
    median(times.collect())
}

fn exact(case: &Case, shap: Option<&Shap>) {
    println!("## Exact values of trees\n");
    println!(
        "{}: {} trees, {} inputs, {} background rows\n",
        case.name,
        case.model.trees().len(),
        case.model.info().inputs,
        case.background.rows().len()
    );
    println!("| | rows per second | memory |\n|---|---|---|");
    let settings = LeafTableSettings::default();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let start = thread_ns();
    let tables = LeafTables::new(&case.model, &case.background, settings).expect("fits");
    let built = (thread_ns() - start) as f64 / 1e6;
    let ours = speed(case, &tables, case.many_rows.len());
    let memory = (ALLOCATOR.peak_usage() - before) as f64 / MEGABYTE;
    println!("| tables (made in {built:.0} ms) | {ours:.0} | {memory:.1} MB |");
    let walks = LeafTableSettings { most_bytes: 0 };
    let walks = LeafTables::new(&case.model, &case.background, walks).expect("fits");
    println!("| walks, when tables have no room | {:.0} | |", speed(case, &walks, 10));
    let Some(shap) = shap else { return println!() };
    let found = shap.ask(&["trees"]);
    let theirs = found["rows_per_second"].as_f64().unwrap();
    println!("| shap.TreeExplainer | {theirs:.0} | {:.0} MB |", memory_of(&found));
    let gaps = numbers(&found["values"]).into_iter().zip(case.truth.iter().flatten());
    let gap = gaps.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
    println!("\nTables are {:.0} times as fast; the values differ by at most {gap:.1e}.\n", ours / theirs);
}

/// Megabytes of shap's process at most.
fn memory_of(found: &Value) -> f64 {
    found["peak_bytes"].as_f64().unwrap_or(f64::NAN) / MEGABYTE
}

/// Megabytes of this process at most.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

/// Evaluations per row, and the error that they leave.
#[derive(Debug, Clone, Copy)]
struct Point {
    evaluations: f64,
    error: f64,
}

fn estimated(cases: &[Case], shap: Option<&Shap>) {
    println!("## Permutations\n");
    println!("| set | rounds | evaluations per row | relative error | rows per second | memory |");
    println!("|---|---|---|---|---|---|");
    let points: Vec<Vec<Point>> = cases.iter().map(|case| ROUNDS.map(|n| ours(case, n)).to_vec()).collect();
    let Some(shap) = shap else { return };
    println!("\n## shap.PermutationExplainer\n");
    println!("| set | pairs | evaluations per row | relative error | rows per second | memory |");
    println!("|---|---|---|---|---|---|");
    let others: Vec<Vec<Point>> =
        cases.iter().map(|case| PAIRS.map(|pairs| theirs(case, shap, pairs)).to_vec()).collect();
    println!("\n## Evaluations for equal errors\n");
    println!("| set | error | here | shap | ratio |\n|---|---|---|---|---|");
    for (case, (ours, theirs)) in cases.iter().zip(points.iter().zip(&others)) {
        for point in ours.iter().take(2) {
            let needed = evaluations_for(theirs, point.error);
            let ratio = needed / point.evaluations;
            println!(
                "| {} | {:.4} | {:.0} | {needed:.0} | {ratio:.1} |",
                case.name, point.error, point.evaluations
            );
        }
    }
}

fn ours(case: &Case, rounds: u32) -> Point {
    let settings = PermutationSettings { most_rounds: rounds, wanted_error: None };
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let start = thread_ns();
    let mut found: Vec<(usize, Attribution)> = Vec::new();
    for seed in 0..SEEDS {
        let explain = |row: &Vec<f64>| permute(&case.model, &case.background, row, seed, &settings);
        found.extend(case.rows.iter().map(|row| explain(row).expect("trees answer")).enumerate());
    }
    let speed = found.len() as f64 * 1e9 / (thread_ns() - start) as f64;
    let memory = (ALLOCATOR.peak_usage() - before) as f64 / MEGABYTE;
    let evaluations =
        found.iter().map(|(_, found)| found.evaluations as f64).sum::<f64>() / found.len() as f64;
    let error = case.error(found.iter().map(|(row, found)| (*row, found.values.as_slice())));
    println!("| {} | {rounds} | {evaluations:.0} | {error:.4} | {speed:.1} | {memory:.1} MB |", case.name);
    Point { evaluations, error }
}

fn theirs(case: &Case, shap: &Shap, pairs: u32) -> Point {
    let found = shap.ask(&["permutations", &case.name, &pairs.to_string()]);
    let values = numbers(&found["values"]);
    let rows = values.chunks_exact(case.model.info().inputs).enumerate();
    let error = case.error(rows.map(|(place, values)| (place % case.rows.len(), values)));
    let asked = found["evaluations_per_row"].as_f64().unwrap();
    let steps = 2 * case.model.info().inputs + 1;
    let needed = f64::from(pairs) * (steps * case.background.rows().len()) as f64;
    let (speed, memory) = (found["rows_per_second"].as_f64().unwrap(), memory_of(&found));
    let evaluations = asked.min(needed);
    println!("| {} | {pairs} | {evaluations:.0} | {error:.4} | {speed:.1} | {memory:.0} MB |", case.name);
    Point { evaluations, error }
}

/// The evaluations that leave `error`, along the line between the two points
/// about it, or through the nearest two, on logarithmic scales.
fn evaluations_for(points: &[Point], error: f64) -> f64 {
    let place = points.iter().position(|point| point.error < error).unwrap_or(points.len() - 1).max(1);
    let (one, other) = (points[place - 1], points[place]);
    let slope = (other.evaluations / one.evaluations).ln() / (other.error / one.error).ln();
    one.evaluations * (slope * (error / one.error).ln()).exp()
}
