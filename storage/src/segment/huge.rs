//! Bringing a segment into huge pages, a piece at a time, and verifying what the medium gave back.

use super::checksums::CHUNK_BYTES;
use super::file::Segment;
use crate::vfs::{HUGE_PAGE_BYTES, Vfs};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a segment is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Pieces that are done, or [`Progress::OVER`].
    pieces: AtomicU64,
    huge_bytes: AtomicU64,
}

impl Progress {
    /// There is nothing more to do.
    const OVER: u64 = u64::MAX;
}

impl Segment {
    /// Whether there are pieces left to bring into huge pages. The end of a file that fills none stays
    /// as it is.
    pub(crate) fn has_small_pages(&self) -> bool {
        self.piece().is_some()
    }

    /// Bytes that were in huge pages when the last piece had been brought there.
    pub(crate) fn huge_bytes(&self) -> u64 {
        self.huge().huge_bytes.load(Ordering::Relaxed)
    }

    /// Brings the next piece into a huge page. One call at a time.
    ///
    /// Its bytes may have been read from the medium again, so they are verified again: at once, and by
    /// whoever reads them before that. Those that cannot be read any more are barred.
    pub(crate) fn enlarge_next(&self, vfs: &dyn Vfs) {
        let Some(piece) = self.piece() else {
            return;
        };
        let chunks = piece.start / CHUNK_BYTES..piece.end / CHUNK_BYTES;
        self.chunk_table().forget(chunks.clone());
        match vfs.enlarge_pages(self.path(), self.mapping(), piece.start) {
            Ok(true) => {
                self.note_piece(vfs, piece.start);
                // What is found is barred, and told of when it is read.
                if let Err(error) = self.verify_range(piece) {
                    tracing::error!(%error, "a segment is not what was written");
                }
            }
            Ok(false) => self.end(vfs),
            Err(error) => {
                let path = self.path().display();
                tracing::error!(%error, %path, at = piece.start, "a segment cannot be read");
                chunks.for_each(|chunk| self.mark_bad(chunk));
                self.end(vfs);
            }
        }
    }

    fn piece(&self) -> Option<Range<usize>> {
        let start = self.huge().pieces.load(Ordering::Relaxed);
        let start = start.checked_mul(HUGE_PAGE_BYTES as u64)?;
        let end = start.checked_add(HUGE_PAGE_BYTES as u64)?;
        (end <= self.data_end() as u64).then_some(start as usize..end as usize)
    }

    fn note_piece(&self, vfs: &dyn Vfs, start: usize) {
        self.huge().pieces.fetch_add(1, Ordering::Relaxed);
        let is_first = start == 0;
        // Some systems take the advice and do nothing: the first piece shows it.
        if !self.has_small_pages() || is_first && vfs.bytes_in_huge_pages(self.mapping()) == 0 {
            self.end(vfs);
        }
    }

    fn end(&self, vfs: &dyn Vfs) {
        let progress = self.huge();
        progress.pieces.store(Progress::OVER, Ordering::Relaxed);
        let bytes = vfs.bytes_in_huge_pages(self.mapping());
        progress.huge_bytes.store(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinate::Coordinate;
    use crate::segment::{Order, PartSource, write_segment};
    use crate::vfs::RealVfs;
    use std::path::Path;
    use std::sync::Arc;

    const TEXT: &[u8] = &[b'a'; 1 << 20];

    fn segment(directory: &Path) -> Arc<Segment> {
        let key = |number| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number]).unwrap();
        let source = PartSource {
            phext: 1,
            name: "a",
            order: Order::Auto,
            first_lsn: 1,
            last_lsn: 1,
            keys: (1..=7).map(key).collect(),
            text: Box::new(|_| Ok(TEXT)),
        };
        write_segment(&RealVfs, directory, 1, &[source]).unwrap();
        Segment::open(&RealVfs, directory, 1).unwrap()
    }

    #[test]
    fn every_whole_piece_is_brought_once() {
        let directory = tempfile::tempdir().unwrap();
        let segment = segment(directory.path());
        let mut calls = 0;
        while segment.has_small_pages() {
            segment.enlarge_next(&RealVfs);
            calls += 1;
        }
        assert!((1..=3).contains(&calls), "{calls} of three pieces");
        let huge = segment.huge_bytes();
        assert!(huge <= 3 * HUGE_PAGE_BYTES as u64, "{huge}");
        segment.verify().unwrap();
        assert_eq!(segment.bad_chunks(), 0);
    }

    #[test]
    fn what_is_no_longer_what_was_written_is_barred() {
        let directory = tempfile::tempdir().unwrap();
        let segment = segment(directory.path());
        segment.verify().unwrap();
        let file = RealVfs.open(segment.path()).unwrap();
        file.write_at(100_000, b"b").unwrap();
        file.sync_data().unwrap();
        segment.enlarge_next(&RealVfs);
        let barred = segment.bad_chunks();
        // Where the system has no huge pages for files the piece is verified when it is touched.
        assert!(barred == 1 || segment.verify().is_err(), "{barred}");
    }

    #[test]
    fn what_was_cut_off_is_barred() {
        let directory = tempfile::tempdir().unwrap();
        let segment = segment(directory.path());
        segment.verify().unwrap();
        let file = RealVfs.open(segment.path()).unwrap();
        file.truncate(HUGE_PAGE_BYTES as u64).unwrap();
        segment.huge().pieces.store(1, Ordering::Relaxed);
        segment.enlarge_next(&RealVfs);
        assert!(!segment.has_small_pages());
        let barred = segment.bad_chunks();
        let chunks = HUGE_PAGE_BYTES / CHUNK_BYTES;
        assert!([0, chunks as u64].contains(&barred), "{barred}");
    }
}
