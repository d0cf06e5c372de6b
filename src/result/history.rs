//! What a window says together with the windows before it.
//!
//! Everything here rests on a memory of earlier windows, which is in the
//! checkpoint: a daemon that begins without one begins these anew, and
//! `windows` says how many they rest on.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// The evidence that one column, of all rows or of one segment, is no longer
/// like its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The column.
    pub feature: String,
    /// The feature whose value makes the segment; `None` for all rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segment: Option<SegmentName>,
    /// Logarithm to base 10 of the e-value: how many times better the windows
    /// so far fit a change than the reference.
    pub log10: f64,
    /// What `log10` has to reach for an alarm within the model's budget of
    /// false alarms, if no other column is in alarm.
    pub threshold: f64,
    /// Whether the evidence is an alarm.
    pub alarm: bool,
    /// The population stability index of the recent windows together, less what
    /// noise adds to it; `None` before there is any.
    pub effect: Option<f64>,
    /// `Stable` without an alarm; with one, `Shifted` or `Drifted` by the
    /// effect; `Insufficient` before the first window.
    pub verdict: Verdict,
    /// Windows that the evidence rests on.
    pub windows: u64,
}

/// Which segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentName {
    /// The feature.
    pub feature: String,
    /// Its value.
    pub value: String,
}

/// A window beside another reference than the model's fixed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// As the configuration names it, such as `previous` or `rolling-7d`.
    pub reference: String,
    /// What the reference is made of, where that is not plain.
    pub detail: String,
    /// One entry per column, in the order of the model's reference.
    pub features: Vec<ComparedFeature>,
}

/// One column beside such a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedFeature {
    /// The column.
    pub feature: String,
    /// What is said.
    pub verdict: Verdict,
    /// Usable values of the column in the reference.
    pub reference_n: u64,
    /// Population stability index on the model's cut.
    pub psi: Option<f64>,
    /// What equal distributions exceed once in a thousand windows.
    pub noise: Option<f64>,
    /// `psi` less what noise adds.
    pub effect: Option<f64>,
}
