//! Changes to a phext, as one value.

use bytes::Bytes;
use phext_siw::execute::{Collected, ExecuteError, Flow, ResultRow, execute};
use phext_siw::{Constant, LaneSpec, P, Scatter, SparseOp, Stream, StreamBuilder, Word};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Phext, WriteBatch};

/// Words are packed and batched.
const TIER: u8 = 2;
const PLACE: P = P(0);

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
    /// The stream that does it. Takes the scrolls' texts.
    fn into_stream(self) -> (String, Stream) {
        let mut stream = StreamBuilder::new(TIER);
        let (points, texts) = self.scrolls.into_iter().unzip();
        let lanes = stream.constant(Constant::Lanes(LaneSpec::Points(points)));
        let scatter = match self.kind {
            MutationKind::Update => Scatter::Put(stream.constant(Constant::Texts(texts))),
            MutationKind::Insert => Scatter::Append(stream.constant(Constant::Texts(texts))),
            MutationKind::Delete => Scatter::Delete,
        };
        stream.each(Word::sparse(SparseOp::Lanes { to: PLACE, lanes }));
        stream.each(Word::sparse(SparseOp::Scattr {
            at: PLACE,
            scatter,
            mask: None,
        }));
        stream.last(Word::sparse(SparseOp::Flush));
        (self.phext, stream.build())
    }

    /// Runs the stream up to its barrier: the batch that [`phext_storage::Store::commit`] makes
    /// durable.
    ///
    /// # Errors
    /// None today: scattering does not look at the store.
    pub fn into_batch(self) -> Result<WriteBatch, ExecuteError> {
        let (phext, stream) = self.into_stream();
        let mut collected = Collected::default();
        let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
        execute(&stream, Phext::empty(), &mut no_rows, &mut collected)?;
        Ok(WriteBatch {
            phext,
            operations: collected.operations,
        })
    }
}
