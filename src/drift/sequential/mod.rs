//! Evidence of drift that adds up over windows, and alarms within a budget.
//!
//! Why: a test of each window at 5 % gives an alarm at every second window of a
//! model of twenty features, and a strict one never sees the small drift that
//! lasts. A [`Detector`] per series (a feature of a stream or segment) gathers
//! the evidence of all windows since a change may have begun; [`alarms`] compares
//! the evidence of all series of a model at once with its [`Budget`].
//!
//! # Mathematics
//! An e-detector of the Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo,
//! "E-detectors: A Nonparametric Framework for Sequential Change Detection",
//! 2022). Some windows begin a start (`start.rs`); `X` are the rows since then. Its
//! evidence is `Q(X) / max(L(X | p), p in C)`, where
//! - `Q` is a mixture of Dirichlet-multinomials around the reference: what the
//!   rows look like when they come from somewhere else;
//! - `L` is the multinomial likelihood, and `C` holds every distribution that the
//!   reference's own sampling error leaves possible (`plausible.rs`). The
//!   reference is not taken for the truth, and its error is made only once for
//!   all windows of a start, not anew in each;
//! - once enough windows have passed without suspicion, they and the reference
//!   together leave less possible; the smaller maximum counts (`history.rs`).
//!
//! The evidence of a series is the sum over the living starts, each times its
//! stake. Only likelihood ratios enter, so nothing is said of a column's kind,
//! and a bin is as good as another.
//!
//! # What is proven
//! Let the rows of all windows and the reference come independently from one
//! distribution `p`, and let `p` lie in every set `C` that is used. Then each start is
//! bounded by a nonnegative supermartingale that begins at its stake, the first
//! `t` windows stake at most `t`, and so the mean evidence over the series of a
//! model when its first alarm comes, which by the e-BH rule is at least
//! `1 / rate`, is in expectation at most the number of windows until then: *the
//! average run length to a false alarm is at least `1 / rate` windows for the
//! model as a whole*, however its features depend on each other. Evidence that
//! is capped, forgotten, or bounded from below only lengthens it. Dividing counts
//! by a design effect of at least 1 that was fixed beforehand keeps this:
//! powers below 1 of a likelihood ratio have expectations below 1.
//!
//! # What is only measured
//! - That `p` lies in every `C`: each misses with probability 1e-4 to the order
//!   of Wilks' theorem, five of them in a series' lifetime at most. docs/false-alarms.md has the
//!   share as it happens with deciles of a sample and with rare categories.
//! - Rows that depend on each other, with their design effect.
//! - References that move (previous, rolling): the proof wants one `p` and one
//!   reference. Such a reference never gathers a history.
//!
//! # Not for
//! Windows that overlap (give a design effect of size over slide, or only the
//! panes), and seasons that the reference does not have: those are changes, and
//! are told as such.

mod alternative;
mod budget;
mod detector;
mod gamma;
mod history;
mod plausible;
mod start;

pub(crate) use alternative::log_sum_exp;
pub use budget::{Budget, alarms, log_bar};
pub use detector::{Detector, Pooled};
