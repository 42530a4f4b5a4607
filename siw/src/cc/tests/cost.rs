//! What streams are expected to cost.

use crate::cc::{CostModel, OptimizationTier, SIWMetadata, StreamCost, Workload};
use crate::tests::{number, pack, point, send, survey};
use crate::*;
use phext_storage::page_table::{Constraint, Region};
use std::collections::BTreeMap;
use std::time::Duration;

/// A model in round numbers.
fn model() -> CostModel {
    let costs = [
        ("SLANES", 4.0),
        ("DLEN", 2.0),
        ("SPREFCH.text", 1.0),
        ("DCMP.gt", 0.5),
        ("DRED.sum", 0.5),
        ("SGATHER.whole", 8.0),
        ("CPACK", 3.0),
        ("CSEND.sink", 5.0),
        ("DMOV", 1.0),
        ("CREDUCE.sum", 10.0),
    ];
    CostModel {
        cycles_per_nanosecond: 2.0,
        cycles_per_word: 10.0,
        cycles_per_batch: 100.0,
        cycles_per_op: BTreeMap::from(costs.map(|(name, cost)| (name.to_owned(), cost))),
        cycles_per_block: 50.0,
        cycles_per_line: BTreeMap::from([(1 << 20, 5.0), (8 << 20, 20.0)]),
    }
}

#[test]
fn a_stream_costs_the_sum_of_its_operations() {
    let cost = model().of_stream(&survey());
    let expected = StreamCost {
        lanes_of_batch: 1024,
        per_lane: 4.0 + 2.0 + 1.0 + 0.5 + 0.5 + 8.0 + 3.0 + 5.0,
        per_batch: 100.0 + 6.0 * 10.0,
        fixed: 4.0 * 10.0 + 1.0 + 10.0 + 3.0 + 5.0,
        per_block_of_keys: 0.0,
        lines_per_lane: 0,
        ops_per_lane: 7,
        ops_per_batch: 0,
        ops_fixed: 4,
    };
    assert_eq!(cost, expected);
    assert_eq!(cost.batches(1025), 2);
    assert_eq!(cost.ops(1025), 7 * 1025 + 4);
    assert!((cost.cycles(1025) - (59.0 + 320.0 + 24.0 * 1025.0)).abs() < 1e-6);
}

#[test]
fn lanes_that_lie_here_and_there_cost_what_their_memory_does() {
    let stream = |lanes: LaneSpec| {
        let mut stream = StreamBuilder::new(2);
        let kind = LaneKind::of(&lanes);
        let (to, lanes) = (P(0), stream.constant(Constant::Lanes(lanes)));
        stream.each(Word::sparse(match kind {
            LaneKind::Region => SparseOp::Assoc { to, lanes },
            _ => SparseOp::Lanes { to, lanes },
        }));
        stream.build()
    };
    let mut costs = model();
    costs.cycles_per_op.insert("SLANES.points".to_owned(), 6.0);
    costs.cycles_per_op.insert("SASSOC".to_owned(), 3.0);
    let check = |of: LaneSpec, lanes: u64, blocks: u64, per_lane: f64, more: f64| {
        let workload = Workload {
            lanes,
            blocks,
            cores: 1,
            inline: Duration::ZERO,
        };
        let cost = costs.of_stream(&stream(of));
        let batches = 110.0 * lanes.div_ceil(1024) as f64;
        let expected = per_lane * lanes as f64 + more + batches;
        let found = costs.cycles(&cost, &workload);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    };
    let points = || LaneSpec::Points((1..=9).map(point).collect());
    let region = || LaneSpec::Region(Region::new([Constraint::FREE; 9]));
    check(LaneSpec::All, 1 << 20, 0, 4.0, 0.0);
    // What calibration looked at, and what is not larger, lies as near.
    check(points(), 2048, 0, 6.0, 0.0);
    // Three lines of a lane, each 15 cycles farther away.
    check(points(), 10_000, 0, 6.0 + 45.0, 0.0);
    check(points(), 1 << 20, 0, 6.0 + 45.0, 0.0);
    check(region(), 100, 70, 3.0, 70.0 * 50.0);
    check(region(), 256, 0, 3.0, 2.0 * 50.0);
}

