//! A medium in memory that fails the way real ones do.
//!
//! Each file keeps what is durable apart from what was written since its last sync, and each
//! creation, rename and removal is pending until its directory is synced. [`MemoryVfs::after_crash`]
//! gives the medium as a machine would find it after a power cut: the durable state plus any subset
//! of what was pending, with writes torn at 512 bytes or leaving only their length. Every changing
//! operation counts, so that a test can cut the power, or return an error, at each of them in turn;
//! every access counts as well, so that reading can fail too.
//!
//! On a full medium, writes inside a file's reserved length succeed, as with `fallocate`.
//! After a failed sync the bytes it covered never become durable, as on Linux, where the pages are
//! marked clean.

mod medium;

use super::{Catalog, File, Mapping, Metadata, Vfs};
use medium::{Change, Disk, Fate, Inode, NameChange, Needs};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The unit in which a torn write keeps or loses bytes.
const SECTOR: usize = 512;

/// What goes wrong, and when. Operations count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes at operation `at`: it and all later ones fail.
    PowerOff {
        /// The operation.
        at: u64,
    },
    /// Operation `at` fails once with this error.
    Fail {
        /// The operation.
        at: u64,
        /// The error.
        kind: io::ErrorKind,
    },
    /// Operation `at` fails once with this error. If it is a sync of a file, its bytes have reached the
    /// medium all the same.
    FailDone {
        /// The operation.
        at: u64,
        /// The error.
        kind: io::ErrorKind,
    },
    /// Access `at`, changing or not, fails with this error, and if it is lasting so do all later ones.
    FailAccess {
        /// The access.
        at: u64,
        /// The error.
        kind: io::ErrorKind,
        /// Whether it stays.
        lasting: bool,
    },
    /// Operation `at` fails once with this error, and from then on the medium is full.
    FailThenFull {
        /// The operation.
        at: u64,
        /// The error.
        kind: io::ErrorKind,
    },
    /// From operation `from` on, whatever needs space fails with [`io::ErrorKind::StorageFull`].
    Full {
        /// The first operation.
        from: u64,
    },
}

/// What became of what was pending when the power went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Changes of a file's bytes or length that are there as a whole.
    pub kept: u64,
    /// Writes of which some sectors may be there.
    pub torn: u64,
    /// Writes of which the file's length is there, and no byte.
    pub lengths_only: u64,
    /// Changes that are not there.
    pub lost: u64,
    /// Changes that are there while an earlier one of the same file is not.
    pub reordered: u64,
    /// Names made, changed or removed that are so.
    pub names_kept: u64,
    /// Names made, changed or removed that are not so.
    pub names_lost: u64,
    /// Transactions of the catalog that were not flushed, and are there.
    pub transactions_kept: u64,
    /// Transactions of the catalog that were not flushed, and are not there.
    pub transactions_lost: u64,
}

impl Losses {
    fn count(&mut self, fate: Fate, is_reordered: bool) {
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::Torn => self.torn += 1,
            Fate::LengthOnly => self.lengths_only += 1,
            Fate::Lost => self.lost += 1,
        }
        self.reordered += u64::from(is_reordered);
    }

    /// Adds what another power cut did.
    pub fn add(&mut self, other: &Losses) {
        self.kept += other.kept;
        self.torn += other.torn;
        self.lengths_only += other.lengths_only;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.names_kept += other.names_kept;
        self.names_lost += other.names_lost;
        self.transactions_kept += other.transactions_kept;
        self.transactions_lost += other.transactions_lost;
    }
}

/// A medium just before a changing operation, as a watch sees it.
#[derive(Debug)]
pub struct Moment<'a> {
    disk: &'a Disk,
}

impl Moment<'_> {
    /// The number of the operation.
    pub fn operation(&self) -> u64 {
        self.disk.operations
    }

    /// How many changes are not durable: what a power cut can choose from.
    pub fn pending(&self) -> usize {
        self.disk.pending()
    }

    /// As [`MemoryVfs::after_crash`].
    pub fn after_crash(&self, seed: u64) -> MemoryVfs {
        MemoryVfs {
            disk: Arc::new(Mutex::new(self.disk.after_crash(seed))),
        }
    }
}

