//! Reads everything now and then, and gives the metrics of the time between.

use super::hardware::Hardware;
use super::interval::Interval;
use super::power::{POWERCAP, Rapl};
use super::{Costs, Cycles, Measured, Totals, VTPUMetrics, totals};
use phext_storage::vfs::{RealVfs, Vfs};
use serde::Serialize;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between two calibrations: one takes about a millisecond.
const RECALIBRATED: Duration = Duration::from_secs(5);

/// Everything that metrics follow from.
#[derive(Debug)]
pub struct Meter {
    costs: Costs,
    cores: usize,
    hardware: Hardware,
    vfs: Arc<dyn Vfs>,
    rapl: io::Result<Rapl>,
    /// How fast cores were found to run where nothing counts their cycles, and when.
    calibrated: Option<(Instant, Cycles)>,
    last: Totals,
    last_time: Instant,
}

/// The metrics of the time since the sample before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The length of the interval in milliseconds.
    pub interval_ms: f64,
    /// The metrics.
    #[serde(flatten)]
    pub metrics: VTPUMetrics,
    /// Where cycles come from.
    pub cycles: Cycles,
    /// What was counted since the start of the process.
    pub totals: Totals,
}

impl Meter {
    /// Opens what there is. Hardware counters count the threads that are started after this.
    pub fn open(costs: Costs) -> Meter {
        Meter::over(costs, Arc::new(RealVfs), Path::new(POWERCAP))
    }

    /// As [`Meter::open`], with the meters of energy in another directory.
    pub fn over(costs: Costs, vfs: Arc<dyn Vfs>, powercap: &Path) -> Meter {
        Meter {
            costs,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            hardware: Hardware::open(),
            rapl: Rapl::open(vfs.as_ref(), powercap),
            vfs,
            calibrated: None,
            last: totals(),
            last_time: Instant::now(),
        }
    }

    /// The metrics since the last sample, or since the meter was opened.
    pub fn sample(&mut self) -> Sample {
        let (totals, now) = (totals(), Instant::now());
        let length = now.duration_since(self.last_time);
        let hardware = self.hardware.sample();
        let interval = Interval {
            counted: totals.since(&self.last),
            totals,
            seconds: length.as_secs_f64(),
            cores: self.cores,
            cycles: hardware.cycles.unwrap_or_else(|| self.calibrated(now)),
            hardware,
            watts: self.watts(length),
            costs: &self.costs,
        };
        let sample = Sample {
            interval_ms: length.as_secs_f64() * 1e3,
            metrics: interval.metrics(),
            cycles: interval.cycles,
            totals,
        };
        (self.last, self.last_time) = (totals, now);
        sample
    }

    fn calibrated(&mut self, now: Instant) -> Cycles {
        match self.calibrated {
            Some((when, cycles)) if now.duration_since(when) < RECALIBRATED => cycles,
            _ => {
                let cycles = Cycles::calibrate();
                self.calibrated = Some((now, cycles));
                cycles
            }
        }
    }

    /// Of the processors where they have a meter, else of the node as configured.
    fn watts(&mut self, length: Duration) -> Measured<f64> {
        let metered = match &mut self.rapl {
            Ok(rapl) => rapl.joules(self.vfs.as_ref()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match (metered, self.costs.watts) {
            (Ok(joules), _) => {
                Measured::ratio(joules, length.as_secs_f64(), "the interval has no length")
            }
            (Err(_), Some(watts)) => Measured::Value(watts),
            (Err(error), None) => Measured::missing(format!(
                "no meter of energy can be read (RAPL: {error}), and the watts of the node are not configured"
            )),
        }
    }
}
