//! Differences between two arms, window by window.
//!
//! Why: when the share of an arm is raised while the metric itself moves, such as
//! over a day, a plain comparison of all events compares morning with evening: a
//! ramp from 1 to 50 % beside a base rate that rises from 5 to 8 % gives a
//! "significant" difference between equal arms in every experiment. So arms are
//! compared within windows, and the differences are averaged.
//!
//! With `n_A` and `n_B` observations (of ratios: sums of denominators), a window has
//! the weight `h = n_A n_B / (n_A + n_B)`, which is the inverse of its variance up to
//! a factor. Two variances are kept: with each arm's own scatter, and with that of
//! both together, which is what an estimate has when arms do not differ. Neither will
//! do alone: where an arm is small and events are rare or heavy-tailed, its own
//! scatter is mostly that of the few large values it has not seen yet; where arms
//! scatter differently, the common scatter is wrong. The larger one is taken.
//!
//! Where units are known, the variance is that between the 256 buckets of them: the
//! *design effect* is by how much that exceeds the one for independent events.
//!
//! Covariates (CUPED: Deng, Xu, Kohavi and Walker, WSDM 2013; here with several, as
//! the analysis of covariance): the values are adjusted by the covariates' slopes
//! within arms and windows. The slopes only use what arms have in common, and what
//! covariates explain goes out of the variance.
//!
//! Windows with few events of an arm are put together with other such windows until
//! each arm has [`LEAST`], of [`LEAST_BUCKETS`] buckets where units are known; what is not
//! together yet is not counted yet. So an arm of a few large units is never enough. A
//! window in which an arm has nothing says nothing: a day before a challenger is there
//! must not be compared with its first hour.

use serde::{Deserialize, Serialize};

use super::{
    least_squares::{form, solve},
    sums::{BUCKETS, Deviations, Step, Sums},
};

/// Observations of each arm that make a stratum.
pub const LEAST: u64 = 10;
/// Buckets of units of each arm that make one, where units are known: the scatter of
/// few says little about that of units.
pub const LEAST_BUCKETS: usize = 10;

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The mean of the first channel; the others are covariates.
    Mean,
    /// The sum of the first channel by that of the second.
    Ratio,
}

/// The difference of two arms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The control's value, each window with its weight.
    pub control: f64,
    /// The challenger's.
    pub challenger: f64,
    /// Challenger less control, adjusted for covariates.
    pub difference: f64,
    /// Variance of the difference, design effect included.
    pub variance: f64,
    /// Variance of the difference by what it would be if events were independent; 1
    /// or more.
    pub design_effect: f64,
    /// Independent events that carry as much, in arms of equal size.
    pub n: f64,
    /// Share of the variance that covariates explain.
    pub explained: f64,
}

/// Differences so far, of one metric of one challenger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strata {
    shape: Shape,
    /// Values that are compared: the metric's and its covariates'.
    values: usize,
    /// What does not make a stratum yet: control and challenger.
    pending: Option<(Sums, Sums)>,
    n_control: u64,
    n_challenger: u64,
    /// Sum of the weights, and of the same with numbers of observations.
    weight: f64,
    information: f64,
    /// Weighted sums of the arms' values.
    control: f64,
    challenger: f64,
    /// Weighted sum of the differences of each value.
    differences: Vec<f64>,
    /// Weighted sums of their covariances, `values` by `values`: with each arm's own
    /// scatter, and with that of both.
    own: Vec<f64>,
    common: Vec<f64>,
    /// Products of deviations within arms and windows.
    within: Vec<f64>,
    /// What each bucket adds to the weighted differences; empty without units.
    buckets: Vec<f64>,
    bucket_n: Vec<f64>,
}

/// One arm of a stratum: deviations, and what the values are divided by.
struct Side<'a> {
    sums: &'a Sums,
    deviations: Deviations,
    /// Sum of the denominators; of means the number of observations.
    total: f64,
}

impl Strata {
    /// Nothing seen of a metric of this shape with so many covariates.
    #[must_use]
    pub fn new(shape: Shape, covariates: usize) -> Self {
        let values = 1 + covariates;
        Self {
            shape,
            values,
            pending: None,
            n_control: 0,
            n_challenger: 0,
            weight: 0.0,
            information: 0.0,
            control: 0.0,
            challenger: 0.0,
            differences: vec![0.0; values],
            own: vec![0.0; values * values],
            common: vec![0.0; values * values],
            within: vec![0.0; values * values],
            buckets: Vec::new(),
            bucket_n: Vec::new(),
        }
    }

