//! Ends and beginnings: what a core leaves behind, and how it goes on.

use std::borrow::Cow;

use super::{Core, Outputs};
use crate::{
    event::{EventTime, PartitionId},
    pipeline::{
        holds::Holds,
        model::{Model, floor_end},
        snapshot::{self, Anew, PartitionState, Snapshot},
    },
    window::Watermarks,
};

impl Core {
    pub(super) fn restart(&mut self, delivered_until: Option<EventTime>) {
        for model in &mut self.models {
            model.restart(&self.windows);
            model.set_begins_anew(false);
        }
        self.watermarks = Watermarks::new(&self.windows);
        self.holds = Holds::default();
        self.replayed.clear();
        self.floor = delivered_until.map(|time| time.0);
        self.next_due = i64::MAX;
        self.alerts.restart();
        self.experiments.restart();
        self.counted.clear();
        (self.closed_until, self.final_until) = (None, None);
    }

    /// The state to go on from after a restart, with the partitions' `names`;
    /// `None` while messages are read again, since a snapshot then would be of
    /// two states.
    pub fn snapshot(&mut self, names: &dyn Fn(PartitionId) -> Option<(String, i32)>) -> Option<Snapshot<'_>> {
        if !self.replayed.is_empty() || !self.counted.is_empty() {
            return None;
        }
        let (partitions, holds) = snapshot::partitions(&self.holds, &self.watermarks, names)?;
        let delivered_until = self.delivered_until();
        let open_from = self.windows.slide_ms - self.windows.size_ms;
        Some(Snapshot {
            partitions,
            watermark: self.watermarks.current(),
            delivered_until,
            complete_from: delivered_until.map(|until| until.plus_ms(open_from)),
            holds,
            meaning: self.meaning.clone(),
            learning: self.models.iter().filter(|model| model.is_learning()).map(Model::to_name).collect(),
            models: self.models.iter_mut().filter_map(Model::snapshot).collect(),
            alerts: Cow::Borrowed(self.alerts.memory()),
            explanations: Cow::Borrowed(&self.explanations),
            experiments: self.experiments.memory(),
        })
    }

    /// The models whose windows begin anew when this snapshot is restored. When
    /// there are any, reading has to begin at the partitions' `replay`.
    #[must_use]
    pub fn compare(&self, snapshot: &Snapshot<'_>) -> Vec<Anew> {
        let reason = |model| snapshot.model(model, &self.meaning).err();
        let anew = self.models.iter().map(|model| (model.name().to_owned(), reason(model)));
        anew.filter_map(|(model, reason)| Some(Anew { model, reason: reason? })).collect()
    }

    pub(super) fn restore(
        &mut self,
        snapshot: &Snapshot<'_>,
        partitions: &[(PartitionId, usize)],
        out: &mut Outputs,
    ) {
        self.restart(snapshot.delivered_until);
        self.alerts.restore(&snapshot.alerts, &mut out.alerts);
        self.restore_explanations(snapshot);
        self.restore_experiments(snapshot);
        for model in &mut self.models {
            // Its events in windows that are open were refused.
            if let Some(until) = snapshot.missed_until(model.name()) {
                model.leave_out(floor_end(&self.windows, until));
            }
        }
        if self.models.iter().all(|model| snapshot.model(model, &self.meaning).is_err()) {
            // All windows begin anew, perhaps of another length: those that
            // begin before what is read again would lack events.
            let complete_from = snapshot.complete_from.map(|from| floor_end(&self.windows, from));
            self.floor = self.floor.max(complete_from);
            let read = partitions.iter().filter_map(|(id, place)| {
                let state = snapshot.partitions.get(*place)?;
                (state.replay < state.next).then_some((*id, state.next))
            });
            self.leave_out_counted(snapshot, read);
            return;
        }
        let states: Vec<(PartitionId, usize, &PartitionState)> = partitions
            .iter()
            .filter_map(|(id, place)| Some((*id, *place, snapshot.partitions.get(*place)?)))
            .collect();
        self.watermarks
            .restore(snapshot.watermark, states.iter().map(|(id, _, state)| (*id, state.greatest)));
        for (id, place, state) in &states {
            self.holds.pass(*id, state.next - 1);
            for (pane, offsets) in &snapshot.holds {
                for (_, offset) in offsets.iter().filter(|(at, _)| at == place) {
                    self.holds.restore(*pane, *id, *offset);
                }
            }
        }
        let mut any_anew = false;
        for model in &mut self.models {
            if let Ok(state) = snapshot.model(model, &self.meaning) {
                model.restore(state, &self.windows);
            } else {
                model.set_begins_anew(true);
                any_anew = true;
            }
        }
        if any_anew {
            self.begin_replay(states.iter().map(|(id, _, state)| (*id, *state)));
        }
        // The next event or tick looks at all windows.
        self.next_due = i64::MIN;
    }

    /// Expects messages that were counted, for the models that begin anew.
    fn begin_replay<'s>(&mut self, states: impl Iterator<Item = (PartitionId, &'s PartitionState)>) {
        for (id, state) in states.filter(|(_, state)| state.replay < state.next) {
            self.replayed.note(id, state.next);
        }
        if self.replayed.is_empty() {
            self.models.iter_mut().for_each(|model| model.set_begins_anew(false));
        } else {
            // What is read again is older than what the watermark has passed.
            self.watermarks.hold();
        }
    }

    /// `partition` was read up to before `next`; ends the replay when all were read that
    /// far.
    #[inline]
    pub(super) fn pass_read_again(&mut self, partition: PartitionId, next: i64, out: &mut Outputs) {
        self.counted.pass(partition, next);
        if self.replayed.pass(partition, next) {
            self.models.iter_mut().for_each(|model| model.set_begins_anew(false));
            self.watermarks.release();
            self.advance(out);
        }
    }
}
