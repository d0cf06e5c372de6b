//! What is written about a challenger's metrics and predictions beside the
//! control's.

use super::{Field, Read, VERDICT_LEVELS, field};
use crate::result::{ArmDistribution, MetricResult, MetricVerdict, ScoreName};

fn score(column: &ArmDistribution, score: ScoreName) -> Option<f64> {
    column.scores.as_ref()?.of(score)
}

fn noise(column: &ArmDistribution, score: ScoreName) -> Option<f64> {
    column.noise.as_ref()?.of(score)
}

/// A verdict's place among all.
fn level(verdict: MetricVerdict) -> Option<u64> {
    let place = MetricVerdict::ALL.into_iter().position(|other| other == verdict)?;
    place.try_into().ok()
}

/// Fields of [`super::EXPERIMENT`].
pub(super) const EXPERIMENT_FIELDS: &[Field<MetricResult>] = &[
    field(
        "role",
        "word",
        "`goal`, `guardrail`, or `plain`: it is shown and decides nothing",
        Read::Text(|m| Some(m.role.as_str().into())),
    ),
    field(
        "better",
        "word",
        "in which direction it is better: `higher` or `lower`",
        Read::Text(|m| Some(m.better.as_str().into())),
    ),
    field(
        "verdict",
        "word",
        "what is proven: `better`, `not_worse` (than the margin allows) or `worse` (of a guardrail, by more than the margin allows); `undecided`, or `insufficient` with too few values",
        Read::Text(|m| Some(m.verdict.as_str().into())),
    ),
    field(
        "level",
        "level",
        "`verdict` as a number, for colours: 0 insufficient, 1 undecided, 2 not worse, 3 better, 4 worse",
        Read::Integer(|m| level(m.verdict)),
    ),
    field("reason", "text", "why, in a sentence", Read::Text(|m| Some(m.reason.as_str().into()))),
    field(
        "method",
        "word",
        "how the bounds were found: `confidence_sequence`, `rate_ratio`, `group_sequential` or `fixed_horizon`",
        Read::Text(|m| Some(m.method.as_str().into())),
    ),
    field(
        "scale",
        "word",
        "what `estimate`, its bounds, `margin` and `detectable` are: `difference` (challenger less control) or `relative` (challenger by control, less 1)",
        Read::Text(|m| Some(m.scale.as_str().into())),
    ),
    field(
        "proven_at",
        "ms since 1970",
        "end of the window with which `verdict` was proven",
        Read::Integer(|m| m.proven_at?.0.try_into().ok()),
    ),
    field("n_control", "values", "values of the control", Read::Integer(|m| Some(m.n_control))),
    field("n", "values", "values of the challenger; of shadows, pairs", Read::Integer(|m| Some(m.n))),
    field(
        "invalid",
        "values",
        "values that are not usable: of the wrong type, or no number",
        Read::Integer(|m| Some(m.invalid)),
    ),
    field(
        "clamped",
        "values",
        "values that are too large to be summed, taken for the most that can be, or too small to be told from 0",
        Read::Integer(|m| Some(m.clamped)),
    ),
    field(
        "control",
        "as the metric",
        "the control's value, each window weighed as in `estimate`",
        Read::Float(|m| m.control),
    ),
    field("challenger", "as the metric", "the challenger's value, likewise", Read::Float(|m| m.challenger)),
    field("estimate", "by `scale`", "the effect", Read::Float(|m| m.estimate)),
    field(
        "lower",
        "by `scale`",
        "lower bound of the effect, valid at all times together",
        Read::Float(|m| m.lower),
    ),
    field("upper", "by `scale`", "upper bound of the effect", Read::Float(|m| m.upper)),
    field("std_error", "as the metric", "standard error of the difference", Read::Float(|m| m.std_error)),
    field("lift", "share", "challenger by control, less 1, for reading", Read::Float(|m| m.lift)),
    field(
        "design_effect",
        "ratio",
        "variance of the estimate by what it would be if all events were independent",
        Read::Float(|m| m.design_effect),
    ),
    field(
        "variance_explained",
        "share",
        "share of the variance that covariates explain",
        Read::Float(|m| m.variance_explained),
    ),
    field(
        "e_better",
        "ratio",
        "evidence that it is better: at most one in `x` experiments without an effect ever shows `x`",
        Read::Float(|m| m.e_better),
    ),
    field(
        "e_worse",
        "ratio",
        "evidence that it is worse; of a guardrail, by more than the margin",
        Read::Float(|m| m.e_worse),
    ),
    field(
        "e_not_worse",
        "ratio",
        "evidence that it is not worse than the margin",
        Read::Float(|m| m.e_not_worse),
    ),
    field(
        "e_wanted",
        "ratio",
        "evidence of being better, or not worse, from which on that is proven",
        Read::Float(|m| Some(m.e_wanted)),
    ),
    field(
        "p_value",
        "probability",
        "of the effect being nothing, at any time so far; two-sided",
        Read::Float(|m| m.p_value),
    ),
    field("margin", "by `scale`", "how much worse it may be", Read::Float(|m| m.margin)),
    field(
        "detectable",
        "by `scale`",
        "the effect that would be found now with the wanted power",
        Read::Float(|m| m.detectable),
    ),
    field(
        "events_needed",
        "events",
        "further events of all arms until the wanted effect, or else the present one, would be found; 0 when it is",
        Read::Integer(|m| m.events_needed),
    ),
];

