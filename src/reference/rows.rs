//! The rows of a finished column once more: for windows, segments and samples.

use super::{Column, collected::Collected};
use crate::profile::Cell;

/// A column with the values that it was made of.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    collected: &'a Collected,
    column: &'a Column,
    /// What the texts are on the grid, by code.
    codes: Vec<Cell>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(collected: &'a Collected, column: &'a Column) -> Self {
        Self { collected, column, codes: collected.codes_on(&column.grid) }
    }

    pub(super) fn column(&self) -> &Column {
        self.column
    }

    /// Number of the row, counted from 0, and what is counted there, for every
    /// row that names the column.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, Cell)> + '_ {
        let cells = self.collected.cells_on(&self.column.grid, &self.codes);
        self.collected.row_numbers().zip(cells)
    }

    /// Number of the row and bin of the cut, for every usable value.
    pub(super) fn cut_bins(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.cells()
            .filter_map(|(row, cell)| Some((row, self.column.cut.bin_of(self.column.grid.bin_of(cell)?)?)))
    }
}
