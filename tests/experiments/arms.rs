//! Which arm an event is of.

use driftline::{
    decode::FieldSource,
    experiment::{ArmSource, ExperimentSettings},
};

use crate::stand::{Letter, MODEL, START, Stand, at, events, experiment, value, windows};

const ARMS: [&str; 9] = ["a", "b", "c", "a", "c", "b", "c", "a", "c"];

fn payload(rest: &str) -> String {
    format!(r#"{{"kind":"prediction","model":"{MODEL}","time":{START},"prediction":0.5{rest}}}"#)
}

fn by(arm: ArmSource, arms: [&str; 2]) -> ExperimentSettings {
    let arms = arms.map(str::to_owned).to_vec();
    ExperimentSettings { arm, arms, ..experiment(vec![value()]) }
}

#[test]
fn arms_are_read_where_they_are_said_to_be() {
    type Write = fn(&str) -> String;
    let nothing: Write = |_| payload("");
    let places: [(ArmSource, Write); 6] = [
        (ArmSource::Variant, |arm| payload(&format!(r#","variant":"{arm}""#))),
        (ArmSource::Version, |arm| payload(&format!(r#","version":"{arm}""#))),
        (ArmSource::Field(at("/route/0/arm")), |arm| payload(&format!(r#","route":[{{"arm":"{arm}"}}]"#))),
        (ArmSource::Field(FieldSource::Header("arm".to_owned())), nothing),
        (ArmSource::Field(FieldSource::Key), nothing),
        (ArmSource::Field(FieldSource::Topic), nothing),
    ];
    for (source, write) in places {
        let name = format!("{source:?}");
        let mut stand = Stand::of(vec![by(source, ["a", "b"])], windows(), 3).with_topics(&["a", "b", "c"]);
        for arm in ARMS {
            let letter = Letter { key: Some(arm), headers: &[("other", "b"), ("arm", arm)] };
            let partition = ["a", "b", "c"].iter().position(|topic| *topic == arm).unwrap();
            stand.feed_all(&[(partition, &write(arm), letter)]);
        }
        let result = stand.end();
        assert_eq!(events(&result), [3, 2], "{name}");
        assert_eq!(result.health.events_of_other_arms, 4, "{name}");
        assert!(result.health.ok, "{name}");
    }
}

#[test]
fn arms_may_be_numbers_and_truth_values() {
    let mut stand = Stand::new(by(ArmSource::Field(at("/arm")), ["2", "true"]));
    for arm in ["2", "2.0", "\"2\"", "true", "\"true\"", "false", "{}", "[2]", "\"\""] {
        stand.feed(&payload(&format!(r#","arm":{arm}"#)));
    }
    let result = stand.end();
    assert_eq!((events(&result), result.health.events_of_other_arms), (vec![3, 2], 4));
}

#[test]
fn events_that_name_no_arm_are_of_the_arm_none() {
    let header = ArmSource::Field(FieldSource::Header("arm".to_owned()));
    for (source, named) in [
        (ArmSource::Variant, "variant"),
        (ArmSource::Version, "version"),
        (ArmSource::Field(at("/arm")), "arm"),
        (header, "header"),
    ] {
        let mut stand = Stand::new(by(source, ["none", "b"]));
        stand.feed(&payload(""));
        let mut expected = 1;
        if named != "header" {
            stand.feed(&payload(&format!(r#","{named}":null"#)));
            stand.feed(&payload(&format!(r#","{named}":"""#)));
            stand.feed(&payload(&format!(r#","{named}":"b""#)));
            expected = 3;
        }
        assert_eq!(events(&stand.end())[0], expected, "{named}");
    }
}

#[test]
fn events_of_other_models_and_features_are_none_of_it() {
    let mut stand =
        Stand::new(ExperimentSettings { model: "other".to_owned(), ..by(ArmSource::Variant, ["a", "b"]) });
    stand.feed(&payload(r#","variant":"a""#));
    assert_eq!((events(&stand.end()), stand.results.len()), (vec![0, 0], 0));

    let mut stand = Stand::new(by(ArmSource::Variant, ["a", "b"]));
    let feature =
        payload(r#","variant":"a","features":{"amount":1}"#).replace("\"prediction\",", "\"feature\",");
    stand.feed(&feature.replace(r#""prediction":0.5,"#, ""));
    assert_eq!((events(&stand.end()), stand.results.len()), (vec![0, 0], 0));
}
