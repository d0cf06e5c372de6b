//! References: how they come out of rows, and that a stored one is read back to
//! the bit or refused with the reason. Files are real ones in a temporary
//! folder; nothing is a stand-in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use std::collections::BTreeMap;

use driftline::{
    event::EventTime,
    pipeline::{ReferenceFileError, load_reference, store_reference},
    profile::{Cell, Counts, Grid},
    reference::{
        BuilderSettings, Column, ColumnOverride, ColumnReport,
        ColumnRole::{self, Feature, Prediction},
        DesignEffect, FEWEST_WINDOWS, Ratio, Reference, ReferenceBuilder, ReferenceError,
        Value::{self, Bool, Missing, Number, Text},
        degrees, ratio,
    },
    result::{ColumnKind, PREDICTION, PREDICTION_CLASS},
};
use proptest::{prelude::*, sample::Index};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

type Row<'a> = Vec<(&'a str, ColumnRole, Value<'a>)>;

fn build_with(
    rows: &[Row<'_>],
    overrides: &[(&str, ColumnOverride)],
) -> Result<(Reference, Vec<ColumnReport>), ReferenceError> {
    let overrides: BTreeMap<String, ColumnOverride> =
        overrides.iter().map(|(name, column)| ((*name).to_owned(), *column)).collect();
    let mut builder = ReferenceBuilder::new("credit", &overrides, 10);
    for row in rows {
        builder.push_row(row.iter().copied());
    }
    builder.finish("a test".to_owned())
}

fn build(rows: &[Row<'_>]) -> (Reference, Vec<ColumnReport>) {
    build_with(rows, &[]).unwrap()
}

/// One column called `x` with these values.
fn column_of(values: &[Value<'_>], overrides: &[(&str, ColumnOverride)]) -> (Column, ColumnReport) {
    let rows: Vec<Row<'_>> = values.iter().map(|value| vec![("x", Feature, *value)]).collect();
    let (mut reference, mut reports) = build_with(&rows, overrides).unwrap();
    (reference.columns.remove(0), reports.remove(0))
}

fn of_kind(kind: ColumnKind) -> [(&'static str, ColumnOverride); 1] {
    [("x", ColumnOverride { kind: Some(kind), ignore: false })]
}

fn named(column: &Column) -> &[String] {
    let Grid::Categorical(grid) = &column.grid else { panic!("{} is not categorical", column.name) };
    grid.named()
}

/// A reference with columns of all sorts.
fn mixed(rows: usize) -> Reference {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    let names: Vec<String> = (0..20).map(|column| format!("number_{column}")).collect();
    let colours: Vec<String> = (0..700).map(|colour| format!("colour \"{colour}\" é")).collect();
    for row in 0..rows {
        let mut cells: Row<'_> = Vec::new();
        for name in &names {
            let value = rng.random::<f64>() * 1e6 - 3e5;
            cells.push((name, Feature, if value > 6.5e5 { Missing } else { Number(value) }));
        }
        let skewed = rng.random::<f64>().powi(3);
        let colour = &colours[(skewed * colours.len() as f64) as usize];
        cells.push(("colour", Feature, Text(colour)));
        cells.push(("member", Feature, Bool(row % 3 == 0)));
        cells.push((PREDICTION, Prediction, Number(skewed)));
        cells.push((PREDICTION_CLASS, Prediction, Number(f64::from(u8::from(skewed > 0.5)))));
        builder.push_row_at(EventTime(1_700_000_000_000 + row as i64), cells);
    }
    builder.finish("a test".to_owned()).unwrap().0
}

#[test]
fn columns_come_by_name_with_predictions_last_and_their_kinds_inferred() {
    let reference = mixed(500);
    let names: Vec<&str> = reference.columns.iter().map(|column| column.name.as_str()).collect();
    let (features, predictions) = names.split_at(22);
    assert!(features.is_sorted());
    assert_eq!(features[..3], ["colour", "member", "number_0"]);
    assert_eq!(predictions, [PREDICTION, PREDICTION_CLASS]);
    let kinds: Vec<ColumnKind> = reference.columns.iter().map(|column| column.grid.kind()).collect();
    assert_eq!(kinds[..3], [ColumnKind::Categorical, ColumnKind::Categorical, ColumnKind::Numeric]);
    assert_eq!(
        kinds[22..],
        [ColumnKind::Numeric, ColumnKind::Categorical],
        "a class is a name, also as a number"
    );
    assert_eq!(reference.times, Some((EventTime(1_700_000_000_000), EventTime(1_700_000_000_499))));
    assert!(reference.columns.iter().all(|column| column.counts.rows() == 500));
}

#[test]
fn a_column_that_appears_late_was_missing_before() {
    let (reference, _) = build(&[
        vec![("a", Feature, Number(1.0))],
        vec![("a", Feature, Number(2.0)), ("b", Feature, Number(5.0))],
        vec![("b", Feature, Missing), ("a", Feature, Number(3.0))],
        vec![("b", Feature, Number(6.0))],
    ]);
    let counts =
        |index: usize| (reference.columns[index].counts.valid(), reference.columns[index].counts.missing());
    assert_eq!((reference.rows, counts(0), counts(1)), (4, (3, 1), (2, 2)));
}

#[test]
fn a_column_that_is_missing_everywhere_is_left_out_and_said_so() {
    let rows = [vec![("a", Feature, Number(1.0)), ("gone", Feature, Missing)]];
    let (reference, reports) = build(&rows);
    assert_eq!(reference.columns.len(), 1);
    assert_eq!((reports[1].name.as_str(), reports[1].kind), ("gone", None));
    assert!(reports[1].note.contains("missing in every row"));
}

#[test]
fn a_mixed_column_has_the_kind_of_most_and_says_what_the_rest_is() {
    let (column, report) =
        column_of(&[Number(1.0), Number(2.0), Number(f64::NAN), Text("n/a"), Bool(true)], &[]);
    assert_eq!((column.grid.kind(), column.counts.valid()), (ColumnKind::Numeric, 2));
    assert_eq!((column.counts.wrong_type(), column.counts.nan()), (2, 1));
    assert!(report.note.contains("2 of 5 values are no numbers"), "{}", report.note);

    // Any number can be a category, in a reference as in events.
    let (column, report) =
        column_of(&[Text("a"), Text("b"), Number(7.0), Text("7"), Number(f64::INFINITY)], &[]);
    assert_eq!((named(&column), column.counts.invalid()), (["7", "a", "b"].map(String::from).as_slice(), 1));
    assert!(report.note.contains("1 of 5 values are numbers"), "{}", report.note);
}

#[test]
fn numbers_that_json_must_spell_are_numbers_in_a_numeric_column() {
    let (column, _) =
        column_of(&[Number(1.0), Text("NaN"), Text("-Infinity"), Text("Infinity"), Number(2.0)], &[]);
    let counts = &column.counts;
    assert_eq!(
        (counts.valid(), counts.nan(), counts.positive_infinite(), counts.negative_infinite()),
        (2, 1, 1, 1)
    );
}

#[test]
fn whole_numbers_with_few_values_stay_numeric_and_say_how_to_be_codes() {
    let values: Vec<Value<'_>> = (0..100).map(|row| Number(f64::from(row % 4))).collect();
    let (column, report) = column_of(&values, &[]);
    assert_eq!(column.grid.kind(), ColumnKind::Numeric);
    assert!(report.note.contains(r#"set kind = "categorical""#), "{}", report.note);
    assert_eq!((report.valid, report.distinct), (100, 4));

    let (column, report) = column_of(&values, &of_kind(ColumnKind::Categorical));
    assert_eq!(
        (named(&column), report.note.as_str()),
        (["0", "1", "2", "3"].map(String::from).as_slice(), "")
    );
}

#[test]
fn ids_get_the_advice_to_be_ignored() {
    let ids: Vec<String> = (0..200).map(|id| format!("customer-{id}")).collect();
    let values: Vec<Value<'_>> = ids.iter().map(|id| Text(id)).collect();
    assert!(column_of(&values, &[]).1.note.contains("set ignore = true"));
    assert_eq!(column_of(&[Text("a"), Text("b"), Text("a")], &[]).1.note, "");
}

#[test]
fn the_configuration_overrides_kinds_and_leaves_columns_out() {
    let ignore = ColumnOverride { kind: None, ignore: true };
    let categorical = ColumnOverride { kind: Some(ColumnKind::Categorical), ignore: false };
    let rows = [
        vec![("id", Feature, Text("a")), ("code", Feature, Number(1.0)), ("y", Feature, Number(0.5))],
        vec![("id", Feature, Text("b")), ("code", Feature, Number(-0.0)), ("y", Feature, Number(0.25))],
    ];
    let overrides = [("code", categorical), ("id", ignore), ("typo", categorical), ("unused", ignore)];
    let (reference, reports) = build_with(&rows, &overrides).unwrap();
    assert_eq!(reference.columns.iter().map(|column| &column.name).collect::<Vec<_>>(), ["code", "y"]);
    assert_eq!(named(&reference.columns[0]), ["0", "1"]);
    let left_out: Vec<(&str, bool)> = reports[2..]
        .iter()
        .map(|report| (report.name.as_str(), report.kind.is_none() && report.note.contains("configur")))
        .collect();
    assert_eq!(left_out, [("id", true), ("typo", true), ("unused", true)]);
}

#[test]
fn text_in_a_column_configured_as_numeric_counts_as_wrong_type() {
    let numeric = of_kind(ColumnKind::Numeric);
    let (column, _) = column_of(&[Text("1"), Text("2"), Number(3.0)], &numeric);
    assert_eq!((column.counts.valid(), column.counts.wrong_type()), (1, 2));
    let rows = [vec![("x", Feature, Text("1"))]];
    assert_eq!(build_with(&rows, &numeric).unwrap_err(), ReferenceError::NoColumns(1));
}

#[test]
fn the_last_of_several_values_of_a_row_counts() {
    let rows = [
        vec![("x", Feature, Number(1.0)), ("x", Feature, Number(2.0))],
        vec![("x", Feature, Number(3.0)), ("x", Feature, Missing)],
    ];
    let (reference, _) = build(&rows);
    let counts = &reference.columns[0].counts;
    assert_eq!((counts.valid(), counts.missing(), counts.max()), (1, 1, Some(2.0)));
}

#[test]
fn a_feature_with_the_name_of_a_prediction_is_left_out() {
    let rows = [vec![(PREDICTION, Feature, Number(1.0)), (PREDICTION, Prediction, Number(0.5))]];
    let (reference, reports) = build(&rows);
    assert_eq!(reference.columns.len(), 1);
    assert_eq!(reference.columns[0].role, Prediction);
    assert!(
        reports
            .iter()
            .any(|report| report.kind.is_none() && report.note.contains("belongs to the prediction"))
    );
}

#[test]
fn nothing_to_build_from_is_said() {
    assert_eq!(build_with(&[], &[]).unwrap_err(), ReferenceError::NoRows);
    assert_eq!(build_with(&[vec![]], &[]).unwrap_err(), ReferenceError::NoColumns(1));
    assert_eq!(
        build_with(&[vec![("x", Feature, Number(f64::NAN))]], &[]).unwrap_err(),
        ReferenceError::NoColumns(1)
    );
}

#[test]
fn a_window_with_the_rows_of_the_reference_has_its_counts() {
    let reference = mixed(300);
    let column = reference.columns.iter().find(|column| column.name == "member").unwrap();
    let Grid::Categorical(grid) = &column.grid else { panic!("a boolean is a category") };
    let cells: Vec<Cell> = (0..300)
        .map(|row| if row % 3 == 0 { "true" } else { "false" })
        .map(|name| Cell::category(grid.code_of(name.as_bytes())))
        .collect();
    let mut counts = driftline::profile::Counts::new(&column.grid);
    counts.add_cells(&column.grid, &cells);
    assert_eq!(counts, column.counts);
}

#[test]
fn a_stored_reference_is_read_back_to_the_bit_and_is_compact() {
    let reference = mixed(20_000);
    let json = reference.to_json();
    let read = Reference::from_json(&json).unwrap();
    assert_eq!(read, reference);
    assert_eq!((read.to_json(), read.fingerprint()), (json.clone(), reference.fingerprint()));
    assert_eq!(reference.columns.len(), 24);
    assert!(json.len() < 1_000_000, "{} bytes", json.len());
}

#[test]
fn the_fingerprint_follows_the_content() {
    let reference = mixed(100);
    assert_eq!(reference.fingerprint(), mixed(100).fingerprint());
    assert_ne!(reference.fingerprint(), mixed(101).fingerprint());
    let renamed = Reference { model: "other".to_owned(), ..reference.clone() };
    assert_ne!(reference.fingerprint(), renamed.fingerprint());
}

/// A stored reference short enough to be changed by hand.
fn small_json() -> String {
    let rows: Vec<Row<'_>> = (0..6)
        .map(|row| {
            let colour = if row % 2 == 0 { "red" } else { "blue" };
            vec![("age", Feature, Number(f64::from(row))), ("colour", Feature, Text(colour))]
        })
        .collect();
    build(&rows).0.to_json()
}

#[test]
fn what_was_changed_or_contradicts_itself_is_refused_with_the_reason() {
    let json = small_json();
    let changed = |from: &str, to: &str| {
        assert!(json.contains(from), "{from} is not in {json}");
        Reference::from_json(&json.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, reason) in [
        (r#""format":1"#, r#""format":2"#, "stored in format 2, this version reads format 1"),
        (r#""source":"a test""#, r#""source":"another""#, "was changed after it was stored"),
        (r#""rows":6"#, r#""rows":7"#, r#"column "age" counts 6 rows of 7"#),
        (r#""colour""#, r#""age""#, r#"column "age" is there twice"#),
        (r#""name":"age""#, r#""name":"zip""#, r#"column "colour" is out of order"#),
        (r#""missing":0"#, r#""missing":1"#, r#"column "age" counts 7 rows of 6"#),
        (r#""missing":0"#, r#""missing":18446744073709551615"#, "more rows than 64 bits can count"),
        (r#""missing":0"#, r#""missing":-1"#, "expected u64"),
        (r#""sum":""#, r#""sum":"9999999999999999999999999"#, "the sums of level 0 are no sums of 6 values"),
        (r#""sum":""#, r#""sum":"x"#, "the sums of level 0 are no sums of 6 values"),
        (r#""n":6"#, r#""n":5"#, "the moments are about 5 values and the bins about 6"),
        (r#""range":[0.0,5.0]"#, r#""range":[0.0,4.0]"#, "the range of the counts is not that of the grid"),
        (
            r#""range":[0.0,5.0]"#,
            r#""range":null"#,
            "the centre, unit or range of the moments is no usable number",
        ),
        (r#""inside":["#, r#""inside":[1"#, "inside the reference's range are not among"),
        (r#""of_bin":[0,"#, r#""of_bin":[0,0,"#, r#"column "age": the cut does not fit the grid"#),
        (r#""of_bin":[0,"#, r#""of_bin":[77,"#, r#"column "age": the cut does not fit the grid"#),
        (r#""bins":[0,"#, r#""bins":[0,0,"#, r#"column "age": the counts were not made on the grid"#),
        (r#""max":5.0"#, r#""max":4.5"#, "does not lie on the edges"),
        (r#""edges":["#, r#""edges":[1e300,"#, "edge 1 is not a finite number above the edge before it"),
        (r#""named":["blue","red"]"#, r#""named":["red","red"]"#, r#"category "red" is listed twice"#),
        (r#""role":"feature""#, r#""role":"label""#, "unknown variant `label`"),
        (r#""role":"#, r#""rule":"#, "unknown field `rule`"),
        ("}", "", "not a stored reference"),
    ] {
        let error = changed(from, to);
        assert!(error.contains(reason), "{from} to {to} says: {error}");
    }
    for text in ["", "{}", "[]", "null", "PAR1", "a,b\n1,2\n"] {
        assert!(matches!(Reference::from_json(text), Err(ReferenceError::Json(_))), "{text}");
    }
}

const HOUR_MS: i64 = 3_600_000;

/// Everything that a reference can hold, of an hour of `per_hour` rows after
/// the other.
fn full(hours: i64, per_hour: usize) -> (Reference, Vec<ColumnReport>) {
    let settings = BuilderSettings {
        window_ms: Some(HOUR_MS),
        segments: ["colour", "age", "size"].map(str::to_owned).to_vec(),
        max_segments: 2,
        sample_rows: 20,
        ..BuilderSettings::default()
    };
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for hour in 0..hours {
        for row in 0..per_hour {
            let colour = ["red", "red", "red", "blue", "blue", "green"][rng.random_range(0..6)];
            let mut cells: Row<'_> = vec![("age", Feature, Number(rng.random_range(0..50_i32).into()))];
            match rng.random_range(0..8) {
                0 => cells.push(("colour", Feature, Missing)),
                1 => {}
                _ => cells.insert(0, ("colour", Feature, Text(colour))),
            }
            if row % 5 == 0 {
                let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.25, -0.0][rng.random_range(0..5)];
                cells.push(("odd", Feature, Number(odd)));
            }
            builder.push_row_at(EventTime(1_700_000_400_000 + hour * HOUR_MS + row as i64), cells);
        }
    }
    builder.finish("a test".to_owned()).unwrap()
}

#[test]
fn everything_is_read_back_to_the_bit() {
    let (reference, _) = full(12, 60);
    assert!(reference.calibration.is_some() && reference.sample.is_some() && reference.segments.len() == 2);
    let json = reference.to_json();
    let read = Reference::from_json(&json).unwrap();
    assert_eq!(read, reference);
    assert_eq!(read.to_json(), json);
}

#[test]
fn a_reference_of_an_earlier_version_is_read_and_keeps_its_fingerprint() {
    let json = small_json();
    for field in ["calibration", "segments", "sample"] {
        assert!(!json.contains(field), "what is not there is not written: {json}");
    }
    let read = Reference::from_json(&json).unwrap();
    assert_eq!((read.calibration, read.segments.len(), read.sample), (None, 0, None));
}

#[test]
fn segments_add_up_and_are_counted_like_windows() {
    let (reference, reports) = full(12, 60);
    let named = named(&reference.columns[1]);
    let values: Vec<&str> = reference.segments.iter().map(|segment| segment.value.as_str()).collect();
    assert_eq!((values, named.len()), (vec!["red", "blue"], 3), "the two most frequent");
    // Rows of the third value and those without a value are in no segment.
    let colours: Vec<u64> = reference.columns[1].counts.bins().collect();
    for (segment, &rows) in reference.segments.iter().zip(&colours) {
        assert_eq!(segment.rows, rows);
        assert_eq!(segment.counts[1].valid(), rows, "all rows of a segment have its value");
        assert!(segment.counts.iter().all(|counts| counts.rows() == rows));
    }
    for note in [("age", "not a categorical feature"), ("size", "no row has it")] {
        let report = reports.iter().find(|report| report.name == note.0).unwrap();
        assert!(report.note.contains(note.1), "{report:?}");
    }
    assert_eq!(reference.segment_problem("colour"), None);
    assert!(reference.segment_problem("age").unwrap().contains("is numeric"));
    assert!(reference.segment_problem("size").unwrap().contains("has no feature"));
    assert!(mixed(50).segment_problem("colour").unwrap().contains("build it again"));
}

#[test]
fn the_segments_of_all_values_together_are_the_reference() {
    let mut builder = ReferenceBuilder::new(
        "credit",
        &BTreeMap::new(),
        BuilderSettings { segments: vec!["colour".to_owned()], ..BuilderSettings::default() },
    );
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..2_000 {
        let colour = ["red", "blue", "green"][rng.random_range(0..3)];
        let age = if rng.random::<f64>() < 0.1 { Missing } else { Number(rng.random::<f64>()) };
        builder.push_row([("colour", Feature, Text(colour)), ("age", Feature, age)]);
    }
    let (reference, _) = builder.finish("a test".to_owned()).unwrap();
    for (index, column) in reference.columns.iter().enumerate() {
        let mut sum = Counts::new(&column.grid);
        for segment in &reference.segments {
            sum.merge(&segment.counts[index]).unwrap();
        }
        assert_eq!(sum, column.counts, "{}", column.name);
    }
}

#[test]
fn the_sample_holds_whole_rows() {
    let settings = BuilderSettings { sample_rows: 100, ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings);
    for row in 0..1_000_u32 {
        let name = format!("n{}", row % 7);
        let mut cells: Row<'_> = vec![("a", Feature, Number(row.into())), ("c", Feature, Text(&name))];
        // Some rows don't name a column, some say that it is missing.
        match row % 3 {
            0 => cells.push(("b", Feature, Number(f64::from(row) * 2.0))),
            1 => cells.insert(0, ("b", Feature, Missing)),
            _ => {}
        }
        builder.push_row(cells);
    }
    let (reference, _) = builder.finish("a test".to_owned()).unwrap();
    let sample = reference.sample.as_ref().unwrap();
    let names = named(&reference.columns[2]);
    assert_eq!(sample.len(), 100);
    let mut mean = 0.0;
    for (_, cells) in sample.rows() {
        let row = cells[0].to_f64();
        let b = if (row as u32).is_multiple_of(3) { Cell::number(row * 2.0) } else { Cell::MISSING };
        assert_eq!(cells[1], b, "row {row}");
        assert_eq!(names[cells[2].code().unwrap() as usize], format!("n{}", row as u32 % 7));
        mean += row / 100.0;
    }
    // Standard error 27.
    assert!((mean - 499.5).abs() < 110.0, "{mean}");
    let all = BuilderSettings { sample_rows: 5_000, ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), all);
    (0..30_u32).for_each(|row| builder.push_row([("a", Feature, Number(row.into()))]));
    assert_eq!(builder.finish(String::new()).unwrap().0.sample.unwrap().len(), 30);
}

#[test]
fn without_times_or_with_few_windows_there_is_no_calibration() {
    assert!(mixed(2_000).calibration.is_none(), "no length of windows was given");
    let few = FEWEST_WINDOWS as i64;
    assert!(full(few - 1, 60).0.calibration.is_none());
    assert_eq!(full(few, 60).0.calibration.unwrap().windows, few as u32);

    let settings = || BuilderSettings { window_ms: Some(HOUR_MS), ..BuilderSettings::default() };
    for timeless in [0, 100, 999] {
        let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings());
        for row in 0..1_000_i32 {
            let cells = [("x", Feature, Number(row.into()))];
            let time = EventTime(1_700_000_000_000 + i64::from(row) * HOUR_MS / 50);
            if row == timeless { builder.push_row(cells) } else { builder.push_row_at(time, cells) }
        }
        let (reference, _) = builder.finish(String::new()).unwrap();
        assert!(reference.calibration.is_none(), "row {timeless} has no time");
        assert!(reference.times.is_some());
    }
}

#[test]
fn absurd_times_and_lengths_of_windows_do_no_harm() {
    for window_ms in [i64::MIN, -1, 0, 1, 7 * HOUR_MS, i64::MAX] {
        let settings = BuilderSettings { window_ms: Some(window_ms), ..BuilderSettings::default() };
        let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings);
        for row in 0..200_i32 {
            let time = [i64::MIN, i64::MAX, 0, i64::from(row), i64::from(row) << 30][row as usize % 5];
            builder.push_row_at(EventTime(time), [("x", Feature, Number(row.into()))]);
        }
        let (reference, _) = builder.finish(String::new()).unwrap();
        assert_eq!(Reference::from_json(&reference.to_json()).unwrap(), reference);
    }
}

/// Two samples drawn from one pot of `counts`, as counts; each row is drawn
/// together with `copies - 1` like it.
fn draw(rng: &mut ChaCha8Rng, counts: &[u64], window: usize) -> (Vec<u64>, Vec<u64>) {
    let mut pot: Vec<usize> = counts
        .iter()
        .enumerate()
        .flat_map(|(bin, &count)| std::iter::repeat_n(bin, count as usize))
        .collect();
    for place in 0..window {
        let other = rng.random_range(place..pot.len());
        pot.swap(place, other);
    }
    let mut drawn = vec![0; counts.len()];
    pot[..window].iter().for_each(|&bin| drawn[bin] += 1);
    let rest = counts.iter().zip(&drawn).map(|(all, own)| all - own).collect();
    (drawn, rest)
}

#[test]
fn the_ratio_of_random_rows_is_one_on_average_whatever_the_shares() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let pots: [&[u64]; 4] = [&[100; 10], &[5, 900], &[700, 200, 60, 25, 9, 3, 2, 1], &[1, 1, 1, 500, 0, 2]];
    for counts in pots {
        for window in [25, 300] {
            let ratios: Vec<_> = (0..4_000)
                .filter_map(|_| {
                    let (drawn, rest) = draw(&mut rng, counts, window);
                    ratio(&drawn, &rest)
                })
                .collect();
            if ratios.is_empty() {
                continue;
            }
            for of in [|ratio: &Ratio| ratio.shares, |ratio: &Ratio| ratio.cumulative] {
                let n = ratios.len() as f64;
                let mean = ratios.iter().map(of).sum::<f64>() / n;
                let error =
                    (ratios.iter().map(|ratio| (of(ratio) - mean).powi(2)).sum::<f64>() / n / n).sqrt();
                // What is far from equality is raised a little.
                assert!(
                    (-4.5..6.5).contains(&((mean - 1.0) / error)),
                    "{counts:?} of {window}: {mean} +- {error}"
                );
            }
        }
    }
}

#[test]
fn the_ratio_is_chi_square_over_its_expectation() {
    let (window, others) = ([30_u64, 25, 20, 25], [300_u64, 250, 280, 170]);
    let pair = driftline::drift::CountPair::new(&others, &window).unwrap();
    let statistic = driftline::drift::chi_square(&pair).unwrap().statistic;
    let expected = 3.0 * 1_100.0 / 1_099.0;
    assert!((ratio(&window, &others).unwrap().shares - statistic / expected).abs() < 1e-12);
    assert_eq!(degrees(&window).map(|degrees| degrees.shares), Some(3.0));
    // Two bins have one distribution function that differs.
    assert_eq!(degrees(&[40, 60]).map(|degrees| (degrees.shares, degrees.cumulative)), Some((1.0, 1.0)));
    for none in
        [ratio(&[0, 0], &[5, 5]), ratio(&[5, 5], &[0, 0]), ratio(&[100], &[5]), ratio(&[100, 0], &[5, 0])]
    {
        assert_eq!(none, None);
    }
    assert_eq!(ratio(&[1; 3], &[1; 4]), None);
}

/// What the calibrations of sixteen references say.
fn effects_of(windows: i64, rows: usize, copies: usize) -> Vec<DesignEffect> {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let reference = |_| {
        let settings =
            BuilderSettings { window_ms: Some(HOUR_MS), sample_rows: 0, ..BuilderSettings::default() };
        let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings);
        for window in 0..windows {
            for row in 0..rows / copies {
                let value = rng.random::<f64>();
                for copy in 0..copies {
                    // A value of its own, in the same decile nearly always.
                    let value = Number(value + copy as f64 * 1e-9);
                    builder.push_row_at(EventTime(window * HOUR_MS + row as i64), [("x", Feature, value)]);
                }
            }
        }
        builder.finish(String::new()).unwrap().0.calibration.unwrap().columns[0].fixed.unwrap()
    };
    (0..16).map(reference).collect()
}

#[test]
fn design_effects_are_those_of_the_rows_and_larger_where_few_windows_tell() {
    let mean = |effects: &[DesignEffect], of: fn(&DesignEffect) -> f64| {
        effects.iter().map(of).sum::<f64>() / effects.len() as f64
    };
    let independent = effects_of(100, 100, 1);
    assert!((mean(&independent, |effect| effect.mean) - 1.0).abs() < 0.05);
    let many = mean(&independent, |effect| effect.shares);
    assert!((1.0..1.15).contains(&many), "{many}");
    let few = mean(&effects_of(8, 100, 1), |effect| effect.shares);
    assert!((1.1..1.6).contains(&few), "{few}");

    let fives = effects_of(100, 500, 5);
    let (plain, at_noise) = (mean(&fives, |effect| effect.mean), mean(&fives, |effect| effect.shares));
    assert!((4.7..5.6).contains(&plain) && (4.8..6.2).contains(&at_noise), "{plain} {at_noise}");
    let grown = fives[0].for_rows(1_000);
    assert!((grown.shares - (1.0 + (fives[0].shares - 1.0) * 2.0)).abs() < 1e-12);
    // A short past counts where it says more than the calibration, a long one always.
    let past = |windows, shares| Some(DesignEffect { windows, shares, ..fives[1] });
    let shares = |past| DesignEffect::of_past(past, Some(fives[0])).map(|effect| effect.shares);
    assert_eq!(
        [past(30, 1.5), past(30, 9.0), past(100, 1.5), None].map(shares),
        [Some(fives[0].shares), Some(9.0), Some(1.5), Some(fives[0].shares),]
    );
    assert_eq!(DesignEffect::of_past(past(30, 1.5), None), past(30, 1.5));
    assert_eq!(fives[0].for_rows(10), DesignEffect { mean: fives[0].mean.max(1.0), ..fives[0] });
}

#[test]
fn additions_that_contradict_the_columns_are_refused_with_the_reason() {
    let json = full(12, 60).0.to_json();
    for (from, to, reason) in [
        (r#""window_ms":3600000"#, r#""window_ms":0"#, "its windows have no length"),
        (r#""shares":1."#, r#""shares":-1."#, "a design effect is no number from 1"),
        (r#""largest":60"#, r#""largest":0"#, "a design effect is no number from 1"),
        (r#""value":"blue""#, r#""value":"red""#, r#"segment "colour" = "red" is there twice"#),
        (r#""value":"blue""#, r#""value":"pink""#, "is no category of its feature"),
        (
            r#""segments":[{"feature":"colour""#,
            r#""segments":[{"feature":"age""#,
            "is not of a categorical feature",
        ),
        (r#""value":"red","rows":"#, r#""value":"red","rows":1"#, "another number of rows"),
        (r#""sample":{"capacity":20"#, r#""sample":{"capacity":19"#, "out of order or not whole"),
        (r#""sample":{"capacity":20"#, r#""sample":{"capacity":20000000"#, "out of order or not whole"),
        (r#""hashes":["#, r#""hashes":[1,"#, "a cell of the sample is no value"),
        (r#"],["1","1","0""#, r#"],["1","77","0""#, "its rows are not of the columns"),
    ] {
        assert!(json.contains(from), "{from} is not in {json}");
        let error = Reference::from_json(&json.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(reason), "{from} to {to} says: {error}");
    }
}

/// Pieces that JSON parsers and validators trip over.
const PIECES: [&str; 14] = [
    "0",
    "-1",
    "1e999",
    "null",
    "[]",
    "{}",
    "\"\"",
    "NaN",
    ",",
    "\\u0000",
    "9223372036854775808",
    "é",
    "]",
    "true",
];

/// A stored reference with everything, made once.
fn full_json() -> String {
    static JSON: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| full(8, 30).0.to_json());
    JSON.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_json_is_refused_and_never_panics(
        changes in proptest::collection::vec((any::<Index>(), 0_usize..12, prop::sample::select(&PIECES[..])), 1..4),
        of_all in any::<bool>(),
    ) {
        let whole = if of_all { full_json() } else { small_json() };
        let mut json = whole.clone();
        for (at, cut, piece) in changes {
            let mut start = at.index(json.len());
            while !json.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + cut).min(json.len());
            while !json.is_char_boundary(end) {
                end += 1;
            }
            json.replace_range(start..end, piece);
        }
        if let Ok(read) = Reference::from_json(&json) {
            // Only a change that means nothing is taken.
            prop_assert_eq!(read.to_json(), whole);
        }
    }

    #[test]
    fn damaged_numbers_are_refused_and_never_panic(at in any::<Index>(), of_all in any::<bool>(), number in prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("a number of JSON", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
    ]) {
        let whole = if of_all { full_json() } else { small_json() };
        // Numbers stand between these; the first piece has none.
        let starts: Vec<usize> = whole.match_indices([':', ',', '[', '"']).map(|(index, _)| index + 1)
            .filter(|&start| whole[start..].starts_with(|c: char| c.is_ascii_digit() || c == '-')).collect();
        let start = starts[at.index(starts.len())];
        let length = whole[start..].find(|c: char| !(c.is_ascii_digit() || "-+.e".contains(c))).unwrap();
        let mut json = whole.clone();
        json.replace_range(start..start + length, &number);
        if let Ok(read) = Reference::from_json(&json) {
            prop_assert_eq!(read.to_json(), whole);
        }
    }
}

#[test]
fn a_file_holds_the_old_reference_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credit.json");
    let (old, new) = (mixed(50), mixed(60));
    store_reference(&path, &old).unwrap();
    assert_eq!(load_reference(&path).unwrap(), old);
    store_reference(&path, &new).unwrap();
    assert_eq!(load_reference(&path).unwrap(), new);
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["credit.json"], "nothing temporary is left");
}

#[test]
fn errors_of_files_name_the_file_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credit.json");
    let error = load_reference(&path).unwrap_err();
    assert!(matches!(error, ReferenceFileError::Read { .. }));
    for part in ["credit.json", "No such file", "`driftline reference` makes one"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // What a full disk or a careless copy leaves.
    let json = mixed(50).to_json();
    std::fs::write(&path, &json[..json.len() / 2]).unwrap();
    let error = load_reference(&path).unwrap_err();
    assert!(matches!(error, ReferenceFileError::Content { reason: ReferenceError::Json(_), .. }));
    assert!(error.to_string().contains("credit.json") && error.to_string().contains("EOF"), "{error}");

    let nowhere = folder.path().join("missing").join("credit.json");
    let error = store_reference(&nowhere, &mixed(10)).unwrap_err();
    assert!(
        error.to_string().contains("missing/credit.json") && error.to_string().contains("check the folder"),
        "{error}"
    );
    // A folder in the file's place: the rename fails and leaves nothing.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(matches!(store_reference(&taken, &mixed(10)), Err(ReferenceFileError::Write { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
