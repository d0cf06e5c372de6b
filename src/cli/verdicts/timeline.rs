//! What would have fired: the alerts of a replay, in order of event time.
//!
//! Promises: what a late row has taken back is not in it.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    table::{Cell, Table},
    terminal::{Look, Terminal, shortened},
    time_text,
};
use crate::{
    alert::{Alert, AlertOutputs, AlertRecord, AlertStatus, Reason, RecordState, Rule, SUMMARY, Severity},
    cli::event_files::plural,
    event::EventTime,
    window::duration_text,
};

/// Lines of the timeline; a reader of more wants them as NDJSON.
const MOST_LINES: usize = 200;
/// Characters of a rule's name.
const RULE_WIDTH: usize = 20;
/// Characters of a time.
const TIME_WIDTH: usize = 16;
/// Characters of a state.
const STATE_WIDTH: usize = 8;

/// The alerts so far.
#[derive(Debug, Default)]
pub(in crate::cli) struct Timeline {
    /// By time and alert.
    records: BTreeMap<(EventTime, String), AlertRecord>,
    /// By why they were made.
    told: BTreeMap<&'static str, u64>,
}

impl Timeline {
    /// Takes what a step gave.
    pub(in crate::cli) fn add(&mut self, alerts: &AlertOutputs) {
        for record in &alerts.records {
            let key = (record.at, record.alert.fingerprint.clone());
            if record.state == RecordState::Withdrawn {
                self.records.remove(&key);
            } else {
                self.records.insert(key, record.clone());
            }
        }
        for notification in &alerts.notifications {
            *self.told.entry(notification.reason.as_str()).or_default() += 1;
        }
    }

    /// The changes in order.
    pub(in crate::cli) fn records(&self) -> impl Iterator<Item = &AlertRecord> {
        self.records.values()
    }

    /// The timeline, and what came of each of these rules.
    pub(in crate::cli) fn render(&self, rules: &[Rule], terminal: Terminal) -> String {
        let fired = self.records().filter(|record| record.state == RecordState::Firing).count();
        let mut head = format!("Alerts: {}", plural(fired as u64, "alert"));
        let told = |reason: Reason| self.told.get(reason.as_str()).copied().unwrap_or(0);
        let _ = write!(
            head,
            ", told in {} ({} new, {} over, {} repeated) by event time",
            plural(self.told.values().sum(), "notification"),
            told(Reason::New),
            told(Reason::Resolved),
            told(Reason::Repeated)
        );
        let mut text = format!("\n{}", terminal.paragraph(&head, 0, Look::Bold));
        if !self.records.is_empty() {
            text.push('\n');
        }
        for record in self.records().take(MOST_LINES) {
            text += &line(record, terminal);
        }
        if let Some(more) = self.records.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            let note = format!("and {more} more; --output ndjson gives all");
            let _ = writeln!(text, "  {}", terminal.show(&note, Look::Dim));
        }
        text + "\n" + &self.by_rule(rules).render(terminal, 2)
    }

    fn by_rule(&self, rules: &[Rule]) -> Table {
        let mut table = Table::new(["rule", "severity", "alerts", "still firing", "longest"]);
        for rule in rules {
            let of_rule = || self.records().filter(|record| record.alert.rule == rule.name);
            let fired = of_rule().filter(|record| record.state == RecordState::Firing).count();
            let over = of_rule().filter(|record| record.state == RecordState::Resolved).count();
            let longest = of_rule().filter_map(|record| lasted(&record.alert)).max();
            let look = if fired > 0 { severity_look(rule.severity) } else { Look::Dim };
            table.push(vec![
                Cell::new(shortened(&rule.name, RULE_WIDTH), look),
                Cell::new(rule.severity.as_str(), look),
                Cell::count(fired as u64, look),
                Cell::count(fired.saturating_sub(over) as u64, look),
                Cell::new(longest.map_or_else(|| "-".to_owned(), duration_text), look),
            ]);
        }
        table
    }
}

/// How long an alert lasted that is over.
fn lasted(alert: &Alert) -> Option<i64> {
    let end = alert.ends_at.filter(|_| alert.status == AlertStatus::Resolved)?;
    Some(end.0.saturating_sub(alert.starts_at.0))
}

fn severity_look(severity: Severity) -> Look {
    match severity {
        Severity::Critical => Look::Alarm,
        Severity::Warning => Look::Bold,
        Severity::Info => Look::Plain,
    }
}

/// One change.
fn line(record: &AlertRecord, terminal: Terminal) -> String {
    let alert = &record.alert;
    let (state, look, note) = if record.state == RecordState::Firing {
        ("fires", severity_look(alert.severity), String::new())
    } else {
        let after = lasted(alert).map(|ms| format!(", after {}", duration_text(ms)));
        ("is over", Look::Dim, after.unwrap_or_default())
    };
    let head = format!(
        "  {:<TIME_WIDTH$}  {}  {:<RULE_WIDTH$}  ",
        time_text(record.at),
        terminal.show(&format!("{state:<STATE_WIDTH$}"), look),
        shortened(&alert.rule, RULE_WIDTH)
    );
    let taken = 2 + TIME_WIDTH + 2 + STATE_WIDTH + 2 + RULE_WIDTH + 2;
    let room = terminal.width.saturating_sub(taken + note.chars().count());
    format!("{head}{}{note}\n", shortened(alert.annotation(SUMMARY), room))
}
