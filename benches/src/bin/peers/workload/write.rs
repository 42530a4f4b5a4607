//! Durable puts on a loaded store, from one thread, from many, and from writers without a thread.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use phext_benches::machine::wait_for_rest;

use crate::dataset::{Dataset, write_text};
use crate::engine::{Engine, Outcome, Put};
use crate::key::{Key, PACKED_BYTES};
use crate::tally::{Tally, text_sum};
use crate::workload::{Measured, Workload};

const PUTS: usize = 300;
/// Threads of [`Workload::Group`], and writers of [`Workload::Callbacks`].
pub(crate) const WRITERS: usize = 64;
const PUTS_PER_WRITER: usize = 64;
/// How long the background threads of all engines may take to finish what earlier writes left to them.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// The puts of a round: new texts for distinct stored keys.
pub(crate) struct Puts {
    puts: Vec<Put>,
    workload: Workload,
    expected: Tally,
}

impl Puts {
    /// The puts of a workload.
    pub(crate) fn new(workload: Workload, dataset: &Dataset, round: usize) -> Puts {
        let random = &mut dataset.random(workload as u64, round);
        let wanted = match workload {
            Workload::Put => PUTS,
            Workload::Group | Workload::Callbacks => WRITERS * PUTS_PER_WRITER,
            _ => unreachable!("{workload:?} puts nothing"),
        };
        let count = wanted.min(dataset.keys.len());
        let ranks = rand::seq::index::sample(random, dataset.keys.len(), count);
        let mut expected = Tally::default();
        let mut put = |rank: usize| {
            let mut text = Vec::new();
            write_text(
                ((workload as u64) << 56) | ((round as u64) << 40) | rank as u64,
                &mut text,
            );
            expected.sums(0, text_sum(&text));
            Put {
                key: Key::new(dataset.keys[rank]),
                text: text.into(),
            }
        };
        Puts {
            puts: ranks.iter().map(&mut put).collect(),
            workload,
            expected,
        }
    }

    /// Does all of them, once what others wrote has come to rest, and reads them back.
    ///
    /// # Errors
    /// Where the engine fails, or does not give back what was put.
    pub(crate) fn measure(&self, engine: &dyn Engine) -> Outcome<Measured> {
        rustix::fs::sync();
        wait_for_rest(LONGEST_REST);
        let written = written_bytes();
        let (elapsed_ns, mut latencies_ns) = match self.workload {
            Workload::Group => self.by_many_threads(engine)?,
            Workload::Callbacks => self.by_callbacks(engine)?,
            _ => self.by_one_thread(engine)?,
        };
        let written_bytes = written_bytes()
            .zip(written)
            .map(|(after, before)| after - before);
        latencies_ns.sort_unstable();
        self.verify(engine)?;
        let payload = |put: &Put| (PACKED_BYTES + put.text.len()) as u64;
        Ok(Measured {
            operations: self.puts.len() as u64,
            elapsed_ns,
            latencies_ns,
            written_bytes,
            payload_bytes: self.puts.iter().map(payload).sum(),
        })
    }

    fn by_one_thread(&self, engine: &dyn Engine) -> Outcome<(u64, Vec<u64>)> {
        let start = Instant::now();
        let latencies = put_all(engine, &self.puts)?;
        Ok((start.elapsed().as_nanos() as u64, latencies))
    }

    /// Time runs from when all threads are ready until the last one ends.
    fn by_many_threads(&self, engine: &dyn Engine) -> Outcome<(u64, Vec<u64>)> {
        let ready = Barrier::new(self.of_writers().len() + 1);
        std::thread::scope(|scope| {
            let writer = |puts| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    put_all(engine, puts)
                })
            };
            let writers: Vec<_> = self.of_writers().map(writer).collect();
            ready.wait();
            let start = Instant::now();
            let mut latencies = Vec::with_capacity(self.puts.len());
            for writer in writers {
                let outcome = writer.join().map_err(|_| "a writer panicked")?;
                latencies.extend(outcome?);
            }
            Ok((start.elapsed().as_nanos() as u64, latencies))
        })
    }

    fn by_callbacks(&self, engine: &dyn Engine) -> Outcome<(u64, Vec<u64>)> {
        let writers = self.of_writers().map(<[Put]>::to_vec).collect();
        let start = Instant::now();
        let latencies = engine.put_by_callbacks(writers)?;
        Ok((start.elapsed().as_nanos() as u64, latencies))
    }

    /// What each of many writers puts.
    fn of_writers(&self) -> std::slice::Chunks<'_, Put> {
        self.puts.chunks(self.puts.len().div_ceil(WRITERS).max(1))
    }

    fn verify(&self, engine: &dyn Engine) -> Outcome {
        let mut reader = engine.reader()?;
        let mut tally = Tally::default();
        for put in &self.puts {
            reader.point(&put.key, &mut tally)?;
        }
        if tally != self.expected {
            let expected = self.expected;
            return Err(format!("reading back {tally:?} where {expected:?} was put").into());
        }
        Ok(())
    }

    /// What reading them back gives.
    pub(crate) fn expected(&self) -> Tally {
        self.expected
    }
}

fn put_all(engine: &dyn Engine, puts: &[Put]) -> Outcome<Vec<u64>> {
    let mut latencies = Vec::with_capacity(puts.len());
    for put in puts {
        let start = Instant::now();
        engine.put(put)?;
        latencies.push(start.elapsed().as_nanos() as u64);
    }
    Ok(latencies)
}

/// Bytes that this process has handed to block devices so far, where the system tells.
pub(crate) fn written_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))?;
    line.parse().ok()
}
