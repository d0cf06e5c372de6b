//! Windows in a row, and what a late event makes of them.

use driftline::{
    alert::{NoData, Rule, Test},
    result::FeatureResult,
};
use proptest::prelude::*;

use crate::bench::{self, Bench, HOUR, START, column, psi_above, window_of};

fn rule(windows: u32, resolve: u32, clear: Option<&str>) -> Rule {
    let mut rule = Rule { raise_after: windows, resolve_after: resolve, ..psi_above("0.2") };
    if let Test::Field { clear: place, .. } = &mut rule.test {
        *place = clear.map(|clear| clear.parse().unwrap());
    }
    rule
}

/// What is said when windows have these scores; NaN stands for an empty window.
fn said(rule: Rule, scores: &[f64]) -> Vec<String> {
    let mut bench = Bench::new(vec![rule]);
    for (hour, &psi) in (1..).zip(scores) {
        let columns = if psi.is_nan() { Vec::new() } else { vec![column("age", psi)] };
        bench.window(&window_of("credit", hour, columns), None);
    }
    bench.said()
}

const NONE: f64 = f64::NAN;

#[test]
fn it_fires_after_so_many_windows_in_a_row_and_resolves_after_so_many() {
    assert_eq!(said(rule(1, 1, None), &[0.1, 0.3, 0.1]), ["firing age 2", "resolved age 3"]);
    assert_eq!(said(rule(2, 1, None), &[0.3, 0.1, 0.3, 0.3, 0.1]), ["firing age 4", "resolved age 5"]);
    assert_eq!(said(rule(1, 2, None), &[0.3, 0.1, 0.3, 0.1, 0.1]), ["firing age 1", "resolved age 5"]);
    assert!(said(rule(3, 1, None), &[0.3, 0.3, 0.1, 0.3, 0.3]).is_empty());
}

#[test]
fn between_the_two_conditions_it_stays_as_it_is() {
    let rule = || rule(1, 1, Some("< 0.1"));
    assert_eq!(said(rule(), &[0.3, 0.15, 0.3, 0.15, 0.05]), ["firing age 1", "resolved age 5"]);
    assert!(said(rule(), &[0.15, 0.15]).is_empty(), "between alone fires nothing");
}

#[test]
fn a_window_without_data_does_what_the_rule_says() {
    let with = |no_data, scores: &[f64]| said(Rule { no_data, ..rule(2, 1, None) }, scores);
    assert_eq!(with(NoData::Keep, &[0.3, NONE, 0.3, NONE, 0.1]), ["firing age 3", "resolved age 5"]);
    assert_eq!(with(NoData::Resolve, &[0.3, 0.3, NONE]), ["firing age 2", "resolved age 3"]);
    assert_eq!(with(NoData::Fire, &[NONE, NONE, 0.1]), ["firing age 2", "resolved age 3"]);
    let rule = Rule { no_data: NoData::Resolve, ..rule(1, 3, None) };
    let mut bench = Bench::new(vec![rule]);
    bench.psi(1, 0.3);
    bench.psi(5, 0.1);
    assert_eq!(bench.said(), ["firing age 1", "resolved age 5"], "missing windows are windows without data");
}

#[test]
fn too_few_values_leave_an_alert_as_it_is() {
    let few = || FeatureResult { n: 10, valid: 10, ..FeatureResult::empty("age", column("age", 0.0).kind) };
    let mut bench = Bench::new(vec![rule(2, 1, None)]);
    bench.psi(1, 0.3);
    bench.window(&window_of("credit", 2, vec![few()]), None);
    assert_eq!(bench.alerts.views()[0].outcome, Some(driftline::alert::Outcome::Insufficient));
    bench.psi(3, 0.3);
    bench.window(&window_of("credit", 4, vec![few()]), None);
    bench.psi(5, 0.1);
    assert_eq!(bench.said(), ["firing age 3", "resolved age 5"]);
}

#[test]
fn a_row_that_is_not_there_says_nothing() {
    let mut bench = Bench::new(vec![rule(1, 1, None)]);
    bench.psi(1, 0.3);
    bench.window(&window_of("credit", 2, vec![column("job", 0.0)]), None);
    let nobody = FeatureResult { n: 0, ..column("age", 0.0) };
    bench.window(&window_of("credit", 3, vec![nobody, column("job", 0.0)]), None);
    assert_eq!(bench.said(), ["firing age 1"], "neither is a window in which all is well");
    bench.psi(4, 0.0);
    assert_eq!(bench.said(), ["resolved age 4"]);
}

#[test]
fn a_late_breach_stands_before_windows_that_said_nothing() {
    let few = || FeatureResult { n: 10, valid: 10, ..FeatureResult::empty("age", column("age", 0.0).kind) };
    let between = || vec![column("age", 0.15)];
    for later in [vec![few()], Vec::new(), between(), vec![column("job", 0.0)]] {
        let mut in_order = Bench::new(vec![rule(1, 1, Some("< 0.1"))]);
        let mut late = Bench::new(vec![rule(1, 1, Some("< 0.1"))]);
        in_order.psi(1, 0.3);
        in_order.window(&window_of("credit", 2, later.clone()), None);
        late.psi(1, 0.0);
        late.window(&window_of("credit", 2, later), None);
        late.restart(None);
        late.psi(1, 0.3);
        assert_eq!(in_order.said(), ["firing age 1"]);
        assert_eq!(late.said(), ["firing age 1"], "whatever came first");
    }
}

