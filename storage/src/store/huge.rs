//! Bringing large segments into huge pages.
//!
//! It is the last thing that is done for a segment: after it was published, when no merge is due that
//! would replace it. In the background it takes at most half of the medium's time. It changes no byte
//! and no state, and may stop after each piece.

use super::Shared;
use crate::segment::Segment;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The longest pause after a piece, so that closing a store does not wait for long.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Whether somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    Background,
    Asked,
}

impl Shared {
    /// Segments that are to be brought into huge pages.
    pub(super) fn small_paged(&self) -> Vec<Arc<Segment>> {
        let least = self.options.huge_page_segment_bytes;
        let is_meant =
            |segment: &Arc<Segment>| segment.byte_len() >= least && segment.has_small_pages();
        self.segments().into_iter().filter(is_meant).collect()
    }

    /// Brings large segments into huge pages, as far as there is memory to keep them in.
    pub(super) fn enlarge_pages(&self, haste: Haste, is_over: impl Fn() -> bool) {
        for segment in self.small_paged() {
            if !self.vfs.has_room_for_maps() {
                return;
            }
            while segment.has_small_pages() {
                if is_over() {
                    return;
                }
                let start = Instant::now();
                self.enlarge_next(&segment);
                if haste == Haste::Background {
                    thread::sleep(start.elapsed().min(LONGEST_PAUSE));
                }
            }
        }
    }

    fn enlarge_next(&self, segment: &Segment) {
        let _one_at_a_time = self.enlarging.lock();
        segment.enlarge_next(&*self.vfs);
    }
}

#[cfg(test)]
mod tests {
    use crate::coordinate::Coordinate;
    use crate::store::{IngestMode, Options, Store};
    use std::time::Duration;

    fn key(number: u32) -> Coordinate {
        Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number]).unwrap()
    }

    fn ingest(store: &Store, name: &str) {
        let mut ingest = store.ingest(name, IngestMode::Replace).unwrap();
        for number in 1..=7 {
            ingest.push(key(number), &[b'a'; 1 << 20]).unwrap();
        }
        ingest.finish().unwrap();
    }

    fn check(store: &Store, name: &str) {
        let snapshot = store.snapshot();
        let phext = snapshot.phext(name).unwrap();
        assert_eq!(phext.scrolls(), 7);
        assert_eq!(
            store.verify(|_| {}).unwrap(),
            store.statistics().segment_bytes
        );
        assert_eq!(store.statistics().damaged_chunks, 0);
    }

    #[test]
    fn merging_brings_large_segments_into_huge_pages() {
        for background in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let options = Options {
                background,
                huge_page_segment_bytes: 2 << 20,
                ..Options::default()
            };
            let store = Store::open(directory.path(), options).unwrap();
            ingest(&store, "a");
            store.merge().unwrap();
            let has_room = store.shared.vfs.has_room_for_maps();
            assert_eq!(store.shared.small_paged().is_empty(), has_room);
            let statistics = store.statistics();
            assert!(statistics.huge_page_bytes <= statistics.mapped_bytes);
            check(&store, "a");
        }
    }

    #[test]
    fn small_segments_stay_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        ingest(&store, "a");
        store.merge().unwrap();
        assert_eq!(store.statistics().huge_page_bytes, 0);
        assert!(store.shared.small_paged().is_empty());
    }

    #[test]
    fn a_store_that_is_closed_amid_it_opens_again() {
        let directory = tempfile::tempdir().unwrap();
        let options = || Options {
            huge_page_segment_bytes: 2 << 20,
            ..Options::default()
        };
        for round in 0..4 {
            let store = Store::open(directory.path(), options()).unwrap();
            ingest(&store, "a");
            std::thread::sleep(Duration::from_millis(round));
            drop(store);
            check(&Store::open(directory.path(), options()).unwrap(), "a");
        }
    }
}
