//! Why a feature's verdict is what it is: the score and its noise, the bins
//! that moved, and everything else that the window says about the feature.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use super::{
    bins::{Sizes, bars},
    check_text,
    lines::{attention, found},
    number, percent,
    reason::reason,
    several::{Said, said},
    significant, stream_text,
    table::{Cell, Table},
    tally::Tally,
    terminal::{Look, Terminal, shortened},
    time_text,
};
use crate::{
    cli::event_files::plural,
    drift::noise::MinimumEffects,
    event::EventTime,
    ops::grouped,
    profile::{Counts, Grid},
    reference::{Column, Reference},
    result::{Evidence, FeatureResult, Finding, NumericSummary, StreamKey, Verdict, WindowResult},
};

/// Characters of a name that is told.
const NAME_WIDTH: usize = 60;

/// What is to be explained.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Question {
    /// Names of columns.
    pub(in crate::cli) columns: Vec<String>,
    /// A time in the window; without one, the window with the largest effect
    /// is taken.
    pub(in crate::cli) at: Option<EventTime>,
}

/// No model has a column of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no feature {name:?}{}", self.hint())]
pub(in crate::cli) struct UnknownFeature {
    name: String,
    nearest: Option<String>,
    known: Vec<String>,
}

/// Keeps the windows that answer the question while they pass.
#[derive(Debug, Default)]
pub(in crate::cli) struct Explainer {
    question: Question,
    references: BTreeMap<String, Arc<Reference>>,
    /// Per model, from which effects on it is drift.
    minimum_effects: BTreeMap<String, MinimumEffects>,
    /// Per column and stream, the window to explain.
    kept: BTreeMap<(String, StreamKey), Kept>,
}

#[derive(Debug)]
struct Kept {
    window: WindowResult,
    /// Since when there is an alarm.
    alarm_since: Option<EventTime>,
}

impl UnknownFeature {
    fn hint(&self) -> String {
        match &self.nearest {
            Some(nearest) => format!("; did you mean {nearest:?}?"),
            None => format!("; there are {}", self.known.join(", ")),
        }
    }
}

impl Explainer {
    pub(in crate::cli) fn new(question: Question) -> Self {
        Self { question, ..Self::default() }
    }

    /// Takes a model's reference, before its first window.
    pub(in crate::cli) fn reference(&mut self, reference: &Arc<Reference>) {
        self.references.insert(reference.model.clone(), Arc::clone(reference));
    }

    /// Takes from which effects on a model's columns have drifted.
    pub(in crate::cli) fn minimum_effects(&mut self, model: &str, minimum: MinimumEffects) {
        self.minimum_effects.insert(model.to_owned(), minimum);
    }

    /// Whether every column that is asked for is in one of the references.
    pub(in crate::cli) fn check(&self) -> Result<(), UnknownFeature> {
        let columns = || self.references.values().flat_map(|reference| &reference.columns);
        let known = |name: &&String| columns().any(|column| column.name == **name);
        let Some(name) = self.question.columns.iter().find(|name| !known(name)) else { return Ok(()) };
        let mut known: Vec<String> = columns().map(|column| shortened(&column.name, NAME_WIDTH)).collect();
        known.sort();
        known.dedup();
        let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
        let nearest = known.iter().min_by_key(|other| distance(other));
        let nearest = nearest.filter(|other| distance(other) <= other.chars().count().max(3) / 2).cloned();
        Err(UnknownFeature { name: name.clone(), nearest, known })
    }

    /// Takes a window that `tally` has taken already.
    pub(in crate::cli) fn add(&mut self, window: &WindowResult, tally: &Tally) {
        for name in &self.question.columns {
            let Some(column) = column_of(window, name) else { continue };
            let key = (name.clone(), window.stream.clone());
            let is_wanted = match self.question.at {
                Some(at) => window.start <= at && at < window.end,
                None => {
                    self.kept.get(&key).is_none_or(|kept| is_larger(column, column_of(&kept.window, name)))
                }
            };
            if is_wanted {
                let alarm_since = tally.alarm_since(&window.stream, name);
                self.kept.insert(key, Kept { window: window.clone(), alarm_since });
            }
        }
    }

