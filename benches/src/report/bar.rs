//! Bars: what is asked for, what was measured, and whether that is enough.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::format::{table_head, table_row};

/// A comparison and its outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bar {
    /// What was measured over.
    pub dataset: String,
    /// What was measured.
    pub workload: String,
    /// What is asked for.
    pub bar: String,
    /// What was measured, with the figures that it comes from.
    pub measured: String,
    /// Whether that is enough.
    pub met: bool,
}

/// Every bar there is, by workload, as it is worded. A page names those that nobody measured.
const ALL: &[(&str, &str)] = &[
    ("point", "at most 0.25 x lmdb"),
    ("miss", "at most 0.1 x lmdb"),
    ("batch", "at most 0.1 x lmdb"),
    ("batch", "at most 2 x bare directory"),
    ("range", "at most 1 x lmdb"),
    ("scan", "at most 1 x lmdb"),
    ("wildcard", "at least 100 x faster than the best peer"),
    ("box", "at least 100 x faster than the best peer"),
    ("nearest", "at least 100 x faster than the best peer"),
    ("wildcard", "median query at most 400 us"),
    ("box", "median query at most 400 us"),
    ("nearest", "median query at most 400 us"),
    ("point", "10 x the scrolls: less than 3 x the time"),
    ("batch", "10 x the scrolls: less than 3 x the time"),
    ("wildcard", "10 x the scrolls: less than 3 x the time"),
    ("box", "10 x the scrolls: less than 3 x the time"),
    ("put", "at most 1.3 x bare append"),
    ("group", "64 writers at least 20 x one"),
    ("callbacks", "64 writers without threads at least 20 x one"),
    ("load, sorted", "at most 1.5 x lmdb"),
    ("load, unsorted", "at most 1.5 x lmdb load, sorted"),
    ("space", "at most 1.25 x text and 40 bytes a scroll"),
    ("select", "at least 10 x SQ"),
    ("select", "at least 0.8 x bare axum"),
    ("update", "at least 10 x SQ"),
    ("update", "at least 1000 x SQ"),
    ("query", "at least 10 x SQ"),
    ("toc", "at least 10 x SQ"),
    ("status", "at least 10 x SQ"),
    ("checksum", "at least 10 x SQ"),
];

/// The table of bars, those that were not measured among them.
pub(crate) fn render(bars: &[&Bar], out: &mut String) -> std::fmt::Result {
    table_head(out, &["workload", "bar", "data set", "measured", ""])?;
    for (workload, text) in ALL {
        let is_it = |bar: &&&Bar| bar.bar == *text && kind(&bar.workload) == *workload;
        let measured: Vec<&&Bar> = bars.iter().filter(is_it).collect();
        if measured.is_empty() {
            writeln!(out, "| {workload} | {text} | | | not measured |")?;
        }
        for bar in measured {
            render_one(bar, out)?;
        }
    }
    let is_listed = |bar: &Bar| {
        let mut all = ALL.iter();
        all.any(|(workload, text)| bar.bar == *text && kind(&bar.workload) == *workload)
    };
    for bar in bars.iter().filter(|bar| !is_listed(bar)) {
        render_one(bar, out)?;
    }
    writeln!(out)
}

/// A workload without the circumstances that some rows name behind a semicolon.
fn kind(workload: &str) -> &str {
    workload.split_once("; ").map_or(workload, |(kind, _)| kind)
}

fn render_one(bar: &Bar, out: &mut String) -> std::fmt::Result {
    let met = if bar.met { "met" } else { "**missed**" };
    let cells = [&bar.workload, &bar.bar, &bar.dataset, &bar.measured];
    let mut cells: Vec<String> = cells.map(Clone::clone).to_vec();
    cells.push(met.to_owned());
    table_row(out, &cells)
}

/// The table of those bars that were measured, in their order.
pub(crate) fn render_measured(bars: &[&Bar], out: &mut String) -> std::fmt::Result {
    table_head(out, &["workload", "bar", "data set", "measured", ""])?;
    bars.iter().try_for_each(|bar| render_one(bar, out))
}
