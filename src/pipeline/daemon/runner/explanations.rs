//! What the thread does for explanations: it gives out what waits, takes what
//! came of it, and finds the events that people ask about.

use std::time::Instant;

use super::{BLOCKED_PAUSE, Runner};
use crate::{
    event::{MessageBatch, PartitionId},
    explainer::AskError,
    ops::{Asked, AskedEvent},
    pipeline::{Input, RecentRow},
};

impl Runner {
    /// Takes what was explained, then gives out what waits.
    pub(super) fn move_explanations(&mut self) {
        for (number, explained) in self.parts.explainers.take_done() {
            self.step(Input::Explained(number, &explained));
        }
        self.parts.explainers.offer(self.parts.core.explanations_mut());
    }

    /// Has explained what waits, where no checkpoint will hold it.
    pub(super) fn finish_explanations(&mut self, by: Instant) {
        if self.parts.checkpoints.is_some() {
            return;
        }
        while !self.parts.core.explanations().is_empty() {
            if Instant::now() >= by {
                self.warn_of_unexplained();
                return;
            }
            self.move_explanations();
            std::thread::sleep(BLOCKED_PAUSE);
        }
    }

    /// Says what no checkpoint keeps.
    pub(super) fn warn_of_unexplained(&self) {
        let waiting = self.parts.core.explanations().len();
        if waiting > 0 && self.parts.checkpoints.is_none() {
            tracing::warn!(waiting, "windows that wait are not explained: set state_dir to keep them");
        }
    }

    /// Finds an event and has it explained.
    pub(super) fn explain(&mut self, asked: Asked) {
        let Asked { model, event, answer } = asked;
        let refused = if !self.parts.explainers.explains(&model) {
            Some(AskError::NotExplained)
        } else if self.parts.explainers.has_surrogate(&model) {
            Some(AskError::SurrogateOnly)
        } else {
            None
        };
        if let Some(error) = refused {
            // Whoever asked may have gone.
            let _ = answer.send(Err(error));
            return;
        }
        let found = match event {
            AskedEvent::Id(id) => self.parts.core.recent_event(&model, &id).ok_or(AskError::NotSeen(id)),
            AskedEvent::Json(json) => {
                let mut batch = MessageBatch::default();
                batch.push(PartitionId(0), 0, None, Some(&json));
                self.parts
                    .core
                    .read_event(&model, &batch)
                    .map_err(|reject| AskError::Unusable(format!("{}: {}", reject.reason, reject.detail)))
            }
        };
        let is_own = |row: &RecentRow| {
            let spec = self.parts.core.explain_spec(&row.stream.model);
            spec.is_none_or(|spec| spec.is_of(&row.stream.version))
        };
        let found = found.and_then(|row| {
            if is_own(&row) { Ok(row) } else { Err(AskError::OtherVersion(row.stream.version)) }
        });
        match found {
            Ok(row) => self.parts.explainers.ask(row, answer),
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }
}
