//! A verdict in a sentence.

use super::{lines::value, score_text, significant};
use crate::{
    ops::grouped,
    result::{FeatureResult, ScoreName, Verdict},
};

/// Why the verdict about a column's score is what it is, given the minimum
/// effect of that score where it is known.
pub(super) fn reason(column: &FeatureResult, minimum: Option<f64>) -> String {
    let verdict = column.verdict.as_str();
    let Some(score) = value(column).filter(|_| column.verdict != Verdict::Insufficient) else {
        return format!(
            "{} usable values in {} rows are too few to tell: {verdict}.",
            grouped(column.valid),
            grouped(column.n)
        );
    };
    let name = score_text(column.score);
    let Some(noise) = column.noise.and_then(|noise| noise.of(column.score)) else {
        return format!("{name} {}: {verdict}.", significant(Some(score)));
    };
    let (score_said, noise_said) = (significant(Some(score)), significant(Some(noise)));
    let windows = windows_of(column);
    if column.verdict == Verdict::Stable {
        return format!(
            "{name} {score_said} is what {windows} show without drift, too: more than {noise_said} comes once in a \
             thousand: {verdict}."
        );
    }
    let times = if noise > 0.0 {
        format!("{} times", significant(Some((score / noise * 10.0).round() / 10.0)))
    } else {
        "more than".to_owned()
    };
    format!(
        "{name} {score_said} is {times} what {windows} show without drift ({noise_said} once in a thousand){}: \
         {verdict}.",
        effect_said(column, minimum)
    )
}

/// `; less noise it is 0.171, above the minimum effect 0.1`.
fn effect_said(column: &FeatureResult, minimum: Option<f64>) -> String {
    let Some(effect) = column.effect else { return String::new() };
    let effect_text = significant(Some(effect));
    // Of a statistic that grows with the rows, only a measure that doesn't
    // can be an effect.
    let what = match column.score {
        ScoreName::ChiSquare => "as Cramér's V, less noise, it is",
        _ => "less noise it is",
    };
    let against = match (minimum, column.verdict) {
        (Some(minimum), Verdict::Drifted) => {
            format!(", above the minimum effect {}", significant(Some(minimum)))
        }
        (Some(minimum), _) => format!(", below the minimum effect {}", significant(Some(minimum))),
        (None, _) => String::new(),
    };
    format!("; {what} {effect_text}{against}")
}

/// `windows of 1,204 rows`, and how many independent ones they are worth
/// where that is less.
fn windows_of(column: &FeatureResult) -> String {
    let rows = grouped(column.valid);
    #[expect(clippy::cast_precision_loss, reason = "a number of rows for people")]
    let valid = column.valid as f64;
    match column.effective_n {
        Some(effective) if effective < 0.99 * valid => {
            format!("windows of {rows} rows, worth {effective:.0} independent ones,")
        }
        _ => format!("windows of {rows} rows"),
    }
}
