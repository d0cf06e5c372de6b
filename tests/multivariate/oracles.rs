//! Principal components and AUCs against scikit-learn, and their variances
//! against what they are variances of.

use std::fs;

use driftline::multivariate::{Auc, Components, Matrix};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracles {
    principal: Vec<PrincipalCase>,
    auc: Vec<AucCase>,
}

#[derive(Deserialize)]
struct PrincipalCase {
    name: String,
    share: f64,
    reference: Vec<Vec<f64>>,
    window: Vec<Vec<f64>>,
    components: usize,
    errors: Vec<f64>,
}

#[derive(Deserialize)]
struct AucCase {
    name: String,
    first: Vec<f64>,
    second: Vec<f64>,
    auc: f64,
    delong_variance: f64,
    permuted_variance: f64,
}

fn oracles() -> Oracles {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/multivariate.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs()) + 1e-12
}

#[test]
fn reconstruction_errors_are_those_of_scikit_learn() {
    let cases = oracles().principal;
    assert_eq!(cases.len(), 3);
    for case in cases {
        let mut reference = Matrix::new(case.reference[0].len());
        case.reference.iter().for_each(|row| reference.push(row.iter().copied()));
        let components = Components::fit(&reference, case.share);
        assert_eq!(components.len(), case.components, "{}", case.name);
        let mut residual = Vec::new();
        for (row, &expected) in case.window.iter().zip(&case.errors) {
            components.residual(row, &mut residual);
            let error: f64 = residual.iter().map(|value| value * value).sum();
            assert!(close(error, expected, 1e-9), "{}: {error} is not {expected}", case.name);
        }
    }
}

#[test]
fn rows_that_are_all_equal_have_no_component() {
    let mut rows = Matrix::new(2);
    (0..5).for_each(|_| rows.push([3.0, -1.0]));
    let components = Components::fit(&rows, 0.9);
    assert!(components.is_empty());
    let mut residual = Vec::new();
    components.residual(&[4.0, -1.0], &mut residual);
    assert_eq!(residual, [1.0, 0.0]);
    assert!(Components::fit(&Matrix::new(2), 0.9).is_empty());
}

#[test]
fn aucs_are_those_of_scikit_learn() {
    let cases = oracles().auc;
    assert_eq!(cases.len(), 6);
    for AucCase { name, first, second, auc, delong_variance, permuted_variance } in cases {
        let found = Auc::of(&first, &second).unwrap();
        assert!(close(found.value, auc, 1e-12), "{name}: {found:?}");
        assert!(close(found.variance, delong_variance, 1e-9), "{name}: {found:?}");
        // Simulated with 200,000 deals: 4 deviations of a variance.
        assert!(
            close(found.null_variance, permuted_variance, 4.0 * (2.0_f64 / 2e5).sqrt()),
            "{name}: {found:?}"
        );
        let turned = Auc::of(&second, &first).unwrap();
        assert!(close(turned.value, 1.0 - auc, 1e-12), "{name}");
        assert!(close(turned.variance, found.variance, 1e-9), "{name}");
    }
    assert_eq!(Auc::of(&[1.0], &[1.0, 2.0]), None);
    assert_eq!(Auc::of(&[1.0, 2.0], &[]), None);
}

#[test]
fn the_interval_of_an_auc_holds_it_as_often_as_it_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    // The probability that a standard normal is below one that is 0.5 larger.
    let truth = 0.638_163_195_084_126_3;
    let (rounds, mut held) = (3_000, 0.0);
    for _ in 0..rounds {
        let mut scores = |shift: f64| -> Vec<f64> {
            (0..60).map(|_| shift + rng.sample::<f64, _>(StandardNormal)).collect()
        };
        let auc = Auc::of(&scores(0.0), &scores(0.5)).unwrap();
        held += f64::from((auc.value - truth).abs() <= 1.96 * auc.variance.sqrt());
    }
    let (share, deviation) = (held / f64::from(rounds), (0.95 * 0.05 / f64::from(rounds)).sqrt());
    // Three thousand rounds, and up to one point of the normal approximation.
    assert!((share - 0.95).abs() < 4.0 * deviation + 0.01, "{share}");
}
