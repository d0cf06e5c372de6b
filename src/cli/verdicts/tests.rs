//! What people read at the end of a replay.

mod experiments;
mod why;

use super::*;
use crate::result::{
    BinShare, ChiSquare, ColumnKind, ComparedFeature, Comparison, DomainResult, Evidence, FeatureResult,
    FeatureShare, Finding, MultivariateResult, NamedCount, NoisePoints, NumericSummary, Scores,
    SegmentResult, Verdict, WindowResult,
};

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: EventTime = EventTime(1_767_225_600_000);
const HOUR_MS: i64 = 3_600_000;
const PIPE: Terminal = Terminal { colour: false, width: 100 };

fn scores(psi: f64) -> Scores {
    Scores {
        psi,
        ks: None,
        wasserstein: None,
        jensen_shannon: 0.02,
        hellinger: 0.015,
        total_variation: 0.04,
        l_infinity: 0.01,
        chi_square: Some(ChiSquare { statistic: 11.5, degrees_of_freedom: 2, p_value: 0.25 }),
    }
}

fn column(feature: &str, verdict: Verdict, psi: f64) -> FeatureResult {
    let bin = |label: &str, reference, window| BinShare { label: label.to_owned(), reference, window };
    FeatureResult {
        n: 1_250,
        valid: 1_204,
        missing_share: Some(0.0368),
        verdict,
        scores: (verdict != Verdict::Insufficient).then(|| scores(psi)),
        noise: Some(NoisePoints { psi: Some(0.035), ..NoisePoints::default() }),
        effect: Some((psi - 0.012).max(0.0)),
        summary: Some(NumericSummary {
            mean: 41.52,
            std_dev: Some(12.25),
            min: 18.0,
            max: 97.0,
            p05: 21.0,
            p25: 32.0,
            p50: 40.0,
            p75: 51.0,
            p95: 66.0,
        }),
        bins: vec![bin("<= 12.5", 0.25, 0.25), bin("12.5 .. 40", 0.5, 0.36), bin("> 40", 0.25, 0.39)],
        ..FeatureResult::empty(feature, ColumnKind::Numeric)
    }
}

fn finding(check: Check, detail: &str) -> Finding {
    Finding {
        check,
        verdict: Verdict::Drifted,
        value: Some(0.0368),
        reference: Some(0.01),
        noise_low: None,
        noise_high: Some(0.02),
        effect: Some(3.68),
        detail: detail.to_owned(),
    }
}

fn window(hour: i64, features: Vec<FeatureResult>, alarms: &[&str]) -> WindowResult {
    let start = NEW_YEAR.plus_ms(hour * HOUR_MS);
    let stream =
        StreamKey { model: "credit".to_owned(), version: "v1".to_owned(), variant: UNNAMED.to_owned() };
    let evidence = features.iter().map(|column| Evidence {
        feature: column.feature.clone(),
        segment: None,
        log10: 4.5,
        threshold: 4.25,
        alarm: alarms.contains(&column.feature.as_str()),
        effect: Some(0.2),
        verdict: Verdict::Drifted,
        windows: 12,
    });
    let compared = features.iter().map(|column| ComparedFeature {
        feature: column.feature.clone(),
        verdict: Verdict::Stable,
        reference_n: 900,
        psi: Some(0.06),
        noise: Some(0.07),
        effect: Some(0.03),
    });
    WindowResult {
        events: 1_250,
        reference_rows: 50_000,
        evidence: evidence.collect(),
        comparisons: vec![Comparison {
            reference: "previous".to_owned(),
            detail: String::new(),
            features: compared.collect(),
        }],
        features,
        ..WindowResult::empty(stream, "1h", start, start.plus_ms(HOUR_MS))
    }
}

fn several(verdict: Verdict) -> MultivariateResult {
    let share = |feature: &str, share| FeatureShare { feature: feature.to_owned(), share };
    MultivariateResult {
        verdict,
        reference_rows: 2_000,
        window_rows: 256,
        reconstruction: None,
        domain: Some(DomainResult {
            verdict,
            auc: 0.885,
            low: 0.86,
            high: 0.911,
            noise_point: 0.57,
            effect: 0.385,
            features: vec![share("amount", 0.75), share("channel", 0.25)],
        }),
    }
}

