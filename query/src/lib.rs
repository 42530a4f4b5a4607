//! Queries and mutations, and their way down: one value, a plan, a SIW stream.
//!
//! ```text
//! Query    -> plan: lanes, steps   -> program -> stream, at a tier -> rows in a sink
//! Mutation -> program: SLANES SSCATTR ... SFLUSH -> a write batch -> the store's log
//! Bulk     -> programs: SLANES SSCATTR, SFLUSH   -> an ingest, past the log
//! ```
//!
//! | question | module |
//! |---|---|
//! | What can be asked? | [`query`] |
//! | How are regions written by people? | [`pattern`] |
//! | What cannot be combined? | [`QueryError`] |
//! | Which lanes does a query run over, and in which steps? | [`plan`] |
//! | Which operations give its rows? | `lower` |
//! | Why is a query not compiled each time? | `compile` |
//! | How are the streams run, one after the other? | [`mod@run`] |
//! | Who runs what takes long? | [`Pooled`] |
//! | What did a query cost, and why? | [`mod@explain`] |
//! | How are scrolls written? | [`mod@write`] |
//! | What else do agents do on a phext? | [`workloads`] |
//!
//! There is no other way to read or write a phext: HTTP routes, import and export all come through
//! here. This crate does no input or output of its own.

mod compile;
mod error;
pub mod explain;
mod lower;
pub mod plan;
mod pooled;
pub mod query;
pub mod run;
pub mod workloads;
pub mod write;

pub use error::{ExecuteError, QueryError};
pub use explain::{Explanation, explain};
pub use phext_siw::cc::OptimizationTier;
pub use phext_siw::execute::{Flow, Flush, OperationTime, Report, ResultRow, Sink, Tally, Timings};
pub use phext_siw::pool::{
    Cancel, Chunk, Chunks, CorePool, PoolError, PoolOptions, Threshold, Work,
};
pub use phext_siw::{Part, TallyKey};
pub use phext_storage::page_table::{
    Constraint, Metric, Nearest, Pattern, PatternError, Region, RegionError, Span, Weights, pattern,
};
pub use plan::Plan;
pub use pooled::Pooled;
pub use query::{Fields, Filter, Order, OrderKey, Output, Query, Slice, Target, Within};
pub use run::{Inline, Runner, run, run_plan, run_plan_with};
pub use write::{Bulk, IntoIngest, Mutation, MutationKind};
