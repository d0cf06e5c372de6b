//! What the demo shows: the latest scores of every column and a short history.

use std::collections::VecDeque;

use super::traffic::{CHALLENGER, CHAMPION, IncidentKind, Script};
use crate::{
    event::EventTime,
    result::{FeatureResult, WindowResult},
};

/// Windows remembered: more than any terminal is wide.
const HISTORY: usize = 500;

/// Everything that a picture is made of but the clock.
#[derive(Debug)]
pub(super) struct Board {
    script: Script,
    pub(super) rows: Vec<Row>,
    /// The champion's windows, the latest last.
    pub(super) windows: VecDeque<Window>,
    /// Windows of both versions.
    pub(super) closed: u64,
    /// Events in them.
    pub(super) counted: u64,
}

/// A window of the champion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: EventTime,
    pub(super) incident: Option<IncidentKind>,
}

/// One column of the model.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) champion: Cell,
    pub(super) challenger: Cell,
    /// The champion's cells, one for each of [`Board::windows`].
    pub(super) history: VecDeque<Cell>,
}

/// What a window said about a column; `None` where it had too few values, or
/// where the score does not apply.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    pub(super) psi: Option<f64>,
    pub(super) ks: Option<f64>,
    pub(super) missing: Option<f64>,
    pub(super) unseen: Option<f64>,
}

/// How large a number is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    Small,
    Middle,
    Large,
}

impl Cell {
    fn new(column: &FeatureResult) -> Self {
        Self {
            psi: column.scores.map(|scores| scores.psi),
            ks: column.scores.and_then(|scores| scores.ks).map(|ks| ks.statistic),
            missing: column.missing_share,
            unseen: column.unseen_share,
        }
    }

    /// The bands that are usual for the index.
    pub(super) fn psi_size(psi: f64) -> Size {
        size(psi, 0.1, 0.25)
    }

    /// Half of the bands of the index: what it is when a tenth of all values
    /// has moved.
    pub(super) fn ks_size(ks: f64) -> Size {
        size(ks, 0.1, 0.2)
    }

    pub(super) fn share_size(share: f64) -> Size {
        size(share, 0.05, 0.2)
    }

    /// Whether the values that are missing are the news.
    pub(super) fn is_missing(self) -> bool {
        self.missing.is_some_and(|share| Self::share_size(share) == Size::Large)
    }

    /// How much the cell asks to be looked at.
    fn urgency(self) -> f64 {
        self.psi.unwrap_or(0.0).max(if self.is_missing() { 1.0 } else { 0.0 })
    }
}

fn size(value: f64, middle: f64, large: f64) -> Size {
    if value >= large {
        Size::Large
    } else if value >= middle {
        Size::Middle
    } else {
        Size::Small
    }
}

impl Board {
    pub(super) fn new(script: Script) -> Self {
        Self { script, rows: Vec::new(), windows: VecDeque::new(), closed: 0, counted: 0 }
    }

    /// Takes in a window.
    pub(super) fn observe(&mut self, window: &WindowResult) {
        self.closed += 1;
        self.counted += window.events;
        let is_champion = window.stream.version == CHAMPION;
        if is_champion {
            let incident = self.incident(window);
            self.windows.push_back(Window { start: window.start, incident });
            trim(&mut self.windows);
        }
        for column in &window.features {
            let row = self.row(&column.feature);
            let cell = Cell::new(column);
            if is_champion {
                row.champion = cell;
                row.history.push_back(cell);
                trim(&mut row.history);
            } else if window.stream.version == CHALLENGER {
                row.challenger = cell;
            }
        }
    }

    /// The incident that is on in a window.
    pub(super) fn incident(&self, window: &WindowResult) -> Option<IncidentKind> {
        self.script.during(window.start, window.end).map(|incident| incident.kind)
    }

    /// The incident that is on in the latest window, and since when.
    pub(super) fn current_incident(&self) -> Option<(IncidentKind, EventTime)> {
        let kind = self.windows.back()?.incident?;
        let since = self.windows.iter().rev().take_while(|window| window.incident == Some(kind)).last()?;
        Some((kind, since.start))
    }

    /// The `count` rows that ask most to be looked at in the last `cells`
    /// windows, in the order of the model.
    pub(super) fn most_urgent(&self, count: usize, cells: usize) -> Vec<&Row> {
        let urgency =
            |row: &Row| row.history.iter().rev().take(cells).map(|cell| cell.urgency()).fold(0.0, f64::max);
        let mut ranked: Vec<(usize, &Row)> = self.rows.iter().enumerate().collect();
        ranked.sort_by(|(_, a), (_, b)| urgency(b).total_cmp(&urgency(a)));
        ranked.truncate(count);
        ranked.sort_by_key(|(position, _)| *position);
        ranked.into_iter().map(|(_, row)| row).collect()
    }

    fn row(&mut self, name: &str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.name == name);
        let index = known.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                champion: Cell::default(),
                challenger: Cell::default(),
                history: VecDeque::new(),
            });
            self.rows.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut self.rows[index]
    }
}

fn trim<T>(history: &mut VecDeque<T>) {
    if history.len() > HISTORY {
        history.pop_front();
    }
}
