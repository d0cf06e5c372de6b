//! The demo as lines, for pipes and tests: one a window, and one when the verdict on
//! an experiment changes.

use super::board::Cell;
use crate::result::{ExperimentResult, FeatureResult, Verdict, WindowResult};

/// Columns named in a line at most.
const NAMED: usize = 4;

/// One window as a line, with the columns of which something is said.
pub(super) fn line(window: &WindowResult, incident: Option<&str>) -> String {
    let scored = window.features.iter().any(|column| column.verdict != Verdict::Insufficient);
    let mut moved: Vec<(Cell, &FeatureResult)> = window
        .features
        .iter()
        .map(|column| (Cell::new(column, window), column))
        .filter(|(cell, _)| cell.said() >= Verdict::Shifted || cell.alarm)
        .collect();
    moved.sort_by(|(a, _), (b, _)| b.urgency().total_cmp(&a.urgency()));
    let more = moved.len().saturating_sub(NAMED);
    let mut told: Vec<String> =
        moved.iter().take(NAMED).map(|(cell, column)| describe(*cell, column)).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    let told = match told.as_slice() {
        [] if scored => Verdict::Stable.as_str().to_owned(),
        [] => Verdict::Insufficient.as_str().to_owned(),
        _ => told.join(", "),
    };
    let incident = incident.map_or_else(String::new, |name| format!("  [{name}]"));
    format!("{}  {}  {:>5} events  {told}{incident}", window.end, window.stream.version, window.events)
}

/// What is to be done in an experiment from now on, and why.
pub(super) fn verdict(result: &ExperimentResult) -> String {
    let ExperimentResult { end, experiment, verdict, reason, .. } = result;
    format!("{end}  experiment {experiment}: {}: {reason}", verdict.as_str())
}

/// `annual_income psi 2.310 drifted in alarm, unit drifted`: the score with its
/// verdict, then what the checks say.
fn describe(cell: Cell, column: &FeatureResult) -> String {
    let psi = column.scores.map(|scores| format!(" psi {:.3}", scores.psi)).unwrap_or_default();
    let alarm = if cell.alarm { " in alarm" } else { "" };
    let score = format!("{}{psi} {}{alarm}", column.feature, column.verdict.as_str());
    let found = column.quality.iter().filter(|finding| finding.verdict >= Verdict::Shifted);
    let checks = found.map(|finding| format!("{} {}", finding.check.as_str(), finding.verdict.as_str()));
    let new = column.unseen.first().map(|name| format!("new {}", name.name));
    std::iter::once(score).chain(checks).chain(new).collect::<Vec<_>>().join(" + ")
}
