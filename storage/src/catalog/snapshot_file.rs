//! The named snapshots as one file, for a repair that finds neither the catalog nor `MANIFEST`.
//!
//! The file has the form of `MANIFEST`, with the entries of named snapshots and no others, behind
//! [`MAGIC`]. It changes only when a snapshot is created or dropped. It is written beside `MANIFEST`'s
//! next file, synced before the catalog changes, and renamed after it did, before `MANIFEST` is, with
//! whose name its own becomes durable. So it is behind the catalog for a moment and never ahead of it.

use super::published::{Publisher, decode, frame, read_all};
use super::{Contents, Entries, Reader, SnapshotRecord, snapshots};
use crate::error::{Result, StoreError};
use crate::vfs::Vfs;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"SQDSNP\r\n";
const FILE_NAME: &str = "SNAPSHOTS";

/// The file of a data directory.
pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// Named snapshots by name.
pub(crate) type Snapshots = BTreeMap<String, SnapshotRecord>;

/// The named snapshots that the file tells of; `None` where there is no file.
///
/// # Errors
/// [`StoreError::Corrupt`] where it is damaged, and failures to read it.
pub(crate) fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Snapshots>> {
    let path = path_in(directory);
    let bytes = match read_all(vfs, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|e| StoreError::io("read", &path, e))?,
    };
    let entries = decode(&MAGIC, &path, &bytes)?;
    let snapshots = entries.iter().map(|(key, value)| parse(key, value));
    let snapshots: Option<Snapshots> = snapshots.collect();
    let damaged = || StoreError::corrupt(&path, 0, "an entry is no named snapshot");
    snapshots.map(Some).ok_or_else(damaged)
}

fn parse(key: &[u8], value: &[u8]) -> Option<(String, SnapshotRecord)> {
    let name = key.strip_prefix(&[snapshots::TAG])?;
    let mut reader = Reader { bytes: value };
    let record = SnapshotRecord::read(&mut reader)?;
    let name = String::from_utf8(name.to_vec()).ok()?;
    reader.bytes.is_empty().then_some((name, record))
}

/// Whether this is the key of a named snapshot.
fn is_snapshot(key: &[u8]) -> bool {
    key.first() == Some(&snapshots::TAG)
}

fn encode(entries: &Entries) -> Vec<u8> {
    let snapshots = entries.iter().filter(|(key, _)| is_snapshot(key));
    frame(&MAGIC, snapshots)
}

impl Publisher {
    /// Writes the next file beside the current one, durably, where these changes concern it. Says
    /// whether they do.
    pub(crate) fn prepare_snapshots(
        &self,
        entries: &Entries,
        changes: &[super::Change],
    ) -> Result<bool> {
        let concerns = changes.iter().any(|(key, _)| is_snapshot(key));
        if concerns {
            self.prepare_file(&path_in(self.directory()), &encode(entries))?;
        }
        Ok(concerns)
    }

    /// Puts what was prepared in the place of the current file. [`Publisher::publish`] makes it durable.
    pub(crate) fn rename_snapshots(&self) -> Result<()> {
        self.rename_file(&path_in(self.directory()))
    }

    /// Writes the file of a catalog that was just opened, unless it says the same.
    pub(crate) fn republish_snapshots(&self, contents: &Contents) -> Result<()> {
        let path = path_in(self.directory());
        let bytes = encode(&contents.entries);
        match read_all(self.vfs(), &path) {
            Ok(found) if found == bytes => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if contents.snapshots.is_empty() {
                    return Ok(());
                }
            }
            found => drop(found.map_err(|e| StoreError::io("read", &path, e))?),
        }
        match self.prepare_file(&path, &bytes) {
            // Opening needs no space, and a repair tells what it knows of instead.
            Err(error @ StoreError::DiskFull { .. }) => {
                tracing::warn!(%error, "a repair without the catalog would not find named snapshots");
                Ok(())
            }
            prepared => {
                prepared?;
                self.rename_file(&path)?;
                self.sync()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;
    use std::sync::Arc;

    fn contents(names: &[&str]) -> Contents {
        let mut entries = Entries::default();
        let mut contents = Contents::default();
        for (name, lsn) in names.iter().zip(1..) {
            let mut record = SnapshotRecord::default();
            record.point.lsn = lsn;
            entries.change(&record.change(name));
            contents.snapshots.insert((*name).to_owned(), record);
        }
        entries.change(&crate::catalog::setting_change("other", b"entry"));
        contents.entries = entries;
        contents
    }

    #[test]
    fn what_is_written_reads_back_and_every_flipped_bit_is_found() {
        let vfs = MemoryVfs::new();
        let directory = Path::new("/store");
        let publisher = Publisher::new(Arc::new(vfs.clone()), directory);
        publisher.republish_snapshots(&contents(&[])).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), None, "no file for nothing");
        let written = contents(&["one", "two"]);
        publisher.republish_snapshots(&written).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), Some(written.snapshots));
        let path = path_in(directory);
        let bytes = vfs.bytes(&path);
        for bit in 0..bytes.len() * 8 {
            vfs.damage(&path, bit / 8, 1 << (bit % 8));
            assert!(read(&vfs, directory).is_err(), "bit {bit}");
            vfs.damage(&path, bit / 8, 1 << (bit % 8));
        }
        publisher.republish_snapshots(&contents(&[])).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), Some(Snapshots::new()));
    }
}
