//! How far windows stray from the rows that they are compared with, measured in
//! what independent rows would give.
//!
//! Why: rows of a stream come in runs and with the hour of the day. A window of
//! 1,000 such rows tells as much as one of 100 independent rows, and every test
//! that takes it for 1,000 raises false alarms. The **design effect** is that
//! factor (Kish, "Survey Sampling", 1965): sizes divided by it can be put into
//! the formulas for independent rows.
//!
//! Promises: the ratio of a window is 1 on average when its rows are a random
//! part of both sides together, whatever the sizes, the shares and the number of
//! rare bins. A design effect is finite and at least 1.

use serde::{Deserialize, Serialize};

/// Expected values of a window below which a bin is counted together with the
/// other small ones: a single row would decide otherwise.
const SMALLEST_EXPECTED: f64 = 2.0;
/// From so many times what independent rows give, the population stability
/// index is looked at, too: far from equality it grows faster than chi-square.
const FAR: f64 = 2.0;
/// Windows from which a stream's own past is enough.
const ENOUGH_WINDOWS: u32 = 100;
/// What is known beforehand about the scatter of a column's windows, in windows.
const PRIOR_WINDOWS: f64 = 10.0;
/// A normal variable exceeds it once in a thousand.
const Z_NOISE: f64 = 3.090_232_306_167_813_5;
/// A normal variable exceeds it once in twenty.
const Z_TWENTIETH: f64 = 1.644_853_626_951_472_6;

/// How far one window is from other rows: 1 is what independent rows give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// Of the shares of the bins: Pearson's chi-square distance.
    pub shares: f64,
    /// Of the distribution functions at the bins' bounds: the mean square
    /// difference (after Cramer and von Mises). A slow wave moves these more
    /// than single shares.
    pub cumulative: f64,
}

/// Compares a window's counts with those of other rows on the same bins, in the
/// order of the values where they have one.
///
/// Given the two together, the window of `n` of `N` random rows has
/// hypergeometric counts with variance `n p (1 - p) (N - n)/(N - 1)`; summed and
/// divided by its own expectation, the ratio has mean 1 exactly. `None` when one
/// side is empty, or fewer than two bins can be told apart.
#[must_use]
pub fn ratio(window: &[u64], others: &[u64]) -> Option<Ratio> {
    let (n, m): (u64, u64) = (window.iter().sum(), others.iter().sum());
    if n == 0 || m == 0 || window.len() != others.len() {
        return None;
    }
    let (n, m) = (float(n), float(m));
    let total = n + m;
    let mut shares = Shares { n, m, ..Shares::default() };
    let mut small = (0.0, 0.0);
    let mut functions = (0.0, 0.0);
    let (mut squares, mut expected) = (0.0, 0.0);
    for (&x, &r) in window.iter().zip(others) {
        let (x, r) = (float(x), float(r));
        if (x + r) * n / total >= SMALLEST_EXPECTED {
            shares.add(x, r);
        } else {
            small = (small.0 + x, small.1 + r);
        }
        functions = (functions.0 + x, functions.1 + r);
        let pooled = (functions.0 + functions.1) / total;
        let difference = functions.0 / n - functions.1 / m;
        squares += difference * difference;
        expected += pooled * (1.0 - pooled);
    }
    if (small.0 + small.1) * n / total >= SMALLEST_EXPECTED {
        shares.add(small.0, small.1);
    }
    // Variance of a difference of shares of two parts of `total` rows.
    let unit = (1.0 / n + 1.0 / m) * total / (total - 1.0);
    let cumulative = squares / (expected * unit);
    let shares = shares.ratio(unit)?;
    cumulative.is_finite().then_some(Ratio { shares, cumulative })
}

/// Sums over the bins that are large enough.
#[derive(Default)]
struct Shares {
    n: f64,
    m: f64,
    bins: f64,
    /// Share of all rows that they hold.
    covered: f64,
    chi_square: f64,
    stability: f64,
}

impl Shares {
    fn add(&mut self, x: f64, r: f64) {
        let difference = x / self.n - r / self.m;
        let pooled = (x + r) / (self.n + self.m);
        self.bins += 1.0;
        self.covered += pooled;
        self.chi_square += difference * difference / pooled;
        // As in the index itself, nothing stands for one row.
        let q = if x > 0.0 { x / self.n } else { (1.0 / self.n).min(r / self.m) };
        let p = if r > 0.0 { r / self.m } else { (1.0 / self.m).min(x / self.n) };
        self.stability += (p - q) * (p / q).ln();
    }

