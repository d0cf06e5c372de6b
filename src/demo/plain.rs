//! The demo as lines, for pipes and tests: one a window.

use super::board::{Cell, Size};
use crate::result::{FeatureResult, Verdict, WindowResult};

/// Columns named in a line at most.
const NAMED: usize = 4;

/// One window as a line, with the columns whose scores are not small.
pub(super) fn line(window: &WindowResult, incident: Option<&str>) -> String {
    let scored = window.features.iter().any(|column| column.verdict != Verdict::Insufficient);
    let mut moved: Vec<(f64, &FeatureResult)> = window
        .features
        .iter()
        .filter_map(|column| Some((column.scores?.psi, column)))
        .filter(|(psi, column)| Cell::psi_size(*psi) > Size::Small || is_missing(column))
        .collect();
    moved.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let more = moved.len().saturating_sub(NAMED);
    let mut told: Vec<String> =
        moved.iter().take(NAMED).map(|(psi, column)| describe(*psi, column)).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    let told = match told.as_slice() {
        [] if scored => "stable".to_owned(),
        [] => "insufficient".to_owned(),
        _ => told.join(", "),
    };
    let incident = incident.map_or_else(String::new, |name| format!("  [{name}]"));
    format!("{}  {}  {:>5} events  {told}{incident}", window.end, window.stream.version, window.events)
}

fn describe(psi: f64, column: &FeatureResult) -> String {
    let ks = column.scores.and_then(|scores| scores.ks);
    let missing = is_missing(column).then(|| column.missing_share.unwrap_or(0.0) * 100.0);
    let parts = [
        Some(format!("{} psi {psi:.3}", column.feature)),
        ks.map(|ks| format!("ks {:.3}", ks.statistic)),
        missing.map(|share| format!("missing {share:.0} %")),
        column.unseen.first().map(|name| format!("new {}", name.name)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn is_missing(column: &FeatureResult) -> bool {
    column.missing_share.is_some_and(|share| Cell::share_size(share) == Size::Large)
}
