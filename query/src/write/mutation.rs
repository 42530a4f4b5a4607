//! Changes to a phext, as one value.

use crate::error::ExecuteError;
use crate::lower::{self, Change};
use crate::write::compiled;
use bytes::Bytes;
use phext_siw::execute::{Collected, Flow, ResultRow, execute};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Phext, WriteBatch};

/// Changes of one kind to one phext, which take effect together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// The phext's name.
    pub phext: String,
    /// What to do.
    pub kind: MutationKind,
    /// Where, and the text, in order; texts are ignored by [`MutationKind::Delete`].
    pub scrolls: Vec<(Coordinate, Bytes)>,
}

/// What to do with scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutationKind {
    /// The text becomes the scroll.
    Update,
    /// The text is added at the end of the scroll.
    Insert,
    /// The scroll is removed.
    Delete,
}

impl Mutation {
    /// Runs the mutation's stream up to its barrier: the batch that
    /// [`phext_storage::Store::commit`] makes durable.
    ///
    /// # Errors
    /// The mutation is too large for a stream: its texts are 4 GiB.
    pub fn into_batch(self) -> Result<WriteBatch, ExecuteError> {
        let (points, texts) = self.scrolls.into_iter().unzip();
        let change = match self.kind {
            MutationKind::Update => Change::Put(texts),
            MutationKind::Insert => Change::Append(texts),
            MutationKind::Delete => Change::Delete,
        };
        let stream = compiled(lower::scatter(points, change))?;
        let mut collected = Collected::default();
        let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
        execute(&stream, Phext::empty(), &mut no_rows, &mut collected)?;
        Ok(WriteBatch {
            phext: self.phext,
            operations: collected.operations,
        })
    }
}
