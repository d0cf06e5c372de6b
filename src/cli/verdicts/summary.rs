//! All windows of a replay in a few tables: the columns, what checks found,
//! and the further references side by side.

use std::{cmp::Reverse, fmt::Write as _};

use super::{
    check_text, score_symbol, stream_text,
    table::{Cell, Table},
    tally::{CheckTally, ColumnKey, ColumnTally, SeveralTally, StreamTally, Tally, VerdictCounts},
    terminal::{DEFAULT_WIDTH, Look, Terminal, shortened},
    time_text,
};
use crate::{
    cli::event_files::plural,
    event::EventTime,
    result::{Check, ScoreName, Verdict},
};

/// Characters of a column's name, its segment included.
const NAME_WIDTH: usize = 40;
/// Characters of a reference's name.
const REFERENCE_WIDTH: usize = 12;

/// What the windows of every stream said.
pub(in crate::cli) fn summary(tally: &Tally, terminal: Terminal) -> String {
    let streams = tally.streams.iter();
    streams.map(|(stream, tally)| of_stream(&stream_text(stream), tally, terminal)).collect()
}

fn of_stream(name: &str, tally: &StreamTally, terminal: Terminal) -> String {
    let columns = by_attention(tally);
    let mut text = heading(name, tally, &columns, terminal);
    let (shown, hidden): (Vec<_>, Vec<_>) =
        columns.iter().partition(|(key, column)| key.segment.is_none() || !column.is_quiet());
    let mut table = column_table(&shown, times_of(tally));
    if terminal.width < DEFAULT_WIDTH {
        table.remove("first alarm");
    }
    text += &table.render(terminal, 2);
    if !hidden.is_empty() {
        let note =
            format!("and {} of segments, stable or with too few values", counted_columns(hidden.len()));
        let _ = writeln!(text, "  {}", terminal.show(&note, Look::Dim));
    }
    text += &checks(tally, &shown, terminal);
    text += &several(tally, terminal);
    text += &references(tally, &shown, terminal);
    text
}

fn heading(
    name: &str,
    tally: &StreamTally,
    columns: &[(&ColumnKey, &ColumnTally)],
    terminal: Terminal,
) -> String {
    let windows = tally.verdicts.total();
    let head = format!(
        "{}: {} of {} from {} to {}, {}",
        shortened(name, NAME_WIDTH),
        plural(windows, "window"),
        tally.window,
        time_text(tally.first),
        time_text(tally.last),
        plural(tally.events, "event")
    );
    let counts = Verdict::ALL.into_iter().rev().filter(|verdict| tally.verdicts.of(*verdict) > 0);
    let counts: Vec<String> = counts
        .map(|verdict| {
            let text = format!("{} {}", tally.verdicts.of(verdict), verdict.as_str());
            terminal.show(&text, Look::Verdict(verdict))
        })
        .collect();
    let alarms = match columns.iter().map(|(_, column)| column.alarms).sum() {
        0 => "no alarm".to_owned(),
        count => terminal.show(&plural(count, "alarm"), Look::Alarm),
    };
    format!("\n{}  {}; {alarms}\n\n", terminal.paragraph(&head, 0, Look::Bold), counts.join(", "))
}

/// The columns, those that ask most to be looked at first.
fn by_attention(tally: &StreamTally) -> Vec<(&ColumnKey, &ColumnTally)> {
    let mut columns: Vec<(&ColumnKey, &ColumnTally)> = tally.columns.iter().collect();
    let effect = |column: &ColumnTally| column.largest.map_or(f64::NEG_INFINITY, |largest| largest.size);
    columns.sort_by(|(_, a), (_, b)| {
        let windows = |column: &ColumnTally| {
            (column.verdicts.of(Verdict::Drifted) + column.found(), column.verdicts.moved())
        };
        let key = |column: &ColumnTally| Reverse((column.alarms > 0, windows(column), column.alarms));
        key(a).cmp(&key(b)).then_with(|| effect(b).total_cmp(&effect(a))).then_with(|| a.place.cmp(&b.place))
    });
    columns
}

fn column_table(columns: &[&(&ColumnKey, &ColumnTally)], time: impl Fn(EventTime) -> String) -> Table {
    // The effect is the largest of all windows.
    let mut table = Table::new([
        "column",
        "insuff.",
        "stable",
        "shifted",
        "drifted",
        "alarms",
        "first alarm",
        "effect",
        "at",
    ]);
    for (key, column) in columns {
        let verdict = |verdict| Cell::count(column.verdicts.of(verdict), Look::Verdict(verdict));
        let effect = column.largest.map_or_else(
            || "-".to_owned(),
            |largest| match largest.score {
                ScoreName::Psi => format!("{:.3}", largest.size),
                score => format!("{} {:.3}", score_symbol(score), largest.size),
            },
        );
        table.push(vec![
            Cell::plain(name_of(key)),
            verdict(Verdict::Insufficient),
            verdict(Verdict::Stable),
            verdict(Verdict::Shifted),
            verdict(Verdict::Drifted),
            Cell::count(column.alarms, Look::Alarm),
            Cell::plain(column.first_alarm.map(&time).unwrap_or_default()),
            Cell::plain(effect),
            Cell::plain(column.largest.map(|largest| time(largest.at)).unwrap_or_default()),
        ]);
    }
    table
}

