//! What is said of windows: nothing where there is too little to go by, and the
//! same of the same rows.

use driftline::{
    multivariate::{FEWEST_ROWS, Judge, Settings},
    profile::{Cell, RowSample},
    result::{MultivariateResult, Verdict},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::world::{Change, World};

const SMALL: World = World { numbers: 3, categories: 1, missing: 0.05, odd: true };

fn finite(result: &MultivariateResult) -> bool {
    let reconstruction = result
        .reconstruction
        .iter()
        .flat_map(|one| [one.reference_error, one.window_error, one.noise_low, one.noise_high, one.effect]);
    let domain =
        result.domain.iter().flat_map(|one| [one.auc, one.low, one.high, one.noise_point, one.effect]);
    let features = result.reconstruction.iter().flat_map(|one| &one.features);
    let features = features.chain(result.domain.iter().flat_map(|one| &one.features));
    reconstruction.chain(domain).all(f64::is_finite)
        && features.map(|one| one.share).all(|share| share <= 1.0)
}

#[test]
fn few_rows_are_insufficient() {
    let (reference, sample) = SMALL.reference(1, 400, 200);
    let judge = Judge::new(&reference, &sample, Settings::default()).unwrap();
    let few = judge.judge(&SMALL.window(&reference, 2, FEWEST_ROWS - 1, Change::Mean));
    assert_eq!(few.verdict, Verdict::Insufficient);
    assert_eq!((few.reference_rows, few.window_rows), (200, FEWEST_ROWS as u64 - 1));
    assert!(few.domain.is_none() && few.reconstruction.is_none());
    let enough = judge.judge(&SMALL.window(&reference, 2, FEWEST_ROWS, Change::Mean));
    assert!(enough.domain.is_some() && enough.reconstruction.is_some());
    assert_ne!(enough.verdict, Verdict::Insufficient);

    let (_, small) = SMALL.reference(1, 400, FEWEST_ROWS - 1);
    let judge = Judge::new(&reference, &small, Settings::default()).unwrap();
    let result = judge.judge(&SMALL.window(&reference, 2, 300, Change::Mean));
    assert_eq!(result.verdict, Verdict::Insufficient);

    assert!(Judge::new(&reference, &RowSample::new(9, 2), Settings::default()).is_none(), "other columns");
    let other = judge.judge(&RowSample::new(9, 2));
    assert_eq!((other.verdict, other.window_rows), (Verdict::Insufficient, 0));
}

#[test]
fn halves_of_rows_are_not_compared() {
    let (reference, sample) = SMALL.reference(1, 400, 200);
    let judge = Judge::new(&reference, &sample, Settings::default()).unwrap();
    let mut window = RowSample::new(512, reference.columns.len());
    for (hash, cells) in SMALL.window(&reference, 2, 300, Change::Nothing).rows() {
        let mut cells = cells.to_vec();
        if hash % 2 == 0 {
            cells[1] = Cell::ABSENT;
        }
        window.offer(hash, &cells);
    }
    let whole = window.rows().filter(|(hash, _)| hash % 2 == 1).count() as u64;
    assert_eq!(judge.judge(&window).window_rows, whole);
}

#[test]
fn the_same_rows_give_the_same_bits() {
    let (reference, sample) = SMALL.reference(1, 400, 300);
    let window = SMALL.window(&reference, 2, 300, Change::Spread);
    let first = Judge::new(&reference, &sample, Settings::default()).unwrap().judge(&window);
    // As other panes and partitions would have brought them.
    let rows: Vec<_> = window.rows().collect();
    let mut merged = RowSample::new(window.capacity(), reference.columns.len());
    for piece in rows.chunks(7).rev() {
        let mut part = RowSample::new(window.capacity(), reference.columns.len());
        piece.iter().rev().for_each(|(hash, cells)| part.offer(*hash, cells));
        merged.merge(&part).unwrap();
    }
    let judge = Judge::new(&reference, &sample, Settings::default()).unwrap();
    assert_eq!(judge.judge(&merged), first);
    assert_eq!(judge.judge(&window), first, "a judge learns nothing from windows");
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<MultivariateResult>(&json).unwrap(), first);
}

#[test]
fn what_is_alike_in_every_row_is_no_difference() {
    let (reference, sample) = SMALL.reference(1, 400, 300);
    let row: Vec<Cell> = sample.rows().next().unwrap().1.to_vec();
    let mut constant = RowSample::new(512, reference.columns.len());
    (0..200).for_each(|hash| constant.offer(hash, &row));
    let judge = Judge::new(&reference, &constant, Settings::default()).unwrap();
    let result = judge.judge(&constant);
    assert_eq!((&result.domain, &result.reconstruction), (&None, &None));
    assert_eq!(result.verdict, Verdict::Insufficient, "there is nothing to tell");
    // A window of one row again and again is as far from a varied reference as
    // can be, and the other way round.
    let varied = Judge::new(&reference, &sample, Settings::default()).unwrap().judge(&constant);
    assert_eq!(varied.verdict, Verdict::Drifted);
    assert!(finite(&varied), "{varied:?}");
    let result = judge.judge(&sample);
    assert_eq!(result.domain.as_ref().unwrap().verdict, Verdict::Drifted);
    assert!(finite(&result), "{result:?}");
}

#[test]
fn a_feature_that_goes_missing_is_named() {
    let (reference, sample) = SMALL.reference(1, 400, 300);
    let mut window = RowSample::new(512, reference.columns.len());
    for (hash, cells) in SMALL.window(&reference, 2, 300, Change::Nothing).rows() {
        let mut cells = cells.to_vec();
        cells[2] = Cell::MISSING;
        window.offer(hash, &cells);
    }
    let result = Judge::new(&reference, &sample, Settings::default()).unwrap().judge(&window);
    let (domain, reconstruction) = (result.domain.unwrap(), result.reconstruction.unwrap());
    assert_eq!((domain.verdict, reconstruction.verdict), (Verdict::Drifted, Verdict::Drifted));
    assert_eq!(domain.features[0].feature, "n02");
    assert_eq!(reconstruction.features[0].feature, "n02");
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        any::<f64>().prop_map(Cell::number),
        any::<u32>().prop_map(Cell::category),
        (0_u32..4).prop_map(Cell::category),
        Just(Cell::MISSING),
        Just(Cell::WRONG_TYPE),
        prop_oneof![Just(0.0), Just(f64::MAX), Just(f64::NEG_INFINITY), Just(5e-324)].prop_map(Cell::number),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_cells_give_finite_numbers(
        cells in proptest::collection::vec(any_cell(), 4..40),
        seed in any::<u64>(),
        in_reference in any::<bool>(),
    ) {
        let (reference, sample) = SMALL.reference(1, 300, 150);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut odd = RowSample::new(512, reference.columns.len());
        for hash in 0..120 {
            let row: Vec<Cell> =
                (0..reference.columns.len()).map(|_| cells[rng.random_range(0..cells.len())]).collect();
            odd.offer(hash, &row);
        }
        let (ours, window) = if in_reference { (&odd, &sample) } else { (&sample, &odd) };
        let result = Judge::new(&reference, ours, Settings::default()).unwrap().judge(window);
        prop_assert!(finite(&result), "{:?}", result);
    }
}
