//! A model of the caches: set-associative, least recently used out first, filled on a miss.
//!
//! | level | geometry |
//! |---|---|
//! | L1 data | 32 KiB, 8 ways, lines of 64 bytes |
//! | L2 | 1 MiB, 8 ways, lines of 64 bytes; asked when L1 misses |
//! | first TLB | 64 pages of 4 KiB, 4 ways |
//! | second TLB | 1,536 pages, 12 ways; asked when the first misses |
//!
//! One core, no other process, no prefetching, no write-back, no physical addresses: what is left is the
//! order of the data. The prefetchers are models of their own, which see the same accesses.

use std::collections::HashSet;

/// Bytes of a line.
pub(super) const LINE_BYTES: u64 = 64;
/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;

/// The model in words, for reports.
pub(super) const GEOMETRY: &str = "L1 32 KiB, 8 ways; L2 1 MiB, 8 ways; lines of 64 bytes; TLB of 64 pages of 4 KiB, 4 \
     ways; second TLB of 1536 pages, 12 ways; least recently used out first";

/// Entries in sets, each in the order of its last use.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    sets: Vec<Vec<u64>>,
    ways: usize,
}

impl Cache {
    /// An empty cache.
    ///
    /// # Panics
    /// If the entries do not make whole sets.
    pub(super) fn new(entries: usize, ways: usize) -> Cache {
        assert!(ways > 0 && entries.is_multiple_of(ways), "sets are whole");
        Cache {
            sets: vec![Vec::with_capacity(ways + 1); entries / ways],
            ways,
        }
    }

    /// Uses an entry; whether it was there. If not it is now, and the one used longest ago is gone.
    pub(super) fn touch(&mut self, entry: u64) -> bool {
        let index = (entry % self.sets.len() as u64) as usize;
        let set = &mut self.sets[index];
        match set.iter().position(|&other| other == entry) {
            Some(at) => {
                set[..=at].rotate_right(1);
                true
            }
            None => {
                set.insert(0, entry);
                set.truncate(self.ways);
                false
            }
        }
    }

    /// Whether an entry is there.
    fn holds(&self, entry: u64) -> bool {
        self.sets[(entry % self.sets.len() as u64) as usize].contains(&entry)
    }
}

/// The first-level data cache.
fn first_level() -> Cache {
    Cache::new(32 * 1024 / LINE_BYTES as usize, 8)
}

/// Both levels of caches and TLBs, and what they counted.
pub(super) struct Hierarchy {
    first: Cache,
    second: Cache,
    pages: Cache,
    second_pages: Cache,
    pub(super) counts: Counts,
}

/// What was asked, and how much of it was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accesses: u64,
    pub(super) first_hits: u64,
    pub(super) second_hits: u64,
    pub(super) page_hits: u64,
    pub(super) second_page_hits: u64,
}

impl Hierarchy {
    /// Empty ones.
    pub(super) fn new() -> Hierarchy {
        Hierarchy {
            first: first_level(),
            second: Cache::new(1024 * 1024 / LINE_BYTES as usize, 8),
            pages: Cache::new(64, 4),
            second_pages: Cache::new(1_536, 12),
            counts: Counts::default(),
        }
    }

    /// Reads the line that holds an address.
    pub(super) fn read(&mut self, address: u64) {
        let (line, page) = (address / LINE_BYTES, address / PAGE_BYTES);
        let counts = &mut self.counts;
        counts.accesses += 1;
        match self.first.touch(line) {
            true => counts.first_hits += 1,
            false => counts.second_hits += u64::from(self.second.touch(line)),
        }
        match self.pages.touch(page) {
            true => counts.page_hits += 1,
            false => counts.second_page_hits += u64::from(self.second_pages.touch(page)),
        }
    }
}

/// How a prefetcher guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// On a miss, the line after the one that missed.
    NextLine,
    /// When a stream (a column, or the records) has made the same step twice, the line that the next
    /// such step leads to.
    Stride,
}

/// A first-level cache with a prefetcher that fills it, and how often it was right.
pub(super) struct Prefetcher {
    guess: Guess,
    cache: Cache,
    /// Lines that were prefetched and not read since.
    pending: HashSet<u64>,
    streams: Vec<Stream>,
    pub(super) issued: u64,
    pub(super) used: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    last: Option<u64>,
    step: i64,
}

impl Prefetcher {
    /// With an empty cache, and so many streams.
    pub(super) fn new(guess: Guess, streams: usize) -> Prefetcher {
        Prefetcher {
            guess,
            cache: first_level(),
            pending: HashSet::new(),
            streams: vec![Stream::default(); streams],
            issued: 0,
            used: 0,
        }
    }

