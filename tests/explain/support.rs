//! Models made for tests, and Shapley's formula as it is written.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use driftline::{
    explain::{Attribution, Background},
    model::{
        Leaf, Missing, Model, ModelInfo, Node, Precision, PredictError, Rows, Split, Test, Tree, TreeEnsemble,
    },
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::neutral::info;

type Answer = Box<dyn Fn(&[f64]) -> Vec<f64> + Send + Sync>;

/// A model that is a function, and counts what it is asked.
pub struct Function {
    pub info: ModelInfo,
    pub batch: usize,
    answer: Answer,
    pub asked: AtomicU64,
    pub largest_call: AtomicUsize,
}

impl fmt::Debug for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Function({:?})", self.info)
    }
}

impl Function {
    pub fn new(inputs: usize, answer: impl Fn(&[f64]) -> f64 + Send + Sync + 'static) -> Self {
        Self::many(inputs, 1, move |row| vec![answer(row)])
    }

    pub fn many(
        inputs: usize,
        outputs: usize,
        answer: impl Fn(&[f64]) -> Vec<f64> + Send + Sync + 'static,
    ) -> Self {
        Self {
            info: info(inputs, outputs),
            batch: 64,
            answer: Box::new(answer),
            asked: AtomicU64::new(0),
            largest_call: AtomicUsize::new(0),
        }
    }

    pub fn in_calls_of(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }
}

impl Model for Function {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        self.asked.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.largest_call.fetch_max(rows.len(), Ordering::Relaxed);
        for row in rows {
            out.extend((self.answer)(row));
        }
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.batch
    }
}

/// The mean outputs over the background.
pub fn base_values(model: &dyn Model, background: &Background) -> Vec<f64> {
    let mut answers = Vec::new();
    model.predict(background.rows(), &mut answers).unwrap();
    let outputs = model.info().outputs;
    let sum = |output| answers.iter().skip(output).step_by(outputs).sum::<f64>();
    (0..outputs).map(|output| sum(output) / background.rows().len() as f64).collect()
}

/// Shapley values by their definition, output by output: over all sets of the
/// others, what an input adds, weighed by s! (d−s−1)! / d!.
pub fn by_definition(model: &dyn Model, background: &Background, row: &[f64]) -> Vec<f64> {
    let d = row.len();
    let outputs = model.info().outputs;
    let worth = |members: u32| -> Vec<f64> {
        let mut rows = Vec::new();
        for other in background.rows() {
            rows.extend((0..d).map(|j| if members >> j & 1 == 1 { row[j] } else { other[j] }));
        }
        base_values(model, &Background::new(rows, d))
    };
    let worths: BTreeMap<u32, Vec<f64>> = (0..1 << d).map(|members| (members, worth(members))).collect();
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let mut values = vec![0.0; d * outputs];
    for (members, before) in &worths {
        for j in (0..d).filter(|j| members >> j & 1 == 0) {
            let s = members.count_ones() as usize;
            let weight = factorial(s) * factorial(d - s - 1) / factorial(d);
            for output in 0..outputs {
                values[output * d + j] += weight * (worths[&(members | 1 << j)][output] - before[output]);
            }
        }
    }
    values
}

/// The largest |base value + attributions − output|, beside the outputs' size.
pub fn residual(model: &dyn Model, background: &Background, found: &Attribution) -> f64 {
    let base = base_values(model, background);
    let inputs = model.info().inputs;
    let gaps = base.iter().zip(&found.outputs).enumerate().map(|(output, (base, is))| {
        let sum: f64 = found.values[output * inputs..(output + 1) * inputs].iter().sum();
        (base + sum - is).abs() / (1.0 + is.abs() + base.abs())
    });
    gaps.fold(0.0, f64::max)
}

pub fn assert_near(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let gap = (found - wanted).abs();
        assert!(gap <= tolerance * (1.0 + wanted.abs()), "{what}: {place}: {found} and not {wanted}");
    }
}

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A normal number, nearly.
pub fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

