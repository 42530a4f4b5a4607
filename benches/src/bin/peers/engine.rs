//! What an engine must do to take part.

use std::error::Error;
use std::path::Path;

use phext_storage::coordinate::Coordinate;

use crate::dataset::Texts;
use crate::key::{Key, Packed, pack};
use crate::query::{Batch, NearestQuestion, Prefix, RegionQuestion};
use crate::tally::Tally;
use crate::workload::Workload;

/// Whatever an engine reports; a benchmark ends at the first.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A result that ends the benchmark where it is an error.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// An engine that can be asked for by name.
pub(crate) struct Kind {
    /// As on the command line and in the report.
    pub(crate) name: &'static str,
    /// Version and settings.
    pub(crate) settings: &'static str,
    /// When a single put is durable.
    pub(crate) put_durability: &'static str,
    /// When a load is durable, and how it is done.
    pub(crate) load_durability: &'static str,
    /// Which workloads it takes part in.
    pub(crate) supports: fn(Workload) -> bool,
    /// Opens a store in a directory that exists, creating it where the directory is empty.
    pub(crate) open: fn(&Path, Sizing) -> Outcome<Box<dyn Engine>>,
}

/// What a store will hold, so that caches and maps can be made large enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizing {
    /// Bytes of keys and texts.
    pub(crate) data_bytes: u64,
}

impl Sizing {
    /// A cache in which all of it fits, with the engine's own overhead.
    pub(crate) fn cache_bytes(self) -> u64 {
        self.data_bytes * 2 + (256 << 20)
    }
}

/// In which order records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// By coordinate.
    Sorted,
    /// In an order that has nothing to do with coordinates.
    Shuffled,
}

/// Records to be loaded. They lie in memory in the order in which they arrive, as those that come from
/// a file or a connection do: what is measured is the engine, not a walk over its input at random.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) arrival: Arrival,
    pub(crate) keys: &'a [Coordinate],
    pub(crate) texts: &'a Texts,
}

impl<'a> Load<'a> {
    /// Keys and texts as they arrive.
    pub(crate) fn records(self) -> impl Iterator<Item = (&'a Coordinate, &'a [u8])> {
        let texts = self.texts;
        let records = self.keys.iter().enumerate();
        records.map(move |(index, key)| (key, texts.at(index)))
    }

    /// The same with packed keys.
    pub(crate) fn packed_records(self) -> impl Iterator<Item = (Packed, &'a [u8])> {
        let records = self.records();
        records.map(|(key, text)| (pack(key.components()), text))
    }

    /// Whether they arrive by coordinate.
    pub(crate) fn is_sorted(self) -> bool {
        self.arrival == Arrival::Sorted
    }
}

/// A record to be put.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) text: bytes::Bytes,
}

/// An open store.
pub(crate) trait Engine: Sync {
    /// Loads an empty store. Everything is durable when this returns.
    fn load(&self, load: Load<'_>) -> Outcome;

    /// Waits until the store is as its engine would leave it: sealed, merged, compacted.
    fn settle(&mut self) -> Outcome {
        Ok(())
    }

    /// A view to read from.
    fn reader(&self) -> Outcome<Box<dyn Reader + '_>>;

    /// A second way to read, which has a row of its own, where there is one.
    fn second_reader(&self) -> Outcome<Option<Box<dyn Reader + '_>>> {
        Ok(None)
    }

    /// Puts one record. It is durable when this returns.
    fn put(&self, put: &Put) -> Outcome;

    /// Does the puts of several writers that have no thread, each the next one of its own when the last
    /// is durable. Gives their latencies in nanoseconds.
    fn put_by_callbacks(&self, _writers: Vec<Vec<Put>>) -> Outcome<Vec<u64>> {
        not_supported("puts by callbacks")
    }
}

/// The name of the row of [`Engine::second_reader`], which only sqd has.
pub(crate) const SECOND_READER: &str = "sqd (stream)";

/// Reads from one view of a store. Every text that is asked for goes to the tally.
pub(crate) trait Reader {
    /// The text of a key, which may be absent.
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome;

    /// The texts of many keys, in any order.
    fn batch(&mut self, batch: Batch<'_>, tally: &mut Tally) -> Outcome {
        let mut keys = batch.keys.iter();
        keys.try_for_each(|key| self.point(key, tally))
    }

    /// Up to `limit` records from a key on, in coordinate order.
    fn range(&mut self, from: &Key, limit: usize, tally: &mut Tally) -> Outcome;

    /// All records, in coordinate order.
    fn scan(&mut self, tally: &mut Tally) -> Outcome;

    /// The records under a prefix.
    fn prefix(&mut self, prefix: &Prefix, tally: &mut Tally) -> Outcome;

    /// The records in a region.
    fn region(&mut self, question: &RegionQuestion, tally: &mut Tally) -> Outcome;

    /// The records nearest to a coordinate.
    fn nearest(&mut self, question: &NearestQuestion, tally: &mut Tally) -> Outcome;
}

/// What an engine says where it is asked for something it does not take part in.
pub(crate) fn not_supported<T>(what: &str) -> Outcome<T> {
    Err(format!("this engine does not take part in {what}").into())
}
