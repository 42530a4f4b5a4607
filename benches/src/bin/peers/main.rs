//! sqd beside other embedded engines: the same keys and texts, the same questions, one process.
//!
//! ```text
//! cargo run --release -p phext-benches --bin peers -- [--engines sqd,lmdb,redb,fjall,sled]
//!     [--scrolls N] [--dataset uniform,agent] [--workloads point,miss,...] [--rounds 5]
//!     [--directory DIR] [--json FILE] [--markdown FILE]
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`dataset`], [`key`], [`query`] | keys, texts, and what is asked |
//! | [`tally`] | the checksum by which every answer is verified |
//! | [`engine`], [`engines`] | what an engine must do, and the engines |
//! | [`ordered`] | how an engine with ordered keys answers questions in several dimensions |
//! | [`workload`] | what is measured, and how one cell is |
//! | [`run`] | the order of things: loads, openings, reads, writes, in rounds |
//! | [`rows`] | rows while they are measured; bars and tables are [`phext_benches::report`]'s |
//!
//! Left out: several readers at once, data larger than memory, and deletion.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use phext_benches::machine::Machine;
use phext_benches::report;

mod dataset;
mod engine;
mod engines;
mod key;
mod ordered;
mod prefetch;
mod query;
mod rows;
mod run;
mod tally;
mod workload;

use dataset::Shape;
use engine::{Kind, Outcome};
use engines::{BASELINES, KINDS};
use workload::Workload;
use workload::open::Inspect;

/// Measures embedded engines side by side.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which engines: sqd, lmdb, redb, fjall, sled, and rocksdb where that feature is built in.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sqd,lmdb,redb,fjall,sled"
    )]
    engines: Vec<String>,
    /// Records in each store.
    #[arg(long, default_value_t = 1_000_000)]
    scrolls: u32,
    /// Which workloads; all but narrow-box and the mixes of YCSB where none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Which data sets: uniform, clustered, hierarchy, agent.
    #[arg(long, value_delimiter = ',', default_value = "uniform,agent")]
    dataset: Vec<Shape>,
    /// Rounds of openings, reads and writes; medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rounds of loads, which take most of the time.
    #[arg(long, default_value_t = 3)]
    load_rounds: usize,
    /// Where to make a directory for the stores, which is removed at the end.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Where to write machine, rows and bars as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write the tables as a page, short for `cargo bench-report` with one file.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Seed of keys, texts and questions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    inspect: Inspect,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("peers: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Outcome {
    if let Some(engine) = &arguments.inspect.inspect {
        return arguments.inspect.run(kind(engine)?);
    }
    if arguments.scrolls < 1_000 {
        return Err("--scrolls must be at least 1,000: a batch is that many".into());
    }
    if arguments.rounds == 0 || arguments.load_rounds == 0 {
        return Err("there must be at least one round".into());
    }
    let plan = plan(arguments)?;
    let machine = Machine::describe(&plan.directory);
    eprintln!("{machine}");
    let mut measured = rows::empty(machine, &plan);
    for &shape in &arguments.dataset {
        rows::extend(&mut measured, run::dataset(&plan, shape)?);
    }
    measured.judge();
    let measured = report::Report::Peers(measured);
    print!("{}", measured.tables());
    if let Some(path) = &arguments.json {
        measured.write(path)?;
    }
    if let Some(path) = &arguments.markdown {
        report::write(path, &report::page(&[measured]))?;
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> Outcome<run::Plan> {
    let scratch = tempfile::Builder::new()
        .prefix("peers-")
        .tempdir_in(&arguments.directory)?;
    let workloads = match &arguments.workloads[..] {
        [] => Workload::value_variants()
            .iter()
            .copied()
            .filter(|workload| workload.is_default())
            .collect(),
        named => named.to_vec(),
    };
    let kinds = arguments
        .engines
        .iter()
        .map(|name| kind(name))
        .collect::<Outcome<Vec<_>>>()?;
    Ok(run::Plan {
        kinds,
        workloads,
        shapes: arguments.dataset.clone(),
        scrolls: arguments.scrolls as usize,
        rounds: arguments.rounds,
        load_rounds: arguments.load_rounds,
        seed: arguments.seed,
        directory: scratch.path().to_path_buf(),
        _scratch: scratch,
    })
}

/// The engine with this name.
fn kind(name: &str) -> Outcome<&'static Kind> {
    let found = KINDS.iter().chain(BASELINES).find(|kind| kind.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let hint = match name {
            "rocksdb" => "; build with `--features rocksdb`, which needs libclang",
            _ => "",
        };
        format!("there is no engine {name}, only {}{hint}", names.join(", ")).into()
    })
}
