//! A bare writer of large files: what sealing and merging bring to the medium.

use crate::bare::{noise, of};
use phext_storage::vfs::{File, RealVfs, Vfs};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PIECE_BYTES: u64 = 1 << 20;
/// Segments are synced as often while they are written.
const SYNC_PIECES: u64 = 8;
const FILE_PIECES: u64 = 56;
/// Files that stay while another is written.
const KEPT_FILES: usize = 7;

pub(crate) struct BulkWriter {
    directory: PathBuf,
    piece: Vec<u8>,
    /// From the start of a piece to that of the next. What is late is not made up for.
    piece_takes: Duration,
    next_piece: Instant,
    /// The oldest first.
    files: VecDeque<PathBuf>,
    begun_files: u64,
    written_bytes: u64,
}

impl BulkWriter {
    /// One that writes at most `bytes_per_second`; nothing where that is 0.
    pub(crate) fn new(directory: &Path, bytes_per_second: u64) -> BulkWriter {
        let piece_takes = match bytes_per_second {
            0 => Duration::MAX,
            bytes => Duration::from_secs_f64(PIECE_BYTES as f64 / bytes as f64),
        };
        BulkWriter {
            directory: directory.to_owned(),
            piece: noise(PIECE_BYTES as usize),
            piece_takes,
            next_piece: Instant::now(),
            files: VecDeque::new(),
            begun_files: 0,
            written_bytes: 0,
        }
    }

    /// Writes files, and removes the oldest, until `is_over`. Gives the bytes written.
    pub(crate) fn write_until(&mut self, is_over: &AtomicBool) -> io::Result<u64> {
        while self.piece_takes < Duration::MAX && !is_over.load(Ordering::Relaxed) {
            self.next_file(is_over)?;
        }
        Ok(self.written_bytes)
    }

    fn next_file(&mut self, is_over: &AtomicBool) -> io::Result<()> {
        let path = self.directory.join(format!("bulk-{}", self.begun_files));
        self.begun_files += 1;
        self.write_file(&path, is_over)
            .map_err(|error| of(&path, &error))?;
        self.files.push_back(path);
        match self.files.len() > KEPT_FILES {
            true => self.remove_oldest(),
            false => Ok(()),
        }
    }

    fn write_file(&mut self, path: &Path, is_over: &AtomicBool) -> io::Result<()> {
        let file = RealVfs.create(path)?;
        for piece in 0..FILE_PIECES {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            self.write_piece(&*file, piece)?;
        }
        Ok(())
    }

    fn write_piece(&mut self, file: &dyn File, piece: u64) -> io::Result<()> {
        let now = Instant::now();
        thread::sleep(self.next_piece.saturating_duration_since(now));
        self.next_piece = self.next_piece.max(now) + self.piece_takes;
        file.write_at(piece * PIECE_BYTES, &self.piece)?;
        if (piece + 1).is_multiple_of(SYNC_PIECES) {
            file.sync_data()?;
        }
        self.written_bytes += PIECE_BYTES;
        Ok(())
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.files.pop_front() else {
            return Ok(());
        };
        RealVfs.remove(&oldest).map_err(|error| of(&oldest, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = BulkWriter::new(directory.path(), 1);
        for _ in 0..KEPT_FILES + 3 {
            // Nothing is written to a file that is begun when the time is over.
            writer.next_file(&AtomicBool::new(true)).unwrap();
        }
        let mut names = RealVfs.list(directory.path()).unwrap();
        names.sort();
        let kept: Vec<_> = (3..KEPT_FILES + 3).map(|n| format!("bulk-{n}")).collect();
        assert_eq!(names, kept);
    }

    #[test]
    fn pieces_are_as_far_apart_as_the_rate_says() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = BulkWriter::new(directory.path(), 50 * PIECE_BYTES);
        let file = RealVfs.create(&directory.path().join("file")).unwrap();
        let start = Instant::now();
        for piece in 0..4 {
            writer.write_piece(&*file, piece).unwrap();
        }
        assert!(
            start.elapsed() >= Duration::from_millis(59),
            "{:?}",
            start.elapsed()
        );
    }

    #[test]
    fn a_rate_of_zero_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = BulkWriter::new(directory.path(), 0);
        assert_eq!(writer.write_until(&AtomicBool::new(false)).unwrap(), 0);
        assert!(RealVfs.list(directory.path()).unwrap().is_empty());
    }
}
