//! The scrolls that are overwritten.

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::{Store, StoreError, WriteBatch, WriteOp};

pub(crate) const PHEXT: &str = "soak";
const BATCH_SCROLLS: u32 = 8192;

/// A scroll of a book of a thousand chapters of a hundred sections of ten scrolls.
pub(crate) fn coordinate(scroll: u32) -> Coordinate {
    let (section, chapter, book) = (scroll / 10 % 100, scroll / 1000 % 1000, scroll / 1_000_000);
    Coordinate::new([
        1,
        1,
        1,
        1,
        1,
        1 + book,
        1 + chapter,
        1 + section,
        1 + scroll % 10,
    ])
    .expect("components from 1 up")
}

pub(crate) fn put(scroll: u32, version: u32, bytes: usize) -> WriteOp {
    WriteOp::Put {
        coordinate: coordinate(scroll),
        text: text(scroll, version, bytes),
    }
}

pub(crate) fn text(scroll: u32, version: u32, bytes: usize) -> Bytes {
    let text = format!("{version} of {scroll}");
    format!("{text:<bytes$}").into()
}

/// Writes the first version of each, sealed.
pub(crate) fn load(store: &Store, scrolls: u32, bytes: usize) -> Result<(), StoreError> {
    let mut from = 0;
    while from < scrolls {
        let to = scrolls.min(from + BATCH_SCROLLS);
        store.commit(WriteBatch {
            phext: PHEXT.to_owned(),
            operations: (from..to).map(|n| put(n, 0, bytes)).collect(),
        })?;
        from = to;
    }
    store.seal()?;
    Ok(())
}
