//! One wrong bit anywhere in a segment costs nothing, also in what says where everything is: header, part
//! headers, part table, checksums, trailer.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{MemoryVfs, Vfs};
use phext_storage::{Loss, Options, RepairMode};
use phext_storage::{check_with, repair_with};
use std::ops::Range;
use std::sync::Arc;
use support::{
    Model, at, batch, contents, lose_both_catalogs, only_segment, open, put, root, small,
};

const HEADER_BYTES: usize = 64;
const PART_HEADER_BYTES: usize = 512;
const TRAILER_BYTES: usize = 64;
const NAMES: [&str; 2] = ["one", "another"];

fn options() -> Options {
    Options {
        memtable_bytes: 1 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// Two phexts of a few scrolls in one segment.
fn filled() -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    for phext in NAMES {
        let scrolls = (1..9).map(|n| put(at(n % 3 + 1, n), format!("{phext} {n}")));
        store.commit(batch(phext, scrolls.collect())).unwrap();
    }
    store.seal().unwrap();
    let model = contents(&store.snapshot()).unwrap();
    (vfs, model)
}

/// The bytes of a segment that are no section of a part: docs/FORMAT.md.
fn frame(bytes: &[u8]) -> Vec<usize> {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let trailer = bytes.len() - TRAILER_BYTES;
    let (parts, table) = (u64_at(trailer + 8), u64_at(trailer + 16));
    assert_eq!(parts, NAMES.len());
    let part_header = |index: usize| {
        let start = u64_at(table + index * 16);
        let name = bytes[start + 44] as usize;
        start..start + PART_HEADER_BYTES + name
    };
    let headers = (0..parts).flat_map(part_header);
    (0..HEADER_BYTES)
        .chain(headers)
        .chain(table..bytes.len())
        .collect()
}

/// Flips these bits of these bytes in turn, repairs, and compares what is held.
fn bits_are_put_right(
    is_catalog_lost: bool,
    places: impl Fn(&[u8]) -> Vec<usize>,
    bits: impl Fn(usize) -> Range<usize>,
) {
    let (vfs, expected) = filled();
    let path = only_segment(&vfs);
    let bytes = vfs.bytes(&path);
    for at in places(&bytes) {
        for bit in bits(at) {
            let vfs = vfs.after_crash(1);
            if is_catalog_lost {
                lose_both_catalogs(&vfs);
            }
            vfs.damage(&path, at, 1 << bit);
            let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
            let report = repair_with(&shared, &root(), RepairMode::Apply).unwrap();
            let what = format!("byte {at} of {}, bit {bit}: {report:?}", bytes.len());
            assert!(!report.damages.is_empty(), "{what}");
            // Without the catalog these are always told.
            let is_expected = |loss: &Loss| {
                let of_catalog = [Loss::Deletes { last: 2 }, Loss::Snapshots, Loss::Settings];
                is_catalog_lost && of_catalog.contains(loss)
            };
            assert!(report.losses.iter().all(is_expected), "{what}");
            let held = contents(&open(&vfs, options()).unwrap().snapshot()).unwrap();
            assert!(held == expected, "{what}");
            assert_eq!(check_with(&vfs, &root(), |_| {}).unwrap().damages, []);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_frame_costs_nothing() {
    bits_are_put_right(false, frame, |_| 0..8);
}

#[test]
fn a_flipped_bit_of_a_frame_costs_nothing_without_the_catalog() {
    bits_are_put_right(true, frame, |at| at % 8..at % 8 + 1);
}

#[test]
fn a_flipped_bit_of_any_byte_costs_nothing() {
    let all = |bytes: &[u8]| (0..bytes.len()).collect();
    bits_are_put_right(false, all, |at| at % 8..at % 8 + 1);
}

/// The trailer only repeats what other bytes say.
#[test]
fn a_trailer_that_is_gone_costs_nothing() {
    let (vfs, expected) = filled();
    let path = only_segment(&vfs);
    let mut bytes = vfs.bytes(&path);
    let end = bytes.len();
    bytes[end - TRAILER_BYTES..].fill(0);
    vfs.put(&path, bytes);
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let report = repair_with(&shared, &root(), RepairMode::Apply).unwrap();
    assert_eq!(report.losses, []);
    let held = contents(&open(&vfs, options()).unwrap().snapshot()).unwrap();
    assert!(held == expected);
}
