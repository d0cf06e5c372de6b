//! What a reference is to hold.

/// Values of one feature that get a segment of their own, by default.
const MOST_SEGMENTS: usize = 20;
/// Rows that a reference keeps as they are, by default.
const SAMPLE_ROWS: usize = 2_000;

/// What a builder makes of its rows beside grids and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderSettings {
    /// Bins of the cut for numeric columns.
    pub bins: usize,
    /// Length of the windows that will be compared with the reference; without
    /// it there is no [`super::Calibration`].
    pub window_ms: Option<i64>,
    /// Categorical features whose values make segments.
    pub segments: Vec<String>,
    /// Segments per feature at most: its most frequent values.
    pub max_segments: usize,
    /// Rows that are kept as they are; 0 keeps none.
    pub sample_rows: usize,
}

impl Default for BuilderSettings {
    fn default() -> Self {
        Self {
            bins: 10,
            window_ms: None,
            segments: Vec::new(),
            max_segments: MOST_SEGMENTS,
            sample_rows: SAMPLE_ROWS,
        }
    }
}

/// So many bins, and no more than grids and counts.
impl From<usize> for BuilderSettings {
    fn from(bins: usize) -> Self {
        Self { bins, sample_rows: 0, ..Self::default() }
    }
}
