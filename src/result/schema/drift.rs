//! What is written about one column in one window.

use super::{Field, Read, VERDICT_LEVELS, field};
use crate::result::{BinShare, ColumnKind, FeatureResult, NumericSummary, ScoreName, Scores, Verdict};

fn kind(result: &FeatureResult) -> &'static str {
    match result.kind {
        ColumnKind::Numeric => "numeric",
        ColumnKind::Categorical => "categorical",
    }
}

/// The categories in `unseen` with their counts, as one text.
fn unseen_names(result: &FeatureResult) -> String {
    let names: Vec<String> =
        result.unseen.iter().map(|unseen| format!("{} ({})", unseen.name, unseen.count)).collect();
    names.join(", ")
}

/// What a person would want to be told of the checks.
fn quality_detail(result: &FeatureResult) -> String {
    let found = result.quality.iter().filter(|finding| finding.verdict >= Verdict::Shifted);
    found.map(|finding| finding.detail.as_str()).collect::<Vec<_>>().join("; ")
}

fn score(result: &FeatureResult, read: fn(&Scores) -> Option<f64>) -> Option<f64> {
    result.scores.as_ref().and_then(read)
}

fn noise(result: &FeatureResult, score: ScoreName) -> Option<f64> {
    result.noise.as_ref()?.of(score)
}

fn summary(result: &FeatureResult, read: fn(&NumericSummary) -> Option<f64>) -> Option<f64> {
    result.summary.as_ref().and_then(read)
}

/// Fields of [`super::DRIFT`].
pub(super) const DRIFT_FIELDS: &[Field<FeatureResult>] = &[
    field("kind", "word", "`numeric` or `categorical`", Read::Text(|r| Some(kind(r).into()))),
    field(
        "verdict",
        "word",
        "of this window alone: `insufficient` (fewer valid values than `windows.min_events`; no scores), `stable`, \
         `shifted` (above the noise point, below the minimum effect) or `drifted` (above both)",
        Read::Text(|r| Some(r.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|r| Some(r.verdict.level()))),
    field(
        "score",
        "word",
        "the score that the verdict is about",
        Read::Text(|r| Some(r.score.as_str().into())),
    ),
    field(
        "effect",
        "as the score",
        "the score less what noise adds to it; of `chi_square` Cramér's V",
        Read::Float(|r| r.effect),
    ),
    field(
        "rank",
        "place",
        "place among the window's features that are not stable, by effect beside the minimum effect; 0 for the others",
        Read::Integer(|r| Some(r.rank.unwrap_or(0))),
    ),
    field(
        "effective_n",
        "rows",
        "independent rows that carry as much as the `valid` ones, where the reference's own windows show that \
         rows resemble each other",
        Read::Float(|r| r.effective_n),
    ),
    field("n", "rows", "rows in which the column could have had a value", Read::Integer(|r| Some(r.n))),
    field(
        "valid",
        "rows",
        "rows with a usable value; the scores are about these",
        Read::Integer(|r| Some(r.valid)),
    ),
    field("missing_share", "share", "share of `n` that was null or absent", Read::Float(|r| r.missing_share)),
    field(
        "invalid_share",
        "share",
        "share of `n` that was NaN, infinite or of the wrong type",
        Read::Float(|r| r.invalid_share),
    ),
    field(
        "unseen_share",
        "share",
        "share of `valid` in categories that the reference never saw, or outside its range",
        Read::Float(|r| r.unseen_share),
    ),
    field(
        "unseen_names",
        "text",
        "the most frequent unseen categories, each with a lower bound of its count; empty without any",
        Read::Text(|r| Some(unseen_names(r).into())),
    ),
    field(
        "psi",
        "index",
        "population stability index on the cut, natural logarithm",
        Read::Float(|r| score(r, |s| Some(s.psi))),
    ),
    field(
        "ks",
        "distance",
        "Kolmogorov-Smirnov statistic, numeric only: largest difference of the two distribution functions",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.statistic))),
    ),
    field(
        "ks_error_bound",
        "distance",
        "the true statistic is at most `ks` + `ks_error_bound`; 0 when `ks` is exact",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.error_bound))),
    ),
    field(
        "ks_p_value",
        "probability",
        "two-sided p-value of `ks`",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.p_value))),
    ),
    field(
        "wasserstein",
        "standard deviations",
        "Wasserstein-1 distance in standard deviations of the reference, numeric only",
        Read::Float(|r| score(r, |s| s.wasserstein)),
    ),
    field(
        "jensen_shannon",
        "distance",
        "Jensen-Shannon distance on the cut, base 2, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.jensen_shannon))),
    ),
    field(
        "hellinger",
        "distance",
        "Hellinger distance on the cut, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.hellinger))),
    ),
    field(
        "total_variation",
        "distance",
        "total variation distance on the cut, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.total_variation))),
    ),
    field(
        "l_infinity",
        "distance",
        "largest difference of a single bin's share on the cut",
        Read::Float(|r| score(r, |s| Some(s.l_infinity))),
    ),
    field(
        "chi_square",
        "statistic",
        "two-sample chi-square statistic on the cut",
        Read::Float(|r| score(r, |s| s.chi_square.map(|test| test.statistic))),
    ),
    field(
        "chi_square_degrees_of_freedom",
        "count",
        "non-empty bins less one",
        Read::Integer(|r| Some(r.scores.as_ref()?.chi_square?.degrees_of_freedom.into())),
    ),
    field(
        "chi_square_p_value",
        "probability",
        "upper tail of the chi-square distribution",
        Read::Float(|r| score(r, |s| s.chi_square.map(|test| test.p_value))),
    ),
    field(
        "psi_noise",
        "as `psi`",
        "what `psi` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::Psi)),
    ),
    field(
        "ks_noise",
        "as `ks`",
        "what `ks` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::Ks)),
    ),
    field(
        "wasserstein_noise",
        "as `wasserstein`",
        "what `wasserstein` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::Wasserstein)),
    ),
    field(
        "jensen_shannon_noise",
        "as `jensen_shannon`",
        "what `jensen_shannon` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::JensenShannon)),
    ),
    field(
        "hellinger_noise",
        "as `hellinger`",
        "what `hellinger` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::Hellinger)),
    ),
    field(
        "total_variation_noise",
        "as `total_variation`",
        "what `total_variation` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::TotalVariation)),
    ),
    field(
        "l_infinity_noise",
        "as `l_infinity`",
        "what `l_infinity` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::LInfinity)),
    ),
    field(
        "chi_square_noise",
        "as `chi_square`",
        "what `chi_square` exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, ScoreName::ChiSquare)),
    ),
    field(
        "mean",
        "as the feature",
        "mean of the valid values, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.mean))),
    ),
    field(
        "std_dev",
        "as the feature",
        "sample standard deviation of the valid values, numeric only",
        Read::Float(|r| summary(r, |s| s.std_dev)),
    ),
    field(
        "min",
        "as the feature",
        "smallest valid value, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.min))),
    ),
    field(
        "max",
        "as the feature",
        "largest valid value, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.max))),
    ),
    field(
        "p05",
        "as the feature",
        "quantile at 0.05, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p05))),
    ),
    field(
        "p25",
        "as the feature",
        "quantile at 0.25, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p25))),
    ),
    field("p50", "as the feature", "median, numeric only", Read::Float(|r| summary(r, |s| Some(s.p50)))),
    field(
        "p75",
        "as the feature",
        "quantile at 0.75, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p75))),
    ),
    field(
        "p95",
        "as the feature",
        "quantile at 0.95, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p95))),
    ),
];

