//! Columns of cells, counted on a grid.
//!
//! Why: every distribution statistic of this daemon comes from one structure,
//! integer counts on a grid that the reference fixed once. Two counts on one
//! grid are merged by adding them, in any order, with the same bits as result.
//!
//! Promises: a row is counted exactly once, no counter overflows silently, and
//! counting allocates nothing but for what is rare: names of unseen categories,
//! values far outside the reference's range, more than 2^32 values in a column.
//!
//! Refuses: to add counts of different grids.

mod binary;
mod categorical;
mod cell;
mod counts;
mod cut;
mod edges;
mod grid;
mod guide;
mod labels;
mod moments;
mod names;
mod numeric;
mod sample;
mod stored;
mod summary;
mod tally;

pub use categorical::{CategoricalGrid, CategoriesError, KNOWN_CATEGORIES, NAMED_CATEGORIES, category_text};
pub use cell::{Cell, spelled_number};
pub use counts::{Counts, MergeError};
pub use cut::{CUT_CATEGORIES, Cut};
pub use grid::Grid;
pub(crate) use names::shortened;
pub use names::{FrequentNames, KEPT_NAMES, LONGEST_NAME, NAME_BYTES};
pub use numeric::{BODY_EDGES, EdgesError, NumericGrid};
pub use sample::{MOST_SAMPLED_ROWS, RowSample, SampleError, row_hash, rows_with_room};
pub use stored::CountsError;
