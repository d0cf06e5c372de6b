//! One number per bin, as narrow as the total allows.

use std::ops::Range;

/// Counts of bins: four bytes each until the total no longer fits, then eight.
///
/// No bin can exceed the total, so checking the total once per batch is enough
/// for none to overflow; and since the width follows from the total, equal
/// counts have equal representations, however they came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    total: u64,
    bins: Bins,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bins {
    Narrow(Box<[u32]>),
    Wide(Box<[u64]>),
}

impl Tally {
    pub(super) fn new(bins: usize) -> Self {
        Self { total: 0, bins: Bins::Narrow(vec![0; bins].into_boxed_slice()) }
    }

    /// `None` when the sum of the bins exceeds 64 bits.
    pub(super) fn from_bins(bins: &[u64]) -> Option<Self> {
        let total = bins.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count))?;
        let narrow: Result<Box<[u32]>, _> = bins.iter().map(|&count| u32::try_from(count)).collect();
        let bins = match narrow {
            Ok(narrow) if u32::try_from(total).is_ok() => Bins::Narrow(narrow),
            _ => Bins::Wide(bins.into()),
        };
        Some(Self { total, bins })
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn len(&self) -> usize {
        match &self.bins {
            Bins::Narrow(bins) => bins.len(),
            Bins::Wide(bins) => bins.len(),
        }
    }

    /// Adds one to each of `bins`, which must be this tally's.
    #[inline]
    pub(super) fn add(&mut self, bins: impl ExactSizeIterator<Item = usize>) {
        self.expect(bins.len() as u64);
        match &mut self.bins {
            Bins::Narrow(counts) => bins.for_each(|bin| {
                if let Some(count) = counts.get_mut(bin) {
                    *count += 1;
                }
            }),
            Bins::Wide(counts) => bins.for_each(|bin| {
                if let Some(count) = counts.get_mut(bin) {
                    *count += 1;
                }
            }),
        }
    }

    /// Adds a tally of as many bins whose total fits.
    pub(super) fn merge(&mut self, other: &Self) {
        self.expect(other.total);
        match (&mut self.bins, &other.bins) {
            (Bins::Narrow(mine), Bins::Narrow(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
            }
            (Bins::Wide(mine), Bins::Narrow(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += u64::from(*theirs));
            }
            (Bins::Wide(mine), Bins::Wide(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
            }
            // The total is at least the other's, which is too large for this.
            (Bins::Narrow(_), Bins::Wide(_)) => {}
        }
    }

    /// Makes room for `more` to come and counts them in.
    fn expect(&mut self, more: u64) {
        self.total += more;
        if let Bins::Narrow(bins) = &self.bins
            && u32::try_from(self.total).is_err()
        {
            self.bins = Bins::Wide(bins.iter().map(|&count| u64::from(count)).collect());
        }
    }

    /// Sets everything to zero and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.total = 0;
        match &mut self.bins {
            Bins::Narrow(bins) => bins.fill(0),
            Bins::Wide(bins) => self.bins = Bins::Narrow(vec![0; bins.len()].into_boxed_slice()),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let (narrow, wide): (&[u32], &[u64]) = match &self.bins {
            Bins::Narrow(bins) => (bins, &[]),
            Bins::Wide(bins) => (&[], bins),
        };
        narrow.iter().map(|&count| u64::from(count)).chain(wide.iter().copied())
    }

    /// Appends the bins to `out`.
    pub(super) fn copy_to(&self, out: &mut Vec<u64>) {
        match &self.bins {
            Bins::Narrow(bins) => out.extend(bins.iter().map(|&count| u64::from(count))),
            Bins::Wide(bins) => out.extend_from_slice(bins),
        }
    }

    /// Sum of the bins in `range`.
    pub(super) fn sum_of(&self, range: Range<usize>) -> u64 {
        match &self.bins {
            Bins::Narrow(bins) => {
                bins.get(range).unwrap_or_default().iter().map(|&count| u64::from(count)).sum()
            }
            Bins::Wide(bins) => bins.get(range).unwrap_or_default().iter().sum(),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.bins {
            Bins::Narrow(bins) => size_of_val::<[u32]>(bins),
            Bins::Wide(bins) => size_of_val::<[u64]>(bins),
        }
    }
}
