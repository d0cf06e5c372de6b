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
    /// What is to be said besides, such as that HTTP is on another port.
    pub(super) notice: Option<String>,
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
        let waiting = " the embedded broker hands out its partitions, which takes about 3 s";
        lines.push(vec![(waiting.to_owned(), Style::Dim)]);
    } else {
        lines.push(head(board, hidden, cells, glyphs));
        lines.extend(rows.into_iter().map(|row| table_row(row, cells, glyphs)));
    }
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Vec::new());
    lines.push(foot(progress, glyphs));
    lines.truncate(height);
    for line in &mut lines {
        cut(line, width);
    }
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
    let notice = progress.notice.as_ref().map_or_else(String::new, |notice| format!("   {notice}"));
    let notice = (notice, Style::Plain);
    match board.current_incident() {
        Some((kind, since)) => vec![
            (format!(" incident since {}: ", clock(since)), Style::Plain),
            (kind.name().to_owned(), Style::Incident),
            (format!(" ({})", kind.story()), Style::Plain),
        ],
        None => vec![(" no incident".to_owned(), Style::Dim), notice],
    }
}

fn head(board: &Board, hidden: usize, cells: usize, glyphs: Glyphs) -> Line {
    let more = if hidden > 0 { format!("feature (+{hidden} more)") } else { "feature".to_owned() };
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
    // A window with too few values says so; scores that don't apply are blank.
    let too_few = glyphs.too_few.to_string();
    let mut line = vec![
        (format!(" {:<19} ", row.name), Style::Plain),
        number(psi, 6, Cell::psi_size, decimals, &too_few),
        number(ks, 6, Cell::ks_size, |ks| format!("{ks:.2}"), ""),
        number(missing, 6, Cell::share_size, percent, ""),
        number(unseen, 6, Cell::share_size, percent, ""),
        number(row.challenger.psi, 9, Cell::psi_size, decimals, &too_few),
        ("  ".to_owned(), Style::Plain),
    ];
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

/// A number in its colour, or `absent`, on the right of `width` cells.
fn number(
    value: Option<f64>,
    width: usize,
    size: impl Fn(f64) -> Size,
    text: impl Fn(f64) -> String,
    absent: &str,
) -> (String, Style) {
    match value {
        Some(value) => (format!("{:>width$}", text(value)), Style::Sized(size(value))),
        None => (format!("{absent:>width$}"), Style::Dim),
    }
}

fn foot(progress: &Progress, glyphs: Glyphs) -> Line {
    let [_, low, middle, _, top] = glyphs.heights;
    // First what must not be cut off.
    let mut line =
        vec![(format!(" http://{} ", progress.http), Style::Plain), ("q stops  ".to_owned(), Style::Dim)];
    for (glyph, size, text) in
        [(low, Size::Small, "PSI < 0.1 "), (middle, Size::Middle, "< 0.25 "), (top, Size::Large, "more ")]
    {
        line.push((format!("{glyph} "), Style::Sized(size)));
        line.push((text.to_owned(), Style::Dim));
    }
    line.push((format!("{} too few ", glyphs.too_few), Style::Dim));
    line.push(("m ".to_owned(), Style::Missing));
    line.push(("missing".to_owned(), Style::Dim));
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
    match share {
        ..=0.0 => String::new(),
        ..0.01 => "<1%".to_owned(),
        _ => format!("{:.0}%", share * 100.0),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        demo::traffic::{START, Script},
        event::EventTime,
        result::{ColumnKind, FeatureResult, StreamKey, WindowResult},
    };

    fn window(hour: i64, missing: f64) -> WindowResult {
        let feature = |name: String| FeatureResult {
            n: 100,
            valid: 90,
            missing_share: Some(missing),
            invalid_share: Some(0.0),
            ..FeatureResult::empty(&name, ColumnKind::Numeric)
        };
        let start = START.plus_ms(hour * 3_600_000);
        let stream =
            StreamKey { model: MODEL.to_owned(), version: CHAMPION.to_owned(), variant: "none".to_owned() };
        WindowResult {
            events: 100,
            reference_rows: 1,
            features: (0..22).map(|column| feature(format!("column_{column}"))).collect(),
            ..WindowResult::empty(stream, "1h", start, EventTime(start.0 + 3_600_000))
        }
    }

    fn progress() -> Progress {
        Progress {
            events: 1_200,
            wanted: Some(2_000),
            events_per_second: 10.0,
            hours_per_second: 1.0,
            http: ([127, 0, 0, 1], 9640).into(),
            notice: Some("a notice".to_owned()),
        }
    }

    fn text(line: &Line) -> String {
        line.iter().map(|(text, _)| text.as_str()).collect()
    }

    #[test]
    fn pictures_fit_terminals_of_any_size() {
        let mut board = Board::new(Script::new(START));
        for hour in 0..70 {
            for (width, height) in [(0, 0), (1, 1), (3, 2), (40, 10), (54, 5), (80, 24), (133, 60)] {
                let lines = lines(&board, &progress(), (width, height), Glyphs::UNICODE);
                assert_eq!(lines.len(), usize::from(height));
                assert!(lines.iter().all(|line| text(line).chars().count() <= usize::from(width)));
            }
            board.observe(&window(hour, 0.5));
        }
    }

    #[test]
    fn the_picture_names_the_incident_and_what_is_missing() {
        let mut board = Board::new(Script::new(START));
        (0..7).for_each(|hour| board.observe(&window(hour, 0.7)));
        let lines: Vec<String> =
            lines(&board, &progress(), (80, 24), Glyphs::ASCII).iter().map(text).collect();
        assert!(lines[1].contains("Mon 2024-01-08 13:00"), "{}", lines[1]);
        assert!(lines[1].contains("1,200 of 2,000 events (60 %)"), "{}", lines[1]);
        assert!(lines[2].contains("incident since 11:00: unit change"), "{}", lines[2]);
        assert!(lines[3].contains("feature (+3 more)"), "{}", lines[3]);
        assert!(lines[4].starts_with(" column_0") && lines[4].ends_with("  mmmmmmm"), "{}", lines[4]);
        assert!(lines[4].contains("70%"), "{}", lines[4]);
        assert!(lines[23].contains("http://127.0.0.1:9640"));
        assert!(
            lines[23].contains("q stops") && lines[23].ends_with("missing"),
            "the foot fits: {}",
            lines[23]
        );
    }
}
