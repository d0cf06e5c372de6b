//! What goes wrong in production, and whether the check that is for it says so.

use driftline::result::{Check, Verdict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::columns::*;

/// Sizes of reference and window in the tables of docs/checks.md.
pub(crate) const MEASURED: [(usize, usize); 4] =
    [(1_000, 100), (1_000, 1_000), (10_000, 1_000), (10_000, 10_000)];

/// What a broken producer makes of a value; the second number says which row.
pub(crate) type Break = fn(f64, usize) -> f64;

/// One thing that goes wrong, and the check that is for it.
pub(crate) struct Fault {
    name: &'static str,
    shape: Shape,
    check: Check,
    breaks: Break,
}

pub(crate) const fn fault(name: &'static str, shape: Shape, check: Check, breaks: Break) -> Fault {
    Fault { name, shape, check, breaks }
}

impl Fault {
    fn apply(&self, value: f64, row: usize) -> f64 {
        if value.is_nan() { value } else { (self.breaks)(value, row) }
    }
}

const FAULTS: [Fault; 24] = [
    fault(
        "missing 1 % -> 4 %",
        Shape::Normal,
        Check::Missing,
        |x, row| if row % 33 == 0 { f64::NAN } else { x },
    ),
    fault(
        "a tenth beyond the range",
        Shape::Skewed,
        Check::Unseen,
        |x, row| if row % 10 == 0 { x + 1e4 } else { x },
    ),
    fault(
        "new category in 3 %",
        Shape::Categories20,
        Check::Unseen,
        |x, row| if row % 33 == 0 { 77.0 } else { x },
    ),
    fault("all ids new", Shape::Ids, Check::Unseen, |x, _| x + 5_000.0),
    fault("c15 vanishes", Shape::Categories20, Check::RareCategory, |x, _| {
        if (x - 15.0).abs() < 0.5 { 1.0 } else { x }
    }),
    fault(
        "c17 threefold",
        Shape::Categories20,
        Check::RareCategory,
        |x, row| if row % 30 == 0 { 17.0 } else { x },
    ),
    fault("constant number", Shape::Normal, Check::Constant, |_, _| 21.5),
    fault("constant category", Shape::Categories20, Check::Constant, |_, _| 1.0),
    fault("constant zero of 60 %", Shape::ZeroInflated, Check::Constant, |_, _| 0.0),
    fault("10 % at one value", Shape::Normal, Check::Stuck, |x, row| if row % 10 == 0 { 21.5 } else { x }),
    fault("10 % at -999", Shape::Normal, Check::Stuck, |x, row| if row % 10 == 0 { -999.0 } else { x }),
    fault("15 % more zeros", Shape::ZeroInflated, Check::Stuck, |x, row| if row % 3 == 0 { 0.0 } else { x }),
    fault("times 1000", Shape::Normal, Check::Unit, |x, _| x * 1e3),
    fault("over 1000", Shape::Skewed, Check::Unit, |x, _| x / 1e3),
    fault("times 60, zeros stay", Shape::ZeroInflated, Check::Unit, |x, _| x * 60.0),
    fault("inches as cm", Shape::Skewed, Check::Unit, |x, _| x * 2.54),
    fault("celsius as fahrenheit", Shape::Normal, Check::Unit, |x, _| x * 1.8 + 32.0),
    fault("celsius as kelvin", Shape::Normal, Check::Unit, |x, _| x + 273.15),
    fault("sign turned", Shape::Skewed, Check::Unit, |x, _| -x),
    fault("logarithm", Shape::Skewed, Check::Unit, |x, _| x.ln_1p()),
    fault("30 % times 1000", Shape::Skewed, Check::Unit, |x, row| if row % 10 < 3 { x * 1e3 } else { x }),
    fault("rounded to whole", Shape::Skewed, Check::Cardinality, |x, _| x.round()),
    fault("rounded to 5", Shape::Normal, Check::Cardinality, |x, _| (x / 5.0).round() * 5.0),
    fault("whole numbers with noise", Shape::Integer, Check::Cardinality, |x, row| x + row as f64 * 1e-6),
];

/// How many of so many windows with a fault the check that is for it calls
/// drifted, and what else is said of them.
pub(crate) fn detected(
    fault: &Fault,
    sizes: (usize, usize),
    windows: usize,
    seed: u64,
) -> (usize, Tally, String) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut found, mut tally, mut detail) = (0, Tally::default(), String::new());
    for _ in 0..windows {
        let column = fault.shape.column(&fault.shape.sample(&mut rng, sizes.0));
        let sample = fault.shape.sample(&mut rng, sizes.1);
        let broken: Vec<f64> =
            sample.iter().enumerate().map(|(row, &value)| fault.apply(value, row)).collect();
        let findings = checks(&column, &fault.shape.counts(&column, &broken));
        let finding = of(&findings, fault.check);
        found += usize::from(finding.verdict == Verdict::Drifted);
        detail = if finding.detail.is_empty() { detail } else { finding.detail.clone() };
        tally.add(&findings);
    }
    (found, tally, detail)
}

