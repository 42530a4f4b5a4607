//! Batches of lanes: found, begun, and run through the words of `each`.
//!
//! ```text
//! next_batch: passed over, if they are only counted | found before | found now -> words of `each`
//!                                                          ^
//! find_ahead: at the highest tier, before those words ----/
//! ```

use super::lanes::Point;
use super::registers::BufferId;
use super::sentron::Next;
use super::survey::{Survey, only_counts};
use super::{ExecuteError, Executed, Flow, Lanes, Observer, Outside, Sentron};
use crate::stream::{MAX_TIER, Part};
use crate::{BATCH_LANES, Level, Pipe, SparseOp};

impl<'a> Sentron<'a> {
    pub(super) fn run_batches<O: Observer>(
        &mut self,
        lanes: &mut Lanes<'a>,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        let stream = self.stream;
        let mut most = first_batch(outside.sink.wanted()).min(self.batch);
        let mut ahead = None;
        self.only_counts = matches!(lanes, Lanes::Cursor(_)) && only_counts(stream);
        if self.survey.gathers_texts {
            lanes.expect_texts();
        }
        loop {
            if (outside.interrupted)() {
                return Err(Box::new(ExecuteError::Interrupted));
            }
            self.was_prefetched = ahead.is_some();
            observer.begin(self.report.ops);
            let is_found = self.next_batch(lanes, most, ahead.take())?;
            observer.looked(stream, self.report.ops);
            if !is_found {
                return Ok(Flow::Continue);
            }
            most = (2 * most).min(self.batch);
            if self.looks_ahead(lanes) && self.is_far_from_enough(outside) {
                ahead = Some(self.find_ahead(lanes, most, observer));
            }
            if self.run_each(outside, observer)? == Flow::Stop {
                if let Some(Ok(Some(batch))) = ahead {
                    self.registers.release_places(batch);
                }
                return Ok(Flow::Stop);
            }
            if ahead.is_none() && lanes.is_finished() {
                return Ok(Flow::Continue);
            }
        }
    }

    /// Runs `each` over one point, which is a batch.
    #[inline(always)]
    pub(super) fn run_point<O: Observer>(
        &mut self,
        point: Point<'a>,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        if (outside.interrupted)() {
            return Err(Box::new(ExecuteError::Interrupted));
        }
        observer.begin(self.report.ops);
        let (buffer, places) = self.registers.claim_places();
        point.find(self.phext, places)?;
        self.begin_batch(buffer);
        observer.looked(self.stream, self.report.ops);
        self.run_each(outside, observer)
    }

    /// Runs the words of `each` over the batch at hand.
    #[inline(always)]
    fn run_each<O: Observer>(
        &mut self,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        let stream = self.stream;
        for word in &stream.each {
            if self.run_number_word(word, observer) {
                continue;
            }
            if let Next::Stop = self.run_word(Part::Each, word, outside, observer)? {
                return Ok(Flow::Stop);
            }
        }
        self.position += self.width;
        Ok(Flow::Continue)
    }

    /// Begins the next batch, which may have been found before. `false` if there is none.
    fn next_batch(
        &mut self,
        lanes: &mut Lanes<'a>,
        most: usize,
        ahead: Option<Executed<Option<BufferId>>>,
    ) -> Executed<bool> {
        if self.only_counts
            && let Some(width) = lanes.skip(most)?
        {
            if width > 0 {
                self.begin_lanes(width);
            }
            return Ok(width > 0);
        }
        let batch = match ahead {
            Some(found) => found?,
            None => self.find_lanes(lanes, most)?,
        };
        if let Some(batch) = batch {
            self.begin_batch(batch);
        }
        Ok(batch.is_some())
    }

    /// Whether the batch after the one at hand is found before that is worked on.
    fn looks_ahead(&self, lanes: &Lanes<'a>) -> bool {
        self.stream.tier == MAX_TIER && !self.only_counts && !lanes.is_finished()
    }

    /// Whether the batch at hand can be expected not to be the last that the sink wants.
    fn is_far_from_enough(&self, outside: &Outside<'_>) -> bool {
        let wanted = outside.sink.wanted();
        wanted.is_none_or(|rows| rows > self.width as u64)
    }

    /// The batch after the one at hand, with what the stream says it will need asked for.
    fn find_ahead<O: Observer>(
        &mut self,
        lanes: &mut Lanes<'a>,
        most: usize,
        observer: &mut O,
    ) -> Executed<Option<BufferId>> {
        observer.begin(self.report.ops);
        let found = self.find_lanes(lanes, most)?;
        observer.looked(self.stream, self.report.ops);
        if let Some(batch) = found {
            for word in &self.stream.each {
                if let SparseOp::Prefch { level, .. } = word.sparse {
                    for lane in self.registers.places_of(batch) {
                        lane.location.prefetch(level == Level::Text);
                    }
                    observer.end(word, Pipe::Sparse, 0, self.report.ops);
                }
            }
        }
        Ok(found)
    }

    /// The next lanes, in a buffer that no register has yet.
    fn find_lanes(&mut self, lanes: &mut Lanes<'a>, most: usize) -> Executed<Option<BufferId>> {
        if lanes.is_finished() {
            return Ok(None);
        }
        let (buffer, places) = self.registers.claim_places();
        lanes.next(self.phext, places, most)?;
        if places.is_empty() {
            self.registers.release_places(buffer);
            return Ok(None);
        }
        Ok(Some(buffer))
    }

    /// Gives a batch to the register that SLANES names.
    #[inline]
    fn begin_batch(&mut self, batch: BufferId) {
        let Survey {
            register, indexed, ..
        } = self.survey;
        self.registers.put_places(register, batch);
        let width = self.registers.places(register).len();
        if indexed != 0 {
            self.registers.load_components(register, indexed);
        }
        self.begin_lanes(width);
    }

    #[inline]
    fn begin_lanes(&mut self, width: usize) {
        self.width = width;
        self.registers.memory.arena.clear();
        self.report.batches += 1;
        self.report.lanes += width as u64;
    }
}

/// Lanes of the first batch when a sink wants so many rows. Batches double from there: more lanes
/// are needed where a mask leaves some out.
fn first_batch(wanted: Option<u64>) -> usize {
    let rows = wanted.map_or(BATCH_LANES, |rows| {
        usize::try_from(rows).unwrap_or(BATCH_LANES)
    });
    rows.clamp(1, BATCH_LANES)
}
