//! References: what windows are compared with.
//!
//! A reference is counts like any other, on the grids that were made from it.
//! [`ReferenceBuilder`] makes one of rows; [`Reference::to_json`] and
//! [`Reference::from_json`] store it. Beside the counts, it holds how its own
//! windows scatter ([`Calibration`]), the counts of segments and a sample of its
//! rows, where wanted.
//!
//! Promises: a reference that was read back equals the one that was stored, to
//! the bit; whatever contradicts itself is refused with the reason.

mod builder;
mod calibration;
mod collected;
mod error;
mod json;
mod report;
mod rows;
mod sampled;
mod scatter;
mod segments;
mod settings;
mod times;

use serde::{Deserialize, Serialize};

pub use builder::{ColumnOverride, MOST_COLUMNS, ReferenceBuilder, Value};
pub use calibration::{Calibration, ColumnCalibration, FEWEST_WINDOWS, MOST_WINDOWS, Season};
pub(crate) use calibration::{DAY_MS, WEEK_MS};
pub use error::{ColumnError, ReferenceError};
pub use report::ColumnReport;
pub use scatter::{DesignEffect, Ratio, degrees, ratio};
pub use segments::SegmentReference;
pub use settings::BuilderSettings;

use crate::{
    event::EventTime,
    profile::{Counts, Cut, Grid, RowSample},
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
    /// How far its own windows stray; `None` without event times or with too
    /// few windows: then rows can only be taken for independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Counts of segments: by the names of the features, their most frequent
    /// values first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentReference>,
    /// Some of its rows as they are: a cell per column, numbers or codes on the
    /// column's grid.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "sampled")]
    pub sample: Option<RowSample>,
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
