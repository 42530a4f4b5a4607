//! sqd against SQ 0.6.0 over HTTP, endpoint by endpoint.
//!
//! ```text
//! cargo http-peers --sq PATH [--sqd PATH] [--json FILE] [--rounds 5] [--seconds-per-cell 1]
//!     [--workloads select,query,toc,status,checksum,update] [--rates 1000,5000 | --shares 0.25,0.5,0.75,0.9] [--open-loop-seconds 2]
//! ```
//!
//! Both servers hold the same phexts: a small one (about 0.7 MB) and a large one (about 100 MB).
//! They are placed as `<p>.phext` in each server's directory and asked for once before anything is
//! timed. A *cell* is one workload on one server for one span of time; cells of the servers
//! alternate, rounds repeat all cells, and medians over the rounds are printed. Every answer is
//! compared with the expected one by hash. Client model: keep-alive where the server offers it,
//! so sqd is spared connections that SQ cannot spare; rows with a connection per request show how
//! much of the ratio that is. The table also says how busy the machine was with something else,
//! because such rows cannot be compared with those of a quiet machine. Updates go to copies, so
//! that what reads must answer stays known.
//!
//! | module | what it holds |
//! |---|---|
//! | [`dataset`], [`workload`] | phexts, what is asked and what must be answered |
//! | [`servers`], [`bare`] | the servers, and bare handlers of axum's beside them for what is read |
//! | [`cell`] | closed loops: a client sends when it has its answer |
//! | [`open_loop`] | open loops: requests are due at a fixed rate |
//! | [`rows`] | medians; bars and tables are [`phext_benches::report`]'s |

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use phext_benches::machine::Machine;
use phext_benches::report::{self, http};
use phext_tests::error::{Context, Error};

mod bare;
mod cell;
mod dataset;
mod open_loop;
mod rows;
mod servers;
mod workload;

use cell::Cell;
use dataset::Dataset;
use open_loop::OpenLoop;
use rows::Rounds;
use servers::{Contestant, Servers};
use workload::{Connections, Workload};

/// Measures sqd and SQ 0.6.0 side by side.
#[derive(Debug, Parser)]
struct Arguments {
    /// The SQ 0.6.0 binary.
    #[arg(long, required_unless_present = "serve_bare")]
    sq: Option<PathBuf>,
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
    /// Rates of arrival for open loops, in requests a second, the same for both servers.
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// The same as shares of what each server does with all clients busy; sqd gets SQ's rates as well.
    #[arg(long, value_delimiter = ',', default_value = "0.25,0.5,0.75,0.9")]
    shares: Vec<f64>,
    /// How long requests are due at each rate; 0 leaves open loops out.
    #[arg(long, default_value_t = 2.0)]
    open_loop_seconds: f64,
    /// Endpoints to measure; all where none is given.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Scrolls of about 1 KB in the large phext.
    #[arg(long, default_value_t = 100_000)]
    large: usize,
    /// Seed of the texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serves texts by a bare handler on this port: how this program calls itself.
    #[arg(long, hide = true)]
    serve_bare: Option<u16>,
}

impl Arguments {
    fn measures(&self, workload: &Workload) -> bool {
        let is_it = |name: &String| name == workload.endpoint;
        self.workloads.is_empty() || self.workloads.iter().any(is_it)
    }
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
    if let Some(port) = arguments.serve_bare {
        return bare::serve(port, &datasets);
    }
    let servers = Servers::start(arguments, &datasets)?;
    let machine = Machine::describe(servers.directory());
    eprintln!("{machine}");
    let mut all: Vec<Rounds> = datasets
        .iter()
        .flat_map(|dataset| Workload::all(dataset, arguments.seed))
        .filter(|workload| arguments.measures(workload))
        .map(Rounds::new)
        .collect();
    for round in 1..=arguments.rounds {
        for (at, rounds) in all.iter_mut().enumerate() {
            measure(&servers, rounds, round + at, arguments.seconds_per_cell)?;
        }
        eprintln!("round {round} of {} is done", arguments.rounds);
    }
    let mut report = http::Report {
        machine,
        command: command(arguments),
        rounds: arguments.rounds,
        open_loop: open_loops(arguments, &servers, &all)?,
        rows: all.iter().flat_map(Rounds::rows).collect(),
        sizes: servers.sizes()?,
        bars: Vec::new(),
    };
    report.judge();
    let report = report::Report::Http(report);
    print!("{}", report.tables());
    match &arguments.json {
        Some(path) => report.write(path).context(|| "writing the report"),
        None => Ok(()),
    }
}

