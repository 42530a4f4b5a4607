//! The batch executor: runs a stream over a snapshot of a phext.
//!
//! A batch has up to [`crate::BATCH_LANES`] lanes, and a word runs over all of them before the next
//! word starts: dispatch is paid once a batch, and SPREFCH followed by SGATHER becomes prefetching by
//! group. The three operations of a word are evaluated against the same state, and what they write
//! is put in place after all three.
//!
//! ```text
//! once -> ( SLANES -> words over the batch ) until no lane is left -> last
//! ```
//!
//! Texts are borrowed from the snapshot, never copied. Streams must have passed
//! [`crate::validate()`]; debug builds check.

mod coordination;
mod dense;
mod registers;
mod sink;
mod sparse;

#[cfg(test)]
mod tests;

pub use sink::{Flow, ResultRow, Sink};
pub use sparse::{Collected, Flush};

use crate::stream::Part;
use crate::{BATCH_LANES, Constant, ConstantId, SparseOp, Stream, Word};
use phext_storage::page_table::{Lane, LaneCursor, LaneSpec};
use phext_storage::{Phext, StoreError, WriteOp};
use registers::{Registers, Write};
use std::io;

/// Why a stream ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sink could not take a row.
    #[error("the result could not be passed on: {0}")]
    Sink(#[from] io::Error),
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches of lanes, with one that the sink ended early.
    pub batches: u64,
    /// Lanes in them.
    pub lanes: u64,
    /// Operations retired: one for each operation and active lane, NOPs not counted.
    pub ops: u64,
    /// Bytes of text gathered.
    pub bytes_gathered: u64,
    /// Rows sent.
    pub rows: u64,
}

/// Runs a stream over a phext. Rows go to `sink`, scattered writes to `flush` at each SFLUSH.
///
/// # Errors
/// Damage found in the store, a refused write, or what the sink says.
pub fn execute<'a>(
    stream: &'a Stream,
    phext: &'a Phext,
    sink: &mut dyn Sink,
    flush: &mut dyn Flush,
) -> Result<Report, ExecuteError> {
    debug_assert_eq!(
        crate::validate(stream),
        Ok(()),
        "streams are validated before they run"
    );
    let machine = Machine {
        stream,
        phext,
        registers: Registers::default(),
        lanes: Lanes::None,
        position: 0,
        width: 1,
        scattered: Vec::new(),
        report: Report::default(),
        sink,
        flush,
    };
    machine.run()
}

/// One sentron and what it runs on.
struct Machine<'a, 's> {
    stream: &'a Stream,
    phext: &'a Phext,
    registers: Registers<'a>,
    lanes: Lanes<'a>,
    /// Lanes of the iteration before the current batch.
    position: usize,
    /// Lanes of the current batch; 1 in `once` and `last`.
    width: usize,
    scattered: Vec<WriteOp>,
    report: Report,
    sink: &'s mut dyn Sink,
    flush: &'s mut dyn Flush,
}

/// Where SLANES takes lanes from.
enum Lanes<'a> {
    /// SLANES did not run yet.
    None,
    /// The page table, in coordinate order.
    Table(LaneCursor<'a>),
    /// Coordinates to write to, in the order given, wherever their scrolls are.
    Targets(&'a [phext_storage::coordinate::Coordinate]),
}

/// What becomes of a stream after a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Word,
    /// No lane is left.
    EndOfLanes,
    /// The sink wants no more.
    Stop,
}

impl<'a> Machine<'a, '_> {
    fn run(mut self) -> Result<Report, ExecuteError> {
        let stream = self.stream;
        self.run_words(Part::Once, &stream.once)?;
        if !stream.each.is_empty() {
            loop {
                match self.run_words(Part::Each, &stream.each)? {
                    Next::Word => {}
                    Next::EndOfLanes => break,
                    Next::Stop => return Ok(self.report),
                }
                self.position += self.width;
            }
        }
        self.width = 1;
        self.run_words(Part::Last, &stream.last)?;
        Ok(self.report)
    }

    fn run_words(&mut self, part: Part, words: &[Word]) -> Result<Next, ExecuteError> {
        for word in words {
            let next = self.run_word(part, word)?;
            if next != Next::Word {
                return Ok(next);
            }
        }
        Ok(Next::Word)
    }

    fn run_word(&mut self, part: Part, word: &Word) -> Result<Next, ExecuteError> {
        if let SparseOp::Lanes { to, lanes }
        | SparseOp::Assoc { to, lanes }
        | SparseOp::Neighbr { to, lanes } = word.sparse
        {
            let batch = self.next_lanes(lanes)?;
            if batch.is_empty() {
                return Ok(Next::EndOfLanes);
            }
            self.width = batch.len();
            self.report.batches += 1;
            self.report.lanes += self.width as u64;
            self.report.ops += self.width as u64;
            // The validator has seen that SLANES is alone in its word.
            self.registers.put(Write::Places(to, batch));
            return Ok(Next::Word);
        }
        let dense = self.evaluate_dense(part, word)?;
        let sparse = self.evaluate_sparse(word)?;
        let next = self.run_coordination(part, word)?;
        for write in dense.into_iter().chain([sparse]).flatten() {
            self.registers.put(write);
        }
        Ok(next)
    }

    /// The next batch of a lane specification.
    fn next_lanes(&mut self, id: ConstantId) -> Result<Vec<Lane<'a>>, ExecuteError> {
        if matches!(self.lanes, Lanes::None) {
            self.lanes = self.open_lanes(id)?;
        }
        let mut batch = Vec::new();
        match &mut self.lanes {
            Lanes::Table(cursor) => cursor.next_batch(&mut batch, BATCH_LANES)?,
            Lanes::Targets(targets) => {
                let (now, later) = targets.split_at(targets.len().min(BATCH_LANES));
                for &coordinate in now {
                    let location = self.phext.locate(&coordinate)?;
                    batch.push(Lane {
                        coordinate,
                        location,
                    });
                }
                *targets = later;
            }
            Lanes::None => {}
        }
        Ok(batch)
    }

    fn open_lanes(&self, id: ConstantId) -> Result<Lanes<'a>, ExecuteError> {
        let Constant::Lanes(spec) = &self.stream.constants[id.index()] else {
            unreachable!("the validator has seen that SLANES names lanes");
        };
        let writes = self
            .stream
            .each
            .iter()
            .any(|w| matches!(w.sparse, SparseOp::Scattr { .. }));
        match spec {
            LaneSpec::Points(points) if writes => Ok(Lanes::Targets(points)),
            _ => Ok(Lanes::Table(self.phext.lanes(spec)?)),
        }
    }

    fn number(&self, id: ConstantId) -> u64 {
        match self.stream.constants[id.index()] {
            Constant::Number(number) => number,
            _ => unreachable!("the validator has seen that this constant is a number"),
        }
    }
}
