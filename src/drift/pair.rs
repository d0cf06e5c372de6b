//! Two histograms on the same bins: what every distance here is a function of.

/// Counts of a reference and of a window on the same bins, neither empty.
///
/// Differences of shares are formed from whole numbers, `a/m - b/n =
/// (a*n - b*m) / (m*n)` with the numerator exact, so that two histograms that
/// hardly differ have a distance with all its digits, and two with equal shares
/// have a distance of exactly zero.
#[derive(Debug, Clone, Copy)]
pub struct CountPair<'a> {
    reference: &'a [u64],
    window: &'a [u64],
    reference_total: u64,
    window_total: u64,
}

/// The counts of one bin, and the totals that they are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BinPair {
    /// Count of the reference.
    pub reference: u64,
    /// Count of the window.
    pub window: u64,
    reference_total: u64,
    window_total: u64,
}

impl<'a> CountPair<'a> {
    /// Puts two histograms side by side; `None` when they have different
    /// numbers of bins, when one of them holds nothing, or when a total does
    /// not fit 64 bits: there is no distance then.
    #[must_use]
    pub fn new(reference: &'a [u64], window: &'a [u64]) -> Option<Self> {
        let reference_total = total(reference)?;
        let window_total = total(window)?;
        let comparable = reference.len() == window.len() && reference_total > 0 && window_total > 0;
        comparable.then_some(Self { reference, window, reference_total, window_total })
    }

    /// Number of values in the reference, at least 1.
    #[must_use]
    pub fn reference_total(&self) -> u64 {
        self.reference_total
    }

    /// Number of values in the window, at least 1.
    #[must_use]
    pub fn window_total(&self) -> u64 {
        self.window_total
    }

    /// The bins in order.
    pub fn bins(&self) -> impl ExactSizeIterator<Item = BinPair> + 'a {
        let (reference_total, window_total) = (self.reference_total, self.window_total);
        self.reference.iter().zip(self.window).map(move |(&reference, &window)| BinPair {
            reference,
            window,
            reference_total,
            window_total,
        })
    }

    /// `m * n`: what scaled shares are over.
    pub(super) fn scale(&self) -> f64 {
        to_f64(product(self.reference_total, self.window_total))
    }
}

impl BinPair {
    /// Whether neither side has a value here.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.reference == 0 && self.window == 0
    }

    /// The reference's share.
    #[must_use]
    pub fn reference_share(self) -> f64 {
        share(self.reference, self.reference_total)
    }

    /// The window's share.
    #[must_use]
    pub fn window_share(self) -> f64 {
        share(self.window, self.window_total)
    }

    /// The shares of reference and window, times `m * n`: whole numbers.
    pub(super) fn scaled_shares(self) -> (u128, u128) {
        (product(self.reference, self.window_total), product(self.window, self.reference_total))
    }

    /// The scaled shares with a zero on one side replaced by that side's share
    /// of one event, or by the other side's share when that is smaller.
    pub(super) fn scaled_shares_without_zero(self) -> (u128, u128) {
        match self.scaled_shares() {
            (0, window) => (window.min(u128::from(self.window_total)), window),
            (reference, 0) => (reference, reference.min(u128::from(self.reference_total))),
            shares => shares,
        }
    }

    /// Absolute difference of the scaled shares, exact before its one rounding.
    pub(super) fn scaled_difference(self) -> f64 {
        let (reference, window) = self.scaled_shares();
        to_f64(reference.abs_diff(window))
    }
}

/// `part / whole` with one rounding; 0 of an empty whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { count_to_f64(part) / count_to_f64(whole) }
}

/// A count as a float: exact up to 2^53, rounded once beyond.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are rounded once, which no score can show"
)]
#[inline]
pub(super) fn count_to_f64(count: u64) -> f64 {
    count as f64
}

/// A product of counts as a float, rounded once.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "the one rounding that the caller's promise speaks of")]
pub(super) fn to_f64(value: u128) -> f64 {
    match i64::try_from(value) {
        Ok(small) => small as f64,
        Err(_) => large_to_f64(value),
    }
}

/// Processors convert 64 bits themselves; 128 take a call, which is kept out
/// of the loops over bins.
#[cold]
#[inline(never)]
#[expect(clippy::cast_precision_loss, reason = "as above")]
fn large_to_f64(value: u128) -> f64 {
    value as f64
}

/// The exact product of two counts.
#[inline]
pub(super) fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

fn total(counts: &[u64]) -> Option<u64> {
    // Numbers below 2^48 are added several at a time: so few of them can't
    // overflow.
    let bits = counts.iter().fold(0, |bits, count| bits | count);
    if bits < 1 << 48 && counts.len() <= 1 << 16 {
        return Some(counts.iter().sum());
    }
    counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count))
}
