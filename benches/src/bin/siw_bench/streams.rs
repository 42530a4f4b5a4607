//! The streams that are measured.

use crate::dataset::{Dataset, point};
use phext_siw::{
    Comparison, Constant, ConstantId, CoordinationOp, DenseOp, Destination, Extent, Fold, K,
    LaneSpec, M, NumberKind, Operand, P, R, Row, SparseOp, Stream, StreamBuilder, T, Word,
};
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Region};
use phext_storage::{Phext, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The stream that a bar is about.
pub(crate) const MIX: &str = "mixed, L1";

const PLACE: P = P(0);
const TEXT: T = T(0);
const MESSAGE: M = M(0);
const TOTAL: R = R(15);
const LENGTH: R = R(0);

/// A stream, packed, and what it runs over.
pub(crate) struct Subject<'d> {
    pub(crate) name: &'static str,
    pub(crate) is_query: bool,
    pub(crate) phext: &'d Phext,
    constants: Vec<Constant>,
    /// What finds the batches; not packed with anything.
    lanes: SparseOp,
    each: Vec<Word>,
    last: Vec<Word>,
}

impl Subject<'_> {
    /// Blocks of keys that are tested to find the lanes.
    pub(crate) fn blocks(&self) -> Result<u64, StoreError> {
        let Constant::Lanes(lanes) = &self.constants[LANES.index()] else {
            unreachable!("that constant names the lanes");
        };
        let access = self.phext.access(lanes)?;
        Ok(access.iter().map(|access| access.blocks_tested).sum())
    }

    /// The stream of a tier. No word of a subject reads what another pipe of the word writes, so that
    /// below tier 2 its operations come one by one. They have no prefetches: the compiler's tier 3 puts
    /// none for points, nor where no record or text is read; it would ask for the records of scan-filter.
    pub(crate) fn at_tier(&self, tier: u8) -> Stream {
        let mut stream = StreamBuilder::new(tier);
        for constant in &self.constants {
            stream.constant(constant.clone());
        }
        let from = Operand::Constant(ZERO);
        stream.once(Word::dense(DenseOp::Mov { to: TOTAL, from }));
        stream.each(Word::sparse(self.lanes));
        for word in &self.each {
            if tier >= 2 {
                stream.each(*word);
                continue;
            }
            let ones = [
                Word::dense(word.dense),
                Word::sparse(word.sparse),
                Word::coordination(word.coordination),
            ];
            for one in ones.into_iter().filter(|one| *one != Word::NOP) {
                stream.each(one);
            }
        }
        for word in &self.last {
            stream.last(*word);
        }
        stream.build()
    }
}

const ZERO: ConstantId = ConstantId(0);
const SEVEN: ConstantId = ConstantId(1);
const LANES: ConstantId = ConstantId(2);
const BOUND: ConstantId = ConstantId(3);

fn constants(lanes: LaneSpec) -> Vec<Constant> {
    vec![
        Constant::Number(0),
        Constant::Number(7),
        Constant::Lanes(lanes),
        Constant::Number(290),
    ]
}

const SLANES: SparseOp = SparseOp::Lanes {
    to: PLACE,
    lanes: LANES,
};

pub(crate) fn all(data: &Dataset) -> Vec<Subject<'_>> {
    vec![
        synthetic("compute, L1", Phext::empty(), 512, compute(4)),
        synthetic("compute, L2", Phext::empty(), 1024, compute(14)),
        synthetic("gather, L1", &data.phext, 128, gather()),
        synthetic("gather, L2", &data.phext, 4096, gather()),
        Subject {
            is_query: false,
            ..get("gather, L3", data, random_points(data, 20_000))
        },
        synthetic(MIX, Phext::empty(), 512, mixed()),
        scan_filter(data),
        wildcard_count(data),
        batch_get(data),
    ]
}

fn synthetic<'d>(name: &'static str, phext: &'d Phext, lanes: u32, each: Vec<Word>) -> Subject<'d> {
    let points = (0..lanes).map(|n| point(n * 3)).collect();
    Subject {
        name,
        is_query: false,
        phext,
        constants: constants(LaneSpec::Points(points)),
        lanes: SLANES,
        each,
        last: Vec::new(),
    }
}

/// The operation of the D pipe at a place of a long program over some registers.
fn arithmetic(at: usize, registers: usize) -> DenseOp {
    let r = |offset: usize| R(((at + offset) % registers) as u8);
    let (to, left, register) = (r(0), r(1), Operand::Register(r(2)));
    let kind = if (at / 8).is_multiple_of(2) {
        NumberKind::U64
    } else {
        NumberKind::F64
    };
    let constant = Operand::Constant(SEVEN);
    match at % 8 {
        0 => DenseOp::Add {
            to,
            kind,
            left,
            right: register,
        },
        1 => DenseOp::Mul {
            to,
            kind,
            left,
            right: constant,
        },
        2 => DenseOp::Xor {
            to,
            left,
            right: register,
        },
        3 => DenseOp::Fma {
            to,
            kind,
            left,
            right: r(2),
            addend: constant,
        },
        4 => DenseOp::Cmp {
            to: K(0),
            comparison: Comparison::Lt,
            left,
            right: register,
        },
        5 => DenseOp::Sel {
            to,
            mask: K(0),
            left,
            right: constant,
        },
        6 => DenseOp::Sub {
            to,
            kind,
            left,
            right: constant,
        },
        _ => DenseOp::Red {
            accumulator: TOTAL,
            fold: Fold::Max(left),
            mask: None,
        },
    }
}

