//! A window's result as rows: what is written as points, and what alert rules
//! read.

use std::borrow::Cow;

use super::{
    ALL_ROWS, COMPARISON, COMPARISON_FIELDS, DISTRIBUTION, DISTRIBUTION_FIELDS, DRIFT, DRIFT_FIELDS,
    EVIDENCE, EVIDENCE_FIELDS, Field, MULTIVARIATE, MULTIVARIATE_FIELDS, QUALITY, QUALITY_FIELDS, Read,
    SEGMENT, SEGMENT_FIELDS, TAG_BIN, TAG_CHECK, TAG_FEATURE, TAG_MODEL, TAG_REFERENCE, TAG_SEGMENT,
    TAG_VARIANT, TAG_VERSION, TAG_WINDOW, WINDOW, WINDOW_FIELDS,
};
use crate::result::{Finding, StreamKey, WindowResult};

/// A tag's name and value.
pub type Tag<'a> = (&'a str, &'a str);

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A measured number; NaN and infinities are no values.
    Float(f64),
    /// A count, or a flag.
    Integer(u64),
    /// A word or a sentence.
    Text(Cow<'a, str>),
}

/// The fields of one row, by their place.
pub trait Fields {
    /// The name and the value at `index`; `None` behind the last field. A field
    /// without a value has none.
    fn at(&self, index: usize) -> Option<(&str, Option<Value<'_>>)>;
}

/// One row of a measurement.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The measurement's name.
    pub measurement: &'a str,
    /// What the row is about.
    pub tags: &'a [Tag<'a>],
    /// What it says.
    pub fields: &'a dyn Fields,
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("measurement", &self.measurement).field("tags", &self.tags).finish()
    }
}

impl<'a> Row<'a> {
    /// The row's fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Option<Value<'a>>)> {
        let fields = self.fields;
        (0..).map_while(move |index| fields.at(index))
    }

    /// The value of one field.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<Value<'a>> {
        self.fields().find(|(name, _)| *name == field).and_then(|(_, value)| value)
    }

    /// The value of one tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&'a str> {
        self.tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value)
    }
}

/// A table of fields and what they are read from.
pub(super) struct TableOf<'a, T: 'static> {
    pub(super) table: &'static [Field<T>],
    pub(super) from: &'a T,
}

impl<T: 'static> Fields for TableOf<'_, T> {
    fn at(&self, index: usize) -> Option<(&str, Option<Value<'_>>)> {
        let field = self.table.get(index)?;
        let value = match field.read {
            Read::Float(read) => read(self.from).map(Value::Float),
            Read::Integer(read) => read(self.from).map(Value::Integer),
            Read::Text(read) => read(self.from).map(Value::Text),
        };
        Some((field.name, value))
    }
}

/// The tags of a stream's rows.
pub(super) fn stream_tags<'a>(stream: &'a StreamKey, window: &'a str) -> [Tag<'a>; 4] {
    [
        (TAG_MODEL, stream.model.as_str()),
        (TAG_VERSION, stream.version.as_str()),
        (TAG_VARIANT, stream.variant.as_str()),
        (TAG_WINDOW, window),
    ]
}

/// Is given the rows of a window.
struct Visit<'v, 'w> {
    tags: [Tag<'w>; 4],
    visit: &'v mut dyn FnMut(Row<'_>),
}

impl WindowResult {
    /// Calls `visit` with every row: the window as a whole, then per column its
    /// scores, bins and checks, then segments, evidence and comparisons.
    pub fn rows(&self, visit: &mut dyn FnMut(Row<'_>)) {
        let mut rows = Visit { tags: stream_tags(&self.stream, &self.window), visit };
        rows.row(WINDOW, &[], (WINDOW_FIELDS, self));
        rows.quality(ALL_ROWS, &self.quality);
        for column in &self.features {
            let feature = (TAG_FEATURE, column.feature.as_str());
            rows.row(DRIFT, &[feature], (DRIFT_FIELDS, column));
            for (index, bin) in column.bins.iter().enumerate() {
                let number = format!("{index:03}");
                rows.row(DISTRIBUTION, &[feature, (TAG_BIN, number.as_str())], (DISTRIBUTION_FIELDS, bin));
            }
            rows.quality(&column.feature, &column.quality);
        }
        if let Some(several) = &self.several {
            rows.row(MULTIVARIATE, &[], (MULTIVARIATE_FIELDS, several));
        }
        for segment in &self.segments {
            let name = format!("{}={}", segment.feature, segment.value);
            for column in &segment.features {
                let tags = [(TAG_FEATURE, column.feature.as_str()), (TAG_SEGMENT, name.as_str())];
                rows.row(SEGMENT, &tags, (SEGMENT_FIELDS, column));
            }
        }
        rows.history(self);
    }
}

impl Visit<'_, '_> {
    fn quality(&mut self, feature: &str, findings: &[Finding]) {
        for finding in findings {
            let tags = [(TAG_FEATURE, feature), (TAG_CHECK, finding.check.as_str())];
            self.row(QUALITY, &tags, (QUALITY_FIELDS, finding));
        }
    }

    /// What a window says together with those before it.
    fn history(&mut self, window: &WindowResult) {
        for evidence in &window.evidence {
            let name =
                evidence.segment.as_ref().map(|segment| format!("{}={}", segment.feature, segment.value));
            let segment = (TAG_SEGMENT, name.as_deref().unwrap_or(ALL_ROWS));
            self.row(EVIDENCE, &[(TAG_FEATURE, &evidence.feature), segment], (EVIDENCE_FIELDS, evidence));
        }
        for comparison in &window.comparisons {
            let reference = (TAG_REFERENCE, comparison.reference.as_str());
            for column in &comparison.features {
                self.row(
                    COMPARISON,
                    &[(TAG_FEATURE, &column.feature), reference],
                    (COMPARISON_FIELDS, column),
                );
            }
        }
    }

    fn row<T: 'static>(
        &mut self,
        measurement: &str,
        more: &[Tag<'_>],
        (table, from): (&'static [Field<T>], &T),
    ) {
        let tags: Vec<Tag<'_>> = self.tags.iter().chain(more).copied().collect();
        (self.visit)(Row { measurement, tags: &tags, fields: &TableOf { table, from } });
    }
}
