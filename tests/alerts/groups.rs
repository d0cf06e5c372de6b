//! What is told, of whom, and when.

use std::collections::BTreeMap;

use driftline::{
    alert::{AlertStatus, Rule, Severity, Silence, SilenceChange},
    event::EventTime,
};

use crate::bench::{Bench, START, column, psi_above, rule, window_of};

#[test]
fn one_notification_for_all_features_the_heaviest_first() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.tick(0);
    bench.window(&window_of("credit", 1, vec![column("age", 0.3), column("amount", 0.6)]), None);
    bench.ticks(0..30);
    bench.window(
        &window_of("credit", 2, vec![column("age", 0.3), column("amount", 0.6), column("job", 0.4)]),
        None,
    );
    assert!(bench.told().is_empty(), "the group waits for others");
    bench.ticks(30..40);
    assert_eq!(bench.told(), ["credit new: amount+job+age / "]);
    bench.ticks(40..400);
    assert!(bench.told().is_empty(), "nothing is new");
}

#[test]
fn what_is_new_or_over_is_told_at_the_next_look_and_the_rest_after_hours() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["credit new: age / "]);
    bench.window(&window_of("credit", 2, vec![column("age", 0.3), column("job", 0.4)]), None);
    bench.ticks(60..300);
    assert!(bench.told().is_empty(), "a group is told at most every five minutes");
    bench.ticks(300..400);
    assert_eq!(bench.told(), ["credit new: job+age / "]);
    bench.window(&window_of("credit", 3, vec![column("age", 0.3), column("job", 0.1)]), None);
    bench.ticks(400..700);
    assert_eq!(bench.told(), ["credit resolved: age / job"]);
    bench.ticks(700..15_000);
    assert_eq!(bench.told(), Vec::<String>::new());
    bench.ticks(15_000..15_400);
    assert_eq!(bench.told(), ["credit repeated: age / "]);
    bench.psi(4, 0.1);
    bench.ticks(15_400..15_800);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
    bench.ticks(15_800..40_000);
    assert!(bench.told().is_empty());
}

#[test]
fn receivers_of_levels_hear_that_an_alert_is_over_though_it_is_pending_again() {
    let mut bench = Bench::new(vec![Rule { raise_after: 2, ..psi_above("0.2") }]);
    bench.tick(0);
    for (hour, psi) in [(1, 0.3), (2, 0.3), (3, 0.1), (4, 0.3)] {
        bench.psi(hour, psi);
    }
    let states: Vec<&str> = bench.alerts.views().iter().map(|view| view.state).collect();
    assert_eq!(states, ["pending"]);
    let levels: Vec<AlertStatus> = bench.alerts.levels().iter().map(|alert| alert.status).collect();
    assert_eq!(levels, [AlertStatus::Resolved]);
    bench.psi(5, 0.3);
    let levels: Vec<AlertStatus> = bench.alerts.levels().iter().map(|alert| alert.status).collect();
    assert_eq!(levels, [AlertStatus::Firing]);
}

#[test]
fn what_is_over_before_it_was_told_is_not_told() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..10);
    bench.psi(2, 0.1);
    bench.ticks(10..1_000);
    assert!(bench.told().is_empty());
}

#[test]
fn models_and_severities_are_told_apart() {
    let mut critical = rule("large", "drift.psi", "> 0.5");
    critical.severity = Severity::Critical;
    let mut bench = Bench::new(vec![psi_above("0.2"), critical]);
    bench.window(&window_of("credit", 1, vec![column("age", 0.9)]), None);
    bench.window(&window_of("fraud", 1, vec![column("country", 0.3)]), None);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["credit new: age / ", "credit new: age / ", "fraud new: country / "]);
}

#[test]
fn a_restart_neither_tells_again_nor_forgets() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.tick(0);
    bench.restart(None);
    bench.ticks(1..60);
    assert_eq!(bench.told(), ["credit new: age / "], "the wait goes on");
    bench.restart(None);
    bench.ticks(60..3_600);
    assert!(bench.told().is_empty(), "it was told");
    bench.restart(None);
    bench.psi(2, 0.1);
    bench.ticks(3_600..4_000);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
}

#[test]
fn the_same_is_told_under_the_same_id() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.tick(0);
    let memory = bench.alerts.memory().clone();
    bench.ticks(1..60);
    let first = bench.notifications[0].id.clone();
    bench.take(|alerts, out| alerts.restore(&memory, out));
    bench.ticks(61..120);
    assert_eq!(bench.notifications[1].id, first, "a crash before it was noted");
    bench.ticks(120..20_000);
    let repeated = &bench.notifications[2];
    assert_ne!(repeated.id, first, "a repetition is another notification");
}

