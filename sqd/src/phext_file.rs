//! Phext documents in files: import and export.

use bytes::Bytes;
use phext_query::{
    Bulk, ExecuteError, Fields, Flow, IntoIngest, Mutation, MutationKind, Query, ResultRow, run,
};
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{PhextError, PhextReader, PhextWriter, validate_text};
use phext_storage::vfs::{FileWriter, RealVfs, Vfs};
use phext_storage::{IngestMode, Phext, Store, StoreError};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file of up to this many bytes is imported by one commit.
const COMMIT_BYTES: u64 = 4 << 20;
/// Bytes of the file between two reports of progress.
const REPORT_BYTES: u64 = 4 << 20;

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
    /// Scrolls in the file.
    pub(crate) scrolls: u64,
    /// Scrolls that the phext held before.
    pub(crate) replaced: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of the file read.
    pub(crate) bytes: u64,
    /// Bytes of the file.
    pub(crate) total_bytes: u64,
    /// Scrolls read.
    pub(crate) scrolls: u64,
}

/// Makes a phext what the file says: its scrolls are put, all others removed, in one step. `progress`
/// is called now and then.
///
/// A file that does not parse changes nothing. A small file is one commit, so that many small phexts
/// share log and segments; a larger one goes past the log into segments of its own.
pub(crate) fn import(
    store: &Store,
    name: &str,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, FileError> {
    let document = Document::open(path)?;
    match document.total_bytes <= COMMIT_BYTES {
        true => import_by_commit(store, name, document),
        false => import_by_ingest(store, name, document, progress),
    }
}

fn import_by_commit(
    store: &Store,
    name: &str,
    mut document: Document<'_>,
) -> Result<Imported, FileError> {
    let mut scrolls = Vec::new();
    while let Some((coordinate, text)) = document.next_scroll()? {
        scrolls.push((coordinate, Bytes::copy_from_slice(text.as_bytes())));
    }
    let before = store.snapshot().phext(name).cloned();
    let replaced = before.as_ref().map_or(0, |phext| phext.scrolls());
    let kept: BTreeSet<Coordinate> = scrolls.iter().map(|&(coordinate, _)| coordinate).collect();
    let removed = match before {
        Some(before) => others(&before, &kept)?,
        None => Vec::new(),
    };
    let imported = Imported {
        scrolls: scrolls.len() as u64,
        replaced,
        bytes: document.bytes(),
    };
    let mut batch = mutation(name, MutationKind::Delete, removed).into_batch()?;
    let puts = mutation(name, MutationKind::Update, scrolls).into_batch()?;
    batch.operations.extend(puts.operations);
    // Committed even when empty: it creates the phext.
    store.commit(batch)?;
    Ok(imported)
}

fn mutation(name: &str, kind: MutationKind, scrolls: Vec<(Coordinate, Bytes)>) -> Mutation {
    Mutation {
        phext: name.to_owned(),
        kind,
        scrolls,
    }
}

/// The scrolls of `phext` that are not in `kept`, without their texts.
fn others(
    phext: &Phext,
    kept: &BTreeSet<Coordinate>,
) -> Result<Vec<(Coordinate, Bytes)>, FileError> {
    let mut others = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        let other = row
            .coordinate
            .filter(|coordinate| !kept.contains(coordinate));
        others.extend(other.map(|coordinate| (coordinate, Bytes::new())));
        Ok(Flow::Continue)
    };
    run(&Query::all(Fields::default()), phext, &mut sink)?;
    Ok(others)
}

fn import_by_ingest(
    store: &Store,
    name: &str,
    mut document: Document<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, FileError> {
    let mut ingest = store.ingest(name, IngestMode::Replace)?;
    let mut target = IntoIngest(&mut ingest);
    let mut bulk = Bulk::new(&mut target);
    let mut next_report = REPORT_BYTES;
    while let Some((coordinate, text)) = document.next_scroll()? {
        bulk.push(coordinate, text.as_bytes())?;
        if document.bytes() >= next_report {
            next_report = document.bytes() + REPORT_BYTES;
            progress(document.progress());
        }
    }
    bulk.flush()?;
    progress(document.progress());
    let summary = ingest.finish()?;
    Ok(Imported {
        scrolls: summary.scrolls,
        replaced: summary.previous_scrolls,
        bytes: document.bytes(),
    })
}

/// A file that is read scroll by scroll.
struct Document<'p> {
    path: &'p Path,
    reader: PhextReader<Box<dyn Read + Send>>,
    total_bytes: u64,
    scrolls: u64,
}

