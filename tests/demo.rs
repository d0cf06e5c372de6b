//! The demo: its traffic is the same for the same seed and shows what it says,
//! the core sees every incident in it and little else, and the whole program
//! runs over the embedded broker.
//!
//! The broker is librdkafka's mock cluster, as in the demo itself; everything
//! else is the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use driftline::{
    decode::EventMapping,
    demo::{
        experiments, reference,
        traffic::{
            CHAMPION, EVENTS_PER_DAY, FEATURES, Incident, IncidentKind, MODEL, Release, SCRIPT_HOURS, STABLE,
            START, Script, Traffic,
        },
    },
    drift::DriftSettings,
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Core, CoreSettings, Input, ModelSpec, Outputs, ReferenceSpec},
    reference::{Reference, Value},
    result::{Check, Decision, ExperimentPhase, ExperimentResult, FeatureResult, Verdict, WindowResult},
    window::WindowSettings,
};

const HOUR_MS: i64 = 3_600_000;
const SEED: u64 = 1;
/// No column of a quiet window with 300 values or more gets a larger PSI. The
/// 95 % point of noise is 0.056 there; the daily season adds to it.
const QUIET_PSI: f64 = 0.12;

fn trained() -> Arc<Reference> {
    static REFERENCE: OnceLock<Arc<Reference>> = OnceLock::new();
    Arc::clone(REFERENCE.get_or_init(|| Arc::new(reference(SEED).unwrap())))
}

/// The windows of the first `hours` of `traffic`, by the core.
fn windows(traffic: &Traffic, hours: i64) -> Vec<WindowResult> {
    outputs(traffic, hours).results
}

fn outputs(traffic: &Traffic, hours: i64) -> Outputs {
    let mut core = Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings { min_events: 300, ..WindowSettings::default() },
        models: vec![ModelSpec {
            drift: DriftSettings { sample_rows: 0, ..DriftSettings::default() },
            ..ModelSpec::new(MODEL, ReferenceSpec::Ready { reference: trained(), covers_until: None })
        }],
        max_message_bytes: 1 << 20,
        delivered_until: None,
    })
    .with_experiments(experiments());
    let topics = ["events".to_owned()];
    let (mut batch, mut out, mut event) = (MessageBatch::default(), Outputs::default(), Vec::new());
    core.step(Input::Assigned(PartitionId(0), START), &mut out);
    let count = traffic.arrived_before(START.plus_ms(hours * HOUR_MS));
    for index in 0..count {
        event.clear();
        traffic.write_event(index, &mut event);
        batch.push(PartitionId(0), i64::try_from(index).unwrap(), None, Some(&event));
        if index % 500 == 499 || index + 1 == count {
            core.step(Input::Batch { batch: &batch, topics: &topics, now: None }, &mut out);
            batch.clear();
        }
    }
    core.step(Input::End, &mut out);
    assert!(out.rejects.is_empty(), "{:?}", out.rejects.first());
    let counters = core.take_counters();
    assert_eq!((counters.messages, counters.unknown_features), (count, 0));
    assert_eq!(counters.dropped.iter().sum::<u64>(), 0, "nothing is late");
    let counted: u64 = out.results.iter().map(|window| window.events).sum();
    assert_eq!(counted, count);
    out
}

/// One round of the script, computed once.
fn script() -> &'static Outputs {
    static OUTPUTS: OnceLock<Outputs> = OnceLock::new();
    OUTPUTS.get_or_init(|| outputs(&Traffic::with_incidents(SEED), SCRIPT_HOURS))
}

fn scripted() -> &'static [WindowResult] {
    &script().results
}

fn incidents() -> [Incident; 4] {
    Script::new(START).round(0)
}

fn column<'a>(window: &'a WindowResult, name: &str) -> &'a FeatureResult {
    window.features.iter().find(|column| column.feature == name).unwrap()
}

fn psi(column: &FeatureResult) -> Option<f64> {
    column.scores.map(|scores| scores.psi)
}

/// What a check says about a column.
fn said(column: &FeatureResult, check: Check) -> Verdict {
    column.quality.iter().find(|finding| finding.check == check).unwrap().verdict
}

/// The champion's windows that lie wholly within an incident.
fn inside(kind: IncidentKind) -> impl Iterator<Item = &'static WindowResult> {
    let incident = incidents().into_iter().find(|incident| incident.kind == kind).unwrap();
    let within = move |window: &&WindowResult| window.start >= incident.start && window.end <= incident.end;
    scripted().iter().filter(|window| window.stream.version == CHAMPION).filter(within)
}

