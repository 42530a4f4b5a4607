//! How a query is answered, as a JSON object.

use phext_query::explain::StreamExplanation;
use phext_query::{Explanation, Report};
use phext_storage::page_table::Access;
use serde_json::{Value, json};

/// An explanation as JSON.
pub(super) fn json(explanation: &Explanation) -> Vec<u8> {
    let first = explanation.streams.first();
    let mut object = json!({
        "plan": explanation.plan,
        "tier": explanation.tier.number(),
        "stream": first.map(StreamExplanation::text),
        "metadata": first.map(|stream| json!(stream.metadata)),
        "expected_lanes": explanation.expected_lanes,
        "microseconds": {
            "planning": explanation.planning.as_secs_f64() * 1e6,
            "running": explanation.running.as_secs_f64() * 1e6,
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
        "microseconds": stream.running.as_secs_f64() * 1e6,
        "ops_per_cycle": stream.ops_per_cycle,
        "access": stream.access.iter().map(access).collect::<Vec<_>>(),
    });
    counts(&mut object, &stream.report);
    object
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
