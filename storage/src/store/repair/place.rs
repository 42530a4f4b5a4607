//! Putting a repaired store in place, so that a crash at any point leaves it to be done again.

use super::plan::Plan;
use crate::catalog::{Entries, published_path, snapshot_file};
use crate::error::{Result, StoreError};
use crate::log::{LogWriter, Lsn, file_path};
use crate::segment::{PartSource, Segment, file_name, write_segment};
use crate::store::{Paths, durable};
use crate::vfs::{FileWriter, Vfs};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The file that says that a repair is to be put in place.
const FILE: &str = "REPAIR";

/// Where what is new is written before it is put in place.
#[derive(Debug)]
pub(super) struct New {
    vfs: Arc<dyn Vfs>,
    segments: PathBuf,
    catalog: PathBuf,
    first_segment: AtomicU64,
    next_segment: AtomicU64,
}

impl New {
    pub(super) fn create(vfs: Arc<dyn Vfs>, aside: &Path) -> Result<New> {
        let new = New {
            vfs,
            segments: aside.join("new/segments"),
            catalog: aside.join("new/catalog"),
            first_segment: AtomicU64::new(1),
            next_segment: AtomicU64::new(1),
        };
        for path in [aside, &new.segments] {
            let created = new.vfs.create_dir_all(path);
            created.map_err(|e| StoreError::io("create", path, e))?;
        }
        Ok(new)
    }

    pub(super) fn number_segments_from(&self, first: u64) {
        self.first_segment.store(first, Ordering::Relaxed);
        self.next_segment.store(first, Ordering::Relaxed);
    }

    pub(super) fn next_segment(&self) -> u64 {
        self.next_segment.load(Ordering::Relaxed)
    }

    /// Writes a segment of these parts, durably.
    pub(super) fn write_segment(&self, parts: &[PartSource<'_>]) -> Result<Arc<Segment>> {
        let id = self.next_segment.fetch_add(1, Ordering::Relaxed);
        write_segment(&*self.vfs, &self.segments, id, parts)?;
        Segment::open(&*self.vfs, &self.segments, id)
    }
}

/// A repair that is to be put in place: what is moved where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// Where what is replaced goes.
    aside: PathBuf,
    /// Segments that go.
    retired: Vec<u64>,
    /// Segments that come: from the first to below the last.
    first_segment: u64,
    next_segment: u64,
    /// Log files that go.
    logs: Vec<u64>,
    /// The log file that comes, and its first LSN.
    log: u64,
    first_lsn: Lsn,
}

/// Whether a repair of this store was begun and not ended.
pub(in crate::store) fn is_begun(vfs: &dyn Vfs, paths: &Paths) -> Result<bool> {
    let path = paths.root.join(FILE);
    match vfs.metadata(&path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("look for", &path, error)),
    }
}

/// The repair that was begun and not ended.
pub(super) fn begun(vfs: &dyn Vfs, paths: &Paths) -> Result<Option<Begun>> {
    let path = paths.root.join(FILE);
    let mut file = match vfs.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| StoreError::io("open", &path, e))?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|e| StoreError::io("read", &path, e))?;
    let begun = Begun::parse(&text, &paths.root);
    begun
        .map(Some)
        .ok_or_else(|| StoreError::corrupt(&path, 0, "it does not say what a repair says"))
}

