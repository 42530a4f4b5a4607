//! What a pool is asked to run, and how its lanes are cut into pieces.

use crate::execute::Lanes;
use crate::{Constant, CoordinationOp, LaneSpec, Stream, Word};
use phext_storage::page_table::Split;
use phext_storage::{Phext, StoreError};
use std::sync::Arc;
use std::time::Instant;

/// Text of a piece, going by the mean.
const PIECE_BYTES: u64 = 1 << 20;
/// Most pieces of a stream; those of a large phext are longer.
const MOST_PIECES: usize = 1 << 14;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Work {
    /// The program, which was validated and writes nothing.
    pub stream: Arc<Stream>,
    /// Over what.
    pub phext: Arc<Phext>,
    /// Who is served: tenants take turns.
    pub tenant: u64,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// When it has taken too long.
    pub deadline: Option<Instant>,
}

impl Work {
    fn spec(&self) -> Option<&LaneSpec> {
        let each = &self.stream.each;
        let constant = each.iter().find_map(|word| word.sparse.batches())?;
        match &self.stream.constants[constant.index()] {
            Constant::Lanes(spec) => Some(spec),
            _ => unreachable!("the validator has seen that SLANES names lanes"),
        }
    }

    /// Whether it has taken too long.
    pub(super) fn is_late(&self) -> bool {
        let deadline = self.deadline;
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Lanes of a piece, so that its text is of a bounded size, going by the mean.
    fn piece_size(&self, lanes: u64) -> u64 {
        let mean = self.phext.text_bytes() / self.phext.scrolls().max(1);
        (PIECE_BYTES / mean.max(1)).clamp(64, lanes.max(64))
    }

    /// About how many lanes it has, or `enough` where these may be that many.
    pub(super) fn estimate(&self, enough: u64) -> Result<u64, StoreError> {
        let Some(spec) = self.spec() else {
            return Ok(0);
        };
        let lanes = self.phext.estimate_lanes(spec, enough)?;
        Ok(match self.limit {
            Some(limit) if self.has_a_row_a_lane() => lanes.min(limit),
            _ => lanes,
        })
    }

    /// Whether a limit on rows is one on lanes: not where a mask leaves lanes out, nor where rows come
    /// of what is gathered from all lanes.
    fn has_a_row_a_lane(&self) -> bool {
        let each = &self.stream.each;
        let is_masked = |word: &Word| word.forms().iter().any(|form| form.mask.is_some());
        let sends = |word: &Word| matches!(word.coordination, CoordinationOp::Send { .. });
        each.iter().any(sends) && !each.iter().any(is_masked)
    }

    pub(super) fn split(&self, lanes: u64) -> Result<Option<Split>, StoreError> {
        let (spec, lanes) = (self.spec(), self.piece_size(lanes));
        spec.map(|spec| self.phext.split(spec, lanes, MOST_PIECES))
            .transpose()
    }
}

/// The lanes of a piece.
pub(crate) fn piece_lanes<'a>(
    work: &'a Work,
    split: &Split,
    piece: usize,
) -> Result<Lanes<'a>, StoreError> {
    let spec = work.spec().expect("what was split has lanes");
    match (spec, split.points(piece)) {
        (LaneSpec::Points(points), Some(range)) => Ok(Lanes::Points(&points[range])),
        _ => Ok(Lanes::Cursor(Box::new(
            work.phext.piece(spec, split, piece)?,
        ))),
    }
}
