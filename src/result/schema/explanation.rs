//! What is written about why a model predicts what it does.

use std::fmt::Write as _;

use super::{
    ATTRIBUTION, EVENT_EXPLANATION, EXPLANATION, Field, Read, Row, TAG_FEATURE, TAG_OUTPUT, TAG_RANK,
    VERDICT_LEVELS, field,
    rows::{TableOf, stream_tags},
};
use crate::result::{
    AttributionDrift, EventExplanation, EventOutput, FeatureAttribution, FeatureAttributionDrift,
    FeatureValue, LoggedGap, OutputExplanation, Verdict, WindowExplanation,
};

/// Features that the text of an explained event names.
const NAMED_FEATURES: usize = 5;

/// An output of a window, with the window, which names no outputs.
pub(super) struct OutputRow {
    window: WindowExplanation,
    output: OutputExplanation,
}

/// An output of an event, with the event, which names no outputs.
pub(super) struct EventRow {
    event: EventExplanation,
    output: EventOutput,
}

fn drift<T>(output: &OutputRow, read: fn(&AttributionDrift) -> T) -> Option<T> {
    output.output.drift.as_ref().map(read)
}

fn logged<T>(output: &OutputRow, read: fn(&LoggedGap) -> T) -> Option<T> {
    output.output.logged.as_ref().map(read)
}

fn own<T>(feature: &FeatureAttribution, read: fn(&FeatureAttributionDrift) -> T) -> Option<T> {
    feature.drift.as_ref().map(read)
}

fn word(verdict: Option<Verdict>) -> &'static str {
    verdict.unwrap_or(Verdict::Insufficient).as_str()
}

fn level(verdict: Option<Verdict>) -> u64 {
    verdict.unwrap_or(Verdict::Insufficient).level()
}

/// The features that moved an event's output most.
fn why(output: &EventOutput) -> String {
    let mut text = String::new();
    for one in output.features.iter().take(NAMED_FEATURES) {
        let value = match &one.value {
            None => "missing".to_owned(),
            Some(FeatureValue::Number(number)) => number.to_string(),
            Some(FeatureValue::Category(name)) => name.clone(),
        };
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a string can't fail.
        let _ = write!(text, "{separator}{} = {value}: {:+.4}", one.feature, one.attribution);
    }
    text
}

