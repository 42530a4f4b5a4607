//! Loads a phext, opens it again and reads from it: `cargo load [--scrolls N] [--sqd PATH]`.
//!
//! Scrolls are written as an import does, in batches of 4 MiB of text through mutations and their
//! streams, every batch durable when it returns. Then the store is closed, opened, and points are
//! read at random, once from the large phext and once from one of 100 scrolls, in turns. Every text
//! that is read is compared with what was written. With `--sqd` the same reads are done over HTTP.

use bytes::Bytes;
use clap::Parser;
use phext_benches::machine::{Machine, bytes_on_disk};
use phext_query::{Flow, Mutation, MutationKind, Query, ResultRow, run};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Options, Phext, Store};
use phext_tests::http::{Client, Persistence, ResponseBody, Wire};
use phext_tests::process::Server;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SMALL_SCROLLS: u64 = 100;
const BATCH_SCROLLS: u64 = 16_384;

#[derive(Debug, Parser)]
#[command(about = "Load, reopen and point reads of a large phext")]
struct Args {
    /// Scrolls of the large phext.
    #[arg(long, default_value_t = 1_000_000)]
    scrolls: u64,
    /// Bytes of each scroll, at least 24.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Reads from each phext in a round.
    #[arg(long, default_value_t = 200_000)]
    reads: u64,
    /// Rounds of reads; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where to put the store; a directory beside it is made and removed.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// The server, for selects over HTTP as well.
    #[arg(long)]
    sqd: Option<PathBuf>,
    /// Selects over HTTP from each phext in a round.
    #[arg(long, default_value_t = 20_000)]
    selects: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let directory = tempfile::tempdir_in(&args.directory)?;
    println!("{}", Machine::describe(directory.path()));
    let texts = Texts {
        bytes: args.bytes.max(24),
    };

    let start = Instant::now();
    let store = Store::open(directory.path(), Options::default())?;
    load(&store, "large", args.scrolls, &texts)?;
    println!(
        "load      {:>9.2} s, durable after each batch",
        start.elapsed().as_secs_f64()
    );
    load(&store, "small", SMALL_SCROLLS, &texts)?;
    store.seal()?;
    println!("and seal  {:>9.2} s", start.elapsed().as_secs_f64());
    drop(store);

    let start = Instant::now();
    let store = Store::open(directory.path(), Options::default())?;
    println!("reopen    {:>9.3} s", start.elapsed().as_secs_f64());
    let disk = bytes_on_disk(directory.path())?;
    let text = args.scrolls * texts.bytes as u64;
    println!("disk      {disk:>9} bytes for {text} bytes of text");
    compare_reads(&store, &args, &texts)?;
    drop(store);
    match &args.sqd {
        Some(sqd) => compare_selects(sqd, directory.path(), &args, &texts),
        None => Ok(()),
    }
}

/// `select` over one keep-alive connection from both phexts in turns.
fn compare_selects(
    sqd: &Path,
    directory: &Path,
    args: &Args,
    texts: &Texts,
) -> Result<(), Box<dyn Error>> {
    let server = Server::start_sqd(sqd, directory, None)?;
    let mut client = Client::new(server.port(), Persistence::KeepAlive);
    let mut random = StdRng::seed_from_u64(args.seed);
    let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        for (name, scrolls, rates) in [
            ("large", args.scrolls, &mut of_large),
            ("small", SMALL_SCROLLS, &mut of_small),
        ] {
            let numbers: Vec<u64> = (0..args.selects)
                .map(|_| random.random_range(0..scrolls))
                .collect();
            rates.push(selects_per_second(&mut client, name, &numbers, texts)?);
        }
    }
    let (large, small) = (median(&mut of_large), median(&mut of_small));
    println!(
        "HTTP      {large:>9.0} selects per second of {} scrolls",
        args.scrolls
    );
    println!(
        "HTTP      {small:>9.0} selects per second of {SMALL_SCROLLS} scrolls, ratio {:.2}",
        large / small
    );
    Ok(())
}

