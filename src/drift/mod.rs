//! Distances between a window's counts and its reference's.
//!
//! Why: every score is a pure function of two histograms of whole numbers on
//! the same bins ([`CountPair`]), so a fixed reference, the previous window or
//! another arm are all the same operation, and what was counted in any order
//! gives the same bits. One file per family holds the formula with its source,
//! its bias and when not to use it; docs/scores.md has them side by side.
//!
//! Promises: a score is finite or absent, exactly zero (for a test: p-value 1)
//! when the shares are equal, and symmetric in its two sides but for the unit of
//! the Wasserstein distance. No score looks at values, only at counts on bins
//! that the reference fixed, so one far outlier changes the Kolmogorov-Smirnov
//! statistic by at most `1/n`, and the histogram scores by `O(1/n)`.
//!
//! Refuses to judge: whether a score is noise depends on both sample sizes; the
//! null distributions are in the documentation of each.

pub mod checks;
mod chi_square;
mod cumulative;
mod hellinger;
mod jensen_shannon;
mod judge;
mod ks;
mod l_infinity;
pub mod moving;
pub mod noise;
mod pair;
mod psi;
mod scorer;
pub mod sequential;
mod settings;
mod total_variation;
mod wasserstein;

pub(crate) use checks::upper_normal_quantile;
pub use chi_square::chi_square;
pub use cumulative::{CumulativeScores, Span, cumulative_scores};
pub use hellinger::hellinger_distance;
pub use jensen_shannon::jensen_shannon_distance;
pub use judge::{Against, ColumnJudge};
pub use ks::{EXACT_P_VALUE_CELLS, KsDifferences, PathScratch};
pub use l_infinity::l_infinity;
pub use pair::{BinPair, CountPair};
pub use psi::population_stability_index;
pub use scorer::Scorer;
pub(crate) use sequential::log_sum_exp;
pub use settings::DriftSettings;
pub use total_variation::total_variation;
pub use wasserstein::Transport;
