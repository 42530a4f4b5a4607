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

/// Makes a phext what the file says: its scrolls are put, all others removed.
///
/// The file is read twice, so that one that does not parse changes nothing. Batches are committed on
/// the way, so an import that is interrupted must be repeated.
pub(crate) fn import(store: &Store, name: &str, path: &Path) -> Result<Imported, FileError> {
    for_each_scroll(path, |_, _| Ok(()))?;
    let before = store.snapshot().phext(name).cloned();
    let mut kept = BTreeSet::new();
    let mut batch = Batch::new(store, name, MutationKind::Update);
    let mut scrolls = 0;
    for_each_scroll(path, |coordinate, text| {
        if before.is_some() {
            kept.insert(coordinate);
        }
        scrolls += 1;
        if scrolls % PROGRESS_SCROLLS == 0 {
            tracing::info!(path = %path.display(), scrolls, "importing");
        }
        batch.push(coordinate, Bytes::copy_from_slice(text.as_bytes()))
    })?;
    // Committed even when empty: it creates the phext.
    batch.commit()?;
    let removed = match before {
        Some(before) => remove_others(store, &before, &kept)?,
        None => 0,
    };
    Ok(Imported { scrolls, removed })
}

/// Calls `visit` with each scroll of the file, in order.
fn for_each_scroll(
    path: &Path,
    mut visit: impl FnMut(Coordinate, &str) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let file = RealVfs.read(path).map_err(|source| FileError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let mut reader = PhextReader::new(file);
    loop {
        match reader.next_scroll() {
            Ok(Some((coordinate, text))) => visit(coordinate, text)?,
            Ok(None) => return Ok(()),
            Err(source) => {
                return Err(FileError::Phext {
                    path: path.to_path_buf(),
                    source,
                });
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use phext_storage::Options;
    use phext_storage::vfs::MemoryVfs;
    use std::sync::Arc;

    fn document(store: &Store, name: &str) -> Option<Vec<u8>> {
        let snapshot = store.snapshot();
        let mut bytes = Vec::new();
        write_document(snapshot.phext(name)?, &mut bytes).unwrap();
        Some(bytes)
    }

    fn write(path: &Path, bytes: &[u8]) {
        let _ = RealVfs.remove(path);
        let mut file = FileWriter::new(RealVfs.create(path).unwrap());
        file.write_all(bytes).unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn a_phext_becomes_what_the_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.phext");
        let vfs = Arc::new(MemoryVfs::new());
        let store = Store::open_with(vfs, Path::new("data"), Options::default()).unwrap();
        let check = |content: &[u8], scrolls, removed| {
            write(&path, content);
            let imported = import(&store, "a", &path).unwrap();
            assert_eq!(imported, Imported { scrolls, removed });
            assert_eq!(document(&store, "a").as_deref(), Some(content));
        };
        check(b"one\x17two\x18three", 3, 0);
        check(b"\x17zwei", 1, 2);
        check(b"", 0, 1);
    }

    #[test]
    fn a_file_that_does_not_parse_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.phext");
        let vfs = Arc::new(MemoryVfs::new());
        let store = Store::open_with(vfs, Path::new("data"), Options::default()).unwrap();
        let mut content = vec![b'x'; 2 * BATCH_BYTES];
        content.insert(BATCH_BYTES + 1, 0x17);
        content.push(0xff);
        write(&path, &content);
        let error = import(&store, "a", &path).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("at byte {}", content.len() - 1)),
            "{error}"
        );
        assert_eq!(document(&store, "a"), None);
    }

    #[test]
    fn an_export_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (
            directory.path().join("a.phext"),
            directory.path().join("b.phext"),
        );
        let vfs = Arc::new(MemoryVfs::new());
        let store = Store::open_with(vfs, Path::new("data"), Options::default()).unwrap();
        write(&from, b"one\x17two\n");
        import(&store, "a", &from).unwrap();
        assert_eq!(
            export(store.snapshot().phext("a").unwrap(), &to).unwrap(),
            2
        );
        import(&store, "b", &to).unwrap();
        assert_eq!(document(&store, "b"), document(&store, "a"));
    }
}
