//! References: what windows are compared with.
//!
//! A reference is counts like any other, on the grids that were made from it.
//! [`ReferenceBuilder`] makes one of rows; [`Reference::to_json`] and
//! [`Reference::from_json`] store it.
//!
//! Promises: a reference that was read back equals the one that was stored, to
//! the bit; whatever contradicts itself is refused with the reason.

mod builder;
mod collected;
mod error;
mod json;
mod report;

use serde::{Deserialize, Serialize};

pub use builder::{ColumnOverride, MOST_COLUMNS, ReferenceBuilder, Value};
pub use error::{ColumnError, ReferenceError};
pub use report::ColumnReport;

use crate::{
    event::EventTime,
    profile::{Counts, Cut, Grid},
};

/// What a model's columns looked like when it was known to be good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The model that it belongs to.
    pub model: String,
    /// Rows that it was built from.
    pub rows: u64,
    /// Where the rows came from, for people.
    pub source: String,
    /// First and last event time of the rows, where they had one.
    pub times: Option<(EventTime, EventTime)>,
    /// Of one learned from the stream: the first event time of which all
    /// events can be counted in windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers_until: Option<EventTime>,
    /// The columns: features in order of their names, then the predictions.
    pub columns: Vec<Column>,
    /// The parts of the rows that are judged each on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentReference>,
}

/// The rows of a reference that have one value of a categorical feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentReference {
    /// The feature.
    pub feature: String,
    /// Its value in these rows.
    pub value: String,
    /// Number of these rows.
    pub rows: u64,
    /// Their counts on the grids of the reference's columns, in their order.
    pub counts: Vec<Counts>,
}

/// One column of a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedColumn")]
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

/// A column as it was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedColumn {
    name: String,
    role: ColumnRole,
    grid: Grid,
    cut: Cut,
    counts: Counts,
}

/// What a column is to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// An input.
    Feature,
    /// An output.
    Prediction,
}

impl TryFrom<UncheckedColumn> for Column {
    type Error = ColumnError;

    fn try_from(column: UncheckedColumn) -> Result<Self, ColumnError> {
        let UncheckedColumn { name, role, grid, cut, counts } = column;
        let error = |problem: &'static str| ColumnError { column: name.clone(), problem };
        if !cut.fits(grid.bins()) {
            return Err(error("the cut does not fit the grid"));
        }
        // The layout of counts follows from the grid; what merges fits.
        if Counts::new(&grid).merge(&counts).is_err() {
            return Err(error("the counts were not made on the grid"));
        }
        if counts.valid() == 0 {
            return Err(error("the counts are empty"));
        }
        if let Grid::Numeric(numeric) = &grid
            && Some(numeric.range()) != counts.min().zip(counts.max())
        {
            return Err(error("the range of the counts is not that of the grid"));
        }
        Ok(Self { name, role, grid, cut, counts })
    }
}
