//! Counts as they are stored, and what is checked when they are read back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Counts, FrequentNames,
    moments::{MAX_LEVEL, Moments, Scale, Sums},
    tally::Tally,
};
use crate::result::NamedCount;

/// The fields of [`Counts`] in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredCounts {
    bins: Vec<u64>,
    inside: (usize, usize),
    missing: u64,
    nan: u64,
    positive_infinite: u64,
    negative_infinite: u64,
    wrong_type: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    moments: Option<StoredMoments>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    unseen: Vec<NamedCount>,
}

/// Sums and extremes of a numeric column.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMoments {
    center: f64,
    unit: i32,
    range: Option<(f64, f64)>,
    levels: BTreeMap<u16, StoredSums>,
}

/// The sums of one level. They exceed the numbers of JSON, so they are text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSums {
    n: u64,
    sum: String,
    squares: String,
    #[serde(skip_serializing_if = "is_zero", default)]
    wraps: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Stored counts that contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountsError {
    /// The counters add up to more than 64 bits.
    #[error("the counters add up to more rows than 64 bits can count")]
    TooManyRows,
    /// Bins that are not there.
    #[error("the bins {0} to {1} inside the reference's range are not among the {2} bins")]
    Inside(usize, usize, usize),
    /// The sums are about another number of values than the bins.
    #[error("the moments are about {0} values and the bins about {1}")]
    Values(u64, u64),
    /// The sums of a level can't come from its number of values.
    #[error("the sums of level {0} are no sums of {1} values")]
    Sums(u16, u64),
    /// Centre, unit, smallest or largest value are no such numbers.
    #[error("the centre, unit or range of the moments is no usable number")]
    Scale,
}

impl From<Counts> for StoredCounts {
    fn from(counts: Counts) -> Self {
        Self {
            bins: counts.bins().collect(),
            inside: (counts.inside.start, counts.inside.end),
            missing: counts.missing,
            nan: counts.nan,
            positive_infinite: counts.positive_infinite,
            negative_infinite: counts.negative_infinite,
            wrong_type: counts.wrong_type,
            moments: counts.moments.as_ref().map(StoredMoments::from),
            unseen: counts.unseen_names(),
        }
    }
}

impl TryFrom<StoredCounts> for Counts {
    type Error = CountsError;

    fn try_from(stored: StoredCounts) -> Result<Self, CountsError> {
        let tally = Tally::from_bins(&stored.bins).ok_or(CountsError::TooManyRows)?;
        let unusable = [
            stored.missing,
            stored.nan,
            stored.positive_infinite,
            stored.negative_infinite,
            stored.wrong_type,
        ];
        unusable.into_iter().try_fold(tally.total(), u64::checked_add).ok_or(CountsError::TooManyRows)?;
        let (start, end) = stored.inside;
        if start >= end || end > tally.len() {
            return Err(CountsError::Inside(start, end, tally.len()));
        }
        let moments = stored.moments.map(|stored| stored.check(tally.total())).transpose()?;
        Ok(Self {
            tally,
            inside: start..end,
            missing: stored.missing,
            nan: stored.nan,
            positive_infinite: stored.positive_infinite,
            negative_infinite: stored.negative_infinite,
            wrong_type: stored.wrong_type,
            moments,
            unseen: FrequentNames::from(stored.unseen),
        })
    }
}

impl From<&Moments> for StoredMoments {
    fn from(moments: &Moments) -> Self {
        let (center, unit) = moments.scale().parts();
        let levels = moments.levels().map(|(level, sums)| (level, StoredSums::from(sums))).collect();
        Self { center, unit, range: moments.min().zip(moments.max()), levels }
    }
}

impl From<&Sums> for StoredSums {
    fn from(sums: &Sums) -> Self {
        Self { n: sums.n, sum: sums.sum.to_string(), squares: sums.squares.to_string(), wraps: sums.wraps }
    }
}

impl StoredMoments {
    fn check(self, values: u64) -> Result<Moments, CountsError> {
        let scale = Scale::from_parts(self.center, self.unit).ok_or(CountsError::Scale)?;
        let mut moments = Moments::new(scale);
        match self.range {
            Some((min, max)) if values > 0 && min.is_finite() && max.is_finite() && min <= max => {
                moments.set_range(min, max);
            }
            None if values == 0 => {}
            _ => return Err(CountsError::Scale),
        }
        let mut total = 0_u64;
        for (&level, stored) in &self.levels {
            let sums = stored.parse().filter(|sums| level <= MAX_LEVEL && sums.are_possible());
            moments.set_level(level, sums.ok_or(CountsError::Sums(level, stored.n))?);
            total = total.checked_add(stored.n).ok_or(CountsError::TooManyRows)?;
        }
        if total == values { Ok(moments) } else { Err(CountsError::Values(total, values)) }
    }
}

impl StoredSums {
    fn parse(&self) -> Option<Sums> {
        let (sum, squares) = (self.sum.parse().ok()?, self.squares.parse().ok()?);
        Some(Sums { n: self.n, sum, squares, wraps: self.wraps })
    }
}
