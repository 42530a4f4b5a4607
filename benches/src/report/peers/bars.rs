//! The bars that sqd is measured against, and whether it meets them.
//!
//! They are for a million scrolls of about 200 bytes that are in memory. With other numbers the
//! same comparisons are made and mean less.

use super::{DatasetFigures, Report, Row, SUBJECT};
use crate::report::Bar;

/// The median query of a region or of the nearest may take twice the slowest of the plain scans of
/// zone maps that the design is based on.
const SCAN_LIMIT_NS: f64 = 2.0 * 200_000.0;
/// Bytes of text may grow by this on disk.
const SPACE_FACTOR: f64 = 1.25;
/// And each scroll may take this many bytes more.
const SPACE_PER_SCROLL: u64 = 40;

/// All bars of which both sides were measured on a data set.
pub(super) fn judge(report: &Report, dataset: &DatasetFigures) -> Vec<Bar> {
    let judge = Judge { report, dataset };
    let mut bars = Vec::new();
    for (workload, limit, against) in [
        ("point", 0.25, ("point", "lmdb")),
        ("miss", 0.10, ("miss", "lmdb")),
        ("batch", 0.10, ("batch", "lmdb")),
        ("batch", 2.0, ("batch", "bare directory")),
        ("range", 1.0, ("range", "lmdb")),
        ("scan", 1.0, ("scan", "lmdb")),
        ("put", 1.3, ("put", "bare append")),
        ("load, sorted", 1.5, ("load, sorted", "lmdb")),
        ("load, unsorted", 1.5, ("load, sorted", "lmdb")),
    ] {
        bars.extend(judge.at_most(workload, limit, against));
    }
    for workload in ["wildcard", "box", "nearest"] {
        bars.extend(judge.faster_than_best_peer(workload, 100.0));
        bars.extend(judge.median_query(workload));
    }
    bars.extend(judge.many_writers("group", "64 writers", 20.0));
    bars.extend(judge.many_writers("callbacks", "64 writers without threads", 20.0));
    bars.extend(judge.space());
    bars
}

struct Judge<'r> {
    report: &'r Report,
    dataset: &'r DatasetFigures,
}

impl Judge<'_> {
    fn row(&self, workload: &str, engine: &str) -> Option<&Row> {
        self.report.row(&self.dataset.dataset, workload, engine)
    }

    fn ns(&self, workload: &str, engine: &str) -> Option<f64> {
        self.row(workload, engine)?.ns_per_op
    }

    fn bar(&self, workload: &str, bar: String, measured: String, met: bool) -> Bar {
        Bar {
            dataset: self.dataset.dataset.clone(),
            workload: workload.to_owned(),
            bar,
            measured,
            met,
        }
    }

    /// sqd's time against another row's.
    fn at_most(&self, workload: &str, limit: f64, against: (&str, &str)) -> Option<Bar> {
        let (own, other) = (self.ns(workload, SUBJECT)?, self.ns(against.0, against.1)?);
        let name = if against.0 == workload {
            against.1.to_owned()
        } else {
            format!("{} {}", against.1, against.0)
        };
        Some(self.bar(
            workload,
            format!("at most {limit} x {name}"),
            format!("{:.2} x ({own:.0} ns, {other:.0} ns)", own / other),
            own <= limit * other,
        ))
    }

    fn faster_than_best_peer(&self, workload: &str, limit: f64) -> Option<Bar> {
        let own = self.ns(workload, SUBJECT)?;
        let peers = self.report.rows.iter().filter(|row| {
            let is_peer = !row.engine.starts_with(SUBJECT);
            is_peer && row.dataset == self.dataset.dataset && row.workload == workload
        });
        let (name, best) = peers
            .filter_map(|row| Some((&row.engine, row.ns_per_op?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(self.bar(
            workload,
            format!("at least {limit} x faster than the best peer"),
            format!("{:.1} x ({own:.0} ns, {name} {best:.0} ns)", best / own),
            best >= limit * own,
        ))
    }

    fn median_query(&self, workload: &str) -> Option<Bar> {
        let median = self.row(workload, SUBJECT)?.p50_ns?;
        Some(self.bar(
            workload,
            format!("median query at most {:.0} us", SCAN_LIMIT_NS / 1e3),
            format!("{:.1} us", median / 1e3),
            median <= SCAN_LIMIT_NS,
        ))
    }

    fn many_writers(&self, workload: &str, writers: &str, limit: f64) -> Option<Bar> {
        let (one, many) = (self.ns("put", SUBJECT)?, self.ns(workload, SUBJECT)?);
        Some(self.bar(
            workload,
            format!("{writers} at least {limit} x one"),
            format!("{:.1} x ({many:.0} ns, {one:.0} ns a put)", one / many),
            one >= limit * many,
        ))
    }

    fn space(&self) -> Option<Bar> {
        let bytes = self.row("space", SUBJECT)?.bytes_on_disk?;
        let DatasetFigures {
            text_bytes,
            scrolls,
            ..
        } = *self.dataset;
        let limit = text_bytes as f64 * SPACE_FACTOR + (scrolls as u64 * SPACE_PER_SCROLL) as f64;
        let over = (bytes as f64 - text_bytes as f64 * SPACE_FACTOR) / scrolls as f64;
        Some(self.bar(
            "space",
            format!("at most {SPACE_FACTOR} x text and {SPACE_PER_SCROLL} bytes a scroll"),
            format!("{SPACE_FACTOR} x text and {over:.1} bytes a scroll ({bytes} bytes, {text_bytes} of text)"),
            bytes as f64 <= limit,
        ))
    }
}
