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
//! | gather, L3 | the texts of 20,000 scrolls at random |
//! | mixed, L1 | as the first, with components and rows in the other pipes |
//! | mixed without rows, L1 | the same without the rows, which are packed and not sent |
//! | scan-filter | the scrolls of a phext longer than a bound |
//! | wildcard count | how many scrolls have a component |
//! | batch get | the texts of 1,000 scrolls at random |
//!
//! "L1": a register of 512 lanes takes 4 KiB. Four of them, a fifth in the mix, and one that is filled
//! take 20 or 24 KiB of the 32 that the cache has; the mix also reads, every eight words, one of nine
//! arrays of components, 2 KiB each, so that not all of it stays there.
//!
//! The last three are queries, and what is measured are the streams that they are compiled to at each tier.
//! The others are synthetic: the computing ones and gather, L1 and L2, are long programs over few lanes, so
//! that finding the lanes counts little. They say what the pipes can do, the queries what is had of it.
//!
//! Beside them is what the cost model expects ([`phext_siw::cc::CostModel`]), which is calibrated before. It
//! is told how many lanes there are and how many blocks of keys are tested for them, and knows of no mask.

mod dataset;
mod measure;
mod streams;

use clap::Parser;
use dataset::Dataset;
use measure::{Measurement, measure};
use phext_benches::machine::Machine;
use phext_benches::report::siw::{Report, Row};
use phext_benches::report::{self, Bar};
use phext_siw::cc::CostModel;
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
    /// Prints what operations cost a lane, by the calibration of the compiler, and nothing else.
    #[arg(long)]
    ops: bool,
    /// Writes the figures there.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if args.ops {
        print_costs();
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let data = Dataset::new(directory.path(), args.scrolls)?;
    let mut streams = Vec::new();
    for subject in streams::all(&data) {
        streams.push(measure(&subject, args.rounds)?);
    }
    let cycles = "processor time of the thread x frequency by a dependent multiply chain";
    let report = report::Report::Siw(Report {
        machine: Machine::describe(directory.path()),
        command: format!(
            "cargo siw-bench --scrolls {} --rounds {}",
            args.scrolls, args.rounds
        ),
        cycles: cycles.to_owned(),
        scrolls: args.scrolls,
        bars: bars(&streams),
        rows: streams.iter().map(row).collect(),
    });
    print!("{}", report.tables());
    if let Some(path) = &args.json {
        report.write(path)?;
    }
    Ok(())
}

fn print_costs() {
    let model = CostModel::measure();
    println!("cycles of a word: {}", model.cycles_per_word);
    println!("cycles of a batch: {}", model.cycles_per_batch);
    println!("cycles of a block of keys: {}", model.cycles_per_block);
    for (bytes, cycles) in &model.cycles_per_line {
        println!("cycles of a read from {} KiB: {cycles}", bytes >> 10);
    }
    println!("| operation | ns a lane | cycles a lane |\n|---|---|---|");
    for (name, cycles) in &model.cycles_per_op {
        let nanoseconds = cycles / model.cycles_per_nanosecond;
        println!("| {name} | {nanoseconds:.3} | {cycles:.2} |");
    }
}

fn row(stream: &Measurement) -> Row {
    Row {
        workload: stream.name.to_owned(),
        ops: stream.ops,
        ops_per_cycle: stream.ops_per_cycle,
        expected: Some(stream.expected),
        hertz: stream.hertz,
        discarded: stream.discarded,
    }
}

fn bars(streams: &[Measurement]) -> Vec<Bar> {
    streams.iter().filter_map(bar).collect()
}

fn bar(stream: &Measurement) -> Option<Bar> {
    let [unpacked, .., top] = stream.ops_per_cycle;
    let bar = |bar: String, measured, met| Bar {
        dataset: String::new(),
        workload: stream.name.to_owned(),
        bar,
        measured,
        met,
    };
    if stream.name == streams::MIX {
        let text = format!("at least {OPS_PER_CYCLE} operations a cycle at tier 3");
        return Some(bar(text, format!("{top:.2}"), top >= OPS_PER_CYCLE));
    }
    if stream.is_query {
        let text = format!("tier 3 at least {SPEEDUP} x tier 0");
        let speedup = top / unpacked;
        let measured = format!("{speedup:.1} x ({top:.3}, {unpacked:.3})");
        return Some(bar(text, measured, speedup >= SPEEDUP));
    }
    None
}
