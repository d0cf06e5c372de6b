//! One test, run.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use super::{
    file::{Series, Test, TestFile},
    values::Item,
};
use crate::{
    alert::{
        Alert, AlertOutputs, AlertSettings, Alerts, LABEL_RULE, LABEL_SEVERITY, Labels, Observed, Rule,
        SUMMARY, VisitRow, VitalRow, Vitals,
        vitals::{COMPONENT, EVERY_MS, METRIC, MODEL},
    },
    event::EventTime,
    result::{
        BinShare, StreamKey, UNNAMED, Verdict,
        schema::{Fields, Row, TAG_EXPERIMENT, TAG_MODEL, TAG_VARIANT, TAG_VERSION, Tag, Value},
    },
    window::WindowSettings,
};

/// 2026-01-01T00:00:00Z: the first window begins here.
const START: i64 = 1_767_225_600_000;
/// Tests count in windows, so how long one is makes no difference.
const WINDOW_MS: i64 = 3_600_000;

/// An expectation that was not met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    window: usize,
    expected: Vec<String>,
    found: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |alerts: &[String]| {
            if alerts.is_empty() { "nothing".to_owned() } else { alerts.join("\n            ") }
        };
        writeln!(f, "window {}", self.window)?;
        writeln!(f, "  expected: {}", list(&self.expected))?;
        write!(f, "  fires:    {}", list(&self.found))
    }
}

/// One row of one window.
struct TestRow {
    measurement: String,
    tags: Labels,
    fields: Vec<(String, Item)>,
}

impl Fields for TestRow {
    fn at(&self, index: usize) -> Option<(&str, Option<Value<'_>>)> {
        // A row that is insufficient says so in its verdict, as real ones do.
        if index == self.fields.len() {
            let is_insufficient = self.fields.iter().any(|(_, item)| *item == Item::Insufficient);
            let word = Value::Text(Verdict::Insufficient.as_str().into());
            return is_insufficient.then_some(("verdict", Some(word)));
        }
        let (name, item) = self.fields.get(index)?;
        let value = match item {
            Item::Number(number) => Some(Value::Float(*number)),
            Item::Word(word) => Some(Value::Text(word.as_str().into())),
            Item::NoData | Item::Insufficient => None,
        };
        Some((name, value))
    }
}

impl TestRow {
    fn has_no_data(&self) -> bool {
        self.fields.iter().all(|(_, item)| *item == Item::NoData)
    }
}

/// The rows of one stream in one window.
struct TestWindow {
    stream: StreamKey,
    end: EventTime,
    rows: Vec<TestRow>,
}

impl Observed for TestWindow {
    fn stream(&self) -> Cow<'_, StreamKey> {
        Cow::Borrowed(&self.stream)
    }

    fn times(&self) -> (EventTime, EventTime) {
        (self.end.plus_ms(-WINDOW_MS), self.end)
    }

    fn rows(&self, visit: &mut VisitRow<'_>) {
        for row in &self.rows {
            let tags: Vec<Tag<'_>> =
                row.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            visit(Row { measurement: &row.measurement, tags: &tags, fields: row });
        }
    }

    fn has_no_data(&self, row: &Row<'_>) -> bool {
        row.fields().all(|(_, value)| value.is_none())
    }

    fn bins(&self, _row: &Row<'_>) -> &[BinShare] {
        &[]
    }
}

/// Runs a test; gives the expectations that were not met.
pub(super) fn check(test: &Test, file: &TestFile, rules: &[Rule]) -> Vec<Failure> {
    let mut run = Run::new(file, rules);
    let last = test.expect.iter().map(|expectation| expectation.window).max().unwrap_or(0);
    let series: Vec<RowSeries<'_>> = test.series.iter().map(RowSeries::new).collect();
    let mut failures = Vec::new();
    for number in 1..=last {
        run.feed(&series, number);
        let mut expected = test.expect.iter().filter(|expectation| expectation.window == number).peekable();
        if expected.peek().is_some() {
            let firing = run.firing();
            failures.extend(expected.filter_map(|expectation| compare(number, &expectation.firing, &firing)));
        }
    }
    failures
}

/// The rules at work.
struct Run {
    alerts: Alerts,
    max_empty_windows: u32,
    /// Of each stream that has begun: how many windows in a row had nothing.
    empty: BTreeMap<StreamKey, u32>,
}

impl Run {
    fn new(file: &TestFile, rules: &[Rule]) -> Self {
        let max_empty_windows = file.max_empty_windows;
        let windows = WindowSettings {
            size_ms: WINDOW_MS,
            slide_ms: WINDOW_MS,
            max_empty_windows,
            ..WindowSettings::default()
        };
        let settings = AlertSettings { rules: rules.to_vec(), ..AlertSettings::default() };
        Self { alerts: Alerts::new(settings, &windows), max_empty_windows, empty: BTreeMap::new() }
    }

    /// What fires now.
    fn firing(&self) -> Vec<Alert> {
        let fires = |state: &str| ["firing", "recovering"].contains(&state);
        self.alerts.views().into_iter().filter(|view| fires(view.state)).map(|view| view.alert).collect()
    }

