//! A window as a line, and its columns as a table below.

use std::fmt::Write as _;

use super::{
    check_text, number, percent, score_symbol,
    several::said,
    significant, stream_text,
    table::{Cell, Table},
    terminal::{DEFAULT_WIDTH, Look, Terminal, shortened},
    time_text,
};
use crate::{
    ops::grouped,
    result::{FeatureResult, Finding, ScoreName, Verdict, WindowResult},
};

/// Characters of a time.
const TIME_WIDTH: usize = 16;
/// Characters of a count of events.
const EVENTS_WIDTH: usize = 9;
/// Characters of the longest verdict.
const VERDICT_WIDTH: usize = 12;
/// Characters of the number of alarms.
const ALARMS_WIDTH: usize = 6;
/// Characters of the stream where the terminal has room.
const STREAM_WIDTHS: [(usize, usize); 2] = [(130, 28), (0, 14)];
/// Characters of a column's name.
const NAME_WIDTH: usize = 30;
/// Characters that a name keeps in a line that is too long.
const LEAST_NAME: usize = 8;
/// Columns named in a line at most.
const MOST_NAMED: usize = 4;

/// Writes windows as lines.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct WindowLines {
    pub(in crate::cli) terminal: Terminal,
}

impl WindowLines {
    /// The line above the first window.
    pub(in crate::cli) fn head(self) -> String {
        let text = format!(
            "{:<TIME_WIDTH$}  {:<width$}  {:>EVENTS_WIDTH$}  {:<VERDICT_WIDTH$}  {:>ALARMS_WIDTH$}  \
             score (effect) checks",
            "from (UTC)",
            "stream",
            "events",
            "verdict",
            "alarms",
            width = self.stream_width()
        );
        self.terminal.show(&shortened(&text, self.terminal.width), Look::Dim)
    }

    /// When, whose, how many, the worst that is said, and of which columns.
    pub(in crate::cli) fn line(self, window: &WindowResult) -> String {
        let width = self.stream_width();
        let head = format!(
            "{:<TIME_WIDTH$}  {:<width$}  {:>EVENTS_WIDTH$}  ",
            time_text(window.start),
            shortened(&stream_text(&window.stream), width),
            grouped(window.events)
        );
        let verdict = worst(window);
        let alarms = match window.alarms() {
            0 => " ".repeat(ALARMS_WIDTH),
            count => {
                let blanks = ALARMS_WIDTH.saturating_sub(count.to_string().len());
                format!("{:blanks$}{}", "", self.terminal.show(&count.to_string(), Look::Alarm))
            }
        };
        let taken = TIME_WIDTH + width + EVENTS_WIDTH + VERDICT_WIDTH + ALARMS_WIDTH + 10;
        let text = format!(
            "{head}{}  {alarms}  {}",
            self.terminal.show(&format!("{:<VERDICT_WIDTH$}", verdict.as_str()), Look::Verdict(verdict)),
            self.news(window, self.terminal.width.saturating_sub(taken))
        );
        text.trim_end().to_owned()
    }

    /// One line per column, those that ask most to be looked at first.
    pub(in crate::cli) fn columns(self, window: &WindowResult) -> String {
        let head = ["feature", "valid", "missing", "mean", "score", "noise", "effect", "verdict", "checks"];
        let mut table = Table::new(head);
        for column in by_attention(window) {
            let look = Look::Verdict(column.verdict);
            let noise = column.noise.and_then(|noise| noise.of(column.score));
            let found = found(&column.quality);
            let checks = match found.as_slice() {
                [] => Cell::plain(""),
                [only] => Cell::new(check_text(only.check), Look::Verdict(only.verdict)),
                [worst, more @ ..] => {
                    let text = format!("{} +{}", check_text(worst.check), more.len());
                    Cell::new(text, Look::Verdict(worst.verdict))
                }
            };
            table.push(vec![
                Cell::plain(shortened(&column.feature, NAME_WIDTH)),
                Cell::plain(grouped(column.valid)),
                Cell::plain(percent(column.missing_share)),
                Cell::plain(significant(column.summary.map(|summary| summary.mean))),
                Cell::new(value_text(column), look),
                Cell::plain(number(noise, 3)),
                Cell::new(number(column.effect, 3), look),
                Cell::new(column.verdict.as_str(), look),
                checks,
            ]);
        }
        if self.terminal.width < DEFAULT_WIDTH {
            table.remove("missing");
        }
        table.render(self.terminal, 4).trim_end().to_owned()
    }

    fn stream_width(self) -> usize {
        let fits = STREAM_WIDTHS.into_iter().find(|(least, _)| self.terminal.width >= *least);
        fits.map_or(TIME_WIDTH, |(_, width)| width)
    }

