//! References in files.
//!
//! Promises: a file holds the whole old reference or the whole new one,
//! whatever happens while it is written; every error names the file.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::reference::{Reference, ReferenceError};

/// A reference of 1,000 columns takes 40 MB; more than this is something else.
const MAX_BYTES: u64 = 1 << 30;

/// Why a file gave no reference, or took none.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceFileError {
    /// The file can't be read.
    #[error("can't read the reference {}: {reason}; `driftline reference` makes one", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is far larger than any reference.
    #[error("{} has {bytes} bytes and is no reference; `driftline reference` makes one", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file has been read, but its content can't be used.
    #[error("the reference {} can't be used: {reason}; make it again with `driftline reference`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ReferenceError,
    },
    /// The file can't be written.
    #[error("can't store the reference {}: {reason}; check the folder, its permissions and its space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// Reads the reference in `path`.
///
/// # Errors
/// When there is no such file, it can't be read, or it holds no usable
/// reference.
pub fn load(path: &Path) -> Result<Reference, ReferenceFileError> {
    let error = |reason| ReferenceFileError::Read { path: path.to_owned(), reason };
    let bytes = fs::metadata(path).map_err(error)?.len();
    if bytes > MAX_BYTES {
        return Err(ReferenceFileError::TooLarge { path: path.to_owned(), bytes });
    }
    let json = fs::read_to_string(path).map_err(error)?;
    Reference::from_json(&json)
        .map_err(|reason| ReferenceFileError::Content { path: path.to_owned(), reason })
}

/// Writes the reference to `path`, in one step: readers see the old file or
/// the new one, also after a crash.
///
/// # Errors
/// When the folder can't be written; the old file is untouched then.
pub fn store(path: &Path, reference: &Reference) -> Result<(), ReferenceFileError> {
    replace(path, reference.to_json().as_bytes())
        .map_err(|reason| ReferenceFileError::Write { path: path.to_owned(), reason })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The process in the name keeps two writers apart.
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary);
    let written = write_durably(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_file(&temporary));
    }
    written?;
    // A rename is durable once its folder is.
    File::open(folder)?.sync_all()
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}