    fn channels(&self) -> usize {
        match self.shape {
            Shape::Mean => self.values,
            Shape::Ratio => 2,
        }
    }

    /// Whether what was read back is of this shape and can be calculated with.
    #[must_use]
    pub fn fits(&self, shape: Shape, covariates: usize) -> bool {
        let values = 1 + covariates;
        let squares = [&self.own, &self.common, &self.within];
        let lists = squares.into_iter().chain([&self.differences, &self.buckets, &self.bucket_n]);
        let pending = self.pending.iter().flat_map(|(control, challenger)| [control, challenger]);
        self.shape == shape
            && self.values == values
            && squares.iter().all(|square| square.len() == values * values)
            && self.differences.len() == values
            && (self.buckets.is_empty() || self.buckets.len() == BUCKETS * values)
            && (self.bucket_n.is_empty() || self.bucket_n.len() == BUCKETS)
            && lists.flatten().all(|number| number.is_finite())
            && [self.weight, self.information, self.control, self.challenger].iter().all(|x| x.is_finite())
            && pending.into_iter().all(|sums| sums.fits(self.channels()))
    }

    /// Observations of the control and of the challenger, those of strata only.
    #[must_use]
    pub fn n(&self) -> (u64, u64) {
        (self.n_control, self.n_challenger)
    }

    /// Takes a window.
    pub fn take(&mut self, control: &Sums, challenger: &Sums, steps: &[Step]) {
        if control.n() == 0 || challenger.n() == 0 || self.add_enough(control, challenger, steps) {
            return;
        }
        let (mut mine, mut theirs) =
            self.pending.take().unwrap_or_else(|| (Sums::new(self.channels()), Sums::new(self.channels())));
        mine.merge(control);
        theirs.merge(challenger);
        if !self.add_enough(&mine, &theirs, steps) {
            self.pending = Some((mine, theirs));
        }
    }

    /// Takes what is large enough for a stratum.
    fn add_enough(&mut self, control: &Sums, challenger: &Sums, steps: &[Step]) -> bool {
        let is_enough =
            |sums: &Sums| sums.n() >= LEAST && (!sums.has_buckets() || sums.used_buckets() >= LEAST_BUCKETS);
        is_enough(control) && is_enough(challenger) && self.add(control, challenger, steps)
    }

    /// Takes what is a stratum whatever its size; `false` when nothing follows from
    /// it: an arm has fewer than two observations, or denominators that sum up to
    /// nothing.
    pub fn add(&mut self, control: &Sums, challenger: &Sums, steps: &[Step]) -> bool {
        let [a, b] = [control, challenger].map(|sums| self.side(sums, steps));
        let is_usable = |side: &Side<'_>| side.deviations.n >= 2.0 && side.total > 0.0;
        if !is_usable(&a) || !is_usable(&b) {
            return false;
        }
        let both = control.deviations(Some(challenger), steps);
        let weight = a.total * b.total / (a.total + b.total);
        let (n_a, n_b) = (a.deviations.n, b.deviations.n);
        self.n_control += control.n();
        self.n_challenger += challenger.n();
        self.weight += weight;
        self.information += n_a * n_b / (n_a + n_b);
        self.control += weight * value(self.shape, &a.deviations, 0);
        self.challenger += weight * value(self.shape, &b.deviations, 0);
        for (index, sum) in self.differences.iter_mut().enumerate() {
            *sum +=
                weight * (value(self.shape, &b.deviations, index) - value(self.shape, &a.deviations, index));
        }
        for i in 0..self.values {
            for j in 0..self.values {
                let at = i * self.values + j;
                let residual = |of: &Deviations| residual(self.shape, of, i, j);
                let own = [&a, &b].map(|side| {
                    let deviations = &side.deviations;
                    residual(deviations) / (deviations.n - 1.0) * deviations.n / side.total.powi(2)
                });
                let spread = residual(&both) / (both.n - 1.0);
                let common = spread * (n_a / a.total.powi(2) + n_b / b.total.powi(2));
                let within = residual(&a.deviations) + residual(&b.deviations);
                let square = weight * weight;
                add_at(&mut self.own, at, square * (own[0] + own[1]));
                add_at(&mut self.common, at, square * common);
                add_at(&mut self.within, at, within);
            }
        }
        self.add_buckets(weight, &a, -1.0, steps);
        self.add_buckets(weight, &b, 1.0, steps);
        true
    }

