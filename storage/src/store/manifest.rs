//! The manifests in the catalog, and their one committer at a time.

use super::state::{PartView, Phext};
use crate::catalog::{self, Change, Header, Manifest, ManifestPart, PhextRecord};
use crate::error::{Result, StoreError};
use crate::vfs::Catalog;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The catalog, with what it says.
#[derive(Debug)]
pub(super) struct Manifests {
    pub(super) catalog: Box<dyn Catalog>,
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) settings: BTreeMap<String, Vec<u8>>,
}

impl Manifests {
    /// Commits changes together with `header`, whose sequence is raised, durably.
    pub(super) fn commit(&mut self, mut header: Header, mut changes: Vec<Change>) -> Result<()> {
        header.sequence = self.header.sequence + 1;
        changes.push(header.change());
        self.apply(&changes)?;
        self.header = header;
        Ok(())
    }

    /// Stores a setting, durably.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.apply(&[catalog::setting_change(name, value)])?;
        self.settings.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn apply(&self, changes: &[Change]) -> Result<()> {
        self.catalog
            .apply(changes)
            .map_err(|e| StoreError::io("commit", &self.path, e))
    }
}

/// The changes that record a phext with these parts.
pub(super) fn manifest_of<'a>(
    phext: &Phext,
    parts: impl Iterator<Item = &'a PartView>,
) -> [Change; 2] {
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
        parts: parts.collect(),
    };
    [record.change(phext.id), manifest.change(phext.id)]
}
