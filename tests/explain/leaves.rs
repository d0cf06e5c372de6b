//! Trees: tables and walks against the definition.

use driftline::{
    explain::{Attribution, Background, LeafTableError, LeafTableSettings, LeafTables},
    model::{Leaf, Missing, Model, Node, Precision, Rows, Split, Test, Tree, TreeEnsemble},
};
use rand::RngExt;

use crate::neutral::info;
use crate::support::{
    Shape, assert_near, by_definition, normal_rows, odd_rows, random, random_trees, residual,
};

const ALL: LeafTableSettings = LeafTableSettings { most_bytes: 512 << 20 };
const NONE: LeafTableSettings = LeafTableSettings { most_bytes: 0 };

fn explained(tables: &LeafTables, row: &[f64]) -> Attribution {
    let mut out = Attribution::default();
    tables.explain(row, &mut out).unwrap();
    out
}

#[test]
fn any_trees_are_explained_as_defined() {
    for seed in 0..120 {
        let mut random = random(seed);
        let inputs = random.random_range(1..8);
        let shape = Shape {
            inputs,
            used: random.random_range(1..=inputs),
            outputs: random.random_range(1..4),
            trees: random.random_range(0..4),
            depth: random.random_range(0..7),
            leaves: 0.2,
            all_tests: true,
        };
        let trees = random_trees(&mut random, shape);
        let count = random.random_range(1..12);
        let background = Background::new(odd_rows(&mut random, count, inputs), inputs);
        let tables = LeafTables::new(&trees, &background, ALL).unwrap();
        let walks = LeafTables::new(&trees, &background, NONE).unwrap();
        // Some trees by tables, the others by walks.
        let some = LeafTableSettings { most_bytes: tables.bytes() };
        let mixed = LeafTables::new(&trees, &background, some).unwrap();
        for row in odd_rows(&mut random, 3, inputs).chunks(inputs) {
            let wanted = by_definition(&trees, &background, row);
            let mut outputs = Vec::new();
            trees.predict(Rows::new(row, inputs), &mut outputs).unwrap();
            for (which, tables) in [("tables", &tables), ("walks", &walks), ("both", &mixed)] {
                let found = explained(tables, row);
                assert_near(&found.values, &wanted, 1e-11, &format!("{which} of seed {seed}"));
                assert_eq!(found.outputs, outputs, "{which} of seed {seed}");
                assert!(found.standard_errors.is_empty());
                assert_eq!(found.evaluations, 0);
            }
        }
    }
}

/// 100 trees of depth 6, as in the benchmark.
fn large() -> (TreeEnsemble, Background, Vec<f64>) {
    let mut random = random(7);
    let shape =
        Shape { inputs: 20, used: 18, outputs: 1, trees: 100, depth: 6, leaves: 0.1, all_tests: false };
    let trees = random_trees(&mut random, shape);
    let background = Background::new(normal_rows(&mut random, 100, 20), 20);
    (trees, background, normal_rows(&mut random, 40, 20))
}

#[test]
fn values_add_up_and_what_is_not_used_gets_nothing() {
    let (trees, background, rows) = large();
    for settings in [ALL, NONE] {
        let tables = LeafTables::new(&trees, &background, settings).unwrap();
        for row in rows.chunks(20) {
            let found = explained(&tables, row);
            assert!(residual(&trees, &background, &found) < 1e-12);
            assert_eq!(found.values[18..], [0.0; 2]);
            assert!(found.values[..18].iter().all(|value| *value != 0.0));
        }
    }
}

#[test]
fn a_scratch_carries_nothing_over() {
    let (trees, background, rows) = large();
    let bytes = LeafTables::new(&trees, &background, ALL).unwrap().bytes();
    for settings in [ALL, LeafTableSettings { most_bytes: bytes / 4 * 3 }] {
        let tables = LeafTables::new(&trees, &background, settings).unwrap();
        let mut scratch = tables.scratch();
        let mut out = Attribution { standard_errors: vec![1.0], evaluations: 9, ..Attribution::default() };
        for row in rows.chunks(20).rev() {
            tables.explain_with(row, &mut scratch, &mut out).unwrap();
            assert_eq!(out, explained(&tables, row));
        }
    }
}

