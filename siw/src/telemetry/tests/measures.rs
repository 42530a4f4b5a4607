//! Metrics of intervals that are made up.

use crate::telemetry::hardware::HardwareSample;
use crate::telemetry::interval::Interval;
use crate::telemetry::{Costs, CycleSource, Cycles, Measured, Named, Totals, VTPUMetrics};
use serde_json::{Value, json};

const NO_COSTS: Costs = Costs {
    watts: None,
    kwh_price: None,
    node_price: None,
    years: None,
};

/// A second on two cores of 2 GHz, without hardware counters.
fn second(counted: Totals, costs: &Costs, watts: Measured<f64>) -> VTPUMetrics {
    Interval {
        counted,
        totals: counted,
        seconds: 1.0,
        cores: 2,
        cycles: Cycles {
            source: CycleSource::MultiplyChain,
            gigahertz: 2.0,
        },
        hardware: HardwareSample {
            cycles: None,
            l1_hit_rate: Measured::missing("none"),
            l3_hit_rate: Measured::missing("none"),
        },
        watts,
        costs,
    }
    .metrics()
}

fn no_watts() -> Measured<f64> {
    Measured::missing("no meter")
}

#[test]
fn metrics_of_a_busy_second() {
    let counted = Totals {
        ops: 3_000_000,
        timed_ops: 2_000_000,
        busy_ns: 500_000_000,
        translation_hits: 3,
        translation_misses: 1,
        gathers_compared: 10,
        gathers_near: 4,
        messages: 12,
        barriers: 2,
        barrier_ns: 5_000,
        dimensions: [0, 0, 9, 0, 0, 0, 0, 0, 10],
        ..Totals::default()
    };
    let costs = Costs {
        kwh_price: Some(0.36),
        node_price: Some(31_557_600.0),
        years: Some(2.0),
        ..NO_COSTS
    };
    let metrics = second(counted, &costs, Measured::Value(100.0));
    let ratio = |measured: &Measured<f64>| *measured.value().unwrap();
    assert_eq!(ratio(&metrics.ops_per_cycle_actual), 0.002);
    assert_eq!(metrics.ops_per_second, Measured::Value(3_000_000));
    assert_eq!(ratio(&metrics.sentron_utilization), 0.25);
    assert_eq!(ratio(&metrics.ppt_hit_rate), 0.75);
    assert_eq!(ratio(&metrics.locality_ratio), 0.4);
    assert_eq!(metrics.hot_dimensions, Measured::Value(vec![8, 2]));
    assert_eq!(metrics.c_pipe_messages_per_sec, Measured::Value(12));
    assert_eq!(ratio(&metrics.barrier_latency_us), 2.5);
    assert_eq!(ratio(&metrics.ops_per_watt), 30_000.0);
    // Half a unit for the node, 0.36 * 100 W / 3.6 MJ for energy.
    let cost = 0.5 + 0.000_01;
    assert!((ratio(&metrics.ops_per_dollar) - 3_000_000.0 / cost).abs() < 1.0);
    assert!((ratio(&metrics.cost_per_trillion_ops) - cost * 1e12 / 3e6).abs() < 1.0);
}

#[test]
fn an_idle_second_has_nothing_to_divide_by() {
    let metrics = second(Totals::default(), &NO_COSTS, no_watts());
    let reason = |measured: &Measured<f64>| measured.reason().unwrap().to_owned();
    assert!(reason(&metrics.ops_per_cycle_actual).contains("no stream"));
    assert!(reason(&metrics.ppt_hit_rate).contains("no point"));
    assert!(reason(&metrics.barrier_latency_us).contains("no group"));
    assert_eq!(metrics.ops_per_second, Measured::Value(0));
    assert_eq!(metrics.sentron_utilization, Measured::Value(0.0));
    assert_eq!(metrics.hot_dimensions, Measured::Value(Vec::new()));
}

#[test]
fn a_cost_that_is_not_configured_is_not_guessed() {
    let counted = Totals {
        ops: 1,
        ..Totals::default()
    };
    let check = |costs: Costs, watts: Measured<f64>, expected: &str| {
        let metrics = second(counted, &costs, watts);
        let reason = metrics.ops_per_dollar.reason().unwrap();
        assert!(reason.contains(expected), "{reason}");
        assert!(metrics.cost_per_trillion_ops.value().is_none());
    };
    let node = Costs {
        node_price: Some(1000.0),
        years: Some(4.0),
        ..NO_COSTS
    };
    let all = Costs {
        kwh_price: Some(0.3),
        ..node
    };
    check(NO_COSTS, Measured::Value(50.0), "price of the node");
    check(Costs { years: None, ..all }, Measured::Value(50.0), "years");
    check(node, Measured::Value(50.0), "kilowatt-hour");
    check(all, no_watts(), "no meter");
}

#[test]
fn a_metric_without_a_value_is_null_and_has_a_reason() {
    let metrics = second(Totals::default(), &NO_COSTS, no_watts());
    let json = serde_json::to_value(&metrics).unwrap();
    let reasons = json["reasons"].as_object().unwrap();
    for Named { name, value, .. } in metrics.named() {
        assert_eq!(json[name].is_null(), value.is_err(), "{name}");
        assert_eq!(reasons.contains_key(name), value.is_err(), "{name}");
    }
    assert_eq!(json["cross_node_bandwidth"], Value::Null);
    assert_eq!(reasons["cross_node_bandwidth"], "there is one node");
    assert_eq!(json["ops_per_second"], json!(0));
    assert_eq!(json["hot_dimensions"], json!([]));
}

#[test]
fn a_quotient_that_is_no_number_is_no_value() {
    assert_eq!(Measured::ratio(1.0, 2.0, "why"), Measured::Value(0.5));
    assert_eq!(Measured::ratio(0.0, 0.0, "why"), Measured::missing("why"));
    assert_eq!(Measured::ratio(1.0, 0.0, "why"), Measured::missing("why"));
}
