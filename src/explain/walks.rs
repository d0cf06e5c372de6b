//! The sums of walks along permutations, and the errors of their means.

use crate::model::ModelInfo;

/// The step of a walk that an answer is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Number of the background row that the walk starts from.
    pub(super) background: usize,
    pub(super) is_reverse: bool,
    /// Whether the step before it is the background row itself.
    pub(super) is_first: bool,
    /// The input that turned.
    pub(super) input: usize,
    /// The input that turns next and leads to the row, when no other does.
    pub(super) last: Option<usize>,
}

/// Shapley values of every background row alone, round by round.
#[derive(Debug)]
pub(super) struct Estimates {
    inputs: usize,
    outputs: usize,
    backgrounds: usize,
    /// Answers about the background rows, then about the row.
    ends: Vec<f64>,
    /// The answer about the step before.
    before: Vec<f64>,
    /// This round's values, by background row, output and input: those of the
    /// walks there, and of the walks back.
    there: Vec<f64>,
    back: Vec<f64>,
    /// Means over the rounds, and sums of squared deviations from them (Welford,
    /// "Note on a method for calculating corrected sums of squares and products",
    /// 1962).
    means: Vec<f64>,
    squares: Vec<f64>,
    rounds: f64,
}

impl Estimates {
    /// No rounds, with the answers about the background rows and the row.
    pub(super) fn new(info: &ModelInfo, backgrounds: usize, ends: Vec<f64>) -> Self {
        let cells = backgrounds * info.inputs * info.outputs;
        Self {
            inputs: info.inputs,
            outputs: info.outputs,
            backgrounds,
            ends,
            before: vec![0.0; info.outputs],
            there: vec![0.0; cells],
            back: vec![0.0; cells],
            means: vec![0.0; cells],
            squares: vec![0.0; cells],
            rounds: 0.0,
        }
    }

    /// The answer about a background row, or, by the number after the last, about
    /// the row.
    fn end(&self, number: usize) -> &[f64] {
        self.ends.get(number * self.outputs..(number + 1) * self.outputs).unwrap_or_default()
    }

    /// The answers about the row.
    pub(super) fn row_outputs(&self) -> &[f64] {
        self.end(self.backgrounds)
    }

    /// Counts the answer about a step; those of a walk come in its order.
    pub(super) fn step(&mut self, step: Step, answer: &[f64]) {
        for (output, now) in answer.iter().enumerate() {
            let before = if step.is_first { self.end(step.background) } else { &self.before };
            let before = before.get(output).copied().unwrap_or(0.0);
            self.credit(step, output, step.input, now - before);
            if let Some(last) = step.last {
                let end = self.row_outputs().get(output).copied().unwrap_or(0.0);
                self.credit(step, output, last, end - now);
            }
        }
        self.before.copy_from_slice(answer);
    }

    /// Counts a walk of one step, from end to end.
    pub(super) fn only_step(&mut self, background: usize, input: usize) {
        for is_reverse in [false, true] {
            let step = Step { background, is_reverse, is_first: true, input, last: None };
            for output in 0..self.outputs {
                let [end, start] = [self.row_outputs(), self.end(background)]
                    .map(|answers| answers.get(output).copied().unwrap_or(0.0));
                self.credit(step, output, input, end - start);
            }
        }
    }

    fn credit(&mut self, step: Step, output: usize, input: usize, change: f64) {
        let cell = (step.background * self.outputs + output) * self.inputs + input;
        let side = if step.is_reverse { &mut self.back } else { &mut self.there };
        if let Some(sum) = side.get_mut(cell) {
            *sum += change;
        }
    }

    /// Takes the round into the means.
    pub(super) fn end_round(&mut self) {
        self.rounds += 1.0;
        let sides = self.there.iter().zip(&self.back);
        let sums = self.means.iter_mut().zip(&mut self.squares);
        for ((mean, square), (there, back)) in sums.zip(sides) {
            let value = f64::midpoint(*there, *back);
            let distance = value - *mean;
            *mean += distance / self.rounds;
            *square += distance * (value - *mean);
        }
    }

    /// Forgets the round's walks, for another round.
    pub(super) fn begin_round(&mut self) {
        self.there.fill(0.0);
        self.back.fill(0.0);
    }

    /// Values and their standard errors, output by output.
    #[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
    pub(super) fn result(&self) -> (Vec<f64>, Vec<f64>) {
        let width = self.inputs * self.outputs;
        let mut sums = vec![Sum::default(); width];
        for (cell, mean) in self.means.iter().enumerate() {
            if let Some(sum) = sums.get_mut(cell % width.max(1)) {
                sum.add(*mean, self.variance(cell));
            }
        }
        let count = self.backgrounds as f64;
        let freedom = (self.rounds - 1.0).max(1.0);
        let errors = sums.iter().map(|sum| sum.standard_error(freedom) / count);
        (sums.iter().map(|sum| sum.mean / count).collect(), errors.collect())
    }

    /// The variance of the mean of one background row.
    fn variance(&self, cell: usize) -> f64 {
        let at = |numbers: &[f64]| numbers.get(cell).copied().unwrap_or(0.0);
        if self.rounds > 1.0 {
            at(&self.squares) / (self.rounds - 1.0) / self.rounds
        } else {
            (at(&self.there) - at(&self.back)).powi(2) / 4.0
        }
    }

    /// The largest standard error over the range of the values, 0 included, of
    /// its output.
    pub(super) fn worst_error(&self) -> f64 {
        let (values, errors) = self.result();
        let outputs = values.chunks(self.inputs.max(1)).zip(errors.chunks(self.inputs.max(1)));
        let worst = outputs.map(|(values, errors)| {
            let largest = values.iter().copied().fold(0.0, f64::max);
            let smallest = values.iter().copied().fold(0.0, f64::min);
            match errors.iter().copied().fold(0.0, f64::max) {
                0.0 => 0.0,
                error => error / (largest - smallest),
            }
        });
        worst.fold(0.0, f64::max)
    }
}

/// What the background rows make together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    mean: f64,
    variance: f64,
    /// Of the squares of the variances.
    square: f64,
}

impl Sum {
    fn add(&mut self, mean: f64, variance: f64) {
        self.mean += mean;
        self.variance += variance;
        self.square += variance * variance;
    }

    /// The root of the variance, made larger by what the few degrees of freedom
    /// of an estimated variance add to a 95 % interval.
    ///
    /// Satterthwaite, "An approximate distribution of estimates of variance
    /// components", 1946, with unbiased sums: a square of a variance with k degrees
    /// of freedom is 1 + 2/k times too large on average. The quantile of Student's
    /// t by its expansion about the normal one (Abramowitz and Stegun, 26.7.5).
    fn standard_error(&self, freedom: f64) -> f64 {
        if self.variance <= 0.0 {
            return 0.0;
        }
        let together = (freedom + 2.0) * self.variance * self.variance / self.square - 2.0;
        let r = 1.0 / together.max(1.0);
        self.variance.sqrt() * (1.0 + r * (1.210 + r * (1.438 + r * 1.304)))
    }
}
