//! Queries and mutations, and their way down: one value, a plan, a SIW stream.
//!
//! ```text
//! Query    -> plan: which lanes        -> stream: SLANES ... CSEND      -> rows in a sink
//! Mutation -> stream: SLANES SSCATTR ... SFLUSH -> a write batch -> the store's log
//! Bulk     -> streams: SLANES SSCATTR, SFLUSH -> an ingest, past the log
//! ```
//!
//! There is no other way to read or write a phext: HTTP routes, import and export all come through
//! here. This crate does no input or output of its own.

mod bulk;
mod mutation;
pub mod pattern;
mod plan;
mod query;
mod run;

pub use bulk::{Bulk, IntoIngest};
pub use mutation::{Mutation, MutationKind};
pub use pattern::{Pattern, PatternError};
pub use phext_siw::execute::{ExecuteError, Flow, Flush, Report, ResultRow, Sink};
pub use plan::Plan;
pub use query::{
    Constraint, Fields, Metric, Nearest, Output, Query, Region, RegionError, Span, Target, Weights,
};
pub use run::{run, run_plan};
