//! The board as lines of styled text, for a terminal of any size.

mod experiments;
#[cfg(test)]
mod tests;

use std::{fmt::Write as _, net::SocketAddr};

use self::experiments::experiments;

use super::{
    board::{Board, Cell, Row, Window},
    traffic::{CHALLENGER, CHAMPION, MODEL},
};
use crate::{
    ops::grouped,
    result::{Check, Decision, Verdict},
};

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Dim,
    Verdict(Verdict),
    /// Drifted, and an alarm.
    Alarm,
    /// An incident is on.
    Incident,
    /// What is to be done in an experiment.
    Decision(Decision),
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

/// What stands for a window in the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyphs {
    insufficient: char,
    stable: char,
    shifted: char,
    drifted: char,
    alarm: char,
    bar: char,
    /// Stands for what found no room.
    more: &'static str,
}

impl Glyphs {
    pub(super) const UNICODE: Self =
        Self {
            insufficient: '·', stable: '▁', shifted: '▃', drifted: '▆', alarm: '█', bar: '━', more: "…"
        };
    pub(super) const ASCII: Self = Self {
        insufficient: '-',
        stable: '_',
        shifted: 'o',
        drifted: 'O',
        alarm: '#',
        bar: '=',
        more: "...",
    };

    fn of(self, verdict: Verdict) -> char {
        match verdict {
            Verdict::Insufficient => self.insufficient,
            Verdict::Stable => self.stable,
            Verdict::Shifted => self.shifted,
            Verdict::Drifted => self.drifted,
        }
    }
}

/// Width of everything left of the history.
const LEFT: usize = 56;
/// Lines that are neither rows nor experiments: three on top, the table's head, the
/// foot.
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
    let others = OTHER_LINES + board.experiments.len();
    let rows = board.most_urgent(height.saturating_sub(others), cells);
    let hidden = board.rows.len() - rows.len();
    let mut lines = vec![title(), state(board, progress), incident(board, progress)];
    lines.extend(experiments(board, width, glyphs));
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
    let text =
        format!(" {more:<19} {:>6} {:>5} {:>5} {:<8} {:>6} ", "PSI", "miss", "new", "check", CHALLENGER);
    let mut line = vec![(text, Style::Dim)];
    let windows: Vec<&Window> = visible(&board.windows, cells).collect();
    if windows.iter().all(|window| window.incident.is_none()) {
        line.push((format!("{CHAMPION}, window by window"), Style::Dim));
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
    let cell = row.champion;
    let look = style(cell);
    let check = cell.check.map_or("", |(check, _)| check_text(check));
    let alarm = if cell.alarm { "!" } else { " " };
    let mut line = vec![
        (format!(" {:<18}", row.name), Style::Plain),
        (alarm.to_owned(), Style::Alarm),
        (" ".to_owned(), Style::Plain),
        score(cell, cell.psi, 6, glyphs),
        (format!(" {:>5}", cell.missing.map(percent).unwrap_or_default()), Style::Plain),
        (format!(" {:>5} ", cell.unseen.map(percent).unwrap_or_default()), Style::Plain),
        (format!("{check:<8} "), if cell.check.is_some() { look } else { Style::Plain }),
        score(row.challenger, row.challenger.psi, 6, glyphs),
        (" ".to_owned(), Style::Plain),
    ];
    let history: Vec<(char, Style)> =
        visible(&row.history, cells).map(|cell| history_cell(*cell, glyphs)).collect();
    line.extend(history.chunk_by(|a, b| a.1 == b.1).map(|run| {
        (run.iter().map(|(glyph, _)| glyph).collect(), run.first().map_or(Style::Plain, |cell| cell.1))
    }));
    line
}

/// How everything that is said about a column looks.
fn style(cell: Cell) -> Style {
    if cell.alarm { Style::Alarm } else { Style::Verdict(cell.said()) }
}

/// A score in the colour of its verdict; of a window with too few values the
/// sign for that.
fn score(cell: Cell, value: Option<f64>, width: usize, glyphs: Glyphs) -> (String, Style) {
    let text = value.map_or_else(|| glyphs.insufficient.to_string(), decimals);
    (format!("{text:>width$}"), Style::Verdict(cell.verdict))
}

/// A window: what its score says, or the first letter of the check that says
/// as bad a thing.
fn history_cell(cell: Cell, glyphs: Glyphs) -> (char, Style) {
    let glyph = match cell.telling_check() {
        Some(check) => check_text(check).chars().next().unwrap_or('?'),
        None if cell.alarm && cell.verdict == Verdict::Drifted => glyphs.alarm,
        None => glyphs.of(cell.verdict),
    };
    (glyph, style(cell))
}

/// What a check is called where there is little room; no two begin with the
/// same letter.
fn check_text(check: Check) -> &'static str {
    match check {
        Check::Missing => "missing",
        Check::Invalid => "invalid",
        Check::Type => "type",
        Check::Unseen => "new",
        Check::RareCategory => "rare",
        Check::Constant => "constant",
        Check::Stuck => "stuck",
        Check::Unit => "unit",
        Check::Cardinality => "distinct",
        Check::Volume => "volume",
    }
}

fn foot(progress: &Progress, glyphs: Glyphs) -> Line {
    // First what must not be cut off.
    let mut line =
        vec![(format!(" http://{} ", progress.http), Style::Plain), ("q stops  ".to_owned(), Style::Dim)];
    let verdict = |verdict: Verdict| (glyphs.of(verdict), verdict.as_str(), Style::Verdict(verdict));
    let [insufficient, stable, shifted, drifted] = Verdict::ALL.map(verdict);
    let alarm = (glyphs.alarm, "alarm", Style::Alarm);
    for (glyph, word, style) in [stable, shifted, drifted, alarm] {
        line.push((format!("{glyph} "), style));
        line.push((format!("{word} "), Style::Dim));
    }
    line.push(("a-z check ".to_owned(), Style::Dim));
    let (glyph, word, style) = insufficient;
    line.push((format!("{glyph} "), style));
    line.push((word.to_owned(), Style::Dim));
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
