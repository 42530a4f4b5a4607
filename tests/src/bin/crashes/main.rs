//! Kills the real server under load, again and again, and checks what comes back.
//!
//! ```text
//! cargo crashes --sqd PATH --kills 100 --writers 8 --seed 1
//! ```
//!
//! Each round starts sqd on the same data directory, lets the writers work for 20 to 400 ms, kills
//! it with SIGKILL, starts it again and reads every scroll a writer owns. What is checked:
//!
//! | promise | check |
//! |---|---|
//! | an acknowledged write stays | each writer's scrolls are those after its last acknowledged operation, or after a later one that it had sent |
//! | the order of writes stays | one such point explains *all* scrolls of a writer: its operations go round a ring of coordinates in two phexts, so the recovered state is a prefix of its order |
//! | no write is torn | every scroll consists of records that name writer, number, length and checksum |
//! | nothing appears from nowhere | the number of scrolls of each phext is that of the writers' scrolls in it |
//!
//! SIGKILL leaves the page cache: this finds acknowledgements that come before the write, torn
//! records and wrong recovery, not a missing `fdatasync`. For that there is the test
//! `fdatasync.rs`, which watches the system calls.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use phext_tests::error::{Context, Error};
use phext_tests::http::Persistence;
use phext_tests::ledger::verify::{self, Findings};
use phext_tests::ledger::{Ledger, writer};
use phext_tests::process::Server;
use phext_tests::random::{self, Random};
use rand::Rng;

/// Kills sqd under load and verifies what it recovers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The sqd binary.
    #[arg(long)]
    sqd: PathBuf,
    /// How often to kill it.
    #[arg(long, default_value_t = 100)]
    kills: usize,
    /// How many clients write at a time.
    #[arg(long, default_value_t = 8)]
    writers: usize,
    /// The seed of the run; a fresh one where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// A connection per request, to try the harness on a server that keeps none.
    #[arg(long, hide = true)]
    connection_per_request: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(random::fresh_seed);
    println!("seed {seed}, {} writers", arguments.writers);
    match run(&arguments, seed) {
        Ok(findings) => findings.close(),
        Err(error) => {
            eprintln!("crashes, seed {seed}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, seed: u64) -> Result<Findings, Error> {
    let mut random = random::seeded(seed);
    let directory = tempfile::tempdir().context(|| "creating a data directory")?;
    let mut ledgers: Vec<Ledger> = (0..arguments.writers)
        .map(|writer| Ledger::new(writer, random.random()))
        .collect();
    let mut findings = Findings::new("kills");
    let mut server = start(&arguments.sqd, directory.path(), 0)?;
    for kill in 1..=arguments.kills {
        let outcome = round(arguments, &mut random, server, &mut ledgers);
        server = start(&arguments.sqd, directory.path(), kill)?;
        findings.kills = kill;
        findings.refusals(kill, outcome);
        verify::verify(server.port(), &mut ledgers, &mut findings)?;
        if kill % 10 == 0 {
            findings.progress(&ledgers);
        }
    }
    findings.acknowledged = ledgers.iter().map(Ledger::acknowledged).sum();
    if !findings.is_clean() {
        let kept = directory.keep();
        println!("the data directory is kept: {}", kept.display());
    }
    Ok(findings)
}

fn start(sqd: &Path, directory: &Path, kills: usize) -> Result<Server, Error> {
    Server::start_sqd(sqd, directory, None).map_err(|error| {
        Error::Server(format!(
            "the server did not come up after {kills} kills: {error}"
        ))
    })
}

/// Lets the writers work on a running server for a while, and kills it. What a writer reports is
/// that the server answered wrongly or went away before it was killed.
fn round(
    arguments: &Arguments,
    random: &mut Random,
    server: Server,
    ledgers: &mut [Ledger],
) -> Vec<String> {
    let persistence = if arguments.connection_per_request {
        Persistence::PerRequest
    } else {
        Persistence::KeepAlive
    };
    let killed = AtomicBool::new(false);
    let working = Duration::from_millis(random.random_range(20..=400));
    let port = server.port();
    thread::scope(|scope| {
        let writers: Vec<_> = ledgers
            .iter_mut()
            .map(|ledger| scope.spawn(|| writer::write(port, persistence, ledger, &killed)))
            .collect();
        thread::sleep(working);
        killed.store(true, Ordering::SeqCst);
        server.kill();
        writers
            .into_iter()
            .filter_map(|writer| {
                writer
                    .join()
                    .unwrap_or_else(|_| Some("a writer panicked".into()))
            })
            .collect()
    })
}
