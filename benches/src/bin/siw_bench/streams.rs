//! The streams that are measured.

use crate::dataset::{Dataset, point};
use phext_query::{
    Constraint, Fields, Filter, OptimizationTier, Output, Plan, Query, QueryError, Region, Target,
};
use phext_siw::{
    Comparison, Constant, ConstantId, CoordinationOp, DenseOp, Destination, Extent, Fold, K,
    LaneSpec, M, NumberKind, Operand, P, R, Row, SparseOp, Stream, StreamBuilder, T, Word,
};
use phext_storage::coordinate::Coordinate;
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

/// What is measured, and what it runs over.
pub(crate) struct Subject<'d> {
    pub(crate) name: &'static str,
    pub(crate) phext: &'d Phext,
    asked: Asked,
}

enum Asked {
    /// A stream that no query has.
    Words(Words),
    /// A query, whose streams are those that it runs.
    Query(Box<Query>),
}

/// A stream, packed.
struct Words {
    constants: Vec<Constant>,
    each: Vec<Word>,
}

impl Subject<'_> {
    pub(crate) fn is_query(&self) -> bool {
        matches!(self.asked, Asked::Query(_))
    }

    /// The stream of a tier.
    pub(crate) fn at_tier(&self, tier: OptimizationTier) -> Result<Stream, QueryError> {
        match &self.asked {
            Asked::Words(words) => Ok(words.at_tier(tier.number())),
            Asked::Query(query) => {
                let query = Query {
                    tier,
                    ..Query::clone(query)
                };
                Ok(Plan::new(&query)?.stream().clone())
            }
        }
    }

    /// Blocks of keys that are tested to find the lanes of a stream.
    pub(crate) fn blocks(&self, stream: &Stream) -> Result<u64, StoreError> {
        let lanes = stream.constants.iter().find_map(|constant| match constant {
            Constant::Lanes(lanes) => Some(lanes),
            _ => None,
        });
        let access = self.phext.access(lanes.expect("all streams have lanes"))?;
        Ok(access.iter().map(|access| access.blocks_tested).sum())
    }
}

impl Words {
    /// No word reads what another pipe of the word writes, so that below tier 2 its operations come one by
    /// one. There are no prefetches: the compiler's tier 3 puts none for points.
    fn at_tier(&self, tier: u8) -> Stream {
        let mut stream = StreamBuilder::new(tier);
        for constant in &self.constants {
            stream.constant(constant.clone());
        }
        let from = Operand::Constant(ZERO);
        stream.once(Word::dense(DenseOp::Mov { to: TOTAL, from }));
        stream.each(Word::sparse(SLANES));
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
        stream.build()
    }
}

const ZERO: ConstantId = ConstantId(0);
const SEVEN: ConstantId = ConstantId(1);
const LANES: ConstantId = ConstantId(2);

/// The longest scroll that scan-filter leaves out.
const BOUND: u64 = 290;
/// The last component of what wildcard count counts.
const SCROLL: u32 = 42;

const SLANES: SparseOp = SparseOp::Lanes {
    to: PLACE,
    lanes: LANES,
};

pub(crate) fn all(data: &Dataset) -> Vec<Subject<'_>> {
    let on_data = |name, asked| Subject {
        name,
        phext: &data.phext,
        asked,
    };
    let query = |name, query| on_data(name, Asked::Query(Box::new(query)));
    let over = |name, points, each| on_data(name, words_over(points, each));
    vec![
        computing("compute, L1", 512, compute(4)),
        computing("compute, L2", 1024, compute(14)),
        over("gather, L1", first_points(128), gather()),
        over("gather, L2", first_points(4096), gather()),
        over("gather, L3", random_points(data, 20_000), send_texts()),
        computing(MIX, 512, mixed(true)),
        computing("mixed without rows, L1", 512, mixed(false)),
        query("scan-filter", scan_filter()),
        query("wildcard count", wildcard_count()),
        query("batch get", batch_get(data)),
    ]
}

/// Words that read nothing of a phext but where its lanes lie.
fn computing(name: &'static str, lanes: u32, each: Vec<Word>) -> Subject<'static> {
    Subject {
        name,
        phext: Phext::empty(),
        asked: words_over(first_points(lanes), each),
    }
}

fn words_over(points: Vec<Coordinate>, each: Vec<Word>) -> Asked {
    let constants = vec![
        Constant::Number(0),
        Constant::Number(7),
        Constant::Lanes(LaneSpec::Points(points)),
    ];
    Asked::Words(Words { constants, each })
}

fn first_points(count: u32) -> Vec<Coordinate> {
    (0..count).map(|n| point(n * 3)).collect()
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
/// words. Rows that nobody is sent cost next to nothing, so that there is a stream without them too.
fn mixed(packs_rows: bool) -> Vec<Word> {
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
        if packs_rows && at % 8 == 7 {
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

/// The texts of points, as rows.
fn send_texts() -> Vec<Word> {
    let row = Row {
        coordinate: Some(PLACE),
        text: Some(TEXT),
        ..Row::default()
    };
    vec![
        Word::sparse(SparseOp::Gather {
            to: TEXT,
            extent: Extent::Whole,
            at: PLACE,
            mask: None,
        }),
        Word::coordination(CoordinationOp::Pack { to: MESSAGE, row }),
        Word::coordination(CoordinationOp::Send {
            to: Destination::Sink,
            from: MESSAGE,
            mask: None,
        }),
    ]
}

fn scan_filter() -> Query {
    Query {
        filters: vec![Filter::Length(BOUND + 1..=u64::MAX)],
        ..Query::all(Fields::LENGTH)
    }
}

fn wildcard_count() -> Query {
    let mut constraints: [Constraint; 9] = std::array::from_fn(|_| Constraint::FREE);
    constraints[8] = Constraint::equal(SCROLL).expect("a component from 1");
    Query {
        target: Target::Region(Region::new(constraints)),
        output: Output::Count,
        ..Query::default()
    }
}

fn batch_get(data: &Dataset) -> Query {
    let points = random_points(data, 1_000);
    Query::rows(Target::Points(points), Fields::TEXT)
}

fn random_points(data: &Dataset, count: usize) -> Vec<Coordinate> {
    let mut random = StdRng::seed_from_u64(1);
    let points = (0..count).map(|_| point(random.random_range(0..data.scrolls)));
    points.collect()
}