/// Writes the repaired catalog, then the file that says that all is to be put in place.
pub(super) fn begin(
    vfs: &dyn Vfs,
    paths: &Paths,
    aside: &Path,
    new: &New,
    plan: Plan,
) -> Result<Begun> {
    let catalog_error = |e| StoreError::io("write", &new.catalog, e);
    let catalog = vfs.open_catalog(&new.catalog).map_err(catalog_error)?;
    let mut changes = plan.changes();
    let mut entries = Entries::default();
    changes.iter().for_each(|change| entries.change(change));
    let mut header = plan.header;
    header.digest = entries.digest();
    changes.push(header.change());
    catalog.apply(&changes).map_err(catalog_error)?;
    drop(catalog);
    let parent = aside.join("new");
    vfs.sync_dir(&parent)
        .map_err(|e| StoreError::io("sync", &parent, e))?;
    let begun = Begun {
        aside: aside.to_path_buf(),
        retired: plan.retired.into_iter().collect(),
        first_segment: new.first_segment.load(Ordering::Relaxed),
        next_segment: new.next_segment(),
        log: plan.logs.last().map_or(1, |last| last + 1),
        logs: plan.logs,
        first_lsn: header.sealed_lsn + 1,
    };
    begun.write(vfs, paths)?;
    Ok(begun)
}

/// Moves files aside that the next opening writes anew. Each may go without the others.
pub(super) fn set_aside(
    vfs: &dyn Vfs,
    paths: &Paths,
    aside: &Path,
    files: &[PathBuf],
) -> Result<()> {
    let moved = || -> io::Result<()> {
        vfs.create_dir_all(aside)?;
        for path in files {
            let name = path
                .file_name()
                .expect("a file in the directory has a name");
            vfs.rename(path, &aside.join(name))?;
        }
        vfs.sync_dir(aside)?;
        vfs.sync_dir(&paths.root)
    };
    moved().map_err(|e| StoreError::io("move files to", aside, e))
}

impl Begun {
    fn write(&self, vfs: &dyn Vfs, paths: &Paths) -> Result<()> {
        let path = paths.root.join(FILE);
        let temporary = path.with_extension("tmp");
        let written = || -> io::Result<()> {
            remove_if_there(vfs, &temporary)?;
            let mut writer = FileWriter::new(vfs.create(&temporary)?);
            writer.write_all(self.to_text().as_bytes())?;
            writer.finish()?;
            vfs.rename(&temporary, &path)?;
            vfs.sync_dir(&paths.root)
        };
        written().map_err(|e| StoreError::io("write", &path, e))
    }

    fn to_text(&self) -> String {
        let numbers = |numbers: &[u64]| {
            let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
            words.join(" ")
        };
        let aside = self.aside.file_name().unwrap_or_default().to_string_lossy();
        format!(
            "{aside}\n{}\n{} {}\n{}\n{} {}\n",
            numbers(&self.retired),
            self.first_segment,
            self.next_segment,
            numbers(&self.logs),
            self.log,
            self.first_lsn
        )
    }

    fn parse(text: &str, root: &Path) -> Option<Begun> {
        let mut lines = text.lines();
        let aside = root.join(lines.next()?);
        let mut numbers = || -> Option<Vec<u64>> {
            let words = lines.next()?.split_ascii_whitespace();
            words.map(|word| word.parse().ok()).collect()
        };
        let retired = numbers()?;
        let [first_segment, next_segment] = numbers()?[..] else {
            return None;
        };
        let logs = numbers()?;
        let [log, first_lsn] = numbers()?[..] else {
            return None;
        };
        Some(Begun {
            aside,
            retired,
            first_segment,
            next_segment,
            logs,
            log,
            first_lsn,
        })
    }

    /// Moves everything to where it belongs. Each move is done only where it is left to do.
    pub(super) fn put_in_place(&self, vfs: &dyn Vfs, paths: &Paths) -> Result<()> {
        let moved = self.try_put_in_place(vfs, paths);
        moved.map_err(|error| match error {
            Failed::Io(path, error) => StoreError::io("repair", &path, error),
            Failed::Store(error) => error,
        })
    }

