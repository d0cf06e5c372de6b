//! The forest that stands in for a model: what smartcore says, what scikit-learn
//! reaches, and what chance does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, f64::consts::PI};

use driftline::{
    explain::{FAITHFUL, LEAST_ROWS, Refit, RefitPlan, Surrogate, SurrogateError, SurrogateSettings},
    model::{Model, Node, Rows, Split, Test, Tree, TreeEnsemble},
};
use proptest::prelude::*;
use serde_json::Value;
use smartcore::{
    ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters},
    linalg::basic::matrix::DenseMatrix,
};

/// The generator splitmix64, as in `tests/oracles/make_surrogate.py`.
struct Uniforms(u64);

impl Iterator for Uniforms {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        #[allow(clippy::cast_precision_loss)]
        Some((z >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

fn uniforms(seed: u64, count: usize) -> Vec<f64> {
    Uniforms(seed).take(count).collect()
}

fn targets(values: &[f64], width: usize, function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    values.chunks_exact(width).map(function).collect()
}

fn friedman(x: &[f64]) -> f64 {
    10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4]
}

fn weighted<'a>(x: impl IntoIterator<Item = &'a f64>) -> f64 {
    let mut weight = 0.0;
    x.into_iter()
        .map(|value| {
            weight += 1.0;
            value / weight
        })
        .sum()
}

fn fit(values: &[f64], width: usize, targets: &[f64]) -> Surrogate {
    Surrogate::fit(Rows::new(values, width), targets, 7, &SurrogateSettings::default()).unwrap()
}

fn predictions(trees: &TreeEnsemble, values: &[f64], width: usize) -> Vec<f64> {
    let mut said = Vec::new();
    trees.predict(Rows::new(values, width), &mut said).unwrap();
    said
}

/// What the surrogate promises, done by smartcore itself.
struct Original {
    forest: RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>,
    centre: f64,
    unit: f64,
}

fn matrix(values: &[f64], width: usize) -> DenseMatrix<f64> {
    let known = |value: &f64| if value.is_nan() { f64::MIN } else { value.clamp(-1e300, 1e300) };
    DenseMatrix::new(values.len() / width, width, values.iter().map(known).collect(), false).unwrap()
}

fn original(values: &[f64], width: usize, targets: &[f64], seed: u64) -> Original {
    let is_fitted = |place: usize| place % 5 != 4;
    let rows = values.chunks_exact(width).enumerate().filter(|&(place, _)| is_fitted(place));
    let rows: Vec<f64> = rows.flat_map(|(_, row)| row.to_vec()).collect();
    let targets = targets.iter().enumerate().filter(|&(place, _)| is_fitted(place));
    let targets: Vec<f64> = targets.map(|(_, &target)| target).collect();
    #[allow(clippy::cast_precision_loss)]
    let centre = targets.iter().sum::<f64>() / targets.len() as f64;
    let unit = targets.iter().map(|target| (target - centre).abs()).fold(0.0, f64::max);
    let scaled: Vec<f64> = targets.iter().map(|target| (target - centre) / unit).collect();
    let parameters = RandomForestRegressorParameters::default()
        .with_n_trees(30)
        .with_max_depth(9)
        .with_min_samples_leaf(5)
        .with_m(width)
        .with_seed(seed);
    let forest = RandomForestRegressor::fit(&matrix(&rows, width), &scaled, parameters).unwrap();
    Original { forest, centre, unit }
}

/// Numbers of which some are missing or infinite.
fn rough(seed: u64, count: usize) -> Vec<f64> {
    let rough = |value: f64| match value {
        ..0.1 => f64::NAN,
        0.1..0.12 => f64::INFINITY,
        0.12..0.14 => f64::NEG_INFINITY,
        0.14..0.2 => 0.5,
        _ => value,
    };
    uniforms(seed, count).into_iter().map(rough).collect()
}

fn of_rough(x: &[f64]) -> f64 {
    let finite = |value: f64| if value.is_nan() { -1.0 } else { value.clamp(-2.0, 2.0) };
    40.0 + 3.0 * finite(x[0]) * finite(x[1]) + finite(x[2]) - 2.0 * finite(x[5])
}

#[test]
fn trees_predict_what_smartcore_does() {
    let width = 6;
    let values = rough(11, 1500 * width);
    let targets = targets(&values, width, of_rough);
    let surrogate = fit(&values, width, &targets);
    let original = original(&values, width, &targets, 7);

    // New rows, and some that lie just on a threshold.
    let mut fresh = rough(12, 2500 * width);
    let nodes = surrogate.trees().trees().iter().flat_map(Tree::nodes);
    let thresholds = nodes.filter_map(|node| match node {
        Node::Split(Split { input, test: Test::AtMost(threshold), .. }) => Some((*input, *threshold)),
        _ => None,
    });
    for (input, threshold) in thresholds.take(500) {
        let mut row = fresh[..width].to_vec();
        row[input as usize] = threshold;
        fresh.extend(row);
    }
    let wanted = original.forest.predict(&matrix(&fresh, width)).unwrap();
    let said = predictions(surrogate.trees(), &fresh, width);
    assert_eq!(said.len(), 3000);
    let mut different = BTreeSet::new();
    for (said, wanted) in said.iter().zip(wanted) {
        let wanted = original.centre + original.unit * wanted;
        assert!((said - wanted).abs() <= 1e-12 * wanted.abs(), "{said} is not smartcore's {wanted}");
        different.insert(said.to_bits());
    }
    assert!(different.len() > 1000, "only {} predictions differ", different.len());
}

/// Another version may store forests otherwise, and mean something else by it.
#[test]
fn smartcore_stores_a_forest_as_it_did_at_0_7_0() {
    let values = uniforms(13, 400);
    let original = original(&values, 4, &targets(&values, 4, |x| x[0]), 1);
    let stored = serde_json::to_value(&original.forest).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let wanted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    assert_eq!(keys(&stored), wanted(&["forest_regressor"]));
    let forest = &stored["forest_regressor"];
    assert_eq!(keys(forest), wanted(&["num_features", "samples", "trees"]));
    assert_eq!(forest["trees"].as_array().unwrap().len(), 30);
    let tree = &forest["trees"][0];
    let markers = ["_phantom_tx", "_phantom_ty", "_phantom_x", "_phantom_y"];
    let mut parts = wanted(&["depth", "nodes", "parameters", "root_mass"]);
    parts.extend(wanted(&markers));
    assert_eq!(keys(tree), parts);
    let names = ["false_child", "output", "split_feature", "split_score", "split_value", "true_child"];
    for node in tree["nodes"].as_array().unwrap() {
        assert_eq!(keys(node), wanted(&names));
        assert_eq!(node["true_child"].is_null(), node["false_child"].is_null());
    }
}

#[test]
fn a_path_has_as_many_splits_as_the_depth_says() {
    fn depth(nodes: &[Node], number: u32) -> u16 {
        match &nodes[number as usize] {
            Node::Leaf(_) => 0,
            Node::Split(split) => 1 + depth(nodes, split.left).max(depth(nodes, split.right)),
        }
    }
    let values = uniforms(14, 8000);
    let targets = targets(&values, 4, |x| weighted(x));
    for wanted in [1, 3, 8] {
        let settings = SurrogateSettings { depth: wanted, ..SurrogateSettings::default() };
        let surrogate = Surrogate::fit(Rows::new(&values, 4), &targets, 1, &settings).unwrap();
        let trees = surrogate.trees().trees();
        assert_eq!(trees.len(), 30);
        assert_eq!(trees.iter().map(|tree| depth(tree.nodes(), 0)).max(), Some(wanted));
    }
}

#[test]
fn fidelity_is_that_of_scikit_learn() {
    type Function = fn(&[f64]) -> f64;
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/surrogate.json"));
    let oracle: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let missing: Function =
        |x| weighted(&x.iter().map(|value| if value.is_nan() { 2.0 } else { *value }).collect::<Vec<_>>());
    let functions: [(&str, Function); 3] =
        [("friedman", friedman), ("linear", |x| weighted(x)), ("missing", missing)];
    for (name, function) in functions {
        let whole = |key: &str| usize::try_from(oracle[name][key].as_u64().unwrap()).unwrap();
        let number = |key: &str| oracle[name][key].as_f64().unwrap();
        let (width, rows) = (whole("width"), whole("rows"));
        let mut values = uniforms(oracle[name]["seed"].as_u64().unwrap(), width * rows);
        if name == "missing" {
            for value in &mut values {
                *value = if *value < 0.2 { f64::NAN } else { (*value - 0.2) / 0.8 };
            }
        }
        let targets = targets(&values, width, function);
        assert!((targets.iter().sum::<f64>() - number("sum")).abs() < 1e-6, "{name}: other rows");

        let fits = (0..10_u32).map(|seed| {
            let settings = SurrogateSettings::default();
            Surrogate::fit(Rows::new(&values, width), &targets, u64::from(seed) << 32, &settings)
        });
        let found: Vec<f64> = fits.map(|fit| fit.unwrap().fidelity().r2.unwrap()).collect();
        let mean = found.iter().sum::<f64>() / 10.0;
        // Both are means of ten; missing values take another way there.
        let noise = 4.0 * number("spread") * (2.0_f64 / 10.0).sqrt();
        let margin = if name == "missing" { 0.02 } else { noise };
        assert!((mean - number("r2")).abs() < margin, "{name}: {mean} is not {}", number("r2"));
    }
}

#[test]
fn fidelity_is_that_on_rows_not_fitted() {
    let values = uniforms(21, 4000);
    let noise = uniforms(22, 1000);
    let surrogate = fit(&values, 4, &noise);
    let fidelity = surrogate.fidelity();
    assert_eq!(fidelity.rows, 200);
    assert!(fidelity.r2.unwrap() < 0.1, "nothing can be known of noise: {fidelity:?}");
    assert!(!fidelity.is_faithful(FAITHFUL));
    let said = predictions(surrogate.trees(), &values, 4);
    let held_out = said.iter().zip(&noise).skip(4).step_by(5);
    let error = held_out.map(|(said, noise)| (said - noise).abs()).sum::<f64>() / 200.0;
    assert!((error - fidelity.mean_absolute_error).abs() < 1e-12);

    let known = fit(&values, 4, &targets(&values, 4, |x| f64::from(x[0] > 0.3) + x[1] / 4.0));
    assert!(known.fidelity().is_faithful(FAITHFUL), "{:?}", known.fidelity());
}

/// Mean change of the output when an input is taken from another row, as a share.
fn shares(trees: &TreeEnsemble, rows: Rows<'_>) -> Vec<f64> {
    let (width, length) = (rows.width(), rows.values().len());
    let own = predictions(trees, rows.values(), width);
    let change = |input: usize| {
        let mut values = rows.values().to_vec();
        for place in (input..length).step_by(width) {
            values[place] = rows.values()[(place + 37 * width) % length];
        }
        let said = predictions(trees, &values, width);
        said.iter().zip(&own).map(|(said, own)| (said - own).abs()).sum::<f64>()
    };
    let changes: Vec<f64> = (0..width).map(change).collect();
    let sum: f64 = changes.iter().sum();
    changes.iter().map(|change| change / sum).collect()
}

#[test]
fn the_ranking_is_that_of_the_function() {
    let values = uniforms(31, 6 * 2000);
    let targets = targets(&values, 6, |x| x[4] + 4.0 * x[1] + 2.0 * x[2] + x[2] * x[1]);
    let shares = shares(fit(&values, 6, &targets).trees(), Rows::new(&values, 6));
    let mut ranking: Vec<usize> = (0..6).collect();
    ranking.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    assert_eq!(ranking[..3], [1, 2, 4], "{shares:?}");
    for unused in [0, 3, 5] {
        assert!(shares[unused] < 0.02, "{shares:?}");
    }
}

#[test]
fn missing_is_told_from_every_value() {
    let values: Vec<f64> = rough(41, 4000);
    let targets = targets(&values, 2, |x| f64::from(x[0].is_nan()) + f64::from(x[1] > 0.7) / 2.0);
    let surrogate = fit(&values, 2, &targets);
    let asked = [f64::NAN, 0.3, f64::NEG_INFINITY, 0.3, -1e308, 0.3, -5.0, 0.3, f64::INFINITY, 0.3];
    let said = predictions(surrogate.trees(), &asked, 2);
    assert!(said[0] > 0.9, "{said:?}");
    assert!(said[1..].iter().all(|said| *said < 0.1), "{said:?}");
}

#[test]
fn the_same_is_fitted_to_the_same() {
    let values = rough(51, 6000);
    let targets = targets(&values, 6, of_rough);
    let with_seed = |seed: u64| {
        Surrogate::fit(Rows::new(&values, 6), &targets, seed, &SurrogateSettings::default()).unwrap()
    };
    let (first, again, other) = (with_seed(3), with_seed(3), with_seed(4));
    assert_eq!(first, again);
    assert_eq!(first.trees().info().fingerprint, again.trees().info().fingerprint);
    assert_ne!(first, other);
    assert_ne!(first.trees().info().fingerprint, other.trees().info().fingerprint);
}

#[test]
fn large_and_small_numbers_are_fitted_as_others_are() {
    let values = uniforms(61, 4000);
    let plain = targets(&values, 4, |x| weighted(x));
    let r2 = |factor: f64, summand: f64| {
        let targets: Vec<f64> = plain.iter().map(|target| target * factor + summand).collect();
        fit(&values, 4, &targets).fidelity().r2.unwrap()
    };
    let usual = r2(1.0, 0.0);
    assert!(usual > 0.9, "{usual}");
    for (factor, summand) in [(1e90, 0.0), (1e-90, 0.0), (1.0, 1e13), (-1e-3, 1e6)] {
        let found = r2(factor, summand);
        assert!((found - usual).abs() < 0.01, "{found} at {factor} and {summand}, {usual} otherwise");
    }
}

#[test]
fn what_gives_no_forest_is_an_error() {
    let settings = SurrogateSettings::default();
    let values = uniforms(71, 800);
    let targets = targets(&values, 4, |x| x[0]);
    let error = |count: usize, targets: &[f64], settings| {
        Surrogate::fit(Rows::new(&values[..count * 4], 4), targets, 1, &settings).unwrap_err()
    };
    assert_eq!(error(200, &targets[..150], settings), SurrogateError::Unpaired { rows: 200, targets: 150 });
    assert_eq!(error(0, &[], settings), SurrogateError::FewRows { usable: 0 });
    assert_eq!(error(1, &[1.0], settings), SurrogateError::FewRows { usable: 1 });
    assert_eq!(error(200, &[0.1; 200], settings), SurrogateError::Constant);
    assert_eq!(error(200, &[f64::NAN; 200], settings), SurrogateError::FewRows { usable: 0 });
    let mut few = [f64::INFINITY; 200];
    few[..LEAST_ROWS - 1].copy_from_slice(&targets[..LEAST_ROWS - 1]);
    assert_eq!(error(200, &few, settings), SurrogateError::FewRows { usable: LEAST_ROWS - 1 });
    for wrong in [
        SurrogateSettings { trees: 0, ..settings },
        SurrogateSettings { depth: 0, ..settings },
        SurrogateSettings { depth: 40, ..settings },
    ] {
        assert!(matches!(error(200, &targets, wrong), SurrogateError::Settings { .. }));
    }
    let few_rows = SurrogateSettings { rows: 50, ..settings };
    assert_eq!(error(200, &targets, few_rows), SurrogateError::FewRows { usable: 50 });
}

#[test]
fn of_many_rows_evenly_spaced_ones_are_taken() {
    let values = uniforms(81, 4 * 3000);
    let targets = targets(&values, 4, |x| weighted(x));
    let settings = SurrogateSettings { rows: 1000, ..SurrogateSettings::default() };
    let bounded = Surrogate::fit(Rows::new(&values, 4), &targets, 5, &settings).unwrap();
    let third: Vec<f64> = values.chunks_exact(4).step_by(3).flatten().copied().collect();
    let third_targets: Vec<f64> = targets.iter().step_by(3).copied().collect();
    assert_eq!(bounded, Surrogate::fit(Rows::new(&third, 4), &third_targets, 5, &settings).unwrap());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<u64>().prop_map(f64::from_bits),
        2 => (-3..3_i8).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MIN), Just(f64::MAX)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the numbers: an error or a forest that answers within the range
    /// of the predictions.
    #[test]
    fn no_numbers_break_it(
        width in 1..5_usize,
        values in prop::collection::vec(any_value(), 600),
        targets in prop::collection::vec(any_value(), 600),
        seed in any::<u64>(),
    ) {
        let rows = Rows::new(&values, width);
        let targets = &targets[..rows.len()];
        let settings = SurrogateSettings { trees: 5, ..SurrogateSettings::default() };
        if let Ok(surrogate) = Surrogate::fit(rows, targets, seed, &settings) {
            let usable = || targets.iter().filter(|target| target.abs() <= 1e100);
            let largest = usable().fold(0.0, |largest: f64, target| largest.max(target.abs()));
            for said in predictions(surrogate.trees(), &values, width) {
                prop_assert!(said.abs() <= largest * (1.0 + 1e-12), "{said} is beyond {largest}");
            }
            prop_assert!(surrogate.fidelity().r2.is_none_or(|r2| r2 <= 1.0));
        }
    }
}

