//! Making a reference of rows.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap;

use super::{
    BuilderSettings, Calibration, ColumnReport, ColumnRole, Reference, ReferenceError,
    calibration::RowWindows,
    collected::Collected,
    rows::Rows,
    sampled,
    segments::{SegmentReference, segments},
    times::RowTimes,
};
use crate::{
    event::EventTime,
    profile::{LONGEST_NAME, shortened},
    result::{ColumnKind, PREDICTION_CLASS},
};

/// Columns that a reference has at most: whoever sends a new name with every
/// event must not fill the memory with columns.
pub const MOST_COLUMNS: usize = 4_096;

/// A value of a row from which a reference is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Null.
    Missing,
    /// A number, NaN and infinities included.
    Number(f64),
    /// A name.
    Text(&'a str),
    /// A boolean.
    Bool(bool),
}

/// What the configuration says about one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnOverride {
    /// Overrides the inferred kind.
    pub kind: Option<ColumnKind>,
    /// Leaves the column out.
    pub ignore: bool,
}

/// Takes rows and makes a reference of them.
///
/// Keeps every value until [`Self::finish`], since exact quantiles need all of
/// them: eight bytes per value that a row names, as many for each gap between
/// the rows that name a column, the different texts of a column once, and eight
/// bytes per row for its time where there is to be a calibration. A million rows
/// of 24 columns take 200 MB. A column that a row doesn't name is missing in it,
/// also in rows before the column first came.
#[derive(Debug)]
pub struct ReferenceBuilder {
    model: String,
    overrides: BTreeMap<String, ColumnOverride>,
    settings: BuilderSettings,
    rows: u64,
    times: RowTimes,
    /// In the order in which they came first.
    columns: Vec<Collected>,
    features: AHashMap<Box<str>, usize>,
    predictions: AHashMap<Box<str>, usize>,
    ignored: BTreeSet<Box<str>>,
    /// Values of columns that have no place, and the name of the first.
    surplus: u64,
    first_surplus: Option<String>,
}

impl ReferenceBuilder {
    /// Nothing taken yet. A number in place of settings is the number of bins
    /// of the cut, and nothing beside grids and counts is made.
    #[must_use]
    pub fn new(
        model: &str,
        overrides: &BTreeMap<String, ColumnOverride>,
        settings: impl Into<BuilderSettings>,
    ) -> Self {
        Self {
            model: model.to_owned(),
            overrides: overrides.clone(),
            settings: settings.into(),
            rows: 0,
            times: RowTimes::default(),
            columns: Vec::new(),
            features: AHashMap::new(),
            predictions: AHashMap::new(),
            ignored: BTreeSet::new(),
            surplus: 0,
            first_surplus: None,
        }
    }

    /// Rows taken so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Values of columns beyond the first [`MOST_COLUMNS`], or with names longer
    /// than [`LONGEST_NAME`]; they are left out.
    #[must_use]
    pub fn surplus(&self) -> u64 {
        self.surplus
    }

