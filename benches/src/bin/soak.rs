//! Overwrites a phext for minutes and shows what that costs: `cargo soak [--seconds N] [--scrolls N]`.
//!
//! A phext is loaded, then writer threads overwrite its scrolls at random, each commit durable when it
//! returns, as fast as they can. Every ten seconds, and at the end for the whole run, a line says how
//! many commits there were and how long they took, how many bytes were written for each byte of
//! users', how much space segments take for each byte that is current, and how many parts there are.
//! The store seals and merges in the background meanwhile, as in a server.
//!
//! Nothing is asserted: the figures depend on the machine. At the end every scroll is read and
//! compared with what was written last.

use bytes::Bytes;
use clap::Parser;
use phext_benches::machine::{Machine, bytes_on_disk};
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::Location;
use phext_storage::{Options, Statistics, Store, WriteBatch, WriteOp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PHEXT: &str = "soak";
const BATCH_SCROLLS: u32 = 8192;
/// How long a commit may take before it counts as a stall.
const STALL: Duration = Duration::from_millis(50);

#[derive(Debug, Parser)]
#[command(about = "Durable overwrites for minutes: latencies, write amplification, space")]
struct Args {
    /// How long to overwrite.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Scrolls of the phext.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000_000))]
    scrolls: u32,
    /// Bytes of each scroll; a few more where its number does not fit.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Writer threads.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    writers: u32,
    /// Scrolls that each commit overwrites.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Nine of ten writes go to this part of the scrolls, in percent; 100 is uniform.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    hot_percent: u32,
    /// Bytes of scrolls in memory, above which they are sealed.
    #[arg(long, default_value_t = 64 << 20)]
    memtable_bytes: u64,
    /// Bytes a second that merging writes while it is on time; 0 is no limit.
    #[arg(long, default_value_t = 64 << 20)]
    merge_bytes_per_second: u64,
    /// Where to put the store; a directory in it is made and removed.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let directory = tempfile::tempdir_in(&args.directory)?;
    println!("{}", Machine::describe(directory.path()));
    let options = Options {
        memtable_bytes: args.memtable_bytes,
        merge_bytes_per_second: args.merge_bytes_per_second,
        ..Options::default()
    };
    let store = Store::open(directory.path(), options)?;
    let start = Instant::now();
    load(&store, &args)?;
    println!(
        "{} scrolls of {} bytes loaded in {:.1} s; {} writers, {} scrolls a commit, {}",
        args.scrolls,
        args.bytes,
        start.elapsed().as_secs_f64(),
        args.writers,
        args.batch,
        match args.hot_percent {
            100 => "uniform".to_owned(),
            hot => format!("nine of ten writes to {hot} %"),
        }
    );
    let soak = Soak::new(&store, &args);
    let failure = thread::scope(|scope| {
        for writer in 0..args.writers {
            let soak = &soak;
            scope.spawn(move || soak.write(writer));
        }
        soak.watch()
    });
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    println!("{} bytes on disk", bytes_on_disk(directory.path())?);
    soak.verify()?;
    println!("every scroll is what was written last");
    Ok(())
}

/// A scroll of a book of a thousand chapters of a hundred sections of ten scrolls.
fn coordinate(scroll: u32) -> Coordinate {
    let (section, chapter, book) = (scroll / 10 % 100, scroll / 1000 % 1000, scroll / 1_000_000);
    Coordinate::new([
        1,
        1,
        1,
        1,
        1,
        1 + book,
        1 + chapter,
        1 + section,
        1 + scroll % 10,
    ])
    .expect("components from 1 up")
}

fn put(scroll: u32, version: u32, bytes: usize) -> WriteOp {
    WriteOp::Put {
        coordinate: coordinate(scroll),
        text: text(scroll, version, bytes),
    }
}

fn text(scroll: u32, version: u32, bytes: usize) -> Bytes {
    let text = format!("{version} of {scroll}");
    format!("{text:<bytes$}").into()
}

fn load(store: &Store, args: &Args) -> Result<(), Box<dyn Error>> {
    let mut from = 0;
    while from < args.scrolls {
        let to = args.scrolls.min(from + BATCH_SCROLLS);
        store.commit(WriteBatch {
            phext: PHEXT.to_owned(),
            operations: (from..to).map(|n| put(n, 0, args.bytes)).collect(),
        })?;
        from = to;
    }
    store.seal()?;
    Ok(())
}

/// What the writers share.
struct Soak<'a> {
    store: &'a Store,
    args: &'a Args,
    /// The newest version of each scroll; each scroll has one writer.
    versions: Vec<AtomicU32>,
    is_over: AtomicBool,
    /// Latencies of commits since the last look, in microseconds, of each writer.
    latencies: Vec<Mutex<Vec<u32>>>,
    failure: Mutex<Option<String>>,
}

