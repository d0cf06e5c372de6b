//! The bytes of a file: unpacked, counted, and bounded per row.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    rc::Rc,
};

use super::FileError;

/// A row longer than this is no row: most often a quote was never closed.
pub(super) const MAX_ROW_BYTES: u64 = 16 << 20;

/// A file being read, unpacked when it is gzip.
pub(super) struct Input {
    reader: Box<dyn BufRead>,
    packed: Rc<Cell<u64>>,
    allowance: Rc<Cell<u64>>,
}

/// Counts the bytes that come from the file itself.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// What reading fails with when a row uses up its allowance.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a row of more than {} MiB; is a quote not closed?", MAX_ROW_BYTES >> 20)]
pub(super) struct RowTooLong;

impl Input {
    /// Opens `path`; gzip is recognised by its first bytes, whatever the name.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let packed = Rc::new(Cell::new(0));
        let mut reader =
            BufReader::with_capacity(1 << 16, Counted { inner: file, count: Rc::clone(&packed) });
        let is_gzip = reader.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> = if is_gzip {
            Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader, packed, allowance: Rc::new(Cell::new(u64::MAX)) })
    }

    /// A handle that tells how many bytes of the file have been read.
    pub(super) fn counter(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.packed)
    }

    /// A handle to set how many more bytes may be read before [`RowTooLong`].
    pub(super) fn allowance(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.allowance)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left =
            self.allowance.get().checked_sub(read as u64).ok_or_else(|| io::Error::other(RowTooLong))?;
        self.allowance.set(left);
        Ok(read)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("packed", &self.packed.get()).finish_non_exhaustive()
    }
}
