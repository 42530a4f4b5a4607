//! Appending to the log.

use super::record::{HEADER_BYTES, Header, Record};
use super::{Lsn, file_path};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::vfs::{File, Vfs};
use std::path::{Path, PathBuf};

/// The log file that is written to.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: Box<dyn File>,
    path: PathBuf,
    header: Header,
    end: u64,
    reserved: u64,
    /// Space is reserved in multiples of this many bytes.
    reserve_bytes: u64,
    buffer: Vec<u8>,
}

/// Log space is reserved in steps that double from this many bytes up to those of the options, so
/// that a log which is hardly used takes little.
const LEAST_RESERVE_BYTES: u64 = 4 << 10;

/// What a buffer of the log keeps of its memory between commits, in bytes.
pub(crate) const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// A log file without its header: recovery removes one that a crash left so.
#[derive(Debug)]
pub(crate) struct NewLog {
    writer: LogWriter,
}

impl NewLog {
    /// Creates log file `number` durably. Space is reserved in multiples of at most `reserve_bytes`,
    /// which is at least 1.
    pub(crate) fn create(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        reserve_bytes: u64,
    ) -> Result<NewLog> {
        let path = file_path(directory, number);
        let salt = getrandom::u64().map_err(|error| {
            StoreError::io(
                "draw a random salt for",
                &path,
                std::io::Error::other(error),
            )
        })?;
        let header = Header {
            number,
            salt,
            first_lsn: 0,
        };
        let file = vfs
            .create(&path)
            .map_err(|e| StoreError::io("create", &path, e))?;
        let writer = LogWriter::resume(file, path, header, 0, reserve_bytes);
        let mut new = NewLog { writer };
        match new.prepare(vfs, directory) {
            Ok(()) => Ok(new),
            Err(error) => {
                new.remove(vfs);
                Err(error)
            }
        }
    }

    fn prepare(&mut self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        self.writer.reserve(HEADER_BYTES as u64)?;
        self.writer.sync()?;
        vfs.sync_dir(directory)
            .map_err(|e| StoreError::io("sync", directory, e))
    }

    /// Makes it the log whose first record will be `first_lsn`: writes the header, durably.
    pub(crate) fn begin(mut self, vfs: &dyn Vfs, first_lsn: Lsn) -> Result<LogWriter> {
        let writer = &mut self.writer;
        writer.header.first_lsn = first_lsn;
        let written = writer.file.write_at(0, &writer.header.encode());
        let begun = written
            .map_err(|e| StoreError::io("write", &writer.path, e))
            .and_then(|()| writer.sync());
        writer.end = HEADER_BYTES as u64;
        match begun {
            Ok(()) => Ok(self.writer),
            Err(error) => {
                self.remove(vfs);
                Err(error)
            }
        }
    }

    /// Removes the file, where that is possible: one that stays is removed at the next opening.
    pub(crate) fn remove(self, vfs: &dyn Vfs) {
        let _ = vfs.remove(&self.writer.path);
    }
}

impl LogWriter {
    /// Creates log file `number`, whose first record will be `first_lsn`, durably.
    pub(crate) fn create(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        first_lsn: Lsn,
        reserve_bytes: u64,
    ) -> Result<LogWriter> {
        NewLog::create(vfs, directory, number, reserve_bytes)?.begin(vfs, first_lsn)
    }

    /// Goes on at `end` of a recovered file.
    pub(crate) fn resume(
        file: Box<dyn File>,
        path: PathBuf,
        header: Header,
        end: u64,
        reserve_bytes: u64,
    ) -> Self {
        LogWriter {
            file,
            path,
            header,
            end,
            reserved: end,
            reserve_bytes: reserve_bytes.max(1),
            buffer: Vec::new(),
        }
    }

    /// The number of the file.
    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Queues a record; nothing reaches the file before [`Self::flush`].
    pub(crate) fn push(&mut self, record: &Record<'_>) {
        record.encode(self.header.salt, &mut self.buffer);
    }

    /// Forgets what was queued.
    pub(crate) fn discard(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
    }

    /// Reserves room for what is queued. An error here leaves the log as it was.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        self.reserve(self.buffer.len() as u64)
    }

    /// Writes what is queued and makes it durable. After an error the file's state is unknown and
    /// the log must not be written to again.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let written = self.file.write_at(self.end, &self.buffer);
        written.map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sync()?;
        self.end += self.buffer.len() as u64;
        self.discard();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if canary::leaves_out("log_sync") {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|e| StoreError::io("sync", &self.path, e))
    }

    fn reserve(&mut self, more: u64) -> Result<()> {
        let needed = self.end + more;
        if needed <= self.reserved {
            return Ok(());
        }
        let least = LEAST_RESERVE_BYTES.min(self.reserve_bytes);
        let step = needed.next_power_of_two().clamp(least, self.reserve_bytes);
        let reserved = needed.next_multiple_of(step);
        self.file
            .allocate(reserved)
            .map_err(|e| StoreError::io("reserve", &self.path, e))?;
        self.reserved = reserved;
        Ok(())
    }
}
