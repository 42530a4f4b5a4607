//! Writing a segment file from front to back, with the checksums of its chunks.

use super::checksums::{CHUNK_BYTES, chunk_checksum};
use crate::error::{Result, StoreError};
use crate::vfs::File;
use std::path::Path;

/// Bytes gathered before they are written: a whole number of chunks.
const BUFFER_BYTES: usize = 16 * CHUNK_BYTES;

/// A file under construction.
#[derive(Debug)]
pub(super) struct SegmentWriter<'a> {
    file: &'a dyn File,
    path: &'a Path,
    segment: u64,
    buffer: Vec<u8>,
    flushed: u64,
    checksums: Vec<u64>,
}

impl<'a> SegmentWriter<'a> {
    pub(super) fn new(file: &'a dyn File, path: &'a Path, segment: u64) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        SegmentWriter {
            file,
            path,
            segment,
            buffer,
            flushed: 0,
            checksums: Vec::new(),
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
        let written = self.file.write_at(self.flushed, tail);
        written.map_err(|e| StoreError::io("write", self.path, e))?;
        self.file
            .sync_data()
            .map_err(|e| StoreError::io("sync", self.path, e))
    }

    fn flush(&mut self) -> Result<()> {
        for chunk in self.buffer.chunks(CHUNK_BYTES) {
            let index = self.checksums.len();
            self.checksums
                .push(chunk_checksum(self.segment, index, chunk));
        }
        let written = self.file.write_at(self.flushed, &self.buffer);
        written.map_err(|e| StoreError::io("write", self.path, e))?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