const REFIT: SurrogateSettings = SurrogateSettings { trees: 8, depth: 4, rows: 4000 };

fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

/// Whether the difference of a window's surrogate from the reference's is the
/// largest beside that many refits.
fn alarms(seed: u64, draws: u64, changed: bool) -> bool {
    let (width, rows, window_rows) = (4, 500, 125);
    let function = |x: &[f64]| 3.0 * x[0] + 2.0 * x[1] + x[2] * x[3];
    let other = |x: &[f64]| 2.0 * x[0] + 3.0 * x[1] + x[2] * x[3];
    let values = uniforms(seed, rows * width);
    let noise = uniforms(seed + 1, rows + window_rows);
    let noisy = |mut targets: Vec<f64>, noise: &[f64]| {
        targets.iter_mut().zip(noise).for_each(|(target, noise)| *target += noise);
        targets
    };
    let said = noisy(targets(&values, width, function), &noise);
    let window = uniforms(seed + 2, window_rows * width);
    let window_said =
        if changed { targets(&window, width, other) } else { targets(&window, width, function) };
    let window_said = noisy(window_said, &noise[rows..]);

    let explained = |values: &[f64], targets: &[f64]| {
        let rows = Rows::new(values, width);
        shares(Surrogate::fit(rows, targets, seed, &REFIT).unwrap().trees(), rows)
    };
    let found = total_variation(&explained(&window, &window_said), &explained(&values, &said));
    let plan = RefitPlan { window_rows, draws: 0..draws, seed };
    let refits = Surrogate::refits(Rows::new(&values, width), &said, &plan, &REFIT, shares).unwrap();
    let null: Vec<f64> =
        refits.iter().map(|refit| total_variation(&refit.window, &refit.reference)).collect();
    assert_eq!(null.len(), usize::try_from(draws).unwrap());
    null.iter().all(|null| found > *null)
}

