//! Rows of a made-up model, and what can happen to them.

use std::collections::BTreeMap;

use driftline::{
    profile::{Cell, Grid, RowSample},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// What a window's rows do otherwise than the reference's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    Nothing,
    /// The first two features, independent before, correlate by 0.7.
    Correlation,
    /// The first three features are larger by 0.3 standard deviations.
    Mean,
    /// The first three features vary 1.4 times as much.
    Spread,
    /// The first two features, independent before, have the same sign; both
    /// keep their distribution, and a linear model sees little else.
    Signs,
    /// The second half of the features, which share a factor in the reference,
    /// no longer do; each keeps its distribution.
    Decoupling,
    /// The first category depends on the first feature; both keep their
    /// distribution.
    Category,
}

/// Features `n00`, `n01` … (numbers), then `z0` … (categories).
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) numbers: usize,
    pub(crate) categories: usize,
    /// Share of values that are missing.
    pub(crate) missing: f64,
    /// Whether numbers are lognormal, or counts, or heavy-tailed, in turn.
    pub(crate) odd: bool,
}

impl World {
    pub(crate) const PLAIN: Self = Self { numbers: 20, categories: 0, missing: 0.0, odd: false };
    pub(crate) const ODD: Self = Self { numbers: 12, categories: 4, missing: 0.03, odd: true };

    pub(crate) fn names(self) -> Vec<String> {
        let numbers = (0..self.numbers).map(|feature| format!("n{feature:02}"));
        numbers.chain((0..self.categories).map(|feature| format!("z{feature}"))).collect()
    }

    /// One row, the second half of the numbers sharing a factor.
    pub(crate) fn row(self, rng: &mut ChaCha8Rng, change: Change) -> Vec<Option<Datum>> {
        let mut numbers: Vec<f64> = (0..self.numbers).map(|_| rng.sample(StandardNormal)).collect();
        let factor: f64 = rng.sample(StandardNormal);
        if change != Change::Decoupling {
            for number in &mut numbers[self.numbers / 2..] {
                *number = 0.7 * factor + 0.51_f64.sqrt() * *number;
            }
        }
        match change {
            Change::Correlation => numbers[1] = 0.7 * numbers[0] + 0.51_f64.sqrt() * numbers[1],
            Change::Mean => numbers[..3].iter_mut().for_each(|number| *number += 0.3),
            Change::Spread => numbers[..3].iter_mut().for_each(|number| *number *= 1.4),
            Change::Signs => numbers[1] = numbers[1].abs() * numbers[0].signum(),
            Change::Nothing | Change::Category | Change::Decoupling => {}
        }
        let mut row = Vec::new();
        for (feature, &number) in numbers.iter().enumerate() {
            row.push(Datum::Number(match feature % 4 {
                1 if self.odd => number.exp(),
                2 if self.odd => (number * 1.5).round(),
                3 if self.odd => number.powi(3) * 1e6,
                _ => number,
            }));
        }
        for category in 0..self.categories {
            // Shares of about 0.5, 0.25 … of up to 3 + category names.
            let half = if change == Change::Category && category == 0 {
                numbers[0] > 0.0
            } else {
                rng.random::<bool>()
            };
            let more = rng.next_u64().trailing_zeros() as usize;
            let name = if half { 0 } else { 1 + more.min(2 + 3 * (category % 4)) };
            row.push(Datum::Category(name));
        }
        row.into_iter().map(|datum| (rng.random::<f64>() >= self.missing).then_some(datum)).collect()
    }

    pub(crate) fn rows(self, seed: u64, rows: usize, change: Change) -> Vec<Vec<Option<Datum>>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..rows).map(|_| self.row(&mut rng, change)).collect()
    }

    /// A reference of `rows` rows, and a sample of `sampled` of them.
    pub(crate) fn reference(self, seed: u64, rows: usize, sampled: usize) -> (Reference, RowSample) {
        self.reference_of(seed, &self.rows(seed, rows, Change::Nothing), sampled)
    }

    /// A reference of these rows, and a sample of `sampled` of them.
    pub(crate) fn reference_of(
        self,
        seed: u64,
        rows: &[Vec<Option<Datum>>],
        sampled: usize,
    ) -> (Reference, RowSample) {
        let names = self.names();
        let mut builder = ReferenceBuilder::new("made-up", &BTreeMap::new(), 10);
        for row in rows {
            let value = |datum: &Option<Datum>| match datum {
                Some(Datum::Number(number)) => Value::Number(*number),
                Some(Datum::Category(name)) => Value::Text(CATEGORIES[*name]),
                None => Value::Missing,
            };
            builder.push_row(
                names.iter().zip(row).map(|(name, datum)| (name.as_str(), ColumnRole::Feature, value(datum))),
            );
        }
        let (reference, _) = builder.finish("a test".to_owned()).unwrap();
        let sample = sample(&reference, seed, sampled, rows);
        (reference, sample)
    }

    /// The sample of a window of `rows` rows.
    pub(crate) fn window(self, reference: &Reference, seed: u64, rows: usize, change: Change) -> RowSample {
        sample(reference, seed, rows, &self.rows(seed, rows, change))
    }
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Datum {
    Number(f64),
    Category(usize),
}

const CATEGORIES: [&str; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

/// Samples rows by random hashes.
pub(crate) fn sample(
    reference: &Reference,
    seed: u64,
    capacity: usize,
    rows: &[Vec<Option<Datum>>],
) -> RowSample {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut sample = RowSample::new(capacity, reference.columns.len());
    for row in rows {
        sample.offer(rng.next_u64(), &cells(reference, row));
    }
    sample
}

pub(crate) fn cells(reference: &Reference, row: &[Option<Datum>]) -> Vec<Cell> {
    let cell = |(column, datum): (&driftline::reference::Column, &Option<Datum>)| match (&column.grid, datum)
    {
        (_, None) => Cell::MISSING,
        (_, Some(Datum::Number(number))) => Cell::number(*number),
        (Grid::Categorical(grid), Some(Datum::Category(name))) => {
            Cell::category(grid.code_of(CATEGORIES[*name].as_bytes()))
        }
        _ => Cell::WRONG_TYPE,
    };
    reference.columns.iter().zip(row).map(cell).collect()
}
