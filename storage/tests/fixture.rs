//! A data directory as this version of the format writes it, opened for ever.
//!
//! `fixtures/store.tar.gz` was written by the store once and is in the repository: three phexts in
//! three orders, parts that were merged and parts with shadowed slots, a scroll with many lines, a
//! setting, and commits that are in the log only. The store must open it and find exactly the
//! contents of [`script`], told by a plain model.
//!
//! ```text
//! cargo test -p phext-storage --test fixture -- --ignored    writes it anew
//! ```
//!
//! That is for a change of the format before its first release; afterwards a new version gets a
//! fixture of its own beside the old one. What this one lacks is in that of `fixture_reused.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that cannot go on fails, and this one packs and unpacks files; clippy sees only functions marked as tests"
)]

#[path = "support/packed.rs"]
mod packed;
mod support;

use packed::{fixture, pack, unpack};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Options, Store, WriteBatch};
use std::path::Path;
use support::{Model, append, apply, at, batch, contents, delete, put};

/// The orders of the phexts, each of which is named after its own.
const ORDERS: [&str; 3] = ["lexicographic", "hilbert", "prefix=2,morton"];

const NAME: &str = "store.tar.gz";

/// What a file of the repository may take.
const MOST_BYTES: u64 = 100_000;

fn options(order: &str) -> Options {
    Options {
        order: order.parse().unwrap(),
        background: false,
        log_reserve_bytes: 4096,
        ..Options::default()
    }
}

/// The commits of each round; a seal follows every round but the last.
fn script(round: u32) -> Vec<WriteBatch> {
    let of_phext = |name: &&str| {
        let scrolls = (1..=40u32).filter(|number| number % (round + 1) == 0 || round == 0);
        let mut operations: Vec<_> = scrolls
            .map(|number| put(place(number), format!("{name} {round}.{number} – ünï")))
            .collect();
        operations.push(delete(place(3 + round)));
        operations.push(append(place(40), format!(" and {round}")));
        batch(name, operations)
    };
    let mut batches: Vec<WriteBatch> = ORDERS.iter().map(of_phext).collect();
    let lines: String = (0..500).map(|line| format!("line {line}\n")).collect();
    batches.push(batch("lexicographic", vec![put(at(9, 1), lines)]));
    batches
}

fn place(number: u32) -> Coordinate {
    let far = if number.is_multiple_of(10) {
        2_000_000_000
    } else {
        1
    };
    Coordinate::new([1, far, number % 4 + 1, 1, number % 3 + 1, 1, 1, 7, number]).unwrap()
}

const ROUNDS: u32 = 6;

fn expected() -> Model {
    let mut model = Model::new();
    for batch in (0..ROUNDS).flat_map(script) {
        apply(&mut model, &batch);
    }
    model
}

/// Writes the store of the fixture into a directory.
fn write(directory: &Path) {
    for order in ORDERS {
        let store = Store::open(directory, options(order)).unwrap();
        let commit = |operation| store.commit(batch(order, vec![operation])).unwrap();
        commit(put(at(5, 5), "the first"));
        // The log does not say a phext's order, the catalog does.
        store.seal().unwrap();
        commit(delete(at(5, 5)));
    }
    let store = Store::open(directory, options("auto")).unwrap();
    for round in 0..ROUNDS {
        for batch in script(round) {
            store.commit(batch).unwrap();
        }
        match round {
            3 => {
                store.seal().unwrap();
                store.merge().unwrap();
            }
            5 => store.set_setting("setting", b"value").unwrap(),
            _ => store.seal().unwrap(),
        }
    }
}

#[test]
fn the_store_of_the_fixture_opens_and_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    unpack(&fixture(NAME), MOST_BYTES, directory.path());
    let store = Store::open(directory.path(), options("auto")).unwrap();
    let recovery = store.recovery();
    assert!(
        recovery.replayed_records > 0 && recovery.torn_tail.is_none(),
        "{recovery:?}"
    );
    assert_eq!(store.setting("setting").as_deref(), Some(&b"value"[..]));
    let snapshot = store.snapshot();
    assert_eq!(contents(&snapshot).unwrap(), expected());
    for (name, scrolls) in expected() {
        let phext = snapshot.phext(&name).unwrap();
        assert_eq!(phext.order().to_string(), name);
        assert!(phext.parts() > 0, "{name} has parts");
        for (coordinate, text) in scrolls {
            assert_eq!(phext.locate(&coordinate).unwrap().text().unwrap(), text);
        }
        assert!(!phext.locate(&at(8, 8)).unwrap().is_present());
    }
    assert!(store.verify(|_| {}).unwrap() > 0);
}

#[test]
#[ignore = "writes the fixture into the source tree"]
fn write_the_fixture() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    pack(directory.path(), &fixture(NAME));
}
