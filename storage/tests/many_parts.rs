//! A phext of more parts than a batch of points looks into ahead, as loads of some ten gigabytes leave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{IngestMode, Options, Store};
use std::path::Path;
use std::sync::Arc;

const SCROLLS: u32 = 800;
const TEXT_BYTES: usize = 1000;

/// Even ones are in the store.
fn coordinate(number: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number + 1]).unwrap()
}

#[test]
fn batches_find_what_is_in_the_oldest_parts() {
    let options = Options {
        background: false,
        ingest_part_bytes: 8 << 10,
        // No two parts fit into a merge.
        merge_memory_bytes: 1,
        ..Options::default()
    };
    let vfs = Arc::new(MemoryVfs::new());
    let store = Store::open_with(vfs, Path::new("/store"), options).unwrap();
    let mut ingest = store.ingest("a", IngestMode::Replace).unwrap();
    for number in 0..SCROLLS {
        let text = format!("{number:TEXT_BYTES$}");
        ingest
            .push(coordinate(number * 2), text.as_bytes())
            .unwrap();
    }
    ingest.finish().unwrap();
    let snapshot = store.snapshot();
    let phext = snapshot.phext("a").unwrap();
    assert!(phext.parts() > 70, "{} parts", phext.parts());
    // In an order in which neighbours are in other parts.
    let numbers: Vec<u32> = (0..SCROLLS * 2).map(|n| n * 701 % (SCROLLS * 2)).collect();
    let coordinates: Vec<Coordinate> = numbers.iter().copied().map(coordinate).collect();
    let mut located = Vec::new();
    phext.locate_batch(&coordinates, &mut located).unwrap();
    for (number, location) in numbers.into_iter().zip(located) {
        assert_eq!(location.is_present(), number % 2 == 0, "{number}");
        if location.is_present() {
            let text = format!("{:TEXT_BYTES$}", number / 2);
            assert_eq!(location.text().unwrap(), text.as_bytes());
        }
    }
}