    fn ratio(&self, unit: f64) -> Option<f64> {
        // Each bin's term has the mean `1 - p`.
        let expected = unit * (self.bins - self.covered);
        if self.bins < 2.0 {
            return None;
        }
        let (near, far) = (self.chi_square / expected, self.stability / expected);
        let ratio = if near > FAR { near.max(far) } else { near };
        ratio.is_finite().then_some(ratio)
    }
}

/// By what the sizes of a window and of what it is compared with are to be
/// divided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesignEffect {
    /// Windows that it was measured on.
    pub windows: u32,
    /// Rows of the largest of them.
    pub largest: u64,
    /// Plain mean of the windows' ratios, for people: an estimate of how many
    /// rows carry the information of one independent row.
    pub mean: f64,
    /// For scores of the bins' shares: with sizes divided by it, the value that
    /// independent rows exceed once in a thousand windows is one that these
    /// windows exceed as rarely. At least 1.
    pub shares: f64,
    /// The same for scores of distribution functions, Kolmogorov-Smirnov and
    /// Wasserstein. At least 1.
    pub cumulative: f64,
}

impl DesignEffect {
    /// Of the cube roots of windows' ratios, some of which may be of windows
    /// that drifted, with these degrees of freedom.
    pub(crate) fn robust(
        shares: &mut [f64],
        cumulative: &mut [f64],
        degrees: Ratio,
        largest: u64,
    ) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "the past has few windows")]
        let mean = shares.iter().map(|root| root.powi(3)).sum::<f64>() / shares.len().max(1) as f64;
        Some(Self {
            windows: u32::try_from(shares.len()).unwrap_or(u32::MAX),
            largest,
            mean,
            shares: Roots::robust(shares)?.design_effect(degrees.shares),
            cumulative: Roots::robust(cumulative)?.design_effect(degrees.cumulative),
        })
    }

    /// The larger of the two, where only one number will do.
    #[must_use]
    pub fn largest_effect(&self) -> f64 {
        self.shares.max(self.cumulative)
    }

    /// These effects for a window of `n` rows.
    ///
    /// Season moves all rows of a window together, so that its effect grows with
    /// the window's size: `1 + (n - 1) rho` (Kish, 1965). Up to the largest
    /// window that was seen nothing is changed, beyond it they grow like that.
    #[must_use]
    pub fn for_rows(&self, n: u64) -> Self {
        let factor = (float(n) / float(self.largest.max(1))).max(1.0);
        let grown = |effect: f64| 1.0 + (effect - 1.0) * factor;
        Self {
            mean: 1.0 + (self.mean - 1.0).max(0.0) * factor,
            shares: grown(self.shares),
            cumulative: grown(self.cumulative),
            ..*self
        }
    }

    /// What counts for a moving reference, of what a stream's past says and of
    /// what the fixed reference's calibration says: the past, from a hundred
    /// windows on; the larger effects of the two below, since the upper tail of
    /// twenty windows is nearly a guess; whichever there is where there is one.
    #[must_use]
    pub fn of_past(past: Option<Self>, calibration: Option<Self>) -> Option<Self> {
        match (past, calibration) {
            (Some(past), Some(known)) if past.windows < ENOUGH_WINDOWS => Some(Self {
                windows: past.windows.max(known.windows),
                largest: past.largest.max(known.largest),
                mean: past.mean.max(known.mean),
                shares: past.shares.max(known.shares),
                cumulative: past.cumulative.max(known.cumulative),
            }),
            (past, calibration) => past.or(calibration),
        }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.windows > 0
            && self.largest > 0
            && (0.0..=f64::MAX).contains(&self.mean)
            && (1.0..=f64::MAX).contains(&self.shares)
            && (1.0..=f64::MAX).contains(&self.cumulative)
    }
}

