//! What a worker does with what it claimed.

use super::{Claim, Task};
use crate::execute::{Collected, ExecuteError, Idle, Outside, Report, Sentron};
use crate::group::allocation::Allocation;
use crate::group::{TopologyType, run_part};
use crate::pool::chunk::{Chunk, Filling};
use crate::pool::kind::Kind;
use crate::pool::resident::Resident;
use crate::pool::work::piece_lanes;
use crate::stream::Part;
use phext_storage::page_table::Split;
use std::sync::atomic::Ordering;

/// A chunk of so many bytes is full.
const CHUNK_BYTES: usize = 1 << 20;

/// What came of it.
pub(super) enum Outcome<C> {
    Split(Option<Split>),
    Rows(usize, Ran<C>),
    Open(Vec<Resident>),
    Fold(Resident),
    Last(C),
}

pub(super) struct Ran<C> {
    pub(super) chunk: C,
    pub(super) report: Report,
    /// The piece goes on after so many rows.
    pub(super) rest: Option<u64>,
}

impl<C: Chunk> Task<C> {
    pub(super) fn run(&self, claim: Claim, idle: &mut Idle) -> Result<Outcome<C>, ExecuteError> {
        match claim {
            Claim::Split => Ok(Outcome::Split(self.work.split(self.layout.piece_lanes)?)),
            Claim::Open(sentrons) => self.run_once(sentrons),
            Claim::Rows { piece, skip, most } => {
                let ran = self.run_rows(piece, skip, most, idle)?;
                Ok(Outcome::Rows(piece, ran))
            }
            Claim::Fold { piece, sentron } => self.run_fold(piece, sentron),
            Claim::Last(sentrons) => self.run_last(sentrons),
        }
    }

    /// Gives rows to a chunk, and asks now and then whether that is still wanted.
    fn outside<T>(
        &self,
        filling: &mut Filling<C>,
        run: impl FnOnce(&mut Outside<'_>) -> Result<T, ExecuteError>,
    ) -> Result<T, ExecuteError> {
        let interrupted = || self.stop.load(Ordering::Relaxed) || self.is_late();
        run(&mut Outside {
            sink: filling,
            flush: &mut Collected::default(),
            interrupted: &interrupted,
        })
    }

    /// An empty chunk without bounds.
    fn filling(&self) -> Filling<C> {
        Filling {
            chunk: (self.make)(),
            skip: 0,
            most: None,
            full: usize::MAX,
            was_full: false,
        }
    }

    fn run_rows(
        &self,
        piece: usize,
        skip: u64,
        most: Option<u64>,
        idle: &mut Idle,
    ) -> Result<Ran<C>, ExecuteError> {
        let mut filling = Filling {
            skip,
            most,
            full: CHUNK_BYTES,
            ..self.filling()
        };
        let split = self.state().split.clone();
        let work = &*self.work;
        let mut sentron = Sentron::open(std::mem::take(idle), &work.stream, &work.phext);
        let ran = self.outside(&mut filling, |outside| match (&split, self.kind) {
            (Some(split), Kind::Rows) => {
                sentron.once(outside)?;
                let mut lanes = piece_lanes(work, split, piece)?;
                sentron.each(&mut lanes, outside).map(drop)
            }
            _ => sentron.run(outside),
        });
        let (memory, report) = sentron.close();
        *idle = memory;
        ran?;
        let Filling {
            chunk, was_full, ..
        } = filling;
        let rest = was_full.then_some(skip + chunk.rows());
        Ok(Ran {
            chunk,
            report,
            rest,
        })
    }

    fn run_once(&self, sentrons: usize) -> Result<Outcome<C>, ExecuteError> {
        let allocation = self.allocation();
        let open = |number| Resident::open(&self.work, number, allocation);
        let mut sentrons: Vec<_> = (0..sentrons).map(open).collect();
        let topology = self.topology(sentrons.len());
        self.outside(&mut self.filling(), |outside| {
            run_part(Part::Once, topology, &mut sentrons, outside)
        })?;
        Ok(Outcome::Open(sentrons))
    }

    fn run_fold(&self, piece: usize, mut sentron: Resident) -> Result<Outcome<C>, ExecuteError> {
        let split = self.state().split.clone();
        sentron.begin_piece();
        if let Some(split) = split {
            self.outside(&mut self.filling(), |outside| {
                sentron.each(&split, piece, outside)
            })?;
        }
        Ok(Outcome::Fold(sentron))
    }

    fn run_last(&self, mut sentrons: Vec<Resident>) -> Result<Outcome<C>, ExecuteError> {
        let mut filling = self.filling();
        let topology = self.topology(sentrons.len());
        self.outside(&mut filling, |outside| {
            run_part(Part::Last, topology, &mut sentrons, outside)
        })?;
        let mut state = self.state();
        for sentron in &sentrons {
            let rows = 0;
            let report = sentron.report();
            state.report += Report { rows, ..report };
        }
        drop(state);
        Ok(Outcome::Last(filling.chunk))
    }

    /// The group of a stream that folds: where none was asked for, a sentron for each worker that has a
    /// piece.
    pub(super) fn topology(&self, pieces: usize) -> TopologyType {
        let workers = self.layout.workers.min(pieces);
        let group = self.layout.group.map(|group| group.topology);
        group.unwrap_or(TopologyType::ring(workers))
    }

    /// Which scrolls are whose, where that was asked for: each sentron looks at all pieces then.
    pub(super) fn allocation(&self) -> Option<Allocation> {
        self.layout.group.and_then(|group| group.allocation)
    }
}
