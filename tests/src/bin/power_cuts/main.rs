//! Cuts the power of the real server's file system, again and again, and checks what comes back.
//!
//! ```text
//! cargo power-cuts --sqd PATH --cuts 20 --writers 8 --seed 1
//! ```
//!
//! The data directory lies on a file system of this program's own (FUSE), which keeps what was
//! written and not synced apart from what was. Each round lets writers work until the power goes at a
//! random operation of the file system, in half of the rounds once more while the server recovers,
//! and then starts the server on what the cuts left. What is checked is what `cargo crashes` checks:
//! every acknowledged write is there, each writer's scrolls are of one point in its order, and no
//! scroll is torn. Unlike a kill, a cut loses what only the page cache had, so that a missing sync of
//! the log, of a segment, of the catalog's files or of a directory shows.
//!
//! One cut in four loses all that it may; the others a random part, with torn writes.
//!
//! It needs `/dev/fuse` and the right to mount. Where it may not, it says so and ends with 0, or with
//! a failure under `--required`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use phext_tests::error::{Context, Error};
use phext_tests::http::Persistence;
use phext_tests::ledger::verify::{self, Findings};
use phext_tests::ledger::{Ledger, writer};
use phext_tests::process::{Server, free_port, sqd_command};
use phext_tests::random::{self, Random};
use rand::Rng;

mod medium;
mod mount;
mod power;

use medium::{Losses, Medium};
use mount::Mount;
use power::Power;

/// Sizes of the memtables of a server: always sealing, often, or hardly.
const MEMTABLE_BYTES: [u64; 3] = [8_000, 60_000, 1 << 20];

/// The most operations that a loaded server gets to do before its power goes.
const OPERATIONS: u64 = 4_000;

/// The same while it recovers.
const RECOVERY_OPERATIONS: u64 = 40;

/// A server that does fewer operations than it may loses its power after so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same while it recovers.
const RECOVERY_PATIENCE: Duration = Duration::from_millis(500);

/// How long after SIGKILL the file system begins to answer what the server asked.
const DEATH: Duration = Duration::from_millis(50);

