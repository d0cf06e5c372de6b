//! What is written about one window as a whole.

use super::{Field, Read, VERDICT_LEVELS, field};
use crate::result::{Verdict, WindowResult};

/// Columns that a window's point names.
const NAMED: usize = 5;

fn top_features(window: &WindowResult) -> String {
    let named = window.ranked().into_iter().take(NAMED);
    let texts = named.map(|column| format!("{} ({:.3})", column.feature, column.effect.unwrap_or(0.0)));
    texts.collect::<Vec<_>>().join(", ")
}

/// Fields of [`super::WINDOW`].
pub(super) const WINDOW_FIELDS: &[Field<WindowResult>] = &[
    field(
        "start",
        "ms since 1970",
        "start of the window, inclusive",
        Read::Integer(|w| w.start.0.try_into().ok()),
    ),
    field(
        "events",
        "rows",
        "predictions, and feature events that stand for themselves",
        Read::Integer(|w| Some(w.events)),
    ),
    field("labels", "events", "label events", Read::Integer(|w| Some(w.labels))),
    field(
        "reference_rows",
        "rows",
        "rows that the reference was built from",
        Read::Integer(|w| Some(w.reference_rows)),
    ),
    field(
        "unknown_features",
        "values",
        "values of features that the reference does not know",
        Read::Integer(|w| Some(w.unknown_features)),
    ),
    field(
        "verdict",
        "word",
        "the worst verdict of the features: `insufficient`, `stable`, `shifted` or `drifted`",
        Read::Text(|w| Some(w.verdict().as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|w| Some(w.verdict().level()))),
    field(
        "prediction_verdict",
        "word",
        "the worst verdict of the predictions",
        Read::Text(|w| Some(w.prediction_verdict().as_str().into())),
    ),
    field(
        "prediction_verdict_level",
        "level",
        "`prediction_verdict` as a number",
        Read::Integer(|w| Some(w.prediction_verdict().level())),
    ),
    field(
        "quality_verdict",
        "word",
        "the worst that the checks say, of the window and of any column",
        Read::Text(|w| Some(w.quality_verdict().as_str().into())),
    ),
    field(
        "quality_verdict_level",
        "level",
        "`quality_verdict` as a number",
        Read::Integer(|w| Some(w.quality_verdict().level())),
    ),
    field(
        "drifted",
        "columns",
        "columns whose verdict is `drifted`",
        Read::Integer(|w| Some(w.count(Verdict::Drifted))),
    ),
    field(
        "shifted",
        "columns",
        "columns whose verdict is `shifted`",
        Read::Integer(|w| Some(w.count(Verdict::Shifted))),
    ),
    field(
        "alarms",
        "columns",
        "columns, of all rows or of a segment, whose evidence is an alarm",
        Read::Integer(|w| Some(w.alarms())),
    ),
    field(
        "top_features",
        "text",
        "the columns with the largest effects that are not stable, each with its effect; empty without any",
        Read::Text(|w| Some(top_features(w).into())),
    ),
];