#[derive(Clone)]
struct Watch(Arc<dyn Fn(&Moment<'_>) + Send + Sync>);

impl Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// A file system in memory. Clones share the same medium.
#[derive(Debug, Clone, Default)]
pub struct MemoryVfs {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryVfs {
    /// An empty medium without faults.
    pub fn new() -> MemoryVfs {
        MemoryVfs::default()
    }

    /// Sets what goes wrong next; `None` heals the medium (but does not bring the power back).
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.disk.lock().fault = fault;
    }

    /// The number of changing operations so far.
    pub fn operations(&self) -> u64 {
        self.disk.lock().operations
    }

    /// The number of accesses so far: the changing operations and those that only read.
    pub fn accesses(&self) -> u64 {
        self.disk.lock().accesses
    }

    /// What the power cut did that left this medium.
    pub fn losses(&self) -> Losses {
        self.disk.lock().losses
    }

    /// The medium after a power cut now: everything durable, and of what was pending a subset
    /// chosen by `seed` (0 keeps nothing of it, 1 everything).
    pub fn after_crash(&self, seed: u64) -> MemoryVfs {
        let survivor = self.disk.lock().after_crash(seed);
        MemoryVfs {
            disk: Arc::new(Mutex::new(survivor)),
        }
    }

    /// Has `watch` called before each changing operation, so that one run of a workload can be
    /// crashed at all of them. It must not use this medium, only the [`Moment`] it is given.
    pub fn set_watch(&self, watch: impl Fn(&Moment<'_>) + Send + Sync + 'static) {
        self.disk.lock().watch = Some(Watch(Arc::new(watch)));
    }

    /// Changes a stored byte, durably: damage for tests to find.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn damage(&self, path: &Path, offset: usize, mask: u8) {
        let mut disk = self.disk.lock();
        let inode = disk.names[path];
        let inode = &mut disk.inodes[inode];
        Arc::make_mut(&mut inode.current)[offset] ^= mask;
        Arc::make_mut(&mut inode.durable)[offset] ^= mask;
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let disk = self.disk.lock();
        disk.inodes[disk.names[path]].current.to_vec()
    }

    /// Replaces a file's bytes, durably, creating it where absent: damage for tests to find.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut disk = self.disk.lock();
        let bytes = Arc::new(bytes);
        let inode = disk.inodes.len();
        disk.inodes.push(Inode {
            current: Arc::clone(&bytes),
            durable: bytes,
            pending: Vec::new(),
        });
        disk.names.insert(path.to_path_buf(), inode);
        disk.durable_names.insert(path.to_path_buf(), inode);
    }

    /// The files by path with their lengths.
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let disk = self.disk.lock();
        disk.names
            .iter()
            .map(|(path, &id)| (path.clone(), disk.inodes[id].current.len()))
            .collect()
    }
}

impl Vfs for MemoryVfs {
    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        self.disk.lock().access()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let children = disk.names.keys().filter(|name| name.parent() == Some(path));
        Ok(children
            .filter_map(|name| name.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Space)?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.names.insert(path.to_path_buf(), inode);
        disk.pending_names.push(NameChange::Link {
            path: path.to_path_buf(),
            inode,
        });
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.disk),
            inode,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let inode = disk.inode(path)?;
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.disk),
            inode,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let inode = disk.inode(path)?;
        let bytes = disk.inodes[inode].current.to_vec();
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let inode = disk.inode(path)?;
        Ok(Mapping::of_memory(&disk.inodes[inode].current))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        let inode = disk.inode(from)?;
        let change = NameChange::Rename {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
            inode,
        };
        change.apply(&mut disk.names);
        disk.pending_names.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        disk.inode(path)?;
        let change = NameChange::Unlink {
            path: path.to_path_buf(),
        };
        change.apply(&mut disk.names);
        disk.pending_names.push(change);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Space)?;
        if disk.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.inode(from)?;
        let change = NameChange::Link {
            path: to.to_path_buf(),
            inode,
        };
        change.apply(&mut disk.names);
        disk.pending_names.push(change);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        let names = disk.names.keys().filter(|name| name.starts_with(path));
        let removed: Vec<PathBuf> = names.cloned().collect();
        for path in removed {
            let change = NameChange::Unlink { path };
            change.apply(&mut disk.names);
            disk.pending_names.push(change);
        }
        disk.catalogs
            .retain(|catalog, _| !catalog.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        let pending = std::mem::take(&mut disk.pending_names);
        let (synced, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|c| c.is_in(path));
        for change in &synced {
            change.apply(&mut disk.durable_names);
        }
        disk.pending_names = rest;
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        if !disk.locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let inode = disk.inode(path)?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        Ok(Metadata {
            length: disk.inodes[inode].current.len() as u64,
            modified,
        })
    }

    fn open_catalog(&self, path: &Path) -> io::Result<Box<dyn Catalog>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        // The engine writes when it opens, which counts as no operation: nothing depends on it.
        if disk.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.catalogs.entry(path.to_path_buf()).or_default();
        Ok(Box::new(MemoryCatalog {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        }))
    }

    fn scan_catalog(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let state = disk.catalogs.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.current.clone().into_iter().collect())
    }

    /// One operation, at once durable: a directory's rename and sync that a crash does not part.
    fn rename_catalog(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        let state = disk.catalogs.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.catalogs.insert(to.to_path_buf(), state);
        Ok(())
    }

    fn read_medium(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        let bytes = &disk.inodes[disk.inode(path)?].current;
        let start = bytes.len().min(offset as usize);
        let end = bytes.len().min(start + length);
        Ok(bytes[start..end].to_vec())
    }

    fn release(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
}

