//! Latencies at fixed rates of arrival.
//!
//! Requests are due at even distances, whatever became of those before. A latency counts from
//! when its request was due: one that could not be sent in time has waited all the same, as a user
//! would have. A closed loop leaves that out ("coordinated omission").
//!
//! Some threads share the requests; each takes the next one, sleeps until it is due, and sends it on
//! its own connection. What sleeping too long adds, some ten microseconds, all servers bear alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phext_tests::error::Error;
use phext_tests::http::Client;

use crate::workload::{Connections, Workload};

/// Threads that send, and so the most requests under way.
const SENDERS: usize = 16;
/// How far behind a server may fall, as a share of the time in which requests are due.
const PATIENCE: u32 = 1;

/// A workload on a server.
pub(crate) struct OpenLoop<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) port: u16,
    pub(crate) connections: Connections,
    pub(crate) span: Duration,
}

/// What a rate showed.
pub(crate) struct Measured {
    /// Answers each second.
    pub(crate) rate: f64,
    /// In nanoseconds, sorted; of requests that were given up, how long they had waited.
    latencies: Vec<u64>,
    /// Answers.
    pub(crate) answered: usize,
}

impl Measured {
    /// The latency that this share of requests did not exceed, in nanoseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map_or(f64::NAN, |&ns| ns as f64)
    }
}

impl OpenLoop<'_> {
    /// Answers a second with all senders busy: each sends when it has its answer.
    ///
    /// # Errors
    /// Where the server does not answer, or answers wrongly.
    pub(crate) fn capacity(&self) -> Result<f64, Error> {
        Ok(self.run(Duration::ZERO)?.rate)
    }

    /// Latencies where so many requests are due each second.
    ///
    /// # Errors
    /// As [`OpenLoop::capacity`].
    pub(crate) fn at_rate(&self, per_second: f64) -> Result<Measured, Error> {
        self.run(Duration::from_secs_f64(1.0 / per_second))
    }

    fn run(&self, interval: Duration) -> Result<Measured, Error> {
        let next = AtomicU64::new(0);
        let start = Instant::now();
        let outcomes = std::thread::scope(|scope| {
            let send = |_| scope.spawn(|| self.send(&next, start, interval));
            let senders: Vec<_> = (0..SENDERS).map(send).collect();
            let join = |sender: std::thread::ScopedJoinHandle<'_, Result<Sent, Error>>| {
                let died = || Err(Error::Server("a sender panicked".to_owned()));
                sender.join().unwrap_or_else(|_| died())
            };
            senders.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let answered = outcomes.iter().map(|sent| sent.answered).sum();
        let mut latencies: Vec<u64> = outcomes
            .into_iter()
            .flat_map(|sent| sent.latencies)
            .collect();
        latencies.sort_unstable();
        Ok(Measured {
            rate: answered as f64 / seconds,
            latencies,
            answered,
        })
    }

    /// What one sender does. Without an interval requests are due as soon as there is a sender.
    fn send(&self, next: &AtomicU64, start: Instant, interval: Duration) -> Result<Sent, Error> {
        let exchanges = &self.workload.exchanges;
        let mut client = Client::new(self.port, self.connections.persistence());
        let mut sent = Sent::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = match interval {
                Duration::ZERO => start.elapsed(),
                interval => Duration::from_secs_f64(interval.as_secs_f64() * number as f64),
            };
            if due > self.span {
                return Ok(sent);
            }
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            if start.elapsed() < self.span * (1 + PATIENCE) {
                let at = number as usize % exchanges.len();
                self.workload.exchange(&mut client, &exchanges[at])?;
                sent.answered += 1;
            }
            let waited = start.elapsed().saturating_sub(due);
            sent.latencies.push(waited.as_nanos() as u64);
        }
    }
}

/// What one sender saw.
#[derive(Default)]
struct Sent {
    answered: usize,
    latencies: Vec<u64>,
}
