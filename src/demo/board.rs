//! What the demo shows: the latest verdicts of every column and a short history.

use std::collections::VecDeque;

use super::traffic::{CHALLENGER, CHAMPION, IncidentKind, Script};
use crate::{
    event::EventTime,
    result::{Check, Decision, ExperimentResult, FeatureResult, Verdict, WindowResult},
};

/// Windows remembered: more than any terminal is wide.
const HISTORY: usize = 500;

/// Everything that a picture is made of but the clock.
#[derive(Debug)]
pub(super) struct Board {
    script: Script,
    pub(super) rows: Vec<Row>,
    /// The latest look at each experiment that there was one at, in the order of
    /// their first looks.
    pub(super) experiments: Vec<Trial>,
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

/// An experiment as it stands.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) result: ExperimentResult,
    /// End of the window with which its verdict became what it is; `None` while it
    /// never was another than to wait.
    pub(super) since: Option<EventTime>,
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
/// where it does not apply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Of the score.
    pub(super) verdict: Verdict,
    pub(super) psi: Option<f64>,
    /// The score less what noise adds to it.
    pub(super) effect: Option<f64>,
    pub(super) missing: Option<f64>,
    pub(super) unseen: Option<f64>,
    /// The check that says the worst, if any found something, and what.
    pub(super) check: Option<(Check, Verdict)>,
    /// Whether this window and those before it are an alarm.
    pub(super) alarm: bool,
}

impl Cell {
    /// A column of which there is no window yet.
    const NONE: Self = Self {
        verdict: Verdict::Insufficient,
        psi: None,
        effect: None,
        missing: None,
        unseen: None,
        check: None,
        alarm: false,
    };

    /// What `window` says about its `column`.
    pub(super) fn new(column: &FeatureResult, window: &WindowResult) -> Self {
        let found = column.quality.iter().filter(|finding| finding.verdict >= Verdict::Shifted);
        let check = found.map(|finding| (finding.check, finding.verdict)).reduce(|worst, next| {
            let order = next.1.cmp(&worst.1).then(worst.0.precedence().cmp(&next.0.precedence()));
            if order.is_gt() { next } else { worst }
        });
        let mut evidence = window.evidence.iter().filter(|evidence| evidence.segment.is_none());
        Self {
            verdict: column.verdict,
            psi: column.scores.map(|scores| scores.psi),
            effect: column.effect,
            missing: column.missing_share,
            unseen: column.unseen_share,
            check,
            alarm: evidence.any(|evidence| evidence.alarm && evidence.feature == column.feature),
        }
    }

    /// The worst that is said, by the score or by a check.
    pub(super) fn said(self) -> Verdict {
        self.check.map_or(self.verdict, |(_, verdict)| verdict.max(self.verdict))
    }

    /// The check to name in the place of the score's verdict: one that found
    /// drift where the score did not, or that says what the drift is. Of
    /// categories and values that are more frequent than they were, the score
    /// says as much.
    pub(super) fn telling_check(self) -> Option<Check> {
        let explains = |check| !matches!(check, Check::RareCategory | Check::Stuck | Check::Cardinality);
        let (check, _) = self.check.filter(|(_, verdict)| *verdict == Verdict::Drifted)?;
        (self.verdict < Verdict::Drifted || explains(check)).then_some(check)
    }

    /// How much the cell asks to be looked at: by alarm, by what is said, by
    /// effect.
    pub(super) fn urgency(self) -> f64 {
        let effect = self.effect.or(self.psi).unwrap_or(0.0);
        let alarm = if self.alarm { 4.0 } else { 0.0 };
        let level = match self.said() {
            Verdict::Insufficient | Verdict::Stable => 0.0,
            Verdict::Shifted => 1.0,
            Verdict::Drifted => 2.0,
        };
        alarm + level + effect / (1.0 + effect)
    }
}

impl Board {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script,
            rows: Vec::new(),
            experiments: Vec::new(),
            windows: VecDeque::new(),
            closed: 0,
            counted: 0,
        }
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
            let cell = Cell::new(column, window);
            if is_champion {
                row.champion = cell;
                row.history.push_back(cell);
                trim(&mut row.history);
            } else if window.stream.version == CHALLENGER {
                row.challenger = cell;
            }
        }
    }

    /// Takes in a look at an experiment; whether it says something else than the one
    /// before, or, the first time, something else than to wait.
    pub(super) fn observe_experiment(&mut self, result: &ExperimentResult) -> bool {
        let known = self.experiments.iter_mut().find(|known| known.result.experiment == result.experiment);
        let before = known.as_ref().map_or(Decision::Hold, |known| known.result.verdict);
        let is_new = before != result.verdict;
        let since = is_new.then_some(result.end);
        match known {
            Some(known) => {
                known.result = result.clone();
                known.since = since.or(known.since);
            }
            None => self.experiments.push(Trial { result: result.clone(), since }),
        }
        is_new
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
                champion: Cell::NONE,
                challenger: Cell::NONE,
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
