//! Loops over arrays of dictionary codes, for the widest vectors that the processor has.
//!
//! Zone maps and key blocks have the same shape: little-endian codes of 1, 2 or 4 bytes, one array
//! per dimension. A zone map gives an interval of codes per block; in a key block, the two ends of
//! each interval are the code itself. So the same loops prune blocks and test keys.
//!
//! | loop | does |
//! |---|---|
//! | [`Kernels::overlapping`] | which of 64 intervals meet a span of codes, in all constrained dimensions |
//! | [`Kernels::keep_within`] | which of the 128 keys of a block do |
//! | [`Kernels::fold_gaps`] | adds up, or takes the maximum of, distances from a component |
//! | [`Kernels::fold_looked_up_gaps`] | the same where the components of codes are looked up |
//! | [`Kernels::fold_looked_up`] | the same for keys, whose intervals are one code |
//! | [`Kernels::keep_up_to`] | which of 128 distances do not exceed a limit |
//!
//! Each is written once, in [`loops`], as plain Rust that the compiler turns into vector
//! instructions, and compiled once per instruction set in [`dispatch`], which holds the only unsafe
//! code here. Which set runs is found out once, at the first query.

mod dispatch;
mod loops;

#[cfg(test)]
mod tests;

pub(super) use dispatch::Kernels;

/// Keys in a block: the length of what is tested at once.
pub(super) const LANES: usize = 128;

/// Zones that are tested at once at most: those of the blocks of a group.
pub(super) const ZONES: usize = 64;

/// Little-endian codes of `width` bytes each: 1, 2 or 4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codes<'a> {
    pub(super) width: usize,
    pub(super) bytes: &'a [u8],
}

/// Codes from `first` to `last`, both included. Both fit the width of the codes they are compared
/// with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeSpan {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// What the codes of one dimension must meet, and where they are in a key block.
#[derive(Debug, Clone)]
pub(super) struct CodeTest {
    /// Bytes of a code.
    pub(super) width: usize,
    /// Start of the dimension's codes in a key block.
    pub(super) at: usize,
    /// The codes wanted, ascending and disjoint.
    pub(super) spans: Vec<CodeSpan>,
}

/// What the intervals of one dimension's codes must meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct ZoneTest<'a> {
    /// Where the intervals begin.
    pub(super) least: Codes<'a>,
    /// Where they end.
    pub(super) greatest: Codes<'a>,
    /// The codes wanted, ascending and disjoint.
    pub(super) spans: &'a [CodeSpan],
}

/// The components of codes that are not consecutive, and a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'a> {
    /// The components by code, four little-endian bytes each; at least one. An unknown code counts
    /// as the last one.
    pub(super) components: &'a [[u8; 4]],
    /// The target.
    pub(super) to: u32,
    /// What becomes of the distance.
    pub(super) fold: Fold,
}

/// How far a code's component is from a target, where components are codes plus a constant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruler {
    /// The code that the target has or would have: target minus the component of code 0.
    pub(super) origin: i32,
    /// What becomes of the distance.
    pub(super) fold: Fold,
}

/// How the distances of the dimensions make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// The greatest of them.
    Max,
    /// Their sum.
    Sum,
    /// Their sum, this one multiplied.
    Weighted(u32),
}