/// Fields of [`super::EXPERIMENT_COLUMN`].
pub(super) const EXPERIMENT_COLUMN_FIELDS: &[Field<ArmDistribution>] = &[
    field(
        "verdict",
        "word",
        "of the last window alone, as that of `drift`, by `psi`, with the control in place of the reference",
        Read::Text(|c| Some(c.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|c| Some(c.verdict.level()))),
    field(
        "n_control",
        "rows",
        "usable values of the control in the last window",
        Read::Integer(|c| Some(c.n_control)),
    ),
    field("n", "rows", "usable values of the challenger in it", Read::Integer(|c| Some(c.n))),
    field("psi", "index", "population stability index on the cut", Read::Float(|c| score(c, ScoreName::Psi))),
    field(
        "ks",
        "distance",
        "Kolmogorov-Smirnov statistic, numeric only",
        Read::Float(|c| score(c, ScoreName::Ks)),
    ),
    field(
        "ks_error_bound",
        "distance",
        "the true statistic is at most `ks` + `ks_error_bound`; 0 when `ks` is exact",
        Read::Float(|c| Some(c.scores.as_ref()?.ks?.error_bound)),
    ),
    field(
        "ks_p_value",
        "probability",
        "two-sided p-value of `ks`",
        Read::Float(|c| Some(c.scores.as_ref()?.ks?.p_value)),
    ),
    field(
        "wasserstein",
        "standard deviations",
        "Wasserstein-1 distance in standard deviations of the control, numeric only",
        Read::Float(|c| score(c, ScoreName::Wasserstein)),
    ),
    field(
        "jensen_shannon",
        "distance",
        "Jensen-Shannon distance on the cut, base 2, from 0 to 1",
        Read::Float(|c| score(c, ScoreName::JensenShannon)),
    ),
    field(
        "hellinger",
        "distance",
        "Hellinger distance on the cut, from 0 to 1",
        Read::Float(|c| score(c, ScoreName::Hellinger)),
    ),
    field(
        "total_variation",
        "distance",
        "total variation distance on the cut, from 0 to 1",
        Read::Float(|c| score(c, ScoreName::TotalVariation)),
    ),
    field(
        "l_infinity",
        "distance",
        "largest difference of a single bin's share on the cut",
        Read::Float(|c| score(c, ScoreName::LInfinity)),
    ),
    field(
        "chi_square",
        "statistic",
        "two-sample chi-square statistic on the cut",
        Read::Float(|c| score(c, ScoreName::ChiSquare)),
    ),
    field(
        "chi_square_degrees_of_freedom",
        "count",
        "non-empty bins less one",
        Read::Integer(|c| Some(c.scores.as_ref()?.chi_square?.degrees_of_freedom.into())),
    ),
    field(
        "chi_square_p_value",
        "probability",
        "upper tail of the chi-square distribution",
        Read::Float(|c| Some(c.scores.as_ref()?.chi_square?.p_value)),
    ),
    field(
        "psi_noise",
        "as `psi`",
        "what `psi` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::Psi)),
    ),
    field(
        "ks_noise",
        "as `ks`",
        "what `ks` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::Ks)),
    ),
    field(
        "wasserstein_noise",
        "as `wasserstein`",
        "what `wasserstein` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::Wasserstein)),
    ),
    field(
        "jensen_shannon_noise",
        "as `jensen_shannon`",
        "what `jensen_shannon` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::JensenShannon)),
    ),
    field(
        "hellinger_noise",
        "as `hellinger`",
        "what `hellinger` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::Hellinger)),
    ),
    field(
        "total_variation_noise",
        "as `total_variation`",
        "what `total_variation` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::TotalVariation)),
    ),
    field(
        "l_infinity_noise",
        "as `l_infinity`",
        "what `l_infinity` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::LInfinity)),
    ),
    field(
        "chi_square_noise",
        "as `chi_square`",
        "what `chi_square` exceeds once in a thousand windows of equal arms",
        Read::Float(|c| noise(c, ScoreName::ChiSquare)),
    ),
];
