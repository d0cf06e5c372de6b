//! Grids, counts and cuts through their public interface: the laws that every
//! score rests on, and edge cases named by what went wrong elsewhere. Nothing
//! is a stand-in; the moments are checked against sums in twice the precision.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::unreachable, clippy::float_cmp, reason = "bits are compared on purpose")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use driftline::profile::{
    BODY_EDGES, CUT_CATEGORIES, CategoricalGrid, Cell, Counts, Cut, FrequentNames, Grid, KEPT_NAMES,
    KNOWN_CATEGORIES, MergeError, NAME_BYTES, NAMED_CATEGORIES, NumericGrid, category_text,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Cauchy, Distribution, LogNormal, Normal};

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn numeric(values: &[f64]) -> NumericGrid {
    NumericGrid::from_sorted(&sorted(values)).expect("values to make a grid of")
}

fn cells(values: &[f64]) -> Vec<Cell> {
    values.iter().map(|&value| Cell::number(value)).collect()
}

fn counted(grid: &Grid, cells: &[Cell]) -> Counts {
    let mut counts = Counts::new(grid);
    counts.add_cells(grid, cells);
    counts
}

/// The grid of `values` and their counts on it.
fn profiled(values: &[f64]) -> (Grid, Counts) {
    let grid = Grid::Numeric(numeric(values));
    let counts = counted(&grid, &cells(values));
    (grid, counts)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn draw(distribution: impl Distribution<f64>, n: usize) -> Vec<f64> {
    distribution.sample_iter(ChaCha8Rng::seed_from_u64(7)).take(n).collect()
}

/// Finite numbers as columns have them, and as no column should.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -5.0..5.0,
        4 => (-20_i32..20).prop_map(f64::from),
        1 => (0_u32..40).prop_map(|exponent| 10_f64.powi(exponent as i32 - 20)),
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        1 => Just(-0.0),
        1 => prop::sample::select(vec![f64::MAX, f64::MIN, 1e308, -1e308, 5e-324, -5e-324, f64::MIN_POSITIVE]),
    ]
}

/// Samples of every size, ties and single values included.
fn sample() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        vec(number(), 1..60),
        vec(-1e3..1e3, 1..3000),
        vec((0_u16..900).prop_map(f64::from), 1..3000),
        (number(), 1_usize..50).prop_map(|(value, n)| vec![value; n]),
    ]
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        12 => number().prop_map(Cell::number),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).prop_map(Cell::number),
        1 => prop::sample::select(vec![Cell::MISSING, Cell::ABSENT, Cell::WRONG_TYPE]),
        1 => (0_u32..12).prop_map(Cell::category),
    ]
}

