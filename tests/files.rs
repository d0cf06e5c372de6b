//! Files of rows as events: the three formats give the same bytes, broken
//! rows are counted and named, times and guesses follow the documented rules.
//! All files are made here; what becomes of the events is tested elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use driftline::{
    config::TableMapping,
    decode::{Decoder, EventMapping, FieldSource, JsonPointer, LooseValue, Row, loose_features},
    event::{EventTime, MessageBatch, PartitionId},
    source::files::{EventFiles, EventOptions, FaultReason, FileError, FileFormat, Required},
};
use proptest::prelude::*;
use support::tables::{Column, write_all};

const DAY_MS: i64 = 86_400_000;

fn options() -> EventOptions {
    EventOptions {
        model: "m".to_owned(),
        table: TableMapping::default(),
        events: EventMapping::default(),
        required: Required::Events,
        format: None,
        strict: false,
    }
}

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn scan(paths: &[PathBuf], options: EventOptions) -> Result<EventFiles, FileError> {
    EventFiles::scan(paths, options, &mut |_| {})
}

/// Keys and payloads of all events, taken in batches of three.
fn events_of(files: &EventFiles, tolerance_ms: i64) -> Vec<(Option<String>, String)> {
    let mut reader = files.events(tolerance_ms);
    let mut events = Vec::new();
    let mut batch = MessageBatch::default();
    loop {
        batch.clear();
        let more = reader.fill(&mut batch, 3).unwrap();
        for message in batch.iter() {
            assert_eq!(message.offset, i64::try_from(events.len()).unwrap());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            events.push((message.key.map(text), text(message.value.unwrap())));
        }
        if !more {
            return events;
        }
    }
}

fn payloads(paths: &[PathBuf]) -> Vec<String> {
    let files = scan(paths, options()).unwrap();
    assert_eq!(files.faults().total(), 0, "{:?}", files.faults());
    events_of(&files, 0).into_iter().map(|(_, payload)| payload).collect()
}

fn times_of(payloads: &[String]) -> Vec<String> {
    let member = |payload: &String| {
        let value: serde_json::Value = serde_json::from_str(payload).unwrap();
        value["time"].as_str().unwrap_or("none").to_owned()
    };
    payloads.iter().map(member).collect()
}

#[test]
fn a_row_becomes_the_event_that_a_producer_would_have_sent() {
    let directory = tempfile::tempdir().unwrap();
    let csv = "\
id,timestamp,age,country,vip,y_pred_proba,y_pred,label,model_version
a-1,2026-01-31T12:00:00Z,41,DE,True,0.25,0,,7
007,2026-01-31T12:00:01.5Z,,\"a \"\"b\"\", c\",false,0.75,1,1,7
";
    let files = scan(&[write(directory.path(), "f.csv", csv)], options()).unwrap();
    let expected = [
        (
            "a-1",
            r#"{"kind":"prediction","id":"a-1","time":"2026-01-31T12:00:00Z","model":"m","version":"7","features":{"age":41,"country":"DE","vip":true},"prediction":0.25,"prediction_class":0}"#,
        ),
        (
            "007",
            r#"{"kind":"prediction","id":"007","time":"2026-01-31T12:00:01.5Z","model":"m","version":"7","features":{"age":null,"country":"a \"b\", c","vip":false},"prediction":0.75,"prediction_class":1}"#,
        ),
        (
            "007",
            r#"{"kind":"label","id":"007","time":"2026-01-31T12:00:01.5Z","model":"m","version":"7","label":1}"#,
        ),
    ];
    let expected = expected.map(|(key, payload)| (Some(key.to_owned()), payload.to_owned()));
    assert_eq!(events_of(&files, 0), expected);
    assert_eq!(files.rows(), 2);
    let guesses =
        ["the time", "the id", "the prediction", "the prediction class", "the label", "the model version"];
    for guess in guesses {
        assert!(files.notes().iter().any(|note| note.ends_with(guess)), "{guess}: {:?}", files.notes());
    }
}

