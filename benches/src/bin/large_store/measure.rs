//! What opening and reading cost: run in a process of its own.

use super::{Args, NAME, coordinate, text};
use phext_storage::{Options, Phext, Store};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Opens the store and reads the same random points twice.
pub(super) fn measure(directory: &Path, args: &Args) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let store = Store::open(directory, Options::default())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("open      {seconds:>9.3} s, {}", memory()?);
    let snapshot = store.snapshot();
    let phext = snapshot.phext(NAME).ok_or("the phext is gone")?;
    if phext.scrolls() != args.scrolls() {
        return Err(format!("{} scrolls are there", phext.scrolls()).into());
    }
    let mut random = StdRng::seed_from_u64(args.seed);
    let numbers: Vec<u64> = (0..args.reads)
        .map(|_| random.random_range(0..args.scrolls()))
        .collect();
    for name in ["cold", "warm", "warm"] {
        let mut micros = read(phext, &numbers, args)?;
        micros.sort_by(f64::total_cmp);
        let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
        println!(
            "{name}      {:>9.1} us median, {:.1} us at 99 %, {} points, {}",
            at(0.5),
            at(0.99),
            micros.len(),
            memory()?
        );
    }
    Ok(())
}

/// Reads and compares each scroll. Gives the time of each in microseconds.
fn read(phext: &Phext, numbers: &[u64], args: &Args) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut expected = Vec::new();
    let mut micros = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let coordinate = coordinate(number)?;
        let start = Instant::now();
        let location = phext.locate(&coordinate)?;
        let found = location.text()?;
        micros.push(start.elapsed().as_secs_f64() * 1e6);
        text(number, args.bytes, &mut expected);
        if found != expected {
            return Err(format!("{coordinate} holds something else").into());
        }
    }
    Ok(micros)
}

/// Resident memory of this process: its own, and pages of files that it has mapped.
fn memory() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024.0 / 1e6)
    };
    let (all, own) = megabytes("VmRSS:")
        .zip(megabytes("RssAnon:"))
        .ok_or("no figures of memory")?;
    Ok(format!(
        "{all:.0} MB resident, {own:.0} MB of it not file pages"
    ))
}
