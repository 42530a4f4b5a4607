//! What the locality lab and the benches share with the engine. Not part of the interface of this crate.
//!
//! | question | module |
//! |---|---|
//! | which keys and texts are measured? | [`dataset`] |
//! | in which order does the engine put points? | [`order`] |

pub mod dataset;
pub use crate::segment::lab as order;
