//! The writers, and what is printed while they write.

use crate::Args;
use crate::bare::BareFile;
use crate::line::Line;
use crate::scrolls::{PHEXT, coordinate, put, text};
use crate::waits::{STALL, Wait, report};
use phext_storage::page_table::Location;
use phext_storage::{Store, WriteBatch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the writers share.
pub(crate) struct Soak<'a> {
    store: &'a Store,
    args: &'a Args,
    /// The newest version of each scroll; each scroll has one writer.
    versions: Vec<AtomicU32>,
    start: Instant,
    is_over: AtomicBool,
    /// What each writer did since the last look.
    commits: Vec<Mutex<Commits>>,
    failure: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Commits {
    latencies_us: Vec<u32>,
    /// Those of more than [`STALL`]: of these alone it is kept when they were.
    slow: Vec<Wait>,
}

impl Commits {
    fn note(&mut self, wait: Wait) {
        self.latencies_us.push(wait.length().as_micros() as u32);
        if wait.length() > STALL {
            self.slow.push(wait);
        }
    }

    fn append(&mut self, other: &mut Commits) {
        self.latencies_us.append(&mut other.latencies_us);
        self.slow.append(&mut other.slow);
    }
}

impl<'a> Soak<'a> {
    /// The overwriting of a store with all scrolls in it, which starts now.
    pub(crate) fn new(store: &'a Store, args: &'a Args) -> Soak<'a> {
        Soak {
            store,
            args,
            versions: (0..args.scrolls).map(|_| AtomicU32::new(0)).collect(),
            start: Instant::now(),
            is_over: AtomicBool::new(false),
            commits: (0..args.writers).map(|_| Mutex::default()).collect(),
            failure: Mutex::default(),
        }
    }

    fn write(&self, writer: u32) {
        let mut dice = StdRng::seed_from_u64(self.args.seed << 32 | u64::from(writer));
        while !self.is_over.load(Ordering::Relaxed) {
            let batch = self.batch(writer, &mut dice);
            let began = Instant::now();
            if let Err(error) = self.store.commit(batch) {
                *self.failure.lock().expect("no writer panics") = Some(error.to_string());
                self.is_over.store(true, Ordering::Relaxed);
                return;
            }
            let wait = Wait::until_now(self.start, began);
            let mine = &self.commits[writer as usize];
            mine.lock().expect("no writer panics").note(wait);
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

    /// Overwrites until the time is over and prints what that took, beside what `bare` waited.
    ///
    /// # Errors
    /// The first failure of a writer.
    pub(crate) fn run(&self, bare: &BareFile) -> Result<(), Box<dyn Error>> {
        let first = self.store.statistics();
        let (mut all, syncs) = bare.watch_during(self.start, || self.overwrite());
        let now = self.store.statistics();
        println!("the whole run:\n{}", Line::HEAD);
        let (start, latencies) = (self.start, &mut all.latencies_us);
        println!("{}", Line::new(start, start, latencies, &first, &now));
        println!("{now:#?}");
        let rate = |bytes: u64| bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
        println!(
            "{:.1} MB/s to the log, {:.1} MB/s to segments",
            rate(now.logged_bytes - first.logged_bytes),
            rate(now.sealed_bytes + now.merged_bytes - first.sealed_bytes - first.merged_bytes),
        );
        if let Some(failure) = self.failure.lock().expect("no writer panics").take() {
            return Err(failure.into());
        }
        match syncs {
            Ok(syncs) => {
                println!("{}", report("commits", all.slow, &syncs.waits));
                println!("{}", syncs.watched());
            }
            // The store is none the worse for it.
            Err(error) => println!("nothing to compare commits with: {error}"),
        }
        Ok(())
    }

    fn overwrite(&self) -> Commits {
        let mut all = thread::scope(|scope| {
            for writer in 0..self.args.writers {
                scope.spawn(move || self.write(writer));
            }
            self.print_lines()
        });
        all.append(&mut self.take_commits());
        all
    }

    /// Prints a line every ten seconds until the time is over. Gives all commits.
    fn print_lines(&self) -> Commits {
        let mut all = Commits::default();
        let mut before = self.store.statistics();
        let mut begun = self.start;
        println!("{}", Line::HEAD);
        while !self.is_over.load(Ordering::Relaxed) {
            let left = Duration::from_secs(self.args.seconds).saturating_sub(self.start.elapsed());
            thread::sleep(left.min(Duration::from_secs(10)));
            let mut commits = self.take_commits();
            let now = self.store.statistics();
            let latencies = &mut commits.latencies_us;
            println!("{}", Line::new(self.start, begun, latencies, &before, &now));
            all.append(&mut commits);
            (before, begun) = (now, Instant::now());
            if self.start.elapsed().as_secs() >= self.args.seconds {
                self.is_over.store(true, Ordering::Relaxed);
            }
        }
        all
    }

    fn take_commits(&self) -> Commits {
        let mut all = Commits::default();
        for commits in &self.commits {
            all.append(&mut commits.lock().expect("no writer panics"));
        }
        all
    }

    /// Compares every scroll with what was written last.
    pub(crate) fn verify(&self) -> Result<(), Box<dyn Error>> {
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
