//! The thread that writes checkpoints, since a disk may take its time.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Store, StoreError};

/// What became of a checkpoint.
#[derive(Debug)]
pub struct Written {
    /// Its number.
    pub sequence: u64,
    /// How long the disk took.
    pub took: Duration,
    /// Whether it is durable.
    pub result: Result<(), StoreError>,
}

/// A handle of the thread; dropping it ends the thread after what it has.
#[derive(Debug)]
pub struct Writer {
    jobs: Sender<(u64, Arc<Vec<u8>>)>,
    written: Receiver<Written>,
    under_way: bool,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Store) -> io::Result<Self> {
        let (jobs, inbox) = channel::<(u64, Arc<Vec<u8>>)>();
        let (outbox, written) = channel();
        thread::Builder::new().name("driftline-checkpoint".to_owned()).spawn(move || {
            while let Ok((sequence, bytes)) = inbox.recv() {
                let started = Instant::now();
                let result = store.write(sequence, &bytes);
                let done = Written { sequence, took: started.elapsed(), result };
                if outbox.send(done).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs, written, under_way: false })
    }

    /// Whether a checkpoint is being written.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.under_way
    }

    /// Writes a checkpoint; [`Self::poll`] or [`Self::wait`] tells how it went.
    pub fn write(&mut self, sequence: u64, bytes: Arc<Vec<u8>>) {
        self.under_way = self.jobs.send((sequence, bytes)).is_ok();
    }

    /// What became of the checkpoint under way, once that is known.
    pub fn poll(&mut self) -> Option<Written> {
        let written = self.written.try_recv().ok();
        self.under_way &= written.is_none();
        written
    }

    /// As [`Self::poll`], waiting for at most `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<Written> {
        if !self.under_way {
            return None;
        }
        let written = self.written.recv_timeout(timeout).ok();
        self.under_way &= written.is_none();
        written
    }
}
