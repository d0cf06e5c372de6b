//! Rules over the daemon itself, and over models that fall silent.

use driftline::{
    alert::{Labels, Rule, Severity, Silence, SilenceChange, VitalRow, Vitals},
    event::EventTime,
};

use crate::bench::{Bench, HOUR, START, psi_above, rule};

fn look(bench: &mut Bench, second: i64, is_reading: bool, heard: bool, rows: Vec<VitalRow>) {
    let vitals = Vitals {
        now: EventTime(START + second * 1_000),
        is_reading,
        models: vec![("credit".to_owned(), heard)],
        rows,
    };
    bench.take(|alerts, out| alerts.vitals(&vitals, out));
}

fn state(bench: &Bench) -> Option<&'static str> {
    bench.alerts.views().first().map(|view| view.state)
}

#[test]
fn a_model_is_silent_by_the_clock_while_someone_listens() {
    let mut bench = Bench::new(vec![rule("silent", "model.silent_windows", ">= 3")]);
    let hours = |hours: i64| hours * HOUR / 1_000;
    look(&mut bench, 0, true, true, Vec::new());
    for second in (15..hours(2)).step_by(15) {
        look(&mut bench, second, true, false, Vec::new());
    }
    // The broker is away for a day: that is not the model's silence.
    for second in (hours(2)..hours(26)).step_by(15) {
        look(&mut bench, second, false, false, Vec::new());
    }
    assert_eq!(state(&bench), None);
    for second in (hours(26)..hours(26) + 1_800).step_by(15) {
        look(&mut bench, second, true, false, Vec::new());
    }
    assert_eq!(state(&bench), None);
    bench.restart(None);
    for second in (hours(26) + 1_800..hours(27) + 60).step_by(15) {
        look(&mut bench, second, true, false, Vec::new());
    }
    assert_eq!(state(&bench), Some("firing"), "two hours before the outage and one after it");
    assert_eq!(bench.records[0].alert.label("model"), "credit");
    look(&mut bench, hours(28), true, true, Vec::new());
    assert_eq!(state(&bench), Some("resolved"));
}

fn ready(component: &str, unready_seconds: f64) -> Vec<VitalRow> {
    vec![VitalRow {
        measurement: "component",
        tags: Labels::from([("component".to_owned(), component.to_owned())]),
        fields: vec![("unready_seconds".to_owned(), unready_seconds)],
    }]
}

#[test]
fn the_daemon_is_told_of_apart_from_models() {
    let sick = Rule { severity: Severity::Critical, ..rule("sick", "component.unready_seconds", ">= 300") };
    let mut bench = Bench::new(vec![sick]);
    look(&mut bench, 0, true, true, ready("influxdb", 299.0));
    assert_eq!(state(&bench), None);
    look(&mut bench, 15, true, true, ready("influxdb", 314.0));
    bench.ticks(15..60);
    assert_eq!(bench.told(), ["daemon new:  / "]);
    look(&mut bench, 60, true, true, ready("influxdb", 0.0));
    bench.ticks(60..400);
    assert_eq!(bench.told(), ["daemon resolved:  / "]);
}

#[test]
fn what_is_not_there_any_more_is_not_told_of_for_ever() {
    let sick = rule("sick", "component.unready_seconds", ">= 300");
    let mut bench = Bench::new(vec![sick, rule("silent", "model.silent_seconds", ">= 10")]);
    look(&mut bench, 0, true, true, ready("influxdb", 314.0));
    look(&mut bench, 15, true, false, Vec::new());
    let states: Vec<_> =
        bench.alerts.views().iter().map(|view| (view.alert.rule.clone(), view.state)).collect();
    let own = |name: &str, state| (name.to_owned(), state);
    assert_eq!(states, [own("silent", "firing"), own("sick", "resolved")]);
    look(&mut bench, 30, false, false, Vec::new());
    assert!(bench.alerts.views().iter().any(|view| view.state == "firing"), "nobody listens");
    let gone =
        Vitals { now: EventTime(START + 45_000), is_reading: true, models: Vec::new(), rows: Vec::new() };
    bench.take(|alerts, out| alerts.vitals(&gone, out));
    assert!(bench.alerts.views().iter().all(|view| view.state == "resolved"), "the model is gone");
}

