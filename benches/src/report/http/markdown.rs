//! The report as tables.

use std::fmt::{Result, Write};

use super::{BARE, Report, Row, SQ, SUBJECT};
use crate::report::format::{megabytes, rate, ratio, table_head, table_row, time};

/// Up to this many processors busy with something else, a row counts as undisturbed.
const QUIET: f64 = 0.1;

impl Report {
    pub(in crate::report) fn render(&self, out: &mut String) -> Result {
        let Report {
            machine,
            command,
            rounds,
            ..
        } = self;
        writeln!(out, "## Requests over HTTP\n")?;
        writeln!(out, "`{command}`: {machine}. Medians of {rounds} rounds.\n")?;
        self.render_phexts(out)?;
        self.render_rows(out)?;
        self.render_disturbance(out)?;
        self.render_open_loop(out)?;
        self.render_sizes(out)
    }

    fn render_phexts(&self, out: &mut String) -> Result {
        let mut named = Vec::new();
        for row in &self.rows {
            if !named.contains(&row.dataset) {
                named.push(row.dataset.clone());
                let (name, megabytes) = (&row.dataset, megabytes(row.bytes));
                writeln!(out, "{name}: {} scrolls, {megabytes} MB.", row.n)?;
            }
        }
        writeln!(out)
    }

    /// A line for each row of sqd, with the others on the same work.
    fn render_rows(&self, out: &mut String) -> Result {
        let head = [
            "endpoint",
            "phext",
            "clients",
            "connections",
            "SQ, requests/s",
            "bare axum",
            "sqd",
            "sqd / SQ",
            "sqd / axum",
            "SQ p50 / p99",
            "sqd p50 / p99",
            "durability",
        ];
        table_head(out, &head)?;
        for row in self.rows.iter().filter(|row| row.engine == SUBJECT) {
            let (sq, bare) = (self.beside(row, SQ), self.beside(row, BARE));
            let per_second = |row: &Row| row.requests_per_s;
            let over = |other: Option<&Row>| {
                other.map(|other| ratio(row.requests_per_s / other.requests_per_s))
            };
            let cells = [
                Some(row.workload.clone()),
                Some(row.dataset.clone()),
                Some(row.clients.to_string()),
                Some(if row.kept { "kept" } else { "one a request" }.to_owned()),
                sq.map(per_second).map(rate),
                bare.map(per_second).map(rate),
                Some(rate(row.requests_per_s)),
                over(sq),
                over(bare),
                sq.map(latencies),
                Some(latencies(row)),
                Some(row.durability.clone()),
            ];
            table_row(out, &cells.map(Option::unwrap_or_default))?;
        }
        writeln!(out)
    }

    fn render_disturbance(&self, out: &mut String) -> Result {
        let disturbed = self.rows.iter().filter(|row| row.strangers > QUIET).count();
        if disturbed == 0 {
            return Ok(());
        }
        writeln!(
            out,
            "{disturbed} of {} rows were measured while strangers kept more than {QUIET} cores busy: their ratios are not \
             those of a quiet machine.\n",
            self.rows.len()
        )
    }

    fn render_open_loop(&self, out: &mut String) -> Result {
        if self.open_loop.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "At fixed rates of arrival, latency from when a request was due, so that one that waits for the one before has waited:\n"
        )?;
        let head = [
            "endpoint",
            "phext",
            "server",
            "rate asked",
            "of capacity",
            "answered",
            "p50",
            "p90",
            "p99",
            "p99.9",
        ];
        table_head(out, &head)?;
        for row in &self.open_loop {
            let share = row.share.map(|share| format!("{:.0} %", share * 100.0));
            let cells = [
                row.workload.clone(),
                row.dataset.clone(),
                row.engine.clone(),
                rate(row.rate_asked),
                share.unwrap_or_default(),
                rate(row.rate_per_s),
                time(row.p50_ns),
                time(row.p90_ns),
                time(row.p99_ns),
                time(row.p999_ns),
            ];
            table_row(out, &cells)?;
        }
        writeln!(out)
    }

    fn render_sizes(&self, out: &mut String) -> Result {
        if self.sizes.is_empty() {
            return Ok(());
        }
        table_head(out, &["server, at the end", "MB resident", "MB on disk"])?;
        for size in &self.sizes {
            let cells = [
                size.engine.clone(),
                megabytes(size.resident_bytes),
                megabytes(size.bytes_on_disk),
            ];
            table_row(out, &cells)?;
        }
        writeln!(out)
    }
}

fn latencies(row: &Row) -> String {
    format!("{} / {}", time(row.p50_ns), time(row.p99_ns))
}
