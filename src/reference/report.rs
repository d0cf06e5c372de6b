//! What people are told about each column of a new reference.

use crate::{profile::KNOWN_CATEGORIES, result::ColumnKind};

/// Whole numbers with at most so many different values may be codes.
const FEW_VALUES: u64 = 20;
/// Below so many values nothing is said about how many of them differ.
const ENOUGH_VALUES: u64 = 50;

/// How a column came out, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReport {
    /// The column.
    pub name: String,
    /// What it was taken for; `None` when it was left out.
    pub kind: Option<ColumnKind>,
    /// Usable values.
    pub valid: u64,
    /// Different usable values.
    pub distinct: u64,
    /// What is worth knowing, and what to do if it is wrong; often empty.
    pub note: String,
}

/// What the notes of a column that was taken are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings {
    pub(super) kind: ColumnKind,
    pub(super) configured: bool,
    pub(super) rows: u64,
    pub(super) valid: u64,
    pub(super) missing: u64,
    pub(super) distinct: u64,
    /// Finite numbers.
    pub(super) numbers: u64,
    /// Text and booleans.
    pub(super) texts: u64,
    /// Whether all numbers are whole.
    pub(super) whole: bool,
}

impl ColumnReport {
    pub(super) fn left_out(name: String, note: impl Into<String>) -> Self {
        Self { name, kind: None, valid: 0, distinct: 0, note: note.into() }
    }

    /// Adds what has come out later.
    pub(super) fn add(&mut self, note: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
    }

    pub(super) fn taken(name: String, findings: Findings) -> Self {
        let Findings { kind, valid, distinct, .. } = findings;
        Self { name, kind: Some(kind), valid, distinct, note: findings.notes().join("; ") }
    }
}

impl Findings {
    fn notes(&self) -> Vec<String> {
        let Self { rows, valid, missing, distinct, numbers, texts, .. } = *self;
        let mut notes = Vec::new();
        match self.kind {
            ColumnKind::Numeric if texts > 0 => notes.push(format!(
                "{texts} of {rows} values are no numbers and count as wrong type; if they are meant, set \
                 kind = \"categorical\" for it"
            )),
            ColumnKind::Numeric
                if !self.configured && self.whole && distinct <= FEW_VALUES && valid > distinct =>
            {
                notes.push(format!(
                    "whole numbers with {distinct} different values; if they are codes, set \
                     kind = \"categorical\" for it"
                ));
            }
            ColumnKind::Categorical if numbers > 0 && !self.configured => {
                notes.push(format!("{numbers} of {rows} values are numbers and count as categories"));
            }
            _ => {}
        }
        if self.kind == ColumnKind::Categorical {
            if valid >= ENOUGH_VALUES && distinct * 10 > valid * 9 {
                notes.push("nearly every value is different, as in ids; set ignore = true for it".to_owned());
            }
            if distinct > KNOWN_CATEGORIES as u64 {
                notes.push(format!(
                    "of {distinct} categories the {KNOWN_CATEGORIES} most frequent are known, the others count \
                     as unseen"
                ));
            }
        }
        if distinct == 1 {
            notes.push("it has the same value in every row".to_owned());
        }
        if missing * 2 > rows {
            notes.push(format!("it is missing in {missing} of {rows} rows"));
        }
        notes
    }
}
