//! Writing a model's windows, and forgetting what no window needs any more.

use super::{Model, State, TakeContext};
use crate::{
    pipeline::{
        counters::{DropReason, ExplainLoss},
        explanations::ExplainTask,
        join::Joiner,
        judge::Judge,
        stream::{CloseContext, Stream},
    },
    result::WindowResult,
    window::{WindowSettings, pane_start},
};

impl Model {
    /// Lower bound of the watermark at which something is to be written.
    pub(in crate::pipeline) fn next_due(&self, context: &TakeContext<'_>) -> Option<i64> {
        let floor = self.floor(context.floor);
        let next = self.streams.iter().filter_map(|stream| stream.next_end(context.settings, floor));
        // A row that waits in vain ends up in a pane that may not be there yet.
        let waiting = self.joiner.as_ref().and_then(Joiner::first_time);
        let waiting = waiting.map(|time| pane_start(context.settings, time).0 + context.settings.slide_ms);
        Some(next.chain(waiting).min()?.saturating_add(self.join_timeout_ms()))
    }

    /// Writes all windows that the watermark has passed; with `flush` also the
    /// open ones that have data.
    pub(in crate::pipeline) fn close_due(
        &mut self,
        context: &mut TakeContext<'_>,
        tag: &str,
        flush: bool,
        results: &mut Vec<WindowResult>,
    ) {
        if self.is_learning() {
            return;
        }
        let closed = if flush { Some(i64::MAX) } else { self.close_watermark(context.watermark) };
        let Some(closed) = closed else { return };
        while let Some(waiting) = self.joiner.as_mut().and_then(|joiner| {
            joiner.expire(if flush { i64::MAX } else { closed.saturating_add(joiner.timeout_ms()) })
        }) {
            self.give_up(&waiting, DropReason::NoPrediction, context);
        }
        // What is corrected comes before what is new, and before it is settled.
        self.rewrite_dirty(context, tag, results);
        self.refresh(context, tag, results);
        let settings = context.settings;
        let floor = self.floor(context.floor);
        let mut closed_windows = 0;
        self.with_streams(context, tag, |streams, close| {
            let due = |stream: &Stream| {
                let wanted = !flush || stream.has_open_data(settings, floor);
                stream.next_end(settings, floor).filter(|&end| wanted && end <= closed)
            };
            while let Some(end) = streams.iter().filter_map(due).min() {
                for stream in streams.iter_mut().filter(|stream| due(stream) == Some(end)) {
                    results.push(stream.close(end, close));
                    closed_windows += 1;
                }
            }
            if !flush {
                for stream in streams.iter_mut() {
                    stream.settle(close, closed);
                }
            }
        });
        context.counters.windows_closed += closed_windows;
        if !flush {
            self.retire(settings, closed);
        }
    }

    /// Does something with the streams, given what judging them needs.
    fn with_streams(
        &mut self,
        context: &mut TakeContext<'_>,
        tag: &str,
        act: impl FnOnce(&mut [Stream], &mut CloseContext<'_>),
    ) {
        let State::Ready { basis, .. } = &self.state else { return };
        let settings = context.settings;
        // From the first window that is whole: earlier ones may be settled when a
        // stream turns out to have begun.
        let whole = settings.size_ms - settings.slide_ms;
        let first_ends = self.streams.iter().filter_map(|stream| stream.first_end(settings));
        let first_ends: Vec<i64> = first_ends.map(|end| end + whole).collect();
        let judge = self.judge.get_or_insert_with(|| Judge::new(basis));
        let mut tasks = Vec::new();
        let mut close =
            CloseContext { settings, basis, judge, tag, first_ends: &first_ends, tasks: &mut tasks };
        act(&mut self.streams, &mut close);
        self.ask_for(tasks, context);
    }

    /// Has the windows explained that were written.
    fn ask_for(&self, tasks: Vec<ExplainTask>, context: &mut TakeContext<'_>) {
        let Some(explain) = &self.spec.explain else { return };
        for task in tasks {
            if explain.is_of(&task.stream.version) {
                context.explanations.push(task, explain.most_waiting, context.counters);
            } else {
                context.counters.unexplained(ExplainLoss::OtherVersion);
            }
        }
    }

    fn retire(&mut self, settings: &WindowSettings, closed: i64) {
        for stream in &mut self.streams {
            stream.retire(settings, closed);
        }
        let is_needed = self.streams.iter().map(|stream| !stream.is_finished(settings, closed)).collect();
        self.keep_streams(is_needed);
    }

    /// Forgets the silent stream that was written last the longest ago, so that
    /// there is room for another.
    pub(super) fn make_room(&mut self, settings: &WindowSettings) {
        let silent = self.streams.iter().enumerate().filter(|(_, stream)| stream.is_silent(settings));
        let oldest = silent.min_by_key(|(_, stream)| stream.last_closed()).map(|(index, _)| index);
        self.keep_streams((0..self.streams.len()).map(|index| Some(index) != oldest).collect());
    }

    /// Forgets the streams that are not needed and that no row waits for.
    fn keep_streams(&mut self, mut is_needed: Vec<bool>) {
        if is_needed.iter().all(|is_needed| *is_needed) {
            return;
        }
        if let Some(joiner) = &mut self.joiner {
            joiner.keep_streams(&mut is_needed);
        }
        let mut keep = is_needed.iter();
        self.streams.retain(|_| keep.next().is_none_or(|is_needed| *is_needed));
        self.last_stream = 0;
    }

    /// Writes the windows that late events have changed.
    pub(in crate::pipeline) fn rewrite_dirty(
        &mut self,
        context: &mut TakeContext<'_>,
        tag: &str,
        results: &mut Vec<WindowResult>,
    ) {
        if self.is_learning() || !std::mem::take(&mut self.has_dirty) {
            return;
        }
        self.write_again(context, tag, results, Stream::rewrite);
    }

    /// Writes the windows that say something together with ones that changed.
    pub(in crate::pipeline) fn refresh(
        &mut self,
        context: &mut TakeContext<'_>,
        tag: &str,
        results: &mut Vec<WindowResult>,
    ) {
        if !self.streams.iter().any(Stream::is_stale) {
            return;
        }
        self.write_again(context, tag, results, Stream::refresh);
    }

    /// Has every stream write windows that were written before.
    fn write_again(
        &mut self,
        context: &mut TakeContext<'_>,
        tag: &str,
        results: &mut Vec<WindowResult>,
        write: fn(&mut Stream, &mut CloseContext<'_>, &mut Vec<WindowResult>),
    ) {
        let before = results.len();
        self.with_streams(context, tag, |streams, close| {
            for stream in streams {
                write(stream, close, results);
            }
        });
        context.counters.windows_rewritten += (results.len() - before) as u64;
    }
}
