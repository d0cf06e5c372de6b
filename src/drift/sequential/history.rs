//! What windows without drift add to the reference.

use serde::{Deserialize, Serialize};

use super::{detector::MOST_WINDOWS, start::is_count};

/// Windows after which the rows so far become part of the baseline; a week, four
/// weeks, … of hours.
const SIZES: [u64; 4] = [168, 672, 2_688, 10_752];

/// The windows since the reference, or since the last suspicion of drift.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    gathered: Pool,
    baseline: Option<Pool>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    windows: u64,
    counts: Vec<f64>,
}

impl History {
    /// Rows that were added to the reference's for good.
    pub(super) fn baseline(&self) -> Option<&[f64]> {
        self.baseline.as_ref().map(|pool| pool.counts.as_slice())
    }

    /// Adds a window without suspicion.
    pub(super) fn add(&mut self, counts: &[f64]) {
        self.gathered.windows += 1;
        self.gathered.counts.resize(counts.len(), 0.0);
        self.gathered.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let larger = self.baseline.as_ref().is_none_or(|pool| pool.windows < self.gathered.windows);
        if larger && SIZES.contains(&self.gathered.windows) {
            self.baseline = Some(self.gathered.clone());
        }
    }

    /// Whether what was read back can be added to.
    pub(super) fn fits(&self, bins: usize) -> bool {
        let fits = |pool: &Pool| {
            pool.windows <= MOST_WINDOWS
                && (pool.counts.is_empty() || pool.counts.len() == bins)
                && pool.counts.iter().all(|count| is_count(*count))
        };
        fits(&self.gathered) && self.baseline.iter().all(fits)
    }

    /// Begins to gather anew; the baseline stays.
    pub(super) fn suspect(&mut self) {
        self.gathered = Pool::default();
    }
}
