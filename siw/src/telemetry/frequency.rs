//! How many cycles a second a core makes, and how that is known.

use crate::cycles::Frequency;
use serde::Serialize;

/// Where cycles come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum CycleSource {
    /// Core cycles for each second of processor time, as the processor counts them.
    #[serde(rename = "perf_event")]
    PerfEvent,
    /// Processor time, multiplied by the frequency that a chain of dependent multiplications shows.
    #[serde(rename = "processor time and a chain of dependent multiplications")]
    MultiplyChain,
}

/// How fast a core runs, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cycles {
    /// Where it comes from.
    pub source: CycleSource,
    /// Cycles a nanosecond.
    pub gigahertz: f64,
}

impl Cycles {
    /// Of the core that the calling thread is on, by [`Frequency::calibrate`].
    pub fn calibrate() -> Cycles {
        Cycles {
            source: CycleSource::MultiplyChain,
            gigahertz: Frequency::calibrate().hertz / 1e9,
        }
    }
}
