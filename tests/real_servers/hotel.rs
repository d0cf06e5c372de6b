//! Real bookings of two hotels, from CSV through Kafka and the daemon to
//! InfluxDB, each score against one that numpy and scipy compute from the CSV.
//!
//! The data lies beside the repository, not in it. Where it is not there,
//! simulated bookings with the same columns stand in, and the test says so.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::{
    points::{self, Field, Points},
    setup::{Setup, path},
    simulated::Random,
    support::servers::{Influx2, Kafka, or_skip, prepared, skipped},
};

/// Columns of the files.
pub const TABLE: &str = r#"id = "Index"
time = "timestamp"
prediction = "y_pred_proba"
prediction_class = "y_pred"
label = "is_canceled"
# Agents are numbers in the file, or UNK; they are names all the same.
[models.features.agent]
kind = "categorical"
"#;

/// Equal, but for the order of sums.
const EXACT: f64 = 1e-9;

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn each_score_of_each_day_is_the_one_that_scipy_computes() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let Some(oracle) = or_skip(prepared("oracle")) else { return };
    let mut setup = Setup::new("hotel", kafka, influx);
    setup.windows = "size = \"1d\"\nlateness = \"1h\"\nmin_events = 20\n";
    setup.table = TABLE;
    let [reference, production] = data(&setup.folder);
    setup.make_reference(&reference);
    let expected = by_scipy(&oracle, &setup.folder.join("reference.json"), &reference, &production);

    let mut daemon = setup.daemon();
    setup.publish(&production);
    // Nothing comes after the last day, so it stays open.
    let last = expected.keys().map(|(end, _)| *end).max().unwrap();
    let days = expected.keys().filter(|(end, feature)| feature == "prediction" && *end < last).count();
    assert!(days > 25, "{days} days");
    daemon.wait_for(&format!("writes {days} windows"), |_| {
        (points::read(influx, &setup.bucket, "window").len() >= days).then_some(())
    });
    daemon.stop();

    let drift = points::read(influx, &setup.bucket, "drift");
    assert_eq!(drift.len(), expected.keys().filter(|(end, _)| *end < last).count());
    let compared = compare(&drift, &expected);
    println!("{compared} scores of {days} days and {} columns compared", drift.len() / days);
    assert!(compared > days * 20, "{compared}");
}

/// Scores by end of the day and column, each by name.
type Expected = BTreeMap<(i64, String), BTreeMap<String, f64>>;

/// Runs `tests/oracles/make_hotel.py`.
fn by_scipy(oracle: &Path, profile: &Path, reference: &Path, production: &Path) -> Expected {
    #[derive(Deserialize)]
    struct Column {
        feature: String,
        end: i64,
        scores: BTreeMap<String, f64>,
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/make_hotel.py");
    let output = Command::new(oracle.join("venv/bin/python"))
        .args([path(&script), path(profile), path(reference), path(production)])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let columns: Vec<Column> = serde_json::from_slice(&output.stdout).unwrap();
    columns.into_iter().map(|column| ((column.end, column.feature), column.scores)).collect()
}

/// Compares every score that both have; gives their number.
fn compare(drift: &Points, expected: &Expected) -> usize {
    let mut compared = 0;
    for ((end, [_, _, feature, _]), fields) in drift {
        let place = format!("{feature} of the day that ends at {end}");
        let scores = expected.get(&(*end, feature.clone())).unwrap_or_else(|| panic!("{place}: unexpected"));
        let insufficient = scores["valid"] < 20.0;
        let said = fields["verdict"] == Field::Text("insufficient".to_owned());
        assert_eq!(said, insufficient, "{place}");
        for (name, &score) in scores {
            let found = match fields.get(name).map(Field::number) {
                Some(found) => found,
                None if name.ends_with("_bound") || name.ends_with("_factor") || insufficient => continue,
                None => panic!("{place}: {name} is missing, scipy says {score}"),
            };
            let tolerance = match name.as_str() {
                "ks" => fields["ks_error_bound"].number() + 1e-12,
                "wasserstein" => scores["wasserstein_bound"] + EXACT * score.abs(),
                // Judged at the statistic that was found, not at scipy's.
                "ks_p_value" if fields["ks_error_bound"].number() > 0.0 => continue,
                _ => EXACT * score.abs() + 1e-12,
            };
            let difference = (found - score).abs();
            assert!(difference <= tolerance, "{place}: {name} is {found}, scipy says {score}");
            compared += 1;
        }
    }
    compared
}

/// The reference's and the production's CSV; made in `folder` where the real
/// ones are not there.
pub fn data(folder: &Path) -> [PathBuf; 2] {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotel_booking");
    let files = ["reference.csv", "production.csv"].map(|name| real.join(name));
    if files.iter().all(|file| file.is_file()) {
        return files;
    }
    skipped("the real bookings: ../shared/data/hotel_booking is not there; simulated ones stand in");
    let files = ["simulated-reference.csv", "simulated-production.csv"].map(|name| folder.join(name));
    simulate(&files[0], "2016-05-01", 60, 0);
    simulate(&files[1], "2016-10-01", 30, 12);
    files
}

/// Bookings of so many days, 100 a day.
fn simulate(file: &Path, from: &str, days: i64, shift: u32) {
    let mut random = Random(u64::from(shift));
    let mut text =
        "Index,lead_time,adr,market_segment,country,y_pred,y_pred_proba,is_canceled,timestamp\n".to_owned();
    let first: jiff::civil::Date = from.parse().unwrap();
    for row in 0..days * 100 {
        let day = first.checked_add(jiff::Span::new().days(row / 100)).unwrap();
        let lead_time = random.below(200) * random.below(2) + shift;
        // Twice as many countries as have names of their own in a small cut.
        let country = random.below(30) + random.below(30) + shift / 4;
        let segment = ["Online TA", "Direct", "Groups, other"][random.below(3) as usize];
        let (adr, score) = (40.0 + 100.0 * random.unit(), random.unit());
        let canceled = u8::from(random.unit() < score);
        let class = u8::from(score > 0.5);
        writeln!(text, "{row},{lead_time},{adr},\"{segment}\",C{country},{class},{score},{canceled},{day}")
            .unwrap();
    }
    fs::write(file, text).unwrap();
}
