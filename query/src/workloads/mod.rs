//! Work that agents do on a phext, as library functions over SIW streams.
//!
//! | question | module |
//! |---|---|
//! | Here are many coordinates, what are the texts? | [`lookup()`] |
//! | What does a scroll depend on, and in which order? | [`graph`] |
//! | Which vectors are closest to this one? | [`embedding`] |
//! | Which stored pattern, or record, is like this one? | [`hypervector`] |
//!
//! The streams of the first three are compiled once a process; a call puts its lanes, and its
//! vectors, in the place of constants. The forms of the texts are in docs/WORKLOADS.md. What is absent: writing, which is a
//! [`crate::Mutation`] of texts in these forms.

pub mod embedding;
mod fetch;
pub mod graph;
pub mod hypervector;
mod lookup;
#[cfg(test)]
mod test_store;

pub use lookup::lookup;
