//! The metrics of a vTPU.

use super::Measured;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// The metrics of a vTPU over an interval. As JSON, each is a number or null, and `reasons` says of
/// each null why.
#[derive(Debug, Clone, PartialEq)]
pub struct VTPUMetrics {
    /// Operations retired for each cycle of a core that was in a stream.
    pub ops_per_cycle_actual: Measured<f64>,
    /// Operations retired a second, by all threads together.
    pub ops_per_second: Measured<u64>,
    /// The share, 0 to 1, of the time of all cores that threads were in streams.
    pub sentron_utilization: Measured<f64>,
    /// The share of reads that the first-level data cache answered, of the whole process.
    pub l1_hit_rate: Measured<f64>,
    /// The same of the second level.
    pub l2_hit_rate: Measured<f64>,
    /// The share of reads that reached the last-level cache and were answered by it.
    pub l3_hit_rate: Measured<f64>,
    /// The share of point reads that the translation cache of the page table answered.
    pub ppt_hit_rate: Measured<f64>,
    /// The share of gathers whose text begins on the same page as the one before, or the next.
    pub locality_ratio: Measured<f64>,
    /// The share of prefetches that were used.
    pub prefetch_accuracy: Measured<f64>,
    /// The dimensions that regions constrained since the start, the most constrained first.
    pub hot_dimensions: Measured<Vec<usize>>,
    /// Messages between sentrons a second.
    pub c_pipe_messages_per_sec: Measured<u64>,
    /// The share of a network between nodes that is used.
    pub cross_node_bandwidth: Measured<f64>,
    /// The mean time of a barrier in microseconds.
    pub barrier_latency_us: Measured<f64>,
    /// Operations a second for each watt.
    pub ops_per_watt: Measured<f64>,
    /// Operations for each unit of currency that node and energy cost while they ran.
    pub ops_per_dollar: Measured<f64>,
    /// What node and energy cost for each 10^12 operations.
    pub cost_per_trillion_ops: Measured<f64>,
}

/// The value of a metric, whatever its type.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Metric<'a> {
    /// A whole number.
    Count(u64),
    /// A quotient.
    Ratio(f64),
    /// Dimensions.
    Dimensions(&'a [usize]),
}

/// A metric's name, and its value or why there is none.
pub type Named<'a> = (&'static str, Result<Metric<'a>, &'a str>);

fn of<'a, T>(
    measured: &'a Measured<T>,
    metric: fn(&'a T) -> Metric<'a>,
) -> Result<Metric<'a>, &'a str> {
    match measured {
        Measured::Value(value) => Ok(metric(value)),
        Measured::Missing(reason) => Err(reason),
    }
}

fn ratio(measured: &Measured<f64>) -> Result<Metric<'_>, &str> {
    of(measured, |&value| Metric::Ratio(value))
}

fn count(measured: &Measured<u64>) -> Result<Metric<'_>, &str> {
    of(measured, |&value| Metric::Count(value))
}

impl VTPUMetrics {
    /// All metrics, in their order.
    pub fn named(&self) -> [Named<'_>; 16] {
        let dimensions = of(&self.hot_dimensions, |hot| Metric::Dimensions(hot));
        [
            ("ops_per_cycle_actual", ratio(&self.ops_per_cycle_actual)),
            ("ops_per_second", count(&self.ops_per_second)),
            ("sentron_utilization", ratio(&self.sentron_utilization)),
            ("l1_hit_rate", ratio(&self.l1_hit_rate)),
            ("l2_hit_rate", ratio(&self.l2_hit_rate)),
            ("l3_hit_rate", ratio(&self.l3_hit_rate)),
            ("ppt_hit_rate", ratio(&self.ppt_hit_rate)),
            ("locality_ratio", ratio(&self.locality_ratio)),
            ("prefetch_accuracy", ratio(&self.prefetch_accuracy)),
            ("hot_dimensions", dimensions),
            (
                "c_pipe_messages_per_sec",
                count(&self.c_pipe_messages_per_sec),
            ),
            ("cross_node_bandwidth", ratio(&self.cross_node_bandwidth)),
            ("barrier_latency_us", ratio(&self.barrier_latency_us)),
            ("ops_per_watt", ratio(&self.ops_per_watt)),
            ("ops_per_dollar", ratio(&self.ops_per_dollar)),
            ("cost_per_trillion_ops", ratio(&self.cost_per_trillion_ops)),
        ]
    }
}

impl Serialize for VTPUMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.named();
        let mut map = serializer.serialize_map(Some(named.len() + 1))?;
        let mut reasons = BTreeMap::new();
        for (name, metric) in &named {
            map.serialize_entry(name, &metric.ok())?;
            if let Err(reason) = metric {
                reasons.insert(name, reason);
            }
        }
        map.serialize_entry("reasons", &reasons)?;
        map.end()
    }
}
