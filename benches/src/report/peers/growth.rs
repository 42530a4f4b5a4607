//! What ten times as many scrolls cost.

use super::{Row, SCROLLS_OF_BARS, SUBJECT};
use crate::report::Bar;

/// How much larger the larger store is.
const TIMES: usize = 10;
/// An operation takes less than this many times as long there.
const LIMIT: f64 = 3.0;
/// Of which this is asked.
const WORKLOADS: [&str; 4] = ["point", "batch", "wildcard", "box"];

/// The bars of data sets of which there are rows of the usual size and of ten times that. Where
/// questions of one kind find more records among more, that is told beside.
pub(in crate::report) fn bars(rows: &[&Row]) -> Vec<Bar> {
    let of_size = |size| {
        let rows = rows.iter().copied();
        rows.filter(move |row| row.engine == SUBJECT && row.n == size)
    };
    let mut bars = Vec::new();
    for workload in WORKLOADS {
        for small in of_size(SCROLLS_OF_BARS).filter(|row| row.workload == workload) {
            let is_same = |row: &&Row| row.workload == workload && row.dataset == small.dataset;
            let large = of_size(SCROLLS_OF_BARS * TIMES).find(is_same);
            bars.extend(large.and_then(|large| bar(small, large)));
        }
    }
    bars
}

fn bar(small: &Row, large: &Row) -> Option<Bar> {
    let (before, after) = (small.ns_per_op?, large.ns_per_op?);
    let mut measured = format!("{:.2} x ({before:.0} ns, {after:.0} ns)", after / before);
    if let (Some(few), Some(many)) = (small.records, large.records)
        && few != many
    {
        let times = many as f64 / few as f64;
        measured += &format!(", for {times:.1} x as many records");
    }
    Some(Bar {
        dataset: small.dataset.clone(),
        workload: small.workload.clone(),
        bar: format!("{TIMES} x the scrolls: less than {LIMIT} x the time"),
        measured,
        met: after < LIMIT * before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workload: &str, engine: &str, n: usize, ns: f64, records: u64) -> Row {
        Row {
            workload: workload.to_owned(),
            engine: engine.to_owned(),
            dataset: "uniform".to_owned(),
            n,
            ns_per_op: Some(ns),
            records: Some(records),
            ..Row::default()
        }
    }

    #[test]
    fn sizes_of_one_data_set_are_compared() {
        let small = [
            row("point", SUBJECT, 1_000_000, 100.0, 5),
            row("box", SUBJECT, 1_000_000, 10.0, 100),
            row("batch", SUBJECT, 1_000_000, 1.0, 5),
            row("wildcard", "other", 1_000_000, 1.0, 5),
        ];
        let large = [
            row("box", SUBJECT, 10_000_000, 30.0, 850),
            row("point", SUBJECT, 10_000_000, 299.0, 5),
            row("batch", SUBJECT, 3_000_000, 1.0, 5),
            row("wildcard", SUBJECT, 10_000_000, 1.0, 5),
        ];
        let both: Vec<&Row> = large.iter().chain(&small).collect();
        let bars = bars(&both);
        let told: Vec<_> = bars
            .iter()
            .map(|bar| (&bar.workload[..], &bar.measured[..], bar.met))
            .collect();
        let expected = [
            ("point", "2.99 x (100 ns, 299 ns)", true),
            (
                "box",
                "3.00 x (10 ns, 30 ns), for 8.5 x as many records",
                false,
            ),
        ];
        assert_eq!(told, expected);
        assert!(super::bars(&both[large.len()..]).is_empty());
    }
}
