//! One workload on one server for one span of time.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use phext_benches::machine::ProcessorTime;
use phext_tests::error::{Context, Error};
use phext_tests::http::{Client, Persistence, ResponseBody};

use crate::workload::{Connections, Exchange, Workload, judged};

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
    pub(crate) servers: [u32; 2],
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
        self.exchange(&mut self.client(), &self.workload.exchanges[0])?;
        let clients = self.workload.clients;
        let (done, start) = (AtomicUsize::new(0), Barrier::new(clients + 1));
        let before = ProcessorTime::read(&self.servers);
        thread::scope(|scope| {
            let handles: Vec<_> = (0..clients)
                .map(|number| {
                    let (done, start) = (&done, &start);
                    scope.spawn(move || {
                        start.wait();
                        self.load(number, done)
                    })
                })
                .collect();
            start.wait();
            let started = Instant::now();
            let mut latencies = Vec::new();
            for handle in handles {
                let joined = handle.join();
                let measured = joined.map_err(|_| Error::Server("a client panicked".to_owned()))?;
                latencies.extend(measured?);
            }
            let elapsed = started.elapsed();
            latencies.sort_unstable();
            let strangers =
                ProcessorTime::read(&self.servers).strangers_since(before, elapsed.as_secs_f64());
            Ok(Measured {
                count: latencies.len(),
                elapsed,
                latencies,
                strangers,
            })
        })
    }

    fn client(&self) -> Client {
        let persistence = match self.connections {
            Connections::Kept => Persistence::KeepAlive,
            Connections::PerRequest => Persistence::PerRequest,
        };
        Client::new(self.port, persistence)
    }

    /// What one client does; the clients start at different places of the round.
    fn load(&self, number: usize, done: &AtomicUsize) -> Result<Vec<Duration>, Error> {
        let exchanges = &self.workload.exchanges;
        let mut at = number * exchanges.len() / self.workload.clients;
        let mut client = self.client();
        let mut latencies = Vec::new();
        let started = Instant::now();
        loop {
            let count = done.load(Ordering::Relaxed);
            if (started.elapsed() >= self.limit && count >= AT_LEAST) || count >= AT_MOST {
                return Ok(latencies);
            }
            let asked = Instant::now();
            self.exchange(&mut client, &exchanges[at % exchanges.len()])?;
            latencies.push(asked.elapsed());
            done.fetch_add(1, Ordering::Relaxed);
            at += 1;
        }
    }

    fn exchange(&self, client: &mut Client, exchange: &Exchange) -> Result<(), Error> {
        let Workload {
            endpoint, dataset, ..
        } = self.workload;
        let answer = client
            .exchange(&exchange.request, ResponseBody::Present)
            .context(|| format!("{endpoint} on {dataset}, port {}", self.port))?;
        if answer.status == 200 && judged(endpoint, &answer.body) == exchange.expected {
            return Ok(());
        }
        let start: String = answer.text().chars().take(200).collect();
        Err(Error::Server(format!(
            "{endpoint} on {dataset}, port {}: a wrong answer, status {}, {} bytes: {start}",
            self.port,
            answer.status,
            answer.body.len()
        )))
    }
}
