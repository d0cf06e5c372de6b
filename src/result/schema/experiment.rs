//! What is written about an experiment and its arms; of their metrics and
//! predictions see `experiment_metric`.

use super::{
    EXPERIMENT, EXPERIMENT_ARM, EXPERIMENT_COLUMN, EXPERIMENT_VERDICT, Field, Read, Row, TAG_ARM,
    TAG_EXPERIMENT, TAG_FEATURE, TAG_METRIC, TAG_MODEL, TAG_WINDOW, Tag,
    experiment_metric::{EXPERIMENT_COLUMN_FIELDS, EXPERIMENT_FIELDS},
    field,
    rows::TableOf,
};
use crate::result::{ArmCounts, ChallengerResult, Disagreement, ExperimentResult};

/// An arm and, unless it is the control, what is said of it beside the control,
/// without its metrics and distributions.
pub(super) struct ArmRow {
    counts: ArmCounts,
    is_control: bool,
    challenger: Option<ChallengerResult>,
}

fn challenger<T>(arm: &ArmRow, read: fn(&ChallengerResult) -> T) -> Option<T> {
    arm.challenger.as_ref().map(read)
}

fn disagreement<T>(arm: &ArmRow, read: fn(&Disagreement) -> Option<T>) -> Option<T> {
    arm.challenger.as_ref()?.disagreement.as_ref().and_then(read)
}

/// What speaks against the data, in one line.
fn problems(result: &ExperimentResult) -> String {
    let sentences = result.health.problems.iter().map(|sentence| sentence.trim().trim_end_matches('.'));
    sentences.collect::<Vec<_>>().join("; ")
}

/// Fields of [`super::EXPERIMENT_VERDICT`].
pub(super) const EXPERIMENT_VERDICT_FIELDS: &[Field<ExperimentResult>] = &[
    field(
        "verdict",
        "word",
        "what is to be done: `promote`, `hold` or `rollback`",
        Read::Text(|e| Some(e.verdict.as_str().into())),
    ),
    field(
        "code",
        "code",
        "`verdict` as a number: 1 promote, 0 hold, -1 rollback",
        Read::Float(|e| Some(e.verdict.code())),
    ),
    field(
        "arm",
        "word",
        "the challenger that is to be promoted or taken back; of several, the best or the worst; empty without any",
        // One that is absent would keep its old value when a result is written again.
        Read::Text(|e| Some(e.arm.as_deref().unwrap_or_default().into())),
    ),
    field("reason", "text", "why, in a sentence", Read::Text(|e| Some(e.reason.as_str().into()))),
    field(
        "phase",
        "word",
        "`waiting` for its start, `running` or `ended`",
        Read::Text(|e| Some(e.phase.as_str().into())),
    ),
    field(
        "ready",
        "flag",
        "1 when every arm has enough events for anything to be said, else 0",
        Read::Integer(|e| Some(u64::from(e.ready))),
    ),
    field(
        "score",
        "percent",
        "how much of what promotion asks for is proven, 0 to 100; 0 on rollback",
        Read::Float(|e| Some(e.score)),
    ),
    field(
        "healthy",
        "flag",
        "1 when nothing speaks against the data, else 0",
        Read::Integer(|e| Some(u64::from(e.health.ok))),
    ),
    field(
        "problems",
        "text",
        "what speaks against the data; empty when nothing does",
        Read::Text(|e| Some(problems(e).into())),
    ),
    field(
        "srm_p_value",
        "probability",
        "of arms so uneven by chance, at any time so far; absent when no split is given",
        Read::Float(|e| e.health.srm_p_value),
    ),
    field(
        "srm_ok",
        "flag",
        "1 when `srm_p_value` is not below its bound, else 0",
        Read::Integer(|e| Some(u64::from(e.health.srm_ok))),
    ),
    field(
        "label_p_value",
        "probability",
        "of shares of labelled predictions so unequal by chance, at any time so far; absent without label metrics or labels",
        Read::Float(|e| e.health.label_p_value),
    ),
    field(
        "events",
        "events",
        "predictions counted, of all arms",
        Read::Integer(|e| Some(e.arms.iter().map(|arm| arm.events).fold(0, u64::saturating_add))),
    ),
    field(
        "units_in_several_arms",
        "units",
        "units that were seen in several arms; their later events are left out",
        Read::Integer(|e| Some(e.health.units_in_several_arms)),
    ),
    field(
        "events_of_several_arms",
        "events",
        "events left out for that",
        Read::Integer(|e| Some(e.health.events_of_several_arms)),
    ),
    field(
        "events_of_unknown_units",
        "events",
        "events of units for which there was no memory, so that it is not known whether they were in several arms",
        Read::Integer(|e| Some(e.health.events_of_unknown_units)),
    ),
    field(
        "events_of_other_arms",
        "events",
        "events of the model whose arm is none of the experiment's",
        Read::Integer(|e| Some(e.health.events_of_other_arms)),
    ),
    field(
        "unmatched",
        "events",
        "labels and answers of shadows that came too late or never found their prediction, and predictions that waited for them and had to make room",
        Read::Integer(|e| Some(e.health.unmatched)),
    ),
    field(
        "late",
        "events",
        "predictions of windows that had been looked at already",
        Read::Integer(|e| Some(e.health.late)),
    ),
    field(
        "release",
        "text",
        "what is being released, as the last start named it; empty when none did",
        Read::Text(|e| Some(e.release.as_deref().unwrap_or("").into())),
    ),
    field(
        "start",
        "ms since 1970",
        "start of the last window in it",
        Read::Integer(|e| e.start.0.try_into().ok()),
    ),
    field(
        "began",
        "ms since 1970",
        "start of the first window in it; absent while there is none",
        Read::Integer(|e| e.began?.0.try_into().ok()),
    ),
];

