//! References as text.

use serde::{Deserialize, Serialize};

use super::{Reference, ReferenceError, sampled};

/// Raised when the meaning of a stored field changes.
const FORMAT: u64 = 1;

/// A reference with what tells whether it can be read and is whole.
#[derive(Serialize)]
struct Stored<'a> {
    format: u64,
    fingerprint: String,
    reference: &'a Reference,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "format")]
    _format: u64,
    fingerprint: String,
    reference: Reference,
}

/// What has to be known before the rest can be understood.
#[derive(Deserialize)]
struct Header {
    format: u64,
}

impl Reference {
    /// The reference as JSON, with a format version and its fingerprint.
    #[must_use]
    pub fn to_json(&self) -> String {
        text(&Stored { format: FORMAT, fingerprint: self.fingerprint(), reference: self })
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is no such JSON, is of another format, was changed, or
    /// contradicts itself.
    pub fn from_json(json: &str) -> Result<Self, ReferenceError> {
        let not_json = |error: serde_json::Error| ReferenceError::Json(error.to_string());
        let Header { format } = serde_json::from_str(json).map_err(not_json)?;
        if format != FORMAT {
            return Err(ReferenceError::Format { found: format, known: FORMAT });
        }
        let Read { fingerprint, reference, .. } = serde_json::from_str(json).map_err(not_json)?;
        reference.check()?;
        let actual = reference.fingerprint();
        if fingerprint != actual {
            return Err(ReferenceError::Fingerprint { stored: fingerprint, actual });
        }
        Ok(reference)
    }

    /// A name for this reference's content: equal for equal references on any
    /// machine. Not made to withstand forgery. Takes some milliseconds.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // FNV-1a (Fowler, Noll and Vo) with 64 bits.
        let hash = text(self).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    fn check(&self) -> Result<(), ReferenceError> {
        let keys = || self.columns.iter().map(|column| (column.role, &column.name));
        for (before, (role, name)) in keys().zip(keys().skip(1)) {
            match before.cmp(&(role, name)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(ReferenceError::Twice(name.clone())),
                std::cmp::Ordering::Greater => return Err(ReferenceError::Order(name.clone())),
            }
        }
        let odd = self.columns.iter().find(|column| column.counts.rows() != self.rows);
        match odd {
            Some(column) => Err(ReferenceError::Rows {
                column: column.name.clone(),
                counted: column.counts.rows(),
                rows: self.rows,
            }),
            None if self.columns.is_empty() => Err(ReferenceError::NoColumns(self.rows)),
            None => {
                self.check_segments()?;
                let columns = &self.columns;
                self.calibration.as_ref().map_or(Ok(()), |calibration| calibration.check(columns.len()))?;
                self.sample.as_ref().map_or(Ok(()), |sample| sampled::check(sample, columns))
            }
        }
    }
}

fn text(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "JSON fails on maps whose keys are no text; there are none")]
    serde_json::to_string(value).expect("plain structures are JSON")
}
