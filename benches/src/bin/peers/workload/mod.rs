//! What is measured, by groups: reads, writes, loads, opening.

use clap::ValueEnum;

pub(crate) mod load;
pub(crate) mod open;
pub(crate) mod questions;
pub(crate) mod read;
pub(crate) mod write;
pub(crate) mod ycsb;

/// A workload, as on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// The text of a random stored key.
    Point,
    /// A key that is not stored, near one that is.
    Miss,
    /// The texts of 1,000 random stored keys at once.
    Batch,
    /// 100 records from a random stored key on.
    Range,
    /// All records in order.
    Scan,
    /// All records under the first six or seven components of a random stored key.
    Prefix,
    /// Five random components of a stored key fixed, the other four free.
    Wildcard,
    /// Five random dimensions within 5 % of the ranks on either side of a stored key.
    Box,
    /// The ten records nearest to a stored key.
    Nearest,
    /// A stored key gets a new text, durably, from one thread.
    Put,
    /// The same from 64 threads.
    Group,
    /// The same from 64 writers without a thread, of which each goes on when it is called back.
    Callbacks,
    /// All records into an empty store, durable at the end: sorted, and in random order.
    Load,
    /// Bytes on disk of a loaded store.
    Space,
    /// From a closed store to the first text, in a process of its own; its memory.
    Open,
    /// YCSB: half reads, half updates.
    YcsbA,
    /// YCSB: reads, and 5 % updates.
    YcsbB,
    /// YCSB: reads.
    YcsbC,
    /// YCSB: reads of what is new, and 5 % inserts.
    YcsbD,
    /// YCSB: scans of up to 100 records, and 5 % inserts.
    YcsbE,
    /// YCSB: half reads, half texts that are read and replaced.
    YcsbF,
    /// As box, so much narrower that of any number of independent records it finds as many as of a million.
    NarrowBox,
}

impl Workload {
    /// Those that read, in the order in which a round measures them.
    pub(crate) const READS: [Workload; 10] = [
        Workload::Point,
        Workload::Miss,
        Workload::Batch,
        Workload::Range,
        Workload::Scan,
        Workload::Prefix,
        Workload::Wildcard,
        Workload::Box,
        Workload::NarrowBox,
        Workload::Nearest,
    ];

    /// Those that write single records.
    pub(crate) const WRITES: [Workload; 3] = [Workload::Put, Workload::Group, Workload::Callbacks];

    /// Mixes of both, in the order in which YCSB has them run.
    pub(crate) const MIXES: [Workload; 6] = [
        Workload::YcsbA,
        Workload::YcsbB,
        Workload::YcsbC,
        Workload::YcsbF,
        Workload::YcsbD,
        Workload::YcsbE,
    ];

    /// Whether it is measured where none is named.
    pub(crate) fn is_default(self) -> bool {
        self != Workload::NarrowBox && !Workload::MIXES.contains(&self)
    }

    /// By what its answers are verified.
    pub(crate) fn verified_by(self) -> Option<&'static str> {
        match self {
            Workload::Load => Some("a scan of the loaded store"),
            Workload::Put | Workload::Group | Workload::Callbacks => Some("reading back"),
            Workload::Space => None,
            Workload::Open => Some("the first text is there"),
            mix if Workload::MIXES.contains(&mix) => {
                Some("the sum of all texts read, and reading back what was written")
            }
            _ => Some(
                "the sum of all texts read, and of their keys where these are part of the answer",
            ),
        }
    }

    /// What `ns_per_op` is for.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Workload::Point | Workload::Miss => "get",
            Workload::Batch => "key",
            Workload::Range => "100 records",
            Workload::Scan | Workload::Load => "record",
            Workload::Prefix
            | Workload::Wildcard
            | Workload::Box
            | Workload::NarrowBox
            | Workload::Nearest => "query",
            Workload::Put | Workload::Group | Workload::Callbacks => "put",
            Workload::Space => "store",
            Workload::Open => "open",
            Workload::YcsbA
            | Workload::YcsbB
            | Workload::YcsbC
            | Workload::YcsbD
            | Workload::YcsbE
            | Workload::YcsbF => "operation",
        }
    }

    /// As on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .expect("no workload is hidden")
    }
}

/// What a row is called.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) workload: Workload,
    pub(crate) text: String,
    pub(crate) threads: usize,
}

impl Label {
    /// Of a workload that has one row.
    pub(crate) fn of(workload: Workload) -> Label {
        Label {
            workload,
            text: workload.name(),
            threads: match workload {
                Workload::Group => write::WRITERS,
                _ => 1,
            },
        }
    }

    /// Of a workload that is run with several numbers of threads.
    pub(crate) fn with_threads(workload: Workload, threads: usize) -> Label {
        let threads_text = if threads == 1 { "thread" } else { "threads" };
        Label {
            workload,
            text: format!("{}, {threads} {threads_text}", workload.name()),
            threads,
        }
    }
}

/// What one engine showed in one round.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Operations of the workload's unit.
    pub(crate) operations: u64,
    /// Time for all of them, in nanoseconds.
    pub(crate) elapsed_ns: u64,
    /// Of single operations, in nanoseconds; empty where they were not taken.
    pub(crate) latencies_ns: Vec<u64>,
    /// Bytes that the process handed to block devices meanwhile.
    pub(crate) written_bytes: Option<u64>,
    /// Bytes of keys and texts that were written.
    pub(crate) payload_bytes: u64,
}

impl Measured {
    /// Nanoseconds an operation.
    pub(crate) fn ns_per_op(&self) -> f64 {
        self.elapsed_ns as f64 / self.operations as f64
    }

    /// Bytes written for each byte of payload.
    pub(crate) fn write_amplification(&self) -> Option<f64> {
        let written = self.written_bytes.filter(|_| self.payload_bytes > 0)?;
        Some(written as f64 / self.payload_bytes as f64)
    }
}

/// The value that this share of sorted values does not exceed.
pub(crate) fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * share).round() as usize])
}
