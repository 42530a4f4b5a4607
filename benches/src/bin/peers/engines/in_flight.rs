//! Writers of sqd that have no thread: a writer's next put begins in the callback of its last one, as
//! a server does with its connections. One thread leads all commits.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use phext_storage::Store;

use super::sqd::batch;
use crate::engine::{Failure, Outcome, Put};

/// A writer between two of its puts.
struct Writer {
    store: Arc<Store>,
    puts: std::vec::IntoIter<Put>,
    latencies_ns: Vec<u64>,
    /// Where it goes when it has put all, or failed.
    done: mpsc::Sender<Result<Vec<u64>, Failure>>,
}

impl Writer {
    /// Submits the next put. `true` where somebody must lead.
    fn next(mut self) -> bool {
        let Some(put) = self.puts.next() else {
            // Whoever no longer listens has failed by another writer.
            let _ = self.done.send(Ok(self.latencies_ns));
            return false;
        };
        let store = Arc::clone(&self.store);
        let start = Instant::now();
        let on_commit = move |outcome| match outcome {
            Ok(_) => {
                self.latencies_ns.push(start.elapsed().as_nanos() as u64);
                let leaderless = self.next();
                debug_assert!(!leaderless, "whoever calls back leads");
            }
            Err(error) => {
                let _ = self.done.send(Err(Failure::from(error)));
            }
        };
        store.submit(batch(&put), Box::new(on_commit))
    }
}

/// Does the puts of all writers. Gives the latency of each in nanoseconds.
pub(super) fn put_all(store: &Arc<Store>, writers: Vec<Vec<Put>>) -> Outcome<Vec<u64>> {
    let (done, outcomes) = mpsc::channel();
    let mut leaderless = false;
    for puts in writers {
        let writer = Writer {
            store: Arc::clone(store),
            latencies_ns: Vec::with_capacity(puts.len()),
            puts: puts.into_iter(),
            done: done.clone(),
        };
        leaderless |= writer.next();
    }
    drop(done);
    while leaderless {
        leaderless = store.drive();
    }
    let mut latencies = Vec::new();
    for outcome in outcomes {
        latencies.extend(outcome?);
    }
    Ok(latencies)
}
