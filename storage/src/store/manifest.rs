//! The manifests in the catalog, and their one committer at a time.

use super::state::{PartView, Phext};
use crate::catalog::{
    self, Change, Entries, Header, Manifest, ManifestPart, PhextRecord, Publisher, SnapshotRecord,
};
use crate::error::{Result, StoreError};
use crate::vfs::Catalog;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

/// The catalog, with what it says.
#[derive(Debug)]
pub(super) struct Manifests {
    pub(super) catalog: Box<dyn Catalog>,
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) settings: BTreeMap<String, Vec<u8>>,
    pub(super) snapshots: BTreeMap<String, SnapshotRecord>,
    /// `None` where a change failed, which may or may not be there.
    pub(super) entries: Option<Entries>,
    /// Follows the catalog, for readers without the lock.
    pub(super) publisher: Publisher,
}

impl Manifests {
    /// Bytes of memory in entries and settings.
    pub(super) fn heap_bytes(&self) -> u64 {
        let setting = |(name, value): (&String, &Vec<u8>)| (name.len() + value.len()) as u64;
        let entries = self.entries.as_ref().map_or(0, Entries::byte_len);
        entries + self.settings.iter().map(setting).sum::<u64>()
    }

    /// Commits changes together with `header`, whose sequence is raised, durably, and publishes
    /// them.
    pub(super) fn commit(&mut self, mut header: Header, mut changes: Vec<Change>) -> Result<()> {
        let mut entries = match self.entries.take() {
            Some(entries) => entries,
            None => Entries::of(&self.catalog.scan().map_err(|e| self.error(e))?),
        };
        changes.iter().for_each(|change| entries.change(change));
        header.sequence = self.header.sequence + 1;
        header.digest = entries.digest();
        changes.push(header.change());
        let has_snapshots = self.publisher.prepare_snapshots(&entries, &changes)?;
        self.publisher.prepare(&entries, &header)?;
        let applied = self.catalog.apply(&changes);
        applied.map_err(|e| self.error(e))?;
        if has_snapshots {
            self.publisher.rename_snapshots()?;
        }
        self.publisher.publish()?;
        self.entries = Some(entries);
        self.header = header;
        Ok(())
    }

    /// The segments that named snapshots need.
    pub(super) fn pinned_segments(&self) -> BTreeSet<u64> {
        let records = self.snapshots.values();
        records.flat_map(|record| record.point.segments()).collect()
    }

    /// Stores a setting, durably. Gives the catalog's sequence number.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<u64> {
        self.commit(self.header, vec![catalog::setting_change(name, value)])?;
        self.settings.insert(name.to_owned(), value.to_vec());
        Ok(self.header.sequence)
    }

    /// Whether it is certain that changes which were to be committed were not.
    pub(super) fn lacks(&self, changes: &[Change]) -> bool {
        let Ok(entries) = self.catalog.scan() else {
            return false;
        };
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        changes
            .iter()
            .any(|(key, value)| entries.get(key) != value.as_ref())
    }

    fn error(&self, error: io::Error) -> StoreError {
        StoreError::io("commit", &self.path, error)
    }
}

/// The changes that record a phext with these parts.
pub(super) fn manifest_of<'a>(
    phext: &Phext,
    parts: impl Iterator<Item = &'a PartView>,
) -> [Change; 2] {
    let (record, manifest) = entries_of(phext, parts);
    [record.change(phext.id), manifest.change(phext.id)]
}

/// What the catalog says of a phext with these parts.
pub(super) fn entries_of<'a>(
    phext: &Phext,
    parts: impl Iterator<Item = &'a PartView>,
) -> (PhextRecord, Manifest) {
    let record = PhextRecord {
        name: phext.name.to_string(),
        order: phext.order,
        created_ms: phext.created_ms,
    };
    let parts = parts.map(|view| ManifestPart {
        segment: view.part.segment().id(),
        index: view.part.index(),
        live_text_bytes: view.live_text_bytes(),
        shadow: view.shadow.encode(),
    });
    let manifest = Manifest {
        sealed_lsn: phext.sealed_lsn,
        parts: parts.collect(),
    };
    (record, manifest)
}
