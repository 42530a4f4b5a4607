//! Everything, in the text format of Prometheus.
//!
//! The figures of stores are sums over all open ones. A metric of the vTPU that has no value is left
//! out, as Prometheus wants it.

use super::Telemetry;
use phext_siw::telemetry::{Metric, VTPUMetrics, totals};
use phext_storage::Statistics;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

pub(crate) use prometheus_text::CONTENT_TYPE;

/// A figure of a store: what it is called, what it is, and where it is found.
type Figure = (&'static str, &'static str, fn(&Statistics) -> u64);

/// What a store holds now.
const HELD: [Figure; 15] = [
    (
        "memtable_bytes",
        "Memory in memtables that are written to",
        |s| s.memtable_bytes,
    ),
    (
        "frozen_bytes",
        "Memory in memtables that are being sealed",
        |s| s.frozen_bytes,
    ),
    ("shadow_bytes", "Memory in shadows", |s| s.shadow_bytes),
    ("table_bytes", "Memory in tables of segments", |s| {
        s.table_bytes
    }),
    ("catalog_bytes", "Memory in entries of the catalog", |s| {
        s.catalog_bytes
    }),
    (
        "heap_bytes",
        "Memory in all of these",
        Statistics::heap_bytes,
    ),
    ("mapped_bytes", "Segment files that are mapped", |s| {
        s.mapped_bytes
    }),
    ("log_bytes", "The log file that is written to", |s| {
        s.log_bytes
    }),
    ("segment_bytes", "Segment files in use", |s| s.segment_bytes),
    (
        "live_bytes",
        "Segment and memory bytes of current scrolls",
        |s| s.live_bytes,
    ),
    (
        "dead_bytes",
        "Segment bytes that a rewrite would free",
        |s| s.dead_bytes,
    ),
    ("segments", "Segment files in use", |s| s.segments),
    ("parts", "Parts of all phexts", |s| s.parts),
    (
        "merge_debt_permille",
        "How far merging is behind, in thousandths",
        |s| s.debt_permille,
    ),
    (
        "damaged_chunks",
        "Chunks of segments in use that the scrub found damaged",
        |s| s.damaged_chunks,
    ),
];

/// What a store did since it was opened.
const DONE: [Figure; 13] = [
    ("user_bytes", "Written by users", |s| s.user_bytes),
    ("logged_bytes", "Written to the log", |s| s.logged_bytes),
    ("sealed_bytes", "Written to segments by sealing", |s| {
        s.sealed_bytes
    }),
    ("merged_bytes", "Written to segments by merging", |s| {
        s.merged_bytes
    }),
    ("cataloged_bytes", "Values given to the catalog", |s| {
        s.cataloged_bytes
    }),
    ("seals", "Seals", |s| s.seals),
    ("merges", "Merges", |s| s.merges),
    ("stalls", "Commit groups that waited for room", |s| s.stalls),
    ("stall_microseconds", "Time that they waited", |s| {
        s.stall_us
    }),
    ("slowdowns", "Commit groups that were held back", |s| {
        s.slowdowns
    }),
    (
        "slowdown_microseconds",
        "Time that they were held back",
        |s| s.slowdown_us,
    ),
    ("scrubbed_bytes", "Bytes that the scrub read", |s| {
        s.scrubbed_bytes
    }),
    ("scrub_passes", "Passes that the scrub ended", |s| {
        s.scrub_passes
    }),
];

/// The text of everything.
pub(crate) fn exposition(telemetry: &Telemetry, stores: &[Statistics]) -> String {
    let mut registry = Registry::default();
    telemetry.requests.register(&mut registry);
    register_stores(&mut registry, stores);
    register_totals(&mut registry);
    if let Some(latest) = telemetry.latest() {
        register_metrics(&mut registry, &latest.metrics);
    }
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("a string takes any text");
    text
}

fn register_stores(registry: &mut Registry, stores: &[Statistics]) {
    let sum = |figure: fn(&Statistics) -> u64| stores.iter().map(figure).sum::<u64>();
    registry.register(
        "sqd_stores",
        "Open stores",
        ConstGauge::new(stores.len() as u64),
    );
    for (name, help, figure) in HELD {
        let gauge = ConstGauge::new(sum(figure));
        registry.register(format!("sqd_store_{name}"), help, gauge);
    }
    for (name, help, figure) in DONE {
        let counter = ConstCounter::new(sum(figure));
        registry.register(format!("sqd_store_{name}"), help, counter);
    }
    let written = sum(|s| s.logged_bytes + s.sealed_bytes + s.merged_bytes);
    if sum(|s| s.user_bytes) > 0 {
        registry.register(
            "sqd_store_write_amplification",
            "Bytes written to log and segments for each byte that users wrote",
            ConstGauge::new(written as f64 / sum(|s| s.user_bytes) as f64),
        );
    }
}

/// What streams did since the start.
fn register_totals(registry: &mut Registry) {
    let totals = totals();
    let counts = [
        (
            "runs",
            "Runs of a part of a stream by a sentron",
            totals.runs,
        ),
        ("batches", "Batches of lanes", totals.batches),
        ("lanes", "Lanes", totals.lanes),
        ("ops", "Operations retired", totals.ops),
        (
            "gathered_bytes",
            "Bytes of text gathered",
            totals.bytes_gathered,
        ),
        ("rows", "Rows given to sinks", totals.rows),
        (
            "busy_nanoseconds",
            "Time of threads in streams",
            totals.busy_ns,
        ),
    ];
    for (name, help, count) in counts {
        registry.register(format!("vtpu_{name}"), help, ConstCounter::new(count));
    }
}

fn register_metrics(registry: &mut Registry, metrics: &VTPUMetrics) {
    for (name, metric) in metrics.named() {
        let (name, help) = (format!("vtpu_{name}"), "See docs/VTPU.md");
        match metric {
            Ok(Metric::Count(count)) => registry.register(name, help, ConstGauge::new(count)),
            Ok(Metric::Ratio(ratio)) => registry.register(name, help, ConstGauge::new(ratio)),
            Ok(Metric::Dimensions(hot)) => {
                let ranks = Family::<[(&str, usize); 1], Gauge>::default();
                for (rank, &dimension) in hot.iter().enumerate() {
                    let rank = i64::try_from(rank).expect("there are nine dimensions");
                    ranks
                        .get_or_create(&[("dimension", dimension)])
                        .set(rank + 1);
                }
                registry.register(name, "Rank of a dimension among those constrained", ranks);
            }
            Err(_) => {}
        }
    }
}
