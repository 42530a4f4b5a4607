//! Hardware performance counters, where the system lets a process read them.
//!
//! They count the whole process, not its streams alone: switching them at the start and the end of
//! each stream would cost more than a point read. Threads are counted that were started after the
//! counters were opened.

use super::{CycleSource, Cycles, Measured};
use perf_event::events::{
    Cache, CacheId, CacheOp, CacheResult, Event, Hardware as Events, Software,
};
use perf_event::{Builder, Counter};
use std::io;

/// The counters that could be opened.
#[derive(Debug)]
pub struct Hardware {
    cycles: io::Result<(Reading, Reading)>,
    first: io::Result<Hits>,
    last: io::Result<Hits>,
}

#[derive(Debug)]
struct Reading {
    counter: Counter,
    last: f64,
}

#[derive(Debug)]
struct Hits {
    accesses: Reading,
    misses: Reading,
}

/// What the counters said of an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct HardwareSample {
    /// Cycles for each nanosecond of processor time.
    pub cycles: Option<Cycles>,
    /// Share of reads that hit the first-level data cache.
    pub l1_hit_rate: Measured<f64>,
    /// Share of reads that reached the last-level cache and hit it.
    pub l3_hit_rate: Measured<f64>,
}

impl Reading {
    /// Counts this process: the calling thread, and threads that start after this.
    fn open(event: impl Event) -> io::Result<Reading> {
        let mut counter = Builder::new(event).observe_self().inherit(true).build()?;
        counter.enable()?;
        Ok(Reading { counter, last: 0.0 })
    }

    /// What was counted since the last reading. Where there are more events than counters the kernel
    /// lets them take turns; the count is extended to the whole time then.
    fn read(&mut self) -> io::Result<f64> {
        let now = self.counter.read_full()?;
        let times = now.time_enabled().zip(now.time_running());
        let share = times.map_or(1.0, |(enabled, running)| {
            enabled.as_secs_f64() / running.as_secs_f64().max(1e-9)
        });
        let count = now.count() as f64 * share;
        let since = (count - self.last).max(0.0);
        self.last = count;
        Ok(since)
    }
}

impl Hits {
    fn open(which: CacheId) -> io::Result<Hits> {
        let reads = |result| Cache {
            which,
            operation: CacheOp::READ,
            result,
        };
        Ok(Hits {
            accesses: Reading::open(reads(CacheResult::ACCESS))?,
            misses: Reading::open(reads(CacheResult::MISS))?,
        })
    }

    fn rate(&mut self) -> io::Result<Measured<f64>> {
        let (accesses, misses) = (self.accesses.read()?, self.misses.read()?);
        let hits = (accesses - misses).max(0.0);
        Ok(Measured::ratio(
            hits,
            accesses,
            "nothing was read in the interval",
        ))
    }
}

impl Hardware {
    /// Opens what can be opened. To count all threads of a process, its first thread must open them
    /// before it starts others.
    pub fn open() -> Hardware {
        let cycles = || {
            let cycles = Reading::open(Events::CPU_CYCLES)?;
            Ok((cycles, Reading::open(Software::TASK_CLOCK)?))
        };
        Hardware {
            cycles: cycles(),
            first: Hits::open(CacheId::L1D),
            last: Hits::open(CacheId::LL),
        }
    }

    /// What was counted since the last sample.
    pub fn sample(&mut self) -> HardwareSample {
        HardwareSample {
            cycles: self.cycles.as_mut().ok().and_then(|(cycles, time)| {
                let (cycles, nanoseconds) = (cycles.read().ok()?, time.read().ok()?);
                let gigahertz = cycles / nanoseconds;
                (gigahertz.is_finite() && gigahertz > 0.0).then_some(Cycles {
                    source: CycleSource::PerfEvent,
                    gigahertz,
                })
            }),
            l1_hit_rate: rate(&mut self.first),
            l3_hit_rate: rate(&mut self.last),
        }
    }
}

fn rate(hits: &mut io::Result<Hits>) -> Measured<f64> {
    match hits {
        Ok(hits) => hits.rate().unwrap_or_else(|error| missing(&error)),
        Err(error) => missing(error),
    }
}

fn missing<T>(error: &io::Error) -> Measured<T> {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => "hardware performance counters may not be read",
        _ => "no hardware performance counters on this machine",
    };
    Measured::missing(format!("{reason} (perf_event_open: {error})"))
}
