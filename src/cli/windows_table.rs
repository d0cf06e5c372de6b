//! Window results for a terminal: a line per window with its worst features,
//! every feature of a window, or all windows as a picture.
//!
//! Colours follow the PSI on its usual scale (0.1 and 0.25), but only where
//! the chi-square test says that the difference is more than noise: with few
//! events a PSI of 0.2 means nothing.

use std::{collections::BTreeMap, fmt::Write as _};

use crossterm::style::{Color, Stylize};

use crate::{
    event::EventTime,
    result::{FeatureResult, Scores, StreamKey, UNNAMED, WindowResult},
};

/// PSI from which a shift is worth a look.
const MODERATE: f64 = 0.1;
/// PSI from which a shift is large.
const LARGE: f64 = 0.25;
/// PSI from which the picture shows a full block.
const EXTREME: f64 = 0.5;
/// Chi-square p-value above which a difference is taken for noise.
const NOISE: f64 = 0.01;
/// Width of the column for the stream.
const STREAM_WIDTH: usize = 20;
/// Width of the column for a feature's name.
const NAME_WIDTH: usize = 30;

/// Writes windows as lines of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowsTable {
    /// Whether the terminal shows colours.
    pub(super) colour: bool,
    /// Features named in the line of a window.
    pub(super) worst: usize,
}

impl WindowsTable {
    /// The line above the first window.
    pub(super) fn header(self) -> String {
        let text = format!("{:<16}  {:<STREAM_WIDTH$}  {:>9}  largest PSI", "from (UTC)", "stream", "events");
        self.paint(&text, Color::DarkGrey)
    }

    /// One line: when, whose, how many, and the features with the largest PSI.
    pub(super) fn window(self, window: &WindowResult) -> String {
        let mut line = format!(
            "{:<16}  {:<STREAM_WIDTH$}  {:>9}  ",
            time_text(window.start),
            shortened(&stream_text(&window.stream), STREAM_WIDTH),
            window.events
        );
        let worst = worst_features(window);
        if worst.is_empty() {
            let why = if window.events == 0 { "no events" } else { "too few values to score" };
            return line + &self.paint(why, Color::DarkGrey);
        }
        for (index, (feature, scores)) in worst.iter().take(self.worst).enumerate() {
            let gap = if index == 0 { "" } else { "   " };
            let text = format!("{} {:.2}", shortened(&feature.feature, NAME_WIDTH), scores.psi);
            line += gap;
            line += &self.paint_scores(&text, scores);
        }
        line
    }

    /// One line per feature, the largest PSI first, those without scores last.
    pub(super) fn features(self, window: &WindowResult) -> String {
        let mut text = self.paint(
            &format!(
                "    {:<NAME_WIDTH$} {:>9} {:>8} {:>8} {:>12} {:>7} {:>7} {:>9} {:>7}",
                "feature", "valid", "missing", "unseen", "mean", "PSI", "KS", "Wasserst.", "chi2 p"
            ),
            Color::DarkGrey,
        );
        let scored = worst_features(window);
        for (feature, scores) in &scored {
            let tail = format!(
                "{:>7.3} {:>7} {:>9} {:>7}",
                scores.psi,
                number(scores.ks.map(|ks| ks.statistic), 3),
                number(scores.wasserstein, 3),
                number(scores.chi_square.map(|test| test.p_value), 4)
            );
            // Writing to a string can't fail.
            let _ = write!(text, "\n    {} {}", shares(feature), self.paint_scores(&tail, scores));
        }
        for feature in window.features.iter().filter(|feature| feature.scores.is_none()) {
            let why = self.paint("too few values to score", Color::DarkGrey);
            let _ = write!(text, "\n    {} {why}", shares(feature));
        }
        text
    }

    fn paint_scores(self, text: &str, scores: &Scores) -> String {
        match level(scores) {
            Level::Noise => text.to_owned(),
            Level::Small => self.paint(text, Color::Green),
            Level::Moderate => self.paint(text, Color::Yellow),
            Level::Large | Level::Extreme => self.paint(text, Color::Red),
        }
    }

    fn paint(self, text: &str, colour: Color) -> String {
        if self.colour { text.with(colour).to_string() } else { text.to_owned() }
    }
}

/// The part of a feature's line that needs no scores.
fn shares(feature: &FeatureResult) -> String {
    let share =
        |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", 100.0 * share));
    format!(
        "{:<NAME_WIDTH$} {:>9} {:>8} {:>8} {:>12}",
        shortened(&feature.feature, NAME_WIDTH),
        feature.valid,
        share(feature.missing_share),
        share(feature.unseen_share),
        number(feature.summary.map(|summary| summary.mean), 3)
    )
}

/// How large a difference is, given that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Noise,
    Small,
    Moderate,
    Large,
    Extreme,
}

fn level(scores: &Scores) -> Level {
    if scores.chi_square.is_none_or(|test| test.p_value > NOISE) {
        return Level::Noise;
    }
    match scores.psi {
        psi if psi >= EXTREME => Level::Extreme,
        psi if psi >= LARGE => Level::Large,
        psi if psi >= MODERATE => Level::Moderate,
        _ => Level::Small,
    }
}