fn bytes(traffic: &Traffic, index: u64) -> String {
    let mut out = Vec::new();
    traffic.write_event(index, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn traffic_is_a_function_of_seed_and_index() {
    let (one, same, other) =
        (Traffic::with_incidents(5), Traffic::with_incidents(5), Traffic::with_incidents(6));
    for index in [0, 1, 77_777, 3, EVENTS_PER_DAY * 400] {
        assert_eq!(bytes(&one, index), bytes(&same, index));
        assert_ne!(bytes(&one, index), bytes(&other, index));
    }
    assert_eq!(
        one.application(12).prediction,
        Traffic::quiet(5).application(12).prediction,
        "incidents change nothing before they begin"
    );
}

#[test]
fn events_are_json_of_the_stated_size() {
    let traffic = Traffic::quiet(SEED);
    let mut total = 0;
    for index in 0..2_000 {
        let text = bytes(&traffic, index);
        total += text.len();
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["features"].as_object().unwrap().len(), FEATURES.len());
        assert!(event["prediction"].as_f64().unwrap() < 1.0);
    }
    assert!((520..720).contains(&(total / 2_000)), "{} bytes", total / 2_000);
}

#[test]
fn events_arrive_in_order_and_days_have_their_number() {
    let traffic = Traffic::quiet(SEED);
    let mut before = EventTime(0);
    for index in (0..3 * EVENTS_PER_DAY).step_by(101) {
        let arrival = traffic.arrival(index);
        assert!(arrival >= before && traffic.arrived_before(arrival) <= index);
        before = arrival;
    }
    assert_eq!(traffic.arrival(0), START);
    assert_eq!(traffic.arrival(EVENTS_PER_DAY), START.plus_ms(24 * HOUR_MS));
    assert_eq!(traffic.arrived_before(START.plus_ms(48 * HOUR_MS)), 2 * EVENTS_PER_DAY);
}

#[test]
fn the_day_has_a_season() {
    let traffic = Traffic::quiet(SEED);
    let between = |from: i64, until: i64| {
        let at = |hour: i64| traffic.arrived_before(START.plus_ms((hour - 6) * HOUR_MS));
        at(from)..at(until)
    };
    let (night, evening, morning) = (between(26, 28), between(18, 20), between(8, 10));
    assert!(evening.end - evening.start > 5 * (night.end - night.start));
    let mobile = |range: std::ops::Range<u64>| {
        let size = (range.end - range.start) as f64;
        let apps =
            range.filter(|&index| traffic.application(index).features.contains(&Value::Text("mobile_app")));
        apps.count() as f64 / size
    };
    assert!(mobile(evening) > mobile(morning) + 0.08);
}

#[test]
fn the_prediction_depends_on_the_features() {
    let traffic = Traffic::quiet(SEED);
    let position = FEATURES.iter().position(|name| *name == "bureau_score").unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for index in 0..5_000 {
        let application = traffic.application(index);
        match application.features[position] {
            Value::Number(score) if score > 720.0 => good.push(application.prediction),
            Value::Number(score) if score < 640.0 => bad.push(application.prediction),
            _ => {}
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!(mean(&bad) > 3.0 * mean(&good), "{} against {}", mean(&bad), mean(&good));
}

#[test]
fn quiet_windows_are_quiet() {
    for window in windows(&Traffic::quiet(SEED + 1), 48) {
        for column in &window.features {
            let Some(psi) = psi(column) else {
                assert_eq!(column.verdict, Verdict::Insufficient);
                continue;
            };
            assert!(
                psi < QUIET_PSI,
                "{} of {} at {}: {psi}",
                column.feature,
                window.stream.version,
                window.start
            );
        }
    }
}

#[test]
fn nothing_drifts_between_the_incidents() {
    let quiet = |window: &&WindowResult| {
        !incidents().iter().any(|incident| incident.overlaps(window.start, window.end))
    };
    let mut seen = 0;
    for window in scripted().iter().filter(quiet) {
        seen += 1;
        for column in &window.features {
            assert!(psi(column).is_none_or(|psi| psi < QUIET_PSI), "{} at {}", column.feature, window.start);
        }
    }
    assert!(seen > 30, "{seen} quiet windows");
}

#[test]
fn a_unit_change_is_seen_in_its_feature_and_in_the_prediction() {
    let mut seen = 0;
    for window in inside(IncidentKind::UnitChange) {
        seen += 1;
        let income = column(window, "annual_income");
        assert!(psi(income).unwrap() > 2.0);
        assert_eq!((income.verdict, said(income, Check::Unit)), (Verdict::Drifted, Verdict::Drifted));
        assert!(column(window, "annual_income").scores.unwrap().ks.unwrap().statistic > 0.9);
        assert!(psi(column(window, "prediction")).unwrap() > 0.25);
        assert!(psi(column(window, "loan_amount")).unwrap() < QUIET_PSI);
    }
    assert_eq!(seen, 7);
}

#[test]
fn a_new_category_is_seen_and_named() {
    for window in inside(IncidentKind::NewCategory) {
        let channel = column(window, "channel");
        assert!((0.08..0.22).contains(&channel.unseen_share.unwrap()), "{:?}", channel.unseen_share);
        assert_eq!(channel.unseen[0].name, "partner_api");
        assert!(channel.scores.is_none_or(|scores| scores.psi > 0.25));
        if channel.verdict != Verdict::Insufficient {
            assert_eq!((channel.verdict, said(channel, Check::Unseen)), (Verdict::Drifted, Verdict::Drifted));
        }
    }
}

#[test]
fn a_population_shift_grows() {
    let ages: Vec<f64> =
        inside(IncidentKind::PopulationShift).filter_map(|window| psi(column(window, "age"))).collect();
    assert!(ages[0] < QUIET_PSI, "{ages:?}");
    let last = inside(IncidentKind::PopulationShift).last().unwrap();
    assert_eq!(column(last, "age").verdict, Verdict::Drifted);
    assert!(*ages.last().unwrap() > 0.5, "{ages:?}");
    let income = inside(IncidentKind::PopulationShift)
        .filter_map(|window| psi(column(window, "annual_income")))
        .last();
    assert!(income.unwrap() > 0.25, "{income:?}");
}

#[test]
fn a_missing_field_is_seen_as_missing_and_in_the_prediction() {
    for window in inside(IncidentKind::MissingField) {
        let score = column(window, "bureau_score");
        assert!((0.64..0.76).contains(&score.missing_share.unwrap()), "{:?}", score.missing_share);
        assert!(psi(score).is_none_or(|psi| psi < QUIET_PSI), "the values that come are the usual ones");
        assert_eq!(said(score, Check::Missing), Verdict::Drifted);
        assert!(column(window, "prediction").scores.unwrap().ks.unwrap().p_value < 1e-6);
    }
}

/// All looks at the experiment of a release, in order.
fn looks(out: &Outputs, release: Release) -> Vec<&ExperimentResult> {
    let id = format!("credit-{}", release.build());
    out.experiments.iter().filter(|look| look.experiment == id).collect()
}

/// End of the window with which a release was decided; it must be decided so, and
/// never otherwise.
fn decided(out: &Outputs, release: Release, decision: Decision) -> EventTime {
    let looks = looks(out, release);
    for look in &looks {
        assert!(look.verdict == decision || look.verdict == Decision::Hold, "{}: {}", look.end, look.reason);
        assert!(look.health.ok, "{:?}", look.health);
    }
    let first = looks.iter().find(|look| look.verdict == decision);
    let first = first.unwrap_or_else(|| panic!("{:?}: {}", release, looks.last().unwrap().reason));
    assert!(looks.iter().filter(|look| look.end > first.end).all(|look| look.verdict == decision));
    first.end
}

#[test]
fn a_bad_release_is_taken_back_and_a_good_one_promoted() {
    for seed in 1..=6 {
        let out = outputs(&Traffic::with_incidents(seed), 30);
        let rollback = decided(&out, Release::Bad, Decision::Rollback);
        let promotion = decided(&out, Release::Good, Decision::Promote);
        let hours = |time: EventTime| (time.0 - START.0) / HOUR_MS;
        println!("seed {seed}: rollback after {} h, promotion after {} h", hours(rollback), hours(promotion));
    }
}

#[test]
fn the_first_day_of_the_demo_decides_both_releases() {
    let out = script();
    assert!(decided(out, Release::Bad, Decision::Rollback) <= START.plus_ms(8 * HOUR_MS));
    assert!(decided(out, Release::Good, Decision::Promote) <= START.plus_ms(24 * HOUR_MS));
    let last = looks(out, Release::Bad).pop().unwrap();
    assert_eq!((last.phase, last.end), (ExperimentPhase::Ended, START.plus_ms(8 * HOUR_MS)));
    assert!(last.reason.starts_with("errors: worse by more than the margin of 100 %"), "{}", last.reason);
}

#[test]
fn releases_change_nothing_but_what_came_of_applications() {
    let (scripted, quiet) = (Traffic::with_incidents(SEED), Traffic::quiet(SEED));
    let mut builds = std::collections::BTreeMap::new();
    for index in 0..scripted.arrived_before(START.plus_ms(4 * HOUR_MS)) {
        assert_eq!(scripted.application(index), quiet.application(index));
        assert_eq!(quiet.outcome(index).build, STABLE);
        *builds.entry(scripted.outcome(index).build).or_insert(0_u32) += 1;
    }
    let canary = f64::from(builds["canary-a"]);
    let share = canary / (canary + f64::from(builds[STABLE]));
    assert!((0.05..0.08).contains(&share), "a tenth of the last hours: {builds:?}");
}

/// Started demos don't outlive a failing test.
struct Demo(Child);

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
        command.args(["demo", "--plain", "--port", "0"]).args(arguments);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a good end, two minutes at most.
    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                let mut errors = String::new();
                self.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                assert!(status.success() && errors.is_empty(), "{status}: {errors}");
                return;
            }
            assert!(Instant::now() < deadline, "the demo hangs");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn folder(&self) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("driftline-demo-{}", self.0.id()))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Columns that the line of a window names, up to four, and one for the rest.
fn told_columns(window: &WindowResult) -> usize {
    let in_alarm = |column: &&FeatureResult| {
        let mut of_all = window.evidence.iter().filter(|evidence| evidence.segment.is_none());
        of_all.any(|evidence| evidence.alarm && evidence.feature == column.feature)
    };
    let said = |column: &&FeatureResult| column.verdict.max(column.quality_verdict()) >= Verdict::Shifted;
    window.features.iter().filter(|column| said(column) || in_alarm(column)).count().min(5)
}

#[test]
fn the_whole_demo_shows_what_the_core_computes() {
    let mut demo = Demo::start(&["--events", "30000", "--speed", "1000", "--seed", "1"]);
    let mut text = String::new();
    demo.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    demo.wait();
    assert!(text.starts_with("driftline demo: simulated loan applications (seed 1)"), "{text}");
    assert!(text.contains("simulated 30,000 events; "), "{text}");
    assert!(!demo.folder().exists(), "the reference's folder is removed");
    let mut compared = 0;
    for window in scripted().iter().take_while(|window| window.end <= START.plus_ms(10 * HOUR_MS)) {
        let head = format!("{}  {}  {:>5} events  ", window.end, window.stream.version, window.events);
        let line =
            text.lines().find(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("{head:?} in {text}"));
        let is_incident = incidents()[0].overlaps(window.start, window.end);
        assert_eq!(line.ends_with("  [unit change]"), is_incident, "{line}");
        let told = line.strip_prefix(&head).unwrap().trim_end_matches("  [unit change]");
        assert_eq!(told.split(", ").count(), told_columns(window).max(1), "{told}");
        if told_columns(window) == 0 {
            let judged = window.features.iter().any(|column| column.verdict != Verdict::Insufficient);
            assert_eq!(told, if judged { "stable" } else { "insufficient" });
        }
        let income = column(window, "annual_income");
        if let Some(psi) = psi(income).filter(|_| income.verdict == Verdict::Drifted) {
            assert!(told.contains(&format!("annual_income psi {psi:.3} drifted")), "{told}");
        }
        compared += 1;
    }
    assert_eq!(compared, 20);
    let told: Vec<&str> = text.lines().filter(|line| line.contains("  experiment ")).collect();
    let [rollback] = told.as_slice() else { panic!("{told:?}") };
    let look = looks(script(), Release::Bad).into_iter().find(|look| look.verdict == Decision::Rollback);
    let look = look.unwrap();
    assert_eq!(*rollback, format!("{}  experiment credit-canary-a: rollback: {}", look.end, look.reason));
}

#[test]
fn the_demo_serves_its_experiments_and_simulated_time_is_never_too_old() {
    let mut demo = Demo::start(&["--speed", "20"]);
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = |line: String| Some(line.strip_prefix("http://")?.split_once('/')?.0.to_owned());
    let address = lines.find_map(address).expect("an address");
    assert!(lines.any(|line| line.contains(" events  ")), "a window closes");
    let mut stream = TcpStream::connect(&address).unwrap();
    let path = "/api/v1/experiments/credit-canary-a/verdict";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"stale\":false"), "{answer}");
    drop(lines);
    let stopped = Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    demo.wait();
}

#[test]
fn an_interrupt_stops_the_demo_cleanly() {
    stops_cleanly_on("-INT");
}

#[test]
fn a_terminal_that_hangs_up_stops_the_demo_cleanly() {
    stops_cleanly_on("-HUP");
}

fn stops_cleanly_on(signal: &str) {
    let mut demo = Demo::start(&["--speed", "20"]);
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(" events  ")), "a window closes");
    let killed = Command::new("kill").args([signal, &demo.0.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(lines.any(|line| line.starts_with("simulated ")), "it says what it was");
    demo.wait();
    assert!(!demo.folder().exists());
}
