//! A store keeps to the memory that it was given, and says what takes how much.
//!
//! That the limits of a budget sum to less than it is shown beside the derivation; here is that writers
//! who are faster than sealing stay within the share of memtables.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::{Fault, MemoryVfs};
use phext_storage::{MemoryBudget, Options, Statistics, Store, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;

const TEXT_BYTES: usize = 2000;
const BATCH_SCROLLS: u32 = 50;

fn open(vfs: &MemoryVfs, options: Options) -> Store {
    Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options).unwrap()
}

/// Commits the scrolls of batch `number`.
fn put(store: &Store, number: u32) {
    let first = number * BATCH_SCROLLS;
    let operation = |scroll: u32| WriteOp::Put {
        coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, 1 + scroll]).unwrap(),
        text: Bytes::from(vec![b'a' + (scroll % 26) as u8; TEXT_BYTES]),
    };
    let batch = WriteBatch {
        phext: "notes".to_owned(),
        operations: (first..first + BATCH_SCROLLS).map(operation).collect(),
    };
    store.commit(batch).unwrap();
}

#[test]
fn memtables_stay_within_their_share_of_a_budget() {
    let budget = MemoryBudget::new(MemoryBudget::LEAST_BYTES).unwrap();
    let store = open(&MemoryVfs::new(), Options::default().within(budget));
    let mut most = 0;
    for number in 0..500 {
        put(&store, number);
        let now = store.statistics();
        most = most.max(now.memtable_bytes + now.frozen_bytes);
    }
    store.seal().unwrap();
    let Statistics {
        seals, user_bytes, ..
    } = store.statistics();
    assert!(user_bytes > 3 * budget.bytes(), "{user_bytes}");
    assert!(seals >= 8, "{seals}");
    // A commit group is let in where there is room for any of it; here it is one batch.
    let group = u64::from(BATCH_SCROLLS) * (TEXT_BYTES as u64 + 100);
    let share = budget.bytes() / 4 + 2 * group;
    assert!(most > budget.bytes() / 32 && most <= share, "{most}");
}

#[test]
fn every_structure_is_counted() {
    let options = || Options {
        background: false,
        ..Options::default()
    };
    // A medium that is full from some operation of a sealing on leaves its memtables frozen.
    let frozen = (0..20).any(|operations| {
        let vfs = MemoryVfs::new();
        let store = open(&vfs, options());
        put(&store, 0);
        let before = store.statistics();
        let texts = u64::from(BATCH_SCROLLS) * TEXT_BYTES as u64;
        assert!(before.memtable_bytes > texts && before.frozen_bytes == 0);
        assert_eq!((before.mapped_bytes, before.table_bytes), (0, 0));
        let from = vfs.operations() + operations;
        vfs.set_fault(Some(Fault::Full { from }));
        let refused = store.seal().is_err();
        let full = store.statistics();
        vfs.set_fault(None);
        if !refused || full.frozen_bytes == 0 {
            return false;
        }
        let moved = (full.memtable_bytes, full.frozen_bytes);
        assert_eq!(moved, (0, before.memtable_bytes));
        true
    });
    assert!(frozen, "no sealing failed with its memtables frozen");

    let store = open(&MemoryVfs::new(), options());
    put(&store, 0);
    store.seal().unwrap();
    let sealed = store.statistics();
    assert_eq!((sealed.memtable_bytes, sealed.frozen_bytes), (0, 0));
    assert_eq!(sealed.mapped_bytes, sealed.segment_bytes);
    assert!(sealed.mapped_bytes > 0 && sealed.table_bytes > 0);
    assert_eq!(sealed.shadow_bytes, 0);
    assert_eq!(
        sealed.heap_bytes(),
        sealed.table_bytes + sealed.catalog_bytes
    );
    put(&store, 0);
    let shadowed = store.statistics();
    assert!(shadowed.shadow_bytes >= 2 * u64::from(BATCH_SCROLLS));
    store.seal().unwrap();
    let grown = store.statistics().catalog_bytes;
    assert!(grown > sealed.catalog_bytes, "{grown}");
}