proptest! {
    #[test]
    fn every_value_lies_in_its_bin_and_bins_are_in_order(
        reference in sample(),
        probes in vec(number(), 1..200),
    ) {
        let grid = numeric(&reference);
        let uppers: Vec<f64> = (0..grid.bins() - 1).map(|bin| grid.upper(bin)).collect();
        prop_assert!(uppers.is_sorted_by(|a, b| a < b) && uppers.iter().all(|edge| edge.is_finite()));
        prop_assert!(grid.lower(0) == f64::NEG_INFINITY && grid.upper(grid.bins() - 1) == f64::INFINITY);
        let near = reference.iter().chain(&uppers).flat_map(|&value| [value.next_down(), value, value.next_up()]);
        let mut values: Vec<f64> = near.chain(probes).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let mut last = 0;
        for value in values {
            let bin = grid.bin_of(value);
            prop_assert_eq!(bin, uppers.partition_point(|&edge| edge < value), "{} by search", value);
            prop_assert!(grid.lower(bin) < value && value <= grid.upper(bin), "{} in bin {}", value, bin);
            prop_assert!(bin >= last);
            last = bin;
        }
        let (min, max) = grid.range();
        prop_assert_eq!(grid.inside(), grid.bin_of(min)..grid.bin_of(max) + 1);
    }

    #[test]
    fn few_values_have_a_bin_each_that_holds_nothing_else(reference in vec(number(), 1..400)) {
        let grid = numeric(&reference);
        for value in sorted(&reference) {
            let bin = grid.bin_of(value);
            prop_assert!(grid.is_single_value(bin));
            prop_assert_eq!(grid.upper(bin).min(f64::MAX), value);
            prop_assert!(value.next_down().is_infinite() || grid.bin_of(value.next_down()) < bin);
            prop_assert!(value.next_up().is_infinite() || grid.bin_of(value.next_up()) > bin);
        }
    }

    #[test]
    fn a_grid_comes_back_from_json_equal(reference in sample(), probes in vec(number(), 1..50)) {
        let grid = Grid::Numeric(numeric(&reference));
        let read: Grid = serde_json::from_str(&json(&grid)).unwrap();
        prop_assert_eq!(&read, &grid);
        prop_assert_eq!(counted(&read, &cells(&probes)), counted(&grid, &cells(&probes)));
    }

    #[test]
    fn merging_in_any_order_and_grouping_gives_the_same_bits(
        reference in sample(),
        rows in vec((cell(), 0_usize..5), 0..600),
        order in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle(),
        groups in 1_usize..5,
    ) {
        let grid = Grid::Numeric(numeric(&reference));
        let all: Vec<Cell> = rows.iter().map(|(cell, _)| *cell).collect();
        let at_once = counted(&grid, &all);
        let part = |index: usize| {
            let own: Vec<Cell> = rows.iter().filter(|(_, part)| *part == index).map(|(cell, _)| *cell).collect();
            counted(&grid, &own)
        };
        let mut merged = Counts::new(&grid);
        for group in order.chunks(groups) {
            let mut inner = Counts::new(&grid);
            for &index in group {
                inner.merge(&part(index)).unwrap();
            }
            merged.merge(&inner).unwrap();
        }
        prop_assert_eq!(json(&merged), json(&at_once));
        let bits = |counts: &Counts| {
            [counts.mean(), counts.std_dev(), counts.min(), counts.max()].map(|number| number.map(f64::to_bits))
        };
        prop_assert_eq!(bits(&merged), bits(&at_once));
        prop_assert_eq!(merged, at_once);
    }

    #[test]
    fn every_cell_is_counted_exactly_once(reference in sample(), rows in vec(cell(), 0..700)) {
        let grid = Grid::Numeric(numeric(&reference));
        let counts = counted(&grid, &rows);
        let with = |wanted: &dyn Fn(Cell) -> bool| rows.iter().filter(|&&cell| wanted(cell)).count() as u64;
        prop_assert_eq!(counts.bins().sum::<u64>(), counts.valid());
        prop_assert_eq!(counts.valid(), with(&|cell| cell.to_f64().is_finite()));
        prop_assert_eq!(counts.missing(), with(&|cell| cell == Cell::MISSING));
        prop_assert_eq!(counts.nan(), with(&|cell| cell == Cell::number(f64::NAN)));
        prop_assert_eq!(counts.positive_infinite(), with(&|cell| cell.to_f64() == f64::INFINITY));
        prop_assert_eq!(counts.negative_infinite(), with(&|cell| cell.to_f64() == f64::NEG_INFINITY));
        prop_assert_eq!(counts.wrong_type(), with(&|cell| cell == Cell::WRONG_TYPE || cell.code().is_some()));
        prop_assert_eq!(counts.rows(), with(&|cell| !cell.is_absent()));
        let Grid::Numeric(numeric) = &grid else { unreachable!() };
        let (min, max) = numeric.range();
        prop_assert_eq!(counts.unseen(), with(&|cell| cell.to_f64().is_finite() && !(min..=max).contains(&cell.to_f64())));
    }

    #[test]
    fn counts_come_back_from_json_equal(reference in sample(), rows in vec(cell(), 0..300), names in vec("[a-d]{1,2}", 0..40)) {
        let grid = Grid::Numeric(numeric(&reference));
        let mut counts = counted(&grid, &rows);
        for name in &names {
            counts.note_unseen(name, 1);
        }
        let read: Counts = serde_json::from_str(&json(&counts)).unwrap();
        prop_assert_eq!(&read, &counts);
        prop_assert_eq!(read.std_dev().map(f64::to_bits), counts.std_dev().map(f64::to_bits));
    }

    #[test]
    fn quantiles_rise_and_stay_within_a_bin_of_the_exact_ones(
        reference in sample(),
        window in sample(),
        shares in vec(0.0..=1.0, 1..20),
    ) {
        let grid = Grid::Numeric(numeric(&reference));
        let Grid::Numeric(numeric) = &grid else { unreachable!() };
        let counts = counted(&grid, &cells(&window));
        let window = sorted(&window);
        let mut shares = shares;
        shares.extend([0.0, 0.5, 1.0]);
        shares.sort_by(f64::total_cmp);
        let mut last = f64::NEG_INFINITY;
        for p in shares {
            let quantile = counts.quantile(&grid, p).unwrap();
            prop_assert!(quantile >= last, "{} after {}", quantile, last);
            last = quantile;
            // The two order statistics between which the exact quantile lies.
            let position = p * (window.len() - 1) as f64;
            let (low, high) = (window[position.floor() as usize], window[position.ceil() as usize]);
            prop_assert!(quantile >= numeric.lower(numeric.bin_of(low)).max(window[0]));
            prop_assert!(quantile <= numeric.upper(numeric.bin_of(high)).min(*window.last().unwrap()));
        }
    }

    #[test]
    fn a_cut_has_no_bin_without_reference_and_loses_no_count(reference in sample(), bins in 1_usize..30) {
        let (grid, counts) = profiled(&reference);
        let cut = Cut::new(&grid, &counts, bins);
        let mut sums = Vec::new();
        cut.sum_into(counts.bins(), &mut sums);
        let constant = counts.min() == counts.max();
        prop_assert!(sums[..sums.len() - usize::from(constant)].iter().all(|&sum| sum > 0), "{:?}", sums);
        prop_assert_eq!(sums.iter().sum::<u64>(), counts.valid());
        prop_assert!(cut.fits(grid.bins()));
        let mut labels = cut.labels().to_vec();
        labels.sort_unstable();
        labels.dedup();
        prop_assert_eq!(labels.len(), cut.bins(), "labels are told apart: {:?}", cut.labels());
    }

    #[test]
    fn names_are_exact_and_independent_of_order_within_the_bound(
        notes in vec(("[a-h][a-d]", 1_u64..9), 0..200),
        split in any::<Index>(),
    ) {
        let mut at_once = FrequentNames::default();
        for (name, count) in &notes {
            at_once.note(name, *count);
        }
        let (left, right) = notes.split_at(split.index(notes.len() + 1));
        let mut merged = FrequentNames::default();
        for (name, count) in right.iter().rev() {
            merged.note(name, *count);
        }
        let mut other = FrequentNames::default();
        for (name, count) in left {
            other.note(name, *count);
        }
        merged.merge(&other);
        prop_assert_eq!(&merged, &at_once);
        for named in at_once.most_frequent() {
            let exact: u64 = notes.iter().filter(|(name, _)| *name == named.name).map(|(_, count)| count).sum();
            prop_assert_eq!(named.count, exact);
        }
    }

    #[test]
    fn beyond_the_bound_counts_are_too_low_by_a_33rd_at_most(
        parts in vec(vec((0_u32..80, 1_u64..50), 0..100), 1..4),
    ) {
        let mut merged = FrequentNames::default();
        for part in &parts {
            let mut names = FrequentNames::default();
            for (name, count) in part {
                names.note(&name.to_string(), *count);
            }
            merged.merge(&names);
        }
        let all: Vec<(u32, u64)> = parts.concat();
        let slack = all.iter().map(|(_, count)| count).sum::<u64>() / (KEPT_NAMES as u64 + 1);
        let kept = merged.most_frequent();
        prop_assert!(kept.len() <= KEPT_NAMES);
        for name in 0_u32..80 {
            let exact: u64 = all.iter().filter(|(other, _)| *other == name).map(|(_, count)| count).sum();
            let lower = kept.iter().find(|named| named.name == name.to_string()).map_or(0, |named| named.count);
            prop_assert!(lower <= exact && exact <= lower + slack, "{}: {} of {}, slack {}", name, lower, exact, slack);
        }
    }
}

