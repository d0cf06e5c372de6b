//! What the core is told about a model, and what it tells about it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    decode::{ColumnPlace, Schema},
    drift::DriftSettings,
    event::EventTime,
    pipeline::{ExplainSpec, JoinSettings, Learning},
    reference::{BuilderSettings, ColumnOverride, ColumnRole, Reference},
    result::{PREDICTION, StreamKey},
};

/// The decoder's view of the columns of `reference`; features that `overrides`
/// ignore are not reported as unknown.
#[must_use]
pub fn row_schema(reference: &Reference, overrides: &BTreeMap<String, ColumnOverride>) -> Schema {
    let columns = reference.columns.iter().map(|column| {
        let place = match (column.role, column.name == PREDICTION) {
            (ColumnRole::Feature, _) => ColumnPlace::Feature,
            (ColumnRole::Prediction, true) => ColumnPlace::Prediction,
            (ColumnRole::Prediction, false) => ColumnPlace::PredictionClass,
        };
        (column.name.as_str(), place, &column.grid)
    });
    let ignored = overrides.iter().filter(|(_, column)| column.ignore);
    Schema::new(columns, ignored.map(|(name, _)| name.as_str()))
}

/// A model as the core is told about it.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// Its name in events.
    pub name: String,
    /// What its windows are compared with.
    pub reference: ReferenceSpec,
    /// What is said about single features.
    pub overrides: BTreeMap<String, ColumnOverride>,
    /// How its windows are judged.
    pub drift: DriftSettings,
    /// What a learned reference holds.
    pub learned: BuilderSettings,
    /// Whether and how predictions wait for their features.
    pub join: Option<JoinSettings>,
    /// Whether and how its windows are explained.
    pub explain: Option<ExplainSpec>,
}

impl ModelSpec {
    /// A model with this reference and nothing else that is not by default.
    #[must_use]
    pub fn new(name: &str, reference: ReferenceSpec) -> Self {
        Self {
            name: name.to_owned(),
            reference,
            drift: DriftSettings::default(),
            learned: BuilderSettings::default(),
            overrides: BTreeMap::new(),
            join: None,
            explain: None,
        }
    }

    /// Its reference, where it is there.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        match &self.reference {
            ReferenceSpec::Ready { reference, .. } => Some(reference),
            ReferenceSpec::Learn(_) => None,
        }
    }

    /// Rows of a window that are to be explained.
    pub(super) fn explain_rows(&self) -> usize {
        self.explain.as_ref().map_or(0, |explain| explain.rows)
    }
}

/// Where the core gets a model's reference from.
#[derive(Debug, Clone)]
pub enum ReferenceSpec {
    /// It is there. Windows that start before `covers_until` are not written:
    /// a reference learned from the stream has eaten a part of them.
    Ready {
        /// The reference.
        reference: Arc<Reference>,
        /// First event time that the reference was not learned from.
        covers_until: Option<EventTime>,
    },
    /// It is to be learned from the stream.
    Learn(Learning),
}

/// How a model stands, for the API.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// Its name.
    pub name: String,
    /// Its reference, once there is one.
    pub reference: Option<Arc<Reference>>,
    /// Rows learned so far and rows wanted, where known, while it is learning.
    pub learning: Option<(u64, Option<u64>)>,
    /// Its streams.
    pub streams: Vec<StreamKey>,
    /// Features of events that the reference does not know.
    pub unknown_features: Vec<crate::result::NamedCount>,
    /// Open panes of all streams.
    pub open_panes: usize,
    /// Bytes of their counts.
    pub state_bytes: usize,
    /// Rows that wait for their other half.
    pub waiting: usize,
}
