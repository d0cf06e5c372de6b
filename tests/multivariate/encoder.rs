//! Rows as vectors: what each kind of cell becomes.

use std::collections::BTreeMap;

use driftline::{
    multivariate::{Encoder, MOST_FEATURES},
    profile::Cell,
    reference::{
        ColumnRole::{Feature, Prediction},
        Reference, ReferenceBuilder, Value,
    },
};

use crate::world::{Change, World, cells};

fn reference(values: &[(f64, &str)]) -> Reference {
    let mut builder = ReferenceBuilder::new("made-up", &BTreeMap::new(), 10);
    for (number, name) in values {
        builder.push_row([
            ("a", Feature, Value::Number(*number)),
            ("b", Feature, Value::Text(name)),
            ("prediction", Prediction, Value::Number(0.5)),
        ]);
    }
    builder.finish("a test".to_owned()).unwrap().0
}

#[test]
fn numbers_become_normal_scores_and_categories_columns() {
    let values = [(1.0, "x"), (2.0, "x"), (3.0, "x"), (4.0, "y")];
    let encoder = Encoder::new(&reference(&values)).unwrap();
    assert_eq!(encoder.names().collect::<Vec<_>>(), ["a", "b"]);
    // Score and indicator; x, y, the rest and indicator.
    assert_eq!(encoder.owners(), [0, 0, 1, 1, 1, 1]);
    let row = |number: f64, code: Cell| encoder.row(&[Cell::number(number), code, Cell::ABSENT]).unwrap();
    // The middle of the ranks of four values: 1/8, 3/8, 5/8, 7/8.
    let scores = [(1.0, -1.150_349_380_376), (2.0, -0.318_639_363_964), (3.0, 0.318_639_363_964)];
    for (number, score) in scores {
        assert!((row(number, Cell::category(0))[0] - score).abs() < 1e-9, "{number}");
    }
    // Beyond the range it is as extreme as its end.
    for (number, like) in [(1e300, 4.0), (-1e300, 1.0), (-0.0, 0.0)] {
        assert_eq!(row(number, Cell::category(0)), row(like, Cell::category(0)));
    }
    assert_eq!(row(2.0, Cell::category(0))[1..], [0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(row(2.0, Cell::category(1))[1..], [0.0, 0.0, 1.0, 0.0, 0.0]);
    for rest in [2, 3, u32::MAX] {
        assert_eq!(row(2.0, Cell::category(rest))[1..], [0.0, 0.0, 0.0, 1.0, 0.0]);
    }
    // Without a value: the average, and the indicator.
    for nothing in [Cell::MISSING, Cell::WRONG_TYPE, Cell::number(f64::NAN), Cell::number(f64::INFINITY)] {
        let row = encoder.row(&[nothing, nothing, Cell::ABSENT]).unwrap();
        assert!(row[0].abs() < 1e-12);
        assert_eq!(row[1..], [1.0, 0.75, 0.25, 0.0, 1.0]);
    }
    assert_eq!(encoder.row(&[Cell::number(1.0), Cell::ABSENT, Cell::ABSENT]), None, "half a row");
    assert_eq!(encoder.row(&[Cell::number(1.0)]), None, "half a row");
}

#[test]
fn units_and_shapes_of_features_do_not_matter() {
    let rows = World::PLAIN.rows(1, 700, Change::Nothing);
    let stretched = |row: &Vec<_>| -> Vec<_> {
        row.iter()
            .map(|datum| match datum {
                Some(crate::world::Datum::Number(number)) => {
                    Some(crate::world::Datum::Number((3.0 * number).exp() * 1e5))
                }
                other => *other,
            })
            .collect()
    };
    let (plain, _) = World::PLAIN.reference_of(1, &rows, 1);
    let stretched_rows: Vec<_> = rows.iter().map(stretched).collect();
    let (other, _) = World::PLAIN.reference_of(1, &stretched_rows, 1);
    let encoders = (Encoder::new(&plain).unwrap(), Encoder::new(&other).unwrap());
    for (row, stretched) in rows.iter().zip(&stretched_rows) {
        assert_eq!(encoders.0.row(&cells(&plain, row)), encoders.1.row(&cells(&other, stretched)));
    }
}

#[test]
fn wide_models_are_narrowed_or_refused() {
    let world = |numbers, categories| World { numbers, categories, missing: 0.0, odd: false };
    let encoder = |world: World| Encoder::new(&world.reference(3, 200, 10).0);
    // 20 features of up to 13 categories: 8 of them, the rest and an indicator
    // each would be 200.
    let wide = encoder(world(2, 20)).unwrap();
    assert!(wide.width() <= 160 + 22, "{}", wide.width());
    assert!(encoder(world(MOST_FEATURES, 0)).is_some());
    assert!(encoder(world(MOST_FEATURES + 2, 0)).is_none());
    let mut predictions = world(2, 0).reference(3, 200, 10).0;
    predictions.columns.iter_mut().for_each(|column| column.role = Prediction);
    assert!(Encoder::new(&predictions).is_none(), "no features");
}
