//! Servers side by side.

use serde::{Deserialize, Serialize};

use super::Bar;
use crate::machine::Machine;

mod bars;
mod markdown;

/// The server that the others are compared with.
pub const SUBJECT: &str = "sqd";
/// The reference server.
pub const SQ: &str = "SQ";
/// A handler that has nothing to do but to answer.
pub const BARE: &str = "bare axum";

/// Everything, as it goes to the JSON file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// What was typed, without paths.
    pub command: String,
    /// Rounds of the closed loops.
    pub rounds: usize,
    /// One workload after the other: each client sends when it has its answer.
    pub rows: Vec<Row>,
    /// At fixed rates of arrival.
    pub open_loop: Vec<OpenLoop>,
    /// What the servers take at the end.
    pub sizes: Vec<Size>,
    /// What was asked for.
    pub bars: Vec<Bar>,
}

/// One workload on one server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The endpoint.
    pub workload: String,
    /// The server.
    pub engine: String,
    /// The phext.
    pub dataset: String,
    /// Its scrolls.
    pub n: usize,
    /// Its bytes.
    pub bytes: u64,
    /// Requests under way at once.
    pub clients: usize,
    /// Whether this server's clients keep their connections.
    pub kept: bool,
    /// Whether the row is about servers that keep connections.
    pub row_kept: bool,
    /// Medians of the rounds, as all that follows.
    pub ns_per_op: f64,
    /// The server's time for a request over sqd's.
    pub ratio_to_sqd: Option<f64>,
    /// Answers a second.
    pub requests_per_s: f64,
    /// Answers of all rounds.
    pub requests: usize,
    /// From sending to having the answer.
    pub p50_ns: f64,
    /// As `p50_ns`.
    pub p99_ns: f64,
    /// Cores that were busy with something else.
    pub strangers: f64,
    /// What the server promises of what it was sent.
    pub durability: String,
    /// By what answers were found right; a run ends at the first wrong one.
    pub verified_by: String,
}

/// Latencies at one rate of arrival.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenLoop {
    /// The endpoint.
    pub workload: String,
    /// The server.
    pub engine: String,
    /// The phext.
    pub dataset: String,
    /// Requests due each second.
    pub rate_asked: f64,
    /// The share of what the server does with all clients busy, where the rate was chosen by it.
    pub share: Option<f64>,
    /// Answers each second.
    pub rate_per_s: f64,
    /// Answers.
    pub requests: usize,
    /// From when a request was due to when its answer was there.
    pub p50_ns: f64,
    /// As `p50_ns`.
    pub p90_ns: f64,
    /// As `p50_ns`.
    pub p99_ns: f64,
    /// As `p50_ns`.
    pub p999_ns: f64,
    /// By what answers were found right; a run ends at the first wrong one.
    pub verified_by: String,
}

/// What a server takes after all rounds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    /// The server.
    pub engine: String,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Files in its directory, those that it imported included.
    pub bytes_on_disk: u64,
}

impl Report {
    /// Compares with the bars.
    pub fn judge(&mut self) {
        self.bars = bars::judge(self);
    }

    /// The row of another server on the same work.
    fn beside(&self, row: &Row, engine: &str) -> Option<&Row> {
        self.rows.iter().find(|other| {
            other.engine == engine
                && other.workload == row.workload
                && other.dataset == row.dataset
                && other.clients == row.clients
                && other.row_kept == row.row_kept
        })
    }
}
