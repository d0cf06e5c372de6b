//! References: what windows are compared with.
//!
//! A reference is counts like any other, on the grids that were made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::EventTime,
    profile::{Counts, Cut, Grid},
    result::ColumnKind,
};

/// What a model's columns looked like when it was known to be good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The model that it belongs to.
    pub model: String,
    /// Rows that it was built from.
    pub rows: u64,
    /// Where the rows came from, for people.
    pub source: String,
    /// First and last event time of the rows, where they had one.
    pub times: Option<(EventTime, EventTime)>,
    /// The columns: features in order of their names, then the predictions.
    pub columns: Vec<Column>,
}

/// One column of a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The feature's name, or the name of a prediction column.
    pub name: String,
    /// Feature or prediction.
    pub role: ColumnRole,
    /// The bins.
    pub grid: Grid,
    /// The coarser bins of histogram scores.
    pub cut: Cut,
    /// The reference's own counts.
    pub counts: Counts,
}

/// What a column is to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// An input.
    Feature,
    /// An output.
    Prediction,
}

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

/// Why no reference could be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No row came.
    #[error("there is no row to build a reference from")]
    NoRows,
}

/// How a column came out, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnReport {
    /// The column.
    pub name: String,
    /// What it was taken for.
    pub kind: ColumnKind,
    /// Why, and what to do if that is wrong.
    pub note: String,
}

/// Takes rows and makes a reference of them.
#[derive(Debug)]
pub struct ReferenceBuilder {
    model: String,
    rows: u64,
    times: Option<(EventTime, EventTime)>,
}

impl ReferenceBuilder {
    /// Nothing taken yet; `bins` is the number of bins of the cut.
    #[must_use]
    pub fn new(model: &str, overrides: &BTreeMap<String, ColumnOverride>, bins: usize) -> Self {
        let _ = (overrides, bins);
        Self { model: model.to_owned(), rows: 0, times: None }
    }

    /// Rows taken so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes one row: columns with their role and value.
    pub fn push_row<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, ColumnRole, Value<'a>)>) {
        self.rows += u64::from(cells.into_iter().next().is_some());
    }

    /// Notes the event time of a row.
    pub fn observe_time(&mut self, time: EventTime) {
        let (from, until) = self.times.unwrap_or((time, time));
        self.times = Some((from.min(time), until.max(time)));
    }

    /// The reference, and how each column came out.
    ///
    /// # Errors
    /// When there is nothing to build it from.
    pub fn finish(self, source: String) -> Result<(Reference, Vec<ColumnReport>), ReferenceError> {
        if self.rows == 0 {
            return Err(ReferenceError::NoRows);
        }
        let reference =
            Reference { model: self.model, rows: self.rows, source, times: self.times, columns: Vec::new() };
        Ok((reference, Vec::new()))
    }
}
