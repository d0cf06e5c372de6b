//! The demo's picture, for terminals of several sizes.

use super::*;
use crate::{
    demo::traffic::{START, Script},
    event::EventTime,
    result::{
        Better, ChallengerResult, ColumnKind, Decision, EffectScale, Evidence, ExperimentHealth,
        ExperimentPhase, ExperimentResult, FeatureResult, Finding, InferenceMethod, MetricResult, MetricRole,
        MetricVerdict, StreamKey, WindowResult,
    },
};

fn finding(missing: f64) -> Finding {
    Finding {
        check: Check::Missing,
        verdict: if missing > 0.1 { Verdict::Drifted } else { Verdict::Stable },
        value: Some(missing),
        reference: Some(0.0),
        noise_low: None,
        noise_high: None,
        effect: None,
        detail: String::new(),
    }
}

/// Column 1 has drifted, which is an alarm from hour 3 on.
fn window(hour: i64, missing: f64) -> WindowResult {
    let feature = |name: String| FeatureResult {
        n: 100,
        valid: 90,
        missing_share: Some(missing),
        verdict: Verdict::Stable,
        quality: vec![finding(missing)],
        ..FeatureResult::empty(&name, ColumnKind::Numeric)
    };
    let start = START.plus_ms(hour * 3_600_000);
    let stream =
        StreamKey { model: MODEL.to_owned(), version: CHAMPION.to_owned(), variant: "none".to_owned() };
    let mut features: Vec<_> = (0..22).map(|column| feature(format!("column_{column}"))).collect();
    features[1] =
        FeatureResult { verdict: Verdict::Drifted, quality: Vec::new(), ..feature("column_1".to_owned()) };
    let evidence = Evidence {
        feature: "column_1".to_owned(),
        segment: None,
        log10: 5.0,
        threshold: 4.0,
        alarm: hour >= 3,
        effect: None,
        verdict: Verdict::Drifted,
        windows: 1,
    };
    WindowResult {
        events: 100,
        reference_rows: 1,
        features,
        evidence: vec![evidence],
        ..WindowResult::empty(stream, "1h", start, EventTime(start.0 + 3_600_000))
    }
}

/// A look in which errors are 4.12 times as many as the control's.
fn look(id: &str, hour: i64, verdict: Decision) -> ExperimentResult {
    let errors = MetricResult {
        metric: "errors".to_owned(),
        role: MetricRole::Guardrail,
        better: Better::Lower,
        verdict: MetricVerdict::Worse,
        reason: "worse than the control: +312 % (+103 % to +790 %)".to_owned(),
        method: InferenceMethod::RateRatio,
        proven_at: None,
        n_control: 900,
        n: 100,
        invalid: 0,
        clamped: 0,
        control: Some(0.01),
        challenger: Some(0.04),
        scale: EffectScale::Relative,
        estimate: Some(3.12),
        lower: Some(1.03),
        upper: Some(7.9),
        std_error: None,
        lift: None,
        design_effect: None,
        variance_explained: None,
        e_better: None,
        e_worse: Some(90.0),
        e_not_worse: None,
        e_wanted: 40.0,
        p_value: None,
        margin: None,
        detectable: None,
        events_needed: None,
    };
    let reason = format!("errors: {}; latency: worse than the control", errors.reason);
    let end = START.plus_ms(hour * 3_600_000);
    ExperimentResult {
        experiment: id.to_owned(),
        model: MODEL.to_owned(),
        window: "1h".to_owned(),
        start: end.plus_ms(-3_600_000),
        end,
        began: Some(START),
        phase: ExperimentPhase::Running,
        release: None,
        verdict,
        arm: (verdict != Decision::Hold).then(|| "canary".to_owned()),
        reason: reason.clone(),
        ready: true,
        score: 0.0,
        health: ExperimentHealth::default(),
        arms: Vec::new(),
        challengers: vec![ChallengerResult {
            arm: "canary".to_owned(),
            verdict,
            reason,
            score: 0.0,
            metrics: vec![errors],
            distributions: Vec::new(),
            disagreement: None,
        }],
    }
}

fn progress() -> Progress {
    Progress {
        events: 1_200,
        wanted: Some(2_000),
        events_per_second: 10.0,
        hours_per_second: 1.0,
        http: ([127, 0, 0, 1], 9640).into(),
        notice: Some("a notice".to_owned()),
    }
}

fn text(line: &Line) -> String {
    line.iter().map(|(text, _)| text.as_str()).collect()
}