#[test]
fn the_three_formats_give_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let columns = [
        Column::Int("id", vec![Some(1), Some(2), Some(9_007_199_254_740_993)]),
        Column::Text(
            "time",
            vec![Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:00.25Z"), Some("2026-01-02T00:00:00Z")],
        ),
        Column::Float("amount", vec![Some(0.1), None, Some(-1.5e-7)]),
        Column::Float("agent", vec![Some(7.0), Some(9.0), None]),
        Column::Text("country", vec![Some("DE"), None, Some("a,\"b\"\n\u{e9}")]),
        Column::Bool("vip", vec![Some(true), Some(false), None]),
        Column::Int("stays", vec![Some(-3), None, Some(i64::MAX)]),
        Column::Float("prediction", vec![Some(0.5), None, Some(1.0)]),
    ];
    let paths = write_all(directory.path(), "t", &columns);
    let [csv, ndjson, parquet] = paths.map(|path| payloads(&[path]));
    assert_eq!(csv.len(), 3);
    assert!(csv[2].contains(r#""id":"9007199254740993""#), "ids keep all digits: {}", csv[2]);
    assert_eq!(csv, ndjson);
    assert_eq!(csv, parquet);
}

#[test]
fn parquet_dates_timestamps_decimals_and_codes_are_read() {
    use arrow::{
        array::{
            ArrayRef, Date32Array, Decimal128Array, DictionaryArray, ListArray, RecordBatch,
            TimestampMicrosecondArray,
        },
        datatypes::{Int32Type, Int64Type},
    };
    use std::sync::Arc;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let country: DictionaryArray<Int32Type> = [Some("DE"), None].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None]);
    let price = Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).unwrap();
    let ts = TimestampMicrosecondArray::from(vec![1_475_280_000_250_999, 1_475_280_001_000_000])
        .with_timezone("UTC");
    let columns: [(&str, ArrayRef); 5] = [
        ("ts", Arc::new(ts)),
        ("day", Arc::new(Date32Array::from(vec![Some(17_075), None]))),
        ("country", Arc::new(country)),
        ("price", Arc::new(price)),
        ("tags", Arc::new(lists)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert_eq!(
        payloads(&[path]),
        [
            r#"{"kind":"feature","time":"2016-10-01T00:00:00.25Z","model":"m","features":{"day":"2016-10-01","country":"DE","price":123.45,"tags":[]}}"#,
            r#"{"kind":"feature","time":"2016-10-01T00:00:01Z","model":"m","features":{"day":null,"country":null,"price":null,"tags":null}}"#,
        ]
    );
}

#[test]
fn byte_order_marks_line_ends_delimiters_and_gzip_make_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let plain = "ts,a,b\n2026-01-01T00:00:00Z,1,x\n2026-01-01T00:00:01Z,2,y\n";
    let expected = payloads(&[write(directory.path(), "plain.csv", plain)]);
    assert_eq!(expected.len(), 2);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(plain.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    for (name, content) in [
        ("bom.csv", format!("\u{feff}{plain}").into_bytes()),
        ("crlf.csv", plain.replace('\n', "\r\n").into_bytes()),
        ("no-end.csv", plain.trim_end().as_bytes().to_vec()),
        ("blank-lines.csv", plain.replace("1,x\n", "1,x\n\n\n").into_bytes()),
        ("tabs.tsv", plain.replace(',', "\t").into_bytes()),
        ("semicolons.csv", plain.replace(',', ";").into_bytes()),
        ("packed.csv.gz", packed.clone()),
        ("packed-by-another-name.csv", packed),
    ] {
        assert_eq!(payloads(&[write(directory.path(), name, content)]), expected, "{name}");
    }
    let lines = "{\"ts\":\"2026-01-01T00:00:00Z\",\"a\":1,\"b\":\"x\"}\r\n\r\n{\"ts\":\"2026-01-01T00:00:01Z\",\"a\":2,\"b\":\"y\"}";
    assert_eq!(payloads(&[write(directory.path(), "l.jsonl", format!("\u{feff}{lines}"))]), expected);
}

#[test]
fn broken_rows_are_counted_named_and_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut csv = b"ts,a\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z\n2026-01-01T00:00:02Z,2,3\n".to_vec();
    csv.extend_from_slice(
        b"2026-01-01T00:00:03Z,\"line\nbreak\"\n2026-01-01T00:00:04Z,\xff\xfe\n,5\n01/02/2026,6\n",
    );
    csv.extend_from_slice(b"2026-01-01T00:00:05Z,7\n");
    let path = write(directory.path(), "broken.csv", csv);
    let files = scan(std::slice::from_ref(&path), options()).unwrap();
    let counts: Vec<(FaultReason, u64)> = files.faults().counts().collect();
    let expected = [
        (FaultReason::Ragged, 2),
        (FaultReason::NotUtf8, 1),
        (FaultReason::NoTime, 1),
        (FaultReason::BadTime, 1),
    ];
    assert_eq!(counts, expected);
    let named: Vec<String> = files
        .faults()
        .first()
        .iter()
        .map(|fault| fault.to_string().rsplit_once('/').unwrap().1.to_owned())
        .collect();
    assert_eq!(named[0], "broken.csv:3: 1 fields where the header has 2");
    assert_eq!(named[1], "broken.csv:4: 3 fields where the header has 2");
    assert!(named[2].starts_with("broken.csv:7: column \"a\" is not valid UTF-8"), "{}", named[2]);
    assert_eq!(named[3], "broken.csv:8: the row has no event time");
    assert_eq!(files.rows(), 3);
    assert_eq!(events_of(&files, 0).len(), 3);

    let unclosed = write(directory.path(), "quote.csv", "ts,a,b\n1767225600,\"1,2\n1767225600,3,4\n");
    let files = scan(&[unclosed], options()).unwrap();
    assert!(files.faults().first()[0].what.ends_with("is a quote not closed?"), "{:?}", files.faults());

    let strict = scan(&[path], EventOptions { strict: true, ..options() }).unwrap_err();
    assert!(strict.to_string().contains("broken.csv:3: 1 fields where the header has 2"), "{strict}");
}

