//! The bare directory: what point reads cost where nothing but the reading is left.
//!
//! A hash table of fingerprints and offsets over records that lie one after the other, both in files
//! that are mapped. No log, no snapshots, no checksums, no order: a floor, not an engine.
//!
//! ```text
//! table    entries of 8 bytes: fingerprint (24 bits), offset of the record (40 bits); 0 is empty
//! records  key (36 bytes), length of the text (4 bytes), text
//! ```

use std::io::Write;
use std::sync::OnceLock;

use phext_storage::vfs::{FileWriter, Mapping, RealVfs, Vfs};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing, not_supported};
use crate::key::{Key, PACKED_BYTES, Packed};
use crate::prefetch::prefetch;
use crate::query::{Batch, NearestQuestion, Prefix, RegionQuestion};
use crate::tally::Tally;
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "bare directory",
    settings: "hash table and records in mapped files; batches in groups of 16 with prefetch",
    put_durability: "none",
    load_durability: "none",
    supports: |workload| matches!(workload, Workload::Point | Workload::Miss | Workload::Batch),
    open: |directory, _: Sizing| {
        Ok(Box::new(Directory {
            root: directory.to_path_buf(),
            maps: OnceLock::new(),
        }))
    },
};

const GROUP: usize = 16;
const ENTRY_BYTES: usize = 8;
const OFFSET_BITS: u32 = 40;
const HEADER_BYTES: usize = PACKED_BYTES + 4;

struct Directory {
    root: std::path::PathBuf,
    maps: OnceLock<View>,
}

impl Directory {
    /// Writes records and table.
    fn build(&self, load: Load<'_>) -> Outcome {
        let create = |name: &str| RealVfs.create(&self.root.join(name)).map(FileWriter::new);
        let mut records = create("records")?;
        let mut table = vec![0u64; (load.keys.len() * 2).next_power_of_two()];
        // Offset 0 would make an entry look empty.
        records.write_all(&[0; ENTRY_BYTES])?;
        let mut offset = ENTRY_BYTES as u64;
        for (key, text) in load.packed_records() {
            insert(&mut table, &key, offset);
            records.write_all(&key)?;
            records.write_all(&u32::try_from(text.len())?.to_le_bytes())?;
            records.write_all(text)?;
            offset += (HEADER_BYTES + text.len()) as u64;
        }
        records.finish()?;
        let mut file = create("table")?;
        table
            .iter()
            .try_for_each(|entry| file.write_all(&entry.to_le_bytes()))?;
        Ok(file.finish()?)
    }

    fn view(&self) -> Outcome<&View> {
        if self.maps.get().is_none() {
            let map = |name: &str| RealVfs.map(&self.root.join(name));
            let (table, records) = (map("table")?, map("records")?);
            let _ = self.maps.set(View { table, records });
        }
        Ok(self.maps.get().expect("it was set above"))
    }
}

fn insert(table: &mut [u64], key: &Packed, offset: u64) {
    let hash = xxh3_64(key);
    let mask = table.len() - 1;
    let mut at = hash as usize & mask;
    while table[at] != 0 {
        at = (at + 1) & mask;
    }
    table[at] = hash >> OFFSET_BITS << OFFSET_BITS | offset;
}

impl Engine for Directory {
    fn load(&self, load: Load<'_>) -> Outcome {
        self.build(load)
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        Ok(Box::new(self.view()?))
    }

    fn put(&self, _: &Put) -> Outcome {
        not_supported("puts")
    }
}

struct View {
    table: Mapping,
    records: Mapping,
}

impl View {
    /// The entry `step` behind the home of a hash.
    #[inline]
    fn entry_at(&self, hash: u64, step: usize) -> usize {
        let entries = self.table.len() / ENTRY_BYTES;
        (hash as usize).wrapping_add(step) & (entries - 1)
    }

    /// The offset of the first entry with the fingerprint of `hash` from `step` on, and its step.
    #[inline]
    fn candidate(&self, hash: u64, mut step: usize) -> Option<(usize, usize)> {
        let (entries, _) = self.table.as_chunks::<ENTRY_BYTES>();
        loop {
            let entry = u64::from_le_bytes(entries[self.entry_at(hash, step)]);
            if entry == 0 {
                return None;
            }
            if entry >> OFFSET_BITS == hash >> OFFSET_BITS {
                return Some(((entry & ((1 << OFFSET_BITS) - 1)) as usize, step));
            }
            step += 1;
        }
    }

    /// The text of a key, from the candidate at `found` on.
    #[inline]
    fn text(&self, key: &Packed, hash: u64, mut found: Option<(usize, usize)>) -> Option<&[u8]> {
        while let Some((offset, step)) = found {
            let (header, rest) = self.records[offset..].split_at(HEADER_BYTES);
            if header[..PACKED_BYTES] == *key {
                let length = header[PACKED_BYTES..].try_into().expect("four bytes");
                return Some(&rest[..u32::from_le_bytes(length) as usize]);
            }
            found = self.candidate(hash, step + 1);
        }
        None
    }

    /// Up to 16 keys, each step for all of them before the next.
    fn group(&self, keys: &[Key], tally: &mut Tally) {
        let mut hashes = [0; GROUP];
        let mut found = [None; GROUP];
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = xxh3_64(&key.packed);
            prefetch(&self.table, self.entry_at(*hash, 0) * ENTRY_BYTES);
        }
        for (found, &hash) in found.iter_mut().zip(&hashes[..keys.len()]) {
            *found = self.candidate(hash, 0);
            if let Some((offset, _)) = *found {
                // Three of the five lines or so of a record: the hardware brings the next ones.
                (0..3).for_each(|line| prefetch(&self.records, offset + line * 64));
            }
        }
        for ((key, hash), found) in keys.iter().zip(hashes).zip(found) {
            if let Some(text) = self.text(&key.packed, hash, found) {
                tally.text(text);
            }
        }
    }
}

impl Reader for &View {
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome {
        let hash = xxh3_64(&key.packed);
        if let Some(text) = self.text(&key.packed, hash, self.candidate(hash, 0)) {
            tally.text(text);
        }
        Ok(())
    }

    fn batch(&mut self, batch: Batch<'_>, tally: &mut Tally) -> Outcome {
        batch
            .keys
            .chunks(GROUP)
            .for_each(|group| self.group(group, tally));
        Ok(())
    }

    fn range(&mut self, _: &Key, _: usize, _: &mut Tally) -> Outcome {
        not_supported("ranges")
    }

    fn scan(&mut self, _: &mut Tally) -> Outcome {
        not_supported("scans")
    }

    fn prefix(&mut self, _: &Prefix, _: &mut Tally) -> Outcome {
        not_supported("prefixes")
    }

    fn region(&mut self, _: &RegionQuestion, _: &mut Tally) -> Outcome {
        not_supported("regions")
    }

    fn nearest(&mut self, _: &NearestQuestion, _: &mut Tally) -> Outcome {
        not_supported("nearest records")
    }
}
