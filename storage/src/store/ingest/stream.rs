//! A part that is written while its scrolls come, in coordinate order.

use super::super::Shared;
use super::arena::ENTRY_BYTES;
use super::pipeline::{Built, Target};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{PartLabel, Segment, SegmentStream};
use parking_lot::Mutex;

/// A part under construction, and what was pushed meanwhile to be removed.
#[derive(Debug)]
pub(super) struct Stream {
    segment: SegmentStream,
    /// Where the text pushed was empty.
    removed: Vec<Coordinate>,
}

impl Stream {
    pub(super) fn new(segment: SegmentStream) -> Stream {
        Stream {
            segment,
            removed: Vec::new(),
        }
    }

    /// Adds a scroll, whose coordinate is greater than all before.
    pub(super) fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            self.removed.push(coordinate);
            return Ok(());
        }
        self.segment.push(coordinate, text)
    }

    /// Whether it holds as much as a part that is made of a full arena.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        let scrolls = self.segment.len() + self.removed.len();
        self.segment.byte_len() >= bytes || scrolls as u64 * ENTRY_BYTES >= bytes
    }

    /// Makes it a part, if it has a scroll.
    pub(super) fn finish(
        mut self,
        shared: &Shared,
        target: &Target,
        built: &Mutex<Built>,
    ) -> Result<()> {
        built.lock().removed.append(&mut self.removed);
        if self.segment.len() == 0 {
            return Ok(());
        }
        let id = self.segment.id();
        let label = PartLabel {
            phext: target.phext,
            name: &target.name,
            first_lsn: target.lsn,
            last_lsn: target.lsn,
        };
        self.segment.finish(label, target.order)?;
        let segment = Segment::open(&*shared.vfs, &shared.paths.segments, id)?;
        built.lock().parts.push(segment.part(0)?);
        Ok(())
    }
}