#[test]
fn memory_is_bounded_and_what_does_not_fit_is_walked() {
    let (trees, background, rows) = large();
    let all = LeafTables::new(&trees, &background, ALL).unwrap();
    assert_eq!(all.walked_trees(), 0);
    let some = LeafTableSettings { most_bytes: all.bytes() / 4 * 3 };
    let some_tables = LeafTables::new(&trees, &background, some).unwrap();
    assert!(some_tables.bytes() <= some.most_bytes);
    assert!((10..50).contains(&some_tables.walked_trees()), "{}", some_tables.walked_trees());
    for row in rows.chunks(20).take(5) {
        let (found, wanted) = (explained(&some_tables, row), explained(&all, row));
        assert_near(&found.values, &wanted.values, 1e-12, "three quarters");
    }
    // Tables of a few trees are not worth their memory.
    let few = LeafTableSettings { most_bytes: all.bytes() / 3 };
    let few = LeafTables::new(&trees, &background, few).unwrap();
    assert_eq!((few.walked_trees(), few.bytes()), (100, 0));
}

#[test]
fn a_deep_forest_is_as_exact() {
    let mut random = random(3);
    let shape = Shape { inputs: 9, used: 9, outputs: 2, trees: 3, depth: 14, leaves: 0.1, all_tests: false };
    let trees = random_trees(&mut random, shape);
    let background = Background::new(normal_rows(&mut random, 5, 9), 9);
    let settings = LeafTableSettings { most_bytes: 100_000 };
    let tables = LeafTables::new(&trees, &background, settings).unwrap();
    assert_eq!(tables.walked_trees(), 3);
    let row = normal_rows(&mut random, 1, 9);
    let found = explained(&tables, &row);
    assert_near(&found.values, &by_definition(&trees, &background, &row), 1e-11, "deep");
}

#[test]
fn many_inputs_on_a_path_are_as_exact() {
    // A leaf behind 40 inputs: Shapley's formula by hand, since it is a game of
    // 40 players that only all together win.
    let inputs = 40;
    let mut nodes = Vec::new();
    for input in 0..inputs {
        let (left, right) = (2 * input + 1, 2 * input + 2);
        let test = Test::Less(0.0);
        let (precision, missing) = (Precision::Double, Missing::Right);
        nodes.push(Node::Split(Split {
            input,
            test,
            precision,
            zero_is_missing: false,
            missing,
            left,
            right,
        }));
        nodes.push(Node::Leaf(Leaf { values: Box::default() }));
    }
    nodes.push(Node::Leaf(Leaf { values: Box::from([(0, 80.0)]) }));
    let tree = Tree::new(nodes, 40, 1).unwrap();
    let trees = TreeEnsemble::new(info(40, 1), vec![1.0], vec![tree]).unwrap();
    let background = Background::new([[-1.0; 40], [1.0; 40]].concat(), 40);
    let tables = LeafTables::new(&trees, &background, ALL).unwrap();
    assert_eq!(tables.walked_trees(), 1);
    assert_near(&explained(&tables, &[1.0; 40]).values, &[1.0; 40], 1e-13, "forty players");
    assert_near(&explained(&tables, &[-1.0; 40]).values, &[-1.0; 40], 1e-13, "forty players");
}

#[test]
fn a_chain_without_end_is_neither_a_hang_nor_an_overflow() {
    let splits = 200_000_u32;
    let mut nodes = Vec::new();
    for number in 0..splits {
        nodes.push(Node::Split(Split {
            input: number % 3,
            test: Test::Less(f64::from(number) / 1000.0),
            precision: Precision::Double,
            zero_is_missing: false,
            missing: Missing::Left,
            left: 2 * number + 1,
            right: 2 * number + 2,
        }));
        nodes.push(Node::Leaf(Leaf { values: Box::from([(0, f64::from(number % 7))]) }));
    }
    nodes.push(Node::Leaf(Leaf { values: Box::from([(0, 1.5)]) }));
    let tree = Tree::new(nodes, 3, 1).unwrap();
    let trees = TreeEnsemble::new(info(3, 1), vec![0.0], vec![tree]).unwrap();
    let background = Background::new(vec![150.0, 20.0, 170.0, -1.0, 3.0, 500.0], 3);
    for settings in [ALL, NONE] {
        let tables = LeafTables::new(&trees, &background, settings).unwrap();
        let row = [180.0, 190.0, 300.0];
        let found = explained(&tables, &row);
        assert_near(&found.values, &by_definition(&trees, &background, &row), 1e-11, "chain");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (trees, background, _) = large();
    let narrow = Background::new(vec![1.0; 19], 19);
    let wanted = LeafTableError::Width { wanted: 20, given: 19 };
    assert_eq!(LeafTables::new(&trees, &narrow, ALL).unwrap_err(), wanted);
    let nothing = Background::new(Vec::new(), 20);
    assert_eq!(LeafTables::new(&trees, &nothing, ALL).unwrap_err(), LeafTableError::NoBackground);
    let tables = LeafTables::new(&trees, &background, ALL).unwrap();
    assert!(tables.explain(&[0.0; 19], &mut Attribution::default()).is_err());
}
