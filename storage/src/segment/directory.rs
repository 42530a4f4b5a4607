//! The directory: from a coordinate to its slot in one cache line.
//!
//! A hash table of 64-byte buckets. A bucket holds up to ten 16-bit fingerprints and the slots they
//! belong to; a full bucket says so and the next one goes on. Most absent coordinates end at the
//! first bucket, without touching a key.
//!
//! ```text
//! bucket   fingerprints 10 x u16 | slots 10 x u32 | count u8 | goes on u8 | zero u16
//! ```

use super::layout::{push_code, u32_at};
use crate::coordinate::Coordinate;
use crate::coordinate::DIMENSIONS;
use xxhash_rust::xxh3::xxh3_64;

/// Length of a bucket: a cache line.
pub(super) const BUCKET_BYTES: usize = 64;
const BUCKET_ENTRIES: usize = 10;
/// Mean entries in a bucket: 60 % of its room, so that about one bucket in 25 overflows.
const MEAN_ENTRIES: usize = 6;
const SLOTS_AT: usize = BUCKET_ENTRIES * 2;
const COUNT_AT: usize = SLOTS_AT + BUCKET_ENTRIES * 4;
const GOES_ON_AT: usize = COUNT_AT + 1;

/// What the directory knows a coordinate by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    hash: u64,
}

impl Probe {
    /// The probe for a coordinate.
    #[inline]
    pub(super) fn new(coordinate: &Coordinate) -> Probe {
        let mut bytes = [0; DIMENSIONS * 4];
        for (chunk, component) in bytes.chunks_exact_mut(4).zip(coordinate.components()) {
            chunk.copy_from_slice(&component.to_le_bytes());
        }
        Probe {
            hash: xxh3_64(&bytes),
        }
    }

    /// The home bucket out of `buckets`, by the high bits.
    #[inline]
    fn bucket(self, buckets: usize) -> usize {
        ((u128::from(self.hash) * buckets as u128) >> 64) as usize
    }

    #[inline]
    fn fingerprint(self) -> u16 {
        self.hash as u16
    }
}

/// Length of the directory of `slots` slots.
pub(super) fn byte_len(slots: usize) -> usize {
    slots.div_ceil(MEAN_ENTRIES).max(1) * BUCKET_BYTES
}

/// The directory of slots with these coordinates.
pub(super) fn encode(coordinates: impl ExactSizeIterator<Item = Coordinate>) -> Vec<u8> {
    let buckets = byte_len(coordinates.len()) / BUCKET_BYTES;
    let mut entries: Vec<Vec<(u16, u32)>> = vec![Vec::new(); buckets];
    let mut goes_on = vec![false; buckets];
    for (slot, coordinate) in coordinates.enumerate() {
        let probe = Probe::new(&coordinate);
        let mut bucket = probe.bucket(buckets);
        while entries[bucket].len() == BUCKET_ENTRIES {
            goes_on[bucket] = true;
            bucket = (bucket + 1) % buckets;
        }
        entries[bucket].push((probe.fingerprint(), slot as u32));
    }
    let mut out = Vec::with_capacity(buckets * BUCKET_BYTES);
    for (entries, goes_on) in entries.iter().zip(goes_on) {
        encode_bucket(entries, goes_on, &mut out);
    }
    out
}

fn encode_bucket(entries: &[(u16, u32)], goes_on: bool, out: &mut Vec<u8>) {
    let start = out.len();
    entries
        .iter()
        .for_each(|&(fingerprint, _)| push_code(out, u32::from(fingerprint), 2));
    out.resize(start + SLOTS_AT, 0);
    entries
        .iter()
        .for_each(|&(_, slot)| push_code(out, slot, 4));
    out.resize(start + COUNT_AT, 0);
    out.extend_from_slice(&[entries.len() as u8, u8::from(goes_on), 0, 0]);
}

/// The byte offsets of the buckets that may hold `probe`, the home bucket first. The caller stops
/// at the first bucket that does not go on.
#[inline]
pub(super) fn buckets_of(length: usize, probe: Probe) -> impl Iterator<Item = usize> {
    let buckets = length / BUCKET_BYTES;
    let home = probe.bucket(buckets);
    (0..buckets).map(move |step| (home + step) % buckets * BUCKET_BYTES)
}

/// The slots of a bucket whose fingerprint is the probe's.
#[inline]
pub(super) fn candidates(bucket: &[u8], probe: Probe) -> impl Iterator<Item = u32> {
    let fingerprint = probe.fingerprint().to_le_bytes();
    let count = usize::from(bucket[COUNT_AT]).min(BUCKET_ENTRIES);
    (0..count)
        .filter(move |&entry| bucket[entry * 2..entry * 2 + 2] == fingerprint)
        .map(|entry| u32_at(bucket, SLOTS_AT + entry * 4))
}

/// Whether entries of this bucket went to the next.
#[inline]
pub(super) fn goes_on(bucket: &[u8]) -> bool {
    bucket[GOES_ON_AT] != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u32) -> Vec<Coordinate> {
        let key = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1 + n / 100, 1, 1 + n % 100]).unwrap();
        (0..count).map(key).collect()
    }

    /// The slots that may hold a coordinate, and how many buckets were read.
    fn look_up(directory: &[u8], coordinate: &Coordinate) -> (Vec<u32>, usize) {
        let probe = Probe::new(coordinate);
        let mut slots = Vec::new();
        let mut read = 0;
        for at in buckets_of(directory.len(), probe) {
            let bucket = &directory[at..at + BUCKET_BYTES];
            slots.extend(candidates(bucket, probe));
            read += 1;
            if !goes_on(bucket) {
                break;
            }
        }
        (slots, read)
    }

    #[test]
    fn every_key_is_found_near_its_home() {
        for count in [1, 7, 8, 9, 1000, 20_000] {
            let keys = keys(count);
            let directory = encode(keys.iter().copied());
            assert_eq!(directory.len(), byte_len(keys.len()));
            let mut buckets = 0;
            for (slot, key) in keys.iter().enumerate() {
                let (slots, read) = look_up(&directory, key);
                assert!(slots.contains(&(slot as u32)), "{key} of {count}");
                buckets += read;
            }
            assert!(
                buckets < keys.len() * 5 / 4 + 2,
                "{buckets} buckets for {count} keys"
            );
        }
    }

    #[test]
    fn absent_keys_rarely_have_candidates() {
        let directory = encode(keys(20_000).into_iter());
        let absent = |n| Coordinate::new([2, 1, 1, 1, 1, 1, 1, 1, n]).unwrap();
        let candidates: usize = (1..=20_000)
            .map(|n| look_up(&directory, &absent(n)).0.len())
            .sum();
        assert!(candidates < 50, "{candidates} false candidates");
    }
}
