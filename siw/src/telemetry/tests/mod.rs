//! Tests of the metrics. Counts are of the whole process, and tests run at the same time in it: what
//! is asserted of them is what other tests cannot undo.

mod counting;
mod measures;
mod meters;
