//! What the store's tests share: names for the moving parts and a plain model of the contents.

#![allow(
    clippy::allow_attributes,
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test binary uses a part of what they share, so no expectation holds for all"
)]

pub(crate) mod sampler;
pub(crate) mod workload;

use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Lane, LaneSpec};
use phext_storage::vfs::{MemoryVfs, Vfs};
use phext_storage::{
    Options, Phext, RepairReport, Snapshot, Store, StoreError, WriteBatch, WriteOp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Scrolls by coordinate, for each phext by name.
pub(crate) type Model = BTreeMap<String, BTreeMap<Coordinate, Vec<u8>>>;

/// Prints a line of how much a test ran through. It goes past the capture of output, so that every
/// run of the tests shows it.
macro_rules! tell {
    ($($arguments:tt)*) => {
        $crate::support::write_line(&format!($($arguments)*))
    };
}
pub(crate) use tell;

/// See [`tell`].
pub(crate) fn write_line(line: &str) {
    // Nobody reads what a closed standard error would have said.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
}

/// Tells threads of a test to end, also where the test fails: its scope would wait for them for ever.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Where a store in memory lives.
pub(crate) fn root() -> PathBuf {
    PathBuf::from("/store")
}

/// Loses the catalog of the store at [`root`].
pub(crate) fn lose_catalog(vfs: &MemoryVfs) {
    vfs.rename_catalog(&root().join("catalog"), Path::new("/elsewhere"))
        .expect("the store has a catalog");
}

/// Loses the copy of the catalog as well.
pub(crate) fn lose_both_catalogs(vfs: &MemoryVfs) {
    lose_catalog(vfs);
    vfs.remove(&root().join("MANIFEST"))
        .expect("the catalog has a copy");
}

/// A store that works on the caller's thread and seals after a few writes.
pub(crate) fn small() -> Options {
    Options {
        memtable_bytes: 1500,
        background: false,
        log_reserve_bytes: 2048,
        ..Options::default()
    }
}

/// Opens a store in a file system that lives in memory.
pub(crate) fn open(
    vfs: &(impl Vfs + Clone + 'static),
    options: Options,
) -> Result<Store, StoreError> {
    Store::open_with(Arc::new(vfs.clone()), &root(), options)
}

/// The coordinate whose first and last components are these.
pub(crate) fn at(first: u32, last: u32) -> Coordinate {
    Coordinate::new([first, 1, 1, 1, 1, 1, 1, 1, last]).expect("components from 1 up")
}

/// A put.
pub(crate) fn put(coordinate: Coordinate, text: impl Into<Vec<u8>>) -> WriteOp {
    WriteOp::Put {
        coordinate,
        text: text.into().into(),
    }
}

/// An append.
pub(crate) fn append(coordinate: Coordinate, text: impl Into<Vec<u8>>) -> WriteOp {
    WriteOp::Append {
        coordinate,
        text: text.into().into(),
    }
}

/// A delete.
pub(crate) fn delete(coordinate: Coordinate) -> WriteOp {
    WriteOp::Delete { coordinate }
}

/// A batch.
pub(crate) fn batch(phext: &str, operations: Vec<WriteOp>) -> WriteBatch {
    WriteBatch {
        phext: phext.into(),
        operations,
    }
}

/// Applies a batch to the model. Gives what [`phext_storage::Commit::previous_lengths`] must say.
pub(crate) fn apply(model: &mut Model, batch: &WriteBatch) -> Vec<Option<u64>> {
    let only_deletes = batch
        .operations
        .iter()
        .all(|op| matches!(op, WriteOp::Delete { .. }));
    if only_deletes && !model.contains_key(&batch.phext) {
        return vec![None; batch.operations.len()];
    }
    let scrolls = model.entry(batch.phext.clone()).or_default();
    let apply_one = |op: &WriteOp| {
        let (coordinate, text) = match op {
            WriteOp::Put { coordinate, text } => (coordinate, text.to_vec()),
            WriteOp::Append { coordinate, text } => {
                let old = scrolls.get(coordinate).cloned().unwrap_or_default();
                (coordinate, [&old[..], &text[..]].concat())
            }
            WriteOp::Delete { coordinate } => (coordinate, Vec::new()),
        };
        let previous = match text.is_empty() {
            true => scrolls.remove(coordinate),
            false => scrolls.insert(*coordinate, text),
        };
        previous.map(|text| text.len() as u64)
    };
    batch.operations.iter().map(apply_one).collect()
}

/// Every lane of a specification.
pub(crate) fn lanes<'a>(phext: &'a Phext, spec: &'a LaneSpec) -> Result<Vec<Lane<'a>>, StoreError> {
    let mut cursor = phext.lanes(spec)?;
    let mut lanes = Vec::new();
    loop {
        let before = lanes.len();
        cursor.next_batch(&mut lanes, 3)?;
        if lanes.len() == before {
            return Ok(lanes);
        }
    }
}

/// Everything a snapshot holds, read by full scans.
pub(crate) fn contents(snapshot: &Snapshot) -> Result<Model, StoreError> {
    let mut model = Model::new();
    for phext in snapshot.phexts() {
        let scrolls = model.entry(phext.name().to_owned()).or_default();
        for lane in lanes(phext, &LaneSpec::All)? {
            let text = lane.location.text()?.to_vec();
            assert!(
                scrolls.insert(lane.coordinate, text).is_none(),
                "{} appears twice in {:?}",
                lane.coordinate,
                phext.name()
            );
        }
        let bytes: usize = scrolls.values().map(Vec::len).sum();
        assert_eq!(phext.scrolls(), scrolls.len() as u64, "{:?}", phext.name());
        assert_eq!(phext.text_bytes(), bytes as u64, "{:?}", phext.name());
    }
    Ok(model)
}

/// Whether a path lies in this subdirectory of a store.
pub(crate) fn is_in(path: &Path, directory: &str) -> bool {
    path.parent()
        .is_some_and(|parent| parent.ends_with(directory))
}

/// The one segment of a store.
pub(crate) fn only_segment(vfs: &MemoryVfs) -> PathBuf {
    let files = vfs.files().into_iter().map(|(path, _)| path);
    let segments: Vec<PathBuf> = files.filter(|path| is_in(path, "segments")).collect();
    let [segment] = segments.as_slice() else {
        panic!("one segment: {segments:?}");
    };
    segment.clone()
}

/// No damage and no action of a repair is told twice.
pub(crate) fn says_nothing_twice(report: &RepairReport) {
    for lines in [&report.damages, &report.actions] {
        let different: BTreeSet<&String> = lines.iter().collect();
        assert_eq!(different.len(), lines.len(), "{lines:#?}");
    }
}
