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
    Stop,
}

/// Owner of the consumer.
pub(super) struct Worker {
    pub(super) consumer: BaseConsumer<Context>,
    pub(super) commands: Receiver<Command>,
    pub(super) state: State,
}

impl Worker {
    /// Runs until asked to stop or unable to go on, and closes the consumer.
    /// Gives the reason in the second case.
    pub(super) fn run(mut self) -> Option<SourceError> {
        let reason = loop {
            match self.step() {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => {
                    self.state.commit_finally(&self.consumer);
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
        if self.serve_commands() {
            return Ok(Flow::Stop);
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
            Err(Closed) => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }

    /// Does what was asked for; `true` when that is to stop.
    fn serve_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Commit { epoch, commit }) => self.state.commit(&self.consumer, epoch, &commit),
                Ok(Command::Recycle(batch)) => self.state.out.recycle(batch),
                Err(TryRecvError::Empty) => return false,
                // The handle is gone without a word.
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return true,
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
}
