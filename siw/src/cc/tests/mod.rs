//! Tests of the compiler.

mod cost;
mod packing;
mod random;
mod refusals;
mod symbols;
