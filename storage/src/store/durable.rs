//! The durable mark: how far the log is known to be on the medium, for readers without the lock.
//!
//! ```text
//! DURABLE    lsn u64 | xxh3-64 of the lsn
//! ```
//!
//! A record proves that those before it are durable; nothing in the log proves it of the last group.
//! So the writer says it here after each sync of the log, before anybody is told that the commit is
//! done: whoever reads the mark afterwards sees the commit. The file itself is never synced, as it
//! costs a commit nothing but a write to the system's memory. After a power cut it may be older than
//! the log, or torn, and then says less; it never says more than was durable when it was written. So
//! it is evidence, too: a log that ends before it has lost acknowledged commits.

use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::vfs::{File, Vfs};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const FILE_NAME: &str = "DURABLE";
const MARK_BYTES: usize = 16;
/// A read may meet a write under way; that many in a row do not.
const ATTEMPTS: usize = 16;

/// The mark of an open store.
#[derive(Debug)]
pub(super) struct DurableMark {
    /// `None` where there was no space for the file when the store was opened.
    file: Option<Box<dyn File>>,
    path: PathBuf,
}

impl DurableMark {
    /// Opens or creates the mark of a data directory, whose log is durable up to `lsn`.
    pub(super) fn open(vfs: &dyn Vfs, directory: &Path, lsn: Lsn) -> Result<DurableMark> {
        let path = path_in(directory);
        let file = match vfs.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => vfs.create(&path),
            opened => opened,
        };
        let file = match file.map_err(|e| StoreError::io("open", &path, e)) {
            Err(StoreError::DiskFull { .. }) => None,
            file => Some(file?),
        };
        let mark = DurableMark { file, path };
        // Before the first commit: an older mark may name records that a recovery dropped.
        match mark.set(lsn) {
            Err(StoreError::DiskFull { .. }) => {}
            set => set?,
        }
        Ok(mark)
    }

    /// Says that the log is durable up to `lsn`.
    pub(super) fn set(&self, lsn: Lsn) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.write_at(0, &encode(lsn))
            .map_err(|e| StoreError::io("write", &self.path, e))
    }
}

/// The file of a data directory.
pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// The mark of a data directory; 0 where there is none that is whole.
pub(super) fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Lsn> {
    for _ in 0..ATTEMPTS {
        let bytes = read_bytes(vfs, &path_in(directory))?;
        if let Some(lsn) = decode(&bytes) {
            return Ok(lsn);
        }
        if bytes.is_empty() {
            break;
        }
    }
    Ok(0)
}

/// As [`read`], of a directory that nobody has open.
///
/// # Errors
/// [`StoreError::Corrupt`] where the file holds something that is no mark. Nothing but zeros is what
/// a power cut may leave of one.
pub(super) fn examine(vfs: &dyn Vfs, directory: &Path) -> Result<Lsn> {
    let path = path_in(directory);
    let bytes = read_bytes(vfs, &path)?;
    match decode(&bytes) {
        Some(lsn) => Ok(lsn),
        None if bytes.len() <= MARK_BYTES && bytes.iter().all(|&byte| byte == 0) => Ok(0),
        None => Err(StoreError::corrupt(&path, 0, "it is no durable mark")),
    }
}

/// The bytes of the file; none where there is no file.
fn read_bytes(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match vfs.read(path).and_then(|mut f| f.read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => {
            read.map_err(|e| StoreError::io("read", path, e))?;
            Ok(bytes)
        }
    }
}

fn encode(lsn: Lsn) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&lsn.to_le_bytes());
    bytes[8..].copy_from_slice(&xxh3_64(&lsn.to_le_bytes()).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Lsn> {
    let bytes: &[u8; MARK_BYTES] = bytes.try_into().ok()?;
    let lsn = Lsn::from_le_bytes(*bytes.first_chunk()?);
    (encode(lsn) == *bytes).then_some(lsn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;

    #[test]
    fn the_newest_mark_is_read_and_damage_says_nothing() {
        let vfs = MemoryVfs::new();
        let directory = Path::new("/store");
        assert_eq!(read(&vfs, directory).unwrap(), 0);
        let mark = DurableMark::open(&vfs, directory, 7).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), 7);
        mark.set(1 << 40).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), 1 << 40);
        let file = vfs.open(&directory.join(FILE_NAME)).unwrap();
        file.write_at(3, b"x").unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), 0);
        assert!(examine(&vfs, directory).is_err());
        file.write_at(0, &[0; MARK_BYTES]).unwrap();
        assert_eq!(examine(&vfs, directory).unwrap(), 0, "what a cut left");
        drop(mark);
        DurableMark::open(&vfs, directory, 2).unwrap();
        assert_eq!(read(&vfs, directory).unwrap(), 2);
        assert_eq!(examine(&vfs, directory).unwrap(), 2);
    }
}
