//! A coarser grid: the few bins that histogram scores and pictures use.

use serde::{Deserialize, Serialize};

/// For every bin of a grid the bin of the cut that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    of_bin: Vec<u32>,
    labels: Vec<String>,
}

impl Cut {
    /// Number of bins of the cut.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.labels.len()
    }

    /// The intervals or categories, for people.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Sums the counts of a grid's bins into `out`, which is cleared first.
    pub fn sum_into(&self, bins: impl Iterator<Item = u64>, out: &mut Vec<u64>) {
        out.clear();
        out.resize(self.labels.len(), 0);
        for (count, &bin) in bins.zip(&self.of_bin) {
            if let Some(sum) = out.get_mut(bin as usize) {
                *sum += count;
            }
        }
    }
}
