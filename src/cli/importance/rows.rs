//! Labelled rows of files: which are used, as inputs of the model.
//!
//! The label of a row of a table stands in it. Of lines that are events, it is
//! in the event, or in an event of its own with the same id anywhere in the
//! files; these labels are held in memory meanwhile.
//!
//! Promises: of more rows than are wanted, those with the smallest hashes of
//! their ids (of the whole row, without one) are used: the same in any order of
//! the files. All that is left out is counted with the reason.

use std::{
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

use anyhow::bail;

use super::labels::Label;
use crate::{
    cli::event_files::{plural, row_bar, timeless_mapping},
    decode::{Decoder, Envelope, Row, Schema},
    event::{EventKind, Message, MessageBatch},
    explain::InputMap,
    profile::{Cell, row_hash},
    source::files::EventFiles,
};

/// Events between two looks at the progress.
const BATCH_EVENTS: usize = 1_024;

/// Labelled rows, in the order of their hashes.
#[derive(Debug)]
pub(super) struct LabelledSample {
    /// As the model takes them, one after the other.
    pub(super) inputs: Vec<f64>,
    pub(super) labels: Vec<Label>,
    /// Rows that could be used before a sample was taken.
    pub(super) usable: u64,
    /// Rows that are not used, by reason.
    pub(super) left_out: BTreeMap<String, LeftOut>,
}

/// Rows that are not used for one reason.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) rows: u64,
    /// What was wrong with the first, where there is more to say.
    pub(super) first: Option<String>,
}

impl LabelledSample {
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Leaves the rows out that are not to be kept.
    pub(super) fn keep(&mut self, is_kept: &[bool], reason: &str) {
        let width = self.inputs.len() / self.labels.len().max(1);
        let lost = is_kept.iter().filter(|is_kept| !**is_kept).count() as u64;
        if lost == 0 {
            return;
        }
        let rows = self.inputs.chunks(width.max(1)).zip(is_kept).filter(|(_, is_kept)| **is_kept);
        self.inputs = rows.flat_map(|(row, _)| row.iter().copied()).collect();
        let mut kept = is_kept.iter();
        self.labels.retain(|_| kept.next().copied().unwrap_or(false));
        self.left_out.entry(reason.to_owned()).or_default().rows += lost;
        self.usable = self.usable.saturating_sub(lost);
    }
}

/// Takes the labelled rows of `files` that belong to a model with this name and
/// these columns.
pub(super) fn sample(
    files: &EventFiles,
    (model, schema): (&str, Schema),
    inputs: &InputMap,
    most: usize,
) -> anyhow::Result<LabelledSample> {
    let mut decoder = Decoder::new(&timeless_mapping(files), usize::MAX, [model.to_owned()]);
    decoder.set_schema(0, schema);
    let mut taker = Taker {
        inputs,
        most,
        known: BTreeSet::new(),
        by_id: None,
        waiting: None,
        kept: BinaryHeap::new(),
        usable: 0,
        left_out: BTreeMap::new(),
        rows: 0,
    };
    if files.have_events() {
        let mut labels = HashMap::new();
        each(files, &mut decoder, "looking for labels", &mut |_, decoded| {
            if let Ok((envelope, _)) = decoded {
                taker.note_label(&envelope, &mut labels);
            }
        })?;
        taker.by_id = Some(labels);
    }
    each(files, &mut decoder, "taking the rows", &mut |message, decoded| match decoded {
        Ok((envelope, row)) => taker.take(&envelope, message, row),
        Err(refused) => taker.leave_out(format!("refused as {}", refused.reason), Some(refused.detail)),
    })?;
    taker.no_label_came();
    taker.finish()
}

type Decoded<'m, 'r> = Result<(Envelope<'m>, &'r Row), crate::event::Reject>;

/// Gives every event of the files, decoded, to `take`.
fn each(
    files: &EventFiles,
    decoder: &mut Decoder,
    doing: &'static str,
    take: &mut dyn FnMut(&Message<'_>, Decoded<'_, '_>),
) -> anyhow::Result<()> {
    let bar = row_bar(files, doing);
    // The order of rows makes no difference.
    let mut reader = files.events(i64::MAX);
    let (mut batch, mut row) = (MessageBatch::default(), Row::default());
    let mut more = true;
    while more {
        batch.clear();
        more = reader.fill(&mut batch, BATCH_EVENTS)?;
        for message in batch.iter() {
            let decoded = decoder.decode(&message, "", &mut row);
            take(&message, decoded.map(|envelope| (envelope, &row)));
        }
        bar.set_position(reader.rows_done());
    }
    bar.finish_and_clear();
    Ok(())
}

/// Takes rows and their labels.
struct Taker<'a> {
    inputs: &'a InputMap,
    most: usize,
    /// Texts of labels, each once.
    known: BTreeSet<Arc<str>>,
    /// Labels that are events of their own, by the hashes of ids; `None` of
    /// tables, where they follow their rows.
    by_id: Option<HashMap<u64, Label>>,
    /// A row of a table whose label may be next.
    waiting: Option<(u64, Vec<Cell>)>,
    kept: BinaryHeap<Kept>,
    usable: u64,
    left_out: BTreeMap<String, LeftOut>,
    rows: u64,
}