/// What checks found, two lines each: where and how often, and its worst in
/// words.
fn checks(tally: &StreamTally, columns: &[&(&ColumnKey, &ColumnTally)], terminal: Terminal) -> String {
    let of_windows = tally.checks.iter().map(|(check, found)| ("all rows".to_owned(), *check, found));
    let of_columns = columns
        .iter()
        .flat_map(|(key, column)| column.checks.iter().map(|(check, found)| (name_of(key), *check, found)));
    let mut all: Vec<(String, Check, &CheckTally)> = of_windows.chain(of_columns).collect();
    if all.is_empty() {
        return "\n  no check found anything\n".to_owned();
    }
    all.sort_by_key(|(_, _, found)| Reverse((found.worst.verdict, found.windows)));
    let mut text = format!("\n  {}\n", terminal.show("what checks found", Look::Dim));
    for (name, check, found) in all {
        let what = format!("{name}: {}", check_text(check));
        let verdict = found.worst.verdict;
        let head = found_said(&what, found.windows, found.first, (verdict, found.worst_at));
        text += &terminal.paragraph(&head, 2, Look::Verdict(verdict));
        text += &terminal.paragraph(&found.worst.detail, 6, Look::Plain);
    }
    text
}

/// What was said about several features at a time, and its worst in words.
fn several(tally: &StreamTally, terminal: Terminal) -> String {
    if tally.several.is_empty() {
        return String::new();
    }
    let mut text = format!("\n  {}\n", terminal.show("several features at a time", Look::Dim));
    for SeveralTally { windows, first, worst, worst_at } in &tally.several {
        let look = Look::Verdict(worst.verdict);
        text += &terminal.paragraph(
            &found_said(worst.name, *windows, *first, (worst.verdict, *worst_at)),
            2,
            look,
        );
        text += &terminal.paragraph(&worst.text, 6, Look::Plain);
    }
    text
}

/// `what in 7 windows from 2026-01-01, drifted at 2026-01-02`.
fn found_said(what: &str, windows: u64, first: EventTime, (worst, at): (Verdict, EventTime)) -> String {
    let windows = plural(windows, "window");
    format!("{what} in {windows} from {}, {} at {}", time_text(first), worst.as_str(), time_text(at))
}

/// How many windows moved against each reference.
fn references(tally: &StreamTally, columns: &[&(&ColumnKey, &ColumnTally)], terminal: Terminal) -> String {
    if tally.references.is_empty() {
        return String::new();
    }
    let names = tally.references.iter().map(|name| shortened(name, REFERENCE_WIDTH));
    let head = ["windows shifted + drifted".to_owned(), "fixed".to_owned()];
    let mut table = Table::new(head.into_iter().chain(names));
    for (key, column) in columns {
        let compared: Vec<VerdictCounts> = tally
            .references
            .iter()
            .map(|name| column.compared.get(name).copied().unwrap_or_default())
            .collect();
        let has_moved = column.verdicts.moved() > 0 || compared.iter().any(|counts| counts.moved() > 0);
        if has_moved && !column.compared.is_empty() {
            let cells = std::iter::once(column.verdicts).chain(compared).map(moved_cell);
            table.push(std::iter::once(Cell::plain(name_of(key))).chain(cells).collect());
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{}", table.render(terminal, 2)) }
}

/// `3 + 12`; a dash where nothing moved, a question mark where there was
/// never enough to tell.
fn moved_cell(counts: VerdictCounts) -> Cell {
    let (shifted, drifted) = (counts.of(Verdict::Shifted), counts.of(Verdict::Drifted));
    if counts.of(Verdict::Insufficient) == counts.total() {
        return Cell::new("?", Look::Dim);
    }
    match (shifted, drifted) {
        (0, 0) => Cell::new("-", Look::Dim),
        (_, 0) => Cell::new(format!("{shifted} + 0"), Look::Verdict(Verdict::Shifted)),
        _ => Cell::new(format!("{shifted} + {drifted}"), Look::Verdict(Verdict::Drifted)),
    }
}

fn name_of(key: &ColumnKey) -> String {
    let name = match &key.segment {
        None => key.column.clone(),
        Some(segment) => format!("{} of {}={}", key.column, segment.feature, segment.value),
    };
    shortened(&name, NAME_WIDTH)
}

fn counted_columns(count: usize) -> String {
    plural(count as u64, "column")
}

/// How times are written: without the year where all windows are of one, and
/// no finer than they begin.
fn times_of(tally: &StreamTally) -> impl Fn(EventTime) -> String {
    let text = |time: EventTime| time.to_string().replace('T', " ");
    let is_one_year = text(tally.first).get(..4) == text(tally.last).get(..4);
    let from = if is_one_year { "YYYY-".len() } else { 0 };
    let until = tally.time_width;
    move |time| text(time).get(from..until).map_or_else(|| text(time), str::to_owned)
}