/// `1e-12`, or what the distance of the window from the reference costs.
fn tolerance(reference: &[f64], window: &[f64]) -> f64 {
    let (mean, std_dev) = precise_moments(window);
    let away = (mean - precise_moments(reference).0).abs();
    (away / std_dev * 2.0_f64.powi(-50)).max(1e-12)
}

/// Mean and sample standard deviation in twice the precision of a double, by
/// Knuth's and Dekker's error-free sums and products, in two passes.
fn precise_moments(values: &[f64]) -> (f64, f64) {
    fn add((high, low): (f64, f64), value: f64) -> (f64, f64) {
        let sum = high + value;
        let part = sum - high;
        (sum, low + ((high - (sum - part)) + (value - part)))
    }
    let n = values.len() as f64;
    let (high, low) = values.iter().fold((0.0, 0.0), |sum, &value| add(sum, value));
    let mean = (high + low) / n;
    // What rounding took from the mean, since squares would show it.
    let (high, low) = values.iter().fold((0.0, 0.0), |sum, &value| add(add(sum, value), -mean));
    let rest = (high + low) / n;
    let squares = values.iter().fold((0.0, 0.0), |sum, &value| {
        let distance = (value - mean) - rest;
        let square = distance * distance;
        add(add(sum, square), distance.mul_add(distance, -square))
    });
    (mean + rest, ((squares.0 + squares.1) / (n - 1.0)).sqrt())
}

