//! A catalog that cannot be opened for want of space: `MANIFEST` stands in for it.
//!
//! The catalog's engine writes when it opens, so that a full disk would keep a store from being read.
//! `MANIFEST` says the same, or what the catalog said before its last change, whose log is there still.
//! The catalog itself is opened by the first change that finds space.

use super::Published;
use crate::error::Result;
use crate::sync::Mutex;
use crate::vfs::{Catalog, Vfs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct StandIn {
    vfs: Arc<dyn Vfs>,
    /// The data directory.
    root: PathBuf,
    /// The catalog in it.
    path: PathBuf,
    /// What `MANIFEST` says, in key order.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// The catalog, since it could be opened.
    catalog: Mutex<Option<Box<dyn Catalog>>>,
}

impl StandIn {
    /// Stands in for the catalog at `path` of the store in `root`.
    ///
    /// # Errors
    /// Where `MANIFEST` is damaged or missing.
    pub(crate) fn read(vfs: &Arc<dyn Vfs>, root: &Path, path: &Path) -> Result<StandIn> {
        let mut entries = Published::entries(&**vfs, root)?;
        entries.sort_unstable();
        Ok(StandIn {
            vfs: Arc::clone(vfs),
            root: root.to_path_buf(),
            path: path.to_path_buf(),
            entries,
            catalog: Mutex::new(None),
        })
    }

    /// Opens the catalog, which must say what was read in its stead.
    fn open(&self) -> io::Result<Box<dyn Catalog>> {
        let catalog = self.vfs.open_catalog(&self.path)?;
        if catalog.scan()? != self.entries {
            let what = "it does not say what MANIFEST does, which stood in for it while there was no space";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        catalog.sync()?;
        tracing::info!(path = %self.path.display(), "there is space again: the catalog is open");
        Ok(catalog)
    }
}

impl Catalog for StandIn {
    fn scan(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match &*self.catalog.lock() {
            Some(catalog) => catalog.scan(),
            None => Ok(self.entries.clone()),
        }
    }

    fn apply(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> io::Result<()> {
        let mut catalog = self.catalog.lock();
        let catalog = match &mut *catalog {
            Some(catalog) => catalog,
            closed => closed.insert(self.open()?),
        };
        catalog.apply(changes)
    }

    /// The bytes of `MANIFEST` were synced before it got its name.
    fn sync(&self) -> io::Result<()> {
        match &*self.catalog.lock() {
            Some(catalog) => catalog.sync(),
            None => self.vfs.sync_dir(&self.root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Change, Entries, Header, Publisher, setting_change};
    use crate::vfs::{Fault, MemoryVfs};

    /// A full medium with a catalog and its publication.
    fn full() -> (MemoryVfs, StandIn) {
        let medium = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(medium.clone());
        let (root, path) = (Path::new("/store"), Path::new("/store/catalog"));
        let setting = setting_change("a", b"1");
        let mut entries = Entries::default();
        entries.change(&setting);
        let header = Header {
            sequence: 1,
            digest: entries.digest(),
            ..Header::default()
        };
        let catalog = vfs.open_catalog(path).unwrap();
        catalog.apply(&[setting, header.change()]).unwrap();
        let publisher = Publisher::new(Arc::clone(&vfs), root);
        publisher.prepare(&entries, &header).unwrap();
        publisher.publish().unwrap();
        medium.set_fault(Some(Fault::Full { from: 0 }));
        assert!(vfs.open_catalog(path).is_err());
        let stand_in = StandIn::read(&vfs, root, path).unwrap();
        (medium, stand_in)
    }

    fn change() -> [Change; 1] {
        [setting_change("b", b"2")]
    }

    #[test]
    fn the_first_change_that_finds_space_opens_the_catalog() {
        let (medium, stand_in) = full();
        let before = stand_in.scan().unwrap();
        assert_eq!(before.len(), 2);
        let refused = stand_in.apply(&change()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(stand_in.scan().unwrap(), before);
        medium.set_fault(None);
        assert_eq!(medium.scan_catalog(&stand_in.path).unwrap(), before);
        stand_in.apply(&change()).unwrap();
        let after = stand_in.scan().unwrap();
        assert_eq!(after.len(), 3);
        assert_eq!(medium.scan_catalog(&stand_in.path).unwrap(), after);
    }

    #[test]
    fn a_catalog_that_is_ahead_stays_as_it_is() {
        let (medium, stand_in) = full();
        medium.set_fault(None);
        let ahead = medium.open_catalog(&stand_in.path).unwrap();
        ahead.apply(&[setting_change("a", b"3")]).unwrap();
        let before = ahead.scan().unwrap();
        let refused = stand_in.apply(&change()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(ahead.scan().unwrap(), before);
    }
}
