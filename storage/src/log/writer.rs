//! Appending to the log.

use super::record::{HEADER_BYTES, Header, Record};
use super::{Lsn, file_path};
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

impl LogWriter {
    /// Creates log file `number`, whose first record will be `first_lsn`, durably. Space is reserved
    /// in multiples of `reserve_bytes`, at least 1.
    pub(crate) fn create(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        first_lsn: Lsn,
        reserve_bytes: u64,
    ) -> Result<LogWriter> {
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
            first_lsn,
        };
        let file = vfs
            .create(&path)
            .map_err(|e| StoreError::io("create", &path, e))?;
        let mut writer = LogWriter {
            file,
            path,
            header,
            end: HEADER_BYTES as u64,
            reserved: 0,
            reserve_bytes: reserve_bytes.max(1),
            buffer: Vec::new(),
        };
        let created = writer.start(vfs, directory);
        if created.is_err() {
            // A leftover without a header is removed at the next opening; try to be tidy now.
            let _ = vfs.remove(&writer.path);
        }
        created.map(|()| writer)
    }

    fn start(&mut self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        self.reserve(0)?;
        let header = self.header.encode();
        self.file
            .write_at(0, &header)
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sync()?;
        vfs.sync_dir(directory)
            .map_err(|e| StoreError::io("sync", directory, e))
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
        self.buffer.clear();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|e| StoreError::io("sync", &self.path, e))
    }

    fn reserve(&mut self, more: u64) -> Result<()> {
        let needed = self.end + more;
        if needed <= self.reserved {
            return Ok(());
        }
        let reserved = needed.next_multiple_of(self.reserve_bytes);
        self.file
            .allocate(reserved)
            .map_err(|e| StoreError::io("reserve", &self.path, e))?;
        self.reserved = reserved;
        Ok(())
    }
}