/// With nine refits, the window is the farthest once in ten times when nothing
/// has changed.
#[test]
fn refits_say_what_chance_does() {
    let repeats = 300;
    let count = (0..repeats).filter(|&repeat| alarms(1000 + 10 * repeat, 9, false)).count();
    // Binomial of 300 and 0.1: within 12..=50 all but once in 5,000 times. The
    // refits' reference is smaller, so the true share is a little lower.
    assert!((12..=50).contains(&count), "{count} of {repeats} false alarms, and 30 are right");
}

#[test]
fn refits_leave_a_change_in_sight() {
    let count = (0..40).filter(|&repeat| alarms(9000 + 10 * repeat, 9, true)).count();
    assert!(count >= 36, "{count} of 40 changes seen");
}

#[test]
fn refits_are_the_same_in_parts() {
    let values = uniforms(91, 4 * 600);
    let targets = targets(&values, 4, |x| weighted(x));
    let refits = |draws, seed| {
        let plan = RefitPlan { window_rows: 150, draws, seed };
        Surrogate::refits(Rows::new(&values, 4), &targets, &plan, &REFIT, shares).unwrap()
    };
    let whole = refits(0..6, 5);
    let parts: Vec<Refit> = [refits(0..2, 5), refits(2..6, 5)].concat();
    assert_eq!(whole, parts);
    assert_ne!(whole[0], whole[1]);
    assert_ne!(whole, refits(0..6, 6));
}