/// Prints the table of detections in docs/checks.md.
#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_detection() {
    for fault in &FAULTS {
        print!("{} ({:?})", fault.name, fault.shape);
        let mut last = (Tally::default(), String::new());
        for (m, n) in MEASURED {
            let (found, tally, detail) = detected(fault, (m, n), 50, 5);
            print!(" | {}", found * 2);
            last = (tally, detail);
        }
        let others: Vec<_> = last
            .0
            .0
            .iter()
            .filter(|(_, counts)| counts[3] > 2)
            .map(|(check, counts)| format!("{} {}", check.as_str(), counts[3] * 2))
            .collect();
        println!(" | {} | {}", last.1, others.join(", "));
    }
}

#[test]
fn each_check_finds_what_it_is_for() {
    for fault in &FAULTS {
        let (found, _, detail) = detected(fault, (5_000, 2_000), 10, 7);
        assert!(found >= 9, "{}: {found} of 10, {detail}", fault.name);
    }
}

#[test]
fn the_names_of_units_are_right() {
    let expected = [
        ("times 1000", "values are 1000 times the reference's (such as kg as g, or s as ms)"),
        ("over 1000", "values are the reference's over 1000 (such as g as kg, or ms as s)"),
        ("times 60, zeros stay", "values are 60 times the reference's (such as minutes as seconds)"),
        ("inches as cm", "values are 2.54 times the reference's (such as inches as cm)"),
        ("celsius as fahrenheit", "values are like °C turned into °F"),
        ("celsius as kelvin", "values are like °C turned into K"),
        ("sign turned", "values are the reference's with the sign turned"),
        ("logarithm", "values are like the natural logarithms of 1 + the reference's"),
    ];
    for (name, text) in expected {
        let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap();
        let (_, _, detail) = detected(fault, (5_000, 2_000), 4, 9);
        // Widely spread values leave a second factor open.
        let rest = detail.strip_prefix(text).unwrap_or_else(|| panic!("{name}: {detail}"));
        assert!(rest.is_empty() || rest.starts_with(", or "), "{name}: {detail}");
    }
    let kibi = fault("times 1024", Shape::Normal, Check::Unit, |x, _| x * 1024.0);
    let (found, _, detail) = detected(&kibi, (20_000, 5_000), 4, 9);
    assert!(found == 4 && detail.contains("1024 times"), "{detail}");
    let part = FAULTS.iter().find(|fault| fault.name == "30 % times 1000").unwrap();
    let (_, _, detail) = detected(part, (5_000, 2_000), 4, 9);
    let (start, rest) = detail.split_once(" % of the values are ").expect(&detail);
    assert!(start.starts_with("about 2") || start.starts_with("about 3"), "{detail}");
    assert!(rest.contains("1000 times the reference's"), "{detail}");
    let double = fault("times 1.9", Shape::Normal, Check::Unit, |x, _| x * 1.9);
    let (found, _, detail) = detected(&double, (20_000, 5_000), 4, 9);
    assert!(
        found == 4 && detail.starts_with("values are about 1.9") && detail.ends_with("no known unit"),
        "{detail}"
    );
}
