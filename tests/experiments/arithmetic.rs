//! What results must say, computed in the plainest way.

/// The events of one window: control and challenger.
pub(crate) type Window<T> = (Vec<T>, Vec<T>);

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Weight of a window with so much of each arm.
pub(crate) fn weight(a: f64, b: f64) -> f64 {
    a * b / (a + b)
}

/// An average over windows.
pub(crate) fn average(weighted: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weights) =
        weighted.fold((0.0, 0.0), |(sum, all), (weight, value)| (sum + weight * value, all + weight));
    sum / weights
}

/// The arms' means, each window with its weight.
pub(crate) fn means(windows: &[Window<f64>]) -> (f64, f64) {
    let of = |arm: fn(&Window<f64>) -> &Vec<f64>| {
        average(
            windows
                .iter()
                .map(|window| (weight(window.0.len() as f64, window.1.len() as f64), mean(arm(window)))),
        )
    };
    (of(|window| &window.0), of(|window| &window.1))
}

/// The arms' ratios of sums, each window with the weight of its denominators.
pub(crate) fn ratios(windows: &[Window<(f64, f64)>]) -> (f64, f64) {
    let sum =
        |events: &[(f64, f64)]| events.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    let arms = windows.iter().map(|(a, b)| {
        let (a, b) = (sum(a), sum(b));
        (weight(a.1, b.1), a.0 / a.1, b.0 / b.1)
    });
    let arms: Vec<(f64, f64, f64)> = arms.collect();
    let of = |arm: fn(&(f64, f64, f64)) -> f64| average(arms.iter().map(|one| (one.0, arm(one))));
    (of(|one| one.1), of(|one| one.2))
}

/// The difference of means, less what a covariate explains: its slope within arms and
/// windows by the difference of its means. Events are value and covariate.
pub(crate) fn adjusted(windows: &[Window<(f64, f64)>]) -> f64 {
    let split = |events: &[(f64, f64)]| -> (Vec<f64>, Vec<f64>) { events.iter().copied().unzip() };
    let mut products = (0.0, 0.0);
    for (a, b) in windows {
        for (values, covariates) in [split(a), split(b)] {
            let (y, x) = (mean(&values), mean(&covariates));
            for (value, covariate) in values.iter().zip(&covariates) {
                products.0 += (value - y) * (covariate - x);
                products.1 += (covariate - x).powi(2);
            }
        }
    }
    let of = |part: fn(&(f64, f64)) -> f64| -> Vec<Window<f64>> {
        windows.iter().map(|(a, b)| (a.iter().map(part).collect(), b.iter().map(part).collect())).collect()
    };
    let difference = |windows: &[Window<f64>]| {
        let (control, challenger) = means(windows);
        challenger - control
    };
    difference(&of(|event| event.0)) - products.0 / products.1 * difference(&of(|event| event.1))
}

/// Share of the values that meet a condition, as numbers.
pub(crate) fn ones(values: &[Window<f64>], meets: impl Fn(f64) -> bool) -> Vec<Window<f64>> {
    let count = |arm: &Vec<f64>| arm.iter().map(|value| f64::from(u8::from(meets(*value)))).collect();
    values.iter().map(|(a, b)| (count(a), count(b))).collect()
}