/// Fills the registers with components of the coordinates.
fn fill(registers: usize) -> Vec<Word> {
    let index = |n: usize| SparseOp::Index {
        to: R(n as u8),
        dimension: (n % 9) as u8,
        at: PLACE,
    };
    (0..registers).map(|n| Word::sparse(index(n))).collect()
}

fn compute(registers: usize) -> Vec<Word> {
    let mut words = fill(registers);
    words.extend((0..2048).map(|at| Word::dense(arithmetic(at, registers))));
    words
}

/// As [`compute`], with a component loaded, of each dimension in turn, and rows packed every eight
/// words.
fn mixed() -> Vec<Word> {
    const REGISTERS: usize = 4;
    let mut words = fill(REGISTERS);
    for at in 0..2048 {
        let mut word = Word::dense(arithmetic(at, REGISTERS));
        if at % 8 == 1 {
            word = word.with_sparse(SparseOp::Index {
                to: R(REGISTERS as u8),
                dimension: (at / 8 % 9) as u8,
                at: PLACE,
            });
        }
        if at % 8 == 7 {
            let row = Row {
                coordinate: Some(PLACE),
                number: Some(R(REGISTERS as u8)),
                ..Row::default()
            };
            word = word.with_coordination(CoordinationOp::Pack { to: MESSAGE, row });
        }
        words.push(word);
    }
    words
}

fn gather() -> Vec<Word> {
    let gather = Word::sparse(SparseOp::Gather {
        to: TEXT,
        extent: Extent::Whole,
        at: PLACE,
        mask: None,
    });
    let length = DenseOp::Len {
        to: LENGTH,
        at: PLACE,
        mask: None,
    };
    (0..64).map(|_| gather.with_dense(length)).collect()
}

fn send(mask: Option<K>) -> CoordinationOp {
    CoordinationOp::Send {
        to: Destination::Sink,
        from: MESSAGE,
        mask,
    }
}

fn scan_filter(data: &Dataset) -> Subject<'_> {
    let row = Row {
        coordinate: Some(PLACE),
        length: Some(LENGTH),
        ..Row::default()
    };
    let each = vec![
        Word::dense(DenseOp::Len {
            to: LENGTH,
            at: PLACE,
            mask: None,
        }),
        Word::dense(DenseOp::Cmp {
            to: K(0),
            comparison: Comparison::Gt,
            left: LENGTH,
            right: Operand::Constant(BOUND),
        })
        .with_coordination(CoordinationOp::Pack { to: MESSAGE, row }),
        Word::dense(count(Some(K(0)))).with_coordination(send(Some(K(0)))),
    ];
    Subject {
        name: "scan-filter",
        is_query: true,
        phext: &data.phext,
        constants: constants(LaneSpec::All),
        lanes: SLANES,
        each,
        last: Vec::new(),
    }
}

fn count(mask: Option<K>) -> DenseOp {
    DenseOp::Red {
        accumulator: TOTAL,
        fold: Fold::Count,
        mask,
    }
}

fn wildcard_count(data: &Dataset) -> Subject<'_> {
    let mut constraints: [Constraint; 9] = std::array::from_fn(|_| Constraint::FREE);
    constraints[8] = Constraint::equal(42).expect("a component from 1");
    let row = Row {
        number: Some(TOTAL),
        ..Row::default()
    };
    Subject {
        name: "wildcard count",
        is_query: true,
        phext: &data.phext,
        constants: constants(LaneSpec::Region(Region::new(constraints))),
        lanes: SparseOp::Assoc {
            to: PLACE,
            lanes: LANES,
        },
        each: vec![Word::dense(count(None))],
        last: vec![
            Word::coordination(CoordinationOp::Pack { to: MESSAGE, row }),
            Word::coordination(send(None)),
        ],
    }
}

fn random_points(data: &Dataset, count: usize) -> Vec<Coordinate> {
    let mut random = StdRng::seed_from_u64(1);
    let points = (0..count).map(|_| point(random.random_range(0..data.scrolls)));
    points.collect()
}

fn batch_get(data: &Dataset) -> Subject<'_> {
    let mut points = random_points(data, 1_000);
    points.sort_unstable();
    points.dedup();
    get("batch get", data, points)
}

/// The texts of points.
fn get<'d>(name: &'static str, data: &'d Dataset, points: Vec<Coordinate>) -> Subject<'d> {
    let row = Row {
        coordinate: Some(PLACE),
        text: Some(TEXT),
        ..Row::default()
    };
    let each = vec![
        Word::sparse(SparseOp::Gather {
            to: TEXT,
            extent: Extent::Whole,
            at: PLACE,
            mask: None,
        }),
        Word::coordination(CoordinationOp::Pack { to: MESSAGE, row }),
        Word::coordination(send(None)),
    ];
    Subject {
        name,
        is_query: true,
        phext: &data.phext,
        constants: constants(LaneSpec::Points(points)),
        lanes: SLANES,
        each,
        last: Vec::new(),
    }
}
