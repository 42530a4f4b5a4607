//! Embedded engines side by side.

use serde::{Deserialize, Serialize};

use super::Bar;
use crate::machine::Machine;

mod bars;
pub(super) mod growth;
mod markdown;

/// The engine that the others are compared with.
pub const SUBJECT: &str = "sqd";

/// Scrolls of the data sets that the bars are meant for.
const SCROLLS_OF_BARS: usize = 1_000_000;

/// Everything, as it goes to the JSON file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// What was typed, without where files are put.
    pub command: String,
    /// Rounds of reads and writes.
    pub rounds: usize,
    /// Rounds of loads.
    pub load_rounds: usize,
    /// Seed of keys, texts and questions.
    pub seed: u64,
    /// Who took part.
    pub engines: Vec<Settings>,
    /// Over what.
    pub datasets: Vec<DatasetFigures>,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What was asked for.
    pub bars: Vec<Bar>,
}

impl Report {
    /// Adds the size of its data set to what a bar was measured over, unless it is the usual one.
    pub(super) fn name_size(&self, bar: &mut Bar) {
        let figures = self.datasets.iter().find(|set| set.dataset == bar.dataset);
        if let Some(scrolls) = figures.map(|set| set.scrolls)
            && scrolls != SCROLLS_OF_BARS
        {
            bar.dataset = format!("{}, {scrolls} scrolls", bar.dataset);
        }
    }
}

/// What an engine is and how it was set.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its name.
    pub engine: String,
    /// Version and settings.
    pub settings: String,
    /// When a single put is durable.
    pub put_durability: String,
    /// When a load is durable, and how it is done.
    pub load_durability: String,
}

/// What a data set holds, and how quiet the machine was.
#[derive(Debug, Serialize, Deserialize)]
pub struct DatasetFigures {
    /// Its name.
    pub dataset: String,
    /// Records.
    pub scrolls: usize,
    /// Bytes of all texts.
    pub text_bytes: u64,
    /// Cores that were busy with something else during the rounds of reads.
    pub strangers: Vec<f64>,
}

/// Resident memory in bytes, by what it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Resident {
    /// Heap and stacks.
    pub heap: u64,
    /// Pages of mapped files, which the system can take back; the program itself among them.
    pub mapped: u64,
}

/// One workload on one engine and data set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub workload: String,
    /// By whom.
    pub engine: String,
    /// Over what.
    pub dataset: String,
    /// Records in the store.
    pub n: usize,
    /// Threads that did it.
    pub threads: usize,
    /// What `ns_per_op` is for.
    pub unit: String,
    /// The median of the rounds.
    pub ns_per_op: Option<f64>,
    /// The engine's figure over sqd's.
    pub ratio_to_sqd: Option<f64>,
    /// Medians of the rounds' quantiles of single operations.
    pub p50_ns: Option<f64>,
    /// As `p50_ns`.
    pub p99_ns: Option<f64>,
    /// When what was written is durable.
    pub durability: Option<String>,
    /// Each round.
    pub rounds_ns: Vec<f64>,
    /// By what the answers were found right; a run ends at the first wrong one.
    pub verified_by: Option<String>,
    /// Of what was read in the last round; the same for all engines, or the run would have ended.
    pub checksum: Option<String>,
    /// Records that were read in one pass of the last round.
    pub records: Option<u64>,
    /// Bytes written to the medium for each byte of keys and texts.
    pub write_amplification: Option<f64>,
    /// Bytes allocated to the store.
    pub bytes_on_disk: Option<u64>,
    /// From opening to the first text.
    pub first_text_ns: Option<f64>,
    /// Memory of a process that has opened the store.
    pub resident_after_open: Option<Resident>,
    /// And that has read all of it.
    pub resident_after_scan: Option<Resident>,
}

impl Report {
    /// Compares with the bars.
    pub fn judge(&mut self) {
        let judged = |dataset| bars::judge(self, dataset);
        self.bars = self.datasets.iter().flat_map(judged).collect();
    }

    /// A row, if it was measured.
    fn row(&self, dataset: &str, workload: &str, engine: &str) -> Option<&Row> {
        let is_it =
            |row: &&Row| row.dataset == dataset && row.workload == workload && row.engine == engine;
        self.rows.iter().find(is_it)
    }
}

impl Row {
    /// What the row is about: a time, or bytes on disk.
    #[must_use]
    pub fn figure(&self) -> Option<f64> {
        self.ns_per_op
            .or(self.bytes_on_disk.map(|bytes| bytes as f64))
    }

    /// Whether it is one of a mix of reads and writes, which have a table of their own.
    fn is_mix(&self) -> bool {
        self.workload.starts_with("ycsb")
    }
}
