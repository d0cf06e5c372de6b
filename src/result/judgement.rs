//! What a score is held against, and what is said in the end.

use serde::{Deserialize, Serialize};

use super::Scores;

/// What is said about a distribution, a share or a number, in one window.
///
/// In ascending order of what asks for attention, so that the worst of several
/// is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too few values to tell.
    Insufficient,
    /// What equal distributions give, too.
    Stable,
    /// More than chance gives, but less than the minimum effect.
    Shifted,
    /// More than chance gives, and as large as the minimum effect.
    Drifted,
}

impl Verdict {
    /// Every verdict, in ascending order.
    pub const ALL: [Self; 4] = [Self::Insufficient, Self::Stable, Self::Shifted, Self::Drifted];

    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insufficient => "insufficient",
            Self::Stable => "stable",
            Self::Shifted => "shifted",
            Self::Drifted => "drifted",
        }
    }

    /// 0 to 3 in the order above, for thresholds in dashboards.
    #[must_use]
    pub fn level(self) -> u64 {
        self as u64
    }
}

/// The scores by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreName {
    /// Population stability index.
    Psi,
    /// Kolmogorov-Smirnov statistic (numeric only).
    Ks,
    /// Wasserstein-1 distance (numeric only).
    Wasserstein,
    /// Jensen-Shannon distance.
    JensenShannon,
    /// Hellinger distance.
    Hellinger,
    /// Total variation distance.
    TotalVariation,
    /// Largest difference of a bin's share.
    LInfinity,
    /// Chi-square statistic.
    ChiSquare,
}

impl ScoreName {
    /// Every score.
    pub const ALL: [Self; 8] = [
        Self::Psi,
        Self::Ks,
        Self::Wasserstein,
        Self::JensenShannon,
        Self::Hellinger,
        Self::TotalVariation,
        Self::LInfinity,
        Self::ChiSquare,
    ];

    /// The word in the configuration, points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Psi => "psi",
            Self::Ks => "ks",
            Self::Wasserstein => "wasserstein",
            Self::JensenShannon => "jensen_shannon",
            Self::Hellinger => "hellinger",
            Self::TotalVariation => "total_variation",
            Self::LInfinity => "l_infinity",
            Self::ChiSquare => "chi_square",
        }
    }
}

/// One value per score, in the score's own unit: for instance what equal
/// distributions exceed once in a thousand windows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct NoisePoints {
    /// Of the population stability index.
    pub psi: Option<f64>,
    /// Of the Kolmogorov-Smirnov statistic.
    pub ks: Option<f64>,
    /// Of the Wasserstein-1 distance.
    pub wasserstein: Option<f64>,
    /// Of the Jensen-Shannon distance.
    pub jensen_shannon: Option<f64>,
    /// Of the Hellinger distance.
    pub hellinger: Option<f64>,
    /// Of the total variation distance.
    pub total_variation: Option<f64>,
    /// Of the largest difference of a bin's share.
    pub l_infinity: Option<f64>,
    /// Of the chi-square statistic.
    pub chi_square: Option<f64>,
}

impl NoisePoints {
    /// The value of one score.
    #[must_use]
    pub fn of(&self, score: ScoreName) -> Option<f64> {
        match score {
            ScoreName::Psi => self.psi,
            ScoreName::Ks => self.ks,
            ScoreName::Wasserstein => self.wasserstein,
            ScoreName::JensenShannon => self.jensen_shannon,
            ScoreName::Hellinger => self.hellinger,
            ScoreName::TotalVariation => self.total_variation,
            ScoreName::LInfinity => self.l_infinity,
            ScoreName::ChiSquare => self.chi_square,
        }
    }
}

impl Scores {
    /// The value of one score.
    #[must_use]
    pub fn of(&self, score: ScoreName) -> Option<f64> {
        match score {
            ScoreName::Psi => Some(self.psi),
            ScoreName::Ks => self.ks.map(|test| test.statistic),
            ScoreName::Wasserstein => self.wasserstein,
            ScoreName::JensenShannon => Some(self.jensen_shannon),
            ScoreName::Hellinger => Some(self.hellinger),
            ScoreName::TotalVariation => Some(self.total_variation),
            ScoreName::LInfinity => Some(self.l_infinity),
            ScoreName::ChiSquare => self.chi_square.map(|test| test.statistic),
        }
    }
}
