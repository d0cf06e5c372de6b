//! Units of randomisation.

use driftline::{
    experiment::{ExperimentSettings, UnitSource},
    result::Decision,
};

use crate::stand::{SLIDE, Stand, at, events, experiment, of, prediction, value, windows};

fn of_unit(arm: &str, after: i64, unit: &str) -> String {
    prediction(arm, after, &format!(r#","unit":{unit},"value":1"#))
}

fn units(stand: &mut Stand) -> Vec<Option<u64>> {
    stand.end().arms.iter().map(|arm| arm.units).collect()
}

#[test]
fn units_are_counted_once_wherever_they_are_named() {
    let sources = [(UnitSource::Envelope, "unit"), (UnitSource::Field(at("/user/0")), "user")];
    for (unit, name) in sources {
        let mut stand = Stand::new(ExperimentSettings { unit, ..experiment(vec![value()]) });
        for index in 0..30 {
            let write = |unit: i64| {
                if name == "unit" {
                    format!(r#","unit":"u{unit}""#)
                } else {
                    format!(r#","user":["u{unit}"]"#)
                }
            };
            stand.feed(&prediction("a", index * 10_000, &write(index % 7)));
            stand.feed(&prediction("b", index * 10_000, &write(100 + index % 5)));
        }
        assert_eq!(units(&mut stand), [Some(7), Some(5)], "{name}");
    }
}

#[test]
fn events_without_unit_are_no_unit() {
    let mut stand = Stand::new(experiment(vec![value()]));
    for rest in ["", r#","unit":null"#, r#","unit":"""#] {
        stand.feed(&prediction("a", 0, rest));
        stand.feed(&prediction("b", 0, rest));
    }
    let result = stand.end();
    assert_eq!((events(&result), result.health.units_in_several_arms), (vec![3, 3], 0));
    assert_eq!(result.arms[0].units, None);
}

#[test]
fn a_unit_counts_with_the_window_of_its_earliest_event() {
    for order in [[0, 1], [1, 0]] {
        let mut stand = Stand::of(vec![experiment(vec![value()])], windows(), 2);
        // The other partition holds the watermark.
        for partition in order {
            stand.feed_to(partition, &of_unit("a", partition as i64 * SLIDE, r#""u""#));
        }
        stand.end();
        let counted: Vec<_> = stand.results.iter().map(|result| result.arms[0].units).collect();
        assert_eq!(counted, [Some(1), Some(1)], "{order:?}");
    }
}

#[test]
fn units_in_several_arms_are_left_out_from_then_on() {
    let mut stand = Stand::new(experiment(vec![value()]));
    for arm in ["a", "a", "b", "a", "b"] {
        stand.feed(&of_unit(arm, 0, "17"));
    }
    for _ in 0..4 {
        stand.feed(&of_unit("b", 0, "18"));
    }
    let result = stand.end();
    assert_eq!(events(&result), [2, 4]);
    let health = &result.health;
    assert_eq!((health.units_in_several_arms, health.events_of_several_arms), (1, 3));
    assert!(health.ok, "one unit is none");
}

#[test]
fn too_many_units_in_several_arms_are_not_trusted() {
    for (crossing, is_trusted) in [(0, true), (9, true), (10, false), (30, false)] {
        let mut stand = Stand::new(experiment(vec![value()]));
        for index in 0..400 {
            let (arm, other) = if index % 2 == 0 { ("a", "b") } else { ("b", "a") };
            // The challenger is far better.
            let number = if arm == "b" { 10 + index % 3 } else { index % 3 };
            let event = |arm: &str, number: i64| {
                prediction(arm, index * 1_000, &format!(r#","unit":"u{index}","value":{number}"#))
            };
            stand.feed(&event(arm, number));
            if index < crossing {
                stand.feed(&event(other, number));
            }
        }
        let result = stand.end();
        assert_eq!(result.health.units_in_several_arms, crossing as u64);
        assert_eq!(result.health.ok, is_trusted, "{crossing}");
        assert_eq!(of(&result, "value").verdict.as_str(), "better");
        let expected = if is_trusted { Decision::Promote } else { Decision::Hold };
        assert_eq!(result.verdict, expected, "{}", result.reason);
        assert_eq!(result.reason.contains("seen in several arms"), !is_trusted, "{}", result.reason);
    }
}

#[test]
fn units_beyond_the_memory_are_counted_as_such() {
    let mut stand = Stand::new(ExperimentSettings { most_units: 20, ..experiment(vec![value()]) });
    for index in 0..30 {
        for arm in ["a", "b"] {
            stand.feed(&of_unit(arm, index, &format!(r#""{arm}{index}""#)));
        }
    }
    // Those that are known still are.
    stand.feed(&of_unit("b", 40, r#""a0""#));
    let result = stand.end();
    assert_eq!(events(&result), [30, 30], "they count all the same");
    assert_eq!(result.arms.iter().map(|arm| arm.units).collect::<Vec<_>>(), [Some(10), Some(10)]);
    assert_eq!((result.health.events_of_unknown_units, result.health.units_in_several_arms), (40, 1));
    assert!(!result.health.ok && result.health.problems[0].contains("max_units"), "{:?}", result.health);
}

#[test]
fn copies_of_one_unit_are_no_evidence() {
    // 400 events of 24 units: without units they would prove it.
    for named in [false, true] {
        let mut stand = Stand::new(experiment(vec![value()]));
        for index in 0..400_i64 {
            let (arm, unit) = (if index % 2 == 0 { "a" } else { "b" }, index % 24);
            let number = unit / 6 + i64::from(arm == "b");
            let unit = if named { format!(r#","unit":{unit}"#) } else { String::new() };
            stand.feed(&prediction(arm, index * 100, &format!(r#"{unit},"value":{number}"#)));
        }
        let result = stand.end();
        let metric = of(&result, "value");
        assert_eq!(metric.verdict.as_str(), if named { "undecided" } else { "better" });
        assert_eq!(metric.design_effect.unwrap() > 10.0, named, "{:?}", metric.design_effect);
    }
}
