//! From counts over an interval to metrics.

use super::hardware::HardwareSample;
use super::{Costs, Cycles, Measured, Totals, VTPUMetrics};

/// What is known of an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval<'a> {
    /// What was counted in it.
    pub counted: Totals,
    /// What was counted since the start of the process.
    pub totals: Totals,
    /// Its length.
    pub seconds: f64,
    /// How many cores the process may use.
    pub cores: usize,
    /// How fast they run.
    pub cycles: Cycles,
    /// What hardware counters say.
    pub hardware: HardwareSample,
    /// Watts that were taken.
    pub watts: Measured<f64>,
    /// What the node costs.
    pub costs: &'a Costs,
}

const NO_STREAM: &str = "no stream was timed in the interval";
const NO_OPS: &str = "no operation was retired in the interval";

impl Interval<'_> {
    /// The metrics of the interval.
    pub fn metrics(&self) -> VTPUMetrics {
        let counted = &self.counted;
        let cost = self.costs.per_second(&self.watts);
        VTPUMetrics {
            ops_per_cycle_actual: Measured::ratio(
                counted.timed_ops as f64,
                counted.busy_ns as f64 * self.cycles.gigahertz,
                NO_STREAM,
            ),
            ops_per_second: self.per_second(counted.ops),
            sentron_utilization: Measured::Value(self.utilization()),
            l1_hit_rate: self.hardware.l1_hit_rate.clone(),
            l2_hit_rate: Measured::missing(
                "perf_event has no event for the second-level cache that is the same on all processors",
            ),
            l3_hit_rate: self.hardware.l3_hit_rate.clone(),
            ppt_hit_rate: Measured::ratio(
                counted.translation_hits as f64,
                (counted.translation_hits + counted.translation_misses) as f64,
                "no point was read one at a time in the interval",
            ),
            locality_ratio: Measured::ratio(
                counted.gathers_near as f64,
                counted.gathers_compared as f64,
                "no batch of more than one lane was gathered in the interval",
            ),
            prefetch_accuracy: Measured::missing(
                "a prefetched line that is not used afterwards leaves no trace that a program could count",
            ),
            hot_dimensions: Measured::Value(self.hot_dimensions()),
            c_pipe_messages_per_sec: self.per_second(counted.messages),
            cross_node_bandwidth: Measured::missing("there is one node"),
            barrier_latency_us: Measured::ratio(
                counted.barrier_ns as f64 / 1e3,
                counted.barriers as f64,
                "no group went through a barrier in the interval",
            ),
            ops_per_watt: self.watts.clone().and_then(|watts| {
                Measured::ratio(self.rate(counted.ops), watts, "no power was taken")
            }),
            ops_per_dollar: cost
                .clone()
                .and_then(|cost| Measured::ratio(self.rate(counted.ops), cost, "all prices are 0")),
            cost_per_trillion_ops: cost
                .and_then(|cost| Measured::ratio(cost * 1e12, self.rate(counted.ops), NO_OPS)),
        }
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    fn per_second(&self, count: u64) -> Measured<u64> {
        Measured::ratio(count as f64, self.seconds, "the interval has no length")
            .map(|rate| rate.round() as u64)
    }

    /// A stream counts when it ends, so that one which began before the interval can count more than
    /// the interval has.
    fn utilization(&self) -> f64 {
        let available_ns = self.seconds * 1e9 * self.cores as f64;
        (self.counted.busy_ns as f64 / available_ns).clamp(0.0, 1.0)
    }

    fn hot_dimensions(&self) -> Vec<usize> {
        let constrained = self.totals.dimensions;
        let mut hot: Vec<usize> = (0..constrained.len())
            .filter(|&d| constrained[d] > 0)
            .collect();
        hot.sort_by_key(|&d| std::cmp::Reverse(constrained[d]));
        hot
    }
}
