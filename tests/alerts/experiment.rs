//! What an experiment says, as the rules that come with Driftline see it.

use driftline::{
    alert::{AlertRecord, RecordState, SUMMARY, Severity},
    config::default_rules,
    result::{Decision, ExperimentPhase, ExperimentResult},
};

use crate::{
    bench::{Bench, HOUR, START, rule},
    experiments::{experiment, held, rolled_back, unhealthy},
};

fn bench() -> Bench {
    Bench::new(default_rules())
}

fn at(hour: i64) -> i64 {
    START + hour * HOUR
}

/// An experiment in which nothing is proven and nothing wrong.
fn quiet(hour: i64) -> ExperimentResult {
    held("credit", at(hour))
}

impl Bench {
    fn experiment(&mut self, result: &ExperimentResult, final_until: Option<i64>) {
        self.take(|alerts, out| alerts.experiment(result, final_until, out));
    }

    /// State, rule and hour of what was said so far.
    fn changes(&mut self) -> Vec<String> {
        let text = |record: AlertRecord| {
            let hour = (record.at.0 - START) / HOUR;
            format!("{} {} {hour}", record.state.as_str(), record.alert.rule)
        };
        self.records.drain(..).map(text).collect()
    }
}

#[test]
fn a_rollback_fires_at_once_and_names_what_is_to_be_taken_back() {
    let mut bench = bench();
    bench.experiment(&quiet(1), None);
    bench.experiment(&rolled_back("credit", at(2)), None);
    let [record] = &bench.records[..] else { panic!("{:?}", bench.records) };
    let alert = &record.alert;
    assert_eq!((record.state, alert.severity), (RecordState::Firing, Severity::Critical));
    assert_eq!((alert.label("model"), alert.label("experiment")), ("credit", "checkout"));
    assert_eq!(alert.label("arm"), "b");
    assert_eq!(
        alert.annotation(SUMMARY),
        "credit: experiment checkout says to take b back: latency of b is worse by more than the margin"
    );
    let description = alert.annotation("description");
    assert!(description.starts_with("Send no more traffic to b, then"), "{description}");
    assert_eq!(alert.window, Some((rolled_back("credit", at(2)).start, record.at)));
}

#[test]
fn each_challenger_that_is_worse_is_told_of_once_though_another_is_held() {
    let mut bench = bench();
    let several = |hour: i64, worse: &[&str]| {
        let mut result = quiet(hour);
        for arm in ["c", "d"] {
            let mut counts = result.arms[1].clone();
            arm.clone_into(&mut counts.arm);
            let mut challenger = result.challengers[0].clone();
            arm.clone_into(&mut challenger.arm);
            result.arms.push(counts);
            result.challengers.push(challenger);
        }
        for challenger in result.challengers.iter_mut().filter(|one| worse.contains(&one.arm.as_str())) {
            challenger.verdict = Decision::Rollback;
        }
        result
    };
    bench.experiment(&several(1, &[]), None);
    bench.experiment(&several(2, &["c"]), None);
    bench.experiment(&several(3, &["c", "d"]), None);
    bench.experiment(&several(4, &["c", "d"]), None);
    let told: Vec<(String, i64)> = bench
        .records
        .drain(..)
        .map(|record| (record.alert.label("arm").to_owned(), (record.at.0 - START) / HOUR))
        .collect();
    assert_eq!(told, [("c".to_owned(), 2), ("d".to_owned(), 3)]);
}

#[test]
fn a_rollback_is_over_when_the_experiment_is_started_anew() {
    let mut bench = bench();
    bench.experiment(&rolled_back("credit", at(1)), None);
    bench.experiment(&rolled_back("credit", at(2)), None);
    let mut anew = quiet(3);
    (anew.began, anew.ready) = (None, false);
    bench.experiment(&anew, None);
    let expected = ["firing experiment_rollback 1", "resolved experiment_rollback 3"];
    assert_eq!(bench.changes(), expected);
    // One that waits to be started takes it back as well.
    bench.experiment(&rolled_back("credit", at(4)), None);
    anew = quiet(5);
    anew.phase = ExperimentPhase::Waiting;
    bench.experiment(&anew, None);
    assert_eq!(bench.changes(), ["firing experiment_rollback 4", "resolved experiment_rollback 5"]);
}

#[test]
fn a_rollback_outlives_the_end_of_its_experiment_for_as_long_as_a_stream() {
    let mut bench = bench();
    bench.experiment(&rolled_back("credit", at(1)), None);
    let mut ended = rolled_back("credit", at(2));
    ended.phase = ExperimentPhase::Ended;
    bench.experiment(&ended, None);
    assert_eq!(bench.changes(), ["firing experiment_rollback 1"]);
    // Five empty windows, two more and the length of one.
    let lapses_at = 2 + 8;
    bench.take(|alerts, out| alerts.tick(rolled_back("", at(20)).end, Some(at(lapses_at)), out));
    assert!(bench.changes().is_empty());
    bench.take(|alerts, out| alerts.tick(rolled_back("", at(20)).end, Some(at(lapses_at) + 1), out));
    assert_eq!(bench.changes(), ["resolved experiment_rollback 2"]);
}