#[test]
fn sentrons_have_as_much_to_do_as_what_runs_inline() {
    let check = |lanes, cores, inline_us, expected| {
        let inline = Duration::from_micros(inline_us);
        let workload = Workload {
            lanes,
            blocks: 0,
            cores,
            inline,
        };
        let metadata = SIWMetadata::of(&survey(), &model(), &workload);
        assert_eq!(metadata.recommended_sentron_count, expected, "{workload:?}");
        assert_eq!(metadata.tier, OptimizationTier::Tier2SiwPacked);
    };
    // A lane takes 12 ns.
    check(0, 8, 10, 1);
    check(500, 8, 10, 1);
    check(10_000, 8, 10, 8);
    check(10_000, 8, 40, 3);
    check(10_000, 2, 10, 2);
    // Two batches, however expensive, are work for two.
    check(2_000, 8, 0, 2);
}

#[test]
fn hot_dimensions_are_those_that_lanes_are_chosen_by() {
    let check = |lanes: LaneSpec, expected: &[usize]| {
        let mut stream = StreamBuilder::new(2);
        let kind = LaneKind::of(&lanes);
        let (to, lanes) = (P(0), stream.constant(Constant::Lanes(lanes)));
        stream.each(Word::sparse(match kind {
            LaneKind::Region => SparseOp::Assoc { to, lanes },
            _ => SparseOp::Lanes { to, lanes },
        }));
        let (dimension, at) = (6, to);
        stream.each(Word::sparse(SparseOp::Index {
            to: R(0),
            dimension,
            at,
        }));
        stream.each(Word::coordination(pack(0, number(0))));
        stream.each(Word::coordination(send(0)));
        let workload = Workload {
            lanes: 1,
            blocks: 0,
            cores: 1,
            inline: Duration::ZERO,
        };
        let metadata = SIWMetadata::of(&stream.build(), &model(), &workload);
        assert_eq!(metadata.hot_dimensions, expected);
    };
    check(LaneSpec::All, &[6]);
    let all = |from, to| LaneSpec::Range { from, to };
    check(all(point(1), point(9)), &[6, 0, 1, 2, 3, 4, 5, 7, 8]);
    // The prefix 1.1 and what is in it.
    let mut end = [phext_storage::coordinate::MAX_COMPONENT; 9];
    end[..2].fill(1);
    let end = phext_storage::coordinate::Coordinate::new(end).unwrap();
    check(all(point(1), end), &[0, 1, 6]);
    let constraint = |dimension| match dimension {
        6 | 8 => Constraint::equal(3).unwrap(),
        _ => Constraint::FREE,
    };
    let region = Region::new(std::array::from_fn(constraint));
    check(LaneSpec::Region(region), &[6, 8]);
}

#[test]
fn calibration_finds_what_can_be_run() {
    let model = CostModel::measure();
    let json = model.to_json().unwrap();
    assert_eq!(CostModel::from_json(&json).unwrap(), model);
    for pipe in Pipe::ALL {
        for description in &table::operations(pipe)[1..] {
            let name = description.mnemonic;
            assert!(json.contains(name), "{name} is not in {json}");
        }
    }
    assert!((0.1..20.0).contains(&model.cycles_per_nanosecond), "{json}");
    assert!(model.cycles_per_batch > 0.0, "{json}");
    for name in [
        "SLANES",
        "SGATHER.whole",
        "CSEND.sink",
        "DLEN",
        "SINDEX.scroll",
    ] {
        assert!(model.cycles_per_op[name] > 0.0, "{name} of {json}");
    }
}

#[test]
fn names_of_tiers_are_those_of_the_roadmap() {
    let names = OptimizationTier::ALL.map(|tier| serde_json::to_string(&tier).unwrap());
    let expected = [
        "\"Tier0_Unstructured\"",
        "\"Tier1_PipeSeparated\"",
        "\"Tier2_SIWPacked\"",
        "\"Tier3_PhextOptimal\"",
    ];
    assert_eq!(names, expected);
}
