//! A store in memory for tests of workloads.

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;

pub(super) struct TestStore {
    pub(super) phext: Arc<Phext>,
    _store: Store,
}

impl TestStore {
    /// A phext of these scrolls, in a part and in a memtable.
    pub(super) fn of<T: Into<Bytes>>(
        scrolls: impl IntoIterator<Item = (Coordinate, T)>,
    ) -> TestStore {
        let options = Options {
            background: false,
            ..Options::default()
        };
        let store =
            Store::open_with(Arc::new(MemoryVfs::default()), Path::new("/data"), options).unwrap();
        let put = |(coordinate, text): (Coordinate, T)| WriteOp::Put {
            coordinate,
            text: text.into(),
        };
        let mut operations: Vec<_> = scrolls.into_iter().map(put).collect();
        let later = operations.split_off(operations.len() / 2);
        for operations in [operations, later] {
            let phext = "test".to_owned();
            // The first half goes to a part, the second one stays in memory.
            store.seal().unwrap();
            if operations.is_empty() {
                continue;
            }
            store.commit(WriteBatch { phext, operations }).unwrap();
        }
        let phext = Arc::clone(store.snapshot().phext("test").unwrap());
        TestStore {
            phext,
            _store: store,
        }
    }
}
