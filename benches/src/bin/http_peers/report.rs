//! Medians over the rounds, as a table and as JSON.

use std::path::Path;
use std::time::Duration;

use phext_benches::machine::{self, Machine};
use phext_tests::error::{Context, Error};
use serde_json::{Value, json};

use crate::cell::Measured;
use crate::dataset;
use crate::workload::{Connections, Workload};

/// Up to this many processors busy with something else, a row counts as undisturbed.
const QUIET: f64 = 0.1;

/// A workload and what each round measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) sq: Vec<Measured>,
    pub(crate) sqd: Vec<Measured>,
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

/// Medians over the rounds of one engine in one row.
struct Medians {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    count: usize,
    strangers: f64,
}

impl Medians {
    fn of(rounds: &[Measured]) -> Self {
        Self {
            per_second: median(rounds, Measured::per_second),
            p50: Duration::from_secs_f64(median(rounds, |round| round.quantile(0.5).as_secs_f64())),
            p99: Duration::from_secs_f64(median(rounds, |round| {
                round.quantile(0.99).as_secs_f64()
            })),
            count: rounds.iter().map(|round| round.count).sum(),
            strangers: median(rounds, |round| round.strangers),
        }
    }
}

fn median(rounds: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Row {
    /// A row without measurements.
    pub(crate) fn new(workload: Workload) -> Self {
        Self {
            workload,
            sq: Vec::new(),
            sqd: Vec::new(),
        }
    }

    fn connections(&self) -> &'static str {
        match self.workload.connections {
            Connections::Kept => "keep-alive where offered",
            Connections::PerRequest => "one per request",
        }
    }

    /// Processors kept busy by strangers, on the busier side.
    fn strangers(&self) -> f64 {
        Medians::of(&self.sq)
            .strangers
            .max(Medians::of(&self.sqd).strangers)
    }

    fn print(&self) {
        let (sq, sqd) = (Medians::of(&self.sq), Medians::of(&self.sqd));
        let Workload {
            endpoint,
            dataset,
            clients,
            ..
        } = &self.workload;
        println!(
            "| {endpoint} | {dataset} | {clients} | {} | {:.1} | {:.1} | {:.1} | {} / {} | {} / {} | {:.2} | {} |",
            self.connections(),
            sq.per_second,
            sqd.per_second,
            sqd.per_second / sq.per_second,
            microseconds(sq.p50),
            microseconds(sq.p99),
            microseconds(sqd.p50),
            microseconds(sqd.p99),
            self.strangers(),
            self.workload.durability(),
        );
    }

    fn json(&self) -> [Value; 2] {
        let (sq, sqd) = (Medians::of(&self.sq), Medians::of(&self.sqd));
        let row = |engine: &str, medians: &Medians| {
            json!({
                "workload": self.workload.endpoint,
                "engine": engine,
                "dataset": self.workload.dataset,
                "n": self.workload.scrolls,
                "ns_per_op": 1e9 / medians.per_second,
                "ratio_to_sqd": sqd.per_second / medians.per_second,
                "requests_per_s": medians.per_second,
                "requests": medians.count,
                "latency_us_p50": microseconds(medians.p50),
                "latency_us_p99": microseconds(medians.p99),
                "clients": self.workload.clients,
                "connections": self.connections(),
                "strangers_cpus": medians.strangers,
                "durability": self.workload.durability(),
            })
        };
        [row("sq", &sq), row("sqd", &sqd)]
    }
}

impl Report {
    /// Prints the table.
    pub(crate) fn print(&self) {
        println!(
            "| endpoint | phext | clients | connections | SQ req/s | sqd req/s | ratio \
             | SQ p50 / p99 us | sqd p50 / p99 us | strangers' CPUs | durability |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|");
        for row in &self.rows {
            row.print();
        }
        let disturbed = self
            .rows
            .iter()
            .filter(|row| row.strangers() > QUIET)
            .count();
        if disturbed > 0 {
            println!(
                "{disturbed} of {} rows were measured while strangers kept more than {QUIET} CPUs \
                 busy: their ratios are not those of a quiet machine",
                self.rows.len()
            );
        }
        for (scrolls, dataset) in self.datasets() {
            println!("{dataset}: {scrolls} scrolls of about 1 KB");
        }
    }

    /// Writes the rows in the form that all benchmarks share.
    pub(crate) fn write_json(&self, path: &Path) -> Result<(), Error> {
        let rows: Vec<Value> = self.rows.iter().flat_map(Row::json).collect();
        let text = format!("{:#}\n", json!({ "machine": self.machine, "rows": rows }));
        dataset::write(path, text.as_bytes())
    }

    fn datasets(&self) -> Vec<(usize, &'static str)> {
        let mut datasets: Vec<_> = self
            .rows
            .iter()
            .map(|row| (row.workload.scrolls, row.workload.dataset))
            .collect();
        datasets.dedup();
        datasets
    }
}

/// Prints a server's memory and disk use after all rounds.
pub(crate) fn print_size(name: &str, pid: u32, directory: &Path) -> Result<(), Error> {
    let resident = machine::resident_bytes(pid).unwrap_or(0) as f64 / 1e6;
    let disk = machine::bytes_on_disk(directory)
        .context(|| format!("measuring {}", directory.display()))? as f64
        / 1e6;
    println!("{name}: {resident:.1} MB resident, {disk:.1} MB on disk, imported files included");
    Ok(())
}

fn microseconds(duration: Duration) -> u128 {
    duration.as_micros()
}
