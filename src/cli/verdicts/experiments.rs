//! What is to be done in every experiment of a replay, and what that rests on: a
//! section each, with the arms and with a row per challenger and metric.

use std::fmt::Write as _;

use super::{
    percent, significant,
    table::{Cell, Table},
    terminal::{Look, Terminal, shortened},
    time_text,
};
use crate::result::{
    ArmCounts, ChallengerResult, Decision, EffectScale, ExperimentPhase, ExperimentResult, MetricResult,
    MetricRole, MetricVerdict, Verdict,
};

/// Characters of the name of an experiment, an arm or a metric.
const NAME_WIDTH: usize = 30;

/// The experiments as they stand at the end.
pub(in crate::cli) fn experiments(results: &[ExperimentResult], terminal: Terminal) -> String {
    results.iter().map(|result| of_experiment(result, terminal)).collect()
}

fn of_experiment(result: &ExperimentResult, terminal: Terminal) -> String {
    let mut text = format!("\n{}", terminal.paragraph(&heading(result), 0, Look::Bold));
    let _ = writeln!(text, "  {}", terminal.show(&verdict_text(result), decision_look(result.verdict)));
    text += &terminal.paragraph(&result.reason, 4, Look::Plain);
    for problem in &result.health.problems {
        text += &terminal.paragraph(&format!("! {problem}"), 4, Look::Alarm);
    }
    for note in left_out(result) {
        text += &terminal.paragraph(&note, 4, Look::Dim);
    }
    let _ = writeln!(text);
    text += &arms(&result.arms).render(terminal, 2);
    let several = result.challengers.len() > 1;
    // Before the first look there is nothing to say of any.
    for challenger in result.challengers.iter().filter(|challenger| !challenger.metrics.is_empty()) {
        let _ = writeln!(text);
        if several {
            let verdict =
                format!("{}: {}", shortened(&challenger.arm, NAME_WIDTH), challenger.verdict.as_str());
            let _ = writeln!(text, "  {}", terminal.show(&verdict, decision_look(challenger.verdict)));
        }
        text += &metrics(challenger, terminal);
        text += &disagreement(challenger, terminal);
    }
    text
}

/// Whose it is, and of which time.
fn heading(result: &ExperimentResult) -> String {
    let name = shortened(&result.experiment, NAME_WIDTH);
    let model = shortened(&result.model, NAME_WIDTH);
    let of = match result.began {
        Some(began) => {
            format!("windows of {} from {} to {}", result.window, time_text(began), time_text(result.end))
        }
        None => "nothing counted".to_owned(),
    };
    let phase = match result.phase {
        ExperimentPhase::Running => "",
        ExperimentPhase::Waiting => ", waiting for its start",
        ExperimentPhase::Ended => ", ended",
    };
    format!("experiment {name} of {model}: {of}{phase}")
}

fn verdict_text(result: &ExperimentResult) -> String {
    let arm = result.arm.as_ref().map_or_else(String::new, |arm| format!(" {}", shortened(arm, NAME_WIDTH)));
    let proven = match result.verdict {
        Decision::Hold => format!(", {:.0} % of what promotion asks for is proven", result.score),
        Decision::Promote | Decision::Rollback => String::new(),
    };
    format!("{}{arm}{proven}", result.verdict.as_str())
}

fn decision_look(decision: Decision) -> Look {
    match decision {
        Decision::Rollback => Look::Verdict(Verdict::Drifted),
        Decision::Hold => Look::Plain,
        Decision::Promote => Look::Bold,
    }
}