#[test]
fn a_new_assignment_changes_nothing_about_the_daemon_itself() {
    let mut bench = Bench::new(vec![rule("sick", "component.unready_seconds", ">= 300"), psi_above("0.2")]);
    look(&mut bench, 0, true, true, ready("kafka", 314.0));
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["daemon new:  / ", "credit new: age / "]);
    let kept = bench.alerts.memory().clone();
    bench.alerts.restart();
    assert!(bench.alerts.views().iter().all(|view| view.alert.rule == "sick"), "events are read again");
    let older = Bench::new(Vec::new()).alerts.memory().clone();
    bench.take(|alerts, out| alerts.restore(&kept, out));
    bench.take(|alerts, out| alerts.restore(&older, out));
    look(&mut bench, 60, true, true, ready("kafka", 0.0));
    bench.ticks(60..400);
    assert_eq!(bench.told(), ["daemon resolved:  / "]);
}

#[test]
fn counters_are_looked_at_by_how_much_they_grow() {
    let refused = Rule { increase_over_ms: Some(60_000), ..rule("refused", "metric.refused_total", ">= 10") };
    let mut bench = Bench::new(vec![refused]);
    let mut at = |second: i64, value: f64| {
        let row = VitalRow {
            measurement: "metric",
            tags: Labels::from([("reason".to_owned(), "json".to_owned())]),
            fields: vec![("refused_total".to_owned(), value)],
        };
        look(&mut bench, second, true, true, vec![row]);
        state(&bench)
    };
    assert_eq!(at(0, 1_000.0), None, "what was before is not growth");
    assert_eq!(at(30, 1_009.0), None);
    assert_eq!(at(60, 1_010.0), Some("firing"));
    assert_eq!(at(90, 3.0), Some("resolved"), "the counter began again, and 1 + 3 is below 10");
}

/// The daemon looks at itself before it is given partitions, and a checkpoint
/// with them.
#[test]
fn what_a_process_sees_before_it_goes_on_from_a_memory_is_added_to_it() {
    let rules = || {
        vec![
            rule("silent", "model.silent_seconds", ">= 40"),
            rule("sick", "component.unready_seconds", ">= 300"),
        ]
    };
    let mut before = Bench::new(rules());
    look(&mut before, 0, true, true, ready("influxdb", 400.0));
    look(&mut before, 30, true, false, ready("influxdb", 430.0));
    before.alerts.silence(&silence("old"));
    let kept = before.alerts.memory().clone();
    let mut bench = Bench::new(rules());
    look(&mut bench, 100, false, false, ready("kafka", 300.0));
    bench.alerts.silence(&silence("new"));
    bench.take(|alerts, out| alerts.restore(&kept, out));
    let names: Vec<&str> = bench.alerts.silences().iter().map(|silence| silence.id.as_str()).collect();
    assert_eq!(names, ["old", "new"]);
    let sick =
        bench.alerts.views().iter().map(|view| view.alert.label("component").to_owned()).collect::<Vec<_>>();
    assert_eq!(sick, ["influxdb", "kafka"]);
    look(&mut bench, 115, true, false, ready("kafka", 0.0));
    let states: Vec<_> =
        bench.alerts.views().iter().map(|view| (view.alert.rule.clone(), view.state)).collect();
    assert!(states.contains(&("silent".to_owned(), "firing")), "30 s before and 15 s after: {states:?}");
}

fn silence(id: &str) -> SilenceChange {
    SilenceChange::Add(Silence {
        id: id.to_owned(),
        matchers: Labels::from([("model".to_owned(), "*".to_owned())]),
        from: EventTime(START),
        until: EventTime(START + HOUR),
        author: String::new(),
        comment: String::new(),
    })
}