/// Fields of [`super::DISTRIBUTION`].
pub(super) const DISTRIBUTION_FIELDS: &[Field<BinShare>] = &[
    field("label", "text", "the interval or the category", Read::Text(|b| Some(b.label.as_str().into()))),
    field(
        "reference_share",
        "share",
        "share of the reference's valid values",
        Read::Float(|b| Some(b.reference)),
    ),
    field(
        "window_share",
        "share",
        "share of the window's valid values; 0 in an empty window",
        Read::Float(|b| Some(b.window)),
    ),
];

/// Fields of [`super::SEGMENT`].
pub(super) const SEGMENT_FIELDS: &[Field<FeatureResult>] = &[
    field(
        "verdict",
        "word",
        "as that of `drift`, against the reference's rows of the same segment",
        Read::Text(|r| Some(r.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|r| Some(r.verdict.level()))),
    field(
        "score",
        "word",
        "the score that the verdict is about",
        Read::Text(|r| Some(r.score.as_str().into())),
    ),
    field("value", "as the score", "its value", Read::Float(|r| r.scores.as_ref()?.of(r.score))),
    field(
        "noise",
        "as the score",
        "what it exceeds once in a thousand windows that are like the reference",
        Read::Float(|r| noise(r, r.score)),
    ),
    field("effect", "as the score", "the score less what noise adds to it", Read::Float(|r| r.effect)),
    field("n", "rows", "rows in which the column could have had a value", Read::Integer(|r| Some(r.n))),
    field("valid", "rows", "rows with a usable value", Read::Integer(|r| Some(r.valid))),
    field("missing_share", "share", "share of `n` that was null or absent", Read::Float(|r| r.missing_share)),
    field(
        "mean",
        "as the feature",
        "mean of the valid values, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.mean))),
    ),
    field(
        "quality_verdict",
        "word",
        "the worst that the checks say",
        Read::Text(|r| Some(r.quality_verdict().as_str().into())),
    ),
    field(
        "quality_detail",
        "text",
        "what the checks found; empty when there is nothing to tell",
        Read::Text(|r| Some(quality_detail(r).into())),
    ),
];
