//! All windows of all streams as pictures: a line per column, a block per
//! window.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    lines::{attention, value},
    number, stream_text,
    terminal::{Look, Terminal, shortened},
    time_text,
};
use crate::{
    event::EventTime,
    result::{StreamKey, Verdict, WindowResult},
};

/// Characters of a column's name.
const NAME_WIDTH: usize = 30;
/// Blocks in a line at least.
const LEAST_BLOCKS: usize = 10;

/// All windows of all streams.
#[derive(Debug, Default)]
pub(in crate::cli) struct Matrix {
    streams: BTreeMap<StreamKey, Picture>,
}

#[derive(Debug, Default)]
struct Picture {
    starts: Vec<EventTime>,
    /// A cell per window for every column; `None` where the window has no such
    /// column.
    columns: BTreeMap<String, Vec<Option<Cell>>>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    level: Level,
    score: Option<f64>,
}

/// What a block says, in ascending order of what asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Said(Verdict),
    Alarm,
}

impl Level {
    const ALL: [Self; 5] = [
        Self::Said(Verdict::Insufficient),
        Self::Said(Verdict::Stable),
        Self::Said(Verdict::Shifted),
        Self::Said(Verdict::Drifted),
        Self::Alarm,
    ];

    fn block(self) -> (&'static str, Look) {
        match self {
            Self::Said(Verdict::Insufficient) => ("·", Look::Dim),
            Self::Said(Verdict::Stable) => ("░", Look::Dim),
            Self::Said(Verdict::Shifted) => ("▒", Look::Verdict(Verdict::Shifted)),
            Self::Said(Verdict::Drifted) => ("▓", Look::Verdict(Verdict::Drifted)),
            Self::Alarm => ("█", Look::Verdict(Verdict::Drifted)),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Said(verdict) => verdict.as_str(),
            Self::Alarm => "alarm",
        }
    }
}

impl Matrix {
    /// Takes a window; one that is written again replaces itself.
    pub(in crate::cli) fn add(&mut self, window: &WindowResult) {
        let picture = self.streams.entry(window.stream.clone()).or_default();
        let index = match picture.starts.binary_search(&window.start) {
            Ok(index) => index,
            Err(index) => {
                picture.starts.insert(index, window.start);
                for cells in picture.columns.values_mut() {
                    cells.insert(index, None);
                }
                index
            }
        };
        let windows = picture.starts.len();
        for column in &window.features {
            let alarm = window.evidence.iter().any(|evidence| {
                evidence.alarm && evidence.segment.is_none() && evidence.feature == column.feature
            });
            let level = if alarm { Level::Alarm } else { Level::Said(attention(column)) };
            let cells = picture.columns.entry(column.feature.clone()).or_insert_with(|| vec![None; windows]);
            if let Some(cell) = cells.get_mut(index) {
                *cell = Some(Cell { level, score: value(column) });
            }
        }
    }

    /// The pictures; where there are more windows than characters in a line, a
    /// block shows the worst of several.
    pub(in crate::cli) fn render(&self, terminal: Terminal) -> String {
        let mut text = String::new();
        for (stream, picture) in &self.streams {
            picture.render(&stream_text(stream), terminal, &mut text);
        }
        text
    }
}

impl Picture {
    fn render(&self, stream: &str, terminal: Terminal, text: &mut String) {
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else { return };
        let names = self.columns.keys().map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_WIDTH);
        let room = terminal.width.saturating_sub(names + 24).max(LEAST_BLOCKS);
        let per_block = self.starts.len().div_ceil(room);
        let of = if per_block > 1 { format!(", a block for {per_block}") } else { String::new() };
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{}: {} windows from {} to {}{of}",
            shortened(stream, NAME_WIDTH),
            self.starts.len(),
            time_text(*first),
            time_text(*last)
        );
        let blocks = self.starts.len().div_ceil(per_block);
        let head = format!("{:<names$}  {:<blocks$}  {:>8} {:>8}", "", "", "largest", "last");
        let _ = writeln!(text, "{}", terminal.show(&head, Look::Dim));
        for (name, cells) in self.by_attention() {
            let _ = write!(text, "{:<names$}  ", shortened(name, NAME_WIDTH));
            for block in cells.chunks(per_block) {
                let worst = block.iter().flatten().map(|cell| cell.level).max();
                let (glyph, look) = worst.map_or(("·", Look::Dim), Level::block);
                text.push_str(&terminal.show(glyph, look));
            }
            let scores = || cells.iter().flatten().filter_map(|cell| cell.score);
            let _ = writeln!(
                text,
                "  {:>8} {:>8}",
                number(scores().max_by(f64::total_cmp), 3),
                number(scores().next_back(), 3)
            );
        }
        let legend = Level::ALL.map(|level| {
            let (glyph, look) = level.block();
            format!("{} {}", terminal.show(glyph, look), terminal.show(level.word(), Look::Dim))
        });
        let _ = writeln!(text, "{}", legend.join("  "));
    }

    /// The columns, those with most windows that ask for attention first.
    fn by_attention(&self) -> Vec<(&str, &[Option<Cell>])> {
        let windows = |cells: &[Option<Cell>], level: Level| {
            cells.iter().flatten().filter(|cell| cell.level >= level).count()
        };
        let largest = |cells: &[Option<Cell>]| {
            cells.iter().flatten().filter_map(|cell| cell.score).fold(f64::NEG_INFINITY, f64::max)
        };
        let key = |cells: &[Option<Cell>]| {
            [Level::Alarm, Level::Said(Verdict::Drifted), Level::Said(Verdict::Shifted)]
                .map(|level| windows(cells, level))
        };
        let mut columns: Vec<_> =
            self.columns.iter().map(|(name, cells)| (name.as_str(), cells.as_slice())).collect();
        columns.sort_by(|(_, a), (_, b)| key(b).cmp(&key(a)).then_with(|| largest(b).total_cmp(&largest(a))));
        columns
    }
}