    /// The answer: with a time, of every stream; else of the window with the
    /// largest effect.
    pub(in crate::cli) fn render(&self, terminal: Terminal) -> String {
        let mut text = String::new();
        for name in &self.question.columns {
            let kept = self.kept.iter().filter(|((column, _), _)| column == name).map(|(_, kept)| kept);
            let chosen: Vec<&Kept> = if self.question.at.is_some() {
                kept.collect()
            } else {
                kept.reduce(|best, kept| {
                    let column = column_of(&kept.window, name);
                    let larger =
                        column.is_some_and(|column| is_larger(column, column_of(&best.window, name)));
                    if larger { kept } else { best }
                })
                .into_iter()
                .collect()
            };
            if chosen.is_empty() {
                let when = self.question.at.map(|at| format!(" at {}", time_text(at))).unwrap_or_default();
                let _ = writeln!(text, "\nno window{when} has {}", shortened(name, NAME_WIDTH));
            }
            for kept in chosen {
                if let Some(column) = column_of(&kept.window, name) {
                    let of = self.references.get(&kept.window.stream.model);
                    let reference = of.and_then(|of| of.columns.iter().find(|column| column.name == *name));
                    let minimum = self.minimum_effects.get(&kept.window.stream.model);
                    let minimum = minimum.map(|minimum| minimum.of(column.score));
                    text += &Answer { kept, column, reference, minimum, terminal }.render();
                }
            }
        }
        text
    }
}

fn column_of<'w>(window: &'w WindowResult, name: &str) -> Option<&'w FeatureResult> {
    window.features.iter().find(|column| column.feature == name)
}

/// Whether `column` has more to explain than `other`: a worse verdict, by
/// score or checks, or the same with a larger effect.
fn is_larger(column: &FeatureResult, other: Option<&FeatureResult>) -> bool {
    let Some(other) = other else { return true };
    let effect = |column: &FeatureResult| column.effect.unwrap_or(f64::NEG_INFINITY);
    let order = column.verdict.cmp(&other.verdict).then(attention(column).cmp(&attention(other)));
    order.then_with(|| effect(column).total_cmp(&effect(other))).is_gt()
}

/// One column of one window.
struct Answer<'a> {
    kept: &'a Kept,
    column: &'a FeatureResult,
    reference: Option<&'a Column>,
    minimum: Option<f64>,
    terminal: Terminal,
}

