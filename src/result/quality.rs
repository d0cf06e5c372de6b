//! What distances between distributions do not see.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Share of rows without a value.
    Missing,
    /// Share of rows with NaN or an infinity.
    Invalid,
    /// Share of rows with a value of another type.
    Type,
    /// Share of values that the reference never saw.
    Unseen,
    /// Shares of single categories, rare ones above all.
    RareCategory,
    /// One value in every row, where the reference varies.
    Constant,
    /// One value in far too many rows.
    Stuck,
    /// Values off by a constant factor or offset.
    Unit,
    /// Number of different values.
    Cardinality,
    /// Events per window.
    Volume,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Invalid,
        Self::Type,
        Self::Unseen,
        Self::RareCategory,
        Self::Constant,
        Self::Stuck,
        Self::Unit,
        Self::Cardinality,
        Self::Volume,
    ];

    /// Place among checks that say equally bad things, the one that explains
    /// the others first: in another unit, values are outside the range, too.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Volume => 0,
            Self::Unit => 1,
            Self::Type => 2,
            Self::Missing => 3,
            Self::Invalid => 4,
            Self::Constant => 5,
            Self::Unseen => 6,
            Self::Stuck => 7,
            Self::RareCategory => 8,
            Self::Cardinality => 9,
        }
    }

    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Type => "type",
            Self::Unseen => "unseen",
            Self::RareCategory => "rare_category",
            Self::Constant => "constant",
            Self::Stuck => "stuck",
            Self::Unit => "unit",
            Self::Cardinality => "cardinality",
            Self::Volume => "volume",
        }
    }
}

/// What one check says about one column, or about a whole window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What is said.
    pub verdict: Verdict,
    /// What the window has: a share, a count or a factor, by the check.
    pub value: Option<f64>,
    /// What the reference has of it.
    pub reference: Option<f64>,
    /// With a window like the reference, `value` is below this once in two
    /// thousand windows; `None` where there is no such point.
    pub noise_low: Option<f64>,
    /// With a window like the reference, `value` is above this once in two
    /// thousand windows; `None` where there is no such point.
    pub noise_high: Option<f64>,
    /// How large the change is; a ratio unless the check says otherwise.
    pub effect: Option<f64>,
    /// What a person would want to be told; empty when there is nothing to tell.
    pub detail: String,
}
