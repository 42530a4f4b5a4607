//! Operations per cycle of the executor, by tier: `cargo siw-bench [--json F]`.
//!
//! An operation is one of a pipe, retired for one active lane; NOPs and masked lanes count nothing.
//! Cycles are the processor time of the thread times the frequency of the core, calibrated before and
//! after each round ([`phext_siw::cycles`]); rounds whose calibrations are more than 2 % apart are
//! discarded. The tiers take turns within a round, and the best of the rounds counts.
//!
//! | stream | what it is |
//! |---|---|
//! | compute, L1 | 512 lanes, 4 registers: arithmetic, comparison, selection, reduction |
//! | compute, L2 | 1,024 lanes, 14 registers: the same, from the second-level cache |
//! | gather, L1 | the texts of 128 scrolls, again and again |
//! | gather, L2 | the texts of 4,096 scrolls, again and again |
//! | mixed, L1 | as compute, with components and rows in the other pipes |
//! | scan-filter | the scrolls of a phext longer than a bound |
//! | wildcard count | how many scrolls have a component |
//! | batch get | the texts of 1,000 scrolls at random |
//!
//! The first five are synthetic: long programs over few lanes, so that finding the lanes counts
//! little. They say what the pipes can do, the others what a query gets of it.

mod dataset;
mod measure;
mod streams;

use clap::Parser;
use dataset::Dataset;
use measure::{Measurement, TIERS, measure};
use phext_benches::machine::Machine;
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;

/// What tier 3 must retire a cycle on the synthetic mix in the first-level cache.
const OPS_PER_CYCLE: f64 = 3.0;
/// What tier 3 must be over tier 0 on every stream of a query.
const SPEEDUP: f64 = 2.0;

#[derive(Debug, Parser)]
#[command(about = "Operations per cycle of the executor, by tier")]
struct Args {
    /// Scrolls of the phext that is queried.
    #[arg(long, default_value_t = 100_000)]
    scrolls: u32,
    /// Rounds that count.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Writes the figures there.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The figures.
#[derive(Debug, Serialize)]
struct Report {
    cpu: String,
    /// Where cycles come from.
    cycles: &'static str,
    streams: Vec<Measurement>,
    /// What must hold, and whether it does.
    bars: Vec<(String, bool)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let directory = tempfile::tempdir()?;
    let data = Dataset::new(directory.path(), args.scrolls)?;
    let mut streams = Vec::new();
    for subject in streams::all(&data) {
        streams.push(measure(&subject, args.rounds)?);
    }
    let report = Report {
        cpu: Machine::describe(directory.path()).cpu,
        cycles: "processor time of the thread x frequency by a dependent multiply chain",
        bars: bars(&streams),
        streams,
    };
    print(&report);
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        #[expect(clippy::disallowed_methods, reason = "a report is no part of a store")]
        std::fs::write(path, json)?;
    }
    Ok(())
}

fn bars(streams: &[Measurement]) -> Vec<(String, bool)> {
    let mut bars = Vec::new();
    for stream in streams {
        let [.., top] = stream.ops_per_cycle;
        if stream.name == streams::MIX {
            let text = format!("{}: {top:.2} ops a cycle at tier 3, 3 wanted", stream.name);
            bars.push((text, top >= OPS_PER_CYCLE));
        }
        if stream.is_query {
            let speedup = top / stream.ops_per_cycle[0];
            let text = format!("{}: tier 3 is {speedup:.1} x tier 0, 2 wanted", stream.name);
            bars.push((text, speedup >= SPEEDUP));
        }
    }
    bars
}

fn print(report: &Report) {
    println!("{}; cycles: {}", report.cpu, report.cycles);
    print!("| ops a cycle |");
    TIERS.iter().for_each(|tier| print!(" tier {tier} |"));
    println!(" ops | GHz | rounds discarded |\n|---|---|---|---|---|---|---|---|");
    for stream in &report.streams {
        print!("| {} |", stream.name);
        stream
            .ops_per_cycle
            .iter()
            .for_each(|ops| print!(" {ops:.3} |"));
        let gigahertz = stream.hertz / 1e9;
        println!(" {} | {gigahertz:.2} | {} |", stream.ops, stream.discarded);
    }
    for (bar, holds) in &report.bars {
        println!("{} {bar}", if *holds { "holds:" } else { "FAILS:" });
    }
}
