//! The constant pool of a stream.

use crate::LaneSpec;
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use std::fmt;

/// The position of a constant in [`crate::Stream::constants`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConstantId(pub u16);

impl ConstantId {
    /// The position as an array index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ConstantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A value that operations name by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    /// A number: 64 bits, an unsigned integer or a double as the operation reads it.
    Number(u64),
    /// A coordinate. No operation takes one.
    Coordinate(Coordinate),
    /// What SLANES, SASSOC and SNEIGHBR iterate over, STEST looks in and SDIST measures from.
    Lanes(LaneSpec),
    /// What SSCATTR writes: a text a point of the lane specification, in its order.
    Texts(Vec<Bytes>),
    /// A text: the pattern of DMATCH, or a vector.
    Text(Bytes),
    /// What CDOT compares texts with.
    Queries(Queries),
}

/// Vectors, and how many texts are wanted for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queries {
    /// How many rows are kept for each vector.
    pub count: u64,
    /// q7 vectors of one length.
    pub vectors: Vec<Bytes>,
}

impl Queries {
    /// How many rows are kept at most.
    pub fn rows(&self) -> u64 {
        self.count.saturating_mul(self.vectors.len() as u64)
    }
}

impl Constant {
    /// Which kind of constant this is.
    pub const fn kind(&self) -> ConstantKind {
        match self {
            Self::Number(_) => ConstantKind::Number,
            Self::Coordinate(_) => ConstantKind::Coordinate,
            Self::Lanes(_) => ConstantKind::Lanes,
            Self::Texts(_) => ConstantKind::Texts,
            Self::Text(_) => ConstantKind::Text,
            Self::Queries(_) => ConstantKind::Queries,
        }
    }
}

/// The kinds of [`Constant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstantKind {
    /// [`Constant::Number`].
    Number,
    /// [`Constant::Coordinate`].
    Coordinate,
    /// [`Constant::Lanes`].
    Lanes,
    /// [`Constant::Texts`].
    Texts,
    /// [`Constant::Text`].
    Text,
    /// [`Constant::Queries`].
    Queries,
}

impl fmt::Display for ConstantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Coordinate => "coordinate",
            Self::Lanes => "lanes",
            Self::Texts => "texts",
            Self::Text => "text",
            Self::Queries => "queries",
        })
    }
}
