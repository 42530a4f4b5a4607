//! The scalar model: what a stream means, one lane after the other, over a map.

mod dense;
mod rows;

use super::OwnedRow;
use crate::{
    Constant, ConstantId, CoordinationOp, Destination, Extent, K, LaneSpec, Part, Queries, Ranking,
    Scatter, SparseOp, Stream, Word,
};
use phext_storage::WriteOp;
use phext_storage::coordinate::Coordinate;
use std::collections::{BTreeMap, BTreeSet};

/// The scrolls of a phext.
pub(super) type Scrolls = BTreeMap<Coordinate, Vec<u8>>;

/// Everything that a run can be seen to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rows: Vec<OwnedRow>,
    /// The writes of each SFLUSH.
    pub(super) flushes: Vec<Vec<WriteOp>>,
    /// How often CFENCE came.
    pub(super) fences: u64,
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

/// How the rows of a message of `last` are merged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Plain,
    Top(Ranking, u64),
    Tally,
    /// So many queries, and how many rows each keeps.
    Dots(usize, u64),
}

/// What one sentron has besides lanes.
#[derive(Debug, Default)]
struct Sentron {
    number: usize,
    scalars: Lane,
    /// What CTOP and CTALLY saw: coordinate, number; what CDOT saw: those of each query, in turn.
    seen: [Vec<(Coordinate, u64)>; 4],
    messages: [(Kind, Vec<OwnedRow>); 4],
    sent: Vec<(Destination, OwnedRow)>,
    received: Vec<OwnedRow>,
    scattered: Vec<WriteOp>,
    position: usize,
    word: usize,
}

/// Runs a stream in batches of `width` lanes; the sink stops it after `limit` rows.
pub(super) fn interpret(
    stream: &Stream,
    scrolls: &Scrolls,
    width: usize,
    limit: Option<usize>,
) -> Outcome {
    let pieces = vec![vec![coordinates(stream, scrolls)]];
    interpret_group(stream, scrolls, width, limit, pieces)
}

/// Runs a stream on a row of sentrons, given the pieces of each.
pub(super) fn interpret_group(
    stream: &Stream,
    scrolls: &Scrolls,
    width: usize,
    limit: Option<usize>,
    pieces: Vec<Vec<Vec<Coordinate>>>,
) -> Outcome {
    let mut model = Model {
        stream,
        scrolls,
        width,
        limit,
        outcome: Outcome::default(),
    };
    // A stream that was stopped is done.
    let _ = model.run(pieces);
    model.outcome
}

/// The lanes of a stream.
pub(super) fn coordinates(stream: &Stream, scrolls: &Scrolls) -> Vec<Coordinate> {
    let id = stream.each.iter().find_map(|word| word.sparse.batches());
    let Some(id) = id else {
        return Vec::new();
    };
    let Constant::Lanes(spec) = &stream.constants[id.index()] else {
        panic!("{id} is not lanes");
    };
    let between = |from: &Coordinate, to: &Coordinate| {
        let inside = |c: &&Coordinate| from <= *c && *c <= to;
        scrolls.keys().filter(inside).copied().collect()
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
            let keys = scrolls.keys();
            keys.filter(|c| region.matches(c)).copied().collect()
        }
        LaneSpec::Nearest(nearest) => {
            let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
            let near = |c: &&Coordinate| distance(c) <= nearest.radius.unwrap_or(u64::MAX);
            let mut keys: Vec<Coordinate> = scrolls.keys().filter(near).copied().collect();
            keys.sort_by_key(|c| (distance(c), *c));
            keys.truncate(nearest.count as usize);
            keys
        }
    }
}

struct Model<'a> {
    stream: &'a Stream,
    scrolls: &'a Scrolls,
    width: usize,
    limit: Option<usize>,
    outcome: Outcome,
}

/// The sink wants no more.
struct Stopped;

