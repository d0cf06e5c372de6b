//! Text in columns as wide as what stands in them.

use super::terminal::{Look, Terminal, shortened};

/// Characters between two columns.
const GAP: usize = 2;
/// Characters that the first column has at least.
const LEAST_NAME: usize = 8;

/// Characters that it should have before other columns are left out.
const WANTED_NAME: usize = 24;

/// A piece of text and its look.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    look: Look,
}

/// Rows of cells under a head. The first column stands on the left and gives
/// way when the table is too wide, the others stand on the right.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, look: Look) -> Self {
        Self { text: text.into(), look }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Look::Plain)
    }

    /// A count; none is a dash, since zeros hide what is not zero.
    pub(super) fn count(count: u64, look: Look) -> Self {
        if count == 0 { Self::new("-", Look::Dim) } else { Self::new(crate::ops::grouped(count), look) }
    }
}

impl Table {
    pub(super) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Takes out the column under this head.
    pub(super) fn remove(&mut self, head: &str) {
        if let Some(index) = self.head.iter().position(|text| text == head) {
            self.head.remove(index);
            self.rows.iter_mut().filter(|row| index < row.len()).for_each(|row| drop(row.remove(index)));
        }
    }

    /// Takes out the columns under these heads, one after the other, until the first
    /// column has room.
    pub(super) fn narrow(&mut self, terminal: Terminal, indent: usize, heads: &[&str]) {
        for head in heads {
            let room = terminal.width.saturating_sub(indent);
            let (first, others) = self.natural();
            if first.min(WANTED_NAME) + others <= room {
                return;
            }
            self.remove(head);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each behind `indent` blanks.
    pub(super) fn render(&self, terminal: Terminal, indent: usize) -> String {
        let widths = self.widths(terminal.width.saturating_sub(indent));
        let head: Vec<Cell> = self.head.iter().map(|text| Cell::new(text.as_str(), Look::Dim)).collect();
        let rows = std::iter::once(&head).chain(&self.rows);
        let lines = rows.map(|row| format!("{:indent$}{}\n", "", line(row, &widths, terminal)));
        lines.collect::<Vec<_>>().concat()
    }

    /// The width of the first column, and that of the others with their gaps.
    fn natural(&self) -> (usize, usize) {
        let widths = self.natural_widths();
        let others = widths.iter().skip(1).map(|width| width + GAP).sum();
        (widths.first().copied().unwrap_or(0), others)
    }

    fn natural_widths(&self) -> Vec<usize> {
        let length = |text: &str| text.chars().count();
        let mut widths: Vec<usize> = self.head.iter().map(|text| length(text)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(length(&cell.text));
            }
        }
        widths
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let mut widths = self.natural_widths();
        let (_, others) = self.natural();
        if let Some(first) = widths.first_mut() {
            *first = (*first).min(room.saturating_sub(others)).max(LEAST_NAME);
        }
        widths
    }
}

fn line(row: &[Cell], widths: &[usize], terminal: Terminal) -> String {
    let mut line = String::new();
    for (index, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let text = shortened(&cell.text, width);
        let blanks = " ".repeat(width - text.chars().count());
        let text = terminal.show(&text, cell.look);
        if index == 0 {
            line = text + &blanks;
        } else {
            line = format!("{line}{:GAP$}{blanks}{text}", "");
        }
    }
    line.trim_end().to_owned()
}
