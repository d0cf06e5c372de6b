//! The rows that a surrogate can be fitted to.

use crate::{
    explain::{InputMap, surrogate::is_usable},
    model::Rows,
    profile::Cell,
};

/// Encoded rows with a prediction each, in the order of their hashes, whatever
/// order they came in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UsableRows<'a> {
    /// Hash and cells of each.
    pub(super) events: Vec<(u64, &'a [Cell])>,
    inputs: Vec<f64>,
    width: usize,
    pub(super) predictions: Vec<f64>,
    /// Rows that were not encoded.
    pub(super) unencoded: u64,
    /// Rows without a prediction that is a number.
    pub(super) unpredicted: u64,
    /// Usable rows beyond the most that were wanted: those of the largest hashes.
    pub(super) given_up: u64,
}

impl<'a> UsableRows<'a> {
    pub(super) fn new(
        rows: impl Iterator<Item = (u64, &'a [Cell])>,
        inputs: &InputMap,
        prediction_column: usize,
        most: usize,
    ) -> Self {
        let mut sorted: Vec<_> = rows.collect();
        let bits = |cells: &'a [Cell]| cells.iter().map(|cell| cell.to_f64().to_bits());
        sorted.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| bits(a.1).cmp(bits(b.1))));
        let mut usable = Self {
            events: Vec::new(),
            inputs: Vec::new(),
            width: inputs.len(),
            predictions: Vec::new(),
            unencoded: 0,
            unpredicted: 0,
            given_up: 0,
        };
        for (hash, cells) in sorted {
            let prediction = cells.get(prediction_column).map_or(f64::NAN, |cell| cell.to_f64());
            let encoded = usable.inputs.len();
            if !is_usable(prediction) {
                usable.unpredicted += 1;
            } else if inputs.encode(cells, &mut usable.inputs).is_err() {
                usable.unencoded += 1;
            } else if usable.events.len() == most {
                usable.inputs.truncate(encoded);
                usable.given_up += 1;
            } else {
                usable.events.push((hash, cells));
                usable.predictions.push(prediction);
            }
        }
        usable
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows::new(&self.inputs, self.width)
    }
}
