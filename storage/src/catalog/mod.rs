//! What the catalog says: phexts, their manifests, and how far the log is sealed.
//!
//! | key | value |
//! |---|---|
//! | `meta` | [`Header`] |
//! | `p` + phext id u64 big-endian | [`PhextRecord`] |
//! | `m` + phext id u64 big-endian | [`Manifest`] |
//! | `s` + name | a setting's bytes |
//! | `n` + name | a [`SnapshotRecord`] |
//!
//! Integers in values are little-endian. Values are read here and nowhere else; every reader is
//! total, because the bytes may be damaged.

mod published;
pub(crate) mod snapshot_file;
mod snapshots;
mod stand_in;

pub(crate) use published::{Published, Publisher, path_in as published_path};
pub(crate) use snapshots::{Point, SnapshotRecord, snapshot_removal};
pub(crate) use stand_in::StandIn;

use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::segment::Order;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const VERSION: u32 = 1;
const META_KEY: &[u8] = b"meta";

/// A change of the catalog: a key and its new value, or `None` to remove it.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// The store-wide facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// Counts changes of the manifests. The log repeats it, so that a catalog which lost its newest
    /// state is noticed.
    pub(crate) sequence: u64,
    /// Everything up to here is in segments.
    pub(crate) sealed_lsn: Lsn,
    /// Everything up to here was durable in the log when this was written.
    pub(crate) durable_lsn: Lsn,
    /// The next segment's id is not below this, so that ids are not used again.
    pub(crate) next_segment: u64,
    /// The next phext's id is not below this.
    pub(crate) next_phext: u64,
    /// The sum of the fingerprints of all other entries, so that one which fell back to an older
    /// value is noticed.
    pub(crate) digest: u64,
}

/// A phext's own facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhextRecord {
    pub(crate) name: String,
    pub(crate) order: Order,
    pub(crate) created_ms: u64,
}

/// The parts of a phext, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// The parts and their shadows reflect the log up to here; 0 where only the header's sealed LSN
    /// says so.
    pub(crate) sealed_lsn: Lsn,
    pub(crate) parts: Vec<ManifestPart>,
}

/// A part and which of its slots are current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestPart {
    pub(crate) segment: u64,
    pub(crate) index: u32,
    /// Bytes of text in current slots.
    pub(crate) live_text_bytes: u64,
    /// The slots that are not current: a serialised roaring bitmap.
    pub(crate) shadow: Vec<u8>,
}

/// Everything the catalog holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) header: Header,
    pub(crate) phexts: BTreeMap<u64, PhextRecord>,
    pub(crate) manifests: BTreeMap<u64, Manifest>,
    pub(crate) settings: BTreeMap<String, Vec<u8>>,
    pub(crate) snapshots: BTreeMap<String, SnapshotRecord>,
    pub(crate) entries: Entries,
}

/// Every entry but the header, by key, with its fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    by_key: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
}

impl Entries {
    /// These entries.
    pub(crate) fn of(entries: &[(Vec<u8>, Vec<u8>)]) -> Entries {
        let entries = entries.iter().filter(|(key, _)| key != META_KEY);
        Entries {
            by_key: entries
                .map(|(key, value)| (key.clone(), (value.clone(), fingerprint(key, value))))
                .collect(),
        }
    }

    /// Follows a change.
    pub(crate) fn change(&mut self, (key, value): &Change) {
        match value {
            Some(value) => {
                let entry = (value.clone(), fingerprint(key, value));
                self.by_key.insert(key.clone(), entry)
            }
            None => self.by_key.remove(key),
        };
    }

    /// See [`Header::digest`].
    pub(crate) fn digest(&self) -> u64 {
        let fingerprints = self.by_key.values().map(|(_, fingerprint)| fingerprint);
        fingerprints.fold(0, |sum, fingerprint| sum.wrapping_add(*fingerprint))
    }

    /// Bytes of keys, values and fingerprints.
    pub(crate) fn byte_len(&self) -> u64 {
        let entry = |(key, (value, _)): (&Vec<u8>, &(Vec<u8>, u64))| key.len() + value.len() + 8;
        self.by_key.iter().map(entry).sum::<usize>() as u64
    }

    /// Keys and values, in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.by_key
            .iter()
            .map(|(key, (value, _))| (key.as_slice(), value.as_slice()))
    }
}

fn fingerprint(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key))
}

