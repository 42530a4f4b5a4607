//! sqd against SQ 0.6.0 over HTTP, endpoint by endpoint.
//!
//! ```text
//! cargo http-peers --sq PATH [--sqd PATH] [--json FILE] [--rounds 5] [--seconds-per-cell 1]
//! ```
//!
//! Both servers hold the same phexts: a small one (about 0.7 MB) and a large one (about 100 MB).
//! They are placed as `<p>.phext` in each server's directory and asked for once before anything is
//! timed. A *cell* is one workload on one server for one span of time; cells of the two servers
//! alternate, rounds repeat all cells, and medians over the rounds are printed. Every answer is
//! compared with the expected one by hash. Client model: keep-alive where the server offers it,
//! so sqd is spared connections that SQ cannot spare; rows with a connection per request show how
//! much of the ratio that is. The table also says how busy the machine was with something else,
//! because such rows cannot be compared with those of a quiet machine. Updates go to copies, so that what reads must answer stays known.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use phext_benches::machine::Machine;
use phext_tests::error::{Context, Error};
use phext_tests::process::Server;

mod cell;
mod dataset;
mod report;
mod workload;

use cell::{Cell, Measured};
use dataset::Dataset;
use report::{Report, Row};
use workload::{Connections, Workload};

/// Measures sqd and SQ 0.6.0 side by side.
#[derive(Debug, Parser)]
struct Arguments {
    /// The SQ 0.6.0 binary.
    #[arg(long)]
    sq: PathBuf,
    /// The sqd binary; the one built beside this program where none is given.
    #[arg(long)]
    sqd: Option<PathBuf>,
    /// Where to write the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How often all cells are repeated.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a cell lasts, unless its first three requests take longer.
    #[arg(long, default_value_t = 1.0)]
    seconds_per_cell: f64,
    /// Scrolls of about 1 KB in the large phext.
    #[arg(long, default_value_t = 100_000)]
    large: usize,
    /// Seed of the texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http_peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let datasets = [
        Dataset::generate("small", 700, arguments.seed),
        Dataset::generate("large", arguments.large, arguments.seed),
    ];
    let peers = Peers::start(arguments, &datasets)?;
    let machine = Machine::describe(peers.directories[0].path());
    println!("{machine}");
    println!(
        "client model: keep-alive where the server offers it; seed {}",
        arguments.seed
    );
    let mut rows: Vec<Row> = datasets
        .iter()
        .flat_map(|dataset| Workload::all(dataset, arguments.seed))
        .map(Row::new)
        .collect();
    for round in 1..=arguments.rounds {
        for (at, row) in rows.iter_mut().enumerate() {
            measure(
                &peers,
                row,
                (round + at).is_multiple_of(2),
                arguments.seconds_per_cell,
            )?;
        }
        println!("round {round} of {} is done", arguments.rounds);
    }
    let report = Report { machine, rows };
    report.print();
    peers.print_sizes()?;
    match &arguments.json {
        Some(path) => report.write_json(path),
        None => Ok(()),
    }
}

/// Measures one row once on either server; which goes first alternates.
fn measure(peers: &Peers, row: &mut Row, sqd_first: bool, seconds: f64) -> Result<(), Error> {
    let limit = Duration::from_secs_f64(seconds);
    let cell = |server: &Server, connections: Connections| -> Result<Measured, Error> {
        let servers = [peers.sq.pid(), peers.sqd.pid()];
        Cell {
            workload: &row.workload,
            port: server.port(),
            connections,
            limit,
            servers,
        }
        .run()
    };
    let (sq, sqd);
    if sqd_first {
        sqd = cell(&peers.sqd, row.workload.connections)?;
        sq = cell(&peers.sq, Connections::PerRequest)?;
    } else {
        sq = cell(&peers.sq, Connections::PerRequest)?;
        sqd = cell(&peers.sqd, row.workload.connections)?;
    }
    row.sq.push(sq);
    row.sqd.push(sqd);
    Ok(())
}

/// Both servers on directories that hold the same phexts.
struct Peers {
    sq: Server,
    sqd: Server,
    directories: [tempfile::TempDir; 2],
}

impl Peers {
    fn start(arguments: &Arguments, datasets: &[Dataset]) -> Result<Self, Error> {
        let scratch = || tempfile::tempdir().context(|| "creating a scratch directory");
        let directories = [scratch()?, scratch()?];
        for directory in &directories {
            for dataset in datasets {
                dataset.place(directory.path())?;
            }
        }
        let beside = sibling()?;
        let sqd = arguments.sqd.as_deref().unwrap_or(&beside);
        Ok(Self {
            sq: Server::start_sq(&arguments.sq, directories[0].path(), None)?,
            sqd: Server::start_sqd(sqd, directories[1].path(), None)?,
            directories,
        })
    }

    fn print_sizes(&self) -> Result<(), Error> {
        for (name, server, directory) in [
            ("SQ", &self.sq, &self.directories[0]),
            ("sqd", &self.sqd, &self.directories[1]),
        ] {
            report::print_size(name, server.pid(), directory.path())?;
        }
        Ok(())
    }
}

/// The sqd built beside this program.
fn sibling() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().context(|| "finding this program's own path")?;
    Ok(program.parent().unwrap_or(Path::new(".")).join("sqd"))
}
