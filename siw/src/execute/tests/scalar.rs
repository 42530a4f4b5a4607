//! The scalar model: what a stream means, one lane after the other, over a map.

use super::OwnedRow;
use crate::{
    Comparison, Constant, ConstantId, CoordinationOp, DenseOp, Fold, K, LaneSpec, Operand, Part,
    Row, Scatter, SparseOp, Stream, Word,
};
use phext_storage::WriteOp;
use phext_storage::coordinate::Coordinate;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_128;

/// The scrolls of a phext.
pub(super) type Scrolls = BTreeMap<Coordinate, Vec<u8>>;

/// Everything that a run can be seen to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rows: Vec<OwnedRow>,
    /// The writes of each SFLUSH.
    pub(super) flushes: Vec<Vec<WriteOp>>,
    pub(super) batches: u64,
    pub(super) lanes: u64,
    pub(super) ops: u64,
    pub(super) bytes_gathered: u64,
}

/// The registers of one lane. What was not written is not there, so that reading it panics.
#[derive(Debug, Clone, Default)]
struct Lane {
    r: [Option<u64>; 16],
    p: [Option<Coordinate>; 8],
    t: [Option<Option<Vec<u8>>>; 4],
    m: [Option<OwnedRow>; 4],
    k: [Option<bool>; 4],
}

impl Lane {
    fn is_active(&self, mask: Option<K>) -> bool {
        mask.is_none_or(|k| self.k[k.index()].expect("a mask was written"))
    }
}

/// Runs a stream; the sink stops it after `limit` rows.
pub(super) fn interpret(stream: &Stream, scrolls: &Scrolls, limit: Option<usize>) -> Outcome {
    let mut model = Model {
        stream,
        scrolls,
        limit,
        scalars: Lane::default(),
        scattered: Vec::new(),
        outcome: Outcome::default(),
    };
    model.run();
    model.outcome
}

struct Model<'a> {
    stream: &'a Stream,
    scrolls: &'a Scrolls,
    limit: Option<usize>,
    scalars: Lane,
    scattered: Vec<WriteOp>,
    outcome: Outcome,
}

/// The sink wants no more.
struct Stopped;

