//! Columns of cells, counted on a grid.
//!
//! Why: every distribution statistic of this daemon comes from one structure,
//! integer counts on a grid that the reference fixed once. Two counts on one
//! grid are merged by adding them, in any order, with the same bits as result.

mod cell;
mod counts;
mod cut;
mod grid;
mod names;

pub use cell::Cell;
pub use counts::{Counts, GridMismatch};
pub use cut::Cut;
pub use grid::{CategoricalGrid, Grid, NumericGrid, category_text};
pub use names::FrequentNames;
