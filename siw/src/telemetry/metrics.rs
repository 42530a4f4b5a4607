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

/// A metric by its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Named<'a> {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its value, or why there is none.
    pub value: Result<Metric<'a>, &'a str>,
}

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
        let named = |name, help, value| Named { name, help, value };
        let dimensions = of(&self.hot_dimensions, |hot| Metric::Dimensions(hot));
        [
            named(
                "ops_per_cycle_actual",
                "Operations retired for each cycle of a core in a stream",
                ratio(&self.ops_per_cycle_actual),
            ),
            named(
                "ops_per_second",
                "Operations retired a second",
                count(&self.ops_per_second),
            ),
            named(
                "sentron_utilization",
                "Share of the time of all cores that threads were in streams",
                ratio(&self.sentron_utilization),
            ),
            named(
                "l1_hit_rate",
                "Share of reads that the first-level data cache answered",
                ratio(&self.l1_hit_rate),
            ),
            named(
                "l2_hit_rate",
                "Share of reads that the second-level cache answered",
                ratio(&self.l2_hit_rate),
            ),
            named(
                "l3_hit_rate",
                "Share of reads that the last-level cache answered of those that reached it",
                ratio(&self.l3_hit_rate),
            ),
            named(
                "ppt_hit_rate",
                "Share of point reads that the translation cache answered",
                ratio(&self.ppt_hit_rate),
            ),
            named(
                "locality_ratio",
                "Share of gathers whose text begins on the page of the one before or the next",
                ratio(&self.locality_ratio),
            ),
            named(
                "prefetch_accuracy",
                "Share of prefetches that were used",
                ratio(&self.prefetch_accuracy),
            ),
            named(
                "hot_dimensions",
                "Rank of a dimension among those constrained",
                dimensions,
            ),
            named(
                "c_pipe_messages_per_sec",
                "Messages between sentrons a second",
                count(&self.c_pipe_messages_per_sec),
            ),
            named(
                "cross_node_bandwidth",
                "Share of a network between nodes that is used",
                ratio(&self.cross_node_bandwidth),
            ),
            named(
                "barrier_latency_us",
                "Mean time of a barrier in microseconds",
                ratio(&self.barrier_latency_us),
            ),
            named(
                "ops_per_watt",
                "Operations a second for each watt",
                ratio(&self.ops_per_watt),
            ),
            named(
                "ops_per_dollar",
                "Operations for each unit of currency that node and energy cost",
                ratio(&self.ops_per_dollar),
            ),
            named(
                "cost_per_trillion_ops",
                "Cost of node and energy for each 10^12 operations",
                ratio(&self.cost_per_trillion_ops),
            ),
        ]
    }
}

impl Serialize for VTPUMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.named();
        let mut map = serializer.serialize_map(Some(named.len() + 1))?;
        let mut reasons = BTreeMap::new();
        for Named { name, value, .. } in &named {
            map.serialize_entry(name, &value.ok())?;
            if let Err(reason) = value {
                reasons.insert(name, reason);
            }
        }
        map.serialize_entry("reasons", &reasons)?;
        map.end()
    }
}
