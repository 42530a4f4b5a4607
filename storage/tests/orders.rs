//! Orders that change while a store is in use.
//!
//! Setting an order is durable, what was sealed before is rewritten by merging, nothing but the order
//! changes, and a crash in between leaves a store that goes on with it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs, RealVfs};
use phext_storage::{Options, Order, Phext, Store, StoreError, WriteBatch};
use std::time::{Duration, Instant};
use support::{Model, at, batch, contents, open, put, root};

fn options() -> Options {
    Options {
        memtable_bytes: 20_000,
        background: false,
        log_reserve_bytes: 1 << 12,
        ..Options::default()
    }
}

fn order(text: &str) -> Order {
    text.parse().unwrap()
}

/// Two phexts of a few parts each.
fn filled(vfs: &MemoryVfs) -> Store {
    let store = open(vfs, options()).unwrap();
    for round in 0..3u32 {
        for phext in ["notes", "other"] {
            let operation = |n: u32| {
                let coordinate = at(1 + n % 7, 1 + (n * 31 + round * 500) % 1000);
                put(coordinate, format!("{phext} {round} {n}"))
            };
            let operations = (0..200).map(operation).collect();
            store.commit(batch(phext, operations)).unwrap();
        }
        store.seal().unwrap();
    }
    store
}

fn placements(phext: &Phext) -> Vec<String> {
    phext.part_summaries().map(|part| part.placement).collect()
}

#[test]
fn parts_are_rewritten_in_the_new_order_and_nothing_else_changes() {
    let vfs = MemoryVfs::new();
    let store = filled(&vfs);
    store.merge().unwrap();
    let before = contents(&store.snapshot()).unwrap();
    let untouched = placements(store.snapshot().phext("other").unwrap());
    for name in [
        "hilbert",
        "lexicographic",
        "prefix=3,peano",
        "morton",
        "auto",
        "lexicographic",
    ] {
        store.set_order("notes", order(name)).unwrap();
        store.merge().unwrap();
        let snapshot = store.snapshot();
        let notes = snapshot.phext("notes").unwrap();
        assert_eq!(notes.order(), order(name));
        assert_eq!(notes.stale_parts(), 0, "{name}");
        if name != "auto" {
            assert!(
                placements(notes).iter().all(|placement| placement == name),
                "{name}: {:?}",
                placements(notes)
            );
        }
        assert_eq!(placements(snapshot.phext("other").unwrap()), untouched);
        assert_eq!(contents(&snapshot).unwrap(), before, "{name}");
    }
    drop(store);
    let store = open(&vfs, options()).unwrap();
    let snapshot = store.snapshot();
    let notes = snapshot.phext("notes").unwrap();
    assert_eq!(notes.order(), Order::Lexicographic);
    assert_eq!(notes.stale_parts(), 0);
    assert_eq!(contents(&snapshot).unwrap(), before);
}

#[test]
fn an_order_is_set_only_where_there_is_a_phext() {
    let store = open(&MemoryVfs::new(), options()).unwrap();
    let refused = store.set_order("notes", Order::Lexicographic);
    assert!(
        matches!(&refused, Err(StoreError::NoSuchPhext { name }) if name == "notes"),
        "{refused:?}"
    );
    assert_eq!(store.poison(), None);
    store
        .commit(batch("notes", vec![put(at(1, 1), "x")]))
        .unwrap();
    store.set_order("notes", Order::Lexicographic).unwrap();
}

/// A phext that is nowhere but in the log when its order is set.
#[test]
fn an_order_set_before_the_first_seal_is_kept() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let written = batch("notes", vec![put(at(1, 1), "x")]);
    store.commit(written.clone()).unwrap();
    store.set_order("notes", order("peano")).unwrap();
    let mut expected = Model::new();
    support::apply(&mut expected, &written);
    let survivor = vfs.after_crash(0);
    let store = open(&survivor, options()).unwrap();
    let snapshot = store.snapshot();
    assert_eq!(snapshot.phext("notes").unwrap().order(), order("peano"));
    assert_eq!(contents(&snapshot).unwrap(), expected);
    store.seal().unwrap();
    let snapshot = store.snapshot();
    assert_eq!(placements(snapshot.phext("notes").unwrap()), ["peano"]);
}

fn last_write() -> WriteBatch {
    batch("notes", vec![put(at(1, 1), "after")])
}

/// Sets the order, rewrites, and writes on. Ends at the first failure. Gives whether the order was
/// acknowledged, and the model of what was.
fn reorder(store: &Store, held: &Model) -> (bool, Model) {
    let mut model = held.clone();
    let acknowledged = store.set_order("notes", order("hilbert")).is_ok();
    if acknowledged && store.merge().is_ok() && store.commit(last_write()).is_ok() {
        support::apply(&mut model, &last_write());
    }
    (acknowledged, model)
}

#[test]
fn a_crash_while_an_order_changes_leaves_a_store_that_goes_on_with_it() {
    let vfs = MemoryVfs::new();
    let held = contents(&filled(&vfs).snapshot()).unwrap();
    let vfs = vfs.after_crash(1);
    let mut written_on = held.clone();
    support::apply(&mut written_on, &last_write());
    let (mut states, mut half_done) = (0, 0);
    for at in 0.. {
        let medium = vfs.after_crash(1);
        let store = open(&medium, options()).unwrap();
        medium.set_fault(Some(Fault::PowerOff {
            at: medium.operations() + at,
        }));
        let (acknowledged, model) = reorder(&store, &held);
        let is_through = model != held;
        for seed in [0, 1, 2 + at] {
            let context = format!("crash at {at}, seed {seed}");
            let survivor = medium.after_crash(seed);
            let store = open(&survivor, options()).unwrap_or_else(|e| panic!("{context}: {e}"));
            let snapshot = store.snapshot();
            let found = contents(&snapshot).unwrap();
            // The last write was perhaps not acknowledged, and is there.
            assert!(
                found == model || !is_through && found == written_on,
                "{context}"
            );
            let notes = snapshot.phext("notes").unwrap();
            assert!(
                !acknowledged || notes.order() == order("hilbert"),
                "{context}: the order is lost"
            );
            half_done += u32::from(notes.order() == order("hilbert") && notes.stale_parts() > 0);
            store.merge().unwrap();
            let after = store.snapshot();
            assert_eq!(
                after.phext("notes").unwrap().stale_parts(),
                0,
                "{context}: left in the old order"
            );
            assert_eq!(contents(&after).unwrap(), found, "{context}");
            states += 1;
        }
        if is_through {
            break;
        }
    }
    println!("{states} crash states, {half_done} between the order and its parts");
    assert!(half_done > 0, "no crash came in between");
}

#[test]
fn parts_are_rewritten_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    let vfs = std::sync::Arc::new(RealVfs);
    let background = Options {
        background: true,
        ..options()
    };
    let store = Store::open_with(
        vfs,
        &directory.path().join(root().file_name().unwrap()),
        background,
    )
    .unwrap();
    for n in 0..500u32 {
        let write = batch(
            "notes",
            vec![put(at(1 + n % 9, 1 + n), format!("text {n}"))],
        );
        store.commit(write).unwrap();
    }
    store.seal().unwrap();
    let before = contents(&store.snapshot()).unwrap();
    store.set_order("notes", order("morton")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.snapshot().phext("notes").unwrap().stale_parts() > 0 {
        assert!(Instant::now() < deadline, "it is not rewritten");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(contents(&store.snapshot()).unwrap(), before);
}
