//! Columns and windows to try the checks on.

use std::collections::BTreeMap;

use driftline::{
    drift::checks::{CheckSettings, column_checks},
    profile::{Cell, Counts, Grid},
    reference::{Column, ColumnRole, ReferenceBuilder, Value},
    result::{Check, Finding, Verdict},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Normal, Poisson, StudentT, Zipf};

/// A kind of column in the simulations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Normal,
    /// Poisson with mean 4.
    Integer,
    /// 60 % zeros, the rest log-normal.
    ZeroInflated,
    Skewed,
    /// Student's t with 3 degrees of freedom, around 5.
    HeavyTailed,
    /// 20 categories, Zipf.
    Categories20,
    /// 400 categories, Zipf.
    Categories400,
    /// 5,000 equally frequent names.
    Ids,
}

pub(crate) const SHAPES: [Shape; 8] = [
    Shape::Normal,
    Shape::Integer,
    Shape::ZeroInflated,
    Shape::Skewed,
    Shape::HeavyTailed,
    Shape::Categories20,
    Shape::Categories400,
    Shape::Ids,
];

/// Share of rows that are missing in every simulation.
pub(crate) const MISSING: f64 = 0.01;

impl Shape {
    pub(crate) fn names(self) -> Option<usize> {
        match self {
            Self::Categories20 => Some(20),
            Self::Categories400 => Some(400),
            Self::Ids => Some(5_000),
            _ => None,
        }
    }

    /// A number, or of categories the number of the name.
    pub(crate) fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Normal => Normal::new(20.0, 5.0).unwrap().sample(rng),
            Self::Integer => Poisson::new(4.0).unwrap().sample(rng),
            Self::ZeroInflated if rng.random_bool(0.6) => 0.0,
            Self::ZeroInflated => LogNormal::new(3.0, 0.8).unwrap().sample(rng),
            Self::Skewed => LogNormal::new(1.0, 1.0).unwrap().sample(rng),
            Self::HeavyTailed => 5.0 + StudentT::new(3.0).unwrap().sample(rng),
            Self::Categories20 => Zipf::new(20.0, 1.1).unwrap().sample(rng),
            Self::Categories400 => Zipf::new(400.0, 1.1).unwrap().sample(rng),
            Self::Ids => f64::from(rng.random_range(1..=5_000)),
        }
    }

    /// Values with some missing (NaN stands for them).
    pub(crate) fn sample(self, rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        (0..n).map(|_| if rng.random_bool(MISSING) { f64::NAN } else { self.draw(rng) }).collect()
    }

    pub(crate) fn column(self, values: &[f64]) -> Column {
        if self.names().is_some() { categorical(&names_of(values)) } else { numeric(values) }
    }

    pub(crate) fn counts(self, column: &Column, values: &[f64]) -> Counts {
        if self.names().is_some() {
            count_names(column, &names_of(values))
        } else {
            count_numbers(column, values)
        }
    }
}

pub(crate) fn names_of(values: &[f64]) -> Vec<Option<String>> {
    values.iter().map(|value| (!value.is_nan()).then(|| format!("c{value}"))).collect()
}

pub(crate) fn build<'a>(values: impl Iterator<Item = Value<'a>>) -> Column {
    let mut builder = ReferenceBuilder::new("model", &BTreeMap::new(), 10);
    for value in values {
        builder.push_row([("x", ColumnRole::Feature, value)]);
    }
    builder.finish("a test".to_owned()).unwrap().0.columns.remove(0)
}

/// A numeric column; NaN stands for a missing value.
pub(crate) fn numeric(values: &[f64]) -> Column {
    build(values.iter().map(|&value| if value.is_nan() { Value::Missing } else { Value::Number(value) }))
}

pub(crate) fn categorical(names: &[Option<String>]) -> Column {
    build(names.iter().map(|name| name.as_deref().map_or(Value::Missing, Value::Text)))
}

pub(crate) fn count_cells(column: &Column, cells: &[Cell]) -> Counts {
    let mut counts = Counts::new(&column.grid);
    counts.add_cells(&column.grid, cells);
    counts
}

pub(crate) fn count_numbers(column: &Column, values: &[f64]) -> Counts {
    let cell = |&value: &f64| if value.is_nan() { Cell::MISSING } else { Cell::number(value) };
    count_cells(column, &values.iter().map(cell).collect::<Vec<_>>())
}

pub(crate) fn count_names(column: &Column, names: &[Option<String>]) -> Counts {
    let Grid::Categorical(grid) = &column.grid else { panic!("a categorical column") };
    let code = |name: &Option<String>| {
        name.as_ref().map_or(Cell::MISSING, |name| Cell::category(grid.code_of(name.as_bytes())))
    };
    let mut counts = count_cells(column, &names.iter().map(code).collect::<Vec<_>>());
    for name in names.iter().flatten().filter(|name| grid.code_of(name.as_bytes()) == grid.unseen_code()) {
        counts.note_unseen(name, 1);
    }
    counts
}

pub(crate) fn checks(column: &Column, window: &Counts) -> Vec<Finding> {
    let findings = column_checks((column, &column.counts), window, &CheckSettings::default(), 1.0);
    for finding in &findings {
        let numbers =
            [finding.value, finding.reference, finding.noise_low, finding.noise_high, finding.effect];
        assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{finding:?}");
        assert_eq!(finding.detail.is_empty(), finding.verdict <= Verdict::Stable, "{finding:?}");
    }
    findings
}

pub(crate) fn of(findings: &[Finding], check: Check) -> &Finding {
    findings.iter().find(|finding| finding.check == check).unwrap()
}

/// How often each check said each verdict.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(pub(crate) BTreeMap<Check, [u32; 4]>);

impl Tally {
    pub(crate) fn add(&mut self, findings: &[Finding]) {
        for finding in findings {
            self.0.entry(finding.check).or_default()[finding.verdict.level() as usize] += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (check, counts) in &other.0 {
            let mine = self.0.entry(*check).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, count)| *mine += count);
        }
    }
}

/// A column of one number, so many rows of it, and so many missing.
pub(crate) fn with_missing(missing: u64, rows: u64) -> (Column, Counts) {
    let mut column = numeric(&[1.0, 2.0]);
    let counts = |missing: u64, rows: u64| {
        let mut counts = count_numbers(&numeric(&[1.0, 2.0]), &vec![1.0; (rows - missing) as usize]);
        counts.add_missing(missing);
        counts
    };
    column.counts = counts(missing, rows);
    let window = counts(0, 0);
    (column, window)
}

pub(crate) fn missing_finding(column: &Column, missing: u64, rows: u64, deff: f64) -> Finding {
    let mut window = count_numbers(column, &vec![1.0; (rows - missing) as usize]);
    window.add_missing(missing);
    let settings = CheckSettings { min_events: 1, ..CheckSettings::default() };
    let findings = column_checks((column, &column.counts), &window, &settings, deff);
    of(&findings, Check::Missing).clone()
}