    /// A stream reads the line that holds an address.
    pub(super) fn read(&mut self, address: u64, stream: usize) {
        let line = address / LINE_BYTES;
        let is_hit = self.cache.touch(line);
        // What was evicted before it was read does not count as used.
        if self.pending.remove(&line) && is_hit {
            self.used += 1;
        }
        let guessed = match self.guess {
            Guess::NextLine => (!is_hit).then_some(line + 1),
            Guess::Stride => self.streams[stream].next(line),
        };
        if let Some(line) = guessed.filter(|&line| !self.cache.holds(line)) {
            self.cache.touch(line);
            self.pending.insert(line);
            self.issued += 1;
        }
    }
}

impl Stream {
    /// The line to which a repeated step leads, once this line is read.
    fn next(&mut self, line: u64) -> Option<u64> {
        let last = self.last.replace(line)?;
        let step = line.wrapping_sub(last).cast_signed();
        if step == 0 {
            return None;
        }
        let is_repeated = step == self.step;
        self.step = step;
        is_repeated.then(|| line.wrapping_add_signed(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(cache: &mut Cache, entries: &[u64]) -> Vec<bool> {
        entries.iter().map(|&entry| cache.touch(entry)).collect()
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        // One set of two ways, by hand: 1 and 2 come in, 1 is used, so 3 drives 2 out.
        let mut cache = Cache::new(2, 2);
        assert_eq!(
            hits(&mut cache, &[1, 2, 1, 3, 1, 2, 3]),
            [false, false, true, false, true, false, false]
        );
    }

    #[test]
    fn sets_do_not_share_room() {
        // Two sets of one way: even and odd entries.
        let mut cache = Cache::new(2, 1);
        assert_eq!(
            hits(&mut cache, &[0, 1, 0, 2, 1, 0, 2]),
            [false, false, true, false, true, false, false]
        );
    }

    #[test]
    fn a_cycle_one_longer_than_the_ways_never_hits() {
        let mut cache = Cache::new(8, 8);
        let cycle: Vec<u64> = (0..9).cycle().take(90).collect();
        assert!(hits(&mut cache, &cycle).iter().all(|hit| !hit));
        let mut cache = Cache::new(8, 8);
        let cycle: Vec<u64> = (0..8).cycle().take(80).collect();
        assert_eq!(
            hits(&mut cache, &cycle).iter().filter(|&&hit| hit).count(),
            72
        );
    }

    #[test]
    fn levels_are_asked_in_turn() {
        // 64 KiB twice: more than L1 holds, so L2 has them the second time. 16 pages fit the TLB.
        let mut hierarchy = Hierarchy::new();
        for _ in 0..2 {
            (0..1024).for_each(|line| hierarchy.read(line * 64));
        }
        let expected = Counts {
            accesses: 2048,
            first_hits: 0,
            second_hits: 1024,
            page_hits: 2048 - 16,
            second_page_hits: 0,
        };
        assert_eq!(hierarchy.counts, expected);
        // 128 pages, twice: the second TLB has them the second time.
        let mut hierarchy = Hierarchy::new();
        for _ in 0..2 {
            (0..128).for_each(|page| hierarchy.read(page * 4096));
        }
        let counts = hierarchy.counts;
        assert_eq!((counts.page_hits, counts.second_page_hits), (0, 128));
        // Their first lines are in one set of L1, and in 32 of L2, four in each.
        assert_eq!((counts.first_hits, counts.second_hits), (0, 128));
    }

    #[test]
    fn lines_are_shared_by_addresses() {
        let mut hierarchy = Hierarchy::new();
        [0, 63, 64, 1, 127]
            .into_iter()
            .for_each(|address| hierarchy.read(address));
        assert_eq!(hierarchy.counts.first_hits, 3);
    }

    #[test]
    fn the_next_line_is_right_in_a_scan_and_wrong_at_random() {
        let figures = |guess, lines: &[u64]| {
            let mut prefetcher = Prefetcher::new(guess, 1);
            lines.iter().for_each(|line| prefetcher.read(line * 64, 0));
            (prefetcher.issued, prefetcher.used)
        };
        // 0 misses and brings 1; 2 misses and brings 3; ...
        assert_eq!(figures(Guess::NextLine, &[0, 1, 2, 3, 4, 5]), (3, 3));
        assert_eq!(figures(Guess::NextLine, &[0, 10, 20, 30]), (4, 0));
        // The steps to 20 and 30 are alike: 40 is brought, then 50, then 60, which is never read.
        assert_eq!(figures(Guess::Stride, &[10, 20, 30, 40, 50]), (3, 2));
        assert_eq!(figures(Guess::Stride, &[10, 21, 30, 42]), (0, 0));
    }
}