    /// Shows the rules the window of this number.
    fn feed(&mut self, series: &[RowSeries<'_>], number: usize) {
        let steps = i64::try_from(number).unwrap_or(i64::MAX);
        let (clock, rows): (Vec<TestRow>, Vec<TestRow>) = rows(series, number)
            .into_iter()
            .partition(|row| [MODEL, COMPONENT, METRIC].contains(&row.measurement.as_str()));
        let mut out = AlertOutputs::default();
        let end = EventTime(START.saturating_add(steps.saturating_mul(WINDOW_MS)));
        for (stream, rows) in by_stream(rows) {
            if self.has_window(&stream, &rows) {
                // Late events are no matter of rules: every window is final.
                self.alerts.window(&TestWindow { stream, end, rows }, Some(end.0), &mut out);
            }
        }
        self.alerts.tick(end, Some(end.0), &mut out);
        if !clock.is_empty() {
            let now = EventTime(START.saturating_add(steps.saturating_mul(EVERY_MS)));
            let rows = clock.iter().filter(|row| !row.has_no_data()).map(vital).collect();
            self.alerts.vitals(&Vitals { now, is_reading: false, models: Vec::new(), rows }, &mut out);
        }
    }

    /// Whether the stream has a window at all: none does before its first event,
    /// or when it has been empty for too long.
    fn has_window(&mut self, stream: &StreamKey, rows: &[TestRow]) -> bool {
        if !rows.iter().all(TestRow::has_no_data) {
            self.empty.insert(stream.clone(), 0);
            return true;
        }
        self.empty.get_mut(stream).is_some_and(|empty| {
            *empty = empty.saturating_add(1);
            *empty <= self.max_empty_windows
        })
    }
}

fn by_stream(rows: Vec<TestRow>) -> BTreeMap<StreamKey, Vec<TestRow>> {
    let mut windows: BTreeMap<StreamKey, Vec<TestRow>> = BTreeMap::new();
    for row in rows {
        let tag = |name: &str| row.tags.get(name).cloned().unwrap_or_default();
        // An experiment has no variant, and a stream of its own.
        let of_variant = tag(TAG_VARIANT);
        let variant = if of_variant.is_empty() { tag(TAG_EXPERIMENT) } else { of_variant };
        let stream = StreamKey { model: tag(TAG_MODEL), version: tag(TAG_VERSION), variant };
        windows.entry(stream).or_default().push(row);
    }
    windows
}

fn vital(row: &TestRow) -> VitalRow {
    let number = |(name, item): &(String, Item)| match item {
        Item::Number(number) => Some((name.clone(), *number)),
        _ => None,
    };
    VitalRow {
        measurement: [MODEL, COMPONENT].into_iter().find(|name| row.measurement == *name).unwrap_or(METRIC),
        tags: row.tags.clone(),
        fields: row.fields.iter().filter_map(number).collect(),
    }
}

/// A series with what it is about.
struct RowSeries<'a> {
    measurement: &'a str,
    field: &'a str,
    tags: Labels,
    items: Vec<Item>,
}

impl<'a> RowSeries<'a> {
    fn new(series: &'a Series) -> Self {
        let (measurement, field) = series.names();
        Self { measurement, field, tags: series.row_tags(), items: series.items() }
    }
}

/// Series of the same row together, at the window of this number. A series that
/// has ended has no data.
fn rows(series: &[RowSeries<'_>], number: usize) -> Vec<TestRow> {
    let mut rows: BTreeMap<(&str, &Labels), Vec<(String, Item)>> = BTreeMap::new();
    for one in series {
        let item = one.items.get(number - 1).cloned().unwrap_or(Item::NoData);
        rows.entry((one.measurement, &one.tags)).or_default().push((one.field.to_owned(), item));
    }
    let row = |((measurement, tags), fields): ((&str, &Labels), _)| TestRow {
        measurement: measurement.to_owned(),
        tags: tags.clone(),
        fields,
    };
    rows.into_iter().map(row).collect()
}

/// Whether what fires is what is expected, one for one.
fn compare(window: usize, expected: &[Labels], firing: &[Alert]) -> Option<Failure> {
    let mut left: Vec<&Alert> = firing.iter().collect();
    let mut is_met = true;
    for labels in expected {
        match left.iter().position(|alert| fits(labels, alert)) {
            Some(place) => {
                left.remove(place);
            }
            None => is_met = false,
        }
    }
    let text = |name: &str, labels: &Labels| {
        let parts: Vec<String> = labels
            .iter()
            .filter(|(key, _)| *key != "rule")
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        format!("{name} {{{}}}", parts.join(", "))
    };
    let found = |alert: &Alert| {
        let mut labels = alert.labels.clone();
        let is_untold =
            |name: &str, value: &str| [TAG_VERSION, TAG_VARIANT].contains(&name) && value == UNNAMED;
        labels.retain(|name, value| {
            ![LABEL_RULE, LABEL_SEVERITY].contains(&name.as_str()) && !is_untold(name, value)
        });
        labels.insert(SUMMARY.to_owned(), alert.annotation(SUMMARY).to_owned());
        text(&alert.rule, &labels)
    };
    (!is_met || !left.is_empty()).then(|| Failure {
        window,
        expected: expected
            .iter()
            .map(|labels| text(labels.get("rule").map_or("", String::as_str), labels))
            .collect(),
        found: firing.iter().map(found).collect(),
    })
}

fn fits(labels: &Labels, alert: &Alert) -> bool {
    labels.iter().all(|(name, value)| match name.as_str() {
        "rule" => alert.rule == *value,
        SUMMARY => alert.annotation(SUMMARY) == value,
        name => alert.label(name) == value,
    })
}