impl<'p> Document<'p> {
    fn open(path: &'p Path) -> Result<Document<'p>, FileError> {
        let io_error = |source| FileError::Io {
            path: path.to_path_buf(),
            source,
        };
        Ok(Document {
            path,
            total_bytes: RealVfs.metadata(path).map_err(io_error)?.length,
            reader: PhextReader::new(RealVfs.read(path).map_err(io_error)?),
            scrolls: 0,
        })
    }

    fn next_scroll(&mut self) -> Result<Option<(Coordinate, &str)>, FileError> {
        match self.reader.next_scroll() {
            Ok(scroll) => {
                self.scrolls += u64::from(scroll.is_some());
                Ok(scroll)
            }
            Err(source) => Err(FileError::Phext {
                path: self.path.to_path_buf(),
                source,
            }),
        }
    }

    /// Bytes read as scrolls and breaks.
    fn bytes(&self) -> u64 {
        self.reader.offset()
    }

    fn progress(&self) -> Progress {
        Progress {
            bytes: self.bytes(),
            total_bytes: self.total_bytes,
            scrolls: self.scrolls,
        }
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
    save(path, |out| Ok(write_document(phext, out)?))
}

/// Writes a file, durably, which replaces the one that was there when it is complete.
pub(crate) fn save<T>(
    path: &Path,
    write: impl FnOnce(&mut FileWriter) -> Result<T, FileError>,
) -> Result<T, FileError> {
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
    let written = write(&mut out)?;
    out.finish().map_err(io_error)?;
    RealVfs.rename(&temporary, path).map_err(io_error)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    RealVfs
        .sync_dir(directory.unwrap_or(Path::new(".")))
        .map_err(io_error)?;
    Ok(written)
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

    fn store() -> Store {
        let vfs = Arc::new(MemoryVfs::new());
        Store::open_with(vfs, Path::new("data"), Options::default()).unwrap()
    }

    fn import(store: &Store, name: &str, path: &Path) -> Result<Imported, FileError> {
        super::import(store, name, path, &mut |_| {})
    }

    /// A document of more bytes than one commit takes, with a scroll for each text given in front.
    fn large(front: &str) -> Vec<u8> {
        let mut content = front.as_bytes().to_vec();
        content.push(0x18);
        for number in 0..COMMIT_BYTES / 50 {
            content.extend_from_slice(format!("{number:049}\x17").as_bytes());
        }
        content.extend_from_slice(format!("{:050}", 0).as_bytes());
        content
    }

    #[test]
    fn a_phext_becomes_what_the_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.phext");
        let store = store();
        let check = |content: &[u8], scrolls, replaced| {
            write(&path, content);
            let imported = import(&store, "a", &path).unwrap();
            let bytes = content.len() as u64;
            let expected = Imported {
                scrolls,
                replaced,
                bytes,
            };
            assert_eq!(imported, expected);
            assert_eq!(document(&store, "a").as_deref(), Some(content));
        };
        let many = COMMIT_BYTES / 50 + 1;
        check(b"one\x17two\x18three", 3, 0);
        check(b"\x17zwei", 1, 3);
        check(&large("a\x17b"), many + 2, 1);
        check(&large("c"), many + 1, many + 2);
        check(b"", 0, many + 1);
        check(&large("d"), many + 1, 0);
    }

    #[test]
    fn a_file_that_does_not_parse_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.phext");
        let check = |mut content: Vec<u8>| {
            content.push(0xff);
            let store = store();
            write(&path, &content);
            let error = import(&store, "a", &path).unwrap_err().to_string();
            let at = content.len() - 1;
            assert!(error.ends_with(&format!("at byte {at}")), "{error}");
            assert_eq!(document(&store, "a"), None);
        };
        check(b"a\x17b".to_vec());
        check(large("a"));
    }

    #[test]
    fn progress_reaches_the_end_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.phext");
        let content = large("a");
        write(&path, &content);
        let mut seen = Vec::new();
        super::import(&store(), "a", &path, &mut |progress| seen.push(progress)).unwrap();
        assert!(seen.is_sorted_by_key(|progress| progress.bytes));
        let last = seen.pop().unwrap();
        assert_eq!(
            (last.bytes, last.total_bytes),
            (content.len() as u64, content.len() as u64)
        );
        assert_eq!(last.scrolls, COMMIT_BYTES / 50 + 2);
    }

    #[test]
    fn an_export_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (
            directory.path().join("a.phext"),
            directory.path().join("b.phext"),
        );
        let store = store();
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
