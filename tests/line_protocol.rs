//! Lines of line protocol and the points of window results.
//!
//! Judges: the parser of InfluxDB 3 (crate `influxdb-line-protocol`) and a
//! reader written here after the rules of InfluxDB 1 and 2, which differ from
//! it in how they read backslashes. The real servers are asked in
//! `tests/real_servers`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

#[path = "../fuzz/checks/readable.rs"]
mod readable;

use std::collections::BTreeMap;

use driftline::{
    alert::{Alert, AlertRecord, AlertStatus, RecordState, Severity},
    event::EventTime,
    result::{
        WindowResult,
        schema::{self, measurements},
    },
    sink::{Encoded, FieldValue, Points, RESERVED, Written, write_point},
};
use influxdb_line_protocol::{FieldValue as Parsed, parse_lines};
use proptest::prelude::*;
use readable::{readable, readable_name};
use support::{
    experiments::{experiment, held, rolled_back, unhealthy},
    explanations::{by_a_surrogate, explained_event, explanation},
    results::{NEW_YEAR_MS, categorical, insufficient, numeric, window},
};

fn line(measurement: &str, tags: &[(&str, &str)], fields: &[(&str, FieldValue<'_>)]) -> String {
    let mut out = String::new();
    write_point(&mut out, measurement, tags, fields, 1);
    out
}

fn one(value: FieldValue<'_>) -> String {
    line("m", &[], &[("f", value)])
}

fn text(value: &str) -> FieldValue<'_> {
    FieldValue::Text(value.into())
}

#[test]
fn special_characters_are_escaped_where_they_are_special() {
    let fields = [("f, =\"", text(r#"a "b" \ ,="#))];
    assert_eq!(
        line(r"m, =", &[("t, =\"", "v, =\"")], &fields),
        r#"m\,\ =,t\,\ \="=v\,\ \=" f\,\ \="="a \"b\" \\ ,=" 1"#
    );
}

#[test]
fn floats_always_look_like_floats_and_integers_like_integers() {
    for (number, written) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (3.0, "3.0"),
        (1e300, "1e300"),
        (5e-324, "5e-324"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::MAX, "1.7976931348623157e308"),
    ] {
        assert_eq!(one(FieldValue::Float(number)), format!("m f={written} 1"));
    }
    assert_eq!(one(FieldValue::Integer(i64::MIN)), "m f=-9223372036854775808i 1");
    assert_eq!(one(FieldValue::Integer(3)), "m f=3i 1");
    assert_eq!(one(FieldValue::Boolean(true)), "m f=true 1");
    assert_eq!(one(FieldValue::Boolean(false)), "m f=false 1");
}

#[test]
fn numbers_that_are_none_are_left_out_and_counted() {
    let mut out = String::from("before");
    let fields = [
        ("a", FieldValue::Float(f64::NAN)),
        ("b", FieldValue::Float(1.0)),
        ("c", FieldValue::Float(f64::INFINITY)),
        ("d", FieldValue::Float(f64::NEG_INFINITY)),
    ];
    let encoded = write_point(&mut out, "m", &[], &fields, 1);
    assert_eq!(encoded, Encoded { written: true, omitted_fields: 3 });
    assert_eq!(out, "beforem b=1.0 1");
    let encoded = write_point(&mut out, "m", &[("t", "v")], &fields[..1], 1);
    assert_eq!(encoded, Encoded { written: false, omitted_fields: 1 });
    assert_eq!(out, "beforem b=1.0 1", "a point without fields leaves no trace");
}

#[test]
fn tags_are_sorted_distinct_and_never_empty() {
    let tags = [("b", "1"), ("a", ""), ("c", "3"), ("b", "2"), ("", "x"), ("a", "0")];
    assert_eq!(line("m", &tags, &[("f", FieldValue::Integer(1))]), "m,a=0,b=1,c=3 f=1i 1");
    let fields = [("f", FieldValue::Integer(1)), ("f", FieldValue::Integer(2)), ("", FieldValue::Integer(3))];
    assert_eq!(line("m", &[], &fields), "m f=1i 1");
    assert_eq!(line("", &tags, &fields), "", "a point has a measurement");
    assert_eq!(line("#m", &[], &fields), "_m f=1i 1", "a line with # in front is a comment");
}

#[test]
fn what_the_protocol_cannot_express_is_replaced() {
    let tag = |value: &str| line("m", &[("t", value)], &[("f", FieldValue::Integer(1))]);
    assert_eq!(tag("a\nevil v=1"), r"m,t=a\ evil\ v\=1 f=1i 1");
    assert_eq!(tag("a\r\n"), r"m,t=a\ \  f=1i 1");
    assert_eq!(tag("end\\"), "m,t=end/ f=1i 1");
    assert_eq!(tag(r"C:\dir"), r"m,t=C:\dir f=1i 1");
    assert_eq!(tag(r"a\,b\\c\ d"), r"m,t=a/\,b/\c/\ d f=1i 1");
    assert_eq!(one(text("two\nlines\\")), "m f=\"two lines\\\\\" 1");
    for reserved in RESERVED {
        let fields = [(reserved, FieldValue::Integer(1))];
        assert_eq!(line("m", &[(reserved, "v")], &fields), format!("m,{reserved}_=v {reserved}_=1i 1"));
    }
}

/// Text that is likely to hurt.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof!["[ab,= \\\\\"\n\r\t\u{0}#é]{0,8}", any::<String>()]
}

fn field() -> impl Strategy<Value = FieldValue<'static>> {
    prop_oneof![
        any::<f64>().prop_map(FieldValue::Float),
        any::<i64>().prop_map(FieldValue::Integer),
        any::<bool>().prop_map(FieldValue::Boolean),
        nasty().prop_map(|text| FieldValue::Text(text.into())),
    ]
}

/// The tags of a line as InfluxDB 1 and 2 read them (`models/points.go`): a
/// backslash hides the next byte from the scanner, and then only `\,`, `\=`
/// and `\ ` are unescaped.
fn tags_in_go(line: &str) -> BTreeMap<String, String> {
    let split = |text: &str, at: char| -> Vec<String> {
        let mut parts = vec![String::new()];
        let mut hidden = false;
        for c in text.chars() {
            if c == at && !hidden {
                parts.push(String::new());
            } else {
                parts.last_mut().unwrap().push(c);
            }
            hidden = c == '\\' && !hidden;
        }
        parts
    };
    let unescape = |text: &str| text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ");
    let series = split(line, ' ').remove(0);
    split(&series, ',')[1..]
        .iter()
        .map(|tag| {
            let [name, value] = &split(tag, '=')[..] else { panic!("{tag} is not one tag") };
            (unescape(name), unescape(value))
        })
        .collect()
}

fn same(written: &FieldValue<'_>, parsed: &Parsed<'_>) -> bool {
    match (written, parsed) {
        (FieldValue::Float(a), Parsed::F64(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::Integer(a), Parsed::I64(b)) => a == b,
        (FieldValue::Boolean(a), Parsed::Boolean(b)) => a == b,
        (FieldValue::Text(a), Parsed::String(b)) => a.replace(|c: char| c.is_control(), " ") == b.as_str(),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn every_reader_gets_back_what_was_written(
        measurement in nasty(),
        tags in prop::collection::vec((nasty(), nasty()), 0..4),
        fields in prop::collection::vec((nasty(), field()), 0..4),
        timestamp in any::<i64>(),
    ) {
        let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let fields: Vec<(&str, FieldValue<'_>)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        // Names that only become equal by what is replaced in them are the
        // caller's to avoid: the servers would refuse or merge them.
        let distinct = |names: Vec<String>| {
            let count = names.len();
            names.into_iter().collect::<std::collections::BTreeSet<_>>().len() == count
        };
        let unlike = |raw: Vec<&str>| {
            let raw: std::collections::BTreeSet<&str> = raw.into_iter().collect();
            distinct(raw.into_iter().map(readable_name).collect())
        };
        prop_assume!(unlike(tags.iter().map(|tag| tag.0).collect()));
        prop_assume!(unlike(fields.iter().map(|field| field.0).collect()));

        let mut written = String::new();
        let encoded = write_point(&mut written, &measurement, &tags, &fields, timestamp);

        let mut expected_fields: BTreeMap<String, FieldValue<'_>> = BTreeMap::new();
        for (name, value) in &fields {
            let finite = !matches!(value, FieldValue::Float(number) if !number.is_finite());
            if finite && !name.is_empty() && !expected_fields.contains_key(&readable_name(name)) {
                expected_fields.insert(readable_name(name), value.clone());
            }
        }
        let is_point = !expected_fields.is_empty() && !measurement.is_empty();
        prop_assert_eq!(encoded.written, is_point);
        if !is_point {
            prop_assert_eq!(written, "");
            return Ok(());
        }

        prop_assert!(!written.contains(|c: char| c.is_control()), "{written:?}");
        let mut lines = parse_lines(&written);
        let parsed = lines.next().unwrap().map_err(|error| TestCaseError::fail(format!("{error}: {written:?}")))?;
        prop_assert!(lines.next().is_none());
        prop_assert_eq!(parsed.timestamp, Some(timestamp));

        let mut expected_tags: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &tags {
            if !name.is_empty() && !value.is_empty() {
                expected_tags.entry(readable_name(name)).or_insert_with(|| readable(value));
            }
        }
        let read: Vec<(String, String)> = parsed.series.tag_set.iter().flatten()
            .map(|(name, value)| (name.to_string(), value.to_string())).collect();
        prop_assert_eq!(read.iter().cloned().collect::<BTreeMap<_, _>>(), expected_tags.clone());
        prop_assert_eq!(read.len(), expected_tags.len());
        prop_assert_eq!(tags_in_go(&written), expected_tags);

        prop_assert_eq!(parsed.field_set.len(), expected_fields.len());
        for (name, value) in &expected_fields {
            let read = parsed.field_value(name).unwrap();
            prop_assert!(same(value, read), "{name}: {value:?} became {read:?}");
        }
    }
}

fn lines_of(window: &WindowResult) -> Vec<String> {
    let mut points = Points::default();
    points.add(window);
    assert_eq!((points.omitted_fields, points.empty_points), (0, 0));
    points.lines
}

#[test]
fn a_window_becomes_these_points() {
    let result = window("credit", 1, vec![categorical("channel", 0.25), insufficient("age")]);
    let lines = lines_of(&result);
    let at = NEW_YEAR_MS + 3_600_000;
    assert_eq!(
        lines[0],
        format!(
            "window,model=credit,variant=none,version=v1,window=1h start={NEW_YEAR_MS}i,events=1000i,labels=20i,\
             reference_rows=50000i,unknown_features=0i,verdict=\"stable\",verdict_level=1i,\
             prediction_verdict=\"insufficient\",prediction_verdict_level=0i,quality_verdict=\"drifted\",\
             quality_verdict_level=3i,drifted=0i,shifted=0i,alarms=2i,top_features=\"\" {at}"
        )
    );
    assert_eq!(
        lines[1],
        format!(
            "drift,feature=channel,model=credit,variant=none,version=v1,window=1h kind=\"categorical\",\
             verdict=\"stable\",verdict_level=1i,score=\"psi\",effect=0.125,rank=0i,effective_n=900.0,n=1000i,valid=990i,missing_share=0.01,invalid_share=0.0,unseen_share=0.002,\
             unseen_names=\"Fax, \\\"old\\\" (12)\",psi=0.25,jensen_shannon=0.02,hellinger=0.015,\
             total_variation=0.04,l_infinity=0.01,chi_square=11.5,chi_square_degrees_of_freedom=9i,\
             chi_square_p_value=0.25,psi_noise=0.04,jensen_shannon_noise=0.05,hellinger_noise=0.05,\
             total_variation_noise=0.05,l_infinity_noise=0.03,chi_square_noise=27.9 {at}"
        )
    );
    assert_eq!(
        lines[3],
        format!(
            "distribution,bin=001,feature=channel,model=credit,variant=none,version=v1,window=1h \
             label=\"Online TA\",reference_share=0.5,window_share=0.5 {at}"
        )
    );
    let age = lines.iter().find(|line| line.starts_with("drift,feature=age,")).unwrap();
    assert!(age.ends_with(&format!(
        " kind=\"numeric\",verdict=\"insufficient\",verdict_level=0i,score=\"psi\",rank=0i,n=0i,valid=0i,\
         unseen_names=\"\" {at}"
    )));
    let count = |name: &str| lines.iter().filter(|line| line.starts_with(&format!("{name},"))).count();
    let counts =
        ["window", "drift", "distribution", "quality", "evidence", "comparison", "segment", "multivariate"];
    assert_eq!(counts.map(count), [1, 2, 3 + 10, 2, 2, 2, 2, 1]);
    let evidence = lines.iter().find(|line| line.starts_with("evidence,")).unwrap();
    assert!(
        evidence.starts_with("evidence,feature=channel,model=credit,segment=all,variant=none,"),
        "{evidence}"
    );
    let segment = lines.iter().find(|line| line.starts_with("segment,")).unwrap();
    assert!(segment.starts_with("segment,feature=channel,model=credit,segment=country\\=DE,"), "{segment}");
}

#[test]
fn a_window_written_again_has_the_same_points() {
    let early = window("credit", 1, vec![numeric("age", 0.1)]);
    let mut late = early.clone();
    late.events += 5;
    late.features[0].n += 5;
    let keys = |lines: Vec<String>| -> Vec<(String, String)> {
        lines
            .iter()
            .map(|line| {
                let (series, _) = line.split_once(' ').unwrap();
                let (_, timestamp) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), timestamp.to_owned())
            })
            .collect()
    };
    assert_ne!(lines_of(&early), lines_of(&late));
    assert_eq!(keys(lines_of(&early)), keys(lines_of(&late)));
    assert_eq!(lines_of(&early), lines_of(&early.clone()));
}

#[test]
fn fields_that_are_not_finite_are_counted() {
    let mut column = numeric("age", f64::NAN);
    column.missing_share = Some(f64::INFINITY);
    let mut points = Points::default();
    points.add(&window("credit", 1, vec![column]));
    // In the column's own point, and in that of the segment.
    assert_eq!(points.omitted_fields, 2 * 3);
    let drift = points.lines.iter().find(|line| line.starts_with("drift,")).unwrap();
    assert!(!drift.contains(",psi=") && !drift.contains("missing_share="), "{drift}");
}

/// Every field that a point has, whatever the values, has the type that its
/// table entry says, and every measurement has its tags and no others.
/// The change of an alert about a feature in a segment, with all that can be
/// said.
fn alert_record() -> AlertRecord {
    let labels = ["model", "version", "variant", "feature", "segment", "experiment"];
    let annotations = ["summary", "description", "value"];
    let texts = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), format!("a {name}"))).collect();
    AlertRecord {
        at: EventTime(NEW_YEAR_MS),
        state: RecordState::Firing,
        alert: Alert {
            fingerprint: "0123456789abcdef".to_owned(),
            rule: "feature_drift".to_owned(),
            severity: Severity::Warning,
            labels: texts(&labels),
            annotations: texts(&annotations),
            status: AlertStatus::Firing,
            starts_at: EventTime(NEW_YEAR_MS),
            ends_at: None,
            window: None,
            weight: 1.0,
            bins: Vec::new(),
        },
    }
}

