//! The directory: from a coordinate to its heap entry in one cache line.
//!
//! A hash table of 64-byte buckets. A bucket holds up to nine 16-bit fingerprints and where the
//! entries are that they belong to; a full bucket says so and the next one goes on. Most absent
//! coordinates end at the first bucket, without touching a key.
//!
//! ```text
//! bucket   fingerprints 9 x u16 | offsets in the heap 9 x u40 | count, and 0x80 where it goes on
//! ```

use super::key_hash::key_hash;
use super::layout::u40_at;
use crate::coordinate::Coordinate;
use crate::prefetch::prefetch;
use std::hint::black_box;

/// Length of a bucket: a cache line.
pub(super) const BUCKET_BYTES: usize = 64;
const BUCKET_ENTRIES: usize = 9;
/// Mean entries in a bucket: 56 % of its room, so that about one bucket in 30 overflows.
const MEAN_ENTRIES: usize = 5;
const OFFSETS_AT: usize = BUCKET_ENTRIES * 2;
const OFFSET_BYTES: usize = 5;
const META_AT: usize = BUCKET_BYTES - 1;
const COUNT_MASK: u8 = 0x7f;
const GOES_ON: u8 = 0x80;
/// Offsets are below this.
pub(super) const MAX_OFFSET: u64 = 1 << (8 * OFFSET_BYTES);

/// What the directory knows a coordinate by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Probe {
    hash: u64,
}

impl Probe {
    /// The probe for a coordinate.
    #[inline]
    pub(crate) fn new(coordinate: &Coordinate) -> Probe {
        Probe {
            hash: key_hash(coordinate),
        }
    }

