//! The S pipe: phext memory.

use super::registers::{Active, Mask, Readable, Text, TextBuffer, Write};
use super::{Executed, Outside, Sentron};
use crate::{
    Constant, ConstantId, Extent, K, LaneSpec, Level, P, R, Scatter, SparseOp, T, telemetry,
};
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Lane, Location};
use phext_storage::{StoreError, WriteOp};

impl<'a> Sentron<'a> {
    /// Runs an S operation up to what it writes, which is deferred. Each is a call of its own, so that none
    /// pays for the room that others take.
    #[inline(always)]
    pub(super) fn evaluate_sparse(
        &mut self,
        op: &SparseOp,
        outside: &mut Outside<'_>,
    ) -> Executed<()> {
        match *op {
            SparseOp::Nop => {}
            // The batch has begun with these lanes.
            SparseOp::Lanes { .. } | SparseOp::Assoc { .. } | SparseOp::Neighbr { .. } => {
                self.report.ops += self.width as u64;
            }
            SparseOp::Test { to, at, lanes } => self.test(to, at, lanes),
            SparseOp::Dist { to, at, lanes } => self.distance(to, at, lanes),
            // The only lanes there are: those of the batch.
            SparseOp::Index { to, dimension, .. } => self.index(to, dimension),
            SparseOp::Gather {
                to,
                extent,
                at,
                mask,
            } => return self.gather(to, extent, at, mask),
            SparseOp::Scattr { at, scatter, mask } => self.scatter(at, scatter, mask),
            SparseOp::Prefch { at, level } => self.prefetch(at, level),
            SparseOp::Flush => return self.flush(outside),
        }
        Ok(())
    }

    fn lane_spec(&self, id: ConstantId) -> &'a LaneSpec {
        match &self.stream.constants[id.index()] {
            Constant::Lanes(spec) => spec,
            _ => unreachable!("the validator has seen that this constant is lanes"),
        }
    }

    /// The components of the lanes of the batch.
    #[inline(never)]
    pub(super) fn index(&mut self, to: R, dimension: u8) {
        let mut numbers = self.registers.take_numbers_for(to, []);
        let components = self.registers.components(dimension);
        let lanes = &mut numbers.buffer.0[..self.width];
        self.kernels.widen(components, lanes);
        self.report.ops += self.width as u64;
        self.registers.defer_numbers(to, numbers);
    }

    /// How far each coordinate is.
    #[inline(never)]
    fn distance(&mut self, to: R, at: P, lanes: ConstantId) {
        let LaneSpec::Nearest(nearest) = self.lane_spec(lanes) else {
            unreachable!("the validator has seen that SDIST names a nearest search");
        };
        let mut numbers = self.registers.take_numbers_for(to, []);
        let places = self.registers.places(at);
        for (to, lane) in numbers.buffer.0.iter_mut().zip(places) {
            *to = nearest.metric.distance(&nearest.to, &lane.coordinate);
        }
        self.report.ops += self.width as u64;
        self.registers.defer_numbers(to, numbers);
    }

    #[inline(never)]
    fn flush(&mut self, outside: &mut Outside<'_>) -> Executed<()> {
        self.report.ops += 1;
        let scattered = std::mem::take(&mut self.registers.memory.scattered);
        Ok(outside.flush.flush(scattered)?)
    }

    #[inline(never)]
    fn test(&mut self, to: K, at: P, lanes: ConstantId) {
        let spec = self.lane_spec(lanes);
        let holds = |coordinate: &Coordinate| match spec {
            LaneSpec::All => true,
            LaneSpec::Range { from, to } => from <= coordinate && coordinate <= to,
            LaneSpec::Region(region) => region.matches(coordinate),
            _ => unreachable!("the validator has seen which lanes STEST names"),
        };
        let mut mask = Mask::default();
        for (index, lane) in self.registers.places(at).iter().enumerate() {
            mask.0[index / 64] |= u64::from(holds(&lane.coordinate)) << (index % 64);
        }
        self.report.ops += self.width as u64;
        *self.registers.next_sparse_mask() = mask;
        self.registers.defer(Write::SparseMask(to));
    }

    #[inline(never)]
    fn prefetch(&mut self, at: P, level: Level) {
        // For one lane there is nothing to overlap its wait with, and a batch found ahead was asked
        // for then.
        if self.width > 1 && !self.was_prefetched {
            for lane in self.registers.places(at) {
                lane.location.prefetch(level == Level::Text);
            }
        }
    }

    #[inline(never)]
    fn gather(&mut self, to: T, extent: Extent, at: P, mask: Option<K>) -> Executed<()> {
        let (id, texts, readable) = self.registers.claim_texts();
        let places = readable.places(at);
        let active = readable.active(mask, self.width);
        let bytes = match (extent, mask) {
            (Extent::Whole, None) => {
                gather_parts(texts, places, active, |_, present| present.text())
            }
            _ => gather_some(texts, readable, (places, active), extent),
        }?;
        if telemetry::will_look(self.report.batches, self.width) {
            let borrowed = |text: &Text<'a>| match text {
                Text::Borrowed(text) => Some(*text),
                _ => None,
            };
            telemetry::look(texts.iter().filter_map(borrowed));
        }
        self.report.ops += active.count();
        self.report.bytes_gathered += bytes;
        self.registers.defer(Write::Texts(to, id));
        Ok(())
    }

    #[inline(never)]
    fn scatter(&mut self, at: P, scatter: Scatter, mask: Option<K>) {
        let mut scattered = std::mem::take(&mut self.registers.memory.scattered);
        let active: Active<'_> = self.registers.active(mask, self.width);
        for (index, lane) in self.registers.places(at).iter().enumerate() {
            if !active.get(index) {
                continue;
            }
            let coordinate = lane.coordinate;
            let text = |id| self.text(id, self.position + index);
            scattered.push(match scatter {
                Scatter::Put(id) => WriteOp::Put {
                    coordinate,
                    text: text(id),
                },
                Scatter::Append(id) => WriteOp::Append {
                    coordinate,
                    text: text(id),
                },
                Scatter::Delete => WriteOp::Delete { coordinate },
            });
        }
        self.report.ops += active.count();
        self.registers.memory.scattered = scattered;
    }

    fn text(&self, id: ConstantId, index: usize) -> Bytes {
        match &self.stream.constants[id.index()] {
            Constant::Texts(texts) => texts[index].clone(),
            _ => unreachable!("the validator has seen that this constant is texts"),
        }
    }
}