    /// The columns that are not stable, as many as `room` holds; of a stable
    /// window the largest score, dimmed.
    fn news(self, window: &WindowResult, room: usize) -> String {
        let of_window = found(&window.quality).into_iter().map(|finding| News {
            name: check_text(finding.check),
            score: String::new(),
            checks: String::new(),
            verdict: finding.verdict,
        });
        let columns = by_attention(window);
        let moved = columns.iter().filter(|column| attention(column) >= Verdict::Shifted);
        let several = window.several.iter().flat_map(said).filter(|said| said.verdict >= Verdict::Shifted);
        let several = several.reduce(|worst, next| if next.verdict > worst.verdict { next } else { worst });
        let several = several.map(|said| News {
            name: "several features".to_owned(),
            score: format!(" {}", said.short),
            checks: String::new(),
            verdict: said.verdict,
        });
        let news: Vec<News> = of_window.chain(moved.map(|column| told(column))).chain(several).collect();
        if !news.is_empty() {
            return self.fitted(&news, room);
        }
        let largest = columns.iter().find(|column| column.scores.is_some());
        let text = match largest {
            Some(column) => told(column).within(room),
            None if window.events == 0 => "no events".to_owned(),
            None => "too few values to score".to_owned(),
        };
        self.terminal.show(&shortened(&text, room), Look::Dim)
    }

    /// As many of the texts as `room` holds, and how many more there are.
    fn fitted(self, news: &[News], room: usize) -> String {
        let (mut line, mut left) = (String::new(), room);
        for (index, item) in news.iter().enumerate() {
            let more = news.len() - index;
            let gap = if index == 0 { 0 } else { 2 };
            let rest = if more > 1 { format!(" +{}", more - 1).len() } else { 0 };
            if index > 0 && (gap + item.length() + rest > left || index == MOST_NAMED) {
                line += &self.terminal.show(&format!(" +{more}"), Look::Dim);
                break;
            }
            let text = item.within(left.saturating_sub(gap + rest));
            left = left.saturating_sub(gap + text.chars().count());
            line += &" ".repeat(gap);
            line += &self.terminal.show(&text, Look::Verdict(item.verdict));
        }
        line
    }
}

/// Something that is not stable.
struct News {
    name: String,
    /// The numbers, or nothing.
    score: String,
    /// What checks found, or nothing.
    checks: String,
    verdict: Verdict,
}

impl News {
    fn length(&self) -> usize {
        [&self.name, &self.score, &self.checks].map(|part| part.chars().count()).iter().sum()
    }

    /// In at most so many characters: the checks beside a score give way first,
    /// then the name.
    fn within(&self, room: usize) -> String {
        let is_crowded = self.length() > room && !self.score.is_empty();
        let rest = if is_crowded { self.score.clone() } else { format!("{}{}", self.score, self.checks) };
        let name = shortened(&self.name, room.saturating_sub(rest.chars().count()).max(LEAST_NAME));
        shortened(&(name + &rest), room)
    }
}

/// The worst that is said about a window: by scores, by checks or of
/// several features at a time.
pub(super) fn worst(window: &WindowResult) -> Verdict {
    let several = window.several.as_ref().map_or(Verdict::Insufficient, |several| several.verdict);
    window.verdict().max(window.prediction_verdict()).max(window.quality_verdict()).max(several)
}

/// The worst that is said about a column: by its score or by checks.
pub(super) fn attention(column: &FeatureResult) -> Verdict {
    column.verdict.max(column.quality_verdict())
}

/// What checks found, the worst first.
pub(super) fn found(findings: &[Finding]) -> Vec<&Finding> {
    let mut found: Vec<&Finding> =
        findings.iter().filter(|finding| finding.verdict >= Verdict::Shifted).collect();
    found.sort_by_key(|finding| (std::cmp::Reverse(finding.verdict), finding.check.precedence()));
    found
}

/// The columns, those that ask most to be looked at first: by what is said, by
/// effect, by score.
fn by_attention(window: &WindowResult) -> Vec<&FeatureResult> {
    let mut columns: Vec<&FeatureResult> = window.features.iter().collect();
    let effect = |column: &FeatureResult| column.effect.unwrap_or(f64::NEG_INFINITY);
    let score = |column: &FeatureResult| value(column).unwrap_or(f64::NEG_INFINITY);
    columns.sort_by(|a, b| {
        (attention(b).cmp(&attention(a)))
            .then_with(|| effect(b).total_cmp(&effect(a)))
            .then_with(|| score(b).total_cmp(&score(a)))
            .then_with(|| a.feature.cmp(&b.feature))
    });
    columns
}

/// The score that the verdict is about.
pub(super) fn value(column: &FeatureResult) -> Option<f64> {
    column.scores.and_then(|scores| scores.of(column.score))
}

/// That score, with its name when it is not the usual one.
fn value_text(column: &FeatureResult) -> String {
    match column.score {
        ScoreName::Psi => number(value(column), 3),
        score => format!("{} {}", score_symbol(score), number(value(column), 3)),
    }
}

/// `amount 0.183 (0.171) unit`: the column, its score, its effect, and what
/// checks found. Without the score when that is not the news.
fn told(column: &FeatureResult) -> News {
    let found = found(&column.quality);
    let mut score = String::new();
    if column.verdict >= Verdict::Shifted || found.is_empty() {
        score = format!(" {}", value_text(column));
        if let Some(effect) = column.effect {
            let _ = write!(score, " ({effect:.3})");
        }
    }
    let checks = found.iter().flat_map(|finding| [" ".to_owned(), check_text(finding.check)]).collect();
    News { name: shortened(&column.feature, NAME_WIDTH), score, checks, verdict: attention(column) }
}
