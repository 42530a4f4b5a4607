//! One workload on one server for one span of time.

use std::time::{Duration, Instant};

use phext_benches::machine::ProcessorTime;
use phext_tests::error::{Context, Error};
use phext_tests::http::Client;

use crate::workload::{Connections, Workload};

/// A cell goes on until it has this many answers, however long they take: SQ may need seconds
/// for one on a large phext.
const AT_LEAST: usize = 3;

/// A cell ends at this many answers, however little time has passed.
const AT_MOST: usize = 500_000;

/// A cell to be run.
pub(crate) struct Cell<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) port: u16,
    pub(crate) connections: Connections,
    pub(crate) limit: Duration,
    /// The servers, whose processor time is not a stranger's.
    pub(crate) servers: &'a [u32],
}

/// A client, and where it is.
struct Turn {
    client: Client,
    /// The exchange under way.
    at: usize,
    asked: Instant,
}

/// What a cell showed.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Answers.
    pub(crate) count: usize,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of each answer, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Processors kept busy by strangers meanwhile.
    pub(crate) strangers: f64,
}

impl Measured {
    /// Answers per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of answers did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len() - 1;
        // The index is at most `last`, so the conversion loses nothing.
        self.latencies[((last as f64) * share).round() as usize]
    }
}

impl Cell<'_> {
    /// Runs the cell. The request before the clock starts makes the server load the phext.
    ///
    /// # Errors
    /// Where the server does not answer, or answers wrongly.
    pub(crate) fn run(&self) -> Result<Measured, Error> {
        let first = &self.workload.exchanges[0];
        self.workload.exchange(&mut self.client(), first)?;
        let before = ProcessorTime::read(self.servers);
        let started = Instant::now();
        let mut latencies = self.load(started)?;
        let elapsed = started.elapsed();
        latencies.sort_unstable();
        let strangers =
            ProcessorTime::read(self.servers).strangers_since(before, elapsed.as_secs_f64());
        Ok(Measured {
            count: latencies.len(),
            elapsed,
            latencies,
            strangers,
        })
    }

    fn client(&self) -> Client {
        Client::new(self.port, self.connections.persistence())
    }

    /// What the clients do. One thread serves them all in turn, so that as many requests as there
    /// are clients are under way, and the load costs the server's machine little; a latency ends
    /// when its client's turn comes. The clients start at different places of the round.
    fn load(&self, started: Instant) -> Result<Vec<Duration>, Error> {
        let exchanges = &self.workload.exchanges;
        let clients = self.workload.clients;
        let mut turns: Vec<Turn> = (0..clients)
            .map(|number| Turn {
                client: self.client(),
                at: number * exchanges.len() / clients,
                asked: started,
            })
            .collect();
        for turn in &mut turns {
            self.send(turn)?;
        }
        let mut latencies = Vec::new();
        while !turns.is_empty() {
            let mut ended = Vec::new();
            for (number, turn) in turns.iter_mut().enumerate() {
                let exchange = &exchanges[turn.at % exchanges.len()];
                self.workload.receive(&mut turn.client, exchange)?;
                latencies.push(turn.asked.elapsed());
                turn.at += 1;
                let count = latencies.len();
                if (started.elapsed() >= self.limit && count >= AT_LEAST) || count >= AT_MOST {
                    ended.push(number);
                } else {
                    self.send(turn)?;
                }
            }
            for number in ended.into_iter().rev() {
                turns.remove(number);
            }
        }
        Ok(latencies)
    }

    fn send(&self, turn: &mut Turn) -> Result<(), Error> {
        let exchanges = &self.workload.exchanges;
        turn.asked = Instant::now();
        let sent = turn
            .client
            .send(&exchanges[turn.at % exchanges.len()].request);
        sent.context(|| self.workload.place())
    }
}