#[test]
fn windows_of_another_length_begin_anew() {
    let mut bench = Bench::new(vec![rule(1, 1, None)]);
    bench.psi(1, 0.3);
    bench.said();
    let memory = bench.alerts.memory().clone();
    let hours = bench::windows();
    let longer = driftline::window::WindowSettings { size_ms: 2 * HOUR, slide_ms: 2 * HOUR, ..hours };
    let settings = driftline::alert::AlertSettings { rules: vec![rule(1, 1, None)], ..Default::default() };
    bench.alerts = driftline::alert::Alerts::new(settings, &longer);
    bench.take(|alerts, out| alerts.restore(&memory, out));
    assert!(bench.alerts.views().is_empty());
}

#[test]
fn a_late_event_raises_resolves_and_takes_back() {
    let mut bench = Bench::new(vec![rule(2, 1, None)]);
    [0.3, 0.1, 0.3].into_iter().zip(1..).for_each(|(psi, hour)| bench.psi(hour, psi));
    assert!(bench.said().is_empty());
    bench.psi(2, 0.3);
    assert_eq!(bench.said(), ["firing age 2"], "raised by a correction");
    bench.psi(3, 0.1);
    assert_eq!(bench.said(), ["resolved age 3"], "resolved by one");
    bench.psi(2, 0.1);
    assert_eq!(bench.said(), ["withdrawn age 2", "withdrawn age 3"]);
    bench.window(&window_of("credit", 4, vec![column("age", 0.3)]), Some(START + 4 * HOUR));
    bench.psi(3, 0.3);
    assert!(bench.said().is_empty(), "a window that is final does not change");
}

#[test]
fn a_late_event_that_changes_only_the_value_says_it_again() {
    let mut bench = Bench::new(vec![rule(1, 1, None)]);
    bench.psi(1, 0.3);
    bench.psi(1, 0.4);
    bench.psi(1, 0.4);
    let values: Vec<_> =
        bench.records.iter().map(|record| record.alert.annotation("value").to_owned()).collect();
    assert_eq!(values, ["0.3", "0.4"]);
}

#[test]
fn a_stream_that_ends_ends_its_alerts() {
    let mut bench = Bench::new(vec![rule(1, 1, None)]);
    bench.psi(1, 0.3);
    let end = |bench: &mut Bench, hour: i64| {
        bench.take(|alerts, out| {
            alerts.tick(driftline::event::EventTime(START), Some(START + hour * HOUR), out);
        });
        bench.said()
    };
    assert_eq!(end(&mut bench, 2), ["firing age 1"]);
    assert!(end(&mut bench, 9).is_empty(), "five empty windows are waited for, and then some");
    assert_eq!(end(&mut bench, 10), ["resolved age 1"]);
    assert!(bench.alerts.views().iter().all(|view| view.state == "resolved"));
}

#[test]
fn a_restart_forgets_nothing_and_says_nothing_twice() {
    let mut bench = Bench::new(vec![rule(2, 2, None)]);
    bench.psi(1, 0.3);
    bench.restart(None);
    bench.psi(2, 0.3);
    assert_eq!(bench.said(), ["firing age 2"]);
    bench.restart(None);
    bench.psi(2, 0.3);
    bench.psi(3, 0.1);
    bench.restart(None);
    bench.psi(4, 0.1);
    assert_eq!(bench.said(), ["resolved age 4"]);
}

/// The states as plainly as they can be said: from the last windows backwards.
fn fires(history: &[f64], raise: u32, resolve: u32) -> bool {
    let mut fires = false;
    for end in 1..=history.len() {
        let seen = &history[..end];
        let last = |count: u32, is: fn(f64) -> bool| {
            let count = count as usize;
            seen.len() >= count && seen[seen.len() - count..].iter().all(|&psi| is(psi))
        };
        fires = if fires { !last(resolve, |psi| psi <= 0.2) } else { last(raise, |psi| psi > 0.2) };
    }
    fires
}

proptest! {
    /// However windows come, are written again and settle, and whenever the
    /// daemon restarts, the alert ends as the plain reading of the last versions.
    #[test]
    fn states_follow_from_the_last_versions(
        versions in prop::collection::vec((1_i64..12, prop::bool::ANY, prop::bool::ANY), 1..40),
        (raise, resolve) in (1_u32..4, 1_u32..4),
    ) {
        let mut bench = Bench::new(vec![rule(raise, resolve, None)]);
        let mut last = vec![0.0; 12];
        for hour in 1..=12 {
            bench.psi(hour, 0.0);
        }
        let mut is_said = false;
        for (hour, is_high, restarts) in versions {
            let psi = if is_high { 0.3 } else { 0.0 };
            last[usize::try_from(hour).unwrap() - 1] = psi;
            bench.psi(hour, psi);
            if restarts {
                bench.restart(None);
            }
            let expected = fires(&last, raise, resolve);
            let view = bench.alerts.views().into_iter().find(|view| ["firing", "recovering"].contains(&view.state));
            prop_assert_eq!(view.is_some(), expected, "{:?}", last);
            is_said |= expected;
        }
        prop_assert!(!is_said || !bench.records.is_empty());
        // What was said adds up to the same.
        let mut said = std::collections::BTreeMap::new();
        for record in &bench.records {
            match record.state.as_str() {
                "withdrawn" => said.remove(&record.at),
                state => said.insert(record.at, state),
            };
        }
        let says = said.values().next_back().is_some_and(|state| *state == "firing");
        prop_assert_eq!(says, fires(&last, raise, resolve));
    }
}
