//! A bare file that is written and synced again and again: what the medium does without a store.
//!
//! Its space is written once before, so that a sync brings nothing but the bytes to the medium: no
//! length, no newly used space, no entry of a directory. What it waits for is then the medium, which
//! may be busy with what others write, here or on other machines that share it; or a processor, and how
//! late its thread was woken at most is printed for that.

use crate::line::quantile;
use crate::waits::{NOTED, STALL, Wait, milliseconds};
use phext_storage::vfs::{File, RealVfs, Vfs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between the syncs of a file that watches the medium: often enough to be waiting whenever it pauses,
/// rarely enough not to load it.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);
const WATCHING_FILE_BYTES: u64 = 1 << 20;
const WATCHING_BLOCK_BYTES: usize = 4 << 10;
const FILL_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct BareFile {
    file: Box<dyn File>,
    path: PathBuf,
    bytes: u64,
    /// What each sync brings to the medium.
    block: Vec<u8>,
}

impl BareFile {
    /// Makes a file, which must not exist, of `bytes` rounded up to whole mebibytes.
    pub(crate) fn create(path: &Path, bytes: u64, block_bytes: usize) -> io::Result<BareFile> {
        let bytes = bytes.next_multiple_of(FILL_BYTES);
        let fill = noise(FILL_BYTES as usize);
        let create = || {
            let file = RealVfs.create(path)?;
            file.allocate(bytes)?;
            for at in (0..bytes).step_by(FILL_BYTES as usize) {
                file.write_at(at, &fill)?;
            }
            file.sync_data()?;
            Ok(file)
        };
        Ok(BareFile {
            file: create().map_err(|error| of(path, &error))?,
            path: path.to_owned(),
            bytes,
            block: noise(block_bytes),
        })
    }

    /// A small one that watches the medium; see [`BareFile::watch_during`].
    pub(crate) fn watching(directory: &Path) -> io::Result<BareFile> {
        let path = directory.join("bare");
        BareFile::create(&path, WATCHING_FILE_BYTES, WATCHING_BLOCK_BYTES)
    }

    /// Does `work`, and syncs the file every [`PAUSE`] meanwhile, on a thread of its own.
    pub(crate) fn watch_during<T>(
        &self,
        start: Instant,
        work: impl FnOnce() -> T,
    ) -> (T, io::Result<Syncs>) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watching = scope.spawn(|| self.sync_until(&is_over, start, PAUSE));
            let done = work();
            is_over.store(true, Ordering::Relaxed);
            (done, watching.join().expect("the thread does not panic"))
        })
    }

    /// Writes a block after the last, from the file's start again where it is full, and syncs it, until
    /// `is_over`.
    pub(crate) fn sync_until(
        &self,
        is_over: &AtomicBool,
        start: Instant,
        pause: Duration,
    ) -> io::Result<Syncs> {
        let mut syncs = Syncs::default();
        let mut at = 0;
        while !is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            self.sync(at).map_err(|error| of(&self.path, &error))?;
            syncs.note(Wait::until_now(start, began));
            at = self.after(at);
            syncs.pause(pause);
        }
        Ok(syncs)
    }

    fn sync(&self, at: u64) -> io::Result<()> {
        self.file.write_at(at, &self.block)?;
        self.file.sync_data()
    }

    /// Where the block after the one at `at` goes.
    fn after(&self, at: u64) -> u64 {
        let block = self.block.len() as u64;
        match at + 2 * block <= self.bytes {
            true => at + block,
            false => 0,
        }
    }
}

/// Bytes that no layer of the medium can store as fewer.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    StdRng::seed_from_u64(1).fill(&mut noise[..]);
    noise
}

/// The error with the file it is about.
pub(crate) fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// How long each write and its sync took together.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    latencies_us: Vec<u32>,
    /// Those of at least [`NOTED`].
    pub(crate) waits: Vec<Wait>,
    /// How much longer than meant the longest pause was.
    latest_wake: Duration,
}

impl Syncs {
    fn note(&mut self, wait: Wait) {
        self.latencies_us.push(wait.length().as_micros() as u32);
        if wait.length() >= NOTED {
            self.waits.push(wait);
        }
    }

    fn pause(&mut self, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        let asleep = Instant::now();
        thread::sleep(pause);
        let late = asleep.elapsed().saturating_sub(pause);
        self.latest_wake = self.latest_wake.max(late);
    }

    pub(crate) fn stalls(&self) -> Vec<Wait> {
        let stalls = self.waits.iter().filter(|wait| wait.length() > STALL);
        stalls.copied().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies_us.len()
    }

    /// The quantiles that are printed.
    pub(crate) fn summary(&self) -> String {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        format!(
            "p50 {} us, p99 {} us, longest {:.1} ms",
            quantile(&sorted, 0.5),
            quantile(&sorted, 0.99),
            f64::from(quantile(&sorted, 1.0)) / 1e3,
        )
    }

    /// The line of a file that watched the medium.
    pub(crate) fn watched(&self) -> String {
        format!(
            "the bare file: {} syncs, {} ms apart: {}, {} of more than {} ms; its thread was woken at most \
             {:.1} ms late",
            self.count(),
            PAUSE.as_millis(),
            self.summary(),
            self.stalls().len(),
            STALL.as_millis(),
            milliseconds(self.latest_wake),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where blocks go in a file of a mebibyte, until one goes to the start again.
    fn places(block_bytes: usize) -> Vec<u64> {
        let directory = tempfile::tempdir().unwrap();
        let file = BareFile::create(&directory.path().join("file"), 1, block_bytes).unwrap();
        let next = |at: &u64| Some(file.after(*at)).filter(|&next| next > 0);
        std::iter::successors(Some(0), next).collect()
    }

    #[test]
    fn blocks_follow_each_other_and_never_go_beyond_the_file() {
        assert_eq!(places(256 << 10), [0, 256 << 10, 512 << 10, 768 << 10]);
        assert_eq!(places(500_000), [0, 500_000]);
        assert_eq!(places(1 << 20), [0]);
    }

    #[test]
    fn a_file_that_watches_keeps_its_length_and_counts_its_syncs() {
        let directory = tempfile::tempdir().unwrap();
        let file = BareFile::watching(directory.path()).unwrap();
        let start = Instant::now();
        let (answer, syncs) = file.watch_during(start, || {
            thread::sleep(20 * PAUSE);
            7
        });
        let syncs = syncs.unwrap();
        assert_eq!(answer, 7);
        assert!((1..=21).contains(&syncs.count()), "{syncs:?}");
        let length = RealVfs
            .metadata(&directory.path().join("bare"))
            .unwrap()
            .length;
        assert_eq!(length, WATCHING_FILE_BYTES);
    }

    #[test]
    fn long_waits_are_kept_and_the_longest_are_stalls() {
        let mut syncs = Syncs::default();
        for milliseconds in [1, 9, 10, 50, 51] {
            syncs.note(Wait {
                began: Duration::from_millis(100),
                ended: Duration::from_millis(100 + milliseconds),
            });
        }
        let lengths = |waits: &[Wait]| -> Vec<_> {
            let lengths = waits.iter().map(Wait::length);
            lengths.map(|length| length.as_millis()).collect()
        };
        assert_eq!(syncs.count(), 5);
        assert_eq!(lengths(&syncs.waits), [10, 50, 51]);
        assert_eq!(lengths(&syncs.stalls()), [51]);
        assert_eq!(
            syncs.summary(),
            "p50 10000 us, p99 51000 us, longest 51.0 ms"
        );
    }

    #[test]
    fn an_error_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent").join("file");
        let error = BareFile::create(&path, 1, 1).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