#[track_caller]
fn assert_moments(reference: &[f64], window: &[f64], tolerance: f64) {
    let grid = Grid::Numeric(numeric(reference));
    let counts = counted(&grid, &cells(window));
    let (mean, std_dev) = precise_moments(window);
    let (found_mean, found_std) = (counts.mean().unwrap(), counts.std_dev().unwrap());
    // A mean near zero is as exact as the spread around it allows.
    assert!(
        (found_mean - mean).abs() <= tolerance * mean.abs().max(std_dev),
        "mean {found_mean}, not {mean}"
    );
    assert!((found_std - std_dev).abs() <= tolerance * std_dev, "deviation {found_std}, not {std_dev}");
}

#[test]
fn moments_agree_with_sums_in_twice_the_precision() {
    let n = 20_000;
    let columns = [
        draw(Normal::new(0.0, 1.0).unwrap(), n),
        draw(Normal::new(1e6, 1e-3).unwrap(), n),
        draw(Normal::new(-3e-9, 1e-12).unwrap(), n),
        draw(LogNormal::new(0.0, 3.0).unwrap(), n),
        draw(Cauchy::new(5.0, 1.0).unwrap(), n),
        (0..n).map(|row| (row % 7) as f64).collect(),
        (0..n).map(|row| if row % 10 == 0 { row as f64 * 1.37 } else { 0.0 }).collect(),
    ];
    for reference in &columns {
        assert_moments(reference, reference, 1e-13);
        // Another unit, a shift, and one bad row.
        for factor in [0.01, 3.0, 1000.0, -1e6] {
            let changed: Vec<f64> = reference.iter().map(|value| value * factor).collect();
            assert_moments(reference, &changed, tolerance(reference, &changed));
        }
        let shifted: Vec<f64> = reference.iter().map(|value| value + 100.0).collect();
        assert_moments(reference, &shifted, tolerance(reference, &shifted));
        let mut outlier = reference.clone();
        outlier.push(1e12);
        assert_moments(reference, &outlier, 1e-12);
    }
}

#[test]
fn a_reference_with_one_sentinel_value_does_not_blur_the_others() {
    let mut reference = draw(Normal::new(0.0, 1.0).unwrap(), 10_000);
    let window = reference.clone();
    reference.push(9_999_999_999.0);
    assert_moments(&reference, &window, 1e-12);
}

#[test]
fn moments_of_the_largest_numbers_do_not_overflow() {
    let (_, counts) = profiled(&[1e308, 1.5e308, 1.2e308]);
    assert!((counts.mean().unwrap() / 1.233_333_333_333_333_3e308 - 1.0).abs() < 1e-15);
    assert!((counts.std_dev().unwrap() / 2.516_611_478_423_583e307 - 1.0).abs() < 1e-12);
    // Seen from a reference around zero, and from both ends at once.
    let grid = Grid::Numeric(numeric(&[0.0, 1.0, 2.0]));
    let far = counted(&grid, &cells(&[1e308, -1e308, 1e308, -1e308]));
    assert_eq!((far.min(), far.max()), (Some(-1e308), Some(1e308)));
    assert!(far.mean().unwrap().abs() <= 1.0);
    assert!((far.std_dev().unwrap() / 1.154_700_538_379_251_5e308 - 1.0).abs() < 1e-14);
    let ends = profiled(&[f64::MAX, f64::MIN]).1;
    assert!(ends.mean().unwrap().abs() < 1e293);
    assert_eq!(ends.std_dev(), None, "no double holds the largest times the root of two");
}

