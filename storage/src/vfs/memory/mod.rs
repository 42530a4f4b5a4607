//! A medium in memory that fails the way real ones do.
//!
//! Each file keeps what is durable apart from what was written since its last sync, and each
//! creation, rename and removal is pending until its directory is synced. [`MemoryVfs::after_crash`]
//! gives the medium as a machine would find it after a power cut: the durable state plus any subset
//! of what was pending, with writes torn at 512 bytes. Every changing operation counts, so that a
//! test can cut the power, or return an error, at each of them in turn.
//!
//! On a full medium, writes inside a file's reserved length succeed, as with `fallocate`.
//! After a failed sync the bytes it covered never become durable, as on Linux, where the pages are
//! marked clean.

mod medium;

use super::{Catalog, File, Mapping, Metadata, Vfs};
use medium::{CatalogState, Change, Dice, Disk, Inode, NameChange, Needs};
use parking_lot::Mutex;
use std::collections::BTreeSet;
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
    /// From operation `from` on, whatever needs space fails with [`io::ErrorKind::StorageFull`].
    Full {
        /// The first operation.
        from: u64,
    },
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

    /// The medium after a power cut now: everything durable, and of what was pending a subset
    /// chosen by `seed` (0 keeps nothing of it, 1 everything).
    pub fn after_crash(&self, seed: u64) -> MemoryVfs {
        let disk = self.disk.lock();
        let mut dice = Dice::new(seed);
        let names = disk.names_after_crash(&mut dice);
        // Files without a name are gone; leaving them out keeps a survivor small.
        let named: BTreeSet<usize> = names.values().copied().collect();
        let inodes = (0..).zip(&disk.inodes).map(|(id, inode)| {
            if named.contains(&id) {
                inode.after_crash(&mut dice)
            } else {
                Inode::default()
            }
        });
        let inodes = inodes.collect();
        let catalogs = disk.catalogs.iter().map(|(path, state)| {
            let entries = if dice.keeps() {
                &state.current
            } else {
                &state.durable
            };
            (
                path.clone(),
                CatalogState {
                    current: entries.clone(),
                    durable: entries.clone(),
                },
            )
        });
        let survivor = Disk {
            inodes,
            durable_names: names.clone(),
            names,
            catalogs: catalogs.collect(),
            ..Disk::default()
        };
        MemoryVfs {
            disk: Arc::new(Mutex::new(survivor)),
        }
    }

    /// Changes a stored byte, durably: damage for tests to find.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn damage(&self, path: &Path, offset: usize, mask: u8) {
        let mut disk = self.disk.lock();
        let inode = disk.names[path];
        disk.inodes[inode].current[offset] ^= mask;
        disk.inodes[inode].durable[offset] ^= mask;
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
        self.disk.lock().powered()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk.lock();
        disk.powered()?;
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
        let disk = self.disk.lock();
        disk.powered()?;
        let inode = disk.inode(path)?;
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.disk),
            inode,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        let disk = self.disk.lock();
        disk.powered()?;
        let inode = disk.inode(path)?;
        Ok(Box::new(io::Cursor::new(
            disk.inodes[inode].current.clone(),
        )))
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        let disk = self.disk.lock();
        disk.powered()?;
        let inode = disk.inode(path)?;
        Ok(Mapping::Heap(Arc::new(disk.inodes[inode].current.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.proceed(Needs::Nothing)?;
        disk.inode(from)?;
        let change = NameChange::Rename {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
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
        disk.powered()?;
        if !disk.locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let disk = self.disk.lock();
        disk.powered()?;
        let inode = disk.inode(path)?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        Ok(Metadata {
            length: disk.inodes[inode].current.len() as u64,
            modified,
        })
    }

    fn open_catalog(&self, path: &Path) -> io::Result<Box<dyn Catalog>> {
        let mut disk = self.disk.lock();
        disk.powered()?;
        disk.catalogs.entry(path.to_path_buf()).or_default();
        Ok(Box::new(MemoryCatalog {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        }))
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
        let disk = self.disk.lock();
        disk.powered()?;
        Ok(disk.inodes[self.inode].current.clone())
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
        let inode = &mut disk.inodes[self.inode];
        match &answer {
            Ok(()) => inode.sync(),
            Err(_) if !power_is_off => inode.pending.clear(),
            Err(_) => {}
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
        let disk = self.disk.lock();
        disk.powered()?;
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
        state.durable = state.current.clone();
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
