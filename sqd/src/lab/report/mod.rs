//! What is told: a table on the terminal, and in the directory of the report
//!
//! | file | holds |
//! |---|---|
//! | `report.json` | every figure |
//! | `report.md` | the same as tables, with what each figure means and its trap ([`markdown`]) |
//! | `report.html` | plots and tables, in one file ([`html`]) |
//! | `<n>-<plot>.svg` | each plot ([`plots`], [`pictures`]) |

mod html;
mod markdown;
mod pictures;
mod plots;

use super::LabError;
use super::args::LocalityArgs;
use super::cache;
use super::encode::EncodeRow;
use super::engine::EngineReport;
use super::machine::{Machine, peak_bytes};
use super::measure::{Bench, Cell, Counted};
use crate::phext_file;
use phext_storage::lab::order::BLOCK_SLOTS;
use phext_storage::vfs::{RealVfs, Vfs};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) data: String,
    pub(super) scrolls: usize,
    pub(super) seed: u64,
    pub(super) queries: u32,
    pub(super) steps: u32,
    pub(super) block_slots: usize,
    pub(super) page_bytes: u64,
    pub(super) caches: &'static str,
    pub(super) machine: Machine,
    pub(super) seconds: f64,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) dimensions: Vec<DimensionReport>,
}

/// What was measured in one number of dimensions.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DimensionReport {
    #[serde(flatten)]
    pub(super) counted: Counted,
    pub(super) encode: Vec<EncodeRow>,
    /// Times of the engine; `null` in other than nine dimensions, which are those of its stores, and
    /// where none were asked for.
    pub(super) engine: Option<EngineReport>,
}

impl Report {
    pub(super) fn new(
        args: &LocalityArgs,
        dimensions: Vec<DimensionReport>,
        seconds: f64,
    ) -> Report {
        Report {
            data: args.data.to_string(),
            scrolls: args.scrolls,
            seed: args.seed,
            queries: args.queries,
            steps: args.steps,
            block_slots: BLOCK_SLOTS,
            page_bytes: super::layout::PAGE_BYTES,
            caches: cache::GEOMETRY,
            machine: Machine::describe(),
            seconds,
            peak_memory_bytes: peak_bytes(),
            dimensions,
        }
    }
}

/// A plot and what it is called.
pub(super) struct Plot {
    title: String,
    file: String,
    svg: String,
}

/// The plots of a report.
#[derive(Default)]
pub(super) struct Drawn {
    plots: Vec<Plot>,
}

impl Drawn {
    /// Draws what a number of dimensions has to show.
    pub(super) fn dimension(
        &mut self,
        bench: &Bench,
        dimension: &DimensionReport,
    ) -> Result<(), LabError> {
        let number = dimension.counted.dimensions;
        let name = |what: &str| format!("{what}, {number} dimensions");
        let blocks = plots::against_free(dimension, "Blocks surviving the zone map", |order| {
            order.blocks.mean
        });
        self.add(name("Blocks"), blocks)?;
        let pages = plots::against_free(dimension, "Pages of matches", |order| order.pages.mean);
        self.add(name("Pages"), pages)?;
        self.add(name("Hit rates"), plots::hit_rates(dimension))?;
        self.add(name("Occupancy"), pictures::occupancy(bench))?;
        if let Some(times) = plots::engine_times(dimension) {
            self.add(name("Times of the engine"), times)?;
        }
        Ok(())
    }

    /// Draws what is the same for all data.
    pub(super) fn curves(&mut self) -> Result<(), LabError> {
        self.add("Curves".to_owned(), plots::curves())
    }

    fn add(
        &mut self,
        title: String,
        svg: Result<String, plots::PlotError>,
    ) -> Result<(), LabError> {
        let svg = svg.map_err(|error| LabError::Plot {
            title: title.clone(),
            reason: error.to_string(),
        })?;
        let slug = title.to_lowercase().replace(", ", "-").replace(' ', "-");
        let file = format!("{:02}-{slug}.svg", self.plots.len() + 1);
        self.plots.push(Plot { title, file, svg });
        Ok(())
    }
}

/// Writes the report's files.
pub(super) fn save(report: &Report, drawn: &Drawn, out: &Path) -> Result<(), LabError> {
    let failed = |source| LabError::Out {
        path: out.to_owned(),
        source,
    };
    RealVfs.create_dir_all(out).map_err(failed)?;
    let json = serde_json::to_vec_pretty(report).map_err(|error| failed(error.into()))?;
    save_file(&out.join("report.json"), &json)?;
    save_file(&out.join("report.md"), markdown::page(report).as_bytes())?;
    save_file(
        &out.join("report.html"),
        html::page(report, drawn).as_bytes(),
    )?;
    for plot in &drawn.plots {
        save_file(&out.join(&plot.file), plot.svg.as_bytes())?;
    }
    Ok(())
}

fn save_file(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    let io_error = |source| phext_file::FileError::Io {
        path: path.to_owned(),
        source,
    };
    Ok(phext_file::save(path, |file| {
        file.write_all(bytes).map_err(io_error)
    })?)
}

/// Prints a table for each number of dimensions.
pub(super) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for dimension in &report.dimensions {
        let counted = &dimension.counted;
        writeln!(
            out,
            "{} in {} dimensions ({}): {} points in {} blocks",
            report.data,
            counted.dimensions,
            counted.names.join(", "),
            counted.points,
            counted.blocks,
        )?;
        writeln!(
            out,
            "{:<15} {:>28} {:>28} {:>10} {:>8} {:>8}",
            "",
            "blocks: mean of each class",
            "pages: mean of each class",
            "nearest",
            "L1 keys",
            "L1 recs",
        )?;
        writeln!(
            out,
            "{:<15} {:>9} {:>9} {:>8} {:>9} {:>9} {:>8} {:>10} {:>8} {:>8}",
            "order",
            "prefix",
            "wildcard",
            "box",
            "prefix",
            "wildcard",
            "box",
            "blocks p50",
            "over r.",
            "over r.",
        )?;
        for (at, order) in counted.orders.iter().enumerate() {
            write!(out, "{:<15}", order.order)?;
            for of in [blocks, pages] {
                for (class, width) in [("prefix", 9), ("wildcard", 9), ("box", 8)] {
                    let mean = class_mean(&counted.cells, class, |cell| of(cell, at));
                    write!(out, " {mean:>width$.1}")?;
                }
            }
            let percent =
                |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:+.1} %"));
            writeln!(
                out,
                " {:>10} {:>8} {:>8}",
                order.nearest_by_components.blocks_opened.percentiles.p50,
                percent(order.keys_l1_over_random_percent),
                percent(order.records_l1_over_random_percent),
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn blocks(cell: &Cell, order: usize) -> f64 {
    cell.orders[order].blocks.mean
}

fn pages(cell: &Cell, order: usize) -> f64 {
    cell.orders[order].pages.mean
}

/// The geometric mean over the numbers of free dimensions: each counts the same.
pub(super) fn class_mean(cells: &[Cell], class: &str, of: impl Fn(&Cell) -> f64) -> f64 {
    let logarithms: Vec<f64> = cells
        .iter()
        .filter(|cell| cell.class.name() == class)
        .map(|cell| of(cell).max(f64::MIN_POSITIVE).ln())
        .collect();
    (logarithms.iter().sum::<f64>() / logarithms.len().max(1) as f64).exp()
}
