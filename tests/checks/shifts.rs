//! Drift that is for the distances, and that no check may take for its own.

use driftline::result::Check;

use crate::{
    columns::Shape,
    faults::{Break, MEASURED, detected, fault},
};

/// Distributions that move as a whole, as a mixture, or in their spread.
const SHIFTS: [(&str, Shape, Break); 20] = [
    ("half a deviation up", Shape::Normal, |x, _| x + 2.5),
    ("two deviations up", Shape::Normal, |x, _| x + 10.0),
    ("ten deviations up", Shape::Normal, |x, _| x + 50.0),
    ("far away", Shape::Normal, |x, _| x + 5e4),
    ("wider", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 1.4),
    ("three times wider", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 3.0),
    ("narrower", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 0.6),
    ("five times narrower", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 0.2),
    ("two humps", Shape::Normal, |x, row| if row % 3 == 0 { x + 20.0 } else { x }),
    ("a tenth far up", Shape::Normal, |x, row| if row % 10 == 0 { 40.0 + x * 7.7 } else { x }),
    ("one more", Shape::Integer, |x, _| x + 1.0),
    ("some more", Shape::Integer, |x, row| x + if row % 3 == 0 { 1.0 } else { 0.0 }),
    ("two thirds of the zeros gone", Shape::ZeroInflated, |x, row| {
        if x == 0.0 && row % 3 > 0 { (row % 97) as f64 * 0.7 } else { x }
    }),
    ("larger but for zeros", Shape::ZeroInflated, |x, _| x * 1.3),
    ("to the power 1.2", Shape::Skewed, |x, _| x.powf(1.2)),
    ("to the power 0.7", Shape::Skewed, |x, _| x.powf(0.7)),
    ("one up", Shape::Skewed, |x, _| x + 1.0),
    ("a fifth larger", Shape::Skewed, |x, _| x * 1.2),
    ("wider tails", Shape::HeavyTailed, |x, _| 5.0 + (x - 5.0).abs().powf(1.3) * (x - 5.0).signum()),
    ("one up, heavy tails", Shape::HeavyTailed, |x, _| x + 1.0),
];

/// Prints what is said of distributions that merely move.
#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_shifts() {
    for (name, shape, breaks) in SHIFTS {
        print!("{name} ({shape:?})");
        let shift = fault(name, shape, Check::Unit, breaks);
        for (m, n) in MEASURED {
            let (_, tally, detail) = detected(&shift, (m, n), 50, 6);
            let said: Vec<_> = tally
                .0
                .iter()
                .filter(|(_, counts)| counts[3] > 0)
                .map(|(check, counts)| format!("{} {}", check.as_str(), counts[3] * 2))
                .collect();
            print!(" | {} {detail}", said.join(", "));
        }
        println!();
    }
}

#[test]
fn a_distribution_that_moves_is_neither_stuck_nor_rounded_nor_in_another_unit() {
    for (name, shape, breaks) in SHIFTS {
        let shift = fault(name, shape, Check::Unit, breaks);
        let (_, tally, detail) = detected(&shift, (5_000, 1_500), 6, 8);
        for check in [Check::Stuck, Check::Cardinality, Check::Unit, Check::Constant] {
            assert_eq!(tally.0[&check][3], 0, "{name}: {check:?} {detail}");
        }
    }
}
