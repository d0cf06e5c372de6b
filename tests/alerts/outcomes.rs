//! What rules make of rows: selectors, conditions, expressions, texts.

use driftline::{
    alert::{Expression, Rule, Selector, Template, Test},
    result::{Check, Finding, SegmentResult, Verdict, WindowResult},
};

use crate::bench::{Bench, column, psi_above, rule, window_of};

fn selected(rule: Rule, tag: &str, patterns: &[&str]) -> Rule {
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    Rule { selectors: vec![(tag.to_owned(), Selector::new(&patterns))], ..rule }
}

fn fired(rule: Rule, window: &WindowResult) -> Vec<String> {
    let mut bench = Bench::new(vec![rule]);
    bench.window(window, None);
    bench.records.iter().map(|record| record.alert.label("feature").to_owned()).collect()
}

fn three() -> WindowResult {
    window_of("credit", 1, vec![column("age", 0.3), column("amount", 0.4), column("prediction", 0.5)])
}

#[test]
fn selectors_let_in_and_leave_out() {
    assert_eq!(fired(psi_above("0.2"), &three()), ["age", "amount", "prediction"]);
    assert_eq!(fired(selected(psi_above("0.2"), "feature", &["a*"]), &three()), ["age", "amount"]);
    assert_eq!(fired(selected(psi_above("0.2"), "feature", &["!prediction*"]), &three()), ["age", "amount"]);
    assert!(fired(selected(psi_above("0.2"), "model", &["fraud"]), &three()).is_empty());
    assert!(
        fired(selected(psi_above("0.2"), "segment", &["*"]), &three()).is_empty(),
        "drift has no segments"
    );
}

#[test]
fn any_written_row_can_be_looked_at() {
    let mut window = three();
    window.segments = vec![SegmentResult {
        feature: "country".to_owned(),
        value: "DE".to_owned(),
        events: 400,
        features: vec![column("age", 0.6)],
    }];
    window.quality = vec![Finding {
        check: Check::Volume,
        verdict: Verdict::Drifted,
        value: Some(0.0),
        reference: Some(900.0),
        noise_low: None,
        noise_high: None,
        effect: None,
        detail: "no events".to_owned(),
    }];
    let labels = |rule: Rule, label: &str| {
        let mut bench = Bench::new(vec![rule]);
        bench.window(&window, None);
        bench.records.iter().map(|record| record.alert.label(label).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels(rule("s", "segment.effect", "> 0.5"), "segment"), ["country=DE"]);
    assert_eq!(labels(rule("q", "quality.verdict", "drifted"), "check"), ["volume"]);
    assert_eq!(labels(rule("w", "window.events", ">= 1000"), "model"), ["credit"]);
    assert!(labels(rule("k", "drift.ks", "> 0"), "feature").is_empty(), "KS is not of categories");
}

#[test]
fn silence_can_be_seen_in_an_empty_window() {
    let mut bench = Bench::new(vec![rule("silent", "window.events", "== 0")]);
    bench.window(&window_of("credit", 1, Vec::new()), None);
    assert_eq!(bench.records.len(), 1);
}

#[test]
fn expressions_see_tags_and_fields() {
    let expression = |raise: &str, clear: Option<&str>| Rule {
        test: Test::Expression {
            raise: Expression::new(raise).unwrap(),
            clear: clear.map(|clear| Expression::new(clear).unwrap()),
        },
        ..psi_above("0")
    };
    assert_eq!(
        fired(expression("psi > 0.35 && valid >= 1000 && feature != 'prediction'", None), &three()),
        ["amount"]
    );
    assert_eq!(
        fired(expression("verdict == 'drifted' && feature.startsWith('ag')", None), &three()),
        ["age"]
    );
    assert!(fired(expression("ks > 0.1", None), &three()).is_empty(), "what is absent is no breach");
    assert!(fired(expression("psi + 1.0", None), &three()).is_empty(), "a number is no truth");
    assert!(Expression::new("psi >").is_err());
    assert_eq!(Expression::new("psi > 0.1 && n > 2.0").unwrap().variables().len(), 2);
    let mut bench = Bench::new(vec![expression("psi > 0.2", Some("psi < 0.1"))]);
    [0.3, 0.15, 0.05].into_iter().zip(1..).for_each(|(psi, hour)| bench.psi(hour, psi));
    assert_eq!(bench.said(), ["firing age 1", "resolved age 3"]);
}

#[test]
fn alerts_carry_labels_texts_and_the_distribution() {
    let mut rule = psi_above("0.2");
    rule.description = Some(Template::new("{{ condition }} in {{ start }}, {{ psi|percent }}").unwrap());
    rule.annotations.insert("runbook".to_owned(), Template::new("https://wiki/{{ rule }}").unwrap());
    let mut bench = Bench::new(vec![rule]);
    bench.psi(1, 0.3);
    let alert = &bench.records[0].alert;
    let labels: Vec<&str> = alert.labels.keys().map(String::as_str).collect();
    assert_eq!(labels, ["alertname", "feature", "model", "severity", "team", "variant", "version"]);
    assert_eq!(alert.annotation("summary"), "credit/age: 0.3");
    assert_eq!(alert.annotation("description"), "drift.psi > 0.2 in 2026-01-01T00:00:00Z, 30.0 %");
    assert_eq!(alert.annotation("runbook"), "https://wiki/shifted");
    assert_eq!(alert.bins.len(), 1);
    let again = alert.fingerprint.clone();
    bench.psi(2, 0.1);
    bench.psi(3, 0.9);
    assert_eq!(bench.records[2].alert.fingerprint, again, "no value and no time is in the labels");
}
