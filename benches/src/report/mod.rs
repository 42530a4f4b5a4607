//! Reports: what each benchmark writes as JSON, and the page that is made of them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`peers`] | embedded engines side by side: rows, bars, tables; YCSB too |
//! | [`http`] | servers side by side: rows, bars, tables |
//! | [`siw`] | operations a cycle of the executor |
//! | [`Bar`] | what is asked for, and whether it is met |
//!
//! A file says by `kind` which of them it is. [`page`] puts any number of them on one page, which is
//! docs/BENCHMARKS.md; nothing on that page is written by hand.

use std::fmt::Write;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

mod bar;
mod format;
pub mod http;
pub mod peers;
pub mod siw;

pub use bar::Bar;

/// A report as it is in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Report {
    /// Of `cargo peers`.
    Peers(peers::Report),
    /// Of `cargo http-peers`.
    Http(http::Report),
    /// Of `cargo siw-bench`.
    Siw(siw::Report),
}

impl Report {
    /// Reads a file.
    ///
    /// # Errors
    /// Where there is none, or something else in it.
    pub fn read(path: &Path) -> io::Result<Report> {
        let at =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(at)?;
        serde_json::from_str(&text).map_err(|error| at(error.into()))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write(path, &(text + "\n"))
    }

    /// The bars, with what was measured.
    fn bars(&self) -> &[Bar] {
        match self {
            Report::Peers(report) => &report.bars,
            Report::Http(report) => &report.bars,
            Report::Siw(report) => &report.bars,
        }
    }

    /// The bars, which say how large the data set was where it is not of the size that they are meant for.
    fn sized_bars(&self) -> Vec<Bar> {
        let mut bars = self.bars().to_vec();
        if let Report::Peers(report) = self {
            bars.iter_mut().for_each(|bar| report.name_size(bar));
        }
        bars
    }

    fn render(&self, out: &mut String) -> std::fmt::Result {
        match self {
            Report::Peers(report) => report.render(out),
            Report::Http(report) => report.render(out),
            Report::Siw(report) => report.render(out),
        }
    }

    /// The tables alone.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut out = String::new();
        self.render(&mut out)
            .and_then(|()| {
                writeln!(out, "### Bars\n")?;
                let bars: Vec<&Bar> = self.bars().iter().collect();
                bar::render_measured(&bars, &mut out)
            })
            .expect("writing to a string does not fail");
        out
    }
}

/// How to run the benchmarks and what the rules are.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole page: how to run, all bars, then the tables of each report.
#[must_use]
pub fn page(reports: &[Report]) -> String {
    let mut out = format!("{INTRODUCTION}\n## Bars\n\n");
    let mut bars: Vec<Bar> = reports.iter().flat_map(Report::sized_bars).collect();
    let of_peers = reports.iter().flat_map(|report| match report {
        Report::Peers(report) => &report.rows[..],
        _ => &[],
    });
    let of_peers: Vec<&peers::Row> = of_peers.collect();
    bars.extend(peers::growth::bars(&of_peers));
    let bars: Vec<&Bar> = bars.iter().collect();
    bar::render(&bars, &mut out)
        .and_then(|()| {
            reports
                .iter()
                .try_for_each(|report| report.render(&mut out))
        })
        .expect("writing to a string does not fail");
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

/// Writes a page.
///
/// # Errors
/// Where it cannot be written.
#[expect(
    clippy::disallowed_methods,
    reason = "a report is no store file; losing it in a power cut costs nothing"
)]
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
