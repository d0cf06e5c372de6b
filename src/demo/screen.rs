//! The terminal: where the picture is painted, and given back as it was.

use std::{
    io::{self, Stdout, Write as _},
    time::Duration,
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor},
    terminal::{
        self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen,
    },
};

use super::picture::{Glyphs, Line, Style};
use crate::result::{Decision, Verdict};

/// A terminal that is ours until this is dropped, however the program ends
/// short of being killed.
#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    size: (u16, u16),
}

impl Screen {
    /// Takes the terminal over: a second screen, no cursor, keys one by one.
    ///
    /// # Errors
    /// When it is no terminal, or one that can't do that.
    pub(super) fn open() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        // From here on dropping it gives the terminal back.
        let mut screen = Self { out: io::stdout(), size: (0, 0) };
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Columns and lines.
    pub(super) fn size() -> (u16, u16) {
        terminal::size().unwrap_or((80, 24))
    }

    /// Block characters where the locale says that the terminal knows them.
    pub(super) fn glyphs() -> Glyphs {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(std::env::var_os)
            .find(|value| !value.is_empty());
        let locale = locale.map(|value| value.to_string_lossy().to_lowercase().replace('-', ""));
        if locale.is_some_and(|locale| locale.contains("utf8")) { Glyphs::UNICODE } else { Glyphs::ASCII }
    }

    /// Paints a whole picture of the terminal's size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn paint(&mut self, lines: &[Line], size: (u16, u16)) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate)?;
        if size != self.size {
            queue!(self.out, Clear(ClearType::All))?;
            self.size = size;
        }
        for (row, line) in (0..).zip(lines) {
            queue!(self.out, MoveTo(0, row))?;
            for (text, style) in line {
                apply(&mut self.out, *style)?;
                queue!(self.out, Print(text), SetAttribute(Attribute::Reset), ResetColor)?;
            }
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(self.out, EndSynchronizedUpdate)?;
        self.out.flush()
    }

    /// Whether it is time to stop: `q`, Escape or Ctrl-C was pressed, or the
    /// terminal is gone, which reads as an error for ever.
    pub(super) fn asks_to_stop() -> bool {
        while event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Press && is_stop(key) => return true,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
        false
    }
}

fn is_stop(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) || is_interrupt
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing more can be done about a terminal that is gone.
        let _ = execute!(self.out, Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

fn apply(out: &mut Stdout, style: Style) -> io::Result<()> {
    match style {
        Style::Plain | Style::Decision(Decision::Hold) => Ok(()),
        Style::Title => queue!(out, SetAttribute(Attribute::Reverse), SetAttribute(Attribute::Bold)),
        Style::Dim | Style::Verdict(Verdict::Insufficient) => {
            queue!(out, SetForegroundColor(Color::AnsiValue(245)))
        }
        Style::Verdict(Verdict::Stable) => queue!(out, SetForegroundColor(Color::AnsiValue(71))),
        Style::Verdict(Verdict::Shifted) => queue!(out, SetForegroundColor(Color::AnsiValue(178))),
        Style::Verdict(Verdict::Drifted) => queue!(out, SetForegroundColor(Color::AnsiValue(203))),
        Style::Decision(decision) => {
            let colour = if decision == Decision::Promote { 71 } else { 203 };
            queue!(out, SetForegroundColor(Color::AnsiValue(colour)), SetAttribute(Attribute::Bold))
        }
        Style::Alarm => queue!(out, SetForegroundColor(Color::AnsiValue(177)), SetAttribute(Attribute::Bold)),
        Style::Incident => {
            queue!(out, SetForegroundColor(Color::AnsiValue(209)), SetAttribute(Attribute::Bold))
        }
    }
}
