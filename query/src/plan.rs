//! From a query to a stream.

use crate::query::{Fields, Output, Query, Target};
use phext_siw::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Extent, Fold, K, LaneKind,
    LaneSpec, Level, M, Operand, P, R, Row, SparseOp, Stream, StreamBuilder, T, Word,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::{Phext, StoreError};

/// Words are packed, batched and prefetched.
const TIER: u8 = 2;

const PLACE: P = P(0);
const TEXT: T = T(0);
const MESSAGE: M = M(0);
const LENGTH: R = R(0);
const CHECKSUM: (R, R) = (R(1), R(2));
const TOTAL: R = R(3);
const PRESENT: K = K(0);

/// What runs a query: a stream, and where it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The program.
    pub stream: Stream,
    /// At most this many rows.
    pub limit: Option<u64>,
}

impl Plan {
    /// The plan of a query.
    pub fn new(query: &Query) -> Plan {
        let lanes = lane_spec(&query.target);
        let stream = match query.output {
            Output::Rows(fields) => rows(lanes, fields),
            Output::Count => total(lanes, Fold::Count),
            Output::TextBytes => total(lanes, Fold::Sum(LENGTH)),
        };
        Plan {
            stream,
            limit: query.limit,
        }
    }

    /// How many lanes the plan runs over at most, or `enough` where it may be that many.
    ///
    /// # Errors
    /// Damage found in the store.
    pub fn estimate_lanes(&self, phext: &Phext, enough: u64) -> Result<u64, StoreError> {
        let mut lanes = 0;
        for constant in &self.stream.constants {
            if let Constant::Lanes(spec) = constant {
                lanes += phext.estimate_lanes(spec, enough)?;
            }
        }
        Ok(lanes.min(self.limit.unwrap_or(enough)).min(enough))
    }
}

fn lane_spec(target: &Target) -> LaneSpec {
    match target {
        Target::All => LaneSpec::All,
        Target::Range { from, to } => LaneSpec::Range {
            from: *from,
            to: *to,
        },
        Target::Prefix(components) => prefix(components),
        Target::Points(points) => LaneSpec::Points(ascending(points)),
        Target::Union { from, to, points } => LaneSpec::Union {
            from: *from,
            to: *to,
            points: ascending(points),
        },
        Target::Region(region) => LaneSpec::Region(region.clone()),
        Target::Nearest(nearest) => LaneSpec::Nearest(nearest.clone()),
    }
}

fn ascending(points: &[Coordinate]) -> Vec<Coordinate> {
    let mut points = points.to_vec();
    points.sort_unstable();
    points.dedup();
    points
}

/// The range of coordinates that begin with `components`. A component that no coordinate has gives
/// no lanes.
fn prefix(components: &[u32]) -> LaneSpec {
    let filled = |filler| {
        let component = |d: usize| components.get(d).copied().unwrap_or(filler);
        Coordinate::new(std::array::from_fn::<u32, DIMENSIONS, _>(component))
    };
    match (filled(1), filled(MAX_COMPONENT)) {
        (Ok(from), Ok(to)) => LaneSpec::Range { from, to },
        _ => LaneSpec::Points(Vec::new()),
    }
}

/// Begins `each` with what finds the lanes.
fn batches(stream: &mut StreamBuilder, lanes: LaneSpec) {
    let kind = LaneKind::of(&lanes);
    let (to, lanes) = (PLACE, stream.constant(Constant::Lanes(lanes)));
    stream.each(Word::sparse(match kind {
        LaneKind::Region => SparseOp::Assoc { to, lanes },
        LaneKind::Nearest => SparseOp::Neighbr { to, lanes },
        _ => SparseOp::Lanes { to, lanes },
    }));
}

/// A row a lane.
fn rows(lanes: LaneSpec, fields: Fields) -> Stream {
    let mut stream = StreamBuilder::new(TIER);
    let is_point = matches!(&lanes, LaneSpec::Points(points) if points.len() == 1);
    batches(&mut stream, lanes);
    if fields.text && !is_point {
        // Two passes over the batch bring records, then texts, close before either is needed.
        for level in [Level::Record, Level::Text] {
            stream.each(Word::sparse(SparseOp::Prefch { at: PLACE, level }));
        }
    }
    let mut word = Word::NOP;
    if fields.text {
        word = word.with_sparse(SparseOp::Gather {
            to: TEXT,
            extent: Extent::Whole,
            at: PLACE,
            mask: None,
        });
    }
    if fields.length {
        word = word.with_dense(DenseOp::Len {
            to: LENGTH,
            at: PLACE,
            mask: None,
        });
    }
    if word != Word::NOP {
        stream.each(word);
    }
    if fields.checksum {
        let (low, high) = CHECKSUM;
        stream.each(Word::dense(DenseOp::Hash {
            low,
            high,
            at: PLACE,
            mask: None,
        }));
    }
    let row = Row {
        coordinate: Some(PLACE),
        text: fields.text.then_some(TEXT),
        length: fields.length.then_some(LENGTH),
        checksum: fields.checksum.then_some(CHECKSUM),
        number: None,
    };
    stream.each(Word::coordination(CoordinationOp::Pack {
        to: MESSAGE,
        row,
    }));
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: MESSAGE,
        mask: None,
    }));
    stream.build()
}

/// One row with a number folded over all lanes.
fn total(lanes: LaneSpec, fold: Fold) -> Stream {
    let mut stream = StreamBuilder::new(TIER);
    let zero = stream.constant(Constant::Number(0));
    let has_points = matches!(&lanes, LaneSpec::Points(_) | LaneSpec::Union { .. });
    let from = Operand::Constant(zero);
    stream.once(Word::dense(DenseOp::Mov { to: TOTAL, from }));
    batches(&mut stream, lanes);
    if fold.source().is_some() || has_points {
        stream.each(Word::dense(DenseOp::Len {
            to: LENGTH,
            at: PLACE,
            mask: None,
        }));
    }
    if has_points {
        // A point may hold no scroll, and only then is the length 0.
        stream.each(Word::dense(DenseOp::Cmp {
            to: PRESENT,
            comparison: Comparison::Gt,
            left: LENGTH,
            right: from,
        }));
    }
    stream.each(Word::dense(DenseOp::Red {
        accumulator: TOTAL,
        fold,
        mask: has_points.then_some(PRESENT),
    }));
    let reduction = fold.reduction();
    stream.last(Word::coordination(CoordinationOp::Reduce {
        accumulator: TOTAL,
        reduction,
    }));
    let row = Row {
        number: Some(TOTAL),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack {
        to: MESSAGE,
        row,
    }));
    stream.last(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: MESSAGE,
        mask: None,
    }));
    stream.build()
}
