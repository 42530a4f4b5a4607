//! The S pipe: phext memory.

use super::registers::{Active, Mask, Text, Write};
use super::{ExecuteError, Outside, Sentron};
use crate::{
    Constant, ConstantId, Extent, K, LaneSpec, Level, P, R, Scatter, SparseOp, T, telemetry,
};
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::Location;
use phext_storage::{StoreError, WriteOp};

impl<'a> Sentron<'a> {
    /// What an S operation writes.
    pub(super) fn evaluate_sparse(
        &mut self,
        op: &SparseOp,
        outside: &mut Outside<'_>,
    ) -> Result<Option<Write>, ExecuteError> {
        match *op {
            SparseOp::Nop => {}
            // The batch has begun with these lanes.
            SparseOp::Lanes { .. } | SparseOp::Assoc { .. } | SparseOp::Neighbr { .. } => {
                self.report.ops += self.width as u64;
            }
            SparseOp::Test { to, at, lanes } => return Ok(Some(self.test(to, at, lanes))),
            SparseOp::Dist { to, at, lanes } => {
                let LaneSpec::Nearest(nearest) = self.lane_spec(lanes) else {
                    unreachable!("the validator has seen that SDIST names a nearest search");
                };
                let (to_measure, metric) = (&nearest.to, nearest.metric);
                return Ok(Some(self.per_coordinate(to, at, |coordinate| {
                    metric.distance(to_measure, coordinate)
                })));
            }
            SparseOp::Index { to, dimension, at } => {
                return Ok(Some(self.per_coordinate(to, at, |coordinate| {
                    u64::from(coordinate.components()[usize::from(dimension)])
                })));
            }
            SparseOp::Gather {
                to,
                extent,
                at,
                mask,
            } => return Ok(Some(self.gather(to, extent, at, mask)?)),
            SparseOp::Scattr { at, scatter, mask } => self.scatter(at, scatter, mask),
            SparseOp::Prefch { at, level } => self.prefetch(at, level),
            SparseOp::Flush => {
                self.report.ops += 1;
                let scattered = std::mem::take(&mut self.registers.memory.scattered);
                outside.flush.flush(scattered)?;
            }
        }
        Ok(None)
    }

    fn lane_spec(&self, id: ConstantId) -> &'a LaneSpec {
        match &self.stream.constants[id.index()] {
            Constant::Lanes(spec) => spec,
            _ => unreachable!("the validator has seen that this constant is lanes"),
        }
    }

    /// A number of each coordinate.
    fn per_coordinate(&mut self, to: R, at: P, number: impl Fn(&Coordinate) -> u64) -> Write {
        let mut numbers = self.registers.take_numbers();
        let places = self.registers.places(at);
        for (to, lane) in numbers.buffer.0.iter_mut().zip(places) {
            *to = number(&lane.coordinate);
        }
        self.report.ops += self.width as u64;
        Write::Numbers(to, self.registers.put_numbers(numbers))
    }

    fn test(&mut self, to: K, at: P, lanes: ConstantId) -> Write {
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
        Write::SparseMask(to)
    }

    fn prefetch(&mut self, at: P, level: Level) {
        self.report.ops += self.width as u64;
        // For one lane there is nothing to overlap its wait with, and a batch found ahead was asked
        // for then.
        if self.width > 1 && !self.was_prefetched {
            for lane in self.registers.places(at) {
                lane.location.prefetch(level == Level::Text);
            }
        }
    }

    fn gather(
        &mut self,
        to: T,
        extent: Extent,
        at: P,
        mask: Option<K>,
    ) -> Result<Write, ExecuteError> {
        let mut texts = self.registers.take_texts();
        let places = self.registers.places(at);
        let active = self.registers.active(mask, self.width);
        texts.buffer.reserve(places.len());
        let mut bytes = 0;
        for (index, lane) in places.iter().enumerate() {
            let text = match lane.location {
                Location::Absent => Text::Absent,
                _ if !active.get(index) => Text::Absent,
                present => {
                    let text = self.part_of(&present, extent, index)?;
                    bytes += text.len() as u64;
                    Text::Borrowed(text)
                }
            };
            texts.buffer.push(text);
        }
        if telemetry::will_look(self.report.batches, self.width) {
            let borrowed = |text: &Text<'a>| match text {
                Text::Borrowed(text) => Some(*text),
                _ => None,
            };
            telemetry::look(texts.buffer.iter().filter_map(borrowed));
        }
        self.report.ops += active.count();
        self.report.bytes_gathered += bytes;
        Ok(Write::Texts(to, self.registers.put_texts(texts)))
    }

    /// The part of a text that a lane asks for.
    #[inline]
    fn part_of(
        &self,
        location: &Location<'a>,
        extent: Extent,
        lane: usize,
    ) -> Result<&'a [u8], StoreError> {
        let text = location.text()?;
        let range = |from, count| {
            let number = |register| self.registers.number_at(register, lane);
            (number(from), number(count))
        };
        match extent {
            Extent::Whole => Ok(text),
            Extent::Bytes { from, count } => {
                let (from, count) = range(from, count);
                let end = text.len() as u64;
                let from = from.min(end);
                let to = from.saturating_add(count).min(end);
                Ok(&text[from as usize..to as usize])
            }
            Extent::Lines { from, count } => {
                let (from, count) = range(from, count);
                lines(location, text, from, count)
            }
        }
    }

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
