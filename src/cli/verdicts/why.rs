//! Why a model predicted what it did, in all windows of a replay: a table per
//! output, in which each feature's share stands in the reference, at the
//! beginning, at the end and where it was furthest from the reference.

use std::collections::BTreeMap;

use super::{
    percent, significant, stream_text,
    table::{Cell, Table},
    terminal::{Look, Terminal, shortened},
    time_text,
};
use crate::{
    cli::event_files::plural,
    event::EventTime,
    result::{FeatureAttribution, OutputExplanation, StreamKey, Verdict, WindowExplanation},
};

/// Characters of the name of a stream or an output.
const NAME_WIDTH: usize = 40;
/// Features in a table; the rest move little.
const MOST_FEATURES: usize = 25;

/// The explained windows so far, by stream.
#[derive(Debug, Default)]
pub(in crate::cli) struct Why {
    streams: BTreeMap<StreamKey, BTreeMap<EventTime, WindowExplanation>>,
}

impl Why {
    /// Takes a window, in place of an earlier explanation of it.
    pub(in crate::cli) fn add(&mut self, window: &WindowExplanation) {
        let windows = self.streams.entry(window.stream.clone()).or_default();
        windows.insert(window.end, window.clone());
    }

    /// The tables; empty when nothing was explained.
    pub(in crate::cli) fn render(&self, terminal: Terminal) -> String {
        let mut text = String::new();
        for (stream, windows) in &self.streams {
            let outputs = windows.values().next_back().map_or(0, |window| window.outputs.len());
            for place in 0..outputs {
                text += &of_output(stream, windows, place, terminal);
            }
        }
        text
    }
}

/// A window and one of its outputs.
type Explained<'a> = (&'a WindowExplanation, &'a OutputExplanation);

fn of_output(
    stream: &StreamKey,
    windows: &BTreeMap<EventTime, WindowExplanation>,
    place: usize,
    terminal: Terminal,
) -> String {
    let explained: Vec<Explained<'_>> =
        windows.values().filter_map(|window| Some((window, window.outputs.get(place)?))).collect();
    let (Some(&(window, output)), Some(&(first, _))) = (explained.last(), explained.first()) else {
        return String::new();
    };
    let head = format!(
        "why {}, output {}: {} explained from {} to {}",
        shortened(&stream_text(stream), NAME_WIDTH),
        shortened(&output.output, NAME_WIDTH),
        plural(explained.len() as u64, "window"),
        time_text(first.end),
        time_text(window.end)
    );
    let how = &window.provenance;
    let method = format!(
        "{} by {}, {} beside {}; attributions add up in {} from {}",
        shortened(&how.model_kind, NAME_WIDTH),
        how.method.as_str(),
        plural(window.rows, "row"),
        plural(how.background_rows, "background row"),
        output.space,
        significant(Some(output.base_value))
    );
    let mut text = terminal.paragraph(&head, 0, Look::Plain);
    text += &terminal.paragraph(&method, 2, Look::Plain);
    if let Some(line) = verdicts(&explained) {
        text += &terminal.paragraph(&line, 2, Look::Plain);
    }
    for note in notes(&explained) {
        text += &terminal.paragraph(&note, 2, Look::Bold);
    }
    let mut table = table(&explained);
    table.narrow(terminal, 2, &["on"]);
    text += &table.render(terminal, 2);
    text
}

/// What the windows say together; `None` when none could be compared.
fn verdicts(explained: &[Explained<'_>]) -> Option<String> {
    let judged = explained.iter().filter_map(|(window, output)| Some((window.end, output.drift.as_ref()?)));
    let (end, most) = judged.clone().max_by(|a, b| a.1.total_variation.total_cmp(&b.1.total_variation))?;
    let counts = Verdict::ALL.into_iter().rev().filter_map(|verdict| {
        let count = judged.clone().filter(|(_, drift)| drift.verdict == verdict).count();
        (count > 0).then(|| format!("{} {count}", verdict.as_str()))
    });
    Some(format!(
        "{}; importance moved most by {}: total variation {}, where {} is noise",
        counts.collect::<Vec<_>>().join(", "),
        time_text(end),
        significant(Some(most.total_variation)),
        significant(Some(most.total_variation_noise))
    ))
}

/// What a reader has to know before the table.
fn notes(explained: &[Explained<'_>]) -> Vec<String> {
    let mut notes = Vec::new();
    let given_up = explained.iter().filter(|(window, _)| window.rows_given_up > 0).count();
    if given_up > 0 {
        notes.push(format!(
            "{} with fewer rows than were wanted: the budget of evaluations is small",
            plural(given_up as u64, "window")
        ));
    }
    let is_other = |output: &OutputExplanation| output.logged.as_ref().is_some_and(|gap| gap.share > 0.5);
    let others = explained.iter().filter(|(_, output)| is_other(output)).count();
    if others > 0 {
        notes.push(format!(
            "{} whose logged predictions are mostly not this model's",
            plural(others as u64, "window")
        ));
    }
    let last = explained.last().and_then(|(window, _)| window.provenance.surrogate_r2);
    if let Some(r2) = last {
        notes.push(format!(
            "a surrogate: it explains {} of the predictions' variance, and ranks features; what it says of one is \
             not what the model would",
            percent(Some(r2))
        ));
    }
    notes
}

fn table(explained: &[Explained<'_>]) -> Table {
    let mut table =
        Table::new(["feature", "reference", "first", "last", "furthest", "on", "drifted", "shifted"]);
    let Some((_, last)) = explained.last() else { return table };
    for feature in last.features.iter().take(MOST_FEATURES) {
        let of = |(window, output): &Explained<'_>| {
            let found = output.features.iter().find(|other| other.feature == feature.feature)?.clone();
            Some((window.end, found))
        };
        let all: Vec<_> = explained.iter().filter_map(of).collect();
        let share =
            |shown: Option<&(EventTime, FeatureAttribution)>| percent(shown.and_then(|(_, one)| one.share));
        // Windows that could not be compared are as far as any other.
        let change = |one: &FeatureAttribution| Some(one.drift.as_ref()?.share_change?.abs());
        let compared = all.iter().filter_map(|shown| Some((change(&shown.1)?, shown)));
        let furthest = compared.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, shown)| shown);
        let count = |verdict: Verdict| {
            let is_it =
                |one: &FeatureAttribution| one.drift.as_ref().is_some_and(|drift| drift.verdict == verdict);
            all.iter().filter(|(_, one)| is_it(one)).count() as u64
        };
        let reference = feature.drift.as_ref().and_then(|drift| drift.reference_share);
        table.push(vec![
            Cell::plain(feature.feature.as_str()),
            Cell::plain(percent(reference)),
            Cell::plain(share(all.first())),
            Cell::plain(share(all.last())),
            Cell::plain(share(furthest)),
            Cell::new(furthest.map_or_else(|| "-".to_owned(), |(end, _)| time_text(*end)), Look::Dim),
            Cell::count(count(Verdict::Drifted), Look::Verdict(Verdict::Drifted)),
            Cell::count(count(Verdict::Shifted), Look::Verdict(Verdict::Shifted)),
        ]);
    }
    table
}
