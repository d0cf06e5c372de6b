//! Which segments a row belongs to.
//!
//! A segment is one value of a categorical feature, such as a country. Which
//! ones are judged is decided by the reference, which has counts of each, so
//! their number is bounded and known before the first event.

use crate::{
    profile::{Cell, Grid},
    reference::{Reference, SegmentReference},
};

/// Finds the segments of rows.
#[derive(Debug, Clone, Default)]
pub(super) struct SegmentIndex {
    dimensions: Vec<Dimension>,
    segments: usize,
}

/// One feature whose values are segments.
#[derive(Debug, Clone)]
struct Dimension {
    /// Its place among the reference's columns.
    column: usize,
    /// The segment of each of its categories' codes.
    of_code: Vec<Option<usize>>,
}

impl SegmentIndex {
    /// The segments of a reference, by their places in it.
    pub(super) fn new(reference: &Reference) -> Self {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for (place, segment) in reference.segments.iter().enumerate() {
            let Some((column, code)) = find(reference, segment) else { continue };
            let known = dimensions.iter().position(|dimension| dimension.column == column);
            let index = known.unwrap_or_else(|| {
                dimensions.push(Dimension { column, of_code: Vec::new() });
                dimensions.len() - 1
            });
            if let Some(Dimension { of_code, .. }) = dimensions.get_mut(index) {
                of_code.resize(of_code.len().max(code + 1), None);
                if let Some(slot) = of_code.get_mut(code) {
                    *slot = Some(place);
                }
            }
        }
        Self { dimensions, segments: reference.segments.len() }
    }

    /// Number of segments.
    pub(super) fn len(&self) -> usize {
        self.segments
    }

    /// The rows of each segment that has any: calls `each` with the segment's
    /// place and the numbers of its rows, in ascending order. `cells` are the
    /// rows' cells, row by row, `columns` of each.
    pub(super) fn split(&self, cells: &[Cell], columns: usize, mut each: impl FnMut(usize, &[usize])) {
        let mut members: Vec<(usize, usize)> = Vec::new();
        let mut rows: Vec<usize> = Vec::new();
        for dimension in &self.dimensions {
            members.clear();
            let values = cells.iter().skip(dimension.column).step_by(columns.max(1));
            members
                .extend(values.enumerate().filter_map(|(row, cell)| Some((dimension.segment(*cell)?, row))));
            members.sort_unstable();
            for run in members.chunk_by(|a, b| a.0 == b.0) {
                rows.clear();
                rows.extend(run.iter().map(|(_, row)| *row));
                if let Some((segment, _)) = run.first() {
                    each(*segment, &rows);
                }
            }
        }
    }
}

impl Dimension {
    fn segment(&self, cell: Cell) -> Option<usize> {
        self.of_code.get(cell.code()? as usize).copied().flatten()
    }
}

/// The column of a segment and the code of its category.
fn find(reference: &Reference, segment: &SegmentReference) -> Option<(usize, usize)> {
    reference.columns.iter().enumerate().find_map(|(index, column)| match &column.grid {
        Grid::Categorical(grid) if column.name == segment.feature => {
            let code = grid.named().iter().position(|name| *name == segment.value)?;
            Some((index, code))
        }
        _ => None,
    })
}
