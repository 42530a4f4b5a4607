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

/// Passes a number of rows on, then wants no more.
pub struct Limited<'s> {
    sink: &'s mut dyn Sink,
    limit: u64,
    passed: u64,
    is_closed: bool,
}

impl<'s> Limited<'s> {
    /// Passes at most `limit` rows on to `sink`.
    pub fn new(sink: &'s mut dyn Sink, limit: u64) -> Limited<'s> {
        Limited {
            sink,
            limit,
            passed: 0,
            is_closed: false,
        }
    }

    /// How many rows were passed on.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// How many rows more are wanted.
    pub fn left(&self) -> u64 {
        self.limit - self.passed
    }

    /// Whether it takes more, and who it passes them to as well.
    pub fn wants_more(&self) -> bool {
        !self.is_closed && self.passed < self.limit
    }
}

impl Sink for Limited<'_> {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self.passed += 1;
        self.is_closed = self.sink.row(row)? == Flow::Stop;
        Ok(match self.wants_more() {
            true => Flow::Continue,
            false => Flow::Stop,
        })
    }

    fn wanted(&self) -> Option<u64> {
        let own = self.left();
        Some(self.sink.wanted().map_or(own, |wanted| wanted.min(own)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
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