impl Answer<'_> {
    fn render(&self) -> String {
        let parts = [self.verdict(), self.bins(), self.statistics(), self.checks(), self.evidence()];
        let more = [self.several(), self.comparisons(), self.segments()];
        let parts = parts.into_iter().chain(more).filter(|part| !part.is_empty());
        format!("\n{}", parts.collect::<Vec<_>>().join("\n"))
    }

    fn verdict(&self) -> String {
        let window = &self.kept.window;
        let head = format!(
            "{} of {}, {} to {}, {}",
            shortened(&self.column.feature, NAME_WIDTH),
            shortened(&stream_text(&window.stream), NAME_WIDTH),
            time_text(window.start),
            time_text(window.end),
            plural(window.events, "event")
        );
        let reason = reason(self.column, self.minimum);
        self.terminal.paragraph(&head, 0, Look::Bold)
            + &self.terminal.paragraph(&reason, 2, Look::Verdict(self.column.verdict))
    }

    fn bins(&self) -> String {
        if self.column.bins.is_empty() || self.column.valid == 0 {
            return String::new();
        }
        let reference =
            self.reference.map_or(self.kept.window.reference_rows, |column| column.counts.valid());
        let mut text = bars(self.column, Sizes { reference, window: self.column.valid }, self.terminal);
        if !self.column.unseen.is_empty() {
            let names = self.column.unseen.iter();
            let names = names.map(|name| format!("{} ({} or more)", name.name, grouped(name.count)));
            let text_of_names = format!("unseen: {}", names.collect::<Vec<_>>().join(", "));
            text += &self.terminal.paragraph(&text_of_names, 2, Look::Plain);
        }
        text
    }

    /// What the values are like on both sides.
    fn statistics(&self) -> String {
        let column = self.column;
        let mut table =
            Table::new(["", "rows", "missing", "mean", "std dev", "min", "5%", "median", "95%", "max"]);
        let mut push = |name: &str, rows: u64, missing: Option<f64>, numbers: [Option<f64>; 7]| {
            let counted = [name.to_owned(), grouped(rows), percent(missing)].into_iter();
            let row = counted.chain(numbers.into_iter().map(significant)).map(Cell::plain);
            table.push(row.collect());
        };
        if let Some(reference) = self.reference {
            let counts = &reference.counts;
            #[expect(clippy::cast_precision_loss, reason = "a share for people")]
            let missing = (counts.rows() > 0).then(|| counts.missing() as f64 / counts.rows() as f64);
            push("reference", counts.rows(), missing, numbers_of(counts, &reference.grid));
        }
        push("window", column.n, column.missing_share, column.summary.map_or([None; 7], numbers_in));
        if column.summary.is_none() { String::new() } else { table.render(self.terminal, 0) }
    }

    /// What checks found in words, and which found nothing.
    fn checks(&self) -> String {
        let found = found(&self.column.quality);
        let mut text = String::new();
        for finding in &found {
            let head = format!("check {}: {}", check_text(finding.check), finding.verdict.as_str());
            text += &self.terminal.paragraph(&head, 0, Look::Verdict(finding.verdict));
            text += &self.terminal.paragraph(&finding_said(finding), 2, Look::Plain);
        }
        for (verdict, what) in [
            (Verdict::Stable, "checks without a finding"),
            (Verdict::Insufficient, "checks with too few values to tell"),
        ] {
            let quiet = self.column.quality.iter().filter(|finding| finding.verdict == verdict);
            let quiet: Vec<String> = quiet.map(|finding| check_text(finding.check)).collect();
            if !quiet.is_empty() {
                text += &self.terminal.paragraph(&format!("{what}: {}", quiet.join(", ")), 0, Look::Dim);
            }
        }
        text
    }

    /// What this window and those before it say together.
    fn evidence(&self) -> String {
        let evidence = self.kept.window.evidence.iter();
        let mut own = evidence.filter(|evidence| evidence.feature == self.column.feature);
        let Some(Evidence { log10, threshold, alarm, effect, verdict, windows, .. }) =
            own.find(|evidence| evidence.segment.is_none())
        else {
            return String::new();
        };
        let state = match self.kept.alarm_since {
            Some(since) if *alarm => format!("in alarm since {}", time_text(since)),
            _ => "no alarm".to_owned(),
        };
        let text = format!(
            "evidence of {} up to here: {log10:.2} of the {threshold:.2} powers of ten that an alarm takes: {state}",
            plural(*windows, "window")
        );
        let effect = effect.map_or_else(String::new, |effect| {
            format!(
                "; effect of the recent windows together {}: {}",
                significant(Some(effect)),
                verdict.as_str()
            )
        });
        let look = if *alarm { Look::Verdict(*verdict) } else { Look::Plain };
        self.terminal.paragraph(&(text + &effect), 0, look)
    }

    /// What the window says of several features at a time.
    fn several(&self) -> String {
        let several = self.kept.window.several.iter().flat_map(said);
        let text = |said: Said| {
            let look = Look::Verdict(said.verdict);
            self.terminal.paragraph(&format!("{}: {}", said.name, said.verdict.as_str()), 0, look)
                + &self.terminal.paragraph(&said.text, 2, Look::Plain)
        };
        several.filter(|said| said.verdict >= Verdict::Shifted).map(text).collect()
    }

    /// The window beside the further references.
    fn comparisons(&self) -> String {
        let mut table = Table::new(["beside", "rows", "PSI", "noise", "effect", "verdict"]);
        for comparison in &self.kept.window.comparisons {
            let mut features = comparison.features.iter();
            let Some(feature) = features.find(|feature| feature.feature == self.column.feature) else {
                continue;
            };
            let name = match comparison.detail.as_str() {
                "" => comparison.reference.clone(),
                detail => format!("{} ({detail})", comparison.reference),
            };
            table.push(vec![
                Cell::plain(name),
                Cell::plain(grouped(feature.reference_n)),
                Cell::plain(number(feature.psi, 3)),
                Cell::plain(number(feature.noise, 3)),
                Cell::plain(number(feature.effect, 3)),
                Cell::new(feature.verdict.as_str(), Look::Verdict(feature.verdict)),
            ]);
        }
        if table.is_empty() { String::new() } else { table.render(self.terminal, 0) }
    }

    /// The segments in which the column is not stable.
    fn segments(&self) -> String {
        let mut table = Table::new(["segment", "rows", "score", "effect", "verdict"]);
        for segment in &self.kept.window.segments {
            let mut features = segment.features.iter();
            let Some(column) = features.find(|column| column.feature == self.column.feature) else {
                continue;
            };
            if attention(column) < Verdict::Shifted {
                continue;
            }
            let said = attention(column);
            table.push(vec![
                Cell::plain(format!("{}={}", segment.feature, segment.value)),
                Cell::plain(grouped(column.n)),
                Cell::plain(number(super::lines::value(column), 3)),
                Cell::plain(number(column.effect, 3)),
                Cell::new(said.as_str(), Look::Verdict(said)),
            ]);
        }
        if table.is_empty() { String::new() } else { table.render(self.terminal, 0) }
    }
}

/// What a check tells, or its numbers when it tells nothing.
fn finding_said(finding: &Finding) -> String {
    if finding.detail.is_empty() {
        format!("{} where the reference has {}", significant(finding.value), significant(finding.reference))
    } else {
        finding.detail.clone()
    }
}

fn numbers_in(summary: NumericSummary) -> [Option<f64>; 7] {
    let NumericSummary { mean, std_dev, min, max, p05, p50, p95, .. } = summary;
    [Some(mean), std_dev, Some(min), Some(p05), Some(p50), Some(p95), Some(max)]
}

fn numbers_of(counts: &Counts, grid: &Grid) -> [Option<f64>; 7] {
    let [p05, p50, p95] = counts.quantiles(grid, [0.05, 0.5, 0.95]).map_or([None; 3], |all| all.map(Some));
    [counts.mean(), counts.std_dev(), counts.min(), p05, p50, p95, counts.max()]
}