/// A quiet hour, three in which the amount moves, and one too small to judge.
fn day() -> Vec<WindowResult> {
    let hour = |hour, amount: FeatureResult, alarms: &[&str]| {
        let mut channel = column("channel", Verdict::Stable, 0.02);
        channel.kind = ColumnKind::Categorical;
        if hour == 2 {
            channel.quality = vec![finding(Check::Missing, "missing: 1.0 % → 3.7 %")];
        }
        let mut window = window(hour, vec![channel, amount], alarms);
        window.several = Some(several(if hour >= 2 { Verdict::Drifted } else { Verdict::Stable }));
        window
    };
    vec![
        hour(0, column("amount", Verdict::Stable, 0.021), &[]),
        hour(1, column("amount", Verdict::Shifted, 0.06), &[]),
        hour(2, column("amount", Verdict::Drifted, 0.183), &["amount"]),
        hour(3, column("amount", Verdict::Drifted, 0.15), &["amount"]),
        hour(4, column("amount", Verdict::Insufficient, 0.0), &[]),
    ]
}

/// Everything that the table of these windows says, below one another.
fn told(windows: &[WindowResult], question: Question, terminal: Terminal) -> String {
    let lines = WindowLines { terminal };
    let (mut tally, mut explainer) = (Tally::default(), Explainer::new(question));
    let mut text = lines.head() + "\n";
    for window in windows {
        tally.add(window);
        explainer.add(window, &tally);
        text += &(lines.line(window) + "\n");
    }
    let columns: String = windows.iter().map(|window| lines.columns(window) + "\n").collect();
    text + &summary(&tally, terminal) + &explainer.render(terminal) + "\n" + &columns
}

fn amount() -> Question {
    Question { columns: vec!["amount".to_owned()], at: None }
}

fn matrix(windows: &[WindowResult], terminal: Terminal) -> String {
    let mut matrix = Matrix::default();
    for window in windows {
        matrix.add(window);
    }
    matrix.render(terminal)
}

/// The text without what makes it coloured.
fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut pieces = text.split('\u{1b}');
    plain += pieces.next().unwrap_or_default();
    for piece in pieces {
        plain += piece.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain
}

#[test]
fn the_text_is_the_one_in_the_file() {
    let text = told(&day(), amount(), PIPE) + "\n" + &matrix(&day(), PIPE);
    let expected = include_str!("../../../tests/golden/replay_verdicts.txt");
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "in\n{text}");
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn colours_change_nothing_but_colours() {
    let colour = Terminal { colour: true, ..PIPE };
    for text in [told(&day(), amount(), colour), matrix(&day(), colour)] {
        assert!(text.contains('\u{1b}'));
    }
    assert_eq!(without_colour(&told(&day(), amount(), colour)), told(&day(), amount(), PIPE));
    assert_eq!(without_colour(&matrix(&day(), colour)), matrix(&day(), PIPE));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let name = "a_name_that_is_longer_than_any_column_of_the_table_can_be";
    let mut windows = day();
    for window in &mut windows {
        window.stream.version = "2026-01-01-candidate-with-a-long-name".to_owned();
        let mut long = column(name, Verdict::Drifted, 12.5);
        long.score = ScoreName::TotalVariation;
        long.bins.push(BinShare { label: name.to_owned(), reference: 0.0, window: 0.0 });
        long.quality = Check::ALL.map(|check| finding(check, &format!("{name} ").repeat(5))).into();
        window.features.push(long);
        window.segments = vec![SegmentResult {
            feature: "country".to_owned(),
            value: name.to_owned(),
            events: 10,
            features: window.features.clone(),
        }];
    }
    for width in [80, 100, 160] {
        let terminal = Terminal { colour: false, width };
        let question = Question { columns: vec![name.to_owned(), "amount".to_owned()], at: None };
        let text = told(&windows, question, terminal)
            + &matrix(&windows, terminal)
            + &why::long(name, terminal)
            + &experiments::long(name, terminal);
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
        }
    }
}

#[test]
fn names_from_events_can_not_write_to_the_terminal() {
    let evil = "\u{1b}[2J\u{7}evil\nname";
    let mut windows = day();
    for window in &mut windows {
        window.stream.version = evil.to_owned();
        for column in &mut window.features {
            column.unseen = vec![NamedCount { name: evil.to_owned(), count: 3 }];
            column.bins.push(BinShare { label: evil.to_owned(), reference: 0.0, window: 0.1 });
            column.quality = vec![finding(Check::Unseen, evil)];
        }
        window.quality = vec![finding(Check::Volume, evil)];
    }
    let text = told(&windows, amount(), PIPE) + &matrix(&windows, PIPE);
    assert!(text.contains("evil"));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn alarms_are_counted_when_they_begin() {
    let alarms = [false, true, true, false, true, false, false, true];
    let windows: Vec<WindowResult> = (0..)
        .zip(alarms)
        .map(|(hour, alarm)| {
            window(hour, vec![column("amount", Verdict::Stable, 0.01)], if alarm { &["amount"] } else { &[] })
        })
        .collect();
    let text = told(&windows, Question::default(), PIPE);
    let row = text.lines().find(|line| line.starts_with("  amount ")).unwrap_or_default();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells.get(1..8), Some(&["-", "8", "-", "-", "3", "01-01", "01:00"][..]), "{row}");
    assert!(text.contains("; 3 alarms"), "{text}");
}