    fn side<'a>(&self, sums: &'a Sums, steps: &[Step]) -> Side<'a> {
        let deviations = sums.deviations(None, steps);
        let total = match self.shape {
            Shape::Mean => deviations.n,
            Shape::Ratio => deviations.sums.get(1).copied().unwrap_or(0.0),
        };
        Side { sums, deviations, total }
    }

    fn add_buckets(&mut self, weight: f64, side: &Side<'_>, sign: f64, steps: &[Step]) {
        if !side.sums.has_buckets() {
            return;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0.0; BUCKETS * self.values];
            self.bucket_n = vec![0.0; BUCKETS];
        }
        // An arm's residuals sum to nothing, which takes a part from their scatter.
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        let k = side.sums.used_buckets() as f64;
        let scale = if k > 1.0 { (k / (k - 1.0)).sqrt() } else { 1.0 };
        let of = |sums: &[f64], channel: usize| sums.get(channel).copied().unwrap_or(0.0);
        for (bucket, n, sums) in side.sums.buckets(steps) {
            add_at(&mut self.bucket_n, bucket, n);
            for index in 0..self.values {
                let expected = value(self.shape, &side.deviations, index)
                    * match self.shape {
                        Shape::Mean => n,
                        Shape::Ratio => of(&sums, 1),
                    };
                let influence = scale * (of(&sums, index) - expected) / side.total;
                add_at(&mut self.buckets, bucket * self.values + index, sign * weight * influence);
            }
        }
    }

    /// The difference so far; `None` before there is a stratum.
    #[must_use]
    pub fn difference(&self) -> Option<Difference> {
        if self.weight <= 0.0 {
            return None;
        }
        let adjustment = self.adjustment();
        let square = self.weight * self.weight;
        let own = form(&self.own, &adjustment) / square;
        let common = form(&self.common, &adjustment) / square;
        let plain = self.own.first().copied().unwrap_or(0.0) / square;
        let design_effect = match self.scatter(&adjustment) {
            Some(variance) if own > 0.0 => (variance / square / own).max(1.0),
            _ => 1.0,
        };
        let differences = self.differences.iter().zip(&adjustment);
        Some(Difference {
            control: self.control / self.weight,
            challenger: self.challenger / self.weight,
            difference: differences.map(|(sum, factor)| sum * factor).sum::<f64>() / self.weight,
            variance: own.max(common) * design_effect,
            design_effect,
            n: 4.0 * self.information / design_effect,
            explained: if plain > 0.0 { (1.0 - own / plain).clamp(0.0, 1.0) } else { 0.0 },
        })
    }

    /// What each value is multiplied by: 1 for the metric, less its slope for each
    /// covariate.
    fn adjustment(&self) -> Vec<f64> {
        let covariates = self.values - 1;
        let at = |i: usize, j: usize| self.within.get(i * self.values + j).copied().unwrap_or(0.0);
        let matrix: Vec<Vec<f64>> =
            (1..=covariates).map(|i| (1..=covariates).map(|j| at(i, j)).collect()).collect();
        let right: Vec<f64> = (1..=covariates).map(|i| at(i, 0)).collect();
        std::iter::once(1.0).chain(solve(matrix, right).into_iter().map(|slope| -slope)).collect()
    }

    /// Sum of the weights: the inverse of the variance that the difference would have,
    /// were that of a single value 1.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Variance of the unadjusted difference by its scatter between buckets; `None`
    /// without units.
    #[must_use]
    pub fn bucket_variance(&self) -> Option<f64> {
        let mut plain = vec![0.0; self.values];
        add_at(&mut plain, 0, 1.0);
        Some(self.scatter(&plain)? / (self.weight * self.weight))
    }

    /// Of shares of units' events: by what the variance of their difference exceeds that of
    /// events that each go their own way; 1 or more. `None` where units are known and too few
    /// to tell yet; 1 where none are.
    #[must_use]
    pub fn design_effect_of_shares(&self) -> Option<f64> {
        let Some(difference) = self.difference() else {
            return self.pending.is_none().then_some(1.0);
        };
        let share = 0.5 * (difference.control + difference.challenger);
        let independent = share * (1.0 - share) / self.weight;
        let variance = self.bucket_variance().filter(|_| independent > 0.0);
        Some(variance.map_or(1.0, |variance| (variance / independent).max(1.0)))
    }

    /// Scatter between buckets of the weighted difference.
    fn scatter(&self, adjustment: &[f64]) -> Option<f64> {
        if self.bucket_n.iter().filter(|n| **n > 0.0).count() < 2 {
            return None;
        }
        let squares = self.buckets.chunks(self.values).map(|values| {
            values.iter().zip(adjustment).map(|(value, factor)| value * factor).sum::<f64>().powi(2)
        });
        Some(squares.sum())
    }
}

