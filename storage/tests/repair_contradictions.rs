//! Parts whose checksums hold and whose sections contradict each other: a repair tells what a check tells,
//! and leaves a store in which nothing does.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::curves::Curve;
use phext_storage::vfs::{MemoryVfs, Vfs};
use phext_storage::{Loss, Options, Order, RepairMode, RepairReport};
use phext_storage::{check_with, repair_with};
use std::path::Path;
use std::sync::Arc;
use support::{
    Model, at, batch, contents, lose_both_catalogs, only_segment, open, put, root, small,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const TRAILER_BYTES: usize = 64;
const CHUNK_BYTES: usize = 1 << 16;
const SEVERAL_BITS: u8 = 0x55;

fn options() -> Options {
    Options {
        memtable_bytes: 1 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// A phext of 40 scrolls in one segment, which lies in this order.
fn filled(order: Order) -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let text = |n: u32| format!("text {n}{}", "\nline".repeat(n as usize * 2));
    let scrolls = (1..41).map(|n| put(at(n % 7 + 1, n * 9), text(n)));
    store.commit(batch("a", scrolls.collect())).unwrap();
    store.set_order("a", order).unwrap();
    store.seal().unwrap();
    let model = contents(&store.snapshot()).unwrap();
    (vfs, model)
}

/// Gives changed bytes the checksums that they would have if they had been written so: docs/FORMAT.md.
fn reseal(path: &Path, bytes: &mut [u8]) {
    let id: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let end = bytes.len() - TRAILER_BYTES;
    let data_end = u64::from_le_bytes(bytes[end + 24..end + 32].try_into().unwrap()) as usize;
    for index in 0..data_end.div_ceil(CHUNK_BYTES) {
        let seed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64).rotate_left(32);
        let chunk = index * CHUNK_BYTES..((index + 1) * CHUNK_BYTES).min(data_end);
        let checksum = xxh3_64_with_seed(&bytes[chunk], seed);
        bytes[data_end + index * 8..][..8].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = xxh3_64(&bytes[data_end..end + 48]);
    bytes[end + 48..end + 56].copy_from_slice(&checksum.to_le_bytes());
}

fn repair(vfs: &MemoryVfs) -> RepairReport {
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    repair_with(&shared, &root(), RepairMode::Apply).unwrap()
}

/// The store holds what it did but for what the losses name. Gives how many scrolls those are.
fn is_kept_but_for(losses: &[Loss], vfs: &MemoryVfs, before: &Model) -> usize {
    let mut expected = before.clone();
    let (mut lost, mut unknown) = (0, 0);
    for loss in losses {
        match loss {
            Loss::Scrolls {
                phext,
                coordinates,
                unnamed,
                ..
            } => {
                unknown += *unnamed as usize;
                for coordinate in coordinates {
                    let removed = expected.get_mut(phext).unwrap().remove(coordinate);
                    assert!(removed.is_some(), "{coordinate} was never there");
                    lost += 1;
                }
            }
            Loss::Settings | Loss::Snapshots | Loss::Deletes { .. } => {}
            _ => panic!("{loss}"),
        }
    }
    let held = contents(&open(vfs, options()).unwrap().snapshot()).unwrap();
    let (held, expected) = (&held["a"], &expected["a"]);
    let is_right = |(key, text)| expected.get(key) == Some(text);
    assert!(held.iter().all(is_right), "something else came of it");
    assert_eq!(held.len(), expected.len() - unknown);
    lost + unknown
}

/// Every byte, or every `step`-th, is wrong in turn, one in two by one bit, and all checksums match: the
/// repair finds what the check finds, keeps what agrees with itself, and names the rest. That is nothing
/// for one bit, and for several the scroll that has the byte at most.
fn contradictions_cost_one_scroll_at_most(order: Order, is_catalog_lost: bool, step: usize) {
    let (vfs, before) = filled(order);
    let path = only_segment(&vfs);
    let good = vfs.bytes(&path);
    let (mut found, mut whole) = (0, 0);
    // Behind the part's header, which says what everything else is; up to its last section.
    let sections = 64 + 512 + 1..good.len() - TRAILER_BYTES - 8 - 16;
    for at in sections.step_by(step) {
        let vfs = vfs.after_crash(1);
        let mut bytes = good.clone();
        let mask = [1 << (at / 2 % 8), SEVERAL_BITS][at % 2];
        bytes[at] ^= mask;
        reseal(&path, &mut bytes);
        vfs.put(&path, bytes);
        let checked = check_with(&vfs, &root(), |_| {}).unwrap().damages;
        if is_catalog_lost {
            lose_both_catalogs(&vfs);
        }
        let report = repair(&vfs);
        // What the catalog says of a part may contradict it then, too.
        let in_segment = checked.into_iter().filter(|damage| damage.path == path);
        let told: Vec<String> = in_segment.map(|damage| damage.what).collect();
        let is_told = |what: &String| report.damages.iter().any(|said| said.starts_with(what));
        assert!(told.iter().all(is_told), "byte {at}: {told:?}, {report:?}");
        let lost = is_kept_but_for(&report.losses, &vfs, &before);
        assert!(
            lost <= usize::from(mask == SEVERAL_BITS && !told.is_empty()),
            "byte {at}: {report:?}"
        );
        found += usize::from(!told.is_empty());
        whole += usize::from(!told.is_empty() && lost == 0);
        let after = check_with(&vfs, &root(), |_| {}).unwrap().damages;
        assert_eq!(after, [], "byte {at}, after the repair");
    }
    assert!(
        found > 3_000 / step && whole > 1_000 / step,
        "{found}, {whole}"
    );
}

#[test]
fn what_contradicts_itself_in_coordinate_order_is_dropped_and_named() {
    contradictions_cost_one_scroll_at_most(Order::Lexicographic, false, 1);
}

#[test]
fn what_contradicts_itself_along_a_curve_is_dropped_and_named() {
    let curve = Curve::Morton;
    contradictions_cost_one_scroll_at_most(Order::Curve { prefix: 1, curve }, false, 1);
}

#[test]
fn what_contradicts_itself_is_dropped_and_named_without_the_catalog() {
    contradictions_cost_one_scroll_at_most(Order::Auto, true, 7);
}
