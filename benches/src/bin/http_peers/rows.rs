//! Medians over the rounds.

use std::time::Duration;

use phext_benches::report::http::{Row, SUBJECT};

use crate::cell::Measured;
use crate::workload::{Connections, Workload};

/// A workload and what each round measured, by server.
pub(crate) struct Rounds {
    pub(crate) workload: Workload,
    pub(crate) servers: Vec<(&'static str, Connections, Vec<Measured>)>,
}

impl Rounds {
    /// A workload without measurements.
    pub(crate) fn new(workload: Workload) -> Rounds {
        Rounds {
            workload,
            servers: Vec::new(),
        }
    }

    /// Adds what a server showed in one round.
    pub(crate) fn add(&mut self, name: &'static str, connections: Connections, measured: Measured) {
        let found = self.servers.iter_mut().find(|(other, ..)| *other == name);
        match found {
            Some((_, _, rounds)) => rounds.push(measured),
            None => self.servers.push((name, connections, vec![measured])),
        }
    }

    /// A row for each server.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let subject = self.servers.iter().find(|(name, ..)| *name == SUBJECT);
        let subject = subject.map(|(_, _, rounds)| median(rounds, Measured::per_second));
        let row = |(name, connections, rounds): &(&'static str, Connections, Vec<Measured>)| {
            let per_second = median(rounds, Measured::per_second);
            let latency = |share| {
                let ns = |duration: Duration| duration.as_nanos() as f64;
                median(rounds, |round| ns(round.quantile(share)))
            };
            Row {
                workload: self.workload.endpoint.to_owned(),
                engine: (*name).to_owned(),
                dataset: self.workload.dataset.to_owned(),
                n: self.workload.scrolls,
                bytes: self.workload.bytes,
                clients: self.workload.clients,
                kept: *connections == Connections::Kept,
                row_kept: self.workload.connections == Connections::Kept,
                ns_per_op: 1e9 / per_second,
                ratio_to_sqd: subject.map(|subject| subject / per_second),
                requests_per_s: per_second,
                requests: rounds.iter().map(|round| round.count).sum(),
                p50_ns: latency(0.5),
                p99_ns: latency(0.99),
                strangers: median(rounds, |round| round.strangers),
                durability: self.workload.durability().to_owned(),
                verified_by: VERIFIED_BY.to_owned(),
            }
        };
        self.servers.iter().map(row).collect()
    }
}

/// How every answer is judged.
pub(crate) const VERIFIED_BY: &str = "status and hash of each answer, worked out beforehand";

fn median(rounds: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