#[test]
fn a_window_is_found_by_any_time_in_it() {
    for (minute, hour) in [(0, "00:00"), (59, "00:00"), (60, "01:00"), (199, "03:00")] {
        let at = Some(NEW_YEAR.plus_ms(minute * 60_000));
        let text = told(&day(), Question { at, ..amount() }, PIPE);
        let from = if hour == "00:00" { "2026-01-01".to_owned() } else { format!("2026-01-01 {hour}") };
        assert!(text.contains(&format!("amount of credit v1, {from} to ")), "{minute}: {text}");
    }
}

#[test]
fn segments_are_told_where_they_are_not_stable() {
    let mut windows = day();
    for (window, verdict) in windows.iter_mut().zip([Verdict::Stable, Verdict::Drifted, Verdict::Stable]) {
        let segment = |value: &str, verdict| SegmentResult {
            feature: "country".to_owned(),
            value: value.to_owned(),
            events: 400,
            features: vec![column("amount", verdict, 0.4)],
        };
        window.segments = vec![segment("DE", verdict), segment("FR", Verdict::Stable)];
    }
    let at = Some(NEW_YEAR.plus_ms(HOUR_MS));
    let text = told(&windows, Question { at, ..amount() }, PIPE);
    let row = text.lines().find(|line| line.starts_with("  amount of country=DE ")).unwrap_or_default();
    let cells: Vec<&str> = row.split_whitespace().skip(3).collect();
    assert_eq!(cells.get(..5), Some(&["-", "2", "-", "1", "-"][..]), "{row}");
    assert!(!text.contains("country=FR"), "{text}");
    assert!(text.contains("and 1 column of segments, stable or with too few values"), "{text}");
    assert!(text.contains("\ncountry=DE"), "{text}");
}

#[test]
fn reasons_are_sentences() {
    let reason_of = |change: &dyn Fn(&mut FeatureResult), verdict, minimum| {
        let mut column = column("amount", verdict, 0.183);
        change(&mut column);
        reason::reason(&column, minimum)
    };
    let none = |_: &mut FeatureResult| {};
    assert_eq!(
        reason_of(&none, Verdict::Drifted, Some(0.1)),
        "PSI 0.183 is 5.2 times what windows of 1,204 rows show without drift (0.035 once in a thousand); less \
         noise it is 0.171, above the minimum effect 0.1: drifted."
    );
    assert_eq!(
        reason_of(&|column| column.effective_n = Some(602.4), Verdict::Shifted, Some(0.2)),
        "PSI 0.183 is 5.2 times what windows of 1,204 rows, worth 602 independent ones, show without drift \
         (0.035 once in a thousand); less noise it is 0.171, below the minimum effect 0.2: shifted."
    );
    assert_eq!(
        reason_of(&none, Verdict::Insufficient, None),
        "1,204 usable values in 1,250 rows are too few to tell: insufficient."
    );
    assert_eq!(reason_of(&|column| column.noise = None, Verdict::Stable, None), "PSI 0.183: stable.");
    let chi_square = |column: &mut FeatureResult| {
        column.score = ScoreName::ChiSquare;
        column.noise = Some(NoisePoints { chi_square: Some(9.21), ..NoisePoints::default() });
    };
    let text = reason_of(&chi_square, Verdict::Drifted, None);
    assert!(text.contains("chi-square 11.5 is 1.2 times"), "{text}");
    assert!(text.contains("as Cramér's V, less noise, it is 0.171"), "{text}");
}

#[test]
fn numbers_of_any_size_are_short() {
    let texts =
        [0.0, 0.183, 5.2, 12.346, 1_234.5, 0.000_012_3, 123_456_789.0, -0.5].map(|n| significant(Some(n)));
    assert_eq!(texts, ["0", "0.183", "5.2", "12.35", "1234", "1.23e-5", "1.23e8", "-0.5"]);
    assert_eq!(significant(None), "-");
}