impl Contents {
    /// Reads the entries of the catalog at `path`. No entries are an empty store.
    pub(crate) fn read(path: &Path, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Contents> {
        let mut contents = Contents::default();
        let mut has_header = entries.is_empty();
        contents.entries = Entries::of(&entries);
        for (key, value) in entries {
            let mut reader = Reader { bytes: &value };
            let parsed = match key.split_first() {
                Some(_) if key == META_KEY => {
                    contents.header = Header::read(path, &mut reader)?;
                    has_header = true;
                    Some(())
                }
                Some((b'p', id)) => id_of(id)
                    .zip(PhextRecord::read(&mut reader))
                    .map(|(id, r)| {
                        contents.phexts.insert(id, r);
                    }),
                Some((b'm', id)) => id_of(id).zip(Manifest::read(&mut reader)).map(|(id, m)| {
                    contents.manifests.insert(id, m);
                }),
                Some((b's', name)) => String::from_utf8(name.to_vec()).ok().map(|name| {
                    contents
                        .settings
                        .insert(name, std::mem::take(&mut reader.bytes).to_vec());
                }),
                Some((&snapshots::TAG, name)) => String::from_utf8(name.to_vec())
                    .ok()
                    .zip(SnapshotRecord::read(&mut reader))
                    .map(|(name, record)| {
                        contents.snapshots.insert(name, record);
                    }),
                _ => None,
            };
            if parsed.is_none() || !reader.bytes.is_empty() {
                let key = String::from_utf8_lossy(&key).into_owned();
                return Err(StoreError::corrupt(
                    path,
                    0,
                    format!("entry {key:?} does not parse"),
                ));
            }
        }
        if !has_header {
            return Err(StoreError::corrupt(path, 0, "there is no `meta` entry"));
        }
        if contents.entries.digest() != contents.header.digest {
            let what = "its entries are not those of its newest change";
            return Err(StoreError::corrupt(path, 0, what));
        }
        if let Some(id) = contents
            .manifests
            .keys()
            .find(|id| !contents.phexts.contains_key(id))
        {
            return Err(StoreError::corrupt(
                path,
                0,
                format!("phext {id} has a manifest only"),
            ));
        }
        Ok(contents)
    }
}

impl Contents {
    /// The segments that phexts and named snapshots need.
    pub(crate) fn segments(&self) -> BTreeSet<u64> {
        let pinned = self.snapshots.values().flat_map(|s| s.point.segments());
        snapshots::segments_of(&self.manifests)
            .chain(pinned)
            .collect()
    }
}

impl Header {
    /// The change that stores this header.
    pub(crate) fn change(&self) -> Change {
        let mut value = VERSION.to_le_bytes().to_vec();
        let Header {
            sequence,
            sealed_lsn,
            durable_lsn,
            next_segment,
            next_phext,
            digest,
        } = self;
        for number in [
            sequence,
            sealed_lsn,
            durable_lsn,
            next_segment,
            next_phext,
            digest,
        ] {
            value.extend_from_slice(&number.to_le_bytes());
        }
        (META_KEY.to_vec(), Some(value))
    }

    fn read(path: &Path, reader: &mut Reader<'_>) -> Result<Header> {
        let cut = || StoreError::corrupt(path, 0, "entry `meta` is cut");
        let found = reader.u32().ok_or_else(cut)?;
        if found != VERSION {
            let path = path.to_path_buf();
            return Err(StoreError::Version {
                path,
                found,
                supported: VERSION,
            });
        }
        let mut next = || reader.u64().ok_or_else(cut);
        Ok(Header {
            sequence: next()?,
            sealed_lsn: next()?,
            durable_lsn: next()?,
            next_segment: next()?,
            next_phext: next()?,
            digest: next()?,
        })
    }
}

impl PhextRecord {
    /// The change that stores this record.
    pub(crate) fn change(&self, id: u64) -> Change {
        let order = self.order.to_string();
        let mut value = self.created_ms.to_le_bytes().to_vec();
        value.extend_from_slice(&(order.len() as u32).to_le_bytes());
        value.extend_from_slice(order.as_bytes());
        value.extend_from_slice(self.name.as_bytes());
        (key(b'p', id), Some(value))
    }

