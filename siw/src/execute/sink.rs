//! Where results and writes go.

use super::Tally;
use phext_storage::coordinate::Coordinate;
use phext_storage::{StoreError, WriteOp};
use std::io;

/// A row of a result. A field is there when the stream packs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResultRow<'a> {
    /// The coordinate of the scroll.
    pub coordinate: Option<Coordinate>,
    /// The text; `None` also where the coordinate holds no scroll.
    pub text: Option<&'a [u8]>,
    /// Length of the text in bytes.
    pub length: Option<u64>,
    /// XXH3-128 of the text.
    pub checksum: Option<u128>,
    /// A number, such as a count.
    pub number: Option<u64>,
    /// What CTALLY knows of a value.
    pub tally: Option<Tally>,
}

/// Whether a sink wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next row, please.
    Continue,
    /// Enough: the stream ends.
    Stop,
}

/// Takes the rows of a result, in order.
pub trait Sink {
    /// Takes a row.
    ///
    /// # Errors
    /// Where it cannot be passed on; the stream ends with [`super::ExecuteError::Sink`].
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow>;

    /// At most how many rows more are wanted, if that is known: the first batches are then no larger
    /// than need be.
    fn wanted(&self) -> Option<u64> {
        None
    }

    /// Passes on what it has: CFENCE. Does nothing by default.
    ///
    /// # Errors
    /// As [`Sink::row`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A closure is a sink.
impl<F: FnMut(&ResultRow<'_>) -> io::Result<Flow>> Sink for F {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self(row)
    }
}

/// Makes scattered writes durable: what SFLUSH waits for.
pub trait Flush {
    /// Commits the operations as one batch and returns when they are durable.
    ///
    /// # Errors
    /// What the store says. Nothing is known of the operations then.
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError>;
}

/// Keeps scattered writes for a caller that commits them itself once the stream has ended: SFLUSH is
/// the last thing that a write does.
#[derive(Debug, Default)]
pub struct Collected {
    /// In order.
    pub operations: Vec<WriteOp>,
}

impl Flush for Collected {
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError> {
        self.operations.extend(operations);
        Ok(())
    }
}
