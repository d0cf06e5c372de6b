//! Why a reference could not be built or read.

/// Why there is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No row came.
    #[error("there is no row to build a reference from")]
    NoRows,
    /// None of the columns can be used.
    #[error(
        "none of the columns of {0} rows has a usable value; check the mapping of the events and the kinds of the features"
    )]
    NoColumns(u64),
    /// The text is no stored reference at all, or a damaged one.
    #[error("not a stored reference: {0}")]
    Json(String),
    /// It was stored by a version that writes another format.
    #[error(
        "the reference is stored in format {found}, this version reads format {known}; build it again with `driftline reference`"
    )]
    Format {
        /// The format that the text names.
        found: u64,
        /// The one that this version reads.
        known: u64,
    },
    /// The content is not what was stored.
    #[error(
        "the reference was changed after it was stored: its fingerprint is {actual}, {stored} was stored"
    )]
    Fingerprint {
        /// What the text says.
        stored: String,
        /// What its content comes to.
        actual: String,
    },
    /// Two columns have one name and role.
    #[error("column {0:?} is there twice")]
    Twice(String),
    /// A column is not where it belongs.
    #[error("column {0:?} is out of order: features come by name, then predictions by name")]
    Order(String),
    /// A column says something about more rows than there are.
    #[error("column {column:?} counts {counted} rows of {rows}")]
    Rows {
        /// The column.
        column: String,
        /// Rows that its counts hold.
        counted: u64,
        /// Rows of the reference.
        rows: u64,
    },
    /// What the reference's windows scatter by contradicts itself.
    #[error("the calibration can't be used: {0}")]
    Calibration(&'static str),
    /// The sample of rows contradicts the columns.
    #[error("the sample of rows can't be used: {0}")]
    Sample(&'static str),
    /// A segment contradicts itself or the columns.
    #[error("segment {feature:?} = {value:?} {problem}")]
    Segment {
        /// The feature that it is of.
        feature: String,
        /// The value that its rows have.
        value: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A stored column that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?}: {problem}")]
pub struct ColumnError {
    pub(super) column: String,
    pub(super) problem: &'static str,
}