/// What was not counted, and why.
fn left_out(result: &ExperimentResult) -> Vec<String> {
    let health = &result.health;
    [
        (health.events_of_other_arms, "of arms that are none of the experiment's"),
        (health.events_of_several_arms, "of units that had been seen in another arm"),
        (health.events_of_unknown_units, "counted whose units there was no memory for"),
        (health.unmatched, "without their label or their counterpart"),
        (health.late, "of windows that had been looked at"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", crate::cli::event_files::plural(count, "event")))
    .collect()
}

fn arms(arms: &[ArmCounts]) -> Table {
    let mut table = Table::new(["arm", "events", "units", "share", "intended", "labelled", "of old enough"]);
    for (index, arm) in arms.iter().enumerate() {
        let look = if index == 0 { Look::Dim } else { Look::Plain };
        table.push(vec![
            Cell::new(shortened(&arm.arm, NAME_WIDTH), look),
            Cell::count(arm.events, look),
            Cell::count(arm.units.unwrap_or(0), look),
            Cell::new(percent(arm.share), look),
            Cell::new(percent(arm.intended_share), look),
            Cell::count(arm.labelled, look),
            Cell::count(arm.matured, look),
        ]);
    }
    if arms.iter().all(|arm| arm.units.is_none()) {
        table.remove("units");
    }
    if arms.iter().all(|arm| arm.intended_share.is_none()) {
        table.remove("share");
        table.remove("intended");
    }
    if arms.iter().all(|arm| arm.matured == 0) {
        table.remove("labelled");
        table.remove("of old enough");
    }
    table
}

fn metrics(challenger: &ChallengerResult, terminal: Terminal) -> String {
    let mut table =
        Table::new(["metric", "control", "challenger", "effect (bounds)", "e", "needed", "verdict"]);
    for metric in &challenger.metrics {
        let look = metric_look(metric);
        let needed = match metric.events_needed {
            Some(0) => Cell::new("-", Look::Dim),
            Some(count) => Cell::plain(crate::ops::grouped(count)),
            None => Cell::new("?", Look::Dim),
        };
        table.push(vec![
            Cell::plain(shortened(&metric.metric, NAME_WIDTH)),
            Cell::plain(metric.control.map_or_else(|| "-".to_owned(), four_digits)),
            Cell::plain(metric.challenger.map_or_else(|| "-".to_owned(), four_digits)),
            Cell::new(effect_text(metric), look),
            Cell::plain(evidence(metric).map_or_else(|| "-".to_owned(), short)),
            needed,
            Cell::new(metric.verdict.as_str(), look),
        ]);
    }
    table.narrow(terminal, 2, &["control", "challenger", "needed"]);
    table.render(terminal, 2)
}

fn metric_look(metric: &MetricResult) -> Look {
    match metric.verdict {
        MetricVerdict::Insufficient => Look::Verdict(Verdict::Insufficient),
        MetricVerdict::Worse if metric.role == MetricRole::Plain => Look::Verdict(Verdict::Shifted),
        MetricVerdict::Worse => Look::Verdict(Verdict::Drifted),
        MetricVerdict::Better | MetricVerdict::NotWorse => Look::Bold,
        MetricVerdict::Undecided => Look::Plain,
    }
}

/// `+14.2% (+5.1 … +24.0)`, or in the unit of the metric.
fn effect_text(metric: &MetricResult) -> String {
    let text = |number: Option<f64>| {
        let Some(number) = number else { return "?".to_owned() };
        let shown = match metric.scale {
            EffectScale::Relative => 100.0 * number,
            EffectScale::Difference => number,
        };
        let sign = if shown > 0.0 { "+" } else { "" };
        match metric.scale {
            EffectScale::Relative if shown.abs() < 1e6 => format!("{sign}{shown:.1}"),
            _ => format!("{sign}{}", four_digits(shown)),
        }
    };
    if metric.estimate.is_none() {
        return "-".to_owned();
    }
    let unit = match metric.scale {
        EffectScale::Relative => "%",
        EffectScale::Difference => "",
    };
    let bounds = match (metric.lower, metric.upper) {
        (None, None) => String::new(),
        (lower, upper) => format!(" ({} … {})", text(lower), text(upper)),
    };
    format!("{}{unit}{bounds}", text(metric.estimate))
}

/// The evidence for what is said; while nothing is, for what promotion asks for, or
/// against a guardrail that can only be proven worse.
fn evidence(metric: &MetricResult) -> Option<f64> {
    let is_open = matches!(metric.verdict, MetricVerdict::Undecided | MetricVerdict::Insufficient);
    match metric.verdict {
        MetricVerdict::Worse => metric.e_worse,
        MetricVerdict::NotWorse => metric.e_not_worse,
        _ if is_open && metric.role == MetricRole::Guardrail => metric.e_not_worse.or(metric.e_worse),
        _ => metric.e_better,
    }
}

/// Differences between models are often in the third or fourth decimal.
fn four_digits(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !(1e-6..1e7).contains(&size) {
        return significant(Some(value));
    }
    let decimals =
        (-6..4).rev().find(|exponent| size >= 10_f64.powi(*exponent)).map_or(9, |exponent| 3 - exponent);
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn short(e: f64) -> String {
    if e < 0.005 {
        "0".to_owned()
    } else if e < 1e4 {
        significant(Some(e))
    } else {
        format!("{e:.0e}")
    }
}

/// How far a shadow's answers are from the control's.
fn disagreement(challenger: &ChallengerResult, terminal: Terminal) -> String {
    let Some(shadow) = &challenger.disagreement else { return String::new() };
    let text = format!(
        "{} answered by both, {} by the control alone; another class in {}, correlation of the predictions \
         {}, mean difference {}",
        crate::cli::event_files::plural(shadow.pairs, "request"),
        crate::ops::grouped(shadow.unanswered),
        percent(shadow.class_share),
        significant(shadow.correlation),
        significant(shadow.mean_difference)
    );
    terminal.paragraph(&text, 2, Look::Dim)
}
