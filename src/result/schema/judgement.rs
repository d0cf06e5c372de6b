//! What is written about checks, evidence and further references.

use super::{Field, Read, VERDICT_LEVELS, field};
use crate::result::{ComparedFeature, Evidence, Finding};

/// Fields of [`super::QUALITY`].
pub(super) const QUALITY_FIELDS: &[Field<Finding>] = &[
    field(
        "verdict",
        "word",
        "`insufficient`, `stable`, `shifted` (more than chance, less than the minimum effect) or `drifted`",
        Read::Text(|f| Some(f.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|f| Some(f.verdict.level()))),
    field(
        "value",
        "by the check",
        "what the window has: a share, a count or a factor",
        Read::Float(|f| f.value),
    ),
    field("reference", "by the check", "what the reference has", Read::Float(|f| f.reference)),
    field(
        "noise_low",
        "by the check",
        "`value` is below this once in two thousand windows that are like the reference",
        Read::Float(|f| f.noise_low),
    ),
    field(
        "noise_high",
        "by the check",
        "`value` is above this once in two thousand windows that are like the reference",
        Read::Float(|f| f.noise_high),
    ),
    field("effect", "by the check", "how large the change is, mostly a ratio", Read::Float(|f| f.effect)),
    field(
        "detail",
        "text",
        "what a person would want to be told; empty when there is nothing to tell",
        Read::Text(|f| Some(f.detail.as_str().into())),
    ),
];

/// Fields of [`super::EVIDENCE`].
pub(super) const EVIDENCE_FIELDS: &[Field<Evidence>] = &[
    field(
        "log10",
        "powers of ten",
        "how many times better the windows so far fit a change than the reference",
        Read::Float(|e| Some(e.log10)),
    ),
    field(
        "threshold",
        "powers of ten",
        "what `log10` has to reach for an alarm, if no other column is in alarm",
        Read::Float(|e| Some(e.threshold)),
    ),
    field(
        "alarm",
        "flag",
        "1 when the evidence is an alarm within the budget of false alarms, else 0",
        Read::Integer(|e| Some(u64::from(e.alarm))),
    ),
    field(
        "verdict",
        "word",
        "`insufficient` before the first window, `stable` without an alarm, with one `shifted` or `drifted` by `effect`",
        Read::Text(|e| Some(e.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|e| Some(e.verdict.level()))),
    field(
        "effect",
        "index",
        "population stability index of the recent windows together, less what noise adds to it",
        Read::Float(|e| e.effect),
    ),
    field(
        "windows",
        "windows",
        "windows that the evidence rests on; it begins anew when a daemon starts without its checkpoint",
        Read::Integer(|e| Some(e.windows)),
    ),
];

/// Fields of [`super::COMPARISON`].
pub(super) const COMPARISON_FIELDS: &[Field<ComparedFeature>] = &[
    field(
        "verdict",
        "word",
        "as that of `drift`, by `psi`; `insufficient` also while there is no such earlier window",
        Read::Text(|c| Some(c.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|c| Some(c.verdict.level()))),
    field(
        "reference_n",
        "rows",
        "usable values of the earlier windows",
        Read::Integer(|c| Some(c.reference_n)),
    ),
    field("psi", "index", "population stability index on the cut", Read::Float(|c| c.psi)),
    field(
        "psi_noise",
        "index",
        "what `psi` exceeds once in a thousand windows that are like the earlier ones",
        Read::Float(|c| c.noise),
    ),
    field("effect", "index", "`psi` less what noise adds to it", Read::Float(|c| c.effect)),
];
