//! Loops over the lanes of registers, for the widest vectors that the processor has.
//!
//! | loop | does |
//! |---|---|
//! | [`Kernels::zip`] | arithmetic and logic, lane by lane |
//! | [`Kernels::fuse`] | multiplies and adds |
//! | [`Kernels::select`] | takes each lane from one of two |
//! | [`Kernels::compare`] | compares lane by lane to a mask |
//! | [`Kernels::widen`] | components as numbers |
//! | [`Kernels::reduce`] | makes one number of the active lanes |
//! | [`Kernels::row`], [`Kernels::tile`] | dot products of texts with q7 vectors: with one, with many |
//! | [`Kernels::bind`], [`Kernels::bundle`], [`Kernels::equal_bits`] | hypervectors |
//!
//! Each is written once, in [`loops`], [`hypervectors`] and [`dots`], as plain Rust that the compiler
//! turns into vector instructions, and compiled once per instruction set in [`dispatch`]. What the compiler
//! does not find by itself is written once more: arithmetic, comparisons and selections in `avx512`; dot
//! products in `x86`. Unsafe code is in `dispatch` and `avx512` only. Which set runs is found out once, at the
//! first stream. What an operation does to the numbers of one lane is in [`scalar`], for lanes and for scalars
//! alike.
//!
//! Registers come as whole arrays, with how many lanes count: a pointer each, so that a loop is begun with few
//! instructions. The lanes after those, up to a whole vector, are computed too.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod dots;
mod hypervectors;
mod loops;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub(super) use dispatch::Kernels;
pub(super) use dots::{CELLS, LONGEST, PANELS, Panel, QUERIES, Row, TEXTS, Tile, texts_of};
pub(crate) use scalar::fold;
pub(super) use scalar::{Binary, fused, ordered};

use super::registers::LaneArray;

/// A vector: operations run over whole vectors, lanes beyond the batch being ignored.
const VECTOR: usize = 8;

/// The last operand of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'l> {
    /// A number a lane.
    Lanes(&'l LaneArray),
    /// The same number in all lanes.
    Scalar(u64),
}
