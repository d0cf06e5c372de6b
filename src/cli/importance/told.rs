//! What `driftline importance` prints.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::rows::LabelledSample;
use crate::{cli::event_files::plural, explain::Importance, model::ModelInfo, ops::grouped};

/// How importance was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Measure {
    pub(super) loss: &'static str,
    pub(super) repeats: u32,
    pub(super) seed: u64,
}

/// Everything that is told, most important features first.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    model: String,
    model_kind: String,
    model_id: String,
    #[serde(flatten)]
    measure: Measure,
    /// Mean loss of the rows as they are.
    baseline_loss: f64,
    rows_used: u64,
    /// Rows that could be used; a sample of them is.
    rows_usable: u64,
    rows_left_out: BTreeMap<String, u64>,
    evaluations: u64,
    features: Vec<Feature>,
    /// What was wrong with the first row that was left out for a reason.
    #[serde(skip)]
    first_left_out: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Feature {
    #[serde(rename = "feature")]
    name: String,
    /// By how much the mean loss rises.
    increase: f64,
    standard_error: Option<f64>,
    /// Of the sum of all increases above 0.
    share: Option<f64>,
}

impl Told {
    pub(super) fn new<'a>(
        model: &str,
        info: &ModelInfo,
        measure: Measure,
        names: impl Iterator<Item = &'a str>,
        (measured, sample): (&Importance, &LabelledSample),
    ) -> Self {
        let sum: f64 = measured.features.iter().map(|feature| feature.increase.max(0.0)).sum();
        let features = names.zip(&measured.features).map(|(name, measured)| Feature {
            name: name.to_owned(),
            increase: measured.increase,
            standard_error: measured.standard_error,
            share: (sum > 0.0).then(|| measured.increase.max(0.0) / sum),
        });
        let mut features: Vec<Feature> = features.collect();
        features.sort_by(|a, b| b.increase.total_cmp(&a.increase));
        let left_out = || sample.left_out.iter();
        let first =
            |(reason, left): (&String, &super::rows::LeftOut)| Some((reason.clone(), left.first.clone()?));
        Self {
            model: model.to_owned(),
            model_kind: info.kind.clone(),
            model_id: format!("{:016x}", info.fingerprint),
            measure,
            baseline_loss: measured.loss,
            rows_used: sample.len() as u64,
            rows_usable: sample.usable,
            rows_left_out: left_out().map(|(reason, left)| (reason.clone(), left.rows)).collect(),
            evaluations: measured.evaluations,
            features,
            first_left_out: left_out().filter_map(first).collect(),
        }
    }

    /// The result on standard output, and what was left out on standard error.
    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        for (reason, rows) in &self.rows_left_out {
            let first = self
                .first_left_out
                .get(reason)
                .map(|first| format!("; the first: {first}"))
                .unwrap_or_default();
            eprintln!("warning: {} left out: {reason}{first}", plural(*rows, "row"));
        }
        let mut out = io::stdout().lock();
        if as_json {
            serde_json::to_writer_pretty(&mut out, self)?;
            return writeln!(out);
        }
        self.table(&mut out)
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = if self.rows_used < self.rows_usable {
            format!("{} of {} rows", grouped(self.rows_used), grouped(self.rows_usable))
        } else {
            plural(self.rows_used, "row")
        };
        writeln!(
            out,
            "{} ({}): {} {} on {rows}\n",
            self.model,
            self.model_kind,
            self.measure.loss,
            number(self.baseline_loss, self.baseline_loss.abs())
        )?;
        let names = self.features.iter().map(|feature| feature.name.chars().count());
        let width = names.max().unwrap_or(0).max("feature".len());
        // All in the unit of the largest, so that they can be compared by eye.
        let largest =
            self.features.iter().fold(0.0, |largest: f64, feature| largest.max(feature.increase.abs()));
        writeln!(out, "{:<width$}  {:>13}  {:>11}  {:>6}", "feature", "loss increase", "± SE", "share")?;
        for feature in &self.features {
            writeln!(
                out,
                "{:<width$}  {:>13}  {:>11}  {:>6}",
                feature.name,
                number(feature.increase, largest),
                feature.standard_error.map_or_else(|| "-".to_owned(), |error| number(error, largest)),
                feature.share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", 100.0 * share)),
            )?;
        }
        writeln!(
            out,
            "\nSE is that of {} of each feature. Features that say the same share an importance\n\
             that none of them shows alone.",
            plural(u64::from(self.measure.repeats), "shuffle")
        )
    }
}

/// A number to four digits of `largest`.
fn number(value: f64, largest: f64) -> String {
    if !(1e-3..1e6).contains(&largest) {
        return if value.abs() > 0.0 { format!("{value:.3e}") } else { "0".to_owned() };
    }
    let decimals = match largest {
        1_000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        0.1.. => 4,
        0.01.. => 5,
        _ => 6,
    };
    format!("{value:.decimals$}")
}
