//! Quantiles and means of weighted draws.

/// A score of many draws, each with its weight; weights are 1 on average.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawn(Vec<(f64, f64)>);

impl Drawn {
    pub(super) fn push(&mut self, score: f64, weight: f64) {
        self.0.push((score, weight));
    }

    /// The smallest drawn score that is exceeded with a probability of at most
    /// `level`; `None` without draws, or when it is not finite.
    ///
    /// A score of counts takes few values, and one value by several paths with
    /// different last bits: the result is raised by a few of these, so that a
    /// score equal to it doesn't exceed it.
    pub(super) fn point(&mut self, level: f64) -> Option<f64> {
        let allowed = level * count(self.0.len());
        self.0.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut exceeding = 0.0;
        let mut point = self.0.first()?.0;
        for equal in self.0.chunk_by(|a, b| a.0 - b.0 <= LAST_BITS * a.0.abs()) {
            if exceeding > allowed {
                break;
            }
            point = equal.first()?.0;
            exceeding += equal.iter().map(|(_, weight)| weight).sum::<f64>();
        }
        let raised = point * (1.0 + LAST_BITS);
        raised.is_finite().then_some(raised)
    }

    pub(super) fn mean(&self) -> Option<f64> {
        self.mean_of(|score| score)
    }

    pub(super) fn root_mean_square(&self) -> Option<f64> {
        self.mean_of(|score| score * score).map(f64::sqrt)
    }

    fn mean_of(&self, value: impl Fn(f64) -> f64) -> Option<f64> {
        // By the sum of the weights: a constant has itself as mean.
        let weights: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        let sum: f64 = self.0.iter().map(|&(score, weight)| value(score) * weight).sum();
        let mean = sum / weights;
        mean.is_finite().then_some(mean)
    }
}

/// Scores this near to each other, relatively, are one.
const LAST_BITS: f64 = 1e-12;

#[expect(clippy::cast_precision_loss, reason = "a number of draws or bins, far below 2^53")]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}
