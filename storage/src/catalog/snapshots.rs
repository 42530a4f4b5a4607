//! What the catalog says of named snapshots: the phexts and manifests of a point in time.

use super::{Change, Contents, Header, Manifest, PhextRecord, Reader};
use crate::log::Lsn;
use std::collections::{BTreeMap, BTreeSet};

/// The first byte of the keys of named snapshots.
pub(super) const TAG: u8 = b'n';

/// The phexts and manifests of a state, as a checkpoint or a named snapshot keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The last change that it reflects.
    pub(crate) lsn: Lsn,
    pub(crate) phexts: BTreeMap<u64, PhextRecord>,
    pub(crate) manifests: BTreeMap<u64, Manifest>,
}

/// A named snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SnapshotRecord {
    pub(crate) created_ms: u64,
    pub(crate) point: Point,
}

impl Point {
    /// The segments that it needs.
    pub(crate) fn segments(&self) -> BTreeSet<u64> {
        segments_of(&self.manifests).collect()
    }

    /// The point as a catalog that has nothing else.
    pub(crate) fn contents(&self) -> Contents {
        Contents {
            header: Header {
                sealed_lsn: self.lsn,
                durable_lsn: self.lsn,
                ..Header::default()
            },
            phexts: self.phexts.clone(),
            manifests: self.manifests.clone(),
            ..Contents::default()
        }
    }

    /// The changes that store the point as a catalog's own phexts.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let records = self.phexts.iter().map(|(&id, record)| record.change(id));
        let manifests = self.manifests.iter().map(|(&id, m)| m.change(id));
        records.chain(manifests).collect()
    }
}

/// The segments that manifests name, with repetitions.
pub(super) fn segments_of(manifests: &BTreeMap<u64, Manifest>) -> impl Iterator<Item = u64> {
    let parts = manifests.values().flat_map(|manifest| &manifest.parts);
    parts.map(|part| part.segment)
}

impl SnapshotRecord {
    /// The change that stores this snapshot.
    pub(crate) fn change(&self, name: &str) -> Change {
        let mut value = self.point.lsn.to_le_bytes().to_vec();
        value.extend_from_slice(&self.created_ms.to_le_bytes());
        value.extend_from_slice(&(self.point.phexts.len() as u64).to_le_bytes());
        for (&id, record) in &self.point.phexts {
            let manifest = self.point.manifests.get(&id).cloned().unwrap_or_default();
            value.extend_from_slice(&id.to_le_bytes());
            for (_, bytes) in [record.change(id), manifest.change(id)] {
                let bytes = bytes.expect("a record is stored, not removed");
                value.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                value.extend_from_slice(&bytes);
            }
        }
        (key(name), Some(value))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<SnapshotRecord> {
        let lsn = reader.u64()?;
        let created_ms = reader.u64()?;
        let mut point = Point {
            lsn,
            ..Point::default()
        };
        for _ in 0..reader.u64()? {
            let id = reader.u64()?;
            point
                .phexts
                .insert(id, PhextRecord::read(&mut nested(reader)?)?);
            let mut bytes = nested(reader)?;
            point.manifests.insert(id, Manifest::read(&mut bytes)?);
        }
        Some(SnapshotRecord { created_ms, point })
    }
}

/// The change that removes a snapshot.
pub(crate) fn snapshot_removal(name: &str) -> Change {
    (key(name), None)
}

/// A value inside a value, behind its length.
fn nested<'a>(reader: &mut Reader<'a>) -> Option<Reader<'a>> {
    let length = usize::try_from(reader.u64()?).ok()?;
    let bytes = reader.take(length)?;
    Some(Reader { bytes })
}

fn key(name: &str) -> Vec<u8> {
    let mut key = vec![TAG];
    key.extend_from_slice(name.as_bytes());
    key
}
