//! The board as lines of styled text, for a terminal of any size.

use std::{fmt::Write as _, net::SocketAddr};

use super::{
    board::{Board, Cell, Row, Size, Window},
    traffic::{CHALLENGER, CHAMPION, MODEL},
};
use crate::ops::grouped;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Dim,
    Sized(Size),
    /// Values are missing.
    Missing,
    /// An incident is on.
    Incident,
}

/// A line: pieces of text with their style.
pub(super) type Line = Vec<(String, Style)>;

/// What a picture needs to know besides the board.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) events: u64,
    pub(super) wanted: Option<u64>,
    pub(super) events_per_second: f64,
    pub(super) hours_per_second: f64,
    pub(super) http: SocketAddr,
    /// What is going on while there is no window yet, or the last trouble.
    pub(super) notice: String,
}

/// Letters for the heights of the history, from nothing to the top.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyphs {
    heights: [char; 5],
    too_few: char,
    bar: char,
}

impl Glyphs {
    pub(super) const UNICODE: Self =
        Self { heights: ['▁', '▂', '▄', '▆', '█'], too_few: '·', bar: '━' };
    pub(super) const ASCII: Self = Self { heights: ['_', '.', 'o', 'O', '#'], too_few: '-', bar: '=' };

    fn height(self, psi: f64) -> char {
        let [flat, low, middle, high, top] = self.heights;
        match psi {
            ..0.05 => flat,
            ..0.1 => low,
            ..0.25 => middle,
            ..0.5 => high,
            _ => top,
        }
    }
}

/// Width of everything left of the history.
const LEFT: usize = 54;
/// Lines that are no rows: three on top, the table's head, the foot.
const OTHER_LINES: usize = 5;

/// The picture for a terminal of `width` by `height`.
pub(super) fn lines(
    board: &Board,
    progress: &Progress,
    (width, height): (u16, u16),
    glyphs: Glyphs,
) -> Vec<Line> {
    let (width, height) = (usize::from(width), usize::from(height));
    let cells = width.saturating_sub(LEFT + 1);
    let rows = board.most_urgent(height.saturating_sub(OTHER_LINES), cells);
    let hidden = board.rows.len() - rows.len();
    let mut lines = vec![title(), state(board, progress), incident(board, progress)];
    if board.rows.is_empty() {
        lines.push(Vec::new());
        lines.push(vec![(format!(" {}", progress.notice), Style::Dim)]);
    } else {
        lines.push(head(board, hidden, cells, glyphs));
        lines.extend(rows.into_iter().map(|row| table_row(row, cells, glyphs)));
    }
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Vec::new());
    lines.push(foot(progress, glyphs));
    lines.iter_mut().for_each(|line| cut(line, width));
    lines
}

fn title() -> Line {
    vec![
        (" driftline demo ".to_owned(), Style::Title),
        (format!(" simulated loan applications, model {MODEL} {CHAMPION} and {CHALLENGER}"), Style::Plain),
    ]
}

fn state(board: &Board, progress: &Progress) -> Line {
    let time = board
        .windows
        .back()
        .map_or_else(|| "no window yet".to_owned(), |window| hour(window.start.plus_ms(3_600_000)));
    let events = match progress.wanted {
        Some(wanted) => {
            format!(
                "{} of {} events ({} %)",
                grouped(progress.events),
                grouped(wanted),
                progress.events * 100 / wanted.max(1)
            )
        }
        None => format!("{} events", grouped(progress.events)),
    };
    let text = format!(
        " {time}   {} windows   {events}   {:.0}/s   1 s = {} h",
        grouped(board.closed),
        progress.events_per_second,
        progress.hours_per_second
    );
    vec![(text, Style::Plain)]
}

fn incident(board: &Board, progress: &Progress) -> Line {
    match board.current_incident() {
        Some((kind, since)) => vec![
            (format!(" incident since {}: ", clock(since)), Style::Plain),
            (kind.name().to_owned(), Style::Incident),
            (format!(" ({})", kind.story()), Style::Plain),
        ],
        None if !board.rows.is_empty() && !progress.notice.is_empty() => {
            vec![(format!(" {}", progress.notice), Style::Incident)]
        }
        None => vec![(" no incident".to_owned(), Style::Dim)],
    }
}

