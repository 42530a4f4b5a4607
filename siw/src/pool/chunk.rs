//! What rows become on the core that finds them.

use crate::execute::{Flow, Message, ResultRow, Sink};
use std::io;

/// A run of rows in the form that whoever asked for them wants: rows as they are, or a text rendered of
/// them. Made on a worker, taken in order.
pub trait Chunk: Send + 'static {
    /// Adds a row.
    ///
    /// # Errors
    /// Where it has no such form; the stream ends with [`crate::execute::ExecuteError::Sink`].
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()>;

    /// About how many bytes of memory the chunk takes.
    fn bytes(&self) -> usize;

    /// How many rows it has.
    fn rows(&self) -> u64;

    /// Keeps only the first rows.
    fn truncate(&mut self, rows: u64);
}

/// Copies of rows.
#[derive(Debug, Default)]
pub struct Rows {
    /// In order.
    pub rows: Vec<Message>,
    bytes: usize,
}

impl Chunk for Rows {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        self.bytes += size_of::<Message>() + row.text.map_or(0, <[u8]>::len);
        self.rows.push(Message::of(row));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    fn truncate(&mut self, rows: u64) {
        self.rows
            .truncate(usize::try_from(rows).unwrap_or(usize::MAX));
    }
}

/// Fills a chunk, passing over rows that an earlier one has.
pub(super) struct Filling<C> {
    pub(super) chunk: C,
    /// Rows to be passed over.
    pub(super) skip: u64,
    /// Rows that the stream wants at most, those passed over not among them.
    pub(super) most: Option<u64>,
    /// A chunk is full from so many bytes on.
    pub(super) full: usize,
    /// Whether it was.
    pub(super) was_full: bool,
}

impl<C: Chunk> Sink for Filling<C> {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(Flow::Continue);
        }
        self.chunk.add(row)?;
        if self.most == Some(self.chunk.rows()) {
            return Ok(Flow::Stop);
        }
        self.was_full = self.chunk.bytes() >= self.full;
        Ok(if self.was_full {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }

    fn wanted(&self) -> Option<u64> {
        self.most
            .map(|most| self.skip + most - self.chunk.rows().min(most))
    }
}
