//! A phext to measure over: one sealed part on disk, mapped and in the page cache.

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::sync::Arc;

/// A store of one part in a directory that goes with it.
#[derive(Debug)]
pub struct Dataset {
    _directory: tempfile::TempDir,
    _store: Store,
    /// What is measured.
    pub phext: Arc<Phext>,
}

impl Dataset {
    /// The store of these scrolls.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    pub fn of(scrolls: impl Iterator<Item = (Coordinate, Bytes)>) -> Dataset {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let options = Options {
            background: false,
            ..Options::default()
        };
        let store = Store::open(directory.path(), options).expect("the directory is empty");
        let put = |(coordinate, text)| WriteOp::Put { coordinate, text };
        let batch = WriteBatch {
            phext: "bench".to_owned(),
            operations: scrolls.map(put).collect(),
        };
        store.commit(batch).expect("the store is new");
        store.seal().expect("the store is new");
        let snapshot = store.snapshot();
        let phext = snapshot.phext("bench").expect("it was written").clone();
        Dataset {
            _directory: directory,
            _store: store,
            phext,
        }
    }

    /// Scrolls at [`point`]s 0 to `scrolls`, of 0 to 299 bytes.
    ///
    /// # Panics
    /// As [`Dataset::of`].
    pub fn small(scrolls: u32) -> Dataset {
        let text = |n: u32| Bytes::from("x".repeat(n as usize * 7 % 300));
        Dataset::of((0..scrolls).map(|n| (point(n), text(n))))
    }
}

/// The coordinates of [`Dataset::small`], ascending.
///
/// # Panics
/// When `n` is so large that a component does not exist.
pub fn point(n: u32) -> Coordinate {
    let (chapter, section, scroll) = (n / 10_000 + 1, n / 100 % 100 + 1, n % 100 + 1);
    let components = [1, 1, 1, 1, 1, 1, chapter, section, scroll];
    Coordinate::new(components).expect("components are from 1")
}
