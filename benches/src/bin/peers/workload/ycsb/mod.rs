//! YCSB's mixes A to F (Cooper et al., "Benchmarking cloud serving systems with YCSB", 2010), on
//! coordinates.
//!
//! | mix | operations | which records |
//! |---|---|---|
//! | a | 50 % reads, 50 % updates | Zipf |
//! | b | 95 % reads, 5 % updates | Zipf |
//! | c | reads | Zipf |
//! | d | 95 % reads, 5 % inserts | the latest most often |
//! | e | 95 % scans of 1 to 100 records, 5 % inserts | where a scan begins: Zipf |
//! | f | 50 % reads, 50 % reads whose text is then replaced | Zipf |
//!
//! Zipf is of exponent 0.99, scrambled, so that what is asked for often lies anywhere. Every operation
//! opens a view of its own, as a request would, and every write is durable before it returns.
//!
//! Other than in YCSB, threads have parts of the key space of their own. What each read must give
//! is so known beforehand, from the writes that went before in the same thread, and every answer
//! is verified as in the other workloads; the engines' locks and logs are shared all the same.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;

use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use rand::Rng;
use rand::rngs::StdRng;

use crate::dataset::{Dataset, write_text};
use crate::engine::Put;
use crate::key::Key;
use crate::tally::{Tally, coordinate_sum, text_sum};
use crate::workload::Workload;

mod measure;
mod zipf;

use zipf::Zipf;

/// Numbers of threads that each mix is run with.
pub(crate) const THREADS: [usize; 2] = [1, 2];
/// Records of the longest scan.
const LONGEST_SCAN: usize = 100;

/// One operation, with what it needs at hand.
enum Operation {
    Read(Key),
    /// An update or an insert.
    Put(Put),
    ReadThenPut(Put),
    Scan(Key, usize),
}

/// What one thread does.
struct Script {
    operations: Vec<Operation>,
    /// What its reads must add up to.
    expected: Tally,
}

/// What the threads do in one round.
pub(crate) struct Ycsb {
    scripts: Vec<Script>,
    /// The texts that were written, each key's last.
    written: Vec<Key>,
    /// What reading them back must add up to.
    read_back: Tally,
    payload_bytes: u64,
}

/// What was written to the stores so far: the same to all of them.
#[derive(Default)]
pub(crate) struct Written {
    /// The sums of texts that are not those of the load, by rank.
    updated: HashMap<usize, u64>,
    /// The sums of the texts of keys that were not loaded.
    inserted: BTreeMap<Coordinate, u64>,
    /// Texts written, so that no two are equal.
    texts: u64,
}

/// How often each operation comes up, and how many there are in all.
struct Mix {
    put: f64,
    kind: PutKind,
    scans: bool,
    operations: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PutKind {
    Update,
    Insert,
    ReadModifyWrite,
}

impl Mix {
    /// So many operations that each mix takes about as long as the others, where a write is synced.
    fn of(workload: Workload) -> Mix {
        let mix = |put, kind, scans, operations| Mix {
            put,
            kind,
            scans,
            operations,
        };
        match workload {
            Workload::YcsbA => mix(0.5, PutKind::Update, false, 2_000),
            Workload::YcsbB => mix(0.05, PutKind::Update, false, 20_000),
            Workload::YcsbC => mix(0.0, PutKind::Update, false, 100_000),
            Workload::YcsbD => mix(0.05, PutKind::Insert, false, 20_000),
            Workload::YcsbE => mix(0.05, PutKind::Insert, true, 10_000),
            Workload::YcsbF => mix(0.5, PutKind::ReadModifyWrite, false, 2_000),
            _ => unreachable!("{workload:?} is no mix"),
        }
    }
}

impl Ycsb {
    /// The scripts of a round. What they write is added to `written`.
    pub(crate) fn new(
        workload: Workload,
        threads: usize,
        dataset: &Dataset,
        round: usize,
        written: &mut Written,
    ) -> Ycsb {
        let mix = Mix::of(workload);
        let mut random = dataset.random((workload as u64) << 8 | threads as u64, round);
        let each = dataset.keys.len() / threads;
        let mut writer = Writer::default();
        let scripts = (0..threads).map(|thread| {
            let ranks = each * thread..each * (thread + 1);
            let author = Author {
                mix: &mix,
                dataset,
                zipf: Zipf::new(ranks.len() as u64),
                latest: Vec::new(),
                ranks,
                script: Script {
                    operations: Vec::new(),
                    expected: Tally::default(),
                },
                written: &mut *written,
                writer: &mut writer,
            };
            author.write(
                workload == Workload::YcsbD,
                mix.operations / threads,
                &mut random,
            )
        });
        let scripts = scripts.collect();
        writer.finish(scripts)
    }
}

/// The last text of each key that a round writes.
#[derive(Default)]
struct Writer {
    sums: BTreeMap<Coordinate, u64>,
    payload_bytes: u64,
}

impl Writer {
    fn finish(self, scripts: Vec<Script>) -> Ycsb {
        let mut read_back = Tally::default();
        self.sums.values().for_each(|&sum| read_back.sums(0, sum));
        Ycsb {
            scripts,
            written: self.sums.into_keys().map(Key::new).collect(),
            read_back,
            payload_bytes: self.payload_bytes,
        }
    }
}

/// Writes the script of a thread.
struct Author<'a> {
    mix: &'a Mix,
    dataset: &'a Dataset,
    /// The records that were loaded for this thread.
    ranks: Range<usize>,
    zipf: Zipf,
    /// Those that it inserted in this round, the latest last.
    latest: Vec<Coordinate>,
    script: Script,
    written: &'a mut Written,
    writer: &'a mut Writer,
}

