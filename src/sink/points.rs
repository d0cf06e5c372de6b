//! From a window's result to its points.
//!
//! Promises: the same result gives the same lines, byte for byte; timestamps
//! are the window's end and nothing else depends on time or place, so that a
//! window that is written again overwrites its own points.

use super::{
    line_protocol::{FieldValue, write_point},
    schema::{
        ALL_ROWS, COMPARISON, COMPARISON_FIELDS, DISTRIBUTION, DISTRIBUTION_FIELDS, DRIFT, DRIFT_FIELDS,
        EVIDENCE, EVIDENCE_FIELDS, Field, MULTIVARIATE, MULTIVARIATE_FIELDS, QUALITY, QUALITY_FIELDS, Read,
        SEGMENT, SEGMENT_FIELDS, TAG_BIN, TAG_CHECK, TAG_FEATURE, TAG_MODEL, TAG_REFERENCE, TAG_SEGMENT,
        TAG_VARIANT, TAG_VERSION, TAG_WINDOW, WINDOW, WINDOW_FIELDS,
    },
};
use crate::result::{Finding, WindowResult};

/// A tag's name and value.
type Tag<'a> = (&'static str, &'a str);

/// The points of window results, one line each.
#[derive(Debug, Default)]
pub struct Points {
    /// Lines of line protocol, in the order of the results.
    pub lines: Vec<String>,
    /// Fields left out because their number was NaN or infinite.
    pub omitted_fields: usize,
    /// Points left out because no field was left.
    pub empty_points: usize,
}

impl Points {
    /// Adds the points of `window`: one of [`WINDOW`], per column one of
    /// [`DRIFT`], its bins of [`DISTRIBUTION`] and its checks of [`QUALITY`],
    /// then segments, evidence and comparisons.
    pub fn add(&mut self, window: &WindowResult) {
        let stream = &window.stream;
        let tags = [
            (TAG_MODEL, stream.model.as_str()),
            (TAG_VERSION, stream.version.as_str()),
            (TAG_VARIANT, stream.variant.as_str()),
            (TAG_WINDOW, window.window.as_str()),
        ];
        let at = window.end.0;
        self.point(WINDOW, &tags, WINDOW_FIELDS, (window, at));
        self.quality(tags, ALL_ROWS, &window.quality, at);
        for column in &window.features {
            let feature = (TAG_FEATURE, column.feature.as_str());
            self.point(DRIFT, &with(tags, [feature]), DRIFT_FIELDS, (column, at));
            for (index, bin) in column.bins.iter().enumerate() {
                let number = format!("{index:03}");
                let tags = with(tags, [feature, (TAG_BIN, number.as_str())]);
                self.point(DISTRIBUTION, &tags, DISTRIBUTION_FIELDS, (bin, at));
            }
            self.quality(tags, &column.feature, &column.quality, at);
        }
        if let Some(several) = &window.several {
            self.point(MULTIVARIATE, &tags, MULTIVARIATE_FIELDS, (several, at));
        }
        for segment in &window.segments {
            let name = format!("{}={}", segment.feature, segment.value);
            for column in &segment.features {
                let tags = with(tags, [(TAG_FEATURE, column.feature.as_str()), (TAG_SEGMENT, &name)]);
                self.point(SEGMENT, &tags, SEGMENT_FIELDS, (column, at));
            }
        }
        self.history(tags, window);
    }

    fn quality(&mut self, tags: [Tag<'_>; 4], feature: &str, findings: &[Finding], at: i64) {
        for finding in findings {
            let tags = with(tags, [(TAG_FEATURE, feature), (TAG_CHECK, finding.check.as_str())]);
            self.point(QUALITY, &tags, QUALITY_FIELDS, (finding, at));
        }
    }

    /// What a window says together with those before it.
    fn history(&mut self, tags: [Tag<'_>; 4], window: &WindowResult) {
        let at = window.end.0;
        for evidence in &window.evidence {
            let name =
                evidence.segment.as_ref().map(|segment| format!("{}={}", segment.feature, segment.value));
            let segment = (TAG_SEGMENT, name.as_deref().unwrap_or(ALL_ROWS));
            let tags = with(tags, [(TAG_FEATURE, evidence.feature.as_str()), segment]);
            self.point(EVIDENCE, &tags, EVIDENCE_FIELDS, (evidence, at));
        }
        for comparison in &window.comparisons {
            let reference = (TAG_REFERENCE, comparison.reference.as_str());
            for column in &comparison.features {
                let tags = with(tags, [(TAG_FEATURE, column.feature.as_str()), reference]);
                self.point(COMPARISON, &tags, COMPARISON_FIELDS, (column, at));
            }
        }
    }

    fn point<T>(&mut self, name: &str, tags: &[(&str, &str)], fields: &[Field<T>], (from, at): (&T, i64)) {
        let values: Vec<(&str, FieldValue<'_>)> = fields
            .iter()
            .filter_map(|field| {
                let value = match field.read {
                    Read::Float(read) => FieldValue::Float(read(from)?),
                    Read::Integer(read) => FieldValue::Integer(read(from)?.try_into().unwrap_or(i64::MAX)),
                    Read::Text(read) => FieldValue::Text(read(from)?),
                };
                Some((field.name, value))
            })
            .collect();
        let mut line = String::new();
        let encoded = write_point(&mut line, name, tags, &values, at);
        self.omitted_fields += encoded.omitted_fields;
        if encoded.written {
            self.lines.push(line);
        } else {
            self.empty_points += 1;
        }
    }
}

/// The tags of a stream, and more.
fn with<'a, const MORE: usize>(tags: [Tag<'a>; 4], more: [Tag<'a>; MORE]) -> Vec<Tag<'a>> {
    tags.into_iter().chain(more).collect()
}