    /// The whole hash.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        self.hash
    }

    /// The home bucket out of `buckets`, by the high bits.
    #[inline]
    pub(super) fn bucket(self, buckets: usize) -> usize {
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

/// Entries whose buckets are asked for before they are filled.
const GROUP: usize = 32;

/// The section of a part that has these entries, `slots` of them: a coordinate, and an offset of the
/// heap.
pub(super) fn encode<'k>(
    slots: usize,
    entries: impl Iterator<Item = (&'k Coordinate, u64)>,
) -> Vec<u8> {
    let mut directory = DirectoryBuilder::new(slots);
    let mut group = [(Probe::default(), 0); GROUP];
    let mut entries = entries.fuse();
    loop {
        let mut filled = 0;
        for (place, (coordinate, offset)) in group.iter_mut().zip(&mut entries) {
            *place = (Probe::new(coordinate), offset);
            directory.prefetch(place.0);
            filled += 1;
        }
        if filled == 0 {
            return directory.bytes;
        }
        for &(probe, offset) in &group[..filled] {
            directory.insert(probe, offset);
        }
    }
}

/// The page size of most systems: where pages are larger, some are touched more than once.
const PAGE_BYTES: usize = 4096;

/// A directory that is being filled.
#[derive(Debug)]
struct DirectoryBuilder {
    bytes: Vec<u8>,
}

impl DirectoryBuilder {
    /// An empty directory for `slots` slots.
    fn new(slots: usize) -> DirectoryBuilder {
        let mut bytes = vec![0; byte_len(slots)];
        // A page that is read before it is written has two faults, the second of which waits for all
        // processors that run a thread of this process.
        let pages = bytes.iter_mut().step_by(PAGE_BYTES);
        pages.for_each(|byte| *black_box(byte) = 0);
        DirectoryBuilder { bytes }
    }

    /// Adds the entry at `offset` of the heap.
    ///
    /// # Panics
    /// If the directory is full, or the offset is not below [`MAX_OFFSET`].
    fn insert(&mut self, probe: Probe, offset: u64) {
        assert!(offset < MAX_OFFSET, "a heap is below 2^40 bytes");
        for at in buckets_of(self.bytes.len(), probe) {
            let bucket: &mut [u8; BUCKET_BYTES] = (&mut self.bytes[at..at + BUCKET_BYTES])
                .try_into()
                .expect("the length was asked for");
            let count = usize::from(bucket[META_AT] & COUNT_MASK);
            if count == BUCKET_ENTRIES {
                bucket[META_AT] |= GOES_ON;
                continue;
            }
            bucket[count * 2..count * 2 + 2].copy_from_slice(&probe.fingerprint().to_le_bytes());
            let offset_at = OFFSETS_AT + count * OFFSET_BYTES;
            bucket[offset_at..offset_at + OFFSET_BYTES]
                .copy_from_slice(&offset.to_le_bytes()[..OFFSET_BYTES]);
            bucket[META_AT] += 1;
            return;
        }
        panic!("there is room for 1.8 times as many entries as slots");
    }

    fn prefetch(&self, probe: Probe) {
        let home = probe.bucket(self.bytes.len() / BUCKET_BYTES);
        prefetch(&self.bytes, home * BUCKET_BYTES);
    }
}

/// The byte offsets of the buckets that may hold `probe`, the home bucket first. The caller stops
/// at the first bucket that does not go on.
#[inline]
pub(super) fn buckets_of(length: usize, probe: Probe) -> impl Iterator<Item = usize> {
    let buckets = length / BUCKET_BYTES;
    let home = probe.bucket(buckets);
    let wrapped = move |bucket| {
        if bucket < buckets {
            bucket
        } else {
            bucket - buckets
        }
    };
    (0..buckets).map(move |step| wrapped(home + step) * BUCKET_BYTES)
}

/// The heap offsets of a bucket whose fingerprint is the probe's.
#[inline]
pub(super) fn candidates(
    bucket: &[u8; BUCKET_BYTES],
    probe: Probe,
) -> impl Iterator<Item = u64> + '_ {
    let mut matches = matches(bucket, probe.fingerprint());
    let count = usize::from(bucket[META_AT] & COUNT_MASK).min(BUCKET_ENTRIES);
    std::iter::from_fn(move || {
        while matches != 0 {
            let bit = matches.trailing_zeros() as usize;
            matches &= matches - 1;
            let entry = bit % LANE_BITS * LANES + bit / LANE_BITS;
            // Room that is not taken has a fingerprint too, which is 0.
            if entry < count {
                return Some(u40_at(bucket, OFFSETS_AT + entry * OFFSET_BYTES));
            }
        }
        None
    })
}

/// Fingerprints in a word, and the bits of each.
const LANES: usize = 4;
const LANE_BITS: usize = 16;

/// Where a bucket has a fingerprint, four of them compared in a word: bit `b` of lane `l` is that of
/// entry `4 b + l`.
#[inline]
fn matches(bucket: &[u8; BUCKET_BYTES], fingerprint: u16) -> u64 {
    const ONE_A_LANE: u64 = 0x0001_0001_0001_0001;
    const ALL_BUT_HIGHEST: u64 = 0x7fff * ONE_A_LANE;
    let searched = u64::from(fingerprint) * ONE_A_LANE;
    let (words, _) = bucket.as_chunks::<8>();
    // The lowest bit of each lane in which the two are the same.
    let same = |word: [u8; 8]| {
        let differing = u64::from_le_bytes(word) ^ searched;
        let carried = (differing & ALL_BUT_HIGHEST) + ALL_BUT_HIGHEST;
        !(carried | differing | ALL_BUT_HIGHEST) >> (LANE_BITS - 1)
    };
    let last = u64::from(u16::from_le_bytes([words[2][0], words[2][1]]) == fingerprint);
    same(words[0]) | same(words[1]) << 1 | last << 2
}

/// The heap offsets of all entries of a bucket.
pub(super) fn offsets(bucket: &[u8; BUCKET_BYTES]) -> impl Iterator<Item = u64> + '_ {
    let count = usize::from(bucket[META_AT] & COUNT_MASK).min(BUCKET_ENTRIES);
    (0..count).map(|entry| u40_at(bucket, OFFSETS_AT + entry * OFFSET_BYTES))
}

