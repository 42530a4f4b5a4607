//! The calibration run.
//!
//! An operation costs what streams with it take longer than the same streams without it. Each time
//! is the least of a few, which is the one that nothing disturbed.

use super::super::resource::yields_lanes;
use super::{CostModel, counts_lanes, repeats};
use crate::constant::ConstantKind;
use crate::execute::{Collected, Flow, ResultRow, execute};
use crate::form::Form;
use crate::lanes::LaneKind;
use crate::register::{R, Register, RegisterClass};
use crate::table::{Access, Description, RegisterOperand, opcode, operations};
use crate::word::link;
use crate::{
    Comparison, Constant, ConstantId, CoordinationOp, DenseOp, Extent, K, LaneSpec, M, Operand, P,
    Part, Pipe, Queries, Row, SparseOp, Stream, T, Word, validate,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::page_table::{Constraint, Metric, Nearest, Region};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Scrolls of the calibration, two batches.
const SCROLLS: u32 = 2048;
/// Their texts are vectors and hypervectors of 96 bytes.
const TEXT: &[u8; 96] = b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`";
/// How often an operation is in a stream.
const COPIES: usize = 8;
/// Runs of which the fastest counts.
const RUNS: usize = 4;

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

/// The first registers that operations write; the inputs are below.
const OUTPUTS: [u8; 5] = [8, 4, 3, 3, 3];
/// The register that operations accumulate numbers in; messages are collected in `m2`.
const TOTAL: u8 = 7;
const COLLECTED: u8 = 2;

pub(super) fn measure() -> CostModel {
    let bench = Bench::new();
    let cycles_per_nanosecond = (cycles_per_nanosecond() * 1e3).round() / 1e3;
    // More digits would say more than was measured.
    let cycles = |time: f64| (time.max(0.0) * cycles_per_nanosecond * 1e3).round() / 1e3;
    let lanes = f64::from(SCROLLS);

    // The same lanes in two batches and in batches of one.
    let (batched, single) = (bench.stream(1, &[]), bench.stream(0, &[]));
    let (batched_time, single_time) = (bench.time(&batched), bench.time(&single));
    let per_batch = (single_time - batched_time) / (lanes - 2.0);
    let moves = vec![Word::dense(load(OUTPUTS[0])); COPIES];
    let with_moves = |stream: Stream| bench.time(&with(stream, Part::Each, &moves));
    let words = lanes * COPIES as f64;
    let per_move = (with_moves(batched) - batched_time) / words;
    let per_word = (with_moves(single) - single_time) / words - per_move;

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
    CostModel {
        cycles_per_nanosecond,
        cycles_per_word: cycles(per_word),
        cycles_per_batch: cycles(per_batch),
        cycles_per_op,
    }
}

/// Times a chain of multiplications and additions that each wait for the one before: three cycles
/// and one.
fn cycles_per_nanosecond() -> f64 {
    const STEPS: u32 = 20_000;
    const CYCLES: f64 = 4.0;
    let factor = black_box(0x9E37_79B9_7F4A_7C15_u64);
    let nanoseconds = fastest(|| {
        let mut value = black_box(1_u64);
        for _ in 0..STEPS {
            value = value.wrapping_mul(factor) ^ factor;
        }
        black_box(value);
    });
    CYCLES * f64::from(STEPS) / nanoseconds.max(1.0)
}

/// The least nanoseconds of a few runs.
fn fastest(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_nanos() as f64
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

fn load(to: u8) -> DenseOp {
    DenseOp::Mov {
        to: R(to),
        from: Operand::Constant(ZERO),
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
            REGION => SparseOp::Assoc { to, lanes },
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
        fastest(|| {
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
        let copies = match part == Part::Each && is_collected {
            true => 1,
            false => COPIES,
        };
        let after = with(before.clone(), part, &vec![word; copies]);
        validate(&before).and_then(|()| validate(&after)).ok()?;
        let time = self.time(&after) - self.time(&before);
        let repeats = repeats(&form, &self.constants);
        Some(time / (times * copies as f64 * repeats))
    }

    /// The nanoseconds of finding a lane.
    fn source(&self, description: &Description) -> Option<f64> {
        let lanes = match description.lanes {
            [LaneKind::Region] => REGION,
            [LaneKind::Nearest] => NEAREST,
            _ => ALL,
        };
        let stream = self.over(1, lanes, &[]);
        let empty = Stream {
            each: Vec::new(),
            ..stream.clone()
        };
        validate(&stream).ok()?;
        Some((self.time(&stream) - self.time(&empty)) / f64::from(SCROLLS))
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

/// Distinct coordinates in order, spread over chapters, sections and scrolls.
fn point(index: u32) -> Coordinate {
    let components = [
        1,
        1,
        1,
        1,
        1,
        1,
        index / 256 + 1,
        index / 16 % 16 + 1,
        index % 16 + 1,
    ];
    Coordinate::new(components).expect("all components are above 0 and small")
}

/// The constants that the positions above name.
fn constants(points: Vec<Coordinate>) -> Vec<Constant> {
    let mut constraints = std::array::from_fn(|_| Constraint::FREE);
    constraints[0] = Constraint::equal(1).expect("1 is a component");
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
        Constant::Lanes(LaneSpec::Region(Region::new(constraints))),
        Constant::Lanes(LaneSpec::Nearest(nearest)),
        Constant::Lanes(LaneSpec::Points(points)),
        Constant::Texts(texts),
        Constant::Queries(Queries {
            count: 3,
            vectors: vec![TEXT.as_slice().into(); 16],
        }),
    ]
}
