//! A window in a few words.

use super::{
    ColumnKind, FeatureResult, PREDICTION, PREDICTION_CLASS, ScoreName, StreamKey, Verdict, WindowResult,
};
use crate::event::EventTime;

impl FeatureResult {
    /// A column of which the window has nothing.
    #[must_use]
    pub fn empty(feature: &str, kind: ColumnKind) -> Self {
        Self {
            feature: feature.to_owned(),
            kind,
            n: 0,
            valid: 0,
            missing_share: None,
            invalid_share: None,
            unseen_share: None,
            verdict: Verdict::Insufficient,
            score: ScoreName::Psi,
            noise: None,
            effect: None,
            effective_n: None,
            rank: None,
            quality: Vec::new(),
            summary: None,
            scores: None,
            bins: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// Whether it is the model's output.
    #[must_use]
    pub fn is_prediction(&self) -> bool {
        self.feature == PREDICTION || self.feature == PREDICTION_CLASS
    }

    /// The worst that the checks say.
    #[must_use]
    pub fn quality_verdict(&self) -> Verdict {
        worst(self.quality.iter().map(|finding| finding.verdict))
    }
}

impl WindowResult {
    /// A window with nothing in it.
    #[must_use]
    pub fn empty(stream: StreamKey, window: &str, start: EventTime, end: EventTime) -> Self {
        Self {
            stream,
            window: window.to_owned(),
            start,
            end,
            events: 0,
            labels: 0,
            reference_rows: 0,
            unknown_features: 0,
            features: Vec::new(),
            segments: Vec::new(),
            quality: Vec::new(),
            several: None,
            evidence: Vec::new(),
            comparisons: Vec::new(),
        }
    }

    /// The worst verdict of the features' scores.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        worst(self.features.iter().filter(|column| !column.is_prediction()).map(|column| column.verdict))
    }

    /// The worst verdict of the predictions' scores.
    #[must_use]
    pub fn prediction_verdict(&self) -> Verdict {
        worst(self.features.iter().filter(|column| column.is_prediction()).map(|column| column.verdict))
    }

    /// The worst that the checks say, of the window and of any column.
    #[must_use]
    pub fn quality_verdict(&self) -> Verdict {
        let of_columns = self.features.iter().flat_map(|column| &column.quality);
        worst(self.quality.iter().chain(of_columns).map(|finding| finding.verdict))
    }

    /// Columns with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.features.iter().filter(|column| column.verdict == verdict).count() as u64
    }

    /// Columns and segments' columns whose evidence is an alarm.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        self.evidence.iter().filter(|evidence| evidence.alarm).count() as u64
    }

    /// The columns that are not stable, the one with the largest effect first.
    #[must_use]
    pub fn ranked(&self) -> Vec<&FeatureResult> {
        let mut ranked: Vec<&FeatureResult> =
            self.features.iter().filter(|column| column.rank.is_some()).collect();
        ranked.sort_by_key(|column| column.rank);
        ranked
    }

    /// Numbers the features that are not stable: drifted ones first, each by its
    /// effect beside the minimum effect of its score, equals by their names. The
    /// predictions have verdicts of their own.
    pub fn rank(&mut self, minimum: impl Fn(ScoreName) -> f64) {
        let is_ranked =
            |column: &&mut FeatureResult| column.verdict >= Verdict::Shifted && !column.is_prediction();
        let mut order: Vec<&mut FeatureResult> = self.features.iter_mut().filter(is_ranked).collect();
        order.sort_by(|a, b| {
            let effect =
                |column: &FeatureResult| column.effect.unwrap_or(0.0) / minimum(column.score).max(1e-9);
            b.verdict
                .cmp(&a.verdict)
                .then_with(|| effect(b).total_cmp(&effect(a)))
                .then_with(|| a.feature.cmp(&b.feature))
        });
        for (column, place) in order.into_iter().zip(1..) {
            column.rank = Some(place);
        }
    }
}

/// The worst of several verdicts; insufficient when there are none.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.max().unwrap_or(Verdict::Insufficient)
}