fn head(board: &Board, hidden: usize, cells: usize, glyphs: Glyphs) -> Line {
    let more = if hidden > 0 { format!("feature (+{hidden} quiet)") } else { "feature".to_owned() };
    let text = format!(
        " {more:<19} {:>6} {:>5} {:>5} {:>5} {:>8}  ",
        "PSI",
        "KS",
        "miss",
        "new",
        format!("PSI {CHALLENGER}")
    );
    let mut line = vec![(text, Style::Dim)];
    let windows: Vec<&Window> = visible(&board.windows, cells).collect();
    if windows.iter().all(|window| window.incident.is_none()) {
        line.push((format!("PSI of {CHAMPION}, window by window"), Style::Dim));
    }
    for run in windows.chunk_by(|a, b| a.incident == b.incident) {
        let kind = run.first().and_then(|window| window.incident);
        if windows.iter().any(|window| window.incident.is_some()) {
            let name = kind.map_or("", |kind| kind.name());
            let fill = if kind.is_some() { glyphs.bar } else { ' ' };
            let text: String = name.chars().chain(std::iter::repeat(fill)).take(run.len()).collect();
            line.push((text, Style::Incident));
        }
    }
    line
}

fn table_row(row: &Row, cells: usize, glyphs: Glyphs) -> Line {
    let Cell { psi, ks, missing, unseen } = row.champion;
    let mut line = vec![
        (format!(" {:<19} ", row.name), Style::Plain),
        number(psi, Cell::psi_size, |psi| format!("{:>6}", decimals(psi))),
        number(ks, Cell::ks_size, |ks| format!(" {ks:>5.2}")),
        number(missing, Cell::share_size, |share| format!(" {:>5}", percent(share))),
        number(unseen, Cell::share_size, |share| format!(" {:>5}", percent(share))),
        number(row.challenger.psi, Cell::psi_size, |psi| format!(" {:>8}", decimals(psi))),
        ("  ".to_owned(), Style::Plain),
    ];
    // Where a column is blank, keep its width.
    for ((text, _), width) in line.iter_mut().skip(1).zip([6, 6, 6, 6, 9]) {
        if text.is_empty() {
            *text = " ".repeat(width);
        }
    }
    let history: Vec<(char, Style)> =
        visible(&row.history, cells).map(|cell| history_cell(*cell, glyphs)).collect();
    line.extend(history.chunk_by(|a, b| a.1 == b.1).map(|run| {
        (run.iter().map(|(glyph, _)| glyph).collect(), run.first().map_or(Style::Plain, |cell| cell.1))
    }));
    line
}

fn history_cell(cell: Cell, glyphs: Glyphs) -> (char, Style) {
    match cell.psi {
        _ if cell.is_missing() => ('m', Style::Missing),
        Some(psi) => (glyphs.height(psi), Style::Sized(Cell::psi_size(psi))),
        None => (glyphs.too_few, Style::Dim),
    }
}

fn number(value: Option<f64>, size: impl Fn(f64) -> Size, text: impl Fn(f64) -> String) -> (String, Style) {
    match value {
        Some(value) => (text(value), Style::Sized(size(value))),
        None => (String::new(), Style::Dim),
    }
}

fn foot(progress: &Progress, glyphs: Glyphs) -> Line {
    let [_, low, middle, _, top] = glyphs.heights;
    let mut line = vec![(format!(" http://{}/metrics   ", progress.http), Style::Plain)];
    for (glyph, size, text) in
        [(low, Size::Small, "PSI below 0.1 "), (middle, Size::Middle, "0.25 "), (top, Size::Large, "above ")]
    {
        line.push((format!("{glyph} "), Style::Sized(size)));
        line.push((text.to_owned(), Style::Dim));
    }
    line.push((format!("{} too few   q stops", glyphs.too_few), Style::Dim));
    line
}

/// The last `count`, the oldest first.
fn visible<T>(history: &std::collections::VecDeque<T>, count: usize) -> impl Iterator<Item = &T> {
    history.iter().skip(history.len().saturating_sub(count))
}

fn decimals(value: f64) -> String {
    if value < 9.995 { format!("{value:.3}") } else { format!("{value:.1}") }
}

/// Nothing for nothing: a column of zeros hides what is not zero.
fn percent(share: f64) -> String {
    if share > 0.0 { format!("{:.0}%", share * 100.0) } else { String::new() }
}

/// `Mon 2024-01-08 14:00` of a time on the hour.
fn hour(time: crate::event::EventTime) -> String {
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = time.0.div_euclid(86_400_000).rem_euclid(7);
    let day = usize::try_from(day).ok().and_then(|day| days.get(day)).copied().unwrap_or_default();
    let mut text = String::new();
    let date = time.to_string();
    let _ = write!(text, "{day} {} {}", date.get(..10).unwrap_or_default(), clock(time));
    text
}

/// `14:00`.
fn clock(time: crate::event::EventTime) -> String {
    time.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// Cuts a line to `width` characters, all of which are one cell wide.
fn cut(line: &mut Line, width: usize) {
    let mut left = width;
    for (text, _) in line.iter_mut() {
        let kept: String = text.chars().take(left).collect();
        left -= kept.chars().count();
        *text = kept;
    }
}
