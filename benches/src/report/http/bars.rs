//! The bars of requests, and whether sqd meets them.

use super::{BARE, Report, Row, SQ, SUBJECT};
use crate::report::Bar;

/// Requests a second against SQ's, and against the bare handler's.
const SELECT: (f64, f64) = (10.0, 0.8);
/// Updates from sixteen clients, on the small phext and on the large one.
const UPDATE: [(&str, f64); 2] = [("small", 10.0), ("large", 1_000.0)];
/// Clients of those updates.
const UPDATERS: usize = 16;
/// What passes over a whole phext in SQ, on the large one.
const WHOLE: [&str; 4] = ["query", "toc", "status", "checksum"];

/// All bars of which both sides were measured.
pub(super) fn judge(report: &Report) -> Vec<Bar> {
    let is_judged = |row: &&Row| row.engine == SUBJECT && row.row_kept;
    let rows = report.rows.iter().filter(is_judged);
    rows.flat_map(|row| judge_row(report, row)).collect()
}

fn judge_row(report: &Report, row: &Row) -> Vec<Bar> {
    let limits = match row.workload.as_str() {
        "select" => vec![(SQ, SELECT.0), (BARE, SELECT.1)],
        "update" if row.clients == UPDATERS => {
            let limit = UPDATE.iter().find(|(dataset, _)| *dataset == row.dataset);
            limit.map(|(_, limit)| (SQ, *limit)).into_iter().collect()
        }
        whole if WHOLE.contains(&whole) && row.dataset == "large" => vec![(SQ, 10.0)],
        _ => Vec::new(),
    };
    let bar = |(engine, limit)| Some(at_least(row, report.beside(row, engine)?, limit));
    limits.into_iter().filter_map(bar).collect()
}

fn at_least(row: &Row, other: &Row, limit: f64) -> Bar {
    let (own, others) = (row.requests_per_s, other.requests_per_s);
    Bar {
        dataset: row.dataset.clone(),
        workload: match row.clients {
            1 => format!("{}; 1 client", row.workload),
            clients => format!("{}; {clients} clients", row.workload),
        },
        bar: format!("at least {limit} x {}", other.engine),
        measured: format!("{:.2} x ({own:.0}/s, {others:.1}/s)", own / others),
        met: own >= limit * others,
    }
}
