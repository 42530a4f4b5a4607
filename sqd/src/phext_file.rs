//! Phext documents in files: import and export.

use bytes::Bytes;
use phext_query::{ExecuteError, Fields, Flow, Mutation, MutationKind, Query, ResultRow, run};
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{PhextError, PhextReader, PhextWriter, validate_text};
use phext_storage::vfs::{FileWriter, RealVfs, Vfs};
use phext_storage::{Phext, Store, StoreError};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Text committed at once while importing, in bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Scrolls between two lines of progress.
const PROGRESS_SCROLLS: u64 = 1_000_000;

/// Why a file was not imported or exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{path}: {source}", path = .path.display())]
    Phext { path: PathBuf, source: PhextError },
    #[error("{path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) scrolls: u64,
    pub(crate) removed: u64,
}

/// Makes a phext what the file says: its scrolls are put, all others removed. Batches are committed
/// on the way, so an interrupted import must be repeated.
pub(crate) fn import(store: &Store, name: &str, path: &Path) -> Result<Imported, FileError> {
    let io_error = |source| FileError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = RealVfs.read(path).map_err(io_error)?;
    let mut reader = PhextReader::new(file);
    let before = store.snapshot().phext(name).cloned();
    let mut kept = BTreeSet::new();
    let mut batch = Batch::new(store, name, MutationKind::Update);
    let mut scrolls = 0;
    loop {
        let next = reader.next_scroll();
        let next = next.map_err(|source| FileError::Phext {
            path: path.to_path_buf(),
            source,
        })?;
        let Some((coordinate, text)) = next else {
            break;
        };
        if before.is_some() {
            kept.insert(coordinate);
        }
        batch.push(coordinate, Bytes::copy_from_slice(text.as_bytes()))?;
        scrolls += 1;
        if scrolls % PROGRESS_SCROLLS == 0 {
            tracing::info!(path = %path.display(), scrolls, "importing");
        }
    }
    // Committed even when empty: it creates the phext.
    batch.commit()?;
    let removed = match before {
        Some(before) => remove_others(store, &before, &kept)?,
        None => 0,
    };
    Ok(Imported { scrolls, removed })
}

/// Removes the scrolls of `phext` that are not in `kept`.
fn remove_others(
    store: &Store,
    phext: &Phext,
    kept: &BTreeSet<Coordinate>,
) -> Result<u64, FileError> {
    let mut others = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        others.extend(
            row.coordinate
                .filter(|coordinate| !kept.contains(coordinate)),
        );
        Ok(Flow::Continue)
    };
    run(&Query::all(Fields::default()), phext, &mut sink)?;
    let removed = others.len() as u64;
    let mut batch = Batch::new(store, phext.name(), MutationKind::Delete);
    for coordinate in others {
        batch.push(coordinate, Bytes::new())?;
    }
    if removed > 0 {
        batch.commit()?;
    }
    Ok(removed)
}

/// Scrolls on their way into the store.
struct Batch<'a> {
    store: &'a Store,
    name: &'a str,
    kind: MutationKind,
    scrolls: Vec<(Coordinate, Bytes)>,
    bytes: usize,
}

impl<'a> Batch<'a> {
    fn new(store: &'a Store, name: &'a str, kind: MutationKind) -> Self {
        Batch {
            store,
            name,
            kind,
            scrolls: Vec::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, coordinate: Coordinate, text: Bytes) -> Result<(), FileError> {
        // A scroll costs more than its text on the way: count the coordinate as well.
        self.bytes += text.len() + size_of::<Coordinate>();
        self.scrolls.push((coordinate, text));
        if self.bytes >= BATCH_BYTES {
            self.commit()
        } else {
            Ok(())
        }
    }

    fn commit(&mut self) -> Result<(), FileError> {
        let scrolls = std::mem::take(&mut self.scrolls);
        self.bytes = 0;
        let mutation = Mutation {
            phext: self.name.to_owned(),
            kind: self.kind,
            scrolls,
        };
        self.store.commit(mutation.into_batch()?)?;
        Ok(())
    }
}

/// Writes a phext as one document. Returns the number of scrolls.
pub(crate) fn write_document(phext: &Phext, out: &mut dyn Write) -> Result<u64, ExecuteError> {
    let mut writer = PhextWriter::new(out);
    let mut scrolls = 0;
    let mut sink = |row: &ResultRow<'_>| {
        let (Some(coordinate), Some(text)) = (row.coordinate, row.text) else {
            return Ok(Flow::Continue);
        };
        let text = validate_text(text).map_err(io::Error::other)?;
        writer.write(coordinate, text).map_err(io::Error::other)?;
        scrolls += 1;
        Ok(Flow::Continue)
    };
    run(&Query::all(Fields::TEXT), phext, &mut sink)?;
    Ok(scrolls)
}

/// Writes a phext to a file, whole or not at all, durably. Returns the number of scrolls.
pub(crate) fn export(phext: &Phext, path: &Path) -> Result<u64, FileError> {
    let io_error = |source| FileError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let _ = RealVfs.remove(&temporary);
    let file = RealVfs.create(&temporary).map_err(io_error)?;
    let mut out = FileWriter::new(file);
    let scrolls = write_document(phext, &mut out)?;
    out.finish().map_err(io_error)?;
    RealVfs.rename(&temporary, path).map_err(io_error)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    RealVfs
        .sync_dir(directory.unwrap_or(Path::new(".")))
        .map_err(io_error)?;
    Ok(scrolls)
}
