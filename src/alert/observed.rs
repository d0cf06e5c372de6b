//! A window as rules see it.

use std::{borrow::Cow, fmt};

use crate::{
    event::EventTime,
    result::{
        BinShare, Check, ExperimentPhase, ExperimentResult, FeatureResult, SegmentResult, StreamKey, UNNAMED,
        WindowExplanation, WindowResult,
        schema::{
            ALL_ROWS, EXPERIMENT_ARM, EXPERIMENT_VERDICT, QUALITY, Row, TAG_CHECK, TAG_FEATURE, TAG_SEGMENT,
            Value, WINDOW,
        },
    },
};

/// Is given rows.
pub type VisitRow<'v> = dyn FnMut(Row<'_>) + 'v;

/// A window's rows, and what rows do not say.
pub trait Observed {
    /// Whose window it is.
    fn stream(&self) -> Cow<'_, StreamKey>;

    /// Its start and its end.
    fn times(&self) -> (EventTime, EventTime);

    /// Calls `visit` with every row.
    fn rows(&self, visit: &mut VisitRow<'_>);

    /// Whether there is nothing behind a row.
    fn has_no_data(&self, row: &Row<'_>) -> bool;

    /// The distribution that a row is about; empty when it is about none.
    fn bins(&self, row: &Row<'_>) -> &[BinShare];
}

impl fmt::Debug for dyn Observed + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("stream", &self.stream()).field("times", &self.times()).finish()
    }
}

impl Observed for WindowResult {
    fn stream(&self) -> Cow<'_, StreamKey> {
        Cow::Borrowed(&self.stream)
    }

    fn times(&self) -> (EventTime, EventTime) {
        (self.start, self.end)
    }

    fn rows(&self, visit: &mut VisitRow<'_>) {
        Self::rows(self, visit);
    }

    /// An empty window has numbers of events, and a check of them; in one that
    /// is not, a segment or a column may be.
    fn has_no_data(&self, row: &Row<'_>) -> bool {
        let is_about_volume = row.measurement == WINDOW
            || (row.measurement == QUALITY && row.tag(TAG_CHECK) == Some(Check::Volume.as_str()));
        if self.events == 0 || is_about_volume {
            return !is_about_volume;
        }
        let segment = row.tag(TAG_SEGMENT).filter(|segment| *segment != ALL_ROWS);
        let is_empty = |name: &str| self.segment(name).is_some_and(|segment| segment.events == 0);
        segment.is_some_and(is_empty) || row.value("n") == Some(Value::Integer(0))
    }

    fn bins(&self, row: &Row<'_>) -> &[BinShare] {
        self.column(row).map_or(&[], |column| &column.bins)
    }
}

impl WindowResult {
    /// The segment of this name, `feature=value`.
    fn segment(&self, name: &str) -> Option<&SegmentResult> {
        let (of, value) = name.split_once('=')?;
        self.segments.iter().find(|segment| segment.feature == of && segment.value == value)
    }

    /// The column that a row is about, of all rows or of its segment.
    fn column(&self, row: &Row<'_>) -> Option<&FeatureResult> {
        let feature = row.tag(TAG_FEATURE)?;
        let columns = match row.tag(TAG_SEGMENT).filter(|segment| *segment != ALL_ROWS) {
            None => &self.features,
            Some(name) => &self.segment(name)?.features,
        };
        columns.iter().find(|column| column.feature == feature)
    }
}

impl Observed for WindowExplanation {
    fn stream(&self) -> Cow<'_, StreamKey> {
        Cow::Borrowed(&self.stream)
    }

    fn times(&self) -> (EventTime, EventTime) {
        (self.start, self.end)
    }

    fn rows(&self, visit: &mut VisitRow<'_>) {
        Self::rows(self, visit);
    }

    fn has_no_data(&self, _: &Row<'_>) -> bool {
        self.rows == 0
    }

    fn bins(&self, _: &Row<'_>) -> &[BinShare] {
        &[]
    }
}

impl Observed for ExperimentResult {
    /// An experiment is over versions and variants; its name is that of a variant
    /// among the experiments of its model, which have streams of their own.
    fn stream(&self) -> Cow<'_, StreamKey> {
        Cow::Owned(StreamKey {
            model: self.model.clone(),
            version: UNNAMED.to_owned(),
            variant: self.experiment.clone(),
        })
    }

    fn times(&self) -> (EventTime, EventTime) {
        (self.start, self.end)
    }

    fn rows(&self, visit: &mut VisitRow<'_>) {
        Self::rows(self, visit);
    }

    /// Verdicts always say how it stands, as a whole and of each arm: one that begins
    /// anew takes back what it had said before, and so does one that waits for it.
    fn has_no_data(&self, row: &Row<'_>) -> bool {
        let is_verdict = [EXPERIMENT_VERDICT, EXPERIMENT_ARM].contains(&row.measurement);
        self.phase == ExperimentPhase::Waiting && !is_verdict
    }

    fn bins(&self, _: &Row<'_>) -> &[BinShare] {
        &[]
    }
}