#[test]
fn points_are_what_the_tables_say() {
    let tables = measurements();
    let mut met = std::collections::BTreeSet::new();
    let columns = [numeric("age", 0.0), categorical("channel", 1.0), insufficient("age")];
    let mut sets: Vec<Vec<String>> =
        columns.map(|column| lines_of(&window("credit", 1, vec![column]))).into();
    let mut points = Points::default();
    points.add_alert(&alert_record());
    let names = ["age", "channel"];
    points.add_all(&Written {
        explanations: &[
            explanation("credit", NEW_YEAR_MS, names),
            by_a_surrogate("credit", NEW_YEAR_MS, names),
        ],
        events: &[explained_event("credit", NEW_YEAR_MS, names)],
        experiments: &[experiment("credit", NEW_YEAR_MS)],
        ..Written::default()
    });
    sets.push(points.lines);
    for lines in sets {
        for line in lines {
            let parsed = parse_lines(&line).next().unwrap().unwrap();
            let name = parsed.series.measurement.as_str();
            let table = tables.iter().find(|table| table.name == name).unwrap();
            let mut tags: Vec<String> =
                parsed.series.tag_set.iter().flatten().map(|(tag, _)| tag.to_string()).collect();
            let mut expected = table.tags.to_vec();
            tags.sort();
            expected.sort_unstable();
            assert_eq!(tags, expected);
            for (field, value) in &parsed.field_set {
                let doc = table.fields.iter().find(|doc| doc.name == field.as_str()).unwrap();
                let type_name = match value {
                    Parsed::F64(_) => "float",
                    Parsed::I64(_) => "integer",
                    Parsed::String(_) => "string",
                    Parsed::U64(_) | Parsed::Boolean(_) => panic!("{field} has a type that is not used"),
                };
                assert_eq!(type_name, doc.type_name, "{name}.{field}");
                met.insert((name.to_owned(), field.to_string()));
            }
        }
    }
    for table in &tables {
        for field in &table.fields {
            assert!(
                met.contains(&(table.name.to_owned(), field.name.to_owned())),
                "{} is never written",
                field.name
            );
        }
    }
}

