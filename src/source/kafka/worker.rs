//! The loop of the consumer's thread: commands in, messages out.

use std::{
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{
    SourceError,
    context::Context,
    outbound::{BATCH_MESSAGES, Closed},
    state::{Command, LINGER, State},
};

/// How long a full channel is waited for before pausing, which throws away
/// what was fetched. Short against every timeout of the group protocol.
const PAUSE_AFTER: Duration = Duration::from_millis(250);
/// How often a full channel is looked at again.
const ROOM_CHECK: Duration = Duration::from_millis(1);

/// What a step of the loop ends with.
enum Flow {
    Continue,
    /// Asked to stop, with the time until when.
    Stop(Instant),
}

/// Owner of the consumer.
pub(super) struct Worker {
    pub(super) consumer: BaseConsumer<Context>,
    pub(super) commands: Receiver<Command>,
    pub(super) close_timeout: Duration,
    pub(super) state: State,
}

impl Worker {
    /// Runs until asked to stop or unable to go on, and closes the consumer.
    /// Gives the reason in the second case.
    pub(super) fn run(mut self) -> Option<SourceError> {
        let reason = loop {
            match self.step() {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop(deadline)) => {
                    self.await_commits(deadline);
                    break None;
                }
                Err(error) => break Some(error),
            }
        };
        self.consumer.context().closing.store(true, Ordering::Release);
        self.state.hide();
        // Leaves the group. Without a broker this may take as long as the
        // session, which is why nobody waits for this thread without a limit.
        drop(self.consumer);
        reason
    }

    fn step(&mut self) -> Result<Flow, SourceError> {
        if let Some(deadline) = self.serve_commands() {
            return Ok(Flow::Stop(deadline));
        }
        self.state.rejoin_when_due(&self.consumer)?;
        match self.state.out.send(&self.state.metrics) {
            Ok(true) => {
                self.state.blocked_since = None;
                self.state.set_paused(&self.consumer, false);
                self.poll_messages()?;
            }
            Ok(false) if self.state.is_paused() => {
                self.poll_once(LINGER)?;
            }
            Ok(false)
                if self.state.blocked_since.get_or_insert_with(Instant::now).elapsed() < PAUSE_AFTER =>
            {
                thread::park_timeout(ROOM_CHECK);
            }
            Ok(false) => self.state.set_paused(&self.consumer, true),
            // Nobody listens any more.
            Err(Closed) => return Ok(Flow::Stop(Instant::now() + self.close_timeout)),
        }
        Ok(Flow::Continue)
    }

    fn serve_commands(&mut self) -> Option<Instant> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Commit { epoch, positions, delivered_until }) => {
                    self.state.commit(&self.consumer, epoch, &positions, delivered_until);
                }
                Ok(Command::Recycle(batch)) => self.state.out.recycle(batch),
                Ok(Command::Stop(deadline)) => return Some(deadline),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => return Some(Instant::now() + self.close_timeout),
            }
        }
    }

    /// Polls until a batch is full or nothing is there.
    fn poll_messages(&mut self) -> Result<(), SourceError> {
        let mut queue_empty = false;
        for _ in 0..BATCH_MESSAGES {
            let polled = self.consumer.poll(Duration::ZERO);
            let found = polled.is_some();
            self.state.serve(&self.consumer, polled)?;
            if self.state.out.is_full() {
                break;
            }
            if !found {
                queue_empty = !self.poll_once(self.state.linger_left())?;
                break;
            }
        }
        self.state.end_round(queue_empty);
        Ok(())
    }

    /// Polls for at most `wait`; `false` when there was nothing for so long.
    fn poll_once(&mut self, wait: Duration) -> Result<bool, SourceError> {
        let begun = Instant::now();
        let polled = self.consumer.poll(wait);
        // An early `None` means that a callback was served.
        let found = polled.is_some() || begun.elapsed() < wait || wait.is_zero();
        self.state.serve(&self.consumer, polled)?;
        Ok(found)
    }

    /// Waits for the answers to commits, for half of the time that is left:
    /// the other half is for leaving the group.
    fn await_commits(&mut self, deadline: Instant) {
        let half = deadline.saturating_duration_since(Instant::now()) / 2;
        let until = Instant::now() + half;
        while self.consumer.context().commits_pending.load(Ordering::Acquire) > 0 && Instant::now() < until {
            // Messages are left for the next member: they were not committed.
            let _unread = self.consumer.poll(Duration::from_millis(10));
        }
    }
}
