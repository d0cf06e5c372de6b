//! A line for each experiment: its verdict, and what that rests on.

use super::{Board, Glyphs, Line, Style, clock, cut};
use crate::demo::board::Trial;
use crate::result::{EffectScale, ExperimentPhase, ExperimentResult, MetricResult};

/// Characters of an experiment's name.
const NAME_WIDTH: usize = 15;
/// Characters of a verdict.
const VERDICT_WIDTH: usize = 8;

/// The lines, with a sign at the end of those that are cut.
pub(super) fn experiments(board: &Board, width: usize, glyphs: Glyphs) -> impl Iterator<Item = Line> {
    board.experiments.iter().map(move |trial| {
        let mut line = line(trial);
        if line.iter().map(|(text, _)| text.chars().count()).sum::<usize>() > width {
            cut(&mut line, width.saturating_sub(glyphs.more.chars().count()));
            line.push((glyphs.more.to_owned(), Style::Dim));
        }
        line
    })
}

/// ` credit-canary-a rollback 10:00 errors +412 % (+203 % to +790 %): worse …`, dimmed
/// when it counts no more.
fn line(Trial { result, since }: &Trial) -> Line {
    let name: String = result.experiment.chars().take(NAME_WIDTH).collect();
    let is_over = result.phase == ExperimentPhase::Ended;
    let style = if is_over { Style::Dim } else { Style::Plain };
    let mut line = vec![
        (format!(" {name:<NAME_WIDTH$} "), style),
        (format!("{:<VERDICT_WIDTH$}", result.verdict.as_str()), Style::Decision(result.verdict)),
        (format!(" {:<5} ", since.map(clock).unwrap_or_default()), Style::Dim),
    ];
    match decisive(result) {
        Some(metric) => {
            line.push((numbers(metric), style));
            line.push((format!(": {}", rest(&result.reason, metric)), Style::Dim));
        }
        None => line.push((result.reason.clone(), style)),
    }
    line
}

/// The metric that the reason begins with: the one that decides, or that is waited
/// for.
fn decisive(result: &ExperimentResult) -> Option<&MetricResult> {
    let challenger = match &result.arm {
        Some(arm) => result.challengers.iter().find(|challenger| challenger.arm == *arm),
        None => result.challengers.first(),
    };
    let (name, _) = result.reason.split_once(": ")?;
    challenger?.metrics.iter().find(|metric| metric.metric == name)
}

/// `errors +412 % (+203 % to +790 %)`: the effect first, since a narrow terminal shows
/// no more.
fn numbers(metric: &MetricResult) -> String {
    let text = |number: Option<f64>| match (number, metric.scale) {
        (None, _) => "…".to_owned(),
        (Some(number), EffectScale::Relative) => format!("{:+.0} %", number * 100.0),
        (Some(number), EffectScale::Difference) => {
            let decimals = if number.abs() < 1.0 { 3 } else { 1 };
            format!("{number:+.decimals$}")
        }
    };
    match metric.estimate {
        None => metric.metric.clone(),
        estimate => {
            format!("{} {} ({} to {})", metric.metric, text(estimate), text(metric.lower), text(metric.upper))
        }
    }
}

/// The reason without what [`numbers`] has said.
fn rest(reason: &str, metric: &MetricResult) -> String {
    let said = format!("{}: {}", metric.metric, metric.reason);
    let words = metric.reason.split(": ").next().unwrap_or_default();
    match reason.strip_prefix(&said) {
        Some(more) => format!("{words}{more}"),
        None => words.to_owned(),
    }
}