impl Author<'_> {
    fn write(mut self, latest: bool, operations: usize, random: &mut StdRng) -> Script {
        for _ in 0..operations {
            let operation = match random.random::<f64>() < self.mix.put {
                true => self.put(random),
                false if self.mix.scans => self.scan(random),
                false if latest => self.read_latest(random),
                false => self.read(random),
            };
            self.script.operations.push(operation);
        }
        self.script
    }

    /// A record by Zipf, anywhere among the thread's.
    fn rank(&self, random: &mut StdRng) -> usize {
        let drawn = self.zipf.draw(random);
        self.ranks.start + zipf::scramble(drawn, self.ranks.len() as u64) as usize
    }

    fn sum_of(&self, rank: usize) -> u64 {
        let loaded = || self.dataset.text_sum(rank);
        self.written
            .updated
            .get(&rank)
            .copied()
            .unwrap_or_else(loaded)
    }

    fn read(&mut self, random: &mut StdRng) -> Operation {
        let rank = self.rank(random);
        self.script.expected.sums(0, self.sum_of(rank));
        Operation::Read(Key::new(self.dataset.keys[rank]))
    }

    /// What was inserted last is read most often; before the inserts come the loaded records.
    fn read_latest(&mut self, random: &mut StdRng) -> Operation {
        let back = self.zipf.draw(random) as usize;
        match self.latest.len().checked_sub(back + 1) {
            Some(at) => {
                let coordinate = self.latest[at];
                self.script
                    .expected
                    .sums(0, self.written.inserted[&coordinate]);
                Operation::Read(Key::new(coordinate))
            }
            None => {
                let rank = self.ranks.end - 1 - (back - self.latest.len());
                self.script.expected.sums(0, self.sum_of(rank));
                Operation::Read(Key::new(self.dataset.keys[rank]))
            }
        }
    }

    fn put(&mut self, random: &mut StdRng) -> Operation {
        let mut text = Vec::new();
        // The highest bit sets them apart from the texts of other workloads.
        write_text(1 << 63 | self.written.texts, &mut text);
        self.written.texts += 1;
        let sum = text_sum(&text);
        let coordinate = match self.mix.kind {
            PutKind::Insert => self.insert(sum, random),
            PutKind::Update | PutKind::ReadModifyWrite => self.update(sum, random),
        };
        self.writer.sums.insert(coordinate, sum);
        let put = Put {
            key: Key::new(coordinate),
            text: text.into(),
        };
        self.writer.payload_bytes += (put.key.packed.len() + put.text.len()) as u64;
        match self.mix.kind {
            PutKind::ReadModifyWrite => Operation::ReadThenPut(put),
            PutKind::Insert | PutKind::Update => Operation::Put(put),
        }
    }

    fn update(&mut self, sum: u64, random: &mut StdRng) -> Coordinate {
        let rank = self.rank(random);
        if self.mix.kind == PutKind::ReadModifyWrite {
            self.script.expected.sums(0, self.sum_of(rank));
        }
        self.written.updated.insert(rank, sum);
        self.dataset.keys[rank]
    }

    /// A new scroll behind one of the thread's, and before the last of them.
    fn insert(&mut self, sum: u64, random: &mut StdRng) -> Coordinate {
        let keys = &self.dataset.keys;
        let last = keys[self.ranks.end - 1];
        let coordinate = loop {
            let mut components = *keys[random.random_range(self.ranks.clone())].components();
            let scroll = components[DIMENSIONS - 1] + random.random_range(1..100);
            components[DIMENSIONS - 1] = scroll.min(MAX_COMPONENT);
            let drawn = Coordinate::new(components).expect("components stay in their range");
            let is_new =
                keys.binary_search(&drawn).is_err() && !self.written.inserted.contains_key(&drawn);
            if drawn < last && is_new {
                break drawn;
            }
        };
        self.written.inserted.insert(coordinate, sum);
        self.latest.push(coordinate);
        coordinate
    }

    /// A scan that ends among the thread's records.
    fn scan(&mut self, random: &mut StdRng) -> Operation {
        let length = random.random_range(1..=LONGEST_SCAN);
        let rank = self.rank(random).min(self.ranks.end - LONGEST_SCAN);
        let from = self.dataset.keys[rank];
        let mut loaded = (rank..self.ranks.end).peekable();
        let mut inserted = self.written.inserted.range(from..).peekable();
        for _ in 0..length {
            let next = loaded.peek().map(|&rank| self.dataset.keys[rank]);
            let other = inserted.next_if(|(key, _)| next.is_none_or(|next| **key < next));
            match (other, loaded.peek()) {
                (Some((key, &sum)), _) => self.script.expected.sums(coordinate_sum(key), sum),
                (None, Some(&rank)) => {
                    loaded.next();
                    let key = coordinate_sum(&self.dataset.keys[rank]);
                    self.script.expected.sums(key, self.sum_of(rank));
                }
                (None, None) => break,
            }
        }
        Operation::Scan(Key::new(from), length)
    }
}