#[test]
fn moments_of_subnormal_numbers_do_not_vanish() {
    let smallest = 5e-324;
    let (_, counts) = profiled(&[smallest, 3.0 * smallest, 5.0 * smallest]);
    assert_eq!((counts.mean(), counts.std_dev()), (Some(3.0 * smallest), Some(2.0 * smallest)));
}

#[test]
fn a_spread_of_the_last_bits_is_not_blurred() {
    let grid = Grid::Numeric(numeric(&[0.0, 1.0, 2.0]));
    let (base, step) = (2.0_f64.powi(60), 2048.0);
    let mut window = vec![base + step; 9];
    window.push(base);
    let counts = counted(&grid, &cells(&window));
    assert!((counts.std_dev().unwrap() / (step * 0.1_f64.sqrt()) - 1.0).abs() < 1e-12);
}

#[test]
fn whole_numbers_have_an_exact_mean() {
    let (_, counts) = profiled(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((counts.mean(), counts.std_dev()), (Some(2.5), Some((5.0_f64 / 3.0).sqrt())));
}

#[test]
fn a_constant_window_has_no_spread_wherever_it_lies() {
    let grid = Grid::Numeric(numeric(&draw(Normal::new(0.0, 1.0).unwrap(), 1000)));
    for value in [0.1, 7.3, 1e9 + 0.1, -1e300] {
        let counts = counted(&grid, &cells(&vec![value; 999]));
        assert_eq!(counts.std_dev(), Some(0.0));
        assert!((counts.mean().unwrap() / value - 1.0).abs() < 1e-15);
    }
}

#[test]
fn one_value_has_no_deviation_and_none_has_no_moments() {
    let (grid, counts) = profiled(&[3.5]);
    assert_eq!((counts.mean(), counts.std_dev(), counts.quantile(&grid, 0.3)), (Some(3.5), None, Some(3.5)));
    let empty = Counts::new(&grid);
    assert_eq!((empty.mean(), empty.std_dev(), empty.min(), empty.max()), (None, None, None, None));
    assert_eq!((empty.quantile(&grid, 0.5), empty.rows(), empty.unseen()), (None, 0, 0));
    assert_eq!(counts.quantile(&grid, f64::NAN), None);
    assert_eq!(counts.quantile(&grid, 1.5), None);
}

#[test]
fn no_bin_of_several_values_holds_more_than_a_thousandth() {
    let n = 100_000;
    let mut with_zeros = draw(LogNormal::new(3.0, 2.0).unwrap(), n);
    with_zeros.iter_mut().step_by(3).for_each(|value| *value = 0.0);
    for values in
        [draw(Normal::new(0.0, 1.0).unwrap(), n), with_zeros, draw(Cauchy::new(0.0, 1.0).unwrap(), n)]
    {
        let (grid, counts) = profiled(&values);
        let Grid::Numeric(numeric) = &grid else { unreachable!() };
        let shared = counts.bins().enumerate().filter(|(bin, _)| !numeric.is_single_value(*bin));
        let heaviest = shared.map(|(_, count)| count).max().unwrap();
        assert!((heaviest as f64) < 0.0011 * n as f64, "{heaviest} of {n}");
        assert!(numeric.inside().len() <= BODY_EDGES);
    }
}

#[test]
fn a_value_with_a_mass_of_its_own_is_alone_among_many_values() {
    let mut values = draw(Normal::new(0.0, 1.0).unwrap(), 10_000);
    values.extend([0.5; 300]);
    let (grid, counts) = profiled(&values);
    let Grid::Numeric(numeric) = &grid else { unreachable!() };
    let bin = numeric.bin_of(0.5);
    assert!(numeric.is_single_value(bin));
    assert_eq!(counts.bins().nth(bin), Some(300));
}

#[test]
fn values_beyond_the_range_are_told_apart_from_each_other() {
    let grid = numeric(&draw(Normal::new(0.0, 1.0).unwrap(), 1000));
    let far = [10.0, 40.0, 160.0, 1e3, 1e4, 1e5, 1e9];
    let bins: Vec<usize> = far.iter().map(|&value| grid.bin_of(value)).collect();
    assert!(bins.is_sorted_by(|a, b| a < b), "{bins:?}");
    let low: Vec<usize> = far.iter().map(|&value| grid.bin_of(-value)).collect();
    assert!(low.is_sorted_by(|a, b| a > b), "{low:?}");
    assert!(grid.bins() - grid.inside().len() <= 26);
}

#[test]
fn extreme_references_make_grids() {
    let cases: [&[f64]; 8] = [
        &[0.0],
        &[-0.0, 0.0],
        &[f64::MAX],
        &[f64::MIN, f64::MAX],
        &[5e-324],
        &[-5e-324, 0.0, 5e-324],
        &[1e16, 1e16 + 2.0],
        &[f64::MIN],
    ];
    for values in cases {
        let (grid, counts) = profiled(values);
        let Grid::Numeric(numeric) = &grid else { unreachable!() };
        assert_eq!(counts.valid(), values.len() as u64, "{values:?}");
        assert_eq!(counts.unseen(), 0, "{values:?}");
        assert!(values.iter().all(|&value| numeric.is_single_value(numeric.bin_of(value))), "{values:?}");
        assert!(counts.std_dev().is_none_or(f64::is_finite), "{values:?}");
        assert_eq!(serde_json::from_str::<Grid>(&json(&grid)).unwrap(), grid, "{values:?}");
    }
}

#[test]
fn negative_zero_is_zero() {
    let grid = numeric(&[-0.0, 1.0, 2.0]);
    assert_eq!(grid.bin_of(-0.0), grid.bin_of(0.0));
    let grid = Grid::Numeric(grid);
    assert_eq!(json(&counted(&grid, &[Cell::number(-0.0)])), json(&counted(&grid, &[Cell::number(0.0)])));
    assert_eq!(category_text(-0.0), "0");
}

#[test]
fn quantiles_of_few_values_are_those_of_numpy() {
    // numpy.quantile([1, 2, 2, 5, 9, 9, 9, 14], [.05, .25, .5, .75, .95])
    let (grid, counts) = profiled(&[9.0, 1.0, 2.0, 14.0, 2.0, 9.0, 5.0, 9.0]);
    let found = [0.05, 0.25, 0.5, 0.75, 0.95].map(|p| counts.quantile(&grid, p).unwrap());
    for (found, wanted) in found.into_iter().zip([1.35, 2.0, 7.0, 9.0, 12.25]) {
        assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
    }
}

#[test]
fn counts_outgrow_32_bits_without_losing_any() {
    let (grid, one) = profiled(&[1.0, 2.0, 2.0]);
    let mut counts = one.clone();
    for _ in 0..33 {
        let same = counts.clone();
        counts.merge(&same).unwrap();
    }
    assert_eq!(counts.valid(), 3 << 33);
    assert_eq!(counts.bins().filter(|&count| count > 0).collect::<Vec<_>>(), [1 << 33, 2 << 33]);
    assert_eq!((counts.mean(), counts.min()), (one.mean(), Some(1.0)));
    assert!((counts.std_dev().unwrap() - 2.0_f64.sqrt() / 3.0).abs() < 1e-10);
    counts.add_cells(&grid, &[Cell::number(2.0), Cell::number(7.0)]);
    counts.merge(&one).unwrap();
    assert_eq!(counts.valid(), (3 << 33) + 5);
    assert_eq!(counts.bins().sum::<u64>(), counts.valid());
    assert_eq!(serde_json::from_str::<Counts>(&json(&counts)).unwrap(), counts);
    counts.clear();
    assert_eq!(counts, Counts::new(&grid));
}

#[test]
fn more_rows_than_64_bits_count_are_refused_and_change_nothing() {
    let (_, mut counts) = profiled(&[1.0, 1e300, -4.0]);
    let three = counts.std_dev().unwrap();
    for _ in 0..62 {
        let same = counts.clone();
        counts.merge(&same).unwrap();
    }
    let before = counts.clone();
    assert_eq!(counts.merge(&before), Err(MergeError::TooManyRows));
    assert_eq!(counts, before);
    // With so many rows the divisor n - 1 is n; the sums took 152 bits.
    let wanted = three * (2.0_f64 / 3.0).sqrt();
    assert!((counts.std_dev().unwrap() / wanted - 1.0).abs() < 1e-12);
}

#[test]
fn counts_of_different_grids_are_not_added() {
    let (_, mut counts) = profiled(&[1.0, 2.0, 3.0]);
    let before = counts.clone();
    let (_, shifted) = profiled(&[11.0, 12.0, 13.0]);
    let categories = Grid::Categorical(CategoricalGrid::from_counts([("a", 1)]));
    for other in [shifted, profiled(&[1.0]).1, Counts::new(&categories)] {
        assert!(matches!(counts.merge(&other), Err(MergeError::GridMismatch(..))));
    }
    assert_eq!(counts, before);
}

#[test]
fn a_pane_of_24_columns_stays_within_110_kb() {
    let values = draw(Normal::new(0.0, 1.0).unwrap(), 50_000);
    let (_, numeric) = profiled(&values);
    let names: Vec<String> = (0..1000).map(|name| format!("category {name}")).collect();
    let grid = Grid::Categorical(CategoricalGrid::from_counts(names.iter().map(|name| (name.as_str(), 3))));
    let mut categorical = Counts::new(&grid);
    (0..100).for_each(|name| categorical.note_unseen(&format!("{name:0>80}"), 1));
    let bytes = |counts: &Counts| counts.heap_bytes() + size_of::<Counts>();
    let pane = 20 * bytes(&numeric) + 4 * bytes(&categorical);
    assert!(pane <= 110_000, "{pane} bytes");
}

#[test]
fn long_names_are_cut_and_the_number_of_names_is_bounded() {
    let mut names = FrequentNames::default();
    names.note(&"é".repeat(100), 2);
    names.note("short", u64::MAX);
    names.note("short", 5);
    (0..1000).for_each(|name| names.note(&name.to_string(), 1));
    let kept = names.most_frequent();
    assert!(kept.len() <= KEPT_NAMES);
    assert!(kept.iter().all(|named| named.name.len() <= NAME_BYTES));
    assert_eq!(kept[0].name, "short");
}

#[test]
fn categories_are_named_other_or_unseen() {
    let names: Vec<String> = (0..KNOWN_CATEGORIES + 5).map(|name| format!("{name:05}")).collect();
    let counts = names.iter().enumerate().map(|(rank, name)| (name.as_str(), 20_000 - rank as u64));
    let grid = CategoricalGrid::from_counts(counts);
    assert_eq!(grid.bins(), NAMED_CATEGORIES + 2);
    assert_eq!((grid.code_of(b"00000"), grid.code_of(b"00399")), (0, 399));
    assert_eq!((grid.code_of(b"00400"), grid.code_of(b"09999")), (grid.other_code(), grid.other_code()));
    assert_eq!((grid.code_of(b"10000"), grid.code_of(b"never")), (grid.unseen_code(), grid.unseen_code()));
    let grid = Grid::Categorical(grid);
    assert_eq!(serde_json::from_str::<Grid>(&json(&grid)).unwrap(), grid);
    let rows = [
        Cell::category(400),
        Cell::category(401),
        Cell::category(402),
        Cell::number(1.0),
        Cell::number(f64::NAN),
    ];
    let counts = counted(&grid, &rows);
    assert_eq!((counts.valid(), counts.unseen(), counts.wrong_type(), counts.nan()), (2, 1, 2, 1));
    assert_eq!((counts.mean(), counts.quantile(&grid, 0.5)), (None, None));
}

#[test]
fn equally_frequent_categories_are_in_order_of_their_names() {
    let grid = CategoricalGrid::from_counts([("b", 2), ("a", 2), ("c", 3)]);
    assert_eq!(grid.named(), ["c", "a", "b"]);
}

#[test]
fn numbers_read_as_categories_without_a_needless_fraction() {
    assert_eq!([3.0, -2.0, 0.1, 1e21].map(category_text), ["3", "-2", "0.1", "1000000000000000000000"]);
}

fn cut_of(values: &[f64], bins: usize) -> (Cut, Vec<u64>) {
    let (grid, counts) = profiled(values);
    let cut = Cut::new(&grid, &counts, bins);
    let mut sums = Vec::new();
    cut.sum_into(counts.bins(), &mut sums);
    (cut, sums)
}

#[test]
fn a_smooth_column_is_cut_in_deciles() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let values: Vec<f64> = (0..50_000).map(|_| rng.random::<f64>()).collect();
    let (cut, sums) = cut_of(&values, 10);
    assert_eq!(cut.bins(), 10);
    assert!(sums.iter().all(|&sum| sum.abs_diff(5000) <= 50), "{sums:?}");
    let first: f64 = cut.labels()[0].strip_prefix("<= ").unwrap().parse().unwrap();
    assert!((first - 0.1).abs() < 0.01, "{:?}", cut.labels());
}