#[test]
fn broken_lines_are_counted_and_the_rest_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines =
        b"{\"ts\":1767225600,\"a\":1}\n{\"ts\":1767225600,\"a\":}\n[1]\n{\"ts\":1767225600} x\n".to_vec();
    lines.extend_from_slice(
        b"{\"ts\":1767225600,\"a\":\"\xff\"}\n{\"a\":1}\n{\"ts\":1767225601,\"b\":{\"c\":1}}\n",
    );
    let files = scan(&[write(directory.path(), "l.ndjson", lines)], options()).unwrap();
    let counts: Vec<(FaultReason, u64)> = files.faults().counts().collect();
    assert_eq!(counts, [(FaultReason::NotUtf8, 1), (FaultReason::NotJson, 3), (FaultReason::NoTime, 1)]);
    let events = events_of(&files, 0);
    assert_eq!(events.len(), 2);
    assert!(events[1].1.contains(r#""features":{"b":{"c":1}}"#), "{}", events[1].1);
}

#[test]
fn a_line_beyond_the_limit_is_one_broken_row() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat((16 << 20) + 10);
    let lines = format!("{{\"ts\":1767225600,\"a\":\"{long}\"}}\n{{\"ts\":1767225600,\"a\":1}}\n");
    let files = scan(&[write(directory.path(), "l.ndjson", lines)], options()).unwrap();
    assert_eq!(files.faults().counts().collect::<Vec<_>>(), [(FaultReason::TooLong, 1)]);
    assert_eq!(files.rows(), 1);

    let unclosed = format!("ts,a\n1767225600,1\n1767225600,\"{long}{long}\n");
    let error = scan(&[write(directory.path(), "c.csv", unclosed)], options()).unwrap_err().to_string();
    assert!(error.contains("a row of more than 16 MiB; is a quote not closed?"), "{error}");
}

#[test]
fn what_is_no_table_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content, hint) in [
        ("empty.csv", "", "is empty"),
        ("empty.ndjson", "", "is empty"),
        ("empty.parquet", "", "is empty"),
        ("array.json", "[{\"ts\":1}]", "write one object a line"),
        ("twice.csv", "ts,a,a\n", "two columns are called \"a\""),
        ("unnamed.csv", "ts,\n", "column 2 has no name"),
        ("text.parquet", "ts,a\n1,2\n", "not Parquet"),
        ("rows.dat", "ts,a\n", "pass --format"),
        ("no-time.csv", "a,b\n1,2\n", "which column is the event time?"),
    ] {
        let error = scan(&[write(directory.path(), name, content)], options()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(hint), "{error}");
    }
    let missing = scan(&[directory.path().join("missing.csv")], options()).unwrap_err().to_string();
    assert!(missing.contains("can't read") && missing.contains("missing.csv"), "{missing}");
    let path = write(directory.path(), "rows.dat2", "ts,a\n1767225600,1\n");
    let told = scan(&[path], EventOptions { format: Some(FileFormat::Csv), ..options() }).unwrap();
    assert_eq!(told.rows(), 1);
    let header = scan(&[write(directory.path(), "header.csv", "ts,a\n")], options()).unwrap();
    assert_eq!((header.rows(), events_of(&header, 0).len()), (0, 0));
    assert!(header.notes().iter().any(|note| note.contains("no row can be used")), "{:?}", header.notes());
}