#[test]
fn refits_take_rows_apart() {
    let rows = 600;
    let values = uniforms(92, 2 * rows);
    let targets = targets(&values, 2, |x| weighted(x));
    for (window_rows, wanted) in [(150, 150), (5000, 300)] {
        let plan = RefitPlan { window_rows, draws: 0..3, seed: 1 };
        let mut seen = Vec::new();
        let explain = |_: &TreeEnsemble, rows: Rows<'_>| {
            let hashes: BTreeSet<u64> = rows.iter().map(|row| row[0].to_bits()).collect();
            assert_eq!(hashes.len(), rows.len(), "no row comes twice");
            seen.push(hashes);
            Vec::new()
        };
        Surrogate::refits(Rows::new(&values, 2), &targets, &plan, &REFIT, explain).unwrap();
        assert_eq!(seen.len(), 6);
        for pair in seen.chunks_exact(2) {
            assert_eq!((pair[0].len(), pair[1].len()), (wanted, rows - wanted));
            assert!(pair[0].is_disjoint(&pair[1]));
        }
        assert_ne!(seen[0], seen[2]);
    }
    let plan = RefitPlan { window_rows: 50, draws: 0..1, seed: 1 };
    let refits = Surrogate::refits(Rows::new(&values, 2), &targets, &plan, &REFIT, shares);
    assert_eq!(refits, Err(SurrogateError::FewRows { usable: 50 }));
}
