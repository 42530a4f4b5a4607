//! How a query is answered, as a JSON object.

use phext_query::explain::StreamExplanation;
use phext_query::{Explanation, OperationTime, Part, Report, Timings};
use phext_storage::page_table::Access;
use serde_json::{Value, json};
use std::time::Duration;

/// An explanation as JSON, of a question that took so long to read.
pub(super) fn json(explanation: &Explanation, parsing: Duration) -> Vec<u8> {
    let first = explanation.streams.first();
    let mut object = json!({
        "plan": explanation.plan,
        "tier": explanation.tier.number(),
        "stream": first.map(StreamExplanation::text),
        "metadata": first.map(|stream| json!(stream.metadata)),
        "expected_lanes": explanation.expected_lanes,
        "microseconds": {
            "parsing": microseconds(parsing),
            "planning": microseconds(explanation.planning),
            "compiling": microseconds(explanation.compiling),
            "running": microseconds(explanation.running),
        },
        "streams": explanation.streams.iter().map(stream).collect::<Vec<_>>(),
    });
    counts(&mut object, &explanation.report);
    serde_json::to_vec(&object).expect("its keys are strings")
}

fn stream(stream: &StreamExplanation) -> Value {
    let mut object = json!({
        "purpose": stream.purpose.to_string(),
        "stream": stream.text(),
        "metadata": stream.metadata,
        "microseconds": microseconds(stream.running),
        "parts": stream.timings.as_ref().map(parts),
        "operations": stream.timings.as_ref().map(operations),
        "ops_per_cycle": stream.ops_per_cycle,
        "access": stream.access.iter().map(access).collect::<Vec<_>>(),
    });
    counts(&mut object, &stream.report);
    object
}

/// To the nanosecond, which is what there is.
fn microseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// Microseconds of each part of a stream.
fn parts(timings: &Timings) -> Value {
    let part = |part: &Part| {
        (
            part.to_string(),
            json!(microseconds(timings.part_time(*part))),
        )
    };
    Part::ALL.iter().map(part).collect()
}

fn operations(timings: &Timings) -> Value {
    let kind = |kind: &OperationTime| {
        json!({
            "operation": kind.name,
            "microseconds": microseconds(kind.time),
            "runs": kind.runs,
            "lanes": kind.lanes,
            "ops": kind.ops,
        })
    };
    timings.operations().iter().map(kind).collect()
}

fn access(access: &Access) -> Value {
    json!({
        "place": access.place.to_string(),
        "strategy": access.strategy.to_string(),
        "estimated_slots": access.estimated_slots,
        "slots": access.slots,
        "blocks": access.blocks,
        "blocks_pruned": access.blocks_pruned,
        "blocks_tested": access.blocks_tested,
    })
}

fn counts(object: &mut Value, report: &Report) {
    let members = [
        ("rows", report.rows),
        ("batches", report.batches),
        ("lanes", report.lanes),
        ("ops", report.ops),
        ("bytes_gathered", report.bytes_gathered),
    ];
    for (name, count) in members {
        object[name] = json!(count);
    }
}