#[test]
fn wide_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..3_000).map(|index| format!("f{index}")).collect();
    let values: Vec<String> = (0..3_000).map(|index| index.to_string()).collect();
    let csv = format!("ts,{}\n1767225600,{}\n", names.join(","), values.join(","));
    let payloads = payloads(&[write(directory.path(), "wide.csv", csv)]);
    let event: serde_json::Value = serde_json::from_str(&payloads[0]).unwrap();
    assert_eq!(event["features"].as_object().unwrap().len(), 3_000);
    assert_eq!(event["features"]["f2999"], 2_999);
}

#[test]
fn rows_with_only_a_date_are_spread_over_it_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let days = ["2016-10-01", "2016-10-01", "2016-10-02", "2016-10-01", "2016-10-02"];
    let columns =
        [Column::Text("timestamp", days.map(Some).to_vec()), Column::Int("a", vec![Some(1); days.len()])];
    for path in write_all(directory.path(), "days", &columns) {
        let files = scan(&[path], options()).unwrap();
        assert!(files.are_spread() && files.must_sort(DAY_MS) && !files.must_sort(2 * DAY_MS));
        let payloads: Vec<String> = events_of(&files, 0).into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(
            times_of(&payloads),
            [
                "2016-10-01T00:00:00Z",
                "2016-10-01T08:00:00Z",
                "2016-10-01T16:00:00Z",
                "2016-10-02T00:00:00Z",
                "2016-10-02T12:00:00Z"
            ]
        );
    }
    let midnights = "ts,a\n2016-10-01 00:00:00,1\n2016-10-01 00:00:00,2\n";
    let payloads = payloads(&[write(directory.path(), "midnights.csv", midnights)]);
    assert_eq!(times_of(&payloads), ["2016-10-01T00:00:00Z", "2016-10-01T12:00:00Z"]);
}

#[test]
fn files_out_of_order_are_sorted_unless_the_lateness_covers_it() {
    let directory = tempfile::tempdir().unwrap();
    let first = write(directory.path(), "1.csv", "id,ts,a\n1,1767225610,1\n2,1767225600,2\n3,1767225610,3\n");
    let second = write(directory.path(), "2.ndjson", "{\"id\":4,\"ts\":1767225605,\"a\":1}\n");
    let files = scan(&[first, second], options()).unwrap();
    assert!(files.must_sort(9_999) && !files.must_sort(10_000));
    let ids = |tolerance| -> Vec<String> {
        events_of(&files, tolerance).into_iter().filter_map(|(key, _)| key).collect()
    };
    assert_eq!(ids(0), ["2", "4", "1", "3"], "equal times keep their order");
    assert_eq!(ids(10_000), ["1", "2", "3", "4"]);
}

#[test]
fn lines_that_are_events_pass_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let event = r#"{"model": "other", "time": 1767225600.5, "id": 7, "features": {"a": NaN}, "extra": [1]}"#;
    let label = r#"{"kind": "label", "time": "2026-01-01T00:00:00Z", "id": "x", "label": 1}"#;
    let table = r#"{"id": 8, "time": 1767225601, "a": 2}"#;
    let path = write(directory.path(), "e.ndjson", format!("{event}\n{label}\n{table}\n"));
    let files = scan(&[path], options()).unwrap();
    let events = events_of(&files, 1_000);
    assert_eq!(events[0], (Some("7".to_owned()), event.to_owned()));
    assert_eq!(events[1], (Some("x".to_owned()), label.to_owned()));
    assert_eq!(events[2].0.as_deref(), Some("8"));
    assert!(events[2].1.starts_with(r#"{"kind":"feature","id":"8""#), "{}", events[2].1);
}

#[test]
fn events_of_their_own_shape_pass_as_they_are_but_not_beside_tables() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| FieldSource::Pointer(JsonPointer::parse(path).unwrap());
    let mapping = EventMapping { time: at("/meta/ts"), id: at("/meta/id"), ..EventMapping::default() };
    let options = EventOptions { events: mapping.clone(), ..options() };
    let line = |second: u32, id: &str| {
        format!(r#"{{"meta":{{"ts":{},"id":"{id}"}},"prediction":0.5}}"#, 1_767_225_600 + second)
    };
    let path = write(directory.path(), "e.ndjson", format!("{}\n{}\n", line(5, "late"), line(1, "early")));
    let files = scan(std::slice::from_ref(&path), options.clone()).unwrap();
    assert_eq!(files.mapping(), mapping);
    let ids: Vec<_> = events_of(&files, 0).into_iter().filter_map(|(key, _)| key).collect();
    assert_eq!(ids, ["early", "late"]);
    let table = write(directory.path(), "t.csv", "ts,a\n1767225600,1\n");
    let error = scan(&[path, table.clone()], options.clone()).unwrap_err().to_string();
    assert!(error.contains("can't be one stream"), "{error}");
    assert_eq!(scan(&[table], options).unwrap().mapping(), EventMapping::default());
}

#[test]
fn label_files_give_labels_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path =
        write(directory.path(), "l.csv", "id,ts,label\n1,1767225600,0\n2,1767225600,\n3,1767225600,1\n");
    let table = TableMapping { label: Some("label".to_owned()), ..TableMapping::default() };
    let files = scan(&[path], EventOptions { table, ..options() }).unwrap();
    assert_eq!(files.faults().counts().collect::<Vec<_>>(), [(FaultReason::Nothing, 1)]);
    let events = events_of(&files, 0);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|(_, payload)| payload.starts_with(r#"{"kind":"label""#)));
}

#[test]
fn training_data_needs_neither_time_nor_prediction() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "t.csv", "age,country\n41,DE\n");
    let table = TableMapping { prediction: Some("score".to_owned()), ..TableMapping::default() };
    let files = scan(&[path], EventOptions { table, required: Required::Nothing, ..options() }).unwrap();
    assert!(!files.have_times());
    assert!(files.notes().iter().any(|note| note.contains("no column \"score\"")), "{:?}", files.notes());
    let events = events_of(&files, 0);
    assert_eq!(events[0].1, r#"{"kind":"feature","model":"m","features":{"age":41,"country":"DE"}}"#);
}

