//! The catalog as one file: what readers without the lock see.
//!
//! ```text
//! MANIFEST   magic 8 | version u32 | zero u32 | number of entries u64
//!            | per entry: key length u32 | value length u32 | key | value
//!            | xxh3-64 of all before
//! ```
//!
//! Only the process that holds the lock can open the catalog itself. So after each change the whole
//! of it is also written to `MANIFEST`: to a temporary file, synced before the catalog changes, so
//! that a full disk is found while nothing has changed, and renamed after it did. The file is
//! therefore never ahead of the catalog, never torn, and never behind it once a commit has returned.

use super::{Contents, Entries, Header, Reader};
use crate::error::{Result, StoreError};
use crate::vfs::{File, Vfs};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"SQDMAN\r\n";
const VERSION: u32 = 1;
const FILE_NAME: &str = "MANIFEST";
const HEADER_BYTES: usize = 24;
const CHECKSUM_BYTES: usize = 8;

/// Where the catalog of a data directory is published.
#[derive(Debug)]
pub(crate) struct Publisher {
    vfs: Arc<dyn Vfs>,
    directory: PathBuf,
}

/// A published catalog that was read.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) contents: Contents,
    /// Differs where the file differs.
    pub(crate) checksum: u64,
}

impl Publisher {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, directory: &Path) -> Publisher {
        let directory = directory.to_path_buf();
        Publisher { vfs, directory }
    }

    /// Writes the next file beside the current one, durably.
    pub(crate) fn prepare(&self, entries: &Entries, header: &Header) -> Result<()> {
        self.prepare_file(&path_in(&self.directory), &encode(entries, header))
    }

    /// Writes what is to take the place of the file at `path`, durably.
    pub(super) fn prepare_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let path = temporary(path);
        let written = self.write(&path, bytes);
        if written.is_err() {
            // Space matters when the disk is full; what stays is replaced the next time.
            let _ = self.vfs.remove(&path);
        }
        written.map_err(|error| StoreError::io("write", &path, error))
    }

    /// Puts what was prepared in the place of the current file, durably.
    pub(crate) fn publish(&self) -> Result<()> {
        self.rename_file(&path_in(&self.directory))?;
        self.sync()
    }

    /// Puts what was prepared in the place of the file at `path`.
    pub(super) fn rename_file(&self, path: &Path) -> Result<()> {
        let from = temporary(path);
        self.vfs
            .rename(&from, path)
            .map_err(|e| StoreError::io("rename", &from, e))
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.vfs
            .sync_dir(&self.directory)
            .map_err(|e| StoreError::io("sync", &self.directory, e))
    }

    /// Publishes a catalog that was just opened, unless it is empty or the file says the same.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the file is ahead of the catalog: the catalog lost its newest
    /// state. Failures of the file system.
    pub(crate) fn republish(&self, entries: &Entries, header: &Header) -> Result<()> {
        let path = path_in(&self.directory);
        let found = match read_all(&*self.vfs, &path) {
            Ok(bytes) if bytes == encode(entries, header) => return Ok(()),
            Ok(bytes) => {
                decode(&MAGIC, &path, &bytes).and_then(|found| Contents::read(&path, found))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contents::default()),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        match found {
            Ok(found) if found.header.sequence > header.sequence => {
                let what = format!(
                    "it is at change {}, but {} is at change {}; it has lost its newest state",
                    header.sequence,
                    path.display(),
                    found.header.sequence
                );
                return Err(StoreError::corrupt(
                    &self.directory.join("catalog"),
                    0,
                    what,
                ));
            }
            Ok(_) => {}
            // The catalog is whole, and this is a copy of it.
            Err(error) => tracing::warn!(%error, "replaced from the catalog"),
        }
        if header.sequence == 0 {
            return Ok(());
        }
        match self.prepare(entries, header) {
            // Opening needs no space. The next change of the catalog is published, or refused.
            Err(error @ StoreError::DiskFull { .. }) => {
                tracing::warn!(%error, "read-only openers may fail until then");
                Ok(())
            }
            prepared => prepared.and_then(|()| self.publish()),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = match self.vfs.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A crash came between writing and renaming.
                self.vfs.remove(path)?;
                self.vfs.create(path)?
            }
            created => created?,
        };
        write_and_sync(&*file, bytes)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn vfs(&self) -> &dyn Vfs {
        &*self.vfs
    }
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

impl Published {
    /// Reads what is published in a data directory.
    pub(crate) fn read(vfs: &dyn Vfs, directory: &Path) -> Result<Published> {
        let path = path_in(directory);
        let bytes = read_all(vfs, &path).map_err(|e| StoreError::io("read", &path, e))?;
        let contents = Contents::read(&path, decode(&MAGIC, &path, &bytes)?)?;
        let checksum = checksum_in(&bytes).expect("a file without one does not decode");
        Ok(Published { contents, checksum })
    }

    /// Keys and values of what is published in a data directory, as the catalog has them.
    pub(super) fn entries(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let path = path_in(directory);
        let bytes = read_all(vfs, &path).map_err(|e| StoreError::io("read", &path, e))?;
        decode(&MAGIC, &path, &bytes)
    }

    /// The checksum that the file has now; `None` where there is no file.
    pub(crate) fn checksum_now(vfs: &dyn Vfs, directory: &Path) -> Option<u64> {
        checksum_in(&read_all(vfs, &path_in(directory)).ok()?)
    }
}

/// The published file of a data directory.
pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

fn write_and_sync(file: &dyn File, bytes: &[u8]) -> io::Result<()> {
    file.write_at(0, bytes)?;
    file.sync_data()
}

pub(super) fn read_all(vfs: &dyn Vfs, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    vfs.read(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn encode(entries: &Entries, header: &Header) -> Vec<u8> {
    let (key, value) = header.change();
    let value = value.expect("a header is stored, not removed");
    let header = (key.as_slice(), value.as_slice());
    frame(&MAGIC, std::iter::once(header).chain(entries.iter()))
}

/// Entries as the bytes of a file with this magic.
pub(super) fn frame<'a>(
    magic: &[u8; 8],
    entries: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.resize(HEADER_BYTES, 0);
    let mut count = 0u64;
    for (key, value) in entries {
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        count += 1;
    }
    bytes[16..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn checksum_in(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The entries in the bytes of a file with this magic.
pub(super) fn decode(
    magic: &[u8; 8],
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let damaged = |what: &str| StoreError::corrupt(path, 0, what);
    let length = bytes.len().saturating_sub(CHECKSUM_BYTES);
    if length < HEADER_BYTES || bytes[..8] != magic[..] {
        return Err(damaged("it is no published manifest"));
    }
    let (body, _) = bytes.split_at(length);
    if Some(xxh3_64(body)) != checksum_in(bytes) {
        return Err(damaged("its checksum does not match"));
    }
    let mut reader = Reader { bytes: &body[8..] };
    let cut = || damaged("it ends within an entry");
    let found = reader.u32().ok_or_else(cut)?;
    if found != VERSION {
        let path = path.to_path_buf();
        return Err(StoreError::Version {
            path,
            found,
            supported: VERSION,
        });
    }
    reader.u32().ok_or_else(cut)?;
    let count = reader.u64().ok_or_else(cut)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = reader.u32().ok_or_else(cut)? as usize;
        let value = reader.u32().ok_or_else(cut)? as usize;
        let key = reader.take(key).ok_or_else(cut)?.to_vec();
        entries.push((key, reader.take(value).ok_or_else(cut)?.to_vec()));
    }
    match reader.bytes {
        [] => Ok(entries),
        _ => Err(damaged("it goes on after its last entry")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::setting_change;
    use crate::vfs::{Fault, MemoryVfs};

    fn catalog(sequence: u64) -> (Entries, Header) {
        let mut entries = Entries::default();
        entries.change(&setting_change("a", b"1"));
        entries.change(&setting_change("b", &sequence.to_le_bytes()));
        let digest = entries.digest();
        let header = Header {
            sequence,
            digest,
            ..Header::default()
        };
        (entries, header)
    }

    fn publisher(vfs: &MemoryVfs) -> Publisher {
        Publisher::new(Arc::new(vfs.clone()), Path::new("/store"))
    }

    fn publish(vfs: &MemoryVfs, sequence: u64) -> Result<()> {
        let (entries, header) = catalog(sequence);
        publisher(vfs).prepare(&entries, &header)?;
        publisher(vfs).publish()
    }

    fn sequence(vfs: &MemoryVfs) -> Result<u64> {
        Ok(Published::read(vfs, Path::new("/store"))?
            .contents
            .header
            .sequence)
    }

    #[test]
    fn what_is_published_reads_back() {
        let vfs = MemoryVfs::new();
        publish(&vfs, 7).unwrap();
        let read = Published::read(&vfs, Path::new("/store")).unwrap();
        assert_eq!(read.contents.header, catalog(7).1);
        assert_eq!(read.contents.settings["a"], b"1");
        let now = Published::checksum_now(&vfs, Path::new("/store"));
        assert_eq!(now, Some(read.checksum));
    }

    #[test]
    fn a_crash_anywhere_leaves_the_old_file_or_the_new_one() {
        let (mut old, mut new) = (0, 0);
        for at in 0.. {
            let vfs = MemoryVfs::new();
            publish(&vfs, 1).unwrap();
            let start = vfs.operations();
            vfs.set_fault(Some(Fault::PowerOff { at: start + at }));
            let done = publish(&vfs, 2).is_ok();
            for seed in [0, 1, 2, 3, 4] {
                let survivor = vfs.after_crash(seed);
                match sequence(&survivor).unwrap() {
                    1 if !done => old += 1,
                    2 => new += 1,
                    other => panic!("change {other} after a crash at {at}"),
                }
                publish(&survivor, 3).unwrap();
                assert_eq!(sequence(&survivor.after_crash(0)).unwrap(), 3);
            }
            if done {
                break;
            }
        }
        assert!(old > 0 && new > 0);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (entries, header) = catalog(7);
        let bytes = encode(&entries, &header);
        let path = Path::new("MANIFEST");
        assert_eq!(decode(&MAGIC, path, &bytes).unwrap().len(), 3);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&MAGIC, path, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(
                decode(&MAGIC, path, &bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_catalog_behind_its_publication_is_damaged() {
        let vfs = MemoryVfs::new();
        publish(&vfs, 5).unwrap();
        let (entries, header) = catalog(4);
        let error = publisher(&vfs).republish(&entries, &header).unwrap_err();
        assert!(
            error.to_string().contains("lost its newest state"),
            "{error}"
        );
        let (entries, header) = catalog(6);
        publisher(&vfs).republish(&entries, &header).unwrap();
        assert_eq!(sequence(&vfs).unwrap(), 6);
        vfs.damage(Path::new("/store/MANIFEST"), 30, 1);
        publisher(&vfs).republish(&entries, &header).unwrap();
        assert_eq!(sequence(&vfs).unwrap(), 6);
    }
}
