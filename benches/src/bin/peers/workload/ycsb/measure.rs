//! Running the scripts of a mix on an engine.

use std::sync::Barrier;
use std::time::Instant;

use super::{Operation, Script, Ycsb};
use crate::engine::{Engine, Outcome};
use crate::tally::Tally;
use crate::workload::Measured;
use crate::workload::write::written_bytes;

impl Ycsb {
    /// Runs the scripts, each in a thread, verifies what was read, and reads back what was written.
    /// Time runs from when all threads are ready until the last one ends.
    ///
    /// # Errors
    /// Where the engine fails, or read something else than it should have.
    pub(crate) fn measure(&self, engine: &dyn Engine) -> Outcome<Measured> {
        let written = written_bytes();
        let (elapsed_ns, mut latencies_ns) = self.run(engine)?;
        let both = written_bytes().zip(written);
        self.verify(engine)?;
        latencies_ns.sort_unstable();
        Ok(Measured {
            operations: latencies_ns.len() as u64,
            elapsed_ns,
            latencies_ns,
            written_bytes: both.map(|(after, before)| after - before),
            payload_bytes: self.payload_bytes,
        })
    }

    fn run(&self, engine: &dyn Engine) -> Outcome<(u64, Vec<u64>)> {
        let ready = Barrier::new(self.scripts.len() + 1);
        std::thread::scope(|scope| {
            let start = |script| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    act(script, engine)
                })
            };
            let threads: Vec<_> = self.scripts.iter().map(start).collect();
            ready.wait();
            let start = Instant::now();
            let mut latencies = Vec::new();
            for thread in threads {
                let outcome = thread.join().map_err(|_| "a thread panicked")?;
                latencies.extend(outcome?);
            }
            Ok((start.elapsed().as_nanos() as u64, latencies))
        })
    }

    fn verify(&self, engine: &dyn Engine) -> Outcome {
        let mut reader = engine.reader()?;
        let mut tally = Tally::default();
        for key in &self.written {
            reader.point(key, &mut tally)?;
        }
        if tally != self.read_back {
            let expected = self.read_back;
            return Err(format!("reading back {tally:?} where {expected:?} was put").into());
        }
        Ok(())
    }

    /// What the reads of all threads add up to.
    pub(crate) fn expected(&self) -> Tally {
        let mut all = Tally::default();
        self.scripts
            .iter()
            .for_each(|script| all.add(script.expected));
        all
    }
}

/// Does what a script says, and gives the latency of each operation.
fn act(script: &Script, engine: &dyn Engine) -> Outcome<Vec<u64>> {
    let mut latencies = Vec::with_capacity(script.operations.len());
    let mut tally = Tally::default();
    let mut before = Instant::now();
    for operation in &script.operations {
        match operation {
            Operation::Read(key) => engine.reader()?.point(key, &mut tally)?,
            Operation::Put(put) => engine.put(put)?,
            Operation::ReadThenPut(put) => {
                engine.reader()?.point(&put.key, &mut tally)?;
                engine.put(put)?;
            }
            Operation::Scan(from, length) => engine.reader()?.range(from, *length, &mut tally)?,
        }
        let after = Instant::now();
        latencies.push((after - before).as_nanos() as u64);
        before = after;
    }
    if tally != script.expected {
        let expected = script.expected;
        return Err(format!("a wrong answer: {tally:?} where {expected:?} is right").into());
    }
    Ok(latencies)
}
