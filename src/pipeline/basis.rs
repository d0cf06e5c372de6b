//! What a model's windows are counted on and held against.

use std::sync::Arc;

use super::segments::SegmentIndex;
use crate::{
    drift::{DriftSettings, moving::Season},
    profile::{Counts, rows_with_room},
    reference::{Calibration, DesignEffect, Reference},
};

/// A reference with what counting and judging need to know about it.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) reference: Arc<Reference>,
    pub(super) segments: SegmentIndex,
    pub(super) drift: DriftSettings,
    /// Rows of a window's sample; 0 for none.
    pub(super) sample_rows: usize,
    /// How many of them are to be explained, the first ones.
    pub(super) explain_rows: usize,
    window_ms: i64,
    /// The reference on the cuts: one per column, then one per column of each
    /// segment.
    pub(super) series: Vec<Series>,
}

/// What the evidence of one column, or of one column of a segment, is against.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// The reference's counts on the cut.
    pub(super) counts: Vec<u64>,
    effect: Option<DesignEffect>,
}

impl Series {
    /// How many of a window's `rows` carry the information of one.
    pub(super) fn design_effect(&self, rows: u64) -> f64 {
        self.effect.map_or(1.0, |effect| effect.for_rows(rows).shares)
    }
}

impl Basis {
    pub(super) fn shared(
        reference: Arc<Reference>,
        drift: &DriftSettings,
        explain_rows: usize,
        window_ms: i64,
    ) -> Arc<Self> {
        let segments = SegmentIndex::new(&reference);
        let columns = reference.columns.len();
        let mut basis = Self {
            reference,
            segments,
            drift: drift.clone(),
            sample_rows: rows_with_room(drift.sample_rows.max(explain_rows), columns),
            explain_rows,
            window_ms,
            series: Vec::new(),
        };
        let own = basis.reference.columns.iter().map(|column| &column.counts);
        let of_segments = basis.reference.segments.iter().flat_map(|segment| &segment.counts);
        let columns = basis.reference.columns.len().max(1);
        basis.series = own
            .chain(of_segments)
            .enumerate()
            .filter_map(|(at, counts)| basis.one_series(at % columns, counts))
            .collect();
        Arc::new(basis)
    }

    fn one_series(&self, index: usize, reference: &Counts) -> Option<Series> {
        let counts = self.reference.columns.get(index)?.cut.sums(reference);
        Some(Series { counts, effect: self.design_effect(index) })
    }

    /// The reference's own calibration, if it is of windows of this length:
    /// others stray otherwise.
    fn calibration(&self) -> Option<&Calibration> {
        self.reference.calibration.as_ref().filter(|calibration| calibration.window_ms == self.window_ms)
    }

    /// How far the windows of a column stray from the reference without drift.
    pub(super) fn design_effect(&self, column: usize) -> Option<DesignEffect> {
        self.calibration()?.columns.get(column)?.fixed
    }

    /// How many of the `sampled` rows of a window of `rows` carry the information
    /// of one: rows that resemble each other do so less when few are drawn. The
    /// middle one of the columns' design effects stands for whole rows.
    #[expect(clippy::cast_precision_loss, reason = "rows of a window")]
    pub(super) fn sample_effect(&self, rows: u64, sampled: u64) -> f64 {
        let columns = 0..self.reference.columns.len();
        let effects = columns.filter_map(|column| Some(self.design_effect(column)?.for_rows(rows).shares));
        let mut effects: Vec<f64> = effects.collect();
        effects.sort_unstable_by(f64::total_cmp);
        let middle = effects.get(effects.len() / 2).copied().unwrap_or(1.0);
        1.0 + (middle - 1.0) * sampled as f64 / rows.max(1) as f64
    }

    /// How far they stray from earlier windows, as far as the reference knows.
    pub(super) fn effect_at(&self, column: usize, season: Season) -> Option<DesignEffect> {
        self.calibration()?.columns.get(column)?.of_season(season)
    }
}