impl Model<'_> {
    fn run(&mut self) {
        let mut one = vec![Lane::default()];
        for word in &self.stream.once {
            let _ = self.word(Part::Once, word, &mut one, 0);
        }
        self.scalars = one.remove(0);
        if self.each().is_err() {
            return;
        }
        let mut one = vec![self.scalars.clone()];
        for word in &self.stream.last {
            if self.word(Part::Last, word, &mut one, 0).is_err() {
                return;
            }
        }
    }

    fn each(&mut self) -> Result<(), Stopped> {
        let lanes = self.stream.each.iter().find_map(|word| match word.sparse {
            SparseOp::Lanes { to, lanes }
            | SparseOp::Assoc { to, lanes }
            | SparseOp::Neighbr { to, lanes } => Some((to, lanes)),
            _ => None,
        });
        let Some((to, lanes)) = lanes else {
            return Ok(());
        };
        let coordinates = self.coordinates(lanes);
        for (number, batch) in coordinates.chunks(1024).enumerate() {
            self.outcome.batches += 1;
            self.outcome.lanes += batch.len() as u64;
            let mut lanes = vec![self.scalars.clone(); batch.len()];
            for (lane, &coordinate) in lanes.iter_mut().zip(batch) {
                lane.p[to.index()] = Some(coordinate);
            }
            for word in &self.stream.each {
                self.word(Part::Each, word, &mut lanes, number * 1024)?;
            }
        }
        Ok(())
    }

    fn coordinates(&self, id: ConstantId) -> Vec<Coordinate> {
        let Constant::Lanes(spec) = &self.stream.constants[id.index()] else {
            panic!("{id} is not lanes");
        };
        let between = |from: &Coordinate, to: &Coordinate| {
            let inside = |c: &&Coordinate| from <= *c && *c <= to;
            self.scrolls.keys().filter(inside).copied().collect()
        };
        match spec {
            LaneSpec::All => between(&Coordinate::ORIGIN, &Coordinate::MAX),
            LaneSpec::Range { from, to } => between(from, to),
            LaneSpec::Points(points) => points.clone(),
            LaneSpec::Union { from, to, points } => {
                let mut all: BTreeSet<Coordinate> = between(from, to).into_iter().collect();
                all.extend(points);
                all.into_iter().collect()
            }
            LaneSpec::Region(region) => {
                let keys = self.scrolls.keys();
                keys.filter(|c| region.matches(c)).copied().collect()
            }
            LaneSpec::Nearest(nearest) => {
                let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
                let near = |c: &&Coordinate| distance(c) <= nearest.radius.unwrap_or(u64::MAX);
                let mut keys: Vec<Coordinate> = self.scrolls.keys().filter(near).copied().collect();
                keys.sort_by_key(|c| (distance(c), *c));
                keys.truncate(nearest.count as usize);
                keys
            }
        }
    }

    /// Each operation reads `before` and writes `lanes`.
    fn word(
        &mut self,
        part: Part,
        word: &Word,
        lanes: &mut [Lane],
        position: usize,
    ) -> Result<(), Stopped> {
        let before = lanes.to_vec();
        self.dense(part, word.dense, &before, lanes);
        self.sparse(word.sparse, &before, lanes, position);
        self.coordination(word.coordination, &before, lanes)
    }

    fn dense(&mut self, part: Part, op: DenseOp, before: &[Lane], lanes: &mut [Lane]) {
        if let DenseOp::Red {
            accumulator,
            fold,
            mask,
        } = op
        {
            let active = before.iter().filter(|lane| lane.is_active(mask));
            let mut total = before[0].r[accumulator.index()].unwrap();
            for lane in active {
                self.outcome.ops += 1;
                total = match fold {
                    Fold::Sum(r) => total.wrapping_add(lane.r[r.index()].unwrap()),
                    Fold::Min(r) => total.min(lane.r[r.index()].unwrap()),
                    Fold::Max(r) => total.max(lane.r[r.index()].unwrap()),
                    Fold::Count => total.wrapping_add(1),
                    _ => unreachable!("the validator refuses what is not executed yet"),
                };
            }
            assert_eq!(part, Part::Each);
            self.scalars.r[accumulator.index()] = Some(total);
            for lane in lanes {
                lane.r[accumulator.index()] = Some(total);
            }
            return;
        }
        for (before, lane) in before.iter().zip(lanes) {
            self.dense_lane(op, before, lane);
        }
    }

    fn dense_lane(&mut self, op: DenseOp, before: &Lane, lane: &mut Lane) {
        let value = |operand| match operand {
            Operand::Register(r) => before.r[r.index()].expect("a number was written"),
            Operand::Constant(id) => match self.stream.constants[id.index()] {
                Constant::Number(number) => number,
                _ => panic!("{id} is not a number"),
            },
        };
        self.outcome.ops += 1;
        match op {
            DenseOp::Nop | DenseOp::Red { .. } => self.outcome.ops -= 1,
            DenseOp::Mov { to, from } => lane.r[to.index()] = Some(value(from)),
            DenseOp::Add {
                to, left, right, ..
            } => {
                let sum = value(Operand::Register(left)).wrapping_add(value(right));
                lane.r[to.index()] = Some(sum);
            }
            DenseOp::Cmp {
                to,
                comparison,
                left,
                right,
            } => {
                let order = value(Operand::Register(left)).cmp(&value(right));
                lane.k[to.index()] = Some(match comparison {
                    Comparison::Eq => order.is_eq(),
                    Comparison::Ne => order.is_ne(),
                    Comparison::Lt => order.is_lt(),
                    Comparison::Le => order.is_le(),
                    Comparison::Gt => order.is_gt(),
                    Comparison::Ge => order.is_ge(),
                    _ => unreachable!("the validator refuses what is not executed yet"),
                });
            }
            DenseOp::Len { to, at, mask } => {
                let active = before.is_active(mask);
                let text = self.scrolls.get(&before.p[at.index()].unwrap());
                let length = text.filter(|_| active).map_or(0, |text| text.len() as u64);
                lane.r[to.index()] = Some(length);
                self.outcome.ops -= u64::from(!active);
            }
            DenseOp::Hash {
                low,
                high,
                at,
                mask,
            } => {
                let active = before.is_active(mask);
                let text = self.scrolls.get(&before.p[at.index()].unwrap());
                let hash = text.filter(|_| active).map_or(0, |text| xxh3_128(text));
                lane.r[low.index()] = Some(hash as u64);
                lane.r[high.index()] = Some((hash >> 64) as u64);
                self.outcome.ops -= u64::from(!active);
            }
            _ => unreachable!("the validator refuses what is not executed yet"),
        }
    }

    fn sparse(&mut self, op: SparseOp, before: &[Lane], lanes: &mut [Lane], position: usize) {
        if op == SparseOp::Flush {
            self.outcome.ops += 1;
            let writes = std::mem::take(&mut self.scattered);
            self.outcome.flushes.push(writes);
            return;
        }
        for (index, (before, lane)) in before.iter().zip(lanes).enumerate() {
            self.sparse_lane(op, before, lane, position + index);
        }
    }

    fn sparse_lane(&mut self, op: SparseOp, before: &Lane, lane: &mut Lane, index: usize) {
        match op {
            SparseOp::Nop | SparseOp::Flush => {}
            SparseOp::Lanes { .. }
            | SparseOp::Assoc { .. }
            | SparseOp::Neighbr { .. }
            | SparseOp::Prefch { .. } => self.outcome.ops += 1,
            SparseOp::Test { .. } | SparseOp::Dist { .. } => {
                unreachable!("the validator refuses what is not executed yet")
            }
            SparseOp::Index { to, dimension, at } => {
                let coordinate = before.p[at.index()].unwrap();
                let component = coordinate.components()[usize::from(dimension)];
                lane.r[to.index()] = Some(u64::from(component));
                self.outcome.ops += 1;
            }
            SparseOp::Gather { to, at, mask, .. } => {
                lane.t[to.index()] = Some(None);
                if before.is_active(mask) {
                    self.outcome.ops += 1;
                    let text = self.scrolls.get(&before.p[at.index()].unwrap()).cloned();
                    self.outcome.bytes_gathered += text.as_ref().map_or(0, |t| t.len() as u64);
                    lane.t[to.index()] = Some(text);
                }
            }
            SparseOp::Scattr { at, scatter, mask } => {
                if before.is_active(mask) {
                    self.outcome.ops += 1;
                    let coordinate = before.p[at.index()].unwrap();
                    let write = self.write(coordinate, scatter, index);
                    self.scattered.push(write);
                }
            }
        }
    }

    fn write(&self, coordinate: Coordinate, scatter: Scatter, index: usize) -> WriteOp {
        let text = |id: ConstantId| match &self.stream.constants[id.index()] {
            Constant::Texts(texts) => texts[index].clone(),
            _ => panic!("{id} is not texts"),
        };
        match scatter {
            Scatter::Put(id) => WriteOp::Put {
                coordinate,
                text: text(id),
            },
            Scatter::Append(id) => WriteOp::Append {
                coordinate,
                text: text(id),
            },
            Scatter::Delete => WriteOp::Delete { coordinate },
        }
    }

    fn coordination(
        &mut self,
        op: CoordinationOp,
        before: &[Lane],
        lanes: &mut [Lane],
    ) -> Result<(), Stopped> {
        match op {
            CoordinationOp::Nop => {}
            CoordinationOp::Reduce { .. } => self.outcome.ops += 1,
            CoordinationOp::Pack { to, row } => {
                for (before, lane) in before.iter().zip(lanes) {
                    self.outcome.ops += 1;
                    lane.m[to.index()] = Some(pack(&row, before));
                }
            }
            CoordinationOp::Send { from, mask, .. } => {
                for lane in before.iter().filter(|lane| lane.is_active(mask)) {
                    self.outcome.ops += 1;
                    self.outcome
                        .rows
                        .push(lane.m[from.index()].clone().unwrap());
                    if self.limit == Some(self.outcome.rows.len()) {
                        return Err(Stopped);
                    }
                }
            }
            _ => unreachable!("the validator refuses what is not executed yet"),
        }
        Ok(())
    }
}

fn pack(row: &Row, lane: &Lane) -> OwnedRow {
    let number = |r: crate::R| lane.r[r.index()].expect("a number was written");
    OwnedRow {
        coordinate: row.coordinate.map(|p| lane.p[p.index()].unwrap()),
        text: row.text.and_then(|t| lane.t[t.index()].clone().unwrap()),
        length: row.length.map(number),
        checksum: row
            .checksum
            .map(|(low, high)| (u128::from(number(high)) << 64) + u128::from(number(low))),
        number: row.number.map(number),
    }
}