/// Fills a buffer with what `part` gives of the texts of active lanes. Returns how many bytes that are.
#[inline(always)]
fn gather_parts<'a>(
    texts: &mut TextBuffer<'a>,
    places: &[Lane<'a>],
    active: Active<'_>,
    part: impl Fn(usize, &Location<'a>) -> Result<&'a [u8], StoreError>,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    texts.reserve(places.len());
    for (index, lane) in places.iter().enumerate() {
        texts.push(match &lane.location {
            Location::Absent => Text::Absent,
            _ if !active.get(index) => Text::Absent,
            present => {
                let text = part(index, present)?;
                bytes += text.len() as u64;
                Text::Borrowed(text)
            }
        });
    }
    Ok(bytes)
}

/// As [`gather_parts`], of the part that each lane asks for.
#[inline(never)]
fn gather_some<'a>(
    texts: &mut TextBuffer<'a>,
    readable: Readable<'_, 'a>,
    (places, active): (&[Lane<'a>], Active<'_>),
    extent: Extent,
) -> Result<u64, StoreError> {
    gather_parts(texts, places, active, |index, present| {
        part_of(present, extent, |register| {
            readable.number_at(register, index)
        })
    })
}

/// The part of a text that a lane asks for, given its numbers.
#[inline]
fn part_of<'a>(
    location: &Location<'a>,
    extent: Extent,
    number: impl Fn(R) -> u64,
) -> Result<&'a [u8], StoreError> {
    let text = location.text()?;
    match extent {
        Extent::Whole => Ok(text),
        Extent::Bytes { from, count } => {
            let end = text.len() as u64;
            let from = number(from).min(end);
            let to = from.saturating_add(number(count)).min(end);
            Ok(&text[from as usize..to as usize])
        }
        Extent::Lines { from, count } => lines(location, text, number(from), number(count)),
    }
}

/// `count` lines from line `from`, with their ends.
fn lines<'a>(
    location: &Location<'a>,
    text: &'a [u8],
    from: u64,
    count: u64,
) -> Result<&'a [u8], StoreError> {
    // A text has fewer lines than 2^32.
    let line = |number: u64| match u32::try_from(number) {
        Ok(number) => location.line(number),
        Err(_) => Ok(None),
    };
    let (Some(first), Some(last)) = (line(from)?, count.checked_sub(1)) else {
        return Ok(&[]);
    };
    let start = first.bytes.start;
    let end = match line(from.saturating_add(last))? {
        Some(last) => (last.bytes.end + 1).min(text.len()),
        None => text.len(),
    };
    Ok(&text[start..end])
}
