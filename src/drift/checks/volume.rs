//! Events per window.

use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};

use super::{CheckSettings, FALSE_ALARMS, shares::larger_way, text::number, two_sample::TwoSample};
use crate::{
    drift::pair::count_to_f64,
    result::{Check, Finding, Verdict},
};

/// Windows to compare with, below which nothing is said.
const FEWEST_WINDOWS: usize = 4;
/// A stream whose quietest window had so many events is busy: a window without
/// any is silence, however much the others vary.
const BUSY: u64 = 10;
/// Mean number of events below which the logarithm exaggerates the steps between
/// whole numbers, so that windows which a steady rate explains count as such.
const FEW_EVENTS: f64 = 10.0;
/// Trials that stand for a window when its events are few among many
/// possibilities: the conditional test of two binomial rates is that of two
/// Poisson rates then (Przyborowski and Wilenski, 1940).
const TRIALS: u64 = 1 << 40;

/// Too few or too many events in a window, against earlier comparable ones (such
/// as the same hour of the week), in any order.
///
/// The noise range is a prediction interval on the logarithm of the counts, with
/// their own spread and Student's quantiles for few windows (Hahn and Meeker,
/// *Statistical Intervals*, 1991), and nowhere narrower than what a steady rate
/// gives, whose own error counts, too. Below ten events a window on average it is
/// that of a steady rate alone, unless the counts vary too much for it (Fisher's
/// index of dispersion, at one in twenty). `reference` is the geometric mean, and
/// `effect` the ratio to it. Below five windows it is insufficient; no events at
/// all where each of the windows had at least ten is drift without any test.
#[must_use]
pub fn volume_finding(comparable: &[u64], events: u64, settings: &CheckSettings) -> Finding {
    let value = Some(count_to_f64(events));
    let finding = Finding { value, ..super::insufficient(Check::Volume) };
    if comparable.len() < FEWEST_WINDOWS {
        return finding;
    }
    let windows = count_to_f64(comparable.len() as u64);
    let logs = || comparable.iter().map(|&count| (count_to_f64(count) + 0.5).ln());
    let mean = logs().sum::<f64>() / windows;
    let variance = logs().map(|log| (log - mean).powi(2)).sum::<f64>() / (windows - 1.0);
    let typical = (mean.exp() - 0.5).max(0.0);
    let effect = (count_to_f64(events) + 0.5) / (typical + 0.5);

    let reach = if is_steady(comparable, windows) {
        0.0
    } else {
        students_quantile(windows - 1.0) * (variance * (1.0 + 1.0 / windows)).sqrt()
    };
    let steady = steady_range(comparable);
    let low = lowest((mean - reach).exp() - 0.5, steady.low);
    let high = steady.high.map(|high| high.max((mean + reach).exp() - 0.5));
    let silent = events == 0 && comparable.iter().all(|&count| count >= BUSY);
    let count = count_to_f64(events);
    let outside = low.is_some_and(|low| count < low) || high.is_some_and(|high| count > high);
    let large = larger_way(effect) >= settings.min_volume_ratio;
    let verdict = match (outside, large) {
        _ if silent => Verdict::Drifted,
        (false, _) => Verdict::Stable,
        (true, false) => Verdict::Shifted,
        (true, true) => Verdict::Drifted,
    };
    let detail = match verdict {
        Verdict::Insufficient | Verdict::Stable => String::new(),
        _ if events == 0 => format!("no events, {} expected", number(typical.round())),
        _ => format!("{events} events, {} expected", number(typical.round())),
    };
    Finding {
        verdict,
        reference: Some(typical),
        noise_low: low,
        noise_high: high.filter(|high| high.is_finite()),
        effect: Some(effect),
        detail,
        ..finding
    }
}

/// The lower of two bounds; `None` when no count is below it.
fn lowest(of_spread: f64, of_steady: Option<f64>) -> Option<f64> {
    of_steady.map(|steady| steady.min(of_spread)).filter(|&low| low > 0.0)
}

/// What chance gives when the windows' rate is the same in all of them.
fn steady_range(comparable: &[u64]) -> super::two_sample::NoiseRange {
    let total = comparable.iter().fold(0_u64, |sum, &count| sum.saturating_add(count));
    let trials = (comparable.len() as u64).saturating_mul(TRIALS);
    TwoSample::new(total, trials, TRIALS, 1.0).noise(FALSE_ALARMS / 2.0)
}

/// Whether so few events come that the spread of the counts is a steady rate's.
fn is_steady(comparable: &[u64], windows: f64) -> bool {
    let mean = comparable.iter().map(|&count| count_to_f64(count)).sum::<f64>() / windows;
    let squares = comparable.iter().map(|&count| (count_to_f64(count) - mean).powi(2)).sum::<f64>();
    let limit = ChiSquared::new(windows - 1.0).map_or(0.0, |index| index.inverse_cdf(0.95));
    mean < FEW_EVENTS && squares <= limit * mean
}

fn students_quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::MAX, |student| student.inverse_cdf(1.0 - FALSE_ALARMS / 2.0))
}