/// The scored features, the largest PSI first, ties by name.
fn worst_features(window: &WindowResult) -> Vec<(&FeatureResult, &Scores)> {
    let mut scored: Vec<(&FeatureResult, &Scores)> =
        window.features.iter().filter_map(|feature| Some((feature, feature.scores.as_ref()?))).collect();
    scored.sort_by(|(a, a_scores), (b, b_scores)| {
        b_scores.psi.total_cmp(&a_scores.psi).then_with(|| a.feature.cmp(&b.feature))
    });
    scored
}

fn stream_text(stream: &StreamKey) -> String {
    let mut text = stream.model.clone();
    for part in [&stream.version, &stream.variant].into_iter().filter(|part| *part != UNNAMED) {
        text.push(' ');
        text.push_str(part);
    }
    text
}

/// Date and time, or just the date at midnight.
fn time_text(time: EventTime) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, "00:00:00Z")) => date.to_owned(),
        Some((date, clock)) => {
            let clock = clock.trim_end_matches('Z');
            format!("{date} {}", clock.strip_suffix(":00").unwrap_or(clock))
        }
        None => text,
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// All windows of all streams as pictures: a line per feature, a block per
/// window.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    streams: BTreeMap<StreamKey, Picture>,
}

#[derive(Debug, Default)]
struct Picture {
    starts: Vec<EventTime>,
    /// A cell per window for every feature.
    features: BTreeMap<String, Vec<PsiCell>>,
}

/// Level and PSI; `None` without scores.
type PsiCell = Option<(Level, f64)>;

impl Matrix {
    /// Takes a window; one that is written again replaces itself.
    pub(super) fn add(&mut self, window: &WindowResult) {
        let picture = self.streams.entry(window.stream.clone()).or_default();
        let index = match picture.starts.binary_search(&window.start) {
            Ok(index) => index,
            Err(index) => {
                picture.starts.insert(index, window.start);
                for cells in picture.features.values_mut() {
                    cells.insert(index, None);
                }
                index
            }
        };
        let windows = picture.starts.len();
        for feature in &window.features {
            let cells =
                picture.features.entry(feature.feature.clone()).or_insert_with(|| vec![None; windows]);
            if let Some(cell) = cells.get_mut(index) {
                *cell = feature.scores.as_ref().map(|scores| (level(scores), scores.psi));
            }
        }
    }

    /// The pictures, at most `width` characters wide; where there are more
    /// windows, a block shows the worst of several.
    pub(super) fn render(&self, table: WindowsTable, width: usize) -> String {
        let mut text = String::new();
        for (stream, picture) in &self.streams {
            picture.render(&stream_text(stream), table, width, &mut text);
        }
        text
    }
}

impl Picture {
    fn render(&self, stream: &str, table: WindowsTable, width: usize, text: &mut String) {
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else { return };
        let names = self.features.keys().map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_WIDTH);
        let room = width.saturating_sub(names + 24).max(10);
        let per_block = self.starts.len().div_ceil(room);
        let of = if per_block > 1 { format!(", a block for {per_block}") } else { String::new() };
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{stream}: {} windows from {} to {}{of}",
            self.starts.len(),
            time_text(*first),
            time_text(*last)
        );
        let blocks = self.starts.len().div_ceil(per_block);
        let head = format!("{:<names$}  {:<blocks$}  {:>8} {:>8}", "", "PSI", "largest", "last");
        let _ = writeln!(text, "{}", table.paint(&head, Color::DarkGrey));
        for (name, cells) in self.by_size() {
            let _ = write!(text, "{:<names$}  ", shortened(name, NAME_WIDTH));
            for block in cells.chunks(per_block) {
                let worst = block.iter().flatten().map(|(level, _)| *level).max();
                text.push_str(&paint_block(worst, table));
            }
            let psi = |cell: Option<&(Level, f64)>| number(cell.map(|(_, psi)| *psi), 3);
            let largest = cells.iter().flatten().max_by(|(_, a), (_, b)| a.total_cmp(b));
            let _ = writeln!(text, "  {:>8} {:>8}", psi(largest), psi(cells.iter().flatten().last()));
        }
        let legend = "· not scored  ░ noise or PSI below 0.1  ▒ from 0.1  ▓ from 0.25  █ from 0.5";
        let _ = writeln!(text, "{}", table.paint(legend, Color::DarkGrey));
    }

    /// The features, the largest PSI of any window first.
    fn by_size(&self) -> Vec<(&str, &[PsiCell])> {
        let largest =
            |cells: &[PsiCell]| cells.iter().flatten().map(|(_, psi)| *psi).fold(f64::NEG_INFINITY, f64::max);
        let mut features: Vec<_> =
            self.features.iter().map(|(name, cells)| (name.as_str(), cells.as_slice())).collect();
        features.sort_by(|(_, a), (_, b)| largest(b).total_cmp(&largest(a)));
        features
    }
}

fn paint_block(worst: Option<Level>, table: WindowsTable) -> String {
    match worst {
        None => table.paint("·", Color::DarkGrey),
        Some(Level::Noise | Level::Small) => table.paint("░", Color::Green),
        Some(Level::Moderate) => table.paint("▒", Color::Yellow),
        Some(Level::Large) => table.paint("▓", Color::Red),
        Some(Level::Extreme) => table.paint("█", Color::Red),
    }
}