pub fn normal_rows(random: &mut ChaCha8Rng, rows: usize, width: usize) -> Vec<f64> {
    (0..rows * width).map(|_| normal(random)).collect()
}

/// How random trees are made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub inputs: usize,
    /// Inputs that are looked at, from the first on.
    pub used: usize,
    pub outputs: usize,
    pub trees: usize,
    pub depth: usize,
    /// Share of the nodes above the deepest that are leaves.
    pub leaves: f64,
    /// Whether there are tests of every kind, or comparisons alone.
    pub all_tests: bool,
}

pub fn random_trees(random: &mut ChaCha8Rng, shape: Shape) -> TreeEnsemble {
    let trees = (0..shape.trees).map(|_| {
        let mut nodes = Vec::new();
        grow(random, shape, 0, &mut nodes);
        Tree::new(nodes, shape.inputs, shape.outputs).unwrap()
    });
    let trees: Vec<Tree> = trees.collect();
    let base = (0..shape.outputs).map(|output| output as f64 - 0.25).collect();
    TreeEnsemble::new(info(shape.inputs, shape.outputs), base, trees).unwrap()
}

fn grow(random: &mut ChaCha8Rng, shape: Shape, depth: usize, nodes: &mut Vec<Node>) -> u32 {
    let place = nodes.len();
    if depth == shape.depth || (depth > 0 && random.random_bool(shape.leaves)) {
        let all = random.random_bool(0.3);
        let one = random.random_range(0..shape.outputs);
        let outputs = (0..shape.outputs).filter(|output| all || *output == one);
        let values = outputs.map(|output| (output as u32, normal(random))).collect();
        nodes.push(Node::Leaf(Leaf { values }));
        return place as u32;
    }
    nodes.push(Node::Leaf(Leaf { values: Box::default() }));
    let left = grow(random, shape, depth + 1, nodes);
    let right = grow(random, shape, depth + 1, nodes);
    nodes[place] = Node::Split(random_split(random, shape, left, right));
    place as u32
}

fn random_split(random: &mut ChaCha8Rng, shape: Shape, left: u32, right: u32) -> Split {
    // Rows hold some of these values, so that equality matters.
    let threshold = f64::from(random.random_range(-3_i32..4)) / 2.0;
    let test = match if shape.all_tests { random.random_range(0..8) } else { 0 } {
        0 => Test::Less(if shape.all_tests { threshold } else { normal(random) }),
        1 => Test::AtMost(threshold),
        2 => Test::Greater(threshold),
        3 => Test::AtLeast(threshold),
        4 => Test::Equal(threshold),
        5 => Test::NotEqual(threshold),
        6 => Test::AtMost(if random.random() { f64::INFINITY } else { f64::NEG_INFINITY }),
        _ => Test::In(Box::from([random.random::<u64>()])),
    };
    let missing = match random.random_range(0..3) {
        0 => Missing::Left,
        1 => Missing::Right,
        _ => Missing::As(threshold),
    };
    Split {
        input: random.random_range(0..shape.used as u32),
        test,
        precision: if random.random() { Precision::Single } else { Precision::Double },
        zero_is_missing: shape.all_tests && random.random_bool(0.2),
        missing,
        left,
        right,
    }
}

/// Rows with ties, zeros of both signs, missing and infinite values.
pub fn odd_rows(random: &mut ChaCha8Rng, rows: usize, width: usize) -> Vec<f64> {
    let values = (0..rows * width).map(|_| match random.random_range(0..12) {
        0 => f64::NAN,
        1 => 0.0,
        2 => -0.0,
        3 => f64::INFINITY,
        4 => f64::NEG_INFINITY,
        // Rounded to single precision, this is 0.5.
        5 => 0.5 + 1e-12,
        6 | 7 => f64::from(random.random_range(-3_i32..4)) / 2.0,
        8 => f64::from(random.random_range(0_i32..64)),
        _ => normal(random),
    });
    values.collect()
}
