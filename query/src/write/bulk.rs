//! Bulk loads: a mutation too large for one value, scattered batch by batch.
//!
//! ```text
//! push -> gathered, up to 1024 scrolls -> stream: SLANES SSCATTR, SFLUSH -> flush target
//! ```
//!
//! The target is what the caller gives: for an import that of an ingest, which takes all batches as a
//! whole. A batch's texts lie in one buffer that its lanes share.

use crate::error::ExecuteError;
use crate::lower::{self, Change};
use crate::write::compiled;
use bytes::{Bytes, BytesMut};
use phext_siw::execute::{Flow, Flush, ResultRow, execute};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Ingest, Phext, StoreError, WriteOp};

/// Scrolls in a stream: as many as the executor's batches have lanes.
const BATCH_SCROLLS: usize = 1024;
/// Bytes of text above which a stream takes no more scrolls.
const BATCH_BYTES: usize = 1 << 20;

/// Puts scrolls, any number of them, in the order they come.
pub struct Bulk<'f> {
    target: &'f mut dyn Flush,
    points: Vec<Coordinate>,
    lengths: Vec<usize>,
    texts: BytesMut,
}

impl std::fmt::Debug for Bulk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bulk")
            .field("gathered", &self.points.len())
            .finish_non_exhaustive()
    }
}

impl<'f> Bulk<'f> {
    /// Scatters to `target`.
    pub fn new(target: &'f mut dyn Flush) -> Bulk<'f> {
        Bulk {
            target,
            points: Vec::with_capacity(BATCH_SCROLLS),
            lengths: Vec::with_capacity(BATCH_SCROLLS),
            texts: BytesMut::new(),
        }
    }

    /// Puts a scroll.
    ///
    /// # Errors
    /// What the target says.
    pub fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<(), ExecuteError> {
        self.points.push(coordinate);
        self.lengths.push(text.len());
        self.texts.extend_from_slice(text);
        if self.points.len() == BATCH_SCROLLS || self.texts.len() >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Passes on what is gathered.
    ///
    /// # Errors
    /// What the target says.
    pub fn flush(&mut self) -> Result<(), ExecuteError> {
        if self.points.is_empty() {
            return Ok(());
        }
        let mut rest = self.texts.split().freeze();
        let texts: Vec<Bytes> = self.lengths.drain(..).map(|l| rest.split_to(l)).collect();
        let points = std::mem::take(&mut self.points);
        let stream = compiled(lower::scatter(points, Change::Put(texts)))?;
        let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
        execute(&stream, Phext::empty(), &mut no_rows, self.target)?;
        Ok(())
    }
}

/// Where a bulk load goes: into an ingest, which makes everything durable when it is finished.
#[derive(Debug)]
pub struct IntoIngest<'i, 'store>(pub &'i mut Ingest<'store>);

impl Flush for IntoIngest<'_, '_> {
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError> {
        for operation in &operations {
            match operation {
                WriteOp::Put { coordinate, text } => self.0.push(*coordinate, text)?,
                WriteOp::Delete { coordinate } => self.0.push(*coordinate, &[])?,
                WriteOp::Append { .. } => unreachable!("a bulk load scatters puts"),
            }
        }
        Ok(())
    }
}
