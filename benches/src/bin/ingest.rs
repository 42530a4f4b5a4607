//! Bulk ingest: `cargo ingest [--scrolls N] [--bytes N] [--rounds N]`.
//!
//! The same scrolls are loaded into empty stores, in coordinate order and shuffled, durable at the end
//! of each, in turns. The clock runs from the first push to the return of `finish`; coordinates and
//! texts are made before. Texts of every store are compared with what was pushed, by sample.

use clap::{Parser, ValueEnum};
use phext_benches::machine::{Machine, bytes_on_disk, processor_seconds};
use phext_storage::coordinate::Coordinate;
use phext_storage::{IngestMode, Options, Store};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

const SAMPLES: usize = 10_000;
/// Texts are windows of this many random letters, so that making one costs nothing.
const LETTERS: usize = 1 << 20;

#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
enum Dataset {
    /// Nine components, each uniform from 1 to 1000.
    Uniform,
    /// Tenants, their sessions, days and turns: few values above, many below.
    Agents,
}

#[derive(Debug, Parser)]
#[command(about = "Bulk ingest of sorted and of shuffled scrolls")]
struct Args {
    /// Scrolls to load.
    #[arg(long, default_value_t = 1_000_000)]
    scrolls: u64,
    /// Bytes of each scroll, at most 1024.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Rounds; the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, value_enum, default_value = "agents")]
    dataset: Dataset,
    /// Where to put the stores; directories beside it are made and removed.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    println!("{}", Machine::describe(&args.directory));
    let mut random = StdRng::seed_from_u64(args.seed);
    let letters: Vec<u8> = (0..LETTERS + 1024)
        .map(|_| b'a' + (random.next_u32() % 26) as u8)
        .collect();
    let mut sorted = coordinates(&args, &mut random)?;
    sorted.sort_unstable();
    sorted.dedup();
    let mut shuffled = sorted.clone();
    shuffled.shuffle(&mut random);
    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (keys, seconds) in [&sorted, &shuffled].into_iter().zip(&mut seconds) {
            seconds.push(load(&args, keys, &letters, &mut random)?);
        }
    }
    for (name, seconds) in ["sorted", "shuffled"].into_iter().zip(&mut seconds) {
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!(
            "{name:<9} {:>8.3} s   {:>6.0} ns a scroll   {:>6.0} MB/s of text",
            median,
            median * 1e9 / sorted.len() as f64,
            (sorted.len() * args.bytes) as f64 / 1e6 / median,
        );
    }
    Ok(())
}

fn coordinates(args: &Args, random: &mut StdRng) -> Result<Vec<Coordinate>, Box<dyn Error>> {
    let mut below = |limit: u32| 1 + random.next_u32() % limit;
    let mut coordinate = |number: u64| match args.dataset {
        Dataset::Uniform => std::array::from_fn(|_| below(1000)),
        Dataset::Agents => {
            let (tenant, agent) = (1 + (number % 7) as u32, below(20));
            let turn = 1 + (number / 1000) as u32;
            [
                tenant,
                agent,
                1,
                below(50),
                2026,
                below(12),
                below(28),
                turn,
                below(200),
            ]
        }
    };
    let coordinates = (0..args.scrolls).map(|number| Ok(Coordinate::new(coordinate(number))?));
    coordinates.collect()
}

/// The text at a coordinate: a window of the letters.
fn text<'a>(letters: &'a [u8], coordinate: &Coordinate, bytes: usize) -> &'a [u8] {
    let components = coordinate.components().iter();
    let mixed = components.fold(7u32, |mix, &c| (mix ^ c).wrapping_mul(0x9e37_79b1));
    let start = mixed as usize % LETTERS;
    &letters[start..start + bytes.min(1024)]
}

fn load(
    args: &Args,
    keys: &[Coordinate],
    letters: &[u8],
    random: &mut StdRng,
) -> Result<f64, Box<dyn Error>> {
    let directory = tempfile::tempdir_in(&args.directory)?;
    let store = Store::open(directory.path(), Options::default())?;
    let processor = processor_seconds();
    let start = Instant::now();
    let mut ingest = store.ingest("loaded", IngestMode::Replace)?;
    for key in keys {
        ingest.push(*key, text(letters, key, args.bytes))?;
    }
    let pushed = start.elapsed().as_secs_f64();
    let summary = ingest.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    assert_eq!(summary.scrolls, keys.len() as u64);
    let snapshot = store.snapshot();
    let phext = snapshot.phext("loaded").ok_or("the phext was loaded")?;
    for _ in 0..SAMPLES {
        let key = &keys[random.random_range(0..keys.len())];
        let location = phext.locate(key)?;
        if location.text()? != text(letters, key, args.bytes) {
            return Err(format!("the scroll at {key} is wrong").into());
        }
    }
    println!(
        "{seconds:.3} s, of which {pushed:.3} s pushing; {processor:.2} s of processor time; {} parts, {} bytes on disk",
        summary.parts,
        bytes_on_disk(directory.path())?
    );
    Ok(seconds)
}
