//! Appending to the log.

use super::record::{HEADER_BYTES, Header, Record};
use super::spare::{OldLog, Spare, spare_path};
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
    /// The file's space was written before up to here.
    written: u64,
    reserved: u64,
    /// Space is reserved in multiples of this many bytes.
    reserve_bytes: u64,
    buffer: Vec<u8>,
}

/// Log space is reserved in steps that double from this many bytes up to those of the options, so
/// that a log which is hardly used takes little.
const LEAST_RESERVE_BYTES: u64 = 4 << 10;

/// The commit that reaches what was written before writes zeros ahead: room for this many commits like
/// it, or as much again as there is in the log where that is more.
const COMMITS_AHEAD: u64 = 16;
/// At most this many bytes.
const MOST_AHEAD_BYTES: u64 = 256 << 10;
const BLOCK_BYTES: u64 = 4 << 10;

/// What a buffer of the log keeps of its memory between commits, in bytes.
pub(crate) const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// A log file that has not begun: recovery removes one that a crash left so.
#[derive(Debug)]
pub(crate) struct NewLog {
    writer: LogWriter,
}

/// A log file whose header could not be made durable.
#[derive(Debug)]
pub(crate) struct Unbegun {
    pub(crate) cause: StoreError,
    /// Whether it was removed for good. Where not, a crash may bring it back, begun: no other file must
    /// get its first record.
    pub(crate) is_gone: bool,
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
        let header = new_header(&path, number)?;
        let file = vfs
            .create(&path)
            .map_err(|e| StoreError::io("create", &path, e))?;
        let writer = LogWriter::resume(file, path, header, 0, reserve_bytes);
        NewLog { writer }.prepared(vfs, |new| {
            new.writer.reserve(HEADER_BYTES as u64)?;
            new.writer.sync()?;
            sync(vfs, directory)
        })
    }

    /// As [`NewLog::create`], from a spare whose name is durable.
    pub(crate) fn reuse(
        vfs: &dyn Vfs,
        directory: &Path,
        number: u64,
        reserve_bytes: u64,
        spare: &Spare,
    ) -> Result<NewLog> {
        let path = spare_path(directory);
        let header = Header {
            is_reused: true,
            ..new_header(&path, number)?
        };
        let file = vfs
            .open(&path)
            .map_err(|e| StoreError::io("open", &path, e))?;
        let mut writer = LogWriter::resume(file, path, header, 0, reserve_bytes);
        writer.written = spare.written;
        writer.reserved = spare.written;
        NewLog { writer }.prepared(vfs, |new| {
            new.writer.write_header()?;
            let path = file_path(directory, number);
            let renamed = vfs.rename(&new.writer.path, &path);
            renamed.map_err(|e| StoreError::io("rename", &new.writer.path, e))?;
            new.writer.path = path;
            sync(vfs, directory)
        })
    }

    /// Does what makes the file ready, or removes it.
    fn prepared(
        mut self,
        vfs: &dyn Vfs,
        prepare: impl FnOnce(&mut NewLog) -> Result<()>,
    ) -> Result<NewLog> {
        match prepare(&mut self) {
            Ok(()) => Ok(self),
            Err(error) => {
                self.remove(vfs);
                Err(error)
            }
        }
    }

    /// Makes it the log whose first record will be `first_lsn`: writes the header, durably. Where that
    /// fails the file is removed, durably as well, before another one may get that record.
    pub(crate) fn begin(
        mut self,
        vfs: &dyn Vfs,
        first_lsn: Lsn,
    ) -> std::result::Result<LogWriter, Unbegun> {
        self.writer.header.first_lsn = first_lsn;
        self.writer.end = HEADER_BYTES as u64;
        let Err(cause) = self.writer.write_header() else {
            return Ok(self.writer);
        };
        let directory = self.writer.path.parent().expect("it lies in the log's");
        let removed = vfs.remove(&self.writer.path);
        let is_gone = removed.and_then(|()| vfs.sync_dir(directory)).is_ok();
        Err(Unbegun { cause, is_gone })
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
        let new = NewLog::create(vfs, directory, number, reserve_bytes)?;
        new.begin(vfs, first_lsn).map_err(|unbegun| unbegun.cause)
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
            written: end,
            reserved: end,
            reserve_bytes: reserve_bytes.max(1),
            buffer: Vec::new(),
        }
    }

    /// The number of the file.
    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    /// What is left of it when another file is written to.
    pub(crate) fn retire(self) -> OldLog {
        OldLog {
            number: self.header.number,
            end: self.end,
            written: self.written,
        }
    }

    /// Gives back what the file takes behind its end, where that is much.
    pub(crate) fn give_back(&mut self) -> Result<()> {
        if self.reserved.max(self.written) <= self.end + LEAST_RESERVE_BYTES {
            return Ok(());
        }
        self.file
            .truncate(self.end)
            .map_err(|e| StoreError::io("truncate", &self.path, e))?;
        self.written = self.end;
        self.reserved = self.end;
        Ok(())
    }

    /// Where the records end.
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

    /// Writes what is queued and makes it durable. Gives how many bytes were written. After an error the
    /// file's state is unknown and the log must not be written to again.
    pub(crate) fn flush(&mut self) -> Result<u64> {
        let end = self.end + self.buffer.len() as u64;
        if end > self.written {
            self.written = self.written_after(end);
            self.buffer.resize((self.written - self.end) as usize, 0);
        }
        let written = self.file.write_at(self.end, &self.buffer);
        written.map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sync()?;
        let written = self.buffer.len() as u64;
        self.end = end;
        self.discard();
        Ok(written)
    }

    /// Up to where a commit that ends at `end`, behind what was written before, is to write.
    fn written_after(&self, end: u64) -> u64 {
        self.ahead_of(end).min(self.reserved).max(end)
    }

    /// How far to be ahead of a commit that ends at `end`.
    fn ahead_of(&self, end: u64) -> u64 {
        let ahead = end.max((end - self.end).saturating_mul(COMMITS_AHEAD));
        (end + ahead.min(MOST_AHEAD_BYTES)).next_multiple_of(BLOCK_BYTES)
    }

    fn write_header(&self) -> Result<()> {
        self.file
            .write_at(0, &self.header.encode())
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sync()
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
        let end = self.end + more;
        // Of what is written ahead nothing is to lie outside.
        let needed = self.ahead_of(end);
        if end <= self.written || needed <= self.reserved {
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

/// The header of a file that has not begun, with a salt of its own.
fn new_header(path: &Path, number: u64) -> Result<Header> {
    let salt = getrandom::u64().map_err(|error| {
        StoreError::io("draw a random salt for", path, std::io::Error::other(error))
    })?;
    Ok(Header {
        number,
        salt,
        first_lsn: 0,
        is_reused: false,
    })
}

fn sync(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    vfs.sync_dir(directory)
        .map_err(|e| StoreError::io("sync", directory, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;

    #[test]
    fn room_for_a_few_commits_like_it_is_written_with_a_commit() {
        let vfs = MemoryVfs::new();
        let directory = Path::new("/log");
        vfs.create_dir_all(directory).unwrap();
        let mut log = LogWriter::create(&vfs, directory, 1, 1, 4 << 20).unwrap();
        let mut lsn = 0;
        let mut commit = |payload_bytes: usize| {
            let payload = vec![0; payload_bytes];
            lsn += 1;
            log.push(&Record {
                lsn,
                durable_lsn: lsn - 1,
                payload: &payload,
            });
            log.prepare().unwrap();
            let written = log.flush().unwrap();
            let length = vfs.read(&file_path(directory, 1)).unwrap();
            let length = std::io::Read::bytes(length).count() as u64;
            assert!(log.written <= length && length == log.reserved);
            (written, log.written - log.end)
        };
        let (first, ahead) = commit(1000);
        assert!(
            first > 16_000 && (16_000..22_000).contains(&ahead),
            "{ahead}"
        );
        let commits = std::iter::repeat_with(|| commit(1000));
        let plain = commits.take_while(|&(written, _)| written < 1100).count();
        assert!((15..20).contains(&plain), "{plain}");
        // What there is already is as much.
        let (_, ahead) = commit(100);
        assert!(ahead > 15_000, "{ahead}");
        let (_, ahead) = commit(1 << 20);
        assert!((MOST_AHEAD_BYTES..MOST_AHEAD_BYTES + BLOCK_BYTES).contains(&ahead));
    }
}
