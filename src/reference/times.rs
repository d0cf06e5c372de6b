//! The event times of rows.

use crate::event::EventTime;

/// First and last time, and each row's own where it is wanted.
#[derive(Debug, Default)]
pub(super) struct RowTimes {
    range: Option<(EventTime, EventTime)>,
    /// One per row; stays empty when nobody wants them.
    all: Vec<i64>,
}

impl RowTimes {
    /// Notes the time of row `row`, counted from 1; `keep` keeps it.
    pub(super) fn note(&mut self, row: u64, time: EventTime, keep: bool) {
        let (from, until) = self.range.unwrap_or((time, time));
        self.range = Some((from.min(time), until.max(time)));
        // Once a row had no time, nothing can be made of the others' times.
        if keep && self.all.len() as u64 + 1 == row {
            self.all.push(time.0);
        }
    }

    pub(super) fn range(&self) -> Option<(EventTime, EventTime)> {
        self.range
    }

    /// The time of every row, if all of `rows` have one.
    pub(super) fn of_all(&self, rows: u64) -> Option<&[i64]> {
        (self.all.len() as u64 == rows).then_some(&self.all)
    }
}
