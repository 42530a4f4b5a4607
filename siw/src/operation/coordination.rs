//! The C pipe: rows, results and groups of sentrons.
//!
//! A group runs one stream on several sentrons. `each` runs over different lanes in each of them;
//! `once` and `last` are the same words everywhere, so that operations on the group always meet.
//! Sentron 0 speaks for the group. The sentrons lie on a torus; one alone is its own neighbour.

use super::Reduction;
use crate::{ConstantId, K, M, P, R, T};
use phext_storage::coordinate::DIMENSIONS;

/// The fields CPACK puts in a row. At least one is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// The coordinate of the lane.
    pub coordinate: Option<P>,
    /// The text of the lane; the row says so when there is none.
    pub text: Option<T>,
    /// A length in bytes, as DLEN gives it.
    pub length: Option<R>,
    /// The low and the high half of a checksum, as DHASH gives them.
    pub checksum: Option<(R, R)>,
    /// A number.
    pub number: Option<R>,
}

/// Where CSEND sends rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Destination {
    /// To the result of the stream.
    #[default]
    Sink,
    /// To the neighbour at x + 1 in the topology of the group.
    XPlus,
    /// To the neighbour at x - 1.
    XMinus,
    /// To the neighbour at y + 1.
    YPlus,
    /// To the neighbour at y - 1.
    YMinus,
    /// To the neighbour at z + 1.
    ZPlus,
    /// To the neighbour at z - 1.
    ZMinus,
}

impl Destination {
    /// All destinations, indexed by their code in the binary form.
    pub const ALL: [Self; 7] = [
        Self::Sink,
        Self::XPlus,
        Self::XMinus,
        Self::YPlus,
        Self::YMinus,
        Self::ZPlus,
        Self::ZMinus,
    ];
}

/// Which numbers CTOP keeps, the best first. NaN is never kept; both zeros are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// The least, unsigned.
    Least,
    /// The greatest, unsigned.
    Greatest,
    /// The least doubles.
    FLeast,
    /// The greatest doubles.
    FGreatest,
}

impl Ranking {
    /// All rankings, indexed by their code in the binary form.
    pub const ALL: [Self; 4] = [Self::Least, Self::Greatest, Self::FLeast, Self::FGreatest];
}

/// What of a coordinate CTALLY counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TallyKey {
    /// So many components from the library on, 1 to 9.
    Leading(u8),
    /// The component of a dimension, 0 (library) to 8 (scroll).
    Component(u8),
}

impl TallyKey {
    const DIMENSIONS: u8 = DIMENSIONS as u8;

    /// The code in the binary form: 0 to 8 for leading components, 9 to 17 for one component. A key
    /// that does not exist has a code that does not exist.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Leading(count @ 1..=Self::DIMENSIONS) => count - 1,
            Self::Component(dimension) if dimension < Self::DIMENSIONS => {
                Self::DIMENSIONS + dimension
            }
            _ => u8::MAX,
        }
    }

    /// The key of a code that exists.
    pub(crate) const fn of_code(code: u8) -> Self {
        match code.checked_sub(Self::DIMENSIONS) {
            None => Self::Leading(code + 1),
            Some(dimension) => Self::Component(dimension),
        }
    }
}

/// An operation of the C pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CoordinationOp {
    /// CNOP: nothing, counts nothing.
    #[default]
    Nop,
    /// CPACK: `to <- row` of each lane. In `last` one row of a number only. Counts lanes; cannot
    /// fail.
    Pack {
        /// Written.
        to: M,
        /// Read: the fields of the row.
        row: Row,
    },
    /// CSEND: the rows of the active lanes go to the result sink, or to a neighbour of the group, in
    /// the order of the lanes. In `last` only sentron 0 sends to the sink, the others' rows are
    /// dropped and count nothing. Counts rows sent; fails when the sink has closed or its limit is
    /// reached, which ends the stream.
    Send {
        /// Where to.
        to: Destination,
        /// Read.
        from: M,
        /// The active lanes.
        mask: Option<K>,
    },
    /// CREDUCE: `accumulator <- reduction over the sentrons of the group`. With one sentron it is
    /// the identity. Counts one; fails when another sentron of the group failed.
    Reduce {
        /// Read and written, a scalar.
        accumulator: R,
        /// How the partial results become one.
        reduction: Reduction,
    },
    /// CRECV: `to <- rows that neighbours sent to this sentron` before the last CBAR and that were not
    /// received yet, by the sender's number, then in the order sent. Never waits. Counts one; cannot
    /// fail.
    Recv {
        /// Written.
        to: M,
    },
    /// CBAR: waits until every sentron of the group has come to it; what was sent before it is
    /// received after it. Counts one; fails when another sentron of the group failed.
    Bar,
    /// CCAST: every sentron's `message <- that of sentron 0`. Counts one; fails when another sentron
    /// of the group failed.
    Cast {
        /// Read and written.
        message: M,
    },
    /// CMERGE: sentron 0's `message <- the rows of all`, merged in their order: of plain rows by
    /// coordinate, of CTOP's by rank, as many as one keeps, of CDOT's by query, then as those of CTOP,
    /// of CTALLY's by key, where rows of one key become one. Those of the others become empty. Counts one; fails when another sentron of the
    /// group failed.
    Merge {
        /// Read and written.
        message: M,
    },
    /// CTOP: keeps the best rows over all active lanes so far. A row is the coordinate at p and the
    /// number; of equal numbers the lower coordinate comes first. The accumulator is empty when the
    /// stream starts and keeps its rows across batches; no other operation of `each` touches it.
    /// Counts active lanes; cannot fail.
    Top {
        /// Read and written.
        accumulator: M,
        /// Which rows are the best.
        ranking: Ranking,
        /// Read: the coordinate of the row.
        at: P,
        /// Read: its number.
        by: R,
        /// A [`crate::Constant::Number`]: how many rows are kept.
        count: ConstantId,
        /// The active lanes.
        mask: Option<K>,
    },
    /// CTALLY: a row for each distinct key of the active lanes so far, in ascending order: the key
    /// with 1 in its other components as coordinate, the number of lanes as number, and of the
    /// value, where it is given, the sum (wrapping), the least and the greatest (unsigned). The
    /// accumulator is as that of CTOP. Counts active lanes; fails where there are more keys than
    /// [`crate::MAX_ROWS`].
    Tally {
        /// Read and written.
        accumulator: M,
        /// What is counted by.
        key: TallyKey,
        /// Read.
        at: P,
        /// Read.
        value: Option<R>,
        /// The active lanes.
        mask: Option<K>,
    },
    /// CDOT: keeps, for each of several q7 vectors, the rows with the greatest dot products over all
    /// active lanes so far: what DDOT and CTOP do for one. A row is the coordinate at p and the dot
    /// product as a double; of equal ones the lower coordinate comes first. Texts that are no vector of
    /// that length are passed over. The rows of the first vector come first, and each vector has as
    /// many. The accumulator is as that of CTOP. Counts active lanes, however many vectors there are;
    /// cannot fail.
    Dot {
        /// Read and written.
        accumulator: M,
        /// Read: the coordinate of the row.
        at: P,
        /// Read: what is compared.
        text: T,
        /// A [`crate::Constant::Queries`].
        queries: ConstantId,
        /// The active lanes.
        mask: Option<K>,
    },
    /// CFENCE: tells the sink to pass on what it has. Counts one; fails with the sink's error.
    Fence,
}