#[test]
fn an_experiment_is_one_series_whatever_is_said_of_it() {
    let mut lines = Vec::new();
    for result in [experiment("credit", 7), rolled_back("credit", 8), held("credit", 9)] {
        let mut points = Points::default();
        points.add_all(&Written { experiments: &[result], ..Written::default() });
        assert_eq!((points.omitted_fields, points.empty_points), (0, 0));
        // The verdict, two arms, two metrics and a column of the challenger.
        assert_eq!(points.lines.len(), 6);
        lines.push(points.lines.swap_remove(0));
    }
    let line = |verdict: &str, code: &str, arm: &str, reason: &str, (score, end): (&str, i64)| {
        let (hour, began) = (3_600_000, 3 * 3_600_000);
        // Before 1970 there is no time to write as a count.
        assert!(end - hour < 0 && end - began < 0);
        format!(
            "experiment_verdict,experiment=checkout,model=credit,window=1h verdict=\"{verdict}\",code={code},\
             arm=\"{arm}\",reason=\"{reason}\",phase=\"running\",ready=1i,score={score},healthy=1i,problems=\"\",\
             srm_p_value=0.4,srm_ok=1i,label_p_value=0.75,events=8004i,units_in_several_arms=2i,\
             events_of_several_arms=5i,events_of_unknown_units=1i,events_of_other_arms=7i,unmatched=11i,late=2i,release=\"4.2.0\" {end}"
        )
    };
    let reason = "every goal of b is better, and no guardrail is worse";
    assert_eq!(lines[0], line("promote", "1.0", "b", reason, ("100.0", 7)));
    let reason = "latency of b is worse by more than the margin.";
    assert_eq!(lines[1], line("rollback", "-1.0", "b", reason, ("0.0", 8)));
    // What is not there any more is written over.
    assert_eq!(lines[2], line("hold", "0.0", "", "nothing is proven yet", ("40.0", 9)));
}

