//! Exact interventional Shapley values of trees that are too deep for tables.
//!
//! Why: a table doubles with every input on a leaf's path. What is too deep for
//! one is walked for each background row: where the row and the background row
//! part, the inputs taken from one and from the other are noted, and each leaf
//! that a mixture of the two can reach credits them (the interventional variant
//! of Lundberg and others, "From local explanations to global understanding with
//! explainable AI for trees", 2020).
//!
//! With `a` inputs that have to come from the row and `n` that must not, a leaf
//! gives each of the former (a−1)! n! / (a+n)! of its amount and takes a! (n−1)!
//! / (a+n)! from each of the latter. Costs as many steps as there are splits that
//! mixtures reach, for every background row; takes memory for one path.

use super::compact::{CompactTrees, Place};

/// Whose value an input has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Row,
    Background,
}

#[derive(Debug, Clone, Copy)]
enum Visit {
    Enter(Place),
    Take(u32, Source),
    Release,
}

/// A walk down the paths that mixtures of two rows can take.
#[derive(Debug, Clone)]
pub(super) struct PathWalk {
    sources: Vec<Source>,
    /// Inputs that are not open, in the order in which they were taken, with the
    /// reciprocal of the number of ways to choose the row's among them.
    taken: Vec<(u32, f64)>,
    from_row: u32,
    open: Vec<Visit>,
}

impl PathWalk {
    pub(super) fn new(inputs: usize) -> Self {
        let sources = vec![Source::Open; inputs];
        Self { sources, taken: Vec::new(), from_row: 0, open: Vec::new() }
    }

    /// Adds `scale` times the Shapley values of one tree for `row` beside
    /// `background`, both expanded, to `values`.
    pub(super) fn credit(
        &mut self,
        trees: &CompactTrees,
        root: Place,
        (row, background): (&[f64], &[f64]),
        scale: f64,
        values: &mut [f64],
    ) {
        self.open.push(Visit::Enter(root));
        while let Some(visit) = self.open.pop() {
            match visit {
                Visit::Enter(place) => {
                    if let Some(leaf) = self.descend(trees, place, row, background) {
                        self.credit_leaf(trees, leaf, scale, values);
                    }
                }
                Visit::Take(input, source) => self.take(input, source),
                Visit::Release => self.release(),
            }
        }
    }

    /// Goes down to a leaf, or to where the two rows part: what is to be done
    /// there is left open.
    fn descend(&mut self, trees: &CompactTrees, place: Place, row: &[f64], other: &[f64]) -> Option<u32> {
        let mut place = place;
        loop {
            let number = match place {
                Place::Leaf(leaf) => return Some(leaf),
                Place::Split(number) => number,
            };
            let split = trees.split(number)?;
            let input = trees.input(split.question);
            let answers = (split.question.holds(row), split.question.holds(other));
            let answer = match self.sources.get(input)? {
                Source::Row => answers.0,
                Source::Background => answers.1,
                Source::Open if answers.0 == answers.1 => answers.0,
                Source::Open => {
                    let input = u32::try_from(input).ok()?;
                    for (source, answer) in [(Source::Background, answers.1), (Source::Row, answers.0)] {
                        let child = split.child(answer);
                        self.open.extend([Visit::Release, Visit::Enter(child), Visit::Take(input, source)]);
                    }
                    return None;
                }
            };
            place = split.child(answer);
        }
    }

    fn take(&mut self, input: u32, source: Source) {
        let ways = self.taken.last().map_or(1.0, |(_, ways)| *ways);
        let from_row = self.from_row;
        let after = u32::try_from(self.taken.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.from_row += u32::from(source == Source::Row);
        // a! n! / (a+n)! with one more in a or in n.
        let more = if source == Source::Row { from_row + 1 } else { after - from_row };
        self.taken.push((input, ways * f64::from(more) / f64::from(after)));
        if let Some(known) = self.sources.get_mut(input as usize) {
            *known = source;
        }
    }

    fn release(&mut self) {
        let Some((input, _)) = self.taken.pop() else { return };
        if let Some(known) = self.sources.get_mut(input as usize) {
            self.from_row -= u32::from(*known == Source::Row);
            *known = Source::Open;
        }
    }

    fn credit_leaf(&self, trees: &CompactTrees, leaf: u32, scale: f64, values: &mut [f64]) {
        let Some((_, ways)) = self.taken.last() else { return };
        let taken = u32::try_from(self.taken.len()).unwrap_or(u32::MAX);
        let gain = scale * ways / f64::from(self.from_row.max(1));
        let loss = -scale * ways / f64::from((taken - self.from_row).max(1));
        for &(input, _) in &self.taken {
            let input = input as usize;
            let share = if self.sources.get(input) == Some(&Source::Row) { gain } else { loss };
            for &(output, amount) in trees.amounts(leaf) {
                if let Some(value) = values.get_mut(output as usize * trees.inputs() + input) {
                    *value += share * amount;
                }
            }
        }
    }
}