#[test]
fn a_rule_that_is_gone_ends_its_alerts() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    bench.told();
    bench.said();
    bench.restart(Some(vec![rule("other", "drift.psi", "> 9")]));
    assert_eq!(bench.said(), ["resolved age 1"]);
    bench.ticks(60..400);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
}

#[test]
fn an_inhibited_alert_is_not_told_until_what_inhibits_it_is_over() {
    let silent = rule("silent", "window.events", "== 0");
    let drifted = Rule { inhibited_by: vec!["silent".to_owned()], ..psi_above("0.2") };
    let mut bench = Bench::new(vec![silent, drifted]);
    bench.psi(1, 0.3);
    bench.window(&window_of("credit", 2, Vec::new()), None);
    bench.window(&window_of("fraud", 2, vec![column("country", 0.3)]), None);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["credit new:  / ", "fraud new: country / "], "the other model is told of");
    let view = bench.alerts.views().into_iter().find(|view| view.alert.label("feature") == "age").unwrap();
    assert_eq!(view.inhibited_by.as_deref(), Some("silent"));
    bench.psi(3, 0.3);
    bench.ticks(60..700);
    assert_eq!(bench.told(), ["credit new: age / "]);
}

#[test]
fn two_that_inhibit_each_other_are_both_told() {
    let one = |name: &str, other: &str| Rule {
        inhibited_by: vec![other.to_owned()],
        ..rule(name, "drift.psi", "> 0.2")
    };
    let mut bench = Bench::new(vec![one("a", "b"), one("b", "a")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["credit new: age+age / "]);
}

#[test]
fn what_fires_again_with_the_same_window_is_another_notification() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    bench.psi(1, 0.0);
    bench.ticks(60..400);
    bench.psi(1, 0.3);
    bench.ticks(400..800);
    let ids: std::collections::BTreeSet<_> = bench.notifications.iter().map(|one| one.id.clone()).collect();
    assert_eq!((bench.told().len(), ids.len()), (3, 3));
}

#[test]
fn without_rules_what_was_told_is_over() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    bench.told();
    bench.restart(Some(Vec::new()));
    bench.ticks(60..400);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
}

fn silence(id: &str, label: &str, pattern: &str, until: i64) -> SilenceChange {
    SilenceChange::Add(Silence {
        id: id.to_owned(),
        matchers: BTreeMap::from([(label.to_owned(), pattern.to_owned())]),
        from: EventTime(START),
        until: EventTime(START + until * 1_000),
        author: "me".to_owned(),
        comment: "maintenance".to_owned(),
    })
}

#[test]
fn a_silenced_alert_is_told_when_the_silence_ends_if_it_still_fires() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.alerts.silence(&silence("s", "feature", "a*", 600));
    bench.window(&window_of("credit", 1, vec![column("age", 0.3), column("job", 0.3)]), None);
    bench.ticks(0..60);
    assert_eq!(bench.told(), ["credit new: job / "]);
    assert_eq!(bench.alerts.levels().len(), 1, "nor are receivers of levels told");
    bench.restart(None);
    bench.ticks(60..500);
    assert!(bench.told().is_empty(), "silences survive");
    bench.ticks(500..1_300);
    assert_eq!(bench.told(), ["credit new: age+job / "]);
}

#[test]
fn what_is_over_during_a_silence_is_told_after_it() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.psi(1, 0.3);
    bench.ticks(0..60);
    bench.told();
    bench.alerts.silence(&silence("s", "model", "credit", 2_000));
    bench.psi(2, 0.1);
    bench.ticks(60..1_900);
    assert!(bench.told().is_empty());
    bench.alerts.silence(&SilenceChange::Remove("s".to_owned()));
    bench.ticks(1_900..2_400);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
}

#[test]
fn a_clock_that_is_set_back_silences_nobody() {
    let mut bench = Bench::new(vec![psi_above("0.2")]);
    bench.tick(1_000_000);
    bench.psi(1, 0.3);
    bench.ticks(1_000_000..1_000_060);
    assert_eq!(bench.told(), ["credit new: age / "]);
    bench.psi(2, 0.1);
    bench.ticks(0..400);
    assert_eq!(bench.told(), ["credit resolved:  / age"]);
}