/// Fields of [`super::EXPLANATION`].
pub(super) const EXPLANATION_FIELDS: &[Field<OutputRow>] = &[
    field(
        "verdict",
        "word",
        "the worst of `ndcg_verdict`, `total_variation_verdict` and the features' verdicts; `insufficient` without enough rows on either side",
        Read::Text(|o| Some(word(drift(o, |d| d.verdict)).into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|o| Some(level(drift(o, |d| d.verdict))))),
    field(
        "method",
        "word",
        "`exact_tree`, `exact_linear` and `enumeration` are exact, `permutation` is an estimate with standard errors, `surrogate` explains a stand-in for the model",
        Read::Text(|o| Some(o.window.provenance.method.as_str().into())),
    ),
    field("rows", "rows", "rows of the window that were explained", Read::Integer(|o| Some(o.window.rows))),
    field(
        "rows_given_up",
        "rows",
        "rows that would have been explained, had the budget of evaluations allowed",
        Read::Integer(|o| Some(o.window.rows_given_up)),
    ),
    field(
        "rows_unusable",
        "rows",
        "rows that are only a part of one, or that the model could not be asked about",
        Read::Integer(|o| Some(o.window.rows_unusable)),
    ),
    field("events", "rows", "rows counted in the window", Read::Integer(|o| Some(o.window.events))),
    field(
        "evaluations",
        "evaluations",
        "rows that the model was asked about",
        Read::Integer(|o| Some(o.window.provenance.evaluations)),
    ),
    field(
        "model_id",
        "hash",
        "hash of the model",
        Read::Text(|o| Some(o.window.provenance.model_id.as_str().into())),
    ),
    field(
        "background_id",
        "hash",
        "hash of the background rows",
        Read::Text(|o| Some(o.window.provenance.background_id.as_str().into())),
    ),
    field(
        "background_rows",
        "rows",
        "background rows",
        Read::Integer(|o| Some(o.window.provenance.background_rows)),
    ),
    field(
        "space",
        "word",
        "what attributions add up in: `value`, `log_odds`, `log_shares` or `log`",
        Read::Text(|o| Some(o.output.space.as_str().into())),
    ),
    field(
        "base_value",
        "output",
        "mean output over the background: what attributions are added to",
        Read::Float(|o| Some(o.output.base_value)),
    ),
    field(
        "base_value_se",
        "output",
        "standard error of `base_value`, as the mean over rows like those",
        Read::Float(|o| Some(o.output.base_value_se)),
    ),
    field(
        "mean_output",
        "output",
        "mean output over the explained rows",
        Read::Float(|o| Some(o.output.mean_output)),
    ),
    field(
        "additivity_residual",
        "output",
        "the largest difference of a row between its output and `base_value` plus its attributions",
        Read::Float(|o| Some(o.output.additivity_residual)),
    ),
    field(
        "ndcg",
        "share",
        "how well the window's ranking of features keeps the reference's: normalised discounted cumulative gain, 1 when it does",
        Read::Float(|o| drift(o, |d| d.ndcg)),
    ),
    field(
        "ndcg_noise",
        "share",
        "`ndcg` is seldom below this in windows that are like the reference: all noise points of an output together are passed once in a thousand",
        Read::Float(|o| drift(o, |d| d.ndcg_noise)),
    ),
    field(
        "ndcg_verdict",
        "word",
        "what `ndcg` says",
        Read::Text(|o| Some(word(drift(o, |d| d.ndcg_verdict)).into())),
    ),
    field(
        "total_variation",
        "share",
        "total variation distance of the features' shares from the reference's",
        Read::Float(|o| drift(o, |d| d.total_variation)),
    ),
    field(
        "total_variation_noise",
        "share",
        "`total_variation` is seldom above this in windows that are like the reference, as with `ndcg_noise`",
        Read::Float(|o| drift(o, |d| d.total_variation_noise)),
    ),
    field(
        "total_variation_verdict",
        "word",
        "what `total_variation` says",
        Read::Text(|o| Some(word(drift(o, |d| d.total_variation_verdict)).into())),
    ),
    field(
        "reference_rows",
        "rows",
        "rows of the reference that were explained",
        Read::Integer(|o| drift(o, |d| d.reference_rows)),
    ),
    field(
        "logged_rows",
        "rows",
        "explained rows with a logged prediction",
        Read::Integer(|o| logged(o, |l| l.rows)),
    ),
    field(
        "logged_gap",
        "prediction",
        "median of the difference between what the model says and what was logged",
        Read::Float(|o| logged(o, |l| l.median)),
    ),
    field("logged_gap_p95", "prediction", "its quantile at 0.95", Read::Float(|o| logged(o, |l| l.p95))),
    field(
        "logged_gap_share",
        "share",
        "share of the rows where it is larger than rounding: when most are, another model made the predictions",
        Read::Float(|o| logged(o, |l| l.share)),
    ),
    field(
        "surrogate_r2",
        "share",
        "of a surrogate: share of the variance of logged predictions that it explains, on rows that it was not fitted to; it does not say how right its attributions are",
        Read::Float(|o| o.window.provenance.surrogate_r2),
    ),
    field(
        "surrogate_mae",
        "prediction",
        "of a surrogate: its mean absolute error on those rows",
        Read::Float(|o| o.window.provenance.surrogate_mae),
    ),
];

/// Fields of [`super::ATTRIBUTION`].
pub(super) const ATTRIBUTION_FIELDS: &[Field<FeatureAttribution>] = &[
    field(
        "mean_abs",
        "output",
        "mean |φ|: how much the feature moves the output",
        Read::Float(|a| Some(a.mean_abs)),
    ),
    field("mean", "output", "mean φ: where it moves the output to", Read::Float(|a| Some(a.mean))),
    field("share", "share", "`mean_abs` over the sum of all features'", Read::Float(|a| a.share)),
    field("rank", "rank", "place by `mean_abs`; the largest is 1", Read::Integer(|a| Some(a.rank))),
    field(
        "standard_error",
        "output",
        "standard error of `mean_abs`, for the choice of rows and for estimates",
        Read::Float(|a| Some(a.standard_error)),
    ),
    field(
        "row_standard_error",
        "output",
        "mean standard error of a row's φ; absent where φ is exact",
        Read::Float(|a| a.row_standard_error),
    ),
    field(
        "noise_floor",
        "output",
        "what `mean_abs` of a feature without any effect would be; 0 where φ is exact",
        Read::Float(|a| Some(a.noise_floor)),
    ),
    field("p05", "output", "quantile of φ at 0.05", Read::Float(|a| Some(a.p05))),
    field("p50", "output", "median of φ", Read::Float(|a| Some(a.p50))),
    field("p95", "output", "quantile of φ at 0.95", Read::Float(|a| Some(a.p95))),
    field(
        "verdict",
        "word",
        "what the distribution of φ says beside the reference's; `insufficient` without enough rows on either side",
        Read::Text(|a| Some(word(own(a, |d| d.verdict)).into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|a| Some(level(own(a, |d| d.verdict))))),
    field(
        "reference_mean_abs",
        "output",
        "`mean_abs` of the reference's rows",
        Read::Float(|a| own(a, |d| d.reference_mean_abs)),
    ),
    field(
        "reference_share",
        "share",
        "`share` of the reference's rows",
        Read::Float(|a| a.drift.as_ref().and_then(|d| d.reference_share)),
    ),
    field(
        "share_change",
        "share",
        "`share` less `reference_share`: what the minimum effect is about",
        Read::Float(|a| a.drift.as_ref().and_then(|d| d.share_change)),
    ),
    field("ks", "share", "Kolmogorov-Smirnov distance of φ", Read::Float(|a| own(a, |d| d.ks))),
    field(
        "ks_noise",
        "share",
        "`ks` is seldom above this in windows that are like the reference, as with `ndcg_noise`",
        Read::Float(|a| own(a, |d| d.ks_noise)),
    ),
    field(
        "jensen_shannon",
        "share",
        "Jensen-Shannon distance of φ on the reference's deciles",
        Read::Float(|a| own(a, |d| d.jensen_shannon)),
    ),
    field(
        "jensen_shannon_noise",
        "share",
        "`jensen_shannon` is seldom above this in windows that are like the reference, as with `ndcg_noise`",
        Read::Float(|a| own(a, |d| d.jensen_shannon_noise)),
    ),
];

/// Fields of [`super::EVENT_EXPLANATION`].
pub(super) const EVENT_EXPLANATION_FIELDS: &[Field<EventRow>] = &[
    field(
        "event",
        "hash",
        "hash of the event's id, as the API gives it with the id",
        Read::Text(|e| Some(e.event.event.as_str().into())),
    ),
    field(
        "why",
        "text",
        "the features that moved the output most, with their values and what they added",
        Read::Text(|e| Some(why(&e.output).into())),
    ),
    field(
        "attributions",
        "JSON",
        "every feature with its value, its attribution and, where that is an estimate, its standard error",
        Read::Text(|e| serde_json::to_string(&e.output.features).ok().map(Into::into)),
    ),
    field(
        "method",
        "word",
        "how it was computed, as in `explanation`",
        Read::Text(|e| Some(e.event.provenance.method.as_str().into())),
    ),
    field(
        "space",
        "word",
        "what attributions add up in",
        Read::Text(|e| Some(e.output.space.as_str().into())),
    ),
    field(
        "base_value",
        "output",
        "mean output over the background",
        Read::Float(|e| Some(e.output.base_value)),
    ),
    field("value", "output", "the output for this event", Read::Float(|e| Some(e.output.value))),
    field("prediction", "prediction", "what the model says", Read::Float(|e| Some(e.output.prediction))),
    field("logged", "prediction", "what was logged", Read::Float(|e| e.output.logged)),
    field(
        "additivity_residual",
        "output",
        "difference between the output and `base_value` plus the attributions",
        Read::Float(|e| Some(e.output.additivity_residual)),
    ),
    field(
        "evaluations",
        "evaluations",
        "rows that the model was asked about",
        Read::Integer(|e| Some(e.event.provenance.evaluations)),
    ),
    field(
        "model_id",
        "hash",
        "hash of the model",
        Read::Text(|e| Some(e.event.provenance.model_id.as_str().into())),
    ),
    field(
        "background_id",
        "hash",
        "hash of the background rows",
        Read::Text(|e| Some(e.event.provenance.background_id.as_str().into())),
    ),
];

impl WindowExplanation {
    /// Calls `visit` with every row: per output what is said of it, then its
    /// features.
    pub fn rows(&self, visit: &mut dyn FnMut(Row<'_>)) {
        let window = Self { outputs: Vec::new(), ..self.clone() };
        let mut row = OutputRow { window, output: OutputExplanation::default() };
        for output in &self.outputs {
            let [model, version, variant, window] = stream_tags(&self.stream, &self.window);
            let tags = [model, version, variant, window, (TAG_OUTPUT, output.output.as_str())];
            row.output = OutputExplanation { features: Vec::new(), ..output.clone() };
            let fields = TableOf { table: EXPLANATION_FIELDS, from: &row };
            visit(Row { measurement: EXPLANATION, tags: &tags, fields: &fields });
            for feature in &output.features {
                let [model, version, variant, window, output] = tags;
                let tags = [model, version, variant, window, output, (TAG_FEATURE, &feature.feature)];
                let fields = TableOf { table: ATTRIBUTION_FIELDS, from: feature };
                visit(Row { measurement: ATTRIBUTION, tags: &tags, fields: &fields });
            }
        }
    }
}

impl EventExplanation {
    /// Calls `visit` with the row of every output. Of an event that was asked
    /// about there is none: nobody is to look for it later.
    pub fn rows(&self, visit: &mut dyn FnMut(Row<'_>)) {
        let Some(window) = &self.window else { return };
        let event = Self { outputs: Vec::new(), ..self.clone() };
        let rank = format!("{:02}", window.rank);
        for output in &self.outputs {
            let row = EventRow { event: event.clone(), output: output.clone() };
            let [model, version, variant, window] = stream_tags(&self.stream, &window.window);
            let tags =
                [model, version, variant, window, (TAG_OUTPUT, output.output.as_str()), (TAG_RANK, &rank)];
            let fields = TableOf { table: EVENT_EXPLANATION_FIELDS, from: &row };
            visit(Row { measurement: EVENT_EXPLANATION, tags: &tags, fields: &fields });
        }
    }
}
