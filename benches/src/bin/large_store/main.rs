//! Opens a large store and reads points: `cargo large-store --gigabytes 10 --directory DIR`.
//!
//! The store is built by an ingest and dropped from the page cache. Then a process of its own opens
//! it and reads points, so that its memory is its own; with `--cgroup-megabytes` that process, its
//! share of the page cache included, runs under that limit. Every text that is read is compared
//! with what was written.

mod cgroup;
mod measure;

use cgroup::Cgroup;
use clap::Parser;
use phext_benches::machine::{Machine, bytes_on_disk};
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::{RealVfs, Vfs};
use phext_storage::{IngestMode, Options, Store};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The phext.
const NAME: &str = "large";

#[derive(Debug, Parser)]
#[command(about = "Open time, memory and point reads of a large store")]
struct Args {
    /// Text in the store, in units of 10^9 bytes.
    #[arg(long, default_value_t = 1.0)]
    gigabytes: f64,
    /// Bytes of each scroll, at least 24.
    #[arg(long, default_value_t = 1000)]
    bytes: usize,
    /// Points read, first cold, then again warm.
    #[arg(long, default_value_t = 2000)]
    reads: usize,
    /// Where to put the store; a directory beside it is made and removed.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Memory of the process that opens and reads, page cache included, in units of 2^20 bytes.
    #[arg(long)]
    cgroup_megabytes: Option<u64>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A store that was built before: measure it, in this process.
    #[arg(long, hide = true)]
    measure: Option<PathBuf>,
    /// The control group to enter first.
    #[arg(long, hide = true)]
    enter: Option<PathBuf>,
}

impl Args {
    fn scrolls(&self) -> u64 {
        (self.gigabytes * 1e9 / self.bytes.max(24) as f64) as u64
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if let Some(directory) = &args.measure {
        if let Some(group) = &args.enter {
            Cgroup::enter(group)?;
        }
        return measure::measure(directory, &args);
    }
    let directory = tempfile::tempdir_in(&args.directory)?;
    println!("{}", Machine::describe(directory.path()));
    build(directory.path(), &args)?;
    forget(directory.path())?;
    let group = args.cgroup_megabytes.map(Cgroup::create);
    match &group {
        Some(Ok(group)) => println!("limit     {group}"),
        Some(Err(error)) => println!("limit     none: no control group can be made: {error}"),
        None => {}
    }
    let group = group.and_then(Result::ok);
    measure_in_another_process(directory.path(), &args, group.as_ref())
}

fn build(directory: &Path, args: &Args) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let store = Store::open(directory, Options::default())?;
    let mut ingest = store.ingest(NAME, IngestMode::Replace)?;
    let mut buffer = Vec::new();
    for number in 0..args.scrolls() {
        text(number, args.bytes, &mut buffer);
        ingest.push(coordinate(number)?, &buffer)?;
    }
    let summary = ingest.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let (scrolls, parts) = (summary.scrolls, summary.parts);
    println!("build     {seconds:>9.1} s, {scrolls} scrolls in {parts} parts");
    drop(store);
    let disk = bytes_on_disk(directory)?;
    println!(
        "disk      {disk} bytes for {} bytes of text",
        summary.text_bytes
    );
    Ok(())
}

/// Drops every file of the store from the page cache.
fn forget(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            RealVfs.release(&path)?;
        }
    }
    Ok(())
}

fn measure_in_another_process(
    store: &Path,
    args: &Args,
    group: Option<&Cgroup>,
) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--measure").arg(store);
    for (name, value) in [
        ("--gigabytes", args.gigabytes.to_string()),
        ("--bytes", args.bytes.to_string()),
        ("--reads", args.reads.to_string()),
        ("--seed", args.seed.to_string()),
    ] {
        command.arg(name).arg(value);
    }
    if let Some(group) = group {
        command.arg("--enter").arg(group.path());
    }
    let status = command.status()?;
    if let Some(group) = group {
        println!("group     at most {}", group.most()?);
    }
    match status.success() {
        true => Ok(()),
        false => Err(format!("the measuring process ended with {status}").into()),
    }
}

/// Scroll `number` of a hierarchy with a hundred children a level, in coordinate order.
fn coordinate(number: u64) -> Result<Coordinate, Box<dyn Error>> {
    let level = |place: u32| u32::try_from(number / 100u64.pow(place) % 100 + 1);
    let (volume, book, chapter) = (level(5)?, level(4)?, level(3)?);
    let (section, scroll) = (level(2)?, level(0)? + (level(1)? - 1) * 100);
    Ok(Coordinate::new([
        1, 1, 1, 1, volume, book, chapter, section, scroll,
    ])?)
}

/// The text of scroll `number`: the number, then filler.
fn text(number: u64, bytes: usize, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(format!("{number} ").as_bytes());
    buffer.resize(bytes.max(24), b'.');
}
