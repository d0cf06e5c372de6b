//! Bounds that hold at all times together: asymptotic confidence sequences.
//!
//! Why: whoever looks at a test of fixed size every minute sees a "significant"
//! difference sooner or later; at 60 looks in every third experiment without any.
//! A confidence sequence covers the truth at all looks together with the promised
//! probability, so that it may be looked at whenever one likes and the experiment
//! may end whenever it says something.
//!
//! The bounds are those of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
//! (Time-uniform central limit theory and asymptotic confidence sequences, Annals
//! of Statistics 52, 2024), equation 9: a normal mixture over the effect, tightest
//! at a planned number of observations. That is the bound of Robbins, and of mSPRT
//! with another parameter.
//!
//! When not to use it: below some hundred observations, or with so few events that
//! the sum isn't nearly normal: whoever calls keeps to minimum counts
//! (`judge.rs`), and rates have [`super::rate_ratio`].

/// A sequence that is the tightest around a planned number of observations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceSequence {
    alpha: f64,
    /// The parameters of the mixture, for two sides and for one.
    two_sided: f64,
    one_sided: f64,
}

/// An estimate, as far as bounds need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimated difference.
    pub difference: f64,
    /// Its standard error, above 0.
    pub std_error: f64,
    /// Independent observations that it rests on, above 0.
    pub n: f64,
}

impl ConfidenceSequence {
    /// Bounds that miss the truth with a probability of at most `alpha` and are the
    /// tightest at `planned` observations.
    #[must_use]
    pub fn new(alpha: f64, planned: f64) -> Self {
        let mixture = |alpha: f64| {
            let log = -2.0 * alpha.ln();
            ((log + (log + 1.0).ln()) / planned.max(1.0)).sqrt()
        };
        Self { alpha, two_sided: mixture(alpha), one_sided: mixture((2.0 * alpha).min(0.999)) }
    }

    /// The parameter of the mixture over both directions, per observation.
    #[must_use]
    pub fn rho(&self) -> f64 {
        self.two_sided
    }

    /// Half the width of the interval.
    #[must_use]
    pub fn half_width(&self, std_error: f64, n: f64) -> f64 {
        let scale = n * self.two_sided.powi(2);
        width(std_error, scale, ((scale + 1.0).sqrt() / self.alpha).ln())
    }

    /// Distance of a bound on one side only.
    #[must_use]
    pub fn one_sided_half_width(&self, std_error: f64, n: f64) -> f64 {
        let scale = n * self.one_sided.powi(2);
        width(std_error, scale, ((scale + 1.0).sqrt() / (2.0 * self.alpha)).ln_1p())
    }

    /// Logarithm of the evidence against a difference of 0.
    #[must_use]
    pub fn log_e_value(&self, estimate: Estimate) -> f64 {
        let (exponent, scale) = exponent(estimate, self.two_sided);
        exponent - 0.5 * scale.ln_1p()
    }

    /// Logarithm of the evidence against a difference of 0 or below; minus infinity
    /// when the estimate is not above 0.
    #[must_use]
    pub fn log_e_above(&self, estimate: Estimate) -> f64 {
        if estimate.difference <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let (exponent, scale) = exponent(estimate, self.one_sided);
        // exp_m1 overflows where the logarithm is as good as the exponent.
        let raised = if exponent > 30.0 { exponent } else { exponent.exp_m1().ln() };
        std::f64::consts::LN_2 + raised - 0.5 * scale.ln_1p()
    }
}

/// `log` is of how much the mixture has to exceed.
fn width(std_error: f64, scale: f64, log: f64) -> f64 {
    std_error * (2.0 * (scale + 1.0) / scale * log).sqrt()
}

fn exponent(estimate: Estimate, rho: f64) -> (f64, f64) {
    let Estimate { difference, std_error, n } = estimate;
    let scale = n * rho.powi(2);
    let z = difference / std_error;
    (scale * z * z / (2.0 * (scale + 1.0)), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_reaches_its_bound_where_the_interval_leaves_zero() {
        let sequence = ConfidenceSequence::new(0.05, 5_000.0);
        for n in [100.0, 5_000.0, 1e6] {
            let std_error = 1.0 / f64::sqrt(n);
            let at = |difference| Estimate { difference, std_error, n };
            let two = sequence.log_e_value(at(sequence.half_width(std_error, n)));
            let one = sequence.log_e_above(at(sequence.one_sided_half_width(std_error, n)));
            assert!((two - 20_f64.ln()).abs() < 1e-9, "{n}: {two}");
            assert!((one - 20_f64.ln()).abs() < 1e-9, "{n}: {one}");
        }
    }

    #[test]
    fn one_side_says_nothing_of_the_other() {
        let sequence = ConfidenceSequence::new(0.05, 5_000.0);
        let estimate = Estimate { difference: -3.0, std_error: 0.1, n: 1_000.0 };
        assert!(sequence.log_e_above(estimate) == f64::NEG_INFINITY);
    }
}
