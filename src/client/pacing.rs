//! How long to wait before the server is asked again.
//!
//! Exponential backoff with full jitter: the pause is drawn evenly between
//! zero and a limit that doubles with every attempt, so that many daemons
//! don't come back to a recovering server at the same moment
//! (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Bounds of the pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Upper limit of the first pause.
    pub base: Duration,
    /// Upper limit of every pause.
    pub max: Duration,
    /// The longest pause that a server can ask for with `Retry-After`.
    pub max_retry_after: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(600),
        }
    }
}

impl Pacing {
    /// The pause after `failures` failed attempts in a row (from 1), at the
    /// point `fraction` (0 to 1) of its range; never shorter than what the
    /// server asked for.
    fn pause_at(self, failures: u32, retry_after: Option<Duration>, fraction: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let limit = self.base.saturating_mul(1 << doublings).min(self.max);
        let asked = retry_after.unwrap_or_default().min(self.max_retry_after);
        limit.mul_f64(fraction.clamp(0.0, 1.0)).max(asked)
    }

    /// The pause after `failures` failed attempts in a row, drawn at random.
    pub(crate) fn pause(self, failures: u32, retry_after: Option<Duration>) -> Duration {
        self.pause_at(failures, retry_after, random_fraction())
    }
}

/// Evenly spread between 0 and 1. The standard library's hash keys are random
/// and differ per call, which is all that jitter needs.
fn random_fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACING: Pacing = Pacing {
        base: Duration::from_secs(1),
        max: Duration::from_secs(60),
        max_retry_after: Duration::from_secs(600),
    };

    #[test]
    fn limits_double_up_to_the_maximum() {
        let limits: Vec<u64> =
            (1..=8).map(|failures| PACING.pause_at(failures, None, 1.0).as_secs()).collect();
        assert_eq!(limits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(PACING.pause_at(u32::MAX, None, 1.0).as_secs(), 60);
    }

    #[test]
    fn pauses_spread_over_the_whole_range() {
        assert_eq!(PACING.pause_at(3, None, 0.0), Duration::ZERO);
        assert_eq!(PACING.pause_at(3, None, 0.5), Duration::from_secs(2));
        let drawn: Vec<f64> = (0..1_000).map(|_| random_fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        assert!(drawn.iter().any(|fraction| *fraction < 0.1) && drawn.iter().any(|fraction| *fraction > 0.9));
    }

    #[test]
    fn the_server_is_not_asked_before_it_wants_to_be() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(PACING.pause_at(1, asked, 0.0), Duration::from_secs(7));
        assert_eq!(PACING.pause_at(7, asked, 1.0), Duration::from_secs(60));
        assert_eq!(PACING.pause_at(1, Some(Duration::from_secs(86_400)), 0.0), Duration::from_secs(600));
    }
}
