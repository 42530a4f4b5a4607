//! Writing a segment file from front to back, with the checksums of its chunks.

use super::checksums::{CHUNK_BYTES, chunk_checksum};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::vfs::File;
use std::io;
use std::path::Path;

/// Bytes gathered before they are written: a whole number of chunks, and a huge page. A file system
/// with large folios keeps what is written in aligned pieces of this size in one folio, and maps that
/// with one entry of the page table: random point reads take 0.87 of the time that pieces of 1 MiB
/// give (ext4, Linux 6.18).
const BUFFER_BYTES: usize = 32 * CHUNK_BYTES;

/// Bytes after which what was written is made durable, so that the end of a large file, or a log
/// sync meanwhile, does not find all of it waiting.
const SYNC_BYTES: u64 = 8 << 20;

/// Called before so many bytes are written; may wait, and may refuse.
pub(super) type Meter<'a> = &'a dyn Fn(u64) -> io::Result<()>;

/// A file under construction.
pub(super) struct SegmentWriter<'a> {
    file: &'a dyn File,
    path: &'a Path,
    segment: u64,
    buffer: Vec<u8>,
    flushed: u64,
    synced: u64,
    checksums: Vec<u64>,
    meter: Meter<'a>,
}

impl<'a> SegmentWriter<'a> {
    pub(super) fn new(file: &'a dyn File, path: &'a Path, segment: u64, meter: Meter<'a>) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        SegmentWriter {
            file,
            path,
            segment,
            buffer,
            flushed: 0,
            synced: 0,
            checksums: Vec::new(),
            meter,
        }
    }

    /// Bytes written so far.
    pub(super) fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = BUFFER_BYTES - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Appends zeros up to `position`.
    pub(super) fn pad_to(&mut self, position: u64) -> Result<()> {
        assert!(
            position >= self.position(),
            "sections are written in file order"
        );
        const ZEROS: [u8; 64] = [0; 64];
        while self.position() < position {
            let length = (position - self.position()).min(ZEROS.len() as u64) as usize;
            self.write(&ZEROS[..length])?;
        }
        Ok(())
    }

    /// Ends the checksummed part of the file. Returns its length and the checksum table's bytes.
    pub(super) fn end_of_data(&mut self) -> Result<(u64, Vec<u8>)> {
        self.flush()?;
        let table = self
            .checksums
            .iter()
            .flat_map(|checksum| checksum.to_le_bytes())
            .collect();
        Ok((self.flushed, table))
    }

    /// Appends bytes behind the checksummed part and makes the whole file durable.
    pub(super) fn finish(self, tail: &[u8]) -> Result<()> {
        self.write_metered(tail)?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        if canary::leaves_out("segment_sync") {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|e| StoreError::io("sync", self.path, e))
    }

    fn write_metered(&self, bytes: &[u8]) -> Result<()> {
        (self.meter)(bytes.len() as u64)
            .and_then(|()| self.file.write_at(self.flushed, bytes))
            .map_err(|e| StoreError::io("write", self.path, e))
    }

    fn flush(&mut self) -> Result<()> {
        for chunk in self.buffer.chunks(CHUNK_BYTES) {
            let index = self.checksums.len();
            self.checksums
                .push(chunk_checksum(self.segment, index, chunk));
        }
        self.write_metered(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        if self.flushed - self.synced >= SYNC_BYTES {
            self.sync()?;
            self.synced = self.flushed;
        }
        Ok(())
    }
}