    fn read(reader: &mut Reader<'_>) -> Option<PhextRecord> {
        let created_ms = reader.u64()?;
        let length = reader.u32()? as usize;
        let order = std::str::from_utf8(reader.take(length)?)
            .ok()?
            .parse()
            .ok()?;
        let name = String::from_utf8(std::mem::take(&mut reader.bytes).to_vec()).ok()?;
        Some(PhextRecord {
            name,
            order,
            created_ms,
        })
    }
}

impl Manifest {
    /// The change that stores this manifest.
    pub(crate) fn change(&self, id: u64) -> Change {
        let mut value = self.sealed_lsn.to_le_bytes().to_vec();
        for part in &self.parts {
            value.extend_from_slice(&part.segment.to_le_bytes());
            value.extend_from_slice(&part.index.to_le_bytes());
            value.extend_from_slice(&part.live_text_bytes.to_le_bytes());
            value.extend_from_slice(&(part.shadow.len() as u32).to_le_bytes());
            value.extend_from_slice(&part.shadow);
        }
        (key(b'm', id), Some(value))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Manifest> {
        let sealed_lsn = reader.u64()?;
        let mut parts = Vec::new();
        while !reader.bytes.is_empty() {
            parts.push(ManifestPart {
                segment: reader.u64()?,
                index: reader.u32()?,
                live_text_bytes: reader.u64()?,
                shadow: {
                    let length = reader.u32()? as usize;
                    reader.take(length)?.to_vec()
                },
            });
        }
        Some(Manifest { sealed_lsn, parts })
    }
}

/// The change that stores a setting.
pub(crate) fn setting_change(name: &str, value: &[u8]) -> Change {
    let mut key = vec![b's'];
    key.extend_from_slice(name.as_bytes());
    (key, Some(value.to_vec()))
}

fn key(tag: u8, id: u64) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn id_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::Curve;

    fn changes() -> Vec<(Vec<u8>, Vec<u8>)> {
        let header = Header {
            sequence: 3,
            sealed_lsn: 8,
            durable_lsn: 9,
            next_segment: 4,
            next_phext: 2,
            digest: 0,
        };
        let order = Order::Curve {
            prefix: 2,
            curve: Curve::Peano,
        };
        let record = PhextRecord {
            name: "notes".into(),
            order,
            created_ms: 77,
        };
        let part = ManifestPart {
            segment: 3,
            index: 1,
            live_text_bytes: 12,
            shadow: vec![1, 2, 3],
        };
        let manifest = Manifest {
            sealed_lsn: 17,
            parts: vec![part.clone(), part],
        };
        let changes = [
            header.change(),
            record.change(1),
            manifest.change(1),
            setting_change("x", b"y"),
        ];
        let entries = changes.into_iter();
        with_digest(
            header,
            entries.map(|(key, value)| (key, value.unwrap())).collect(),
        )
    }

    /// The entries with the first, the header, made to fit the others.
    fn with_digest(
        header: Header,
        mut entries: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let digest = Entries::of(&entries).digest();
        entries[0].1 = Header { digest, ..header }.change().1.unwrap();
        entries
    }

    #[test]
    fn contents_round_trip() {
        let contents = Contents::read(Path::new("catalog"), changes()).unwrap();
        assert_eq!(
            (contents.header.sequence, contents.header.next_phext),
            (3, 2)
        );
        assert_eq!(contents.phexts[&1].name, "notes");
        assert_eq!(contents.manifests[&1].parts.len(), 2);
        assert_eq!(contents.settings["x"], b"y");
    }

    #[test]
    fn no_entries_are_an_empty_store() {
        assert_eq!(
            Contents::read(Path::new("c"), Vec::new()).unwrap().header,
            Header::default()
        );
    }

    #[test]
    fn cut_values_and_missing_entries_are_damage() {
        let path = Path::new("catalog");
        for (index, (key, value)) in changes().iter().enumerate().take(3) {
            for length in 0..value.len() {
                let mut entries = changes();
                entries[index].1.truncate(length);
                let read = Contents::read(path, entries);
                // A manifest cut between parts, or a name cut, cannot be told from a shorter one
                // here; the checksum of the value finds those.
                let tolerated =
                    key[0] == b'm' && length % 27 == 0 || key[0] == b'p' && length >= 26;
                assert!(read.is_err() || tolerated, "{key:?} cut to {length}");
            }
        }
        assert!(
            Contents::read(path, changes().split_off(1)).is_err(),
            "no header"
        );
    }
}
