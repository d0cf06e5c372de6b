//! The folder that checkpoints are kept in.
//!
//! Two files take turns, `checkpoint-0` and `checkpoint-1`, so that the one
//! before the last stays as it is while the next is written: to a temporary
//! file, made durable, put in place by a rename, which is made durable too.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File, TryLockError},
    hash::BuildHasher as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Checkpoint, FormatError, decode};

const LOCK: &str = "lock";
const GENERATIONS: [&str; 2] = ["checkpoint-0", "checkpoint-1"];
const TEMPORARY: &str = "checkpoint.tmp";
/// More than memory holds at any setting: something else.
const MAX_BYTES: u64 = 16 << 30;

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon runs with it.
    #[error(
        "state_dir {}: another driftline uses this folder; give each its own, or stop the other", path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("state_dir {}: {source}; check that the folder is there, writable and not full", path.display())]
    Io {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What was found at start.
#[derive(Debug)]
pub struct Loaded {
    /// The newest whole checkpoint.
    pub checkpoint: Option<Checkpoint<'static>>,
    /// Files that are no whole checkpoint, and why.
    pub broken: Vec<(PathBuf, String)>,
}

/// An open folder. The lock is held as long as this lives.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens `folder`, makes it when missing, and reads what is there.
    ///
    /// # Errors
    /// When the folder is another daemon's, or can't be made or read.
    pub fn open(folder: &Path) -> Result<(Self, Loaded), StoreError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(error(folder))?;
        let path = folder.join(LOCK);
        let lock =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { path, source }),
        }
        let mut loaded = Loaded { checkpoint: None, broken: Vec::new() };
        for name in GENERATIONS {
            let path = folder.join(name);
            match read(&path) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    let newest =
                        loaded.checkpoint.as_ref().is_none_or(|other| other.sequence < found.sequence);
                    if newest {
                        loaded.checkpoint = Some(found);
                    }
                }
                Err(ReadError::Format(reason)) => loaded.broken.push((path, reason.to_string())),
                Err(ReadError::Io(source)) => return Err(StoreError::Io { path, source }),
            }
        }
        Ok((Self { folder: folder.to_owned(), _lock: lock }, loaded))
    }

    /// Puts a checkpoint in the place of the older generation.
    ///
    /// # Errors
    /// When it is not durable; both generations are untouched then, or the
    /// older one is gone.
    pub fn write(&self, sequence: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let [even, odd] = GENERATIONS;
        let place = self.folder.join(if sequence.is_multiple_of(2) { even } else { odd });
        let temporary = self.folder.join(TEMPORARY);
        let written = write_durably(&temporary, bytes).and_then(|()| fs::rename(&temporary, &place));
        if let Err(source) = written {
            // The first error is the one to tell; room is made for a next try.
            drop(fs::remove_file(&temporary));
            return Err(StoreError::Io { path: place, source });
        }
        // A rename is durable once its folder is.
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Io { path: self.folder.clone(), source })
    }
}

/// A number for a folder that has no checkpoint: no two daemons get the same.
#[must_use]
pub fn new_instance() -> u64 {
    // The seed of a hash map comes from the system's source of randomness.
    RandomState::new().hash_one("instance")
}

enum ReadError {
    Io(io::Error),
    Format(FormatError),
}

fn read(path: &Path) -> Result<Option<Checkpoint<'static>>, ReadError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(ReadError::Format(FormatError::Foreign)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ReadError::Io(error)),
    }
    let bytes = fs::read(path).map_err(ReadError::Io)?;
    decode(&bytes).map(Some).map_err(ReadError::Format)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
