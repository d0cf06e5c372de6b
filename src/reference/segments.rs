//! Parts of the reference: the rows with one value of one feature.
//!
//! Counts of a segment are on the grids of the whole reference, so that the
//! segments of a feature add up and a window's segment is compared like a window.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Column, ColumnRole, Reference, ReferenceError, rows::Rows};
use crate::profile::{Cell, Counts, Grid};

/// Cells handed to the counts at once.
const CHUNK: usize = 256;

/// The rows of a reference in which a feature has one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentReference {
    /// A categorical feature.
    pub feature: String,
    /// One of its categories.
    pub value: String,
    /// Rows with it.
    pub rows: u64,
    /// One entry per column of the reference, in its order.
    pub counts: Vec<Counts>,
}

/// The segments of `feature`, its most frequent values first; `None` when it is
/// no categorical feature of the reference.
pub(super) fn segments(columns: &[Rows<'_>], feature: &str, most: usize) -> Option<Vec<SegmentReference>> {
    let rows = columns.iter().find(|rows| is_called(rows.column(), feature))?;
    let Grid::Categorical(grid) = &rows.column().grid else { return None };
    let values = grid.named().get(..most).unwrap_or(grid.named());
    // Rows in ascending order, with the number of their segment.
    let members: Vec<(usize, usize)> = rows
        .cells()
        .filter_map(|(row, cell)| Some((row, cell.code()? as usize)))
        .filter(|(_, code)| *code < values.len())
        .collect();
    let mut sizes = vec![0; values.len()];
    members.iter().filter_map(|(_, code)| sizes.get_mut(*code).map(|size| *size += 1)).for_each(drop);
    let mut segments: Vec<SegmentReference> = values
        .iter()
        .zip(&sizes)
        .map(|(value, &rows)| SegmentReference {
            feature: feature.to_owned(),
            value: value.clone(),
            rows,
            counts: Vec::with_capacity(columns.len()),
        })
        .collect();
    for column in columns {
        for (segment, counts) in segments.iter_mut().zip(count(column, &members, &sizes)) {
            segment.counts.push(counts);
        }
    }
    Some(segments)
}

/// Counts of one column in segments of these sizes.
fn count(rows: &Rows<'_>, members: &[(usize, usize)], sizes: &[u64]) -> Vec<Counts> {
    let grid = &rows.column().grid;
    let mut parts: Vec<(Counts, Vec<Cell>)> =
        sizes.iter().map(|_| (Counts::new(grid), Vec::with_capacity(CHUNK))).collect();
    let mut members = members.iter().peekable();
    for (row, cell) in rows.cells() {
        while members.next_if(|(member, _)| *member < row).is_some() {}
        let Some((_, segment)) = members.next_if(|(member, _)| *member == row) else { continue };
        let Some((counts, buffer)) = parts.get_mut(*segment) else { continue };
        buffer.push(cell);
        if buffer.len() == CHUNK {
            counts.add_cells(grid, buffer);
            buffer.clear();
        }
    }
    parts
        .into_iter()
        .zip(sizes)
        .map(|((mut counts, buffer), rows)| {
            counts.add_cells(grid, &buffer);
            counts.add_missing(rows - counts.rows());
            counts
        })
        .collect()
}

fn is_called(column: &Column, feature: &str) -> bool {
    column.role == ColumnRole::Feature && column.name == feature
}

impl Reference {
    /// Why there can't be segments by `feature`, for the one who configured
    /// them; `None` when there can.
    #[must_use]
    pub fn segment_problem(&self, feature: &str) -> Option<String> {
        let column = self.columns.iter().find(|column| is_called(column, feature));
        match column.map(|column| &column.grid) {
            None => Some(format!("the reference of model {:?} has no feature {feature:?}", self.model)),
            Some(Grid::Numeric(_)) => Some(format!(
                "feature {feature:?} is numeric; segments are by the values of categorical features: set \
                 kind = \"categorical\" for it and build the reference again"
            )),
            Some(Grid::Categorical(_)) if !self.segments.iter().any(|segment| segment.feature == feature) => {
                Some(format!(
                    "the reference was built without segments by {feature:?}; build it again with \
                     `driftline reference`"
                ))
            }
            Some(Grid::Categorical(_)) => None,
        }
    }

    /// What contradicts itself, in segments that were read.
    pub(super) fn check_segments(&self) -> Result<(), ReferenceError> {
        let mut names = BTreeSet::new();
        for segment in &self.segments {
            let error = |problem| ReferenceError::Segment {
                feature: segment.feature.clone(),
                value: segment.value.clone(),
                problem,
            };
            if !names.insert((&segment.feature, &segment.value)) {
                return Err(error("is there twice"));
            }
            let feature = self.columns.iter().find(|column| is_called(column, &segment.feature));
            let Some(Grid::Categorical(grid)) = feature.map(|column| &column.grid) else {
                return Err(error("is not of a categorical feature of the reference"));
            };
            if !grid.named().contains(&segment.value) {
                return Err(error("is no category of its feature"));
            }
            if segment.counts.len() != self.columns.len() {
                return Err(error("has counts of another number of columns"));
            }
            if segment.rows > self.rows || segment.counts.iter().any(|counts| counts.rows() != segment.rows) {
                return Err(error("counts another number of rows than it has"));
            }
            if segment.counts.iter().zip(&self.columns).any(|(counts, column)| !counts.fit(&column.grid)) {
                return Err(error("has counts that were not made on the grids"));
            }
        }
        Ok(())
    }
}