#[test]
fn few_values_are_cut_in_one_bin_each() {
    let (cut, sums) = cut_of(&[0.0, 1.0, 1.0, 2.0, 2.0, 2.0], 10);
    assert_eq!((cut.labels(), sums), (["<= 0", "0 .. 1", "> 1"].map(String::from).as_slice(), vec![1, 2, 3]));
}

#[test]
fn a_heavy_value_stands_alone_between_its_neighbours() {
    let mut values: Vec<f64> = (1..=500).map(|row| f64::from(row) / 100.0).collect();
    values.extend((1..=500).map(|row| 5.0 + f64::from(row) / 100.0));
    values.extend([5.0; 999]);
    let (cut, sums) = cut_of(&values, 4);
    assert_eq!(cut.labels(), ["< 5", "= 5", "5 .. 7.5", "> 7.5"].map(String::from));
    assert_eq!(sums, [499, 1000, 250, 250]);
}

#[test]
fn a_constant_column_is_cut_in_its_value_and_all_else() {
    let (cut, sums) = cut_of(&[12.5; 40], 10);
    assert_eq!((cut.labels(), sums), (["= 12.5", "!= 12.5"].map(String::from).as_slice(), vec![40, 0]));
}

#[test]
fn labels_have_the_digits_that_tell_bounds_apart() {
    let values: Vec<f64> = (0..3).map(|row| 1_234_567.25 + f64::from(row) * 0.001).collect();
    let (cut, _) = cut_of(&values, 10);
    assert_eq!(cut.labels()[0], "<= 1234567.25");
    assert_eq!(cut_of(&[1e-12, 3.14159e20, 1.0], 10).0.labels(), ["<= 1e-12", "1e-12 .. 1", "> 1"]);
}

