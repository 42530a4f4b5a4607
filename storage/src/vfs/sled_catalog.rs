//! The catalog in sled, made durable by us.
//!
//! sled 0.34 flushes with `sync_file_range` on Linux, which neither flushes the drive's cache nor
//! the file's metadata. So after each batch and flush every file of its directory is fsynced here.
//! A value carries its own checksum, because sled answers damage of its newest records by silently
//! returning to an older state for those keys.

use super::real::{RealVfs, remove_unfinished, sync_tree};
use super::{Catalog, Vfs};
use crate::canary;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// sled's page cache in bytes: the catalog is read once, at opening.
const CACHE_BYTES: u64 = 4 << 20;
const CHECKSUM_BYTES: usize = 8;
/// How sled names a snapshot that it is writing.
const UNFINISHED_SNAPSHOT: &str = ".generating";
/// How sled's snapshots begin, and what comes before that in the names under which they are kept.
const SNAPSHOT: &str = "snap.";
const KEPT: &str = "kept-";
/// The file that sled locks while a database is open.
const LOCKED_FILE: &str = "db";
/// How long a database that is being closed is waited for.
const CLOSING_LIMIT: Duration = Duration::from_secs(10);
const CLOSING_POLL: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct SledCatalog {
    database: sled::Db,
    path: PathBuf,
}

impl SledCatalog {
    pub(super) fn open(path: &Path) -> io::Result<SledCatalog> {
        wait_until_closed(path, CLOSING_LIMIT)?;
        // sled takes a snapshot that a crash left torn for its newest one, and refuses to open. One
        // that is whole it reads rightly, and it may be the only one: its renaming may be lost while
        // the removal of the one before it is not.
        remove_unfinished(path, UNFINISHED_SNAPSHOT, is_whole_snapshot)?;
        keep_snapshots(path)?;
        let database = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .open()
            .map_err(io_error)?;
        sync_tree(path)?;
        remove_kept(path)?;
        Ok(SledCatalog {
            database,
            path: path.to_path_buf(),
        })
    }
}

impl Catalog for SledCatalog {
    fn scan(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut entries = Vec::new();
        for entry in self.database.iter() {
            let (key, value) = entry.map_err(io_error)?;
            entries.push((key.to_vec(), unseal(&key, &value)?));
        }
        Ok(entries)
    }

    fn apply(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key.as_slice(), seal(key, value)),
                None => batch.remove(key.as_slice()),
            }
        }
        self.database.apply_batch(batch).map_err(io_error)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        self.database.flush().map_err(io_error)?;
        if canary::leaves_out("catalog_sync") {
            return Ok(());
        }
        sync_tree(&self.path)
    }
}

/// Waits until nobody has the database open. Tasks of sled's threads may outlive a database that was
/// dropped and keep its lock, on a busy machine for long enough that opening it again would fail. Two
/// stores do not meet here: each has the lock of its directory first.
fn wait_until_closed(path: &Path, limit: Duration) -> io::Result<()> {
    let file = path.join(LOCKED_FILE);
    match RealVfs.metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let start = Instant::now();
    loop {
        match RealVfs.lock(&file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < limit => {
                thread::sleep(CLOSING_POLL);
            }
            locked => return locked.map(drop),
        }
    }
}

/// Keeps sled's snapshots under second names, durably, and brings them back where a power cut left none.
///
/// sled writes a snapshot when it opens, renames it and removes the one before, without a sync of the
/// directory between: after a cut neither may be there. It reads its log from the beginning then,
/// parts of which were used again, and takes an older state, or none, for the newest. What sled
/// reads into a new snapshot is made durable too, so that the snapshot is not ahead of its log.
fn keep_snapshots(path: &Path) -> io::Result<()> {
    let names = match RealVfs.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names?,
    };
    let is_lost = !names.iter().any(|name| name.starts_with(SNAPSHOT));
    for name in &names {
        let second = match name.strip_prefix(KEPT) {
            Some(first) if is_lost => first.to_owned(),
            None if name.starts_with(SNAPSHOT) => format!("{KEPT}{name}"),
            _ => continue,
        };
        if !names.contains(&second) {
            RealVfs.hard_link(&path.join(name), &path.join(second))?;
        }
    }
    sync_tree(path)
}

/// Removes the second names: the snapshot that sled made is durable.
fn remove_kept(path: &Path) -> io::Result<()> {
    for name in RealVfs.list(path)? {
        if name.starts_with(KEPT) {
            RealVfs.remove(&path.join(name))?;
        }
    }
    Ok(())
}

/// Whether a snapshot of sled ends with the checksum of what is before its length.
fn is_whole_snapshot(bytes: &[u8]) -> bool {
    let Some((head, checksum)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    match head.split_last_chunk::<8>() {
        Some((content, _)) if !content.is_empty() => {
            crc32fast::hash(content) == u32::from_le_bytes(*checksum)
        }
        _ => false,
    }
}

/// A value followed by its checksum, which also covers the key: a value under another's key is found.
fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + CHECKSUM_BYTES);
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&checksum(key, value).to_le_bytes());
    sealed
}

fn unseal(key: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
    let damaged = || {
        let key = String::from_utf8_lossy(key).into_owned();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the value of {key:?} is damaged"),
        )
    };
    let length = sealed
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .ok_or_else(damaged)?;
    let (value, stored) = sealed.split_at(length);
    if stored != checksum(key, value).to_le_bytes() {
        return Err(damaged());
    }
    Ok(value.to_vec())
}

fn checksum(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, 0))
}