/// Fields of [`super::EXPERIMENT_ARM`].
pub(super) const EXPERIMENT_ARM_FIELDS: &[Field<ArmRow>] = &[
    field(
        "role",
        "word",
        "`control` or `challenger`",
        Read::Text(|a| Some(if a.is_control { "control" } else { "challenger" }.into())),
    ),
    field("events", "events", "predictions counted", Read::Integer(|a| Some(a.counts.events))),
    field("units", "units", "units counted; absent when events name none", Read::Integer(|a| a.counts.units)),
    field(
        "matured",
        "events",
        "predictions that are old enough for their label",
        Read::Integer(|a| Some(a.counts.matured)),
    ),
    field(
        "labelled",
        "events",
        "those of them that have a label",
        Read::Integer(|a| Some(a.counts.labelled)),
    ),
    field(
        "share",
        "share",
        "its share of the units, or of the events where there are none, while the split was the present one",
        Read::Float(|a| a.counts.share),
    ),
    field(
        "intended_share",
        "share",
        "what `share` was meant to be; absent when no split is given",
        Read::Float(|a| a.counts.intended_share),
    ),
    field(
        "verdict",
        "word",
        "of a challenger: what is to be done with it, `promote`, `hold` or `rollback`",
        Read::Text(|a| challenger(a, |c| c.verdict.as_str().into())),
    ),
    field(
        "code",
        "code",
        "of a challenger: `verdict` as a number: 1 promote, 0 hold, -1 rollback",
        Read::Float(|a| challenger(a, |c| c.verdict.code())),
    ),
    field(
        "reason",
        "text",
        "of a challenger: why, in a sentence",
        Read::Text(|a| a.challenger.as_ref().map(|c| c.reason.as_str().into())),
    ),
    field(
        "score",
        "percent",
        "of a challenger: how much of what promotion asks for is proven, 0 to 100",
        Read::Float(|a| challenger(a, |c| c.score)),
    ),
    field(
        "pairs",
        "requests",
        "of a shadow: requests that it and the control have answered",
        Read::Integer(|a| disagreement(a, |d| Some(d.pairs))),
    ),
    field(
        "unanswered",
        "requests",
        "of a shadow: requests that the control alone has answered in time",
        Read::Integer(|a| disagreement(a, |d| Some(d.unanswered))),
    ),
    field(
        "class_share",
        "share",
        "of a shadow: share of the pairs with another class; absent without classes",
        Read::Float(|a| disagreement(a, |d| d.class_share)),
    ),
    field(
        "mean_difference",
        "prediction",
        "of a shadow: mean difference of the predictions, challenger less control",
        Read::Float(|a| disagreement(a, |d| d.mean_difference)),
    ),
    field(
        "rms_difference",
        "prediction",
        "of a shadow: root of the mean squared difference",
        Read::Float(|a| disagreement(a, |d| d.rms_difference)),
    ),
    field(
        "correlation",
        "correlation",
        "of a shadow: correlation of the predictions",
        Read::Float(|a| disagreement(a, |d| d.correlation)),
    ),
];

impl ExperimentResult {
    /// Calls `visit` with every row: the experiment as a whole, its arms, then of
    /// every challenger its metrics and the columns of its predictions.
    pub fn rows(&self, visit: &mut dyn FnMut(Row<'_>)) {
        let model: Tag<'_> = (TAG_MODEL, &self.model);
        let experiment: Tag<'_> = (TAG_EXPERIMENT, &self.experiment);
        let window: Tag<'_> = (TAG_WINDOW, &self.window);
        let fields = TableOf { table: EXPERIMENT_VERDICT_FIELDS, from: self };
        visit(Row { measurement: EXPERIMENT_VERDICT, tags: &[model, experiment, window], fields: &fields });
        for (index, counts) in self.arms.iter().enumerate() {
            // The control is the first.
            let is_control = index == 0;
            let row = ArmRow { counts: counts.clone(), is_control, challenger: self.challenger(&counts.arm) };
            let fields = TableOf { table: EXPERIMENT_ARM_FIELDS, from: &row };
            let tags = [model, experiment, (TAG_ARM, counts.arm.as_str()), window];
            visit(Row { measurement: EXPERIMENT_ARM, tags: &tags, fields: &fields });
        }
        for challenger in &self.challengers {
            let arm: Tag<'_> = (TAG_ARM, &challenger.arm);
            for metric in &challenger.metrics {
                let fields = TableOf { table: EXPERIMENT_FIELDS, from: metric };
                let tags = [model, experiment, arm, (TAG_METRIC, metric.metric.as_str()), window];
                visit(Row { measurement: EXPERIMENT, tags: &tags, fields: &fields });
            }
            for column in &challenger.distributions {
                let fields = TableOf { table: EXPERIMENT_COLUMN_FIELDS, from: column };
                let tags = [model, experiment, arm, (TAG_FEATURE, column.column.as_str()), window];
                visit(Row { measurement: EXPERIMENT_COLUMN, tags: &tags, fields: &fields });
            }
        }
    }

    /// What is said of an arm beside the control, but for its metrics and
    /// distributions.
    fn challenger(&self, arm: &str) -> Option<ChallengerResult> {
        let found = self.challengers.iter().find(|challenger| challenger.arm == arm)?;
        Some(ChallengerResult {
            arm: found.arm.clone(),
            verdict: found.verdict,
            reason: found.reason.clone(),
            score: found.score,
            metrics: Vec::new(),
            distributions: Vec::new(),
            disagreement: found.disagreement.clone(),
        })
    }
}