/// Cuts the power of sqd's file system under load and verifies what it recovers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The sqd binary.
    #[arg(long)]
    sqd: PathBuf,
    /// How many rounds.
    #[arg(long, default_value_t = 20)]
    cuts: usize,
    /// How many clients write at a time.
    #[arg(long, default_value_t = 8)]
    writers: usize,
    /// The seed of the run; a fresh one where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Fails where the file system cannot be mounted.
    #[arg(long)]
    required: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = can_mount() {
        println!("power cuts: skipped, {reason}");
        return match arguments.required {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        };
    }
    let seed = arguments.seed.unwrap_or_else(random::fresh_seed);
    println!("seed {seed}, {} writers", arguments.writers);
    match run(&arguments, seed) {
        Ok(findings) => findings.close(),
        Err(error) => {
            eprintln!("power cuts, seed {seed}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether a file system can be mounted here.
fn can_mount() -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    Mount::new(Medium::new(), directory.path())
        .and_then(Mount::unmount)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn run(arguments: &Arguments, seed: u64) -> Result<Findings, Error> {
    let mut random = random::seeded(seed);
    let mut ledgers: Vec<Ledger> = (0..arguments.writers)
        .map(|writer| Ledger::new(writer, random.random()))
        .collect();
    let mut findings = Findings::new("power cuts");
    let mut losses = Losses::default();
    let mut site = Site::new(Medium::new(), &mut random)?;
    let mut server = site.start(arguments)?;
    for round in 0..arguments.cuts {
        let complaints = work_until_cut(&site, &mut random, server, &mut ledgers);
        findings.kills += 1;
        findings.refusals(findings.kills, complaints);
        site = site.after_cut(&mut random, &mut losses)?;
        if random.random_bool(0.5) {
            let count = random.random_range(0..RECOVERY_OPERATIONS);
            site.cut_while_starting(arguments, count)?;
            findings.kills += 1;
            site = site.after_cut(&mut random, &mut losses)?;
        }
        server = site.start(arguments)?;
        verify::verify(server.port(), &mut ledgers, &mut findings)?;
        if (round + 1) % 10 == 0 {
            findings.progress(&ledgers);
        }
    }
    server.kill();
    site.mount.unmount()?;
    findings.acknowledged = ledgers.iter().map(Ledger::acknowledged).sum();
    println!(
        "lost to the cuts: {} changes of files, {} of names",
        losses.changes, losses.names
    );
    Ok(findings)
}

/// A mounted medium and where it is mounted.
struct Site {
    mount: Mount,
    directory: tempfile::TempDir,
    memtable_bytes: u64,
}

impl Site {
    fn new(medium: Medium, random: &mut Random) -> Result<Self, Error> {
        let directory = tempfile::tempdir().context(|| "creating a mount point")?;
        let mount = Mount::new(medium, directory.path())?;
        Ok(Self {
            mount,
            directory,
            memtable_bytes: *random::pick(random, &MEMTABLE_BYTES),
        })
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn power(&self) -> &Power {
        self.mount.power()
    }

    /// What the cut left, mounted anew.
    fn after_cut(self, random: &mut Random, losses: &mut Losses) -> Result<Self, Error> {
        let medium = self.mount.unmount()?;
        let loses_all = random.random_ratio(1, 4);
        let (survivor, lost) = medium.after_power_cut((!loses_all).then_some(&mut *random));
        losses.changes += lost.changes;
        losses.names += lost.names;
        Self::new(survivor, random)
    }

    fn start(&self, arguments: &Arguments) -> Result<Server, Error> {
        let mut server = self.spawn(arguments)?;
        server.await_answer(None).map(|()| server)
    }

    fn spawn(&self, arguments: &Arguments) -> Result<Server, Error> {
        let port = free_port()?;
        let mut command = sqd_command(&arguments.sqd, port, &self.data())?;
        let memtable_bytes = self.memtable_bytes.to_string();
        command.args(["--memtable-bytes", &memtable_bytes]);
        Server::spawn(command, port)
    }

    /// Starts the server, which loses its power at operation `count`, or soon where it does not do so
    /// much.
    fn cut_while_starting(&self, arguments: &Arguments, count: u64) -> Result<(), Error> {
        self.power().cut_after(count);
        let mut server = self.spawn(arguments)?;
        self.power().await_cut(RECOVERY_PATIENCE);
        if !self.power().is_cut() && server.wait(Duration::ZERO).is_ok() {
            let text = "the server gave up on what a cut left";
            return Err(Error::Server(format!("{text}: {}", server.stderr())));
        }
        self.kill(server);
        Ok(())
    }

    /// Kills a server that may wait for the file system.
    fn kill(&self, server: Server) {
        self.power().cut();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(DEATH);
                self.power().release();
            });
            server.kill();
        });
    }
}

/// Lets the writers work until the power goes. What a writer reports is that the server answered
/// wrongly before.
fn work_until_cut(
    site: &Site,
    random: &mut Random,
    server: Server,
    ledgers: &mut [Ledger],
) -> Vec<String> {
    let killed = AtomicBool::new(false);
    let port = server.port();
    thread::scope(|scope| {
        let writers: Vec<_> = ledgers
            .iter_mut()
            .map(|ledger| {
                scope.spawn(|| writer::write(port, Persistence::KeepAlive, ledger, &killed))
            })
            .collect();
        site.power().cut_after(random.random_range(0..OPERATIONS));
        site.power().await_cut(PATIENCE);
        killed.store(true, Ordering::SeqCst);
        site.kill(server);
        writers
            .into_iter()
            .filter_map(|writer| {
                let panicked = || Some("a writer panicked".to_owned());
                writer.join().unwrap_or_else(|_| panicked())
            })
            .collect()
    })
}