    fn try_put_in_place(&self, vfs: &dyn Vfs, paths: &Paths) -> std::result::Result<(), Failed> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |error| Failed::Io(path, error)
        };
        for path in [
            &self.aside.join("segments"),
            &self.aside.join("log"),
            &paths.segments,
            &paths.log,
        ] {
            vfs.create_dir_all(path).map_err(at(path))?;
        }
        let move_segment = |id: u64, from: &Path, to: &Path| {
            let name = file_name(id);
            move_if_there(vfs, &from.join(&name), &to.join(&name))
        };
        let (old, new) = (self.aside.join("segments"), self.aside.join("new/segments"));
        for &id in &self.retired {
            move_segment(id, &paths.segments, &old).map_err(at(&old))?;
        }
        for id in self.first_segment..self.next_segment {
            move_segment(id, &new, &paths.segments).map_err(at(&new))?;
        }
        for path in [&old, &new, &paths.segments] {
            vfs.sync_dir(path).map_err(at(path))?;
        }
        self.swap_catalog(vfs, paths).map_err(at(&paths.catalog))?;
        // The next opening publishes the repaired catalog and its snapshots.
        let published = published_path(&paths.root);
        let old = published_path(&self.aside);
        move_if_there(vfs, &published, &old).map_err(at(&published))?;
        let snapshots = snapshot_file::path_in(&paths.root);
        let old = snapshot_file::path_in(&self.aside);
        move_if_there(vfs, &snapshots, &old).map_err(at(&snapshots))?;
        // It is of the log that goes.
        let (mark, old) = (durable::path_in(&paths.root), durable::path_in(&self.aside));
        move_if_there(vfs, &mark, &old).map_err(at(&mark))?;
        self.swap_log(vfs, paths)?;
        let done = self.aside.join(FILE);
        move_if_there(vfs, &paths.root.join(FILE), &done).map_err(at(&done))?;
        for path in [&paths.root, &self.aside] {
            vfs.sync_dir(path).map_err(at(path))?;
        }
        Ok(())
    }

    fn swap_catalog(&self, vfs: &dyn Vfs, paths: &Paths) -> io::Result<()> {
        let new = self.aside.join("new/catalog");
        if !is_catalog(vfs, &new) {
            return Ok(());
        }
        let old = self.aside.join("catalog");
        // Where this was done before, what is in the way is none of ours.
        if is_catalog(vfs, &paths.catalog) && !is_catalog(vfs, &old) {
            vfs.rename_catalog(&paths.catalog, &old)?;
        }
        vfs.rename_catalog(&new, &paths.catalog)
    }

    fn swap_log(&self, vfs: &dyn Vfs, paths: &Paths) -> std::result::Result<(), Failed> {
        let path = file_path(&paths.log, self.log);
        remove_if_there(vfs, &path).map_err(|e| Failed::Io(path, e))?;
        LogWriter::create(vfs, &paths.log, self.log, self.first_lsn, 1).map_err(Failed::Store)?;
        let aside = self.aside.join("log");
        for &number in &self.logs {
            let (from, to) = (file_path(&paths.log, number), file_path(&aside, number));
            move_if_there(vfs, &from, &to).map_err(|e| Failed::Io(from, e))?;
        }
        for path in [&aside, &paths.log] {
            vfs.sync_dir(path)
                .map_err(|e| Failed::Io(path.clone(), e))?;
        }
        Ok(())
    }
}

enum Failed {
    Io(PathBuf, io::Error),
    Store(StoreError),
}

/// Whether a directory holds a catalog, whatever is in it.
pub(super) fn is_catalog(vfs: &dyn Vfs, path: &Path) -> bool {
    let scanned = vfs.scan_catalog(path);
    !scanned.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn move_if_there(vfs: &dyn Vfs, from: &Path, to: &Path) -> io::Result<()> {
    match vfs.metadata(from) {
        Ok(_) => vfs.rename(from, to),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_if_there(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    match vfs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_moved_is_read_as_it_was_written() {
        let root = Path::new("store");
        let begun = Begun {
            aside: root.join("repair-3"),
            retired: vec![4, 9],
            first_segment: 10,
            next_segment: 12,
            logs: vec![],
            log: 7,
            first_lsn: 31,
        };
        let text = begun.to_text();
        assert_eq!(Begun::parse(&text, root), Some(begun));
        assert_eq!(Begun::parse("repair-3\n4 9\n10\n", root), None);
    }
}