/// Whether entries of this bucket went to the next.
#[inline]
pub(super) fn goes_on(bucket: &[u8; BUCKET_BYTES]) -> bool {
    bucket[META_AT] & GOES_ON != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u32) -> Vec<Coordinate> {
        let key = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1 + n / 100, 1, 1 + n % 100]).unwrap();
        (0..count).map(key).collect()
    }

    fn directory(keys: &[Coordinate]) -> Vec<u8> {
        let entries = keys.iter().zip((0..).step_by(1000));
        encode(keys.len(), entries)
    }

    /// The offsets at which a coordinate may be, and how many buckets were read.
    fn look_up(directory: &[u8], coordinate: &Coordinate) -> (Vec<u64>, usize) {
        let probe = Probe::new(coordinate);
        let mut offsets = Vec::new();
        let mut read = 0;
        for at in buckets_of(directory.len(), probe) {
            let bucket = directory[at..at + BUCKET_BYTES].try_into().unwrap();
            offsets.extend(candidates(bucket, probe));
            read += 1;
            if !goes_on(bucket) {
                break;
            }
        }
        (offsets, read)
    }

    #[test]
    fn every_key_is_found_near_its_home() {
        for count in [1, 7, 8, 9, 1000, 20_000] {
            let keys = keys(count);
            let directory = directory(&keys);
            assert_eq!(directory.len(), byte_len(keys.len()));
            let mut buckets = 0;
            for (index, key) in keys.iter().enumerate() {
                let (offsets, read) = look_up(&directory, key);
                assert!(offsets.contains(&(index as u64 * 1000)), "{key} of {count}");
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
        let directory = directory(&keys(20_000));
        let absent = |n| Coordinate::new([2, 1, 1, 1, 1, 1, 1, 1, n]).unwrap();
        let candidates: usize = (1..=20_000)
            .map(|n| look_up(&directory, &absent(n)).0.len())
            .sum();
        assert!(candidates < 50, "{candidates} false candidates");
    }

    #[test]
    fn every_entry_of_a_bucket_is_told_from_the_others() {
        let fingerprints = [0, 1, 0x7fff, 0x8000, 0xffff, 0x100, 0xff, 0x8001, 2];
        for (entry, fingerprint) in fingerprints.into_iter().enumerate() {
            for other in [0, 1, 0x7fff, 0x8000, 0xffff] {
                let mut bucket = [0; BUCKET_BYTES];
                for at in 0..BUCKET_ENTRIES {
                    let stored: u16 = if at == entry { fingerprint } else { other };
                    bucket[at * 2..at * 2 + 2].copy_from_slice(&stored.to_le_bytes());
                    bucket[OFFSETS_AT + at * OFFSET_BYTES] = at as u8;
                }
                for count in 0..=BUCKET_ENTRIES {
                    bucket[META_AT] = count as u8;
                    let probe = Probe {
                        hash: u64::from(fingerprint),
                    };
                    let mut found: Vec<u64> = candidates(&bucket, probe).collect();
                    found.sort_unstable();
                    let is_it = |at: &u64| *at == entry as u64 || other == fingerprint;
                    let expected: Vec<u64> = (0..count as u64).filter(is_it).collect();
                    assert_eq!(found, expected, "{fingerprint:x} among {other:x}, {count}");
                }
            }
        }
    }

    #[test]
    fn large_offsets_are_kept() {
        let probe = Probe::new(&Coordinate::ORIGIN);
        let mut builder = DirectoryBuilder::new(9);
        builder.insert(probe, MAX_OFFSET - 1);
        let bytes = builder.bytes;
        let found: Vec<u64> = buckets_of(bytes.len(), probe)
            .flat_map(|at| {
                let bucket = bytes[at..at + BUCKET_BYTES].try_into().unwrap();
                candidates(bucket, probe).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(found, [MAX_OFFSET - 1]);
    }
}
