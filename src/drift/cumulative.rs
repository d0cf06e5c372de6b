//! One pass over a numeric grid for the scores of distribution functions.

use super::{
    ks::{self, KsDifferences},
    pair::{CountPair, count_to_f64},
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
///
/// The distribution functions are kept times `m * n`, which makes them whole
/// numbers: while `m * n` is below 2^53, about 9e15, differences are exact, and
/// beyond off by at most 2^-52.
pub fn cumulative_scores(
    pair: &CountPair<'_>,
    range: (f64, f64),
    span: impl Fn(usize) -> Span,
) -> CumulativeScores {
    let (m, n) = (count_to_f64(pair.reference_total()), count_to_f64(pair.window_total()));
    // A product instead of a quotient a bin: the area rounds anyway.
    let unit = 1.0 / pair.scale();
    let mut ks = KsDifferences::default();
    let mut transport = TransportSum::new(range);
    let (mut reference, mut window) = (0, 0);
    let mut before = (0.0, 0.0);
    for (index, bin) in pair.bins().enumerate() {
        if bin.is_empty() {
            continue;
        }
        reference += bin.reference;
        window += bin.window;
        let after = (count_to_f64(reference) * n, count_to_f64(window) * m);
        let span = span(index);
        ks.step(before, after, matches!(span, Span::Point(_)));
        let mass = (after.0 - before.0) + (after.1 - before.1);
        transport.step(span, (after.0 - after.1) * unit, mass * unit);
        before = after;
    }
    CumulativeScores { ks, transport: transport.finish() }
}

impl CumulativeScores {
    /// The Kolmogorov-Smirnov test of the differences; `scratch` is memory for
    /// the exact p-value.
    #[must_use]
    pub fn ks(&self, pair: &CountPair<'_>, scratch: &mut ks::PathScratch) -> crate::result::Ks {
        ks::test(self.ks, pair, scratch)
    }
}