/// Degrees of freedom of the two ratios of a column with these counts: the
/// number of squares of independent normal variables that have the same mean
/// and variance (Satterthwaite, "An Approximate Distribution of Estimates of
/// Variance Components", 1946). `None` with fewer than two bins in use.
#[must_use]
pub fn degrees(counts: &[u64]) -> Option<Ratio> {
    let total = float(counts.iter().sum());
    let used: Vec<f64> = counts.iter().filter(|&&count| count > 0).map(|&count| float(count)).collect();
    if used.len() < 2 {
        return None;
    }
    let functions: Vec<f64> = used
        .iter()
        .scan(0.0, |sum, count| {
            *sum += count / total;
            Some(sum.min(1.0))
        })
        .collect();
    let (mut trace, mut squares) = (0.0, 0.0);
    for (index, &low) in functions.iter().enumerate() {
        let own = low * (1.0 - low);
        trace += own;
        squares += own * own;
        // Covariance of the two functions: that of a Brownian bridge.
        squares +=
            functions.iter().skip(index + 1).map(|high| 2.0 * (low * (1.0 - high)).powi(2)).sum::<f64>();
    }
    #[expect(clippy::cast_precision_loss, reason = "a cut has few bins")]
    let shares = used.len() as f64 - 1.0;
    Some(Ratio { shares, cumulative: (trace * trace / squares).max(1.0) })
}

/// Cube roots of the ratios of windows: of a variable that is distributed as a
/// multiple of a chi-square one, they are nearly normal, whatever the multiple
/// and the degrees of freedom (Wilson and Hilferty, "The Distribution of
/// Chi-Square", 1931). So season, runs and heavy tails can be told from their
/// centre and spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Roots {
    /// Their number, less one for every centre that was taken out.
    pub(super) free: f64,
    pub(super) center: f64,
    pub(super) spread: f64,
}

impl Roots {
    /// Mean and standard deviation: for windows that are known to be good.
    pub(super) fn of(roots: &[f64], free: f64) -> Self {
        let count = float(roots.len() as u64);
        let center = roots.iter().sum::<f64>() / count;
        let squares: f64 = roots.iter().map(|root| (root - center).powi(2)).sum();
        Self { free, center, spread: (squares / count).sqrt() }
    }

    /// Median, and distance to the upper twentieth: for windows of which some may
    /// have drifted, since one that did must not hide the next.
    pub(super) fn robust(roots: &mut [f64]) -> Option<Self> {
        let last = roots.len().checked_sub(1)?;
        let (middle, top) = (last / 2, last * 19 / 20);
        let (_, &mut center, above) = roots.select_nth_unstable_by(middle, f64::total_cmp);
        let upper = match top.checked_sub(middle + 1) {
            Some(rank) if rank < above.len() => *above.select_nth_unstable_by(rank, f64::total_cmp).1,
            _ => center,
        };
        Some(Self { free: float(last as u64), center, spread: (upper - center) / Z_TWENTIETH })
    }

    /// The design effect at the noise point of a ratio with so many degrees of
    /// freedom: what the next window exceeds once in a thousand, as a multiple
    /// of what it would be for independent rows.
    ///
    /// A prediction limit, which is wider the fewer windows there are; beside
    /// the spread that was seen, the one that follows from the degrees of freedom
    /// counts as much as [`PRIOR_WINDOWS`] windows.
    pub(super) fn design_effect(&self, degrees: f64) -> f64 {
        let h = 2.0 / (9.0 * degrees);
        let natural = self.center * h.sqrt() / (1.0 - h);
        let free = PRIOR_WINDOWS + self.free;
        let variance = (PRIOR_WINDOWS * natural * natural + self.free * self.spread * self.spread) / free;
        let width = t_noise(free) * (variance * (1.0 + 1.0 / (self.free + 1.0))).sqrt();
        let limit = (self.center + width) / (1.0 - h + Z_NOISE * h.sqrt());
        limit.powi(3).clamp(1.0, f64::MAX)
    }
}

/// What Student's t exceeds once in a thousand, for ten degrees of freedom or
/// more, within 0.1 % (Abramowitz and Stegun, "Handbook of Mathematical
/// Functions", 1964, 26.7.5).
fn t_noise(degrees: f64) -> f64 {
    let z = Z_NOISE;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    let [first, second, third] = terms.map(|term| term / degrees);
    z + first + (second + third / degrees) / degrees
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 rows a ratio may be off by its last bit")]
fn float(count: u64) -> f64 {
    count as f64
}