impl Model<'_> {
    fn run(&mut self, pieces: Vec<Vec<Vec<Coordinate>>>) -> Result<(), Stopped> {
        let numbered = |number| Sentron {
            number,
            ..Sentron::default()
        };
        let mut sentrons: Vec<_> = (0..pieces.len()).map(numbered).collect();
        self.short(Part::Once, &mut sentrons)?;
        for (sentron, pieces) in sentrons.iter_mut().zip(pieces) {
            for piece in pieces {
                self.each(sentron, &piece)?;
            }
        }
        for sentron in &mut sentrons {
            self.settle(sentron);
        }
        self.short(Part::Last, &mut sentrons)
    }

    /// Runs `once` or `last` from collective to collective.
    fn short(&mut self, part: Part, sentrons: &mut [Sentron]) -> Result<(), Stopped> {
        let words = self.stream.words(part);
        for sentron in &mut *sentrons {
            sentron.word = 0;
        }
        loop {
            for sentron in &mut *sentrons {
                while let Some(word) = words.get(sentron.word) {
                    sentron.word += 1;
                    let mut one = vec![sentron.scalars.clone()];
                    self.word(part, word, sentron, &mut one)?;
                    sentron.scalars = one.remove(0);
                    if is_collective(word.coordination) {
                        break;
                    }
                }
            }
            let last = sentrons[0].word.checked_sub(1).map(|word| words[word]);
            match last.filter(|word| is_collective(word.coordination)) {
                Some(word) => self.meet(word.coordination, sentrons),
                None => return Ok(()),
            }
            if sentrons[0].word == words.len() {
                return Ok(());
            }
        }
    }

    fn each(&mut self, sentron: &mut Sentron, piece: &[Coordinate]) -> Result<(), Stopped> {
        let to = self.stream.each.iter().find_map(|word| match word.sparse {
            SparseOp::Lanes { to, .. }
            | SparseOp::Assoc { to, .. }
            | SparseOp::Neighbr { to, .. } => Some(to),
            _ => None,
        });
        let Some(to) = to else {
            return Ok(());
        };
        for batch in piece.chunks(self.width) {
            self.outcome.batches += 1;
            self.outcome.lanes += batch.len() as u64;
            let mut lanes = vec![sentron.scalars.clone(); batch.len()];
            for (lane, &coordinate) in lanes.iter_mut().zip(batch) {
                lane.p[to.index()] = Some(coordinate);
            }
            for word in &self.stream.each {
                self.word(Part::Each, word, sentron, &mut lanes)?;
            }
            sentron.position += batch.len();
        }
        Ok(())
    }

    /// Each operation reads `before` and writes `lanes`.
    fn word(
        &mut self,
        part: Part,
        word: &Word,
        sentron: &mut Sentron,
        lanes: &mut [Lane],
    ) -> Result<(), Stopped> {
        let before = lanes.to_vec();
        self.dense(part, word.dense, sentron, &before, lanes);
        self.sparse(word.sparse, sentron, &before, lanes);
        self.coordination(part, word.coordination, sentron, &before, lanes)
    }

    fn number(&self, id: ConstantId) -> u64 {
        match self.stream.constants[id.index()] {
            Constant::Number(number) => number,
            _ => panic!("{id} is not a number"),
        }
    }

    fn queries(&self, id: ConstantId) -> &Queries {
        match &self.stream.constants[id.index()] {
            Constant::Queries(queries) => queries,
            _ => panic!("{id} is not queries"),
        }
    }

    fn sparse(&mut self, op: SparseOp, sentron: &mut Sentron, before: &[Lane], lanes: &mut [Lane]) {
        if op == SparseOp::Flush {
            self.outcome.ops += 1;
            let writes = std::mem::take(&mut sentron.scattered);
            self.outcome.flushes.push(writes);
            return;
        }
        for (index, (before, lane)) in before.iter().zip(lanes).enumerate() {
            self.sparse_lane(op, sentron, before, lane, index);
        }
    }

    fn sparse_lane(
        &mut self,
        op: SparseOp,
        sentron: &mut Sentron,
        before: &Lane,
        lane: &mut Lane,
        index: usize,
    ) {
        let place = |p: crate::P| before.p[p.index()].expect("a place was written");
        let spec = |id: ConstantId| match &self.stream.constants[id.index()] {
            Constant::Lanes(spec) => spec,
            _ => panic!("{id} is not lanes"),
        };
        match op {
            SparseOp::Nop | SparseOp::Flush | SparseOp::Prefch { .. } => {}
            SparseOp::Lanes { .. } | SparseOp::Assoc { .. } | SparseOp::Neighbr { .. } => {
                self.outcome.ops += 1;
            }
            SparseOp::Test { to, at, lanes } => {
                let at = place(at);
                lane.k[to.index()] = Some(match spec(lanes) {
                    LaneSpec::All => true,
                    LaneSpec::Range { from, to } => (from..=to).contains(&&at),
                    LaneSpec::Region(region) => region.matches(&at),
                    other => panic!("STEST of {other:?}"),
                });
                self.outcome.ops += 1;
            }
            SparseOp::Dist { to, at, lanes } => {
                let LaneSpec::Nearest(nearest) = spec(lanes) else {
                    panic!("SDIST without a metric");
                };
                let distance = nearest.metric.distance(&place(at), &nearest.to);
                lane.r[to.index()] = Some(distance);
                self.outcome.ops += 1;
            }
            SparseOp::Index { to, dimension, at } => {
                let component = place(at).components()[usize::from(dimension)];
                lane.r[to.index()] = Some(u64::from(component));
                self.outcome.ops += 1;
            }
            SparseOp::Gather {
                to,
                extent,
                at,
                mask,
            } => {
                lane.t[to.index()] = Some(None);
                if before.is_active(mask) {
                    self.outcome.ops += 1;
                    let text = self.scrolls.get(&place(at));
                    let part = text.map(|text| part_of(text, extent, before));
                    self.outcome.bytes_gathered += part.as_ref().map_or(0, |t| t.len() as u64);
                    lane.t[to.index()] = Some(part);
                }
            }
            SparseOp::Scattr { at, scatter, mask } => {
                if before.is_active(mask) {
                    self.outcome.ops += 1;
                    let write = self.write(place(at), scatter, sentron.position + index);
                    sentron.scattered.push(write);
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
}

fn is_collective(op: CoordinationOp) -> bool {
    matches!(
        op,
        CoordinationOp::Bar
            | CoordinationOp::Reduce { .. }
            | CoordinationOp::Cast { .. }
            | CoordinationOp::Merge { .. }
    )
}

fn part_of(text: &[u8], extent: Extent, lane: &Lane) -> Vec<u8> {
    let number = |r: crate::R| u128::from(lane.r[r.index()].expect("a number was written"));
    match extent {
        Extent::Whole => text.to_vec(),
        Extent::Bytes { from, count } => {
            let wanted = number(from)..number(from) + number(count);
            let bytes = text.iter().enumerate();
            let inside = bytes.filter(|(at, _)| wanted.contains(&(*at as u128)));
            inside.map(|(_, &byte)| byte).collect()
        }
        Extent::Lines { from, count } => {
            let wanted = number(from)..number(from) + number(count);
            let mut line = 1;
            let mut part = Vec::new();
            for &byte in text {
                if wanted.start > 0 && wanted.contains(&line) {
                    part.push(byte);
                }
                line += u128::from(byte == b'\n');
            }
            part
        }
    }
}