/// What was typed, as far as it shapes the figures.
fn command(arguments: &Arguments) -> String {
    let Arguments {
        rounds,
        seconds_per_cell,
        open_loop_seconds,
        large,
        seed,
        workloads,
        ..
    } = arguments;
    let only = match workloads.is_empty() {
        true => String::new(),
        false => format!(" --workloads {}", workloads.join(",")),
    };
    format!(
        "cargo http-peers --sq target/peers/bin/sq --rounds {rounds} --seconds-per-cell {seconds_per_cell} \
         --open-loop-seconds {open_loop_seconds} --large {large} --seed {seed}{only}"
    )
}

/// Measures one workload once on each server; which goes first changes with `turn`.
fn measure(servers: &Servers, rounds: &mut Rounds, turn: usize, seconds: f64) -> Result<(), Error> {
    let asked = servers.asked(&rounds.workload);
    let first = turn % asked.len();
    for contestant in asked[first..].iter().chain(&asked[..first]) {
        let connections = contestant.connections(rounds.workload.connections);
        let measured = Cell {
            workload: &rounds.workload,
            port: contestant.server.port(),
            connections,
            limit: Duration::from_secs_f64(seconds),
            servers: &servers.pids(),
        }
        .run()?;
        rounds.add(contestant.name, connections, measured);
    }
    Ok(())
}

/// Open loops of selects and updates on the small phext.
fn open_loops(
    arguments: &Arguments,
    servers: &Servers,
    all: &[Rounds],
) -> Result<Vec<http::OpenLoop>, Error> {
    let mut rows = Vec::new();
    if arguments.open_loop_seconds <= 0.0 {
        return Ok(rows);
    }
    for endpoint in ["select", "update"] {
        let is_it = |rounds: &&Rounds| {
            rounds.workload.endpoint == endpoint && rounds.workload.dataset == "small"
        };
        let Some(Rounds { workload, .. }) = all.iter().find(is_it) else {
            continue;
        };
        // SQ first: sqd gets its rates too.
        let mut others_rates = Vec::new();
        for contestant in servers.asked(workload) {
            let open = OpenLoop {
                workload,
                port: contestant.server.port(),
                connections: contestant.connections(Connections::Kept),
                span: Duration::from_secs_f64(arguments.open_loop_seconds),
            };
            let mut rates = rates(arguments, &open)?;
            if contestant.name == http::SQ {
                others_rates.extend(rates.iter().map(|&(rate, _)| (rate, None)));
            } else if contestant.name == http::SUBJECT && arguments.rates.is_empty() {
                rates.splice(0..0, others_rates.iter().copied());
            }
            for (rate, share) in rates {
                rows.push(open_loop_row(&open, contestant, rate, share)?);
            }
        }
        eprintln!("open loops of {endpoint} are done");
    }
    Ok(rows)
}

/// The rates of a server, with their shares of what it can do where they were chosen so.
fn rates(arguments: &Arguments, open: &OpenLoop<'_>) -> Result<Vec<(f64, Option<f64>)>, Error> {
    if !arguments.rates.is_empty() {
        return Ok(arguments.rates.iter().map(|&rate| (rate, None)).collect());
    }
    let capacity = open.capacity()?;
    let of_capacity = |&share: &f64| (share * capacity, Some(share));
    Ok(arguments.shares.iter().map(of_capacity).collect())
}

fn open_loop_row(
    open: &OpenLoop<'_>,
    contestant: &Contestant,
    rate: f64,
    share: Option<f64>,
) -> Result<http::OpenLoop, Error> {
    let measured = open.at_rate(rate)?;
    Ok(http::OpenLoop {
        workload: open.workload.endpoint.to_owned(),
        engine: contestant.name.to_owned(),
        dataset: open.workload.dataset.to_owned(),
        rate_asked: rate,
        share,
        rate_per_s: measured.rate,
        requests: measured.answered,
        p50_ns: measured.quantile(0.5),
        p90_ns: measured.quantile(0.9),
        p99_ns: measured.quantile(0.99),
        p999_ns: measured.quantile(0.999),
        verified_by: rows::VERIFIED_BY.to_owned(),
    })
}