impl File for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let was_on = !disk.power_is_off;
        let end = offset as usize + bytes.len();
        let needs = match end <= disk.inodes[self.inode].current.len() {
            true => Needs::Nothing,
            false => Needs::Space,
        };
        let answer = disk.proceed(needs);
        // The write under way when the power goes may reach the medium in part.
        if answer.is_ok() || (was_on && disk.power_is_off) {
            let offset = offset as usize;
            disk.inodes[self.inode].change(Change::Write {
                offset,
                bytes: bytes.to_vec(),
            });
        }
        answer
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        Ok(disk.inodes[self.inode].current.to_vec())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        disk.inodes[self.inode].change(Change::Resize {
            length: length as usize,
        });
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Space)?;
        let length = disk.inodes[self.inode].current.len().max(length as usize);
        disk.inodes[self.inode].change(Change::Resize { length });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let answer = disk.proceed(Needs::Nothing);
        let power_is_off = disk.power_is_off;
        let is_done = answer.is_ok() || matches!(disk.fault, Some(Fault::FailDone { .. }));
        let inode = &mut disk.inodes[self.inode];
        if is_done {
            inode.sync();
        } else if !power_is_off {
            inode.pending.clear();
        }
        answer
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct MemoryCatalog {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl Catalog for MemoryCatalog {
    fn scan(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut disk = self.disk.lock();
        disk.access()?;
        Ok(disk.catalogs[&self.path]
            .current
            .clone()
            .into_iter()
            .collect())
    }

    /// Two operations: the transaction, which a crash keeps or loses as a whole, and its flush.
    fn apply(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Space)?;
        let state = disk
            .catalogs
            .get_mut(&self.path)
            .expect("an open catalog exists");
        for (key, value) in changes {
            match value {
                Some(value) => state.current.insert(key.clone(), value.clone()),
                None => state.current.remove(key),
            };
        }
        state.is_pending = true;
        drop(disk);
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        let state = disk
            .catalogs
            .get_mut(&self.path)
            .expect("an open catalog exists");
        if state.is_pending {
            state.durable = state.current.clone();
            state.is_pending = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(vfs: &MemoryVfs, path: &str) -> Option<Vec<u8>> {
        vfs.map(Path::new(path)).ok().map(|map| map.to_vec())
    }

    #[test]
    fn what_was_not_synced_is_lost() {
        let vfs = MemoryVfs::new();
        let file = vfs.create(Path::new("d/a")).unwrap();
        vfs.sync_dir(Path::new("d")).unwrap();
        file.write_at(0, b"kept").unwrap();
        file.sync_data().unwrap();
        file.write_at(4, b"lost").unwrap();
        vfs.create(Path::new("d/b")).unwrap();
        assert_eq!(content(&vfs.after_crash(0), "d/a"), Some(b"kept".to_vec()));
        assert_eq!(content(&vfs.after_crash(0), "d/b"), None);
        assert_eq!(
            content(&vfs.after_crash(1), "d/a"),
            Some(b"keptlost".to_vec())
        );
        assert_eq!(content(&vfs.after_crash(1), "d/b"), Some(Vec::new()));
    }

    #[test]
    fn a_rename_is_durable_after_its_directory() {
        let vfs = MemoryVfs::new();
        vfs.create(Path::new("d/a")).unwrap();
        vfs.sync_dir(Path::new("d")).unwrap();
        vfs.rename(Path::new("d/a"), Path::new("d/b")).unwrap();
        assert!(content(&vfs.after_crash(0), "d/a").is_some());
        vfs.sync_dir(Path::new("d")).unwrap();
        assert!(content(&vfs.after_crash(0), "d/b").is_some());
    }

    #[test]
    fn a_failed_sync_loses_its_bytes_for_good() {
        let vfs = MemoryVfs::new();
        let file = vfs.create(Path::new("d/a")).unwrap();
        vfs.sync_dir(Path::new("d")).unwrap();
        file.write_at(0, b"x").unwrap();
        let at = vfs.operations();
        vfs.set_fault(Some(Fault::Fail {
            at,
            kind: io::ErrorKind::Other,
        }));
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(content(&vfs.after_crash(1), "d/a"), Some(Vec::new()));
    }

    #[test]
    fn writes_tear_between_sectors() {
        let vfs = MemoryVfs::new();
        let file = vfs.create(Path::new("d/a")).unwrap();
        vfs.sync_dir(Path::new("d")).unwrap();
        file.write_at(0, &[7; 4 * SECTOR]).unwrap();
        let torn = (2..200).any(|seed| {
            let bytes = content(&vfs.after_crash(seed), "d/a").unwrap();
            bytes.contains(&7) && bytes.contains(&0)
        });
        assert!(torn);
    }
}
