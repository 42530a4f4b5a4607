//! Everything, in the text format of Prometheus.
//!
//! The figures of stores have the store as a label. A server may have any number of tenants, and each
//! label makes thirty series more; so only the first [`LABELLED`] that were opened have a label of their
//! own, and the rest is added up as [`OTHER`]. A store never moves from the one to the other, which
//! would look as if its counters went back.
//!
//! A metric of the vTPU that has no value is left out, as Prometheus wants it.

use super::Telemetry;
use phext_siw::telemetry::{Metric, Named, VTPUMetrics, totals};
use phext_storage::Statistics;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

pub(crate) use prometheus_text::CONTENT_TYPE;

/// Stores that have a label of their own.
const LABELLED: usize = 100;
/// The label of the rest.
const OTHER: &str = "other";

/// The label of a store.
type Label = [(&'static str, String); 1];

/// A figure of a store: what it is called, what it is, and where it is found.
type Figure = (&'static str, &'static str, fn(&Statistics) -> u64);

/// What a store holds now.
const HELD: [Figure; 17] = [
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
    (
        "huge_page_bytes",
        "Bytes of those that were brought into huge pages",
        |s| s.huge_page_bytes,
    ),
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
        "Chunks of segments in use that were found damaged",
        |s| s.damaged_chunks,
    ),
    (
        "unmergeable_segments",
        "Segments in use that merges leave out since one met damage there",
        |s| s.unmergeable_segments,
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

/// The text of everything. Stores come in the order in which they were opened.
pub(crate) fn exposition(telemetry: &Telemetry, stores: &[(String, Statistics)]) -> String {
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

/// The label of the store at a place, and its statistics.
fn labelled(stores: &[(String, Statistics)]) -> impl Iterator<Item = (Label, &Statistics)> {
    stores
        .iter()
        .enumerate()
        .map(|(place, (name, statistics))| {
            let label = if place < LABELLED { name } else { OTHER };
            ([("store", label.to_owned())], statistics)
        })
}

fn register_stores(registry: &mut Registry, stores: &[(String, Statistics)]) {
    registry.register(
        "sqd_stores",
        "Open stores",
        ConstGauge::new(stores.len() as u64),
    );
    for (name, help, figure) in HELD {
        let gauges = Family::<Label, Gauge<u64, AtomicU64>>::default();
        for (label, statistics) in labelled(stores) {
            gauges.get_or_create(&label).inc_by(figure(statistics));
        }
        registry.register(format!("sqd_store_{name}"), help, gauges);
    }
    for (name, help, figure) in DONE {
        let counters = Family::<Label, Counter>::default();
        for (label, statistics) in labelled(stores) {
            counters.get_or_create(&label).inc_by(figure(statistics));
        }
        registry.register(format!("sqd_store_{name}"), help, counters);
    }
    register_amplification(registry, stores);
}

/// Of stores that users wrote to.
fn register_amplification(registry: &mut Registry, stores: &[(String, Statistics)]) {
    let mut sums = BTreeMap::<Label, [u64; 2]>::new();
    for (label, s) in labelled(stores) {
        let [written, by_users] = sums.entry(label).or_default();
        *written += s.logged_bytes + s.sealed_bytes + s.merged_bytes;
        *by_users += s.user_bytes;
    }
    let gauges = Family::<Label, Gauge<f64, AtomicU64>>::default();
    for (label, [written, by_users]) in sums.into_iter().filter(|(_, sums)| sums[1] > 0) {
        let ratio = written as f64 / by_users as f64;
        gauges.get_or_create(&label).set(ratio);
    }
    registry.register(
        "sqd_store_write_amplification",
        "Bytes written to log and segments for each byte that users wrote",
        gauges,
    );
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
    for Named { name, help, value } in metrics.named() {
        let name = format!("vtpu_{name}");
        match value {
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
                registry.register(name, help, ranks);
            }
            Err(_) => {}
        }
    }
}
