//! One pass over a numeric grid for the scores of distribution functions.

use super::{
    ks::{self, KsDifferences},
    pair::{CountPair, to_f64},
    wasserstein::{Transport, TransportSum},
};

/// Where the values of one bin of a grid lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// All at one value.
    Point(f64),
    /// Somewhere in `lower < x <= upper`; bounds may be infinite.
    Interval {
        /// The lower bound, exclusive.
        lower: f64,
        /// The upper bound, inclusive.
        upper: f64,
    },
}

/// What the two distribution functions differ by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CumulativeScores {
    /// Differences at the grid's edges.
    pub ks: KsDifferences,
    /// The area between the two, in the column's own unit.
    pub transport: Transport,
}

/// Walks once over the bins of a numeric grid, from the lowest to the highest.
///
/// `span` says where the values of a bin lie; `range` is the smallest and the
/// largest value of both sides together and cuts off the parts of the outer
/// bins in which there are no values.
pub fn cumulative_scores(
    pair: &CountPair<'_>,
    range: (f64, f64),
    span: impl Fn(usize) -> Span,
) -> CumulativeScores {
    let mut ks = KsDifferences::default();
    let mut transport = TransportSum::new(range);
    let (mut reference, mut window) = (0_u128, 0_u128);
    for (index, bin) in pair.bins().enumerate() {
        if bin.is_empty() {
            continue;
        }
        let before = (reference, window);
        let (reference_part, window_part) = bin.scaled_shares();
        reference += reference_part;
        window += window_part;
        let span = span(index);
        ks.step(before, (reference, window), matches!(span, Span::Point(_)));
        let mass = to_f64(reference_part + window_part);
        transport.step(span, signed_difference(reference, window), mass);
    }
    CumulativeScores { ks, transport: transport.finish(pair.scale()) }
}

impl CumulativeScores {
    /// The Kolmogorov-Smirnov test of the differences; `scratch` is memory for
    /// the exact p-value.
    #[must_use]
    pub fn ks(&self, pair: &CountPair<'_>, scratch: &mut ks::PathScratch) -> crate::result::Ks {
        ks::test(self.ks, pair, scratch)
    }
}

fn signed_difference(reference: u128, window: u128) -> f64 {
    let size = to_f64(reference.abs_diff(window));
    if reference < window { -size } else { size }
}
