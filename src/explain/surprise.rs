//! Which events of a window are the strangest.
//!
//! Why: an alert says that something has changed; a few events that show it are
//! easier to look at than shares.
//!
//! How: for each feature, the share of the reference whose value is at least as
//! unusual as the event's, and the sum of their negative logarithms over the
//! features (Fisher, "Statistical methods for research workers", 1925, combines
//! tests so). Unusual is, of a number, how far out it lies on the nearer side,
//! twice; of a category, how rare it is; of a value that is none (missing, NaN,
//! of the wrong type), how rare these are. A share is never less than half an
//! event of the reference, so that no one value outweighs everything.
//!
//! Promises: the same rows give the same events, whatever their order; ties are
//! broken by the hash of the event's id.
//!
//! Refuses: to see what features do together: an event is strange by its single
//! values only. Not a test: features are not independent.

use crate::{
    profile::{Cell, Counts, Grid, RowSample},
    reference::{Column, ColumnRole, Reference},
};

/// What is known of every column's values.
#[derive(Debug, Clone)]
pub struct Surprise {
    columns: usize,
    features: Vec<FeatureSurprise>,
}

#[derive(Debug, Clone)]
struct FeatureSurprise {
    name: String,
    column: usize,
    grid: Grid,
    /// Of every bin of the grid, −log of the share as least as unusual.
    of_bin: Vec<f64>,
    missing: f64,
    invalid: f64,
}

/// An event and how strange it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrangeEvent {
    /// The hash of its id.
    pub hash: u64,
    /// Sum of the features' surprise, in nats.
    pub surprise: f64,
}

impl Surprise {
    /// Of the features of `reference`.
    #[must_use]
    pub fn new(reference: &Reference) -> Self {
        let features = reference.columns.iter().enumerate();
        let features = features.filter(|(_, column)| column.role == ColumnRole::Feature);
        Self {
            columns: reference.columns.len(),
            features: features.map(|(place, column)| FeatureSurprise::new(place, column)).collect(),
        }
    }

    /// The `most` strangest whole rows of a sample, the strangest first: by all
    /// features, or by the one of this name. None of another reference's sample
    /// or by a feature that is not there.
    #[must_use]
    pub fn strangest(&self, sample: &RowSample, feature: Option<&str>, most: usize) -> Vec<StrangeEvent> {
        if !sample.fits(self.columns) {
            return Vec::new();
        }
        let looked_at: Vec<&FeatureSurprise> =
            self.features.iter().filter(|known| feature.is_none_or(|name| known.name == name)).collect();
        if looked_at.is_empty() {
            return Vec::new();
        }
        let of_row = |(hash, cells): (u64, &[Cell])| {
            let surprises = looked_at.iter().map(|feature| feature.of(*cells.get(feature.column)?));
            Some(StrangeEvent { hash, surprise: surprises.sum::<Option<f64>>()? })
        };
        let mut events: Vec<StrangeEvent> = sample.rows().filter_map(of_row).collect();
        events.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then_with(|| a.hash.cmp(&b.hash)));
        events.truncate(most);
        events
    }
}

impl FeatureSurprise {
    #[expect(clippy::cast_precision_loss, reason = "a share may be off by a 2^-53rd")]
    fn new(place: usize, column: &Column) -> Self {
        let counts = &column.counts;
        let rows = (counts.rows() as f64).max(1.0);
        let surprise = |unusual: u64| -((unusual as f64).max(0.5) / rows).min(1.0).ln();
        let of_bin = match &column.grid {
            Grid::Numeric(_) => tails(counts),
            Grid::Categorical(_) => as_rare(counts),
        };
        Self {
            name: column.name.clone(),
            column: place,
            grid: column.grid.clone(),
            of_bin: of_bin.into_iter().map(surprise).collect(),
            missing: surprise(counts.missing()),
            invalid: surprise(counts.invalid()),
        }
    }

    /// `None` when the feature is absent.
    fn of(&self, cell: Cell) -> Option<f64> {
        if cell.is_absent() {
            return None;
        }
        let of_bin = self.grid.bin_of(cell).and_then(|bin| self.of_bin.get(bin));
        let of_none = if cell == Cell::MISSING { self.missing } else { self.invalid };
        Some(of_bin.copied().unwrap_or(of_none))
    }
}

/// Of every bin, twice the values in it and beyond it on the nearer side.
fn tails(counts: &Counts) -> Vec<u64> {
    let total = counts.valid();
    let mut before = 0;
    let tail = |count| {
        let below = before + count;
        let above = total - before;
        before = below;
        (2 * below.min(above)).min(total)
    };
    counts.bins().map(tail).collect()
}

/// Of every bin, the values in bins that hold no more than it.
fn as_rare(counts: &Counts) -> Vec<u64> {
    let bins: Vec<u64> = counts.bins().collect();
    let mut sorted = bins.clone();
    sorted.sort_unstable();
    let sums: Vec<u64> = sorted
        .iter()
        .scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
        .collect();
    let up_to = |count: &u64| {
        let place = sorted.partition_point(|other| other <= count);
        place.checked_sub(1).and_then(|place| sums.get(place)).copied().unwrap_or(0)
    };
    bins.iter().map(up_to).collect()
}