fn selects_per_second(
    client: &mut Client,
    name: &str,
    numbers: &[u64],
    texts: &Texts,
) -> Result<f64, Box<dyn Error>> {
    let request = |&number: &u64| -> Result<Vec<u8>, Box<dyn Error>> {
        let query = format!("p={name}&c={}", coordinate(number)?);
        Ok(Wire::new("GET", "/api/v2/select").query(query).to_bytes())
    };
    let requests = numbers.iter().map(request).collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    for (&number, request) in numbers.iter().zip(&requests) {
        let answer = client.exchange(request, ResponseBody::Present)?;
        if answer.status != 200 || !texts.is(number, &answer.body) {
            return Err(format!("select of scroll {number} of {name}: a wrong answer").into());
        }
    }
    Ok(numbers.len() as f64 / start.elapsed().as_secs_f64())
}

/// Point reads from both phexts in turns.
fn compare_reads(store: &Store, args: &Args, texts: &Texts) -> Result<(), Box<dyn Error>> {
    let snapshot = store.snapshot();
    let phext = |name| snapshot.phext(name).ok_or("the phext was loaded");
    let (large, small) = (phext("large")?, phext("small")?);
    let mut random = StdRng::seed_from_u64(args.seed);
    let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        of_large.push(reads_per_second(
            large,
            args.scrolls,
            args.reads,
            texts,
            &mut random,
        )?);
        of_small.push(reads_per_second(
            small,
            SMALL_SCROLLS,
            args.reads,
            texts,
            &mut random,
        )?);
    }
    let (large, small) = (median(&mut of_large), median(&mut of_small));
    println!(
        "select    {large:>9.0} per second of {} scrolls",
        args.scrolls
    );
    println!(
        "select    {small:>9.0} per second of {SMALL_SCROLLS} scrolls, ratio {:.2}",
        large / small
    );
    Ok(())
}

fn load(store: &Store, name: &str, scrolls: u64, texts: &Texts) -> Result<(), Box<dyn Error>> {
    let mut next = 0;
    while next < scrolls {
        let end = (next + BATCH_SCROLLS).min(scrolls);
        let batch = (next..end).map(|n| Ok((coordinate(n)?, texts.of(n))));
        let scrolls = batch.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let mutation = Mutation {
            phext: name.to_owned(),
            kind: MutationKind::Update,
            scrolls,
        };
        store.commit(mutation.into_batch()?)?;
        next = end;
    }
    Ok(())
}

fn reads_per_second(
    phext: &Phext,
    scrolls: u64,
    reads: u64,
    texts: &Texts,
    random: &mut StdRng,
) -> Result<f64, Box<dyn Error>> {
    let numbers: Vec<u64> = (0..reads)
        .map(|_| random.random_range(0..scrolls))
        .collect();
    let coordinates = numbers
        .iter()
        .map(|&n| coordinate(n))
        .collect::<Result<Vec<_>, _>>()?;
    let mut wrong = 0;
    let start = Instant::now();
    for (&number, &coordinate) in numbers.iter().zip(&coordinates) {
        let mut sink = |row: &ResultRow<'_>| {
            wrong += u64::from(!texts.is(number, row.text.unwrap_or_default()));
            Ok(Flow::Continue)
        };
        run(&Query::point(coordinate), phext, &mut sink)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    if wrong > 0 {
        return Err(format!("{wrong} reads gave a wrong text").into());
    }
    Ok(reads as f64 / seconds)
}

/// Scroll `number` of a hierarchy with a hundred children a level.
fn coordinate(number: u64) -> Result<Coordinate, Box<dyn Error>> {
    let level = |place: u32| u32::try_from(number / 100u64.pow(place) % 100 + 1);
    let (volume, book, chapter) = (level(5)?, level(4)?, level(3)?);
    let (section, scroll) = (level(2)?, level(0)? + (level(1)? - 1) * 100);
    Ok(Coordinate::new([
        1, 1, 1, 1, volume, book, chapter, section, scroll,
    ])?)
}

/// The text of each scroll: its number, then filler.
struct Texts {
    bytes: usize,
}

impl Texts {
    fn of(&self, number: u64) -> Bytes {
        Bytes::from(format!("{number:<width$}", width = self.bytes))
    }

    fn is(&self, number: u64, text: &[u8]) -> bool {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
        let read = digits.fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        text.len() == self.bytes && read == number
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