    /// Takes one row of this event time: columns with their role and value.
    pub fn push_row_at<'a>(
        &mut self,
        time: EventTime,
        cells: impl IntoIterator<Item = (&'a str, ColumnRole, Value<'a>)>,
    ) {
        self.push_row(cells);
        self.times.note(self.rows, time, self.settings.window_ms.is_some());
    }

    /// Takes one row without a time: columns with their role and value.
    pub fn push_row<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, ColumnRole, Value<'a>)>) {
        self.rows += 1;
        for (position, (name, role, value)) in cells.into_iter().enumerate() {
            // Rows usually name the same columns in the same order.
            let usual =
                self.columns.get(position).is_some_and(|column| *column.name == *name && column.role == role);
            let index = if usual { Some(position) } else { self.index_of(name, role) };
            if let Some(column) = index.and_then(|index| self.columns.get_mut(index)) {
                column.push(self.rows, value);
            }
        }
    }

    /// The number of a column, a new one if need be; `None` for ignored ones.
    fn index_of(&mut self, name: &str, role: ColumnRole) -> Option<usize> {
        let known = match role {
            ColumnRole::Feature => &mut self.features,
            ColumnRole::Prediction => &mut self.predictions,
        };
        if let Some(&index) = known.get(name) {
            return Some(index);
        }
        if self.overrides.get(name).is_some_and(|column| column.ignore) {
            if !self.ignored.contains(name) {
                self.ignored.insert(name.into());
            }
            return None;
        }
        let index = self.columns.len();
        if index >= MOST_COLUMNS || name.len() > LONGEST_NAME {
            self.surplus += 1;
            self.first_surplus.get_or_insert_with(|| shortened(name).into_owned());
            return None;
        }
        known.insert(name.into(), index);
        self.columns.push(Collected::new(name, role));
        Some(index)
    }

    /// The reference, and how each column came out, left out ones included.
    ///
    /// Columns are numeric when at least half of their values are numbers, and
    /// categorical otherwise; what a numeric column can't hold is counted as of
    /// the wrong type, while any number can be a category.
    ///
    /// # Errors
    /// When there is no row, or no column with a usable value.
    pub fn finish(mut self, source: String) -> Result<(Reference, Vec<ColumnReport>), ReferenceError> {
        if self.rows == 0 {
            return Err(ReferenceError::NoRows);
        }
        self.columns.sort_by(|a, b| (a.role, &a.name).cmp(&(b.role, &b.name)));
        let mut reports = Vec::new();
        let mut columns = Vec::new();
        let mut taken = Vec::new();
        for collected in std::mem::take(&mut self.columns) {
            let name = collected.name.to_string();
            if collected.role == ColumnRole::Feature && self.predictions.contains_key(&*name) {
                let note = "left out: the name belongs to the prediction; map the feature to another name";
                reports.push(ColumnReport::left_out(name, note));
                continue;
            }
            match collected.finish(self.kind_of(&collected), self.rows, self.settings.bins) {
                Ok((column, findings)) => {
                    columns.push(column);
                    taken.push(collected);
                    reports.push(ColumnReport::taken(name, findings));
                }
                Err(unusable) => reports.push(ColumnReport::left_out(name, unusable.note())),
            }
        }
        reports.extend(self.unused_overrides());
        if let Some(name) = self.first_surplus.take() {
            let note = format!(
                "left out, and every other one without a place: a reference has at most {MOST_COLUMNS} columns, \
                 with names of at most {LONGEST_NAME} bytes"
            );
            reports.push(ColumnReport::left_out(name, note));
        }
        if columns.is_empty() {
            return Err(ReferenceError::NoColumns(self.rows));
        }
        let rows: Vec<Rows<'_>> =
            taken.iter().zip(&columns).map(|(collected, column)| Rows::new(collected, column)).collect();
        let calibration = self.calibrate(&rows);
        let segments = self.segments(&rows, &mut reports);
        let sample = sampled::sample(&rows, self.rows, self.settings.sample_rows);
        let reference = Reference {
            model: self.model,
            rows: self.rows,
            source,
            times: self.times.range(),
            covers_until: None,
            columns,
            calibration,
            segments,
            sample,
        };
        Ok((reference, reports))
    }

    /// How far the rows' windows stray, where all rows have a time.
    fn calibrate(&self, columns: &[Rows<'_>]) -> Option<Calibration> {
        let window_ms = self.settings.window_ms.filter(|&window_ms| window_ms > 0)?;
        let windows = RowWindows::new(self.times.of_all(self.rows)?, window_ms)?;
        let columns =
            columns.iter().map(|rows| windows.calibrate(rows.column().cut.bins(), rows.cut_bins())).collect();
        Some(Calibration { window_ms, windows: windows.len(), columns })
    }

    /// The segments that the settings name; what can't have any gets a note.
    fn segments(&self, columns: &[Rows<'_>], reports: &mut Vec<ColumnReport>) -> Vec<SegmentReference> {
        let mut all = Vec::new();
        let features: BTreeSet<&String> = self.settings.segments.iter().collect();
        for &feature in &features {
            if let Some(segments) = segments(columns, feature, self.settings.max_segments) {
                all.extend(segments);
                continue;
            }
            if let Some(report) = reports.iter_mut().find(|report| report.name == *feature) {
                report.add("no segments by it: it is not a categorical feature");
            } else {
                reports.push(ColumnReport::left_out(feature.clone(), "no segments by it: no row has it"));
            }
        }
        all
    }

    fn kind_of(&self, column: &Collected) -> Option<ColumnKind> {
        let configured = self.overrides.get(&*column.name).and_then(|column| column.kind);
        let is_class = column.role == ColumnRole::Prediction && *column.name == *PREDICTION_CLASS;
        configured.or(is_class.then_some(ColumnKind::Categorical))
    }

    /// Reports on columns that the configuration leaves out or that never came.
    fn unused_overrides(&self) -> impl Iterator<Item = ColumnReport> + '_ {
        self.overrides.keys().filter_map(|name| {
            if self.ignored.contains(&**name) {
                Some(ColumnReport::left_out(name.clone(), "left out, as configured"))
            } else if self.features.contains_key(&**name) || self.predictions.contains_key(&**name) {
                None
            } else {
                Some(ColumnReport::left_out(name.clone(), "the configuration names it, but no row has it"))
            }
        })
    }
}