fn add_at(list: &mut [f64], index: usize, number: f64) {
    if let Some(sum) = list.get_mut(index) {
        *sum += number;
    }
}

/// The mean of a channel, or the ratio.
fn value(shape: Shape, of: &Deviations, index: usize) -> f64 {
    match shape {
        Shape::Mean => of.mean(index),
        Shape::Ratio => of.sums.first().zip(of.sums.get(1)).map_or(0.0, |(sum, total)| sum / total),
    }
}

/// Sum of the products of two values' residuals; of a ratio those of the numerator
/// about the ratio's share of the denominator, by the delta method.
fn residual(shape: Shape, of: &Deviations, i: usize, j: usize) -> f64 {
    match shape {
        Shape::Mean => of.product(i, j),
        Shape::Ratio => {
            let ratio = value(shape, of, 0);
            (of.product(0, 0) - 2.0 * ratio * of.product(0, 1) + ratio * ratio * of.product(1, 1)).max(0.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[f64], unit_of: impl Fn(usize) -> Option<u8>) -> Sums {
        let mut sums = Sums::new(1);
        for (index, value) in values.iter().enumerate() {
            sums.add(&[Step::COARSE.count(*value).expect("in range")], unit_of(index));
        }
        sums
    }

    #[test]
    fn one_window_is_a_plain_comparison() {
        let (a, b) = (sums(&[1.0, 2.0, 3.0, 4.0], |_| None), sums(&[2.0, 4.0, 6.0], |_| None));
        let mut strata = Strata::new(Shape::Mean, 0);
        assert!(strata.add(&a, &b, &[Step::COARSE]));
        let difference = strata.difference().expect("a stratum");
        assert!((difference.difference - 1.5).abs() < 1e-12);
        // 5/3 / 4 + 4 / 3, against 8 / 6 * 1.7 + … of both: the larger one.
        let own = 5.0 / 3.0 / 4.0 + 4.0 / 3.0;
        assert!(difference.variance >= own - 1e-12);
        assert!((difference.n - 4.0 * 12.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn small_windows_wait_for_each_other() {
        let mut strata = Strata::new(Shape::Mean, 0);
        let window = || (sums(&[1.0; 50], |_| None), sums(&[1.0; 4], |_| None));
        for taken in 1..=3 {
            let (a, b) = window();
            strata.take(&a, &b, &[Step::COARSE]);
            assert_eq!(strata.difference().is_some(), taken == 3);
        }
        assert_eq!(strata.n(), (150, 12));
    }

    #[test]
    fn copies_of_events_count_once() {
        let values: Vec<f64> = (0..200).map(|i| f64::from((i * 37) % 100)).collect();
        let tenfold: Vec<f64> = values.iter().flat_map(|value| [*value; 10]).collect();
        let unit = |index: usize| u8::try_from(index / 10).ok();
        let mut other = Strata::new(Shape::Mean, 0);
        other.add(&sums(&tenfold, unit), &sums(&[5.0; 20], |_| None), &[Step::COARSE]);
        let effect = other.difference().expect("a stratum").design_effect;
        assert!((effect - 10.0).abs() < 0.2, "{effect}");
    }

    #[test]
    fn covariates_that_say_the_same_are_used_once() {
        let slopes = solve(vec![vec![4.0, 4.0], vec![4.0, 4.0]], vec![2.0, 2.0]);
        assert_eq!(slopes, [0.5, 0.0]);
    }
}