impl<'a> Soak<'a> {
    fn new(store: &'a Store, args: &'a Args) -> Soak<'a> {
        Soak {
            store,
            args,
            versions: (0..args.scrolls).map(|_| AtomicU32::new(0)).collect(),
            is_over: AtomicBool::new(false),
            latencies: (0..args.writers).map(|_| Mutex::default()).collect(),
            failure: Mutex::default(),
        }
    }

    fn write(&self, writer: u32) {
        let mut dice = StdRng::seed_from_u64(self.args.seed << 32 | u64::from(writer));
        while !self.is_over.load(Ordering::Relaxed) {
            let batch = self.batch(writer, &mut dice);
            let start = Instant::now();
            if let Err(error) = self.store.commit(batch) {
                *self.failure.lock().expect("no writer panics") = Some(error.to_string());
                self.is_over.store(true, Ordering::Relaxed);
                return;
            }
            let latency = start.elapsed().as_micros() as u32;
            let mine = &self.latencies[writer as usize];
            mine.lock().expect("no writer panics").push(latency);
        }
    }

    fn batch(&self, writer: u32, dice: &mut StdRng) -> WriteBatch {
        let operation = |_| {
            let scroll = self.scroll(writer, dice);
            let version = self.versions[scroll as usize].fetch_add(1, Ordering::Relaxed) + 1;
            put(scroll, version, self.args.bytes)
        };
        WriteBatch {
            phext: PHEXT.to_owned(),
            operations: (0..self.args.batch).map(operation).collect(),
        }
    }

    /// One of the writer's scrolls: those whose number leaves its own as the remainder.
    fn scroll(&self, writer: u32, dice: &mut StdRng) -> u32 {
        let (writers, hot) = (self.args.writers, self.args.hot_percent);
        let mine = (self.args.scrolls - writer).div_ceil(writers);
        let hot_ones = (u64::from(mine) * u64::from(hot) / 100).max(1) as u32;
        let among = match hot < 100 && dice.random_bool(0.9) {
            // Spread over the phext.
            true => (u64::from(dice.random_range(0..hot_ones)) * 100 / u64::from(hot)) as u32,
            false => dice.random_range(0..mine),
        };
        among * writers + writer
    }

    /// Prints a line every ten seconds and one for the whole run. Gives the first failure.
    fn watch(&self) -> Option<String> {
        let start = Instant::now();
        let first = self.store.statistics();
        let mut all = Vec::new();
        let mut before = first;
        let mut begun = start;
        println!("{}", Line::HEAD);
        while !self.is_over.load(Ordering::Relaxed) {
            let left = Duration::from_secs(self.args.seconds).saturating_sub(start.elapsed());
            thread::sleep(left.min(Duration::from_secs(10)));
            let mut latencies = self.take_latencies();
            let now = self.store.statistics();
            println!("{}", Line::new(start, begun, &mut latencies, &before, &now));
            all.append(&mut latencies);
            (before, begun) = (now, Instant::now());
            if start.elapsed().as_secs() >= self.args.seconds {
                self.is_over.store(true, Ordering::Relaxed);
            }
        }
        let now = self.store.statistics();
        println!("the whole run:\n{}", Line::HEAD);
        println!("{}", Line::new(start, start, &mut all, &first, &now));
        let stalled = all
            .iter()
            .filter(|&&us| u128::from(us) > STALL.as_micros())
            .count();
        println!("{stalled} commits took more than {} ms", STALL.as_millis());
        println!("{now:#?}");
        self.failure.lock().expect("no writer panics").take()
    }

    fn take_latencies(&self) -> Vec<u32> {
        let mut all = Vec::new();
        for latencies in &self.latencies {
            all.append(&mut latencies.lock().expect("no writer panics"));
        }
        all
    }

    fn verify(&self) -> Result<(), Box<dyn Error>> {
        let snapshot = self.store.snapshot();
        let phext = snapshot.phext(PHEXT).ok_or("the phext is gone")?;
        for scroll in 0..self.args.scrolls {
            let version = self.versions[scroll as usize].load(Ordering::Relaxed);
            let found = phext.locate(&coordinate(scroll))?;
            let is_right = !matches!(found, Location::Absent)
                && found.text()? == text(scroll, version, self.args.bytes);
            if !is_right {
                return Err(format!("scroll {scroll} is not version {version}").into());
            }
        }
        Ok(())
    }
}

/// The figures of a span of time.
struct Line {
    at: Duration,
    span: Duration,
    commits: usize,
    p50_us: u32,
    p99_us: u32,
    p999_us: u32,
    max_us: u32,
    amplification: f64,
    now: Statistics,
    stalls: u64,
    slowdowns: u64,
    merges: u64,
}

impl Line {
    const HEAD: &str = "    s  commits/s   p50 us   p99 us  p99.9 us   max us  written  space  parts  \
                        debt  merges  stalls  slowdowns";

    /// Sorts `latencies`.
    fn new(
        start: Instant,
        begun: Instant,
        latencies: &mut [u32],
        before: &Statistics,
        now: &Statistics,
    ) -> Line {
        latencies.sort_unstable();
        let last = latencies.len().saturating_sub(1);
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index.min(last)).copied().unwrap_or(0)
        };
        let written = |s: &Statistics| s.logged_bytes + s.sealed_bytes + s.merged_bytes;
        let user = (now.user_bytes - before.user_bytes).max(1);
        Line {
            at: start.elapsed(),
            span: begun.elapsed(),
            commits: latencies.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: at(1.0),
            amplification: (written(now) - written(before)) as f64 / user as f64,
            now: *now,
            stalls: now.stalls - before.stalls,
            slowdowns: now.slowdowns - before.slowdowns,
            merges: now.merges - before.merges,
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>5.0} {:>10.0} {:>8} {:>8} {:>9} {:>8} {:>8.2} {:>6.2} {:>6} {:>5} {:>7} {:>7} {:>10}",
            self.at.as_secs_f64(),
            self.commits as f64 / self.span.as_secs_f64(),
            self.p50_us,
            self.p99_us,
            self.p999_us,
            self.max_us,
            self.amplification,
            self.now.space_amplification(),
            self.now.most_parts,
            self.now.debt_permille,
            self.merges,
            self.stalls,
            self.slowdowns,
        )
    }
}
