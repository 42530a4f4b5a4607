//! Overwrites a phext for minutes and shows what that costs: `cargo soak [--seconds N] [--scrolls N]`.
//!
//! A phext is loaded, then writer threads overwrite its scrolls at random, each commit durable when it
//! returns, as fast as they can. Every ten seconds, and at the end for the whole run, a line says how
//! many commits there were and how long they took, how many bytes were written for each byte of
//! users', how much space segments take for each byte that is current, and how many parts there are.
//! The store seals and merges in the background meanwhile, as in a server.
//!
//! A medium can pause by itself, above all one that is shared with other machines, and commits pause with
//! it. To tell such waits from the store's own, a bare file beside the store is written and synced every
//! few milliseconds meanwhile. At the end, commits of more than 50 ms are listed in groups of such as
//! overlap in time, each with the longest wait of the bare file that overlaps with the group. Where that
//! is at least half as long as the group's longest commit, what was waited for is below the store: the
//! medium, the file system or a processor. It may still be the store's own bulk writing that keeps
//! the medium busy.
//!
//! Therefore `--alone SECONDS` shows what the medium does under such writing without a store: before there
//! is one, a bare log is synced beside a bare writer of large files, and its waits are listed in the same way.
//! The writer has by default about the volume that segments have in a soak. The log is synced as fast as it
//! can be, which is more often than a store does; `--alone-pause-us` makes it slower.
//!
//! Nothing is asserted: the figures depend on the machine. At the end every scroll is read and
//! compared with what was written last.

mod alone;
mod bare;
mod bulk;
mod line;
mod overwriting;
mod scrolls;
mod waits;

use crate::alone::Alone;
use crate::bare::BareFile;
use crate::overwriting::Soak;
use clap::Parser;
use phext_benches::machine::{Machine, bytes_on_disk};
use phext_storage::{Options, Store};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

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
    #[command(flatten)]
    alone: Alone,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let directory = tempfile::tempdir_in(&args.directory)?;
    println!("{}", Machine::describe(directory.path()));
    args.alone.run(directory.path())?;
    let bare = BareFile::watching(directory.path())?;
    let store_directory = directory.path().join("store");
    let store = Store::open(&store_directory, options(&args))?;
    let start = Instant::now();
    scrolls::load(&store, args.scrolls, args.bytes)?;
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
    soak.run(&bare)?;
    println!("{} bytes on disk", bytes_on_disk(&store_directory)?);
    soak.verify()?;
    println!("every scroll is what was written last");
    Ok(())
}

fn options(args: &Args) -> Options {
    Options {
        memtable_bytes: args.memtable_bytes,
        merge_bytes_per_second: args.merge_bytes_per_second,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_alone_is_not_the_time_of_the_soak() {
        let args = Args::try_parse_from(["soak", "--seconds", "60", "--alone", "20"]);
        let args = args.unwrap();
        assert_eq!((args.seconds, args.alone.alone), (60, 20));
    }
}
