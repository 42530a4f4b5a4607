//! The phext that is queried.

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::{Options, Phext, Store, StoreError, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;

const PHEXT: &str = "bench";

/// Scrolls of up to 300 bytes in one part.
pub(crate) struct Dataset {
    pub(crate) phext: Arc<Phext>,
    pub(crate) scrolls: u32,
    _store: Store,
}

impl Dataset {
    pub(crate) fn new(directory: &Path, scrolls: u32) -> Result<Self, StoreError> {
        let options = Options {
            background: false,
            ..Options::default()
        };
        let store = Store::open(directory, options)?;
        let put = |n: u32| WriteOp::Put {
            coordinate: point(n),
            text: Bytes::from(vec![b'x'; n as usize * 7 % 300]),
        };
        store.commit(WriteBatch {
            phext: PHEXT.to_owned(),
            operations: (0..scrolls).map(put).collect(),
        })?;
        store.seal()?;
        let snapshot = store.snapshot();
        let phext = snapshot.phext(PHEXT).expect("it was written").clone();
        Ok(Self {
            phext,
            scrolls,
            _store: store,
        })
    }
}

/// The coordinate of a scroll.
pub(crate) fn point(n: u32) -> Coordinate {
    let [section, scroll] = [n / 100 % 100 + 1, n % 100 + 1];
    Coordinate::new([1, 1, 1, 1, 1, 1, n / 10_000 + 1, section, scroll])
        .expect("components are from 1")
}
