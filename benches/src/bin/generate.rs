//! Makes a phext document of a given size: `cargo run --release -p phext-benches --bin generate --
//! --gigabytes 10 FILE`.
//!
//! The text is like an agent's memory: tenants, their agents, sessions of a day, turns of a session,
//! of 40 to 400 bytes and now and then of 20 kB, with lines. Days are numbered from 20,000 on, and
//! the last dimension of every tenant's first session counts from a million, so that components are
//! large and runs of breaks long.

use clap::Parser;
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::PhextWriter;
use phext_storage::vfs::{FileWriter, RealVfs, Vfs};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::error::Error;
use std::path::PathBuf;

const VOCABULARY_WORDS: usize = 4096;
/// Texts are windows of this many bytes of words.
const WORDS_BYTES: usize = 8 << 20;
const LONG_BYTES: usize = 20_000;

#[derive(Debug, Parser)]
#[command(about = "Makes a large phext document")]
struct Args {
    /// Size of the document in units of 10^9 bytes.
    #[arg(long, default_value_t = 1.0)]
    gigabytes: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The document; it must not exist.
    file: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut random = StdRng::seed_from_u64(args.seed);
    let words = words(&mut random);
    let file = RealVfs.create(&args.file)?;
    let mut writer = PhextWriter::new(FileWriter::new(file));
    let wanted = (args.gigabytes * 1e9) as u64;
    let (mut bytes, mut scrolls) = (0, 0u64);
    for number in 0.. {
        for coordinate in session(number, &mut random)? {
            let text = window(&words, &mut random);
            writer.write(coordinate, text)?;
            bytes += text.len() as u64 + 1;
            scrolls += 1;
        }
        if bytes >= wanted {
            break;
        }
    }
    writer.finish()?.finish()?;
    println!("{scrolls} scrolls, {bytes} bytes without longer runs of breaks");
    Ok(())
}

/// The coordinates of session `number`, which follow those of the session before.
fn session(number: u32, random: &mut StdRng) -> Result<Vec<Coordinate>, Box<dyn Error>> {
    let (tenant, day, session) = (number / 50_000, number / 100, number % 100);
    let agent = 1 + day / 50 % 10;
    let is_first = number.is_multiple_of(50_000);
    let first = if is_first { 1_000_000 } else { 1 };
    let turns = 10 + random.next_u32() % 200;
    let turn = |turn| {
        let day = 20_000 + day % 50;
        let place = [
            1,
            1 + tenant,
            1,
            agent,
            1,
            day,
            1 + session,
            1,
            first + turn,
        ];
        Ok(Coordinate::new(place)?)
    };
    (0..turns).map(turn).collect()
}

fn words(random: &mut StdRng) -> String {
    let letter = |random: &mut StdRng| char::from(b'a' + (random.next_u32() % 26) as u8);
    let word = |random: &mut StdRng| {
        let length = 2 + random.next_u32() % 9;
        (0..length).map(|_| letter(random)).collect::<String>()
    };
    let vocabulary: Vec<String> = (0..VOCABULARY_WORDS).map(|_| word(random)).collect();
    let mut words = String::with_capacity(WORDS_BYTES + LONG_BYTES);
    while words.len() < WORDS_BYTES + LONG_BYTES {
        let index = random.next_u32() as usize % VOCABULARY_WORDS;
        words.push_str(&vocabulary[index]);
        words.push(if index.is_multiple_of(12) { '\n' } else { ' ' });
    }
    words
}

fn window<'w>(words: &'w str, random: &mut StdRng) -> &'w str {
    let length = match random.next_u32() % 1000 {
        0 => LONG_BYTES,
        _ => 40 + random.next_u32() as usize % 361,
    };
    let start = random.next_u32() as usize % WORDS_BYTES;
    &words[start..start + length]
}
