//! A full memtable is freed by the thread that sealed it: 64 MiB of small texts take a tenth of a second, and
//! whoever lets go last, a reader or a commit, would spend it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Store, WriteBatch, WriteOp};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

const TEXT_BYTES: usize = 1000;
const MEMTABLE_BYTES: u64 = 64 << 10;
/// More than a memtable holds.
const TEXTS: u32 = 100;

/// A machine that is busy may keep this thread from letting go in the time that sealing waits for it.
const ATTEMPTS: usize = 10;

/// A text that tells which thread freed it.
struct Text {
    bytes: [u8; TEXT_BYTES],
    reader: ThreadId,
    freed: Arc<Freed>,
}

/// How many texts were freed.
#[derive(Default)]
struct Freed {
    by_reader: AtomicU64,
    by_others: AtomicU64,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let counter = match thread::current().id() == self.reader {
            true => &self.freed.by_reader,
            false => &self.freed.by_others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until something holds, which takes milliseconds, and fails where it does not come to hold.
fn wait_until(holds: impl Fn() -> bool) {
    const LONGEST: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONGEST, "it never came to hold");
        thread::sleep(Duration::from_micros(100));
    }
}

/// Fills a memtable, reads what is current before it is sealed until it is, and says how many of its texts
/// this thread freed.
fn freed_by_reader() -> u64 {
    let options = Options {
        memtable_bytes: MEMTABLE_BYTES,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(MemoryVfs::new()), Path::new("/store"), options).unwrap();
    let freed = Arc::new(Freed::default());
    let reader = thread::current().id();
    let put = |number| WriteOp::Put {
        coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number]).unwrap(),
        text: Bytes::from_owner(Text {
            bytes: [b'x'; TEXT_BYTES],
            reader,
            freed: Arc::clone(&freed),
        }),
    };
    let commit = |numbers: RangeInclusive<u32>| {
        let batch = WriteBatch {
            phext: "a".to_owned(),
            operations: numbers.map(put).collect(),
        };
        store.commit(batch).unwrap();
    };
    commit(1..=1);
    let snapshot = store.snapshot();
    commit(2..=TEXTS);
    wait_until(|| store.statistics().seals > 0);
    drop(snapshot);
    let by_reader = || freed.by_reader.load(Ordering::Relaxed);
    let by_others = || freed.by_others.load(Ordering::Relaxed);
    wait_until(|| by_reader() + by_others() == u64::from(TEXTS));
    by_reader()
}

#[test]
fn the_thread_that_sealed_a_memtable_frees_it() {
    let attempts: Vec<u64> = (0..ATTEMPTS).map(|_| freed_by_reader()).collect();
    assert!(attempts.contains(&0), "{attempts:?}");
}
