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
    profile::{Cell, Grid},
    reference::{
        Column, ColumnOverride, ColumnReport,
        ColumnRole::{self, Feature, Prediction},
        Reference, ReferenceBuilder, ReferenceError,
        Value::{self, Bool, Missing, Number, Text},
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
        builder.push_row(cells);
        builder.observe_time(EventTime(1_700_000_000_000 + row as i64));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_json_is_refused_and_never_panics(
        changes in proptest::collection::vec((any::<Index>(), 0_usize..12, prop::sample::select(&PIECES[..])), 1..4),
    ) {
        let whole = small_json();
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
    fn damaged_numbers_are_refused_and_never_panic(at in any::<Index>(), number in prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("a number of JSON", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
    ]) {
        let whole = small_json();
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
