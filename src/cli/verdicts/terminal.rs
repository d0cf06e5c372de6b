//! What the terminal shows: how wide, and whether in colour.

use std::io::{self, IsTerminal as _};

use crossterm::{
    style::{Color, Stylize as _},
    terminal,
};

use crate::{cli::event_files::stdout_has_colour, result::Verdict};

/// Characters in a line of a pipe, or of a terminal that does not tell.
pub(super) const DEFAULT_WIDTH: usize = 100;
/// Characters below which nothing can be laid out.
const LEAST_WIDTH: usize = 80;

/// Where text goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Terminal {
    /// Whether it shows colours.
    pub(in crate::cli) colour: bool,
    /// Characters in a line.
    pub(in crate::cli) width: usize,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    /// What is there for completeness.
    Dim,
    /// What the eye should find first.
    Bold,
    Verdict(Verdict),
    Alarm,
}

impl Terminal {
    /// Standard output.
    pub(in crate::cli) fn of_stdout() -> Self {
        let size = if io::stdout().is_terminal() { terminal::size().ok() } else { None };
        let width = size.map_or(DEFAULT_WIDTH, |(columns, _)| usize::from(columns).max(LEAST_WIDTH));
        Self { colour: stdout_has_colour(), width }
    }

    /// Text as it should look.
    pub(super) fn show(self, text: &str, look: Look) -> String {
        if !self.colour || text.trim().is_empty() {
            return text.to_owned();
        }
        let styled = match look {
            Look::Plain | Look::Verdict(Verdict::Stable) => return text.to_owned(),
            Look::Dim | Look::Verdict(Verdict::Insufficient) => text.with(Color::DarkGrey),
            Look::Bold => text.bold(),
            Look::Verdict(Verdict::Shifted) => text.with(Color::Yellow),
            Look::Verdict(Verdict::Drifted) => text.with(Color::Red),
            Look::Alarm => text.with(Color::Red).reverse(),
        };
        styled.to_string()
    }

    /// The text as lines that fit, each behind `indent` blanks.
    pub(super) fn paragraph(self, text: &str, indent: usize, look: Look) -> String {
        let lines = wrapped(text, self.width.saturating_sub(indent));
        let lines = lines.iter().map(|line| format!("{:indent$}{}\n", "", self.show(line, look)));
        lines.collect::<Vec<_>>().concat()
    }
}

/// At most so many characters of a text, and no control characters: it may
/// come from an event.
pub(super) fn shortened(text: &str, width: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= width {
        return text.chars().map(clean).collect();
    }
    text.chars().map(clean).take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines of at most `width` characters, cut between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shortened(word, width);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}