#[test]
fn pictures_fit_terminals_of_any_size() {
    let mut board = Board::new(Script::new(START));
    for hour in 0..70 {
        for (width, height) in [(0, 0), (1, 1), (3, 2), (40, 10), (54, 5), (80, 24), (133, 60)] {
            let lines = lines(&board, &progress(), (width, height), Glyphs::UNICODE);
            assert_eq!(lines.len(), usize::from(height));
            assert!(lines.iter().all(|line| text(line).chars().count() <= usize::from(width)));
        }
        board.observe(&window(hour, 0.5));
        board.observe_experiment(&look("an-experiment-with-a-long-name", hour, Decision::Rollback));
        board.observe_experiment(&look("b", hour, Decision::Hold));
    }
}

#[test]
fn the_picture_names_the_incident_and_what_is_missing() {
    let mut board = Board::new(Script::new(START));
    (0..7).for_each(|hour| board.observe(&window(hour, 0.7)));
    let lines: Vec<String> = lines(&board, &progress(), (80, 24), Glyphs::ASCII).iter().map(text).collect();
    assert!(lines[1].contains("Mon 2024-01-08 13:00"), "{}", lines[1]);
    assert!(lines[1].contains("1,200 of 2,000 events (60 %)"), "{}", lines[1]);
    assert!(lines[2].contains("incident since 11:00: unit change"), "{}", lines[2]);
    assert!(lines[3].contains("feature (+3 more)"), "{}", lines[3]);
    assert!(lines[4].starts_with(" column_0") && lines[4].ends_with(" mmmmmmm"), "{}", lines[4]);
    assert!(lines[4].contains("  70%") && lines[4].contains(" missing "), "{}", lines[4]);
    assert!(lines[5].starts_with(" column_1          ! ") && lines[5].ends_with(" OOO####"), "{}", lines[5]);
    assert!(lines[23].contains("http://127.0.0.1:9640"));
    assert!(
        lines[23].contains("q stops") && lines[23].ends_with("O drifted # alarm a-z check -"),
        "the foot fits: {}",
        lines[23]
    );
}

#[test]
fn every_experiment_has_a_line_with_what_its_verdict_rests_on() {
    let mut board = Board::new(Script::new(START));
    board.observe(&window(0, 0.0));
    assert!(!board.observe_experiment(&look("credit-a", 2, Decision::Hold)), "to wait is no news");
    assert!(board.observe_experiment(&look("credit-a", 4, Decision::Rollback)));
    assert!(!board.observe_experiment(&look("credit-a", 6, Decision::Rollback)));
    board.observe_experiment(&look("credit-b", 6, Decision::Hold));
    let pictured = |width| -> Vec<Line> { lines(&board, &progress(), (width, 24), Glyphs::ASCII) };
    let narrow: Vec<String> = pictured(80).iter().map(text).collect();
    assert_eq!(narrow[3], " credit-a        rollback 10:00 errors +312 % (+103 % to +790 %): worse than ...");
    assert!(narrow[4].starts_with(" credit-b        hold           errors +312 %"), "{}", narrow[4]);
    assert!(narrow[5].starts_with(" feature (+5 more)"), "{}", narrow[5]);
    let wide = pictured(140);
    assert_eq!(wide[3][1].1, Style::Decision(Decision::Rollback));
    assert!(text(&wide[3]).ends_with(": worse than the control; latency: worse than the control"));
}

#[test]
fn the_check_that_explains_the_others_is_named() {
    let drifted = |check| Finding { check, ..finding(0.5) };
    let mut window = window(0, 0.0);
    window.features[1].quality = [Check::Cardinality, Check::Unseen, Check::Unit].map(drifted).into();
    window.features[2].verdict = Verdict::Drifted;
    window.features[2].quality = vec![drifted(Check::RareCategory)];
    let mut board = Board::new(Script::new(START));
    board.observe(&window);
    let lines: Vec<String> = lines(&board, &progress(), (80, 30), Glyphs::ASCII).iter().map(text).collect();
    assert!(lines[5].contains(" unit ") && lines[5].ends_with(" u"), "{}", lines[5]);
    assert!(lines[6].contains(" rare ") && lines[6].ends_with(" O"), "{}", lines[6]);
}

#[test]
fn checks_are_told_apart_by_their_first_letter() {
    let letters: std::collections::BTreeSet<char> =
        Check::ALL.into_iter().filter_map(|check| check_text(check).chars().next()).collect();
    assert_eq!(letters.len(), Check::ALL.len());
}