/// A row that is kept; the greatest is the first to go.
#[derive(Debug)]
struct Kept {
    hash: u64,
    /// Rows of the same hash are told apart by what they are.
    inputs: Vec<f64>,
    label: Label,
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let inputs = || {
            let pairs = self.inputs.iter().zip(&other.inputs);
            pairs
                .map(|(a, b)| a.total_cmp(b))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        self.hash.cmp(&other.hash).then_with(inputs).then_with(|| self.label.order(&other.label))
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Kept {}

impl Taker<'_> {
    /// Remembers a label that is an event of its own.
    fn note_label(&mut self, envelope: &Envelope<'_>, labels: &mut HashMap<u64, Label>) {
        if envelope.kind != EventKind::Label {
            return;
        }
        if let (Some(id), Some(json)) = (&envelope.id, &envelope.label)
            && let Ok(Some(label)) = Label::read(json, &mut self.known)
        {
            labels.insert(row_hash(id.as_bytes()), label);
        }
    }

    fn take(&mut self, envelope: &Envelope<'_>, message: &Message<'_>, row: &Row) {
        if envelope.kind == EventKind::Label {
            if self.by_id.is_none()
                && let Some((hash, cells)) = self.waiting.take()
            {
                self.labelled(hash, &cells, envelope.label.as_deref().unwrap_or(b"null"));
            }
            return;
        }
        self.no_label_came();
        self.rows += 1;
        if envelope.features.is_none() {
            return self.leave_out("no features".to_owned(), None);
        }
        let payload = message.value.unwrap_or_default();
        let hash = row_hash(envelope.id.as_deref().map_or(payload, str::as_bytes));
        if let Some(json) = envelope.label.as_deref() {
            return self.labelled(hash, &row.cells, json);
        }
        match &self.by_id {
            None => self.waiting = Some((hash, row.cells.clone())),
            Some(labels) => match labels.get(&hash).cloned() {
                Some(label) => self.usable(hash, &row.cells, label),
                None if envelope.id.is_none() => {
                    self.leave_out("neither a label nor an id to find it by".to_owned(), None);
                }
                None => self.leave_out("no label".to_owned(), None),
            },
        }
    }

    /// The row that waited for a label gets none.
    fn no_label_came(&mut self) {
        if self.waiting.take().is_some() {
            self.leave_out("no label".to_owned(), None);
        }
    }

    fn labelled(&mut self, hash: u64, cells: &[Cell], json: &[u8]) {
        match Label::read(json, &mut self.known) {
            Ok(Some(label)) => self.usable(hash, cells, label),
            Ok(None) => self.leave_out("no label".to_owned(), None),
            Err(reason) => self.leave_out(reason.to_owned(), None),
        }
    }

    fn usable(&mut self, hash: u64, cells: &[Cell], label: Label) {
        let mut inputs = Vec::with_capacity(self.inputs.len());
        if let Err(unusable) = self.inputs.encode(cells, &mut inputs) {
            let named = |(feature, category): (&str, Option<&str>)| match category {
                Some(category) => format!("feature {feature:?} is {category:?}"),
                None => format!("feature {feature:?}"),
            };
            return self.leave_out(unusable.to_string(), self.inputs.culprit(cells).map(named));
        }
        self.usable += 1;
        self.kept.push(Kept { hash, inputs, label });
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    fn leave_out(&mut self, reason: String, first: Option<String>) {
        self.left_out.entry(reason).or_insert(LeftOut { rows: 0, first }).rows += 1;
    }

    fn finish(self) -> anyhow::Result<LabelledSample> {
        if self.usable == 0 {
            let reasons: Vec<String> =
                self.left_out.iter().map(|(reason, left)| format!("{} with {reason}", left.rows)).collect();
            bail!(
                "none of {} can be used: {}; labels are in the column that table.label or --label names",
                plural(self.rows, "row"),
                reasons.join(", ")
            );
        }
        let rows = self.kept.into_sorted_vec();
        let inputs = rows.iter().flat_map(|row| row.inputs.iter().copied()).collect();
        let labels = rows.into_iter().map(|row| row.label).collect();
        Ok(LabelledSample { inputs, labels, usable: self.usable, left_out: self.left_out })
    }
}
