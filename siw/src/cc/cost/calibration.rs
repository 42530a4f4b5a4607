//! The calibration run.
//!
//! An operation costs what streams with it take longer than the same streams without it. Each time
//! is the least of a few, one behind the other. What disturbs all of these is over when the whole run is
//! done again: of several runs each cost is the median ([`super::median`]).

use super::super::resource::yields_lanes;
use super::clock::{cycles_per_nanosecond, fastest};
use super::{CostModel, counts_lanes, memory, repeats};
use crate::constant::ConstantKind;
use crate::execute::{Collected, Flow, ResultRow, execute};
use crate::form::Form;
use crate::lanes::LaneKind;
use crate::register::{R, Register, RegisterClass};
use crate::stream::MAX_TIER;
use crate::table::{Access, Description, RegisterOperand, opcode, operations};
use crate::word::link;
use crate::{
    Comparison, Constant, ConstantId, CoordinationOp, DenseOp, Extent, K, LaneSpec, M, NumberKind,
    Operand, P, Part, Pipe, Queries, Row, SparseOp, Stream, T, Word, validate,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::page_table::{Constraint, Metric, Nearest, Region};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// Scrolls of the calibration, two batches.
pub(super) const SCROLLS: u32 = 2048;
/// Their texts are vectors and hypervectors of 96 bytes.
const TEXT: &[u8; 96] = b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`";
/// How often an operation is in a stream, and one that takes little beside what finds the lanes.
const COPIES: usize = 8;
const MANY_COPIES: usize = 32;
/// Times of which the least counts.
const TIMES: usize = 2;
/// The same of streams that only find lanes, of which few are timed and of brief ones the differences count.
const FINDING_TIMES: usize = 5;
/// What an operation takes at least, in nanoseconds, that is told apart from the rest of its stream when it
/// is there once.
const TOLD_APART: f64 = 30_000.0;

/// Constants of all streams of the calibration.
const ZERO: ConstantId = ConstantId(0);
const FEW: ConstantId = ConstantId(1);
const VECTOR: ConstantId = ConstantId(2);
const ALL: ConstantId = ConstantId(3);
const REGION: ConstantId = ConstantId(4);
const NEAREST: ConstantId = ConstantId(5);
const POINTS: ConstantId = ConstantId(6);
const TEXTS: ConstantId = ConstantId(7);
const QUERIES: ConstantId = ConstantId(8);
const SHUFFLED: ConstantId = ConstantId(9);
const SPARSE: ConstantId = ConstantId(10);
const SINGLE: ConstantId = ConstantId(11);

/// The values of the last dimension.
const SPREAD: u32 = 128;

/// The first registers that operations write; the inputs are below.
const OUTPUTS: [u8; 5] = [8, 4, 3, 3, 3];
/// The register that operations accumulate numbers in; messages are collected in `m2`.
const TOTAL: u8 = 7;
const COLLECTED: u8 = 2;

/// Calibrates so often, over the same store.
pub(super) fn measure<const RUNS: usize>() -> [CostModel; RUNS] {
    let bench = Bench::new();
    std::array::from_fn(|_| calibrate(&bench))
}

fn calibrate(bench: &Bench) -> CostModel {
    let cycles_per_nanosecond = (cycles_per_nanosecond(TIMES) * 1e3).round() / 1e3;
    // More digits would say more than was measured.
    let cycles = |time: f64| (time.max(0.0) * cycles_per_nanosecond * 1e3).round() / 1e3;
    let lanes = f64::from(SCROLLS);

    // The same lanes in two batches and in batches of one, with words and without.
    let inputs = [0, 1].map(|number| input(RegisterClass::Number, number));
    let [batched, single] = [1, 0].map(|tier| bench.stream(tier, &inputs));
    let (batched_time, single_time) = (bench.time(&batched), bench.time(&single));
    let sums = vec![Word::dense(sum()); COPIES];
    let with_sums = |stream: Stream| bench.time(&with(stream, Part::Each, &sums));
    let words = lanes * COPIES as f64;
    let per_sum = (with_sums(batched) - batched_time) / words;
    let per_word = (with_sums(single) - single_time) / words - per_sum;
    let [batched_time, single_time] = [1, 0].map(|tier| bench.time(&bench.stream(tier, &[])));
    let per_batch = (single_time - batched_time) / (lanes - 2.0);

    let mut cycles_per_op = BTreeMap::new();
    for pipe in Pipe::ALL {
        for description in operations(pipe) {
            for function in 0..description.functions.len().max(1) {
                let form = Form {
                    opcode: description.opcode,
                    function: function as u8,
                    ..Form::nop(pipe)
                };
                if let Some(time) = bench.operation(description, form) {
                    cycles_per_op.insert(form.name(), cycles(time));
                }
            }
        }
    }
    let mut insert = |name: &str, time| cycles_per_op.insert(name.to_owned(), cycles(time));
    insert("SLANES.points", bench.found(1, SHUFFLED) / lanes);
    insert("SLANES.counted", bench.found(MAX_TIER, ALL) / lanes);
    insert("SNEIGHBR.counted", bench.found(MAX_TIER, NEAREST) / lanes);
    insert("SASSOC.counted", bench.region(MAX_TIER)[0]);
    let [per_lane, per_block] = bench.region(1);
    insert("SASSOC", per_lane);
    let lines = memory::nanoseconds_per_line().into_iter();
    CostModel {
        cycles_per_block: cycles(per_block),
        cycles_per_line: lines.map(|(bytes, time)| (bytes, cycles(time))).collect(),
        cycles_per_nanosecond,
        cycles_per_word: cycles(per_word),
        cycles_per_batch: cycles(per_batch),
        cycles_per_op,
    }
}

fn load(to: u8) -> DenseOp {
    DenseOp::Mov {
        to: R(to),
        from: Operand::Constant(ZERO),
    }
}

/// An operation as most are: of two registers, into a third.
fn sum() -> DenseOp {
    DenseOp::Add {
        to: R(OUTPUTS[0]),
        kind: NumberKind::U64,
        left: R(0),
        right: Operand::Register(R(1)),
    }
}

fn with(mut stream: Stream, part: Part, words: &[Word]) -> Stream {
    let to = match part {
        Part::Once => &mut stream.once,
        Part::Each => &mut stream.each,
        Part::Last => &mut stream.last,
    };
    to.extend(words);
    link(to);
    stream
}

/// What streams are timed on.
struct Bench {
    phext: Arc<Phext>,
    constants: Vec<Constant>,
}

impl Bench {
    fn new() -> Self {
        const OPENS: &str = "a store in memory has nothing to fail on";
        let options = Options {
            background: false,
            ..Options::default()
        };
        let vfs = Arc::new(MemoryVfs::default());
        let store = Store::open_with(vfs, Path::new("/calibration"), options).expect(OPENS);
        let points: Vec<Coordinate> = (0..SCROLLS).map(point).collect();
        let put = |&coordinate: &Coordinate| WriteOp::Put {
            coordinate,
            text: TEXT.as_slice().into(),
        };
        let operations = points.iter().map(put).collect();
        let phext = String::new();
        store.commit(WriteBatch { phext, operations }).expect(OPENS);
        store.seal().expect(OPENS);
        let snapshot = store.snapshot();
        let phext = snapshot
            .phext("")
            .expect("a phext of that name was written");
        Self {
            phext: Arc::clone(phext),
            constants: constants(points),
        }
    }

    /// A stream whose batches come from one of the constants.
    fn over(&self, tier: u8, lanes: ConstantId, each: &[Word]) -> Stream {
        let to = P(0);
        let source = match lanes {
            REGION | SPARSE | SINGLE => SparseOp::Assoc { to, lanes },
            NEAREST => SparseOp::Neighbr { to, lanes },
            _ => SparseOp::Lanes { to, lanes },
        };
        let stream = Stream {
            tier,
            constants: self.constants.clone(),
            once: vec![Word::dense(load(TOTAL))],
            last: vec![Word::sparse(SparseOp::Flush)],
            ..Stream::default()
        };
        let each = [&[Word::sparse(source)], each].concat();
        with(stream, Part::Each, &each)
    }

    fn stream(&self, tier: u8, each: &[Word]) -> Stream {
        self.over(tier, ALL, each)
    }

    /// The least nanoseconds of a valid stream.
    fn time(&self, stream: &Stream) -> f64 {
        self.time_of(TIMES, stream)
    }

    fn time_of(&self, times: usize, stream: &Stream) -> f64 {
        fastest(times, || {
            let mut sink = |row: &ResultRow<'_>| {
                black_box(row);
                Ok(Flow::Continue)
            };
            let mut writes = Collected::default();
            let report = execute(stream, &self.phext, &mut sink, &mut writes);
            black_box(&report);
        })
    }

    /// The nanoseconds of an operation for each lane, or each time. None where it cannot be run.
    fn operation(&self, description: &Description, form: Form) -> Option<f64> {
        if form.opcode == opcode::NOP {
            return None;
        }
        let form = with_operands(description, form);
        if yields_lanes(&form) {
            return self.source(description);
        }
        let word = word(&form)?;
        let (before, part, times) = match counts_lanes(&form) {
            true => (self.before(&form), Part::Each, f64::from(SCROLLS)),
            false => (self.before_last(&form), Part::Last, 1.0),
        };
        // Rows are collected by one operation of a stream.
        let is_collected = operands(&form, RegisterClass::Message, Access::Accumulate) > 0;
        let copied = |copies: usize| with(before.clone(), part, &vec![word; copies]);
        validate(&before).and_then(|()| validate(&copied(1))).ok()?;
        let base = self.time(&before);
        let repeats = repeats(&form, &self.constants);
        let timed = |copies: usize| {
            let time = self.time(&copied(copies)) - base;
            (time, time / (times * copies as f64 * repeats))
        };
        let (time, each) = timed(1);
        if part == Part::Each && (is_collected || time > TOLD_APART) {
            return Some(each);
        }
        let (time, each) = timed(COPIES);
        // The difference of two times that are nearly the same says little.
        Some(match time < base {
            true => timed(MANY_COPIES).1,
            false => each,
        })
    }

    /// The nanoseconds of finding a lane.
    fn source(&self, description: &Description) -> Option<f64> {
        let lanes = match description.lanes {
            [LaneKind::Region] => REGION,
            [LaneKind::Nearest] => NEAREST,
            _ => ALL,
        };
        validate(&self.over(1, lanes, &[])).ok()?;
        Some(self.found(1, lanes) / f64::from(SCROLLS))
    }

    /// The nanoseconds of finding all lanes of a constant; at the highest tier, of counting them.
    fn found(&self, tier: u8, lanes: ConstantId) -> f64 {
        let stream = self.over(tier, lanes, &[]);
        let empty = Stream {
            each: Vec::new(),
            ..stream.clone()
        };
        let [found, empty] = [stream, empty].map(|stream| self.time_of(FINDING_TIMES, &stream));
        found - empty
    }

    /// The nanoseconds of a lane of a region, and of a block of keys. One region yields nearly all keys of
    /// the blocks that it is looked for in, another few, which tells the two costs apart; what a third takes
    /// that yields one key is what any takes, but for that key.
    fn region(&self, tier: u8) -> [f64; 2] {
        let regions = [REGION, SPARSE, SINGLE];
        let [dense, sparse, single] = regions.map(|lanes| self.found(tier, lanes));
        let blocks = regions.map(|lanes| self.blocks(lanes) as f64);
        let sparse_lanes = f64::from(SCROLLS / SPREAD);
        let dense_lanes = sparse_lanes * f64::from(SPREAD - 1) - 1.0;
        let (dense, sparse) = (dense - single, sparse - single);
        let (dense_lanes, sparse_lanes) = (dense_lanes - 1.0, sparse_lanes - 1.0);
        let (dense_blocks, sparse_blocks) = (blocks[0] - blocks[2], blocks[1] - blocks[2]);
        let determinant = dense_lanes * sparse_blocks - sparse_lanes * dense_blocks;
        let per_lane = (dense * sparse_blocks - sparse * dense_blocks) / determinant;
        let per_block = (sparse * dense_lanes - dense * sparse_lanes) / determinant;
        [per_lane.max(0.0), per_block.max(0.0)]
    }

    /// Blocks of keys that are tested to find all lanes of a constant.
    fn blocks(&self, lanes: ConstantId) -> u64 {
        let Constant::Lanes(lanes) = &self.constants[lanes.index()] else {
            unreachable!("that constant names lanes");
        };
        let access = self.phext.access(lanes);
        let access = access.expect("a store in memory has nothing to fail on");
        access.iter().map(|access| access.blocks_tested).sum()
    }

    /// A stream that writes what an operation of `each` reads.
    fn before(&self, form: &Form) -> Stream {
        let writes = form.description().constant == Some(ConstantKind::Texts);
        let lanes = if writes { POINTS } else { ALL };
        let classes = [
            RegisterClass::Number,
            RegisterClass::Text,
            RegisterClass::Mask,
            RegisterClass::Message,
        ];
        let inputs = classes.into_iter().flat_map(|class| {
            let count = operands(form, class, Access::Read);
            (0..count).map(move |number| input(class, number))
        });
        self.over(1, lanes, &inputs.collect::<Vec<_>>())
    }

    /// A stream without lanes that writes what an operation of `last` accumulates.
    fn before_last(&self, form: &Form) -> Stream {
        let stream = Stream {
            each: Vec::new(),
            ..self.stream(1, &[])
        };
        if operands(form, RegisterClass::Message, Access::Accumulate) == 0 {
            return stream;
        }
        let (to, number) = (M(COLLECTED), Some(R(TOTAL)));
        let row = Row {
            number,
            ..Row::default()
        };
        let word = Word::coordination(CoordinationOp::Pack { to, row });
        with(stream, Part::Last, &[word])
    }
}

/// How many registers of a class an operation accesses in a way.
fn operands(form: &Form, class: RegisterClass, access: Access) -> u8 {
    let is_one = |(operand, _): &(&RegisterOperand, Register)| {
        operand.class == class && operand.access == access
    };
    form.operands().filter(is_one).count() as u8
}

/// A word that writes an input.
fn input(class: RegisterClass, number: u8) -> Word {
    let at = P(0);
    match class {
        RegisterClass::Text => Word::sparse(SparseOp::Gather {
            to: T(number),
            extent: Extent::Whole,
            at,
            mask: None,
        }),
        RegisterClass::Message => {
            let (to, coordinate) = (M(number), Some(at));
            let row = Row {
                coordinate,
                ..Row::default()
            };
            Word::coordination(CoordinationOp::Pack { to, row })
        }
        RegisterClass::Mask => Word::dense(DenseOp::Cmp {
            to: K(number),
            comparison: Comparison::Ge,
            left: R(TOTAL),
            right: Operand::Constant(ZERO),
        }),
        _ => Word::sparse(SparseOp::Index {
            to: R(number),
            dimension: DIMENSIONS as u8 - 1 - number % 2,
            at,
        }),
    }
}

/// The operation with all its operands.
fn with_operands(description: &Description, mut form: Form) -> Form {
    let (mut inputs, mut outputs) = ([0_u8; 5], OUTPUTS);
    for (operand, number) in description.registers.iter().zip(&mut form.registers) {
        let class = operand.class;
        let next = match operand.access {
            Access::Write => &mut outputs[class as usize],
            Access::Accumulate => {
                let is_message = class == RegisterClass::Message;
                *number = Some(if is_message { COLLECTED } else { TOTAL });
                continue;
            }
            _ if class == RegisterClass::Place => {
                *number = Some(0);
                continue;
            }
            _ => &mut inputs[class as usize],
        };
        *number = Some(*next);
        *next += 1;
    }
    form.constant = constant(description).map(|id| id.0);
    form
}

fn constant(description: &Description) -> Option<ConstantId> {
    Some(match description.constant? {
        ConstantKind::Number => FEW,
        ConstantKind::Text => VECTOR,
        ConstantKind::Texts => TEXTS,
        ConstantKind::Queries => QUERIES,
        ConstantKind::Lanes => match description.lanes {
            [LaneKind::Nearest] => NEAREST,
            lanes if lanes.contains(&LaneKind::Region) => REGION,
            _ => ALL,
        },
        ConstantKind::Coordinate => return None,
    })
}

/// A word of one operation.
fn word(form: &Form) -> Option<Word> {
    Some(match form.pipe {
        Pipe::Dense => Word::dense(DenseOp::from_form(form).ok()?),
        Pipe::Sparse => Word::sparse(SparseOp::from_form(form).ok()?),
        Pipe::Coordination => Word::coordination(CoordinationOp::from_form(form).ok()?),
    })
}

/// Distinct coordinates in order, spread over chapters, sections and scrolls. The last one has a component
/// that no other has.
fn point(index: u32) -> Coordinate {
    let components = [
        1,
        1,
        1,
        1,
        1,
        1,
        index / (8 * SPREAD) + 1,
        index / SPREAD % 8 + 1,
        index % SPREAD + 1 + u32::from(index == SCROLLS - 1),
    ];
    Coordinate::new(components).expect("all components are above 0 and small")
}

/// The constants that the positions above name.
fn constants(points: Vec<Coordinate>) -> Vec<Constant> {
    let region = |constraint| {
        let mut constraints = std::array::from_fn(|_| Constraint::FREE);
        constraints[DIMENSIONS - 1] = constraint;
        Region::new(constraints)
    };
    let dense = Constraint::range(2, SPREAD).expect("not one component but several");
    let sparse = Constraint::equal(SPREAD / 2).expect("it is a component");
    let single = Constraint::equal(SPREAD + 1).expect("it is a component");
    let shuffled = (0..SCROLLS).map(|n| points[(n * 1237 % SCROLLS) as usize]);
    let shuffled = LaneSpec::Points(shuffled.collect());
    let nearest = Nearest {
        to: points[points.len() / 2],
        count: SCROLLS,
        metric: Metric::Manhattan,
        radius: None,
    };
    let texts = points.iter().map(|_| TEXT.as_slice().into()).collect();
    vec![
        Constant::Number(0),
        Constant::Number(3),
        Constant::Text(TEXT.as_slice().into()),
        Constant::Lanes(LaneSpec::All),
        Constant::Lanes(LaneSpec::Region(region(dense))),
        Constant::Lanes(LaneSpec::Nearest(nearest)),
        Constant::Lanes(LaneSpec::Points(points)),
        Constant::Texts(texts),
        Constant::Queries(Queries {
            count: 3,
            vectors: vec![TEXT.as_slice().into(); 16],
        }),
        Constant::Lanes(shuffled),
        Constant::Lanes(LaneSpec::Region(region(sparse))),
        Constant::Lanes(LaneSpec::Region(region(single))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tells the costs of a lane and of a block apart.
    #[test]
    fn a_sparse_region_is_looked_for_in_more_blocks_a_lane() {
        let bench = Bench::new();
        let [dense, sparse, single] = [REGION, SPARSE, SINGLE].map(|lanes| bench.blocks(lanes));
        let all = u64::from(SCROLLS) / phext_storage::page_table::BLOCK_SLOTS as u64;
        assert_eq!(dense, all);
        assert_eq!(single, 1);
        assert!((2..=all).contains(&sparse), "{sparse} of {all}");
        assert!(
            10 * dense < sparse * u64::from(SPREAD - 1),
            "{dense} {sparse}"
        );
    }
}