#[test]
fn categories_are_cut_by_name_with_other_and_unseen() {
    let many: Vec<String> = (0..30).map(|name| format!("c{name:02}")).collect();
    for (names, labels) in
        [(&many[..2], 3), (&many[..CUT_CATEGORIES], CUT_CATEGORIES + 1), (&many[..], CUT_CATEGORIES + 2)]
    {
        let grid =
            Grid::Categorical(CategoricalGrid::from_counts(names.iter().map(|name| (name.as_str(), 2))));
        let rows: Vec<Cell> = (0..names.len() as u32).map(Cell::category).collect();
        let counts = counted(&grid, &rows);
        let cut = Cut::new(&grid, &counts, 10);
        assert!(cut.fits(grid.bins()));
        assert_eq!(cut.bins(), labels);
        assert_eq!(cut.labels().last().unwrap(), "unseen");
        let mut sums = Vec::new();
        cut.sum_into(counts.bins(), &mut sums);
        assert_eq!(sums.iter().sum::<u64>(), names.len() as u64);
        assert_eq!(sums.last(), Some(&0));
    }
}

#[test]
fn a_category_called_unseen_or_an_empty_one_is_told_apart() {
    let grid = Grid::Categorical(CategoricalGrid::from_counts([("unseen", 2), ("", 1)]));
    let counts = counted(&grid, &[Cell::category(0), Cell::category(1)]);
    assert_eq!(Cut::new(&grid, &counts, 10).labels(), ["unseen", "(empty)", "unseen (2)"]);
}

#[test]
fn stored_grids_that_contradict_themselves_are_refused() {
    for (grid, problem) in [
        (r#"{"numeric":{"edges":[1.0,1.0],"min":1.0,"max":1.0}}"#, "edge 1 is not"),
        (r#"{"numeric":{"edges":[2.0,1.0],"min":1.0,"max":1.0}}"#, "edge 1 is not"),
        (r#"{"numeric":{"edges":[0.5,1.0],"min":1.0,"max":1.0}}"#, "does not lie on the edges"),
        (r#"{"numeric":{"edges":[],"min":1.0,"max":2.0}}"#, "does not lie on the edges"),
        (r#"{"categorical":{"named":["a","b"],"other":["a"]}}"#, r#"category "a" is listed twice"#),
        (r#"{"numeric":{"edges":[1.0],"min":1.0,"max":1.0,"mid":1.0}}"#, "unknown field"),
    ] {
        let error = serde_json::from_str::<Grid>(grid).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