#[test]
fn a_result_that_is_written_again_withdraws_what_was_said() {
    let mut bench = bench();
    bench.experiment(&quiet(1), None);
    bench.experiment(&rolled_back("credit", at(2)), None);
    bench.experiment(&quiet(2), None);
    assert_eq!(bench.changes(), ["firing experiment_rollback 2", "withdrawn experiment_rollback 2"]);
    // Not when it can't change any more.
    bench.experiment(&rolled_back("credit", at(3)), Some(at(3)));
    bench.experiment(&quiet(3), Some(at(3)));
    assert_eq!(bench.changes(), ["firing experiment_rollback 3"]);
}

#[test]
fn a_promotion_is_told_for_information() {
    let mut bench = bench();
    bench.experiment(&experiment("credit", at(1)), None);
    let [record] = &bench.records[..] else { panic!("{:?}", bench.records) };
    assert_eq!(record.alert.severity, Severity::Info);
    assert_eq!(
        record.alert.annotation(SUMMARY),
        "credit: experiment checkout says to promote b: every goal of b is better, and no guardrail is worse"
    );
    // What was to be promoted may turn out to be worse.
    bench.experiment(&rolled_back("credit", at(2)), None);
    let expected =
        ["firing experiment_promotion 1", "firing experiment_rollback 2", "resolved experiment_promotion 2"];
    let mut changes = bench.changes();
    changes.sort();
    assert_eq!(changes, expected);
}

#[test]
fn data_that_can_not_be_trusted_are_told_after_two_windows_with_the_problem() {
    let mut bench = bench();
    bench.experiment(&unhealthy("credit", at(1)), None);
    assert!(bench.records.is_empty());
    bench.experiment(&unhealthy("credit", at(2)), None);
    let [record] = &bench.records[..] else { panic!("{:?}", bench.records) };
    assert_eq!(record.alert.severity, Severity::Warning);
    assert_eq!(
        record.alert.annotation(SUMMARY),
        "credit: the data of experiment checkout can't be trusted: b has 56 % of the units instead of 50 %; \
         labels of b are missing more often than those of a"
    );
    bench.experiment(&quiet(3), None);
    bench.experiment(&quiet(4), None);
    assert_eq!(bench.changes(), ["firing experiment_unhealthy 2", "resolved experiment_unhealthy 4"]);
}

#[test]
fn experiments_of_one_model_have_alerts_of_their_own() {
    let mut bench = bench();
    let mut other = quiet(1);
    other.experiment = "ranking".to_owned();
    bench.experiment(&rolled_back("credit", at(1)), None);
    bench.experiment(&other, None);
    assert_eq!(bench.changes(), ["firing experiment_rollback 1"]);
    let firing: Vec<String> =
        bench.alerts.views().iter().map(|view| view.alert.label("experiment").to_owned()).collect();
    assert_eq!(firing, ["checkout"]);
}

#[test]
fn a_restart_goes_on_and_a_memory_without_experiments_can_be_read() {
    let mut bench = bench();
    bench.experiment(&rolled_back("credit", at(1)), None);
    bench.restart(None);
    bench.experiment(&rolled_back("credit", at(2)), None);
    bench.experiment(&quiet(3), None);
    assert_eq!(bench.changes(), ["firing experiment_rollback 1", "resolved experiment_rollback 3"]);
    let mut stored = serde_json::to_value(Bench::new(Vec::new()).alerts.memory()).unwrap();
    stored.as_object_mut().unwrap().remove("experiments").unwrap();
    serde_json::from_value::<driftline::alert::AlertMemory>(stored).unwrap();
}

#[test]
fn a_rule_can_look_at_one_metric_and_has_its_labels() {
    let mut lift = rule("lift", "experiment.lift", "< -0.2");
    lift.selectors = vec![("metric".to_owned(), driftline::alert::Selector::new(&["latency".to_owned()]))];
    let mut bench = Bench::new(vec![lift]);
    bench.experiment(&experiment("credit", at(1)), None);
    let [record] = &bench.records[..] else { panic!("{:?}", bench.records) };
    let label = |name: &str| record.alert.label(name);
    assert_eq!(
        (label("experiment"), label("arm"), label("metric"), label("version")),
        ("checkout", "b", "latency", "")
    );
    // Too few values are no window.
    let mut few = experiment("credit", at(2));
    let metric = &mut few.challengers[0].metrics[1];
    (metric.verdict, metric.lift) = (driftline::result::MetricVerdict::Insufficient, None);
    bench.experiment(&few, None);
    assert_eq!(bench.changes(), ["firing lift 1"]);
    // Nor is an experiment that waits to be started.
    few = experiment("credit", at(3));
    few.phase = ExperimentPhase::Waiting;
    few.challengers[0].metrics[1].lift = Some(0.0);
    bench.experiment(&few, None);
    assert!(bench.changes().is_empty());
}