fn io_error(error: sled::Error) -> io::Error {
    let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    match error {
        sled::Error::Io(error) if is_of_content(&error) => damaged(content_error(&error)),
        sled::Error::Io(error) => error,
        sled::Error::Corruption { at: Some(at), .. } => {
            damaged(format!("sled reports corruption at {at:?}"))
        }
        sled::Error::Corruption { at: None, .. } => damaged(CORRUPTION_SOMEWHERE.to_owned()),
        // Both follow from files that are not what was written.
        sled::Error::Unsupported(what) | sled::Error::ReportableBug(what) => damaged(what),
        other => damaged(other.to_string()),
    }
}

const CORRUPTION_SOMEWHERE: &str = "sled reports corruption and does not say where";

/// What an error of what sled read says: one that it makes of an error of its own has that as Rust prints
/// it for programmers.
fn content_error(error: &io::Error) -> String {
    let said = error.to_string();
    match said.strip_prefix("corruption encountered: ") {
        Some(place) if place.contains("at: None") => CORRUPTION_SOMEWHERE.to_owned(),
        Some(place) => format!("sled reports corruption: {place}"),
        None => said,
    }
}

/// Whether an error that sled gives as one of the system's is of what it read: it makes such errors where
/// a file is too short, absent or not what it expects. Those of the system have a number, which a copy that
/// sled makes of one loses, but never these kinds, apart from that of a file that is absent.
fn is_of_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, UnexpectedEof};
    let is_lock = error.to_string().starts_with("could not acquire lock");
    match error.kind() {
        NotFound => true,
        InvalidData | InvalidInput | Other | UnexpectedEof => {
            error.raw_os_error().is_none() && !is_lock
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corruption_that_sled_turns_into_an_error_of_the_system_is_told_in_words() {
        let corruption = sled::Error::Corruption { at: None, bt: () };
        let told = io_error(sled::Error::Io(corruption.into()));
        assert_eq!(told.to_string(), CORRUPTION_SOMEWHERE);
    }

    #[test]
    fn changes_survive_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalog");
        let catalog = SledCatalog::open(&path).unwrap();
        let changes = [
            (b"a".to_vec(), Some(b"1".to_vec())),
            (b"b".to_vec(), Some(b"2".to_vec())),
        ];
        catalog.apply(&changes).unwrap();
        catalog.apply(&[(b"a".to_vec(), None)]).unwrap();
        drop(catalog);
        let catalog = SledCatalog::open(&path).unwrap();
        assert_eq!(
            catalog.scan().unwrap(),
            vec![(b"b".to_vec(), b"2".to_vec())]
        );
    }

    #[test]
    fn a_snapshot_that_a_crash_left_unfinished_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalog");
        let change = (b"a".to_vec(), Some(b"1".to_vec()));
        SledCatalog::open(&path).unwrap().apply(&[change]).unwrap();
        for name in ["snap.0000000000000000", "snap.7FFFFFFFFFFFFFFF"] {
            let unfinished = path.join(format!("{name}.generating"));
            RealVfs.create(&unfinished).unwrap();
        }
        let catalog = SledCatalog::open(&path).unwrap();
        assert_eq!(catalog.scan().unwrap(), [(b"a".to_vec(), b"1".to_vec())]);
    }

    #[test]
    fn a_database_that_is_being_closed_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        drop(SledCatalog::open(directory.path()).unwrap());
        wait_until_closed(directory.path(), CLOSING_LIMIT).unwrap();
        let held = RealVfs.lock(&directory.path().join(LOCKED_FILE)).unwrap();
        let refused = wait_until_closed(directory.path(), Duration::from_millis(20)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        thread::scope(|scope| {
            let opening = scope.spawn(|| SledCatalog::open(directory.path()).map(drop));
            thread::sleep(Duration::from_millis(50));
            assert!(!opening.is_finished(), "it did not wait");
            drop(held);
            opening.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_snapshot_survives_a_cut_that_leaves_sled_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalog");
        let names = |prefix: &str| {
            let names = RealVfs.list(&path).unwrap();
            let mut found: Vec<String> = names
                .into_iter()
                .filter(|n| n.starts_with(prefix))
                .collect();
            found.sort();
            found
        };
        for value in [b"1", b"2"] {
            let change = (b"a".to_vec(), Some(value.to_vec()));
            SledCatalog::open(&path).unwrap().apply(&[change]).unwrap();
            assert_eq!(names(KEPT), [""; 0], "they are there only while sled opens");
        }
        wait_until_closed(&path, CLOSING_LIMIT).unwrap();
        let snapshots = names(SNAPSHOT);
        assert_ne!(snapshots, [""; 0]);
        keep_snapshots(&path).unwrap();
        for name in &snapshots {
            RealVfs.remove(&path.join(name)).unwrap();
        }
        let catalog = SledCatalog::open(&path).unwrap();
        assert_eq!(catalog.scan().unwrap(), [(b"a".to_vec(), b"2".to_vec())]);
        drop(catalog);
        keep_snapshots(&path).unwrap();
        let again = names(SNAPSHOT);
        for name in &again {
            RealVfs.remove(&path.join(name)).unwrap();
        }
        keep_snapshots(&path).unwrap();
        assert_eq!(names(SNAPSHOT), again, "what was kept is back");
    }

    #[test]
    fn a_changed_or_misplaced_value_is_found() {
        let sealed = seal(b"key", b"value");
        assert_eq!(unseal(b"key", &sealed).unwrap(), b"value");
        assert!(unseal(b"other", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(b"key", &damaged).is_err(), "bit {bit}");
        }
    }
}