#[test]
fn progress_reaches_the_size_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut csv = "ts,a\n".to_owned();
    for second in 0..5_000 {
        csv += &[(1_767_225_600 + second).to_string(), second.to_string()].join(",");
        csv.push('\n');
    }
    let path = write(directory.path(), "p.csv", &csv);
    let mut seen = Vec::new();
    let files = EventFiles::scan(&[path.clone(), path], options(), &mut |bytes| seen.push(bytes)).unwrap();
    assert!(seen.is_sorted() && seen.len() > 4);
    assert_eq!(seen.last(), Some(&(2 * csv.len() as u64)));
    assert_eq!(files.rows(), 10_000);
}

proptest! {
    /// Any text in a CSV field arrives in the decoder as the value that the
    /// rules give it, and the event is one the decoder accepts.
    #[test]
    fn any_field_becomes_a_valid_event(fields in proptest::collection::vec(".{0,12}|-?[0-9]{0,4}\\.?[0-9]{0,3}(e-?[0-9])?", 1..4)) {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = csv::Writer::from_path(directory.path().join("f.csv")).unwrap();
        let names: Vec<String> = (0..fields.len()).map(|index| format!("f\"{index}")).collect();
        writer.write_record(std::iter::once("ts").chain(names.iter().map(String::as_str))).unwrap();
        writer.write_record(std::iter::once("1767225600").chain(fields.iter().map(String::as_str))).unwrap();
        drop(writer);
        let files = scan(&[directory.path().join("f.csv")], options()).unwrap();
        let events = events_of(&files, 0);
        prop_assert_eq!(events.len(), 1);
        let payload = events[0].1.as_bytes();
        let mut batch = MessageBatch::default();
        batch.push(PartitionId(0), 0, None, Some(payload));
        let mut decoder = Decoder::new(&EventMapping::default(), 1 << 20, ["m".to_owned()]);
        let message = batch.get(0).unwrap();
        let envelope = decoder.decode(&message, "", &mut Row::default()).map_err(|reject| {
            TestCaseError::fail(reject.detail)
        })?;
        prop_assert_eq!(envelope.time, EventTime(1_767_225_600_000));
        let features = loose_features(envelope.features.unwrap()).unwrap();
        prop_assert_eq!(features.len(), fields.len());
        for ((_, value), text) in features.iter().zip(&fields) {
            match value {
                LooseValue::Text(value) => prop_assert_eq!(value.as_ref(), text.as_str()),
                LooseValue::Number(number) if number.is_finite() => {
                    prop_assert_eq!(Ok(*number), text.trim().parse::<f64>());
                }
                _ => prop_assert!(text.trim().is_empty() || text.trim().parse::<f64>().is_err() || text.contains(['n', 'N'])),
            }
        }
    }
}
