//! Tests of the compiler.

mod cost;
mod packing;
pub(crate) mod random;
mod refusals;
mod symbols;