#[test]
fn what_an_experiment_can_not_say_is_absent() {
    let mut result = unhealthy("credit", NEW_YEAR_MS);
    let metric = &mut result.challengers[0].metrics[0];
    (metric.estimate, metric.e_better, metric.events_needed) = (None, Some(f64::NAN), None);
    result.arms[0].share = Some(f64::INFINITY);
    (result.began, result.health.srm_p_value) = (None, None);
    let mut points = Points::default();
    points.add_all(&Written { experiments: &[result], ..Written::default() });
    assert_eq!((points.omitted_fields, points.lines.len()), (2, 6));
    let [verdict, control, challenger, metric, ..] = &points.lines[..] else { panic!("{points:?}") };
    let problems = "problems=\"b has 56 % of the units instead of 50 %; labels of b are missing more often than those of a\"";
    assert!(verdict.contains(problems) && verdict.contains(",healthy=0i,"), "{verdict}");
    assert!(!verdict.contains("began") && !verdict.contains("srm_p_value"), "{verdict}");
    assert!(control.contains("arm=a,") && control.contains("role=\"control\""), "{control}");
    for absent in ["verdict", "code", "reason", "score", "pairs", ",share"] {
        assert!(!control.contains(&format!("{absent}=")), "{absent}: {control}");
    }
    assert!(challenger.contains("role=\"challenger\"") && challenger.contains("verdict=\"hold\""));
    assert!(metric.starts_with(
        "experiment,arm=b,experiment=checkout,metric=log_loss,model=credit,window=1h role=\"goal\",better=\"lower\",verdict=\"better\""
    ));
    for absent in [",estimate=", ",e_better=", ",events_needed="] {
        assert!(!metric.contains(absent), "{absent}: {metric}");
    }
}

#[test]
fn the_control_is_the_first_arm_whatever_is_said_of_the_others() {
    let mut result = held("credit", NEW_YEAR_MS);
    result.challengers.clear();
    let mut points = Points::default();
    points.add_all(&Written { experiments: &[result], ..Written::default() });
    let [_, control, challenger] = &points.lines[..] else { panic!("{points:?}") };
    assert!(control.contains("role=\"control\""), "{control}");
    assert!(challenger.contains("role=\"challenger\""), "{challenger}");
}

#[test]
fn no_name_is_reserved_or_needs_escaping() {
    let plain = |name: &str| {
        assert!(!RESERVED.contains(&name), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
    };
    for table in measurements() {
        plain(table.name);
        table.tags.iter().copied().for_each(plain);
        for field in &table.fields {
            plain(field.name);
            // InfluxQL takes a bare name for the field or the tag of that name.
            assert!(!table.tags.contains(&field.name), "{} is a tag and a field", field.name);
        }
    }
    assert_eq!(schema::DRIFT_TAGS, ["model", "version", "variant", "feature", "window"]);
}
