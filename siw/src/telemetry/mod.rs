//! What streams did on this machine, and what that cost: the metrics of the vTPU.
//!
//! ```text
//! stream on a thread --adds--> Block of the thread --read by--> Meter --> VTPUMetrics
//! ```
//!
//! | question | module |
//! |---|---|
//! | What is counted, and what does counting cost? | [`counters`] |
//! | How is a stream watched? | `watch` |
//! | How close do gathers lie to each other? | `locality` |
//! | Which metrics are there, and which have no value? | [`metrics`], [`measured`] |
//! | How does a metric follow from counts? | [`interval`] |
//! | How fast does a core run, and how is that known? | [`frequency`] |
//! | What do hardware counters say, where there are any? | [`hardware`] |
//! | How much energy is taken, and what does it cost? | [`power`], [`costs`] |
//!
//! What cannot be measured has no value and a reason. Nothing is estimated to fill a field.

pub mod costs;
pub mod counters;
pub mod frequency;
pub mod hardware;
pub mod interval;
mod locality;
pub mod measured;
mod meter;
pub mod metrics;
pub mod power;
#[cfg(test)]
mod tests;
mod watch;

pub use costs::Costs;
pub use counters::{Totals, barrier, sent, totals};
pub use frequency::{CycleSource, Cycles};
pub use locality::look;
pub(crate) use locality::will_look;
pub use measured::Measured;
pub use meter::{Meter, Sample};
pub use metrics::{Metric, Named, VTPUMetrics};
pub use watch::{Watch, count_untimed};
