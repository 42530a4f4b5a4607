//! The store against a map.
//!
//! Random sequences of commits, seals, merges and reopenings are applied to a store in memory and to
//! a `BTreeMap`. After each sequence every way to read the store must agree with the map, and every
//! snapshot taken on the way must still show what it showed. A failing case prints its seed and the
//! smallest sequence that fails.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Lane, LaneSpec, Metric, Nearest, Region, Span};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Order, Phext, Snapshot, Store, StoreError, WriteBatch, WriteOp};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Model, apply, contents, lanes, open, small};
use xxhash_rust::xxh3::xxh3_128;

const PHEXTS: [&str; 3] = ["", "notes", "z"];
const ORDERS: [&str; 8] = [
    "auto",
    "lexicographic",
    "hilbert",
    "morton",
    "peano",
    "prefix=3,hilbert",
    "prefix=1,morton",
    "prefix=7,peano",
];

#[derive(Debug, Clone)]
enum Step {
    Commit(WriteBatch),
    Seal,
    Merge,
    Reopen,
    Snapshot,
}

/// Few values, so that coordinates collide, and the ends of what a component can be.
fn component() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 1..=3u32,
        2 => Just(1),
        1 => prop_oneof![Just(0x7FFF_FFFF), Just(0x7FFF_FFFE), Just(1 << 20), 1000..70_000u32],
    ]
}

fn coordinate() -> impl Strategy<Value = Coordinate> {
    let near = (1..=2u32, 1..=2u32, 1..=3u32).prop_map(|(a, b, c)| [a, 1, 1, 1, b, 1, 1, 1, c]);
    let wide = proptest::array::uniform9(component());
    prop_oneof![5 => near, 1 => wide].prop_map(|c| Coordinate::new(c).unwrap())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => "[a-z\n]{1,12}".prop_map(String::into_bytes),
        2 => (b'a'..=b'z', 100..700usize).prop_map(|(byte, length)| vec![byte; length]),
        1 => (0..3usize, 60..300usize).prop_map(|(gap, lines)| [vec![b'x'; gap], vec![b'\n']].concat().repeat(lines)),
    ]
}

fn operation() -> impl Strategy<Value = WriteOp> {
    prop_oneof![
        4 => (coordinate(), text()).prop_map(|(c, text)| support::put(c, text)),
        2 => (coordinate(), text()).prop_map(|(c, text)| support::append(c, text)),
        2 => coordinate().prop_map(support::delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let operations = prop_oneof![3 => vec(operation(), 1), 2 => vec(operation(), 0..6)];
    let commit = (0..PHEXTS.len(), operations)
        .prop_map(|(phext, operations)| Step::Commit(support::batch(PHEXTS[phext], operations)));
    prop_oneof![
        16 => commit,
        2 => Just(Step::Seal),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
        1 => Just(Step::Snapshot),
    ]
}

/// Boxed: nine of them, inlined, are more than a stack holds.
fn constraint() -> BoxedStrategy<Constraint> {
    let span = |low, high| Span { low, high };
    let two = (1..=2u32, component(), component()).prop_map(move |(first, a, b)| {
        let (low, high) = (a.min(b).max(first + 1), a.max(b).max(first + 1));
        Constraint::new(vec![span(first, first), span(low, high)]).unwrap()
    });
    prop_oneof![
        4 => Just(Constraint::FREE),
        2 => component().prop_map(|c| Constraint::equal(c).unwrap()),
        2 => (component(), component())
            .prop_map(|(a, b)| Constraint::range(a.min(b), a.max(b)).unwrap()),
        1 => two,
    ]
    .boxed()
}

fn nearest() -> impl Strategy<Value = Nearest> {
    let metric = prop_oneof![Just(Metric::Chebyshev), Just(Metric::Manhattan)];
    let radius = proptest::option::of(prop_oneof![0..6u64, any::<u64>()]);
    let parts = (coordinate(), 0..12u32, metric, radius);
    parts.prop_map(|(to, count, metric, radius)| Nearest {
        to,
        count,
        metric,
        radius,
    })
}

fn spec() -> impl Strategy<Value = LaneSpec> {
    let points = || btree_set(coordinate(), 0..8).prop_map(|set| set.into_iter().collect());
    prop_oneof![
        Just(LaneSpec::All),
        (coordinate(), coordinate()).prop_map(|(from, to)| LaneSpec::Range { from, to }),
        points().prop_map(LaneSpec::Points),
        (coordinate(), coordinate(), points()).prop_map(|(from, to, points)| LaneSpec::Union {
            from,
            to,
            points
        }),
        proptest::array::uniform9(constraint()).prop_map(|c| LaneSpec::Region(Region::new(c))),
        nearest().prop_map(LaneSpec::Nearest),
    ]
}

/// A store, the map it must agree with, and the snapshots taken with what they showed.
struct Pair {
    vfs: MemoryVfs,
    options: Options,
    store: Option<Store>,
    model: Model,
    snapshots: Vec<(Snapshot, Model)>,
}

impl Pair {
    fn new(options: Options) -> Pair {
        let vfs = MemoryVfs::new();
        let store = Some(open(&vfs, options.clone()).unwrap());
        Pair {
            vfs,
            options,
            store,
            model: Model::new(),
            snapshots: Vec::new(),
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("a store is open between steps")
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Commit(batch) => {
                let expected = apply(&mut self.model, &batch);
                let commit = self.store().commit(batch).unwrap();
                assert_eq!(commit.previous_lengths, expected);
                assert_eq!(commit.lsn, self.store().snapshot().lsn());
            }
            Step::Seal => self.store().seal().unwrap(),
            Step::Merge => self.store().merge().unwrap(),
            Step::Reopen => {
                self.store = None;
                self.store = Some(open(&self.vfs, self.options.clone()).unwrap());
            }
            Step::Snapshot => {
                let snapshot = self.store().snapshot();
                self.snapshots.push((snapshot, self.model.clone()));
            }
        }
    }

    fn check(&self, specs: &[LaneSpec]) {
        let snapshot = self.store().snapshot();
        assert_eq!(contents(&snapshot).unwrap(), self.model);
        for (name, scrolls) in &self.model {
            let phext = snapshot.phext(name).expect("a phext of the model");
            assert_eq!(phext.order(), self.options.order);
            check_batch(phext, scrolls);
            specs
                .iter()
                .for_each(|spec| check_spec(phext, scrolls, spec));
        }
        for (snapshot, model) in &self.snapshots {
            assert_eq!(&contents(snapshot).unwrap(), model, "a snapshot changed");
        }
        self.store().verify(|_| {}).unwrap();
    }
}

/// All scrolls, and as many coordinates that may hold none, looked up at once.
fn check_batch(phext: &Phext, scrolls: &BTreeMap<Coordinate, Vec<u8>>) {
    let moved = |c: &Coordinate| {
        let mut components = *c.components();
        components[8] = components[8] % 7 + 1;
        Coordinate::new(components).unwrap()
    };
    let coordinates: Vec<Coordinate> = scrolls.keys().flat_map(|c| [*c, moved(c)]).collect();
    let mut located = Vec::new();
    phext.locate_batch(&coordinates, &mut located).unwrap();
    assert_eq!(located.len(), coordinates.len());
    for (coordinate, location) in coordinates.iter().copied().zip(located) {
        let text = scrolls.get(&coordinate).cloned().unwrap_or_default();
        check_lane(
            &Lane {
                coordinate,
                location,
            },
            &text,
        );
    }
    // Around how far ahead a batch is looked up.
    for count in [0, 1, 7, 8, 9, 16, 24, 25, 32, 33, coordinates.len()] {
        let first = &coordinates[..count.min(coordinates.len())];
        check_each(phext, scrolls, first);
    }
}

/// What is told of the first so many of these coordinates, one by one, up to the first error, which the
/// last one met causes.
fn check_each(phext: &Phext, scrolls: &BTreeMap<Coordinate, Vec<u8>>, coordinates: &[Coordinate]) {
    let present: Vec<usize> = (0..coordinates.len())
        .filter(|&index| scrolls.contains_key(&coordinates[index]))
        .collect();
    let mut told = Vec::new();
    let outcome = phext.locate_each(coordinates, |index, location| {
        assert_eq!(location.text()?, scrolls[&coordinates[index]]);
        told.push(index);
        match present.last() == Some(&index) {
            true => Err(StoreError::Closed),
            false => Ok(()),
        }
    });
    assert_eq!(told, present);
    assert_eq!(
        matches!(outcome, Err(StoreError::Closed)),
        !present.is_empty()
    );
}

/// What the map says a specification runs over.
fn expected_lanes(
    scrolls: &BTreeMap<Coordinate, Vec<u8>>,
    spec: &LaneSpec,
) -> Vec<(Coordinate, Vec<u8>)> {
    let only = |wanted: &dyn Fn(&Coordinate) -> bool| -> Vec<(Coordinate, Vec<u8>)> {
        let wanted = scrolls.iter().filter(|(c, _)| wanted(c));
        wanted.map(|(c, text)| (*c, text.clone())).collect()
    };
    let range = |from: &Coordinate, to: &Coordinate| only(&|c| (from..=to).contains(&c));
    let text_at = |c: &Coordinate| (*c, scrolls.get(c).cloned().unwrap_or_default());
    match spec {
        LaneSpec::All => only(&|_| true),
        LaneSpec::Range { from, to } => range(from, to),
        LaneSpec::Points(points) => points.iter().map(text_at).collect(),
        LaneSpec::Union { from, to, points } => {
            let mut lanes: BTreeMap<_, _> = range(from, to).into_iter().collect();
            lanes.extend(points.iter().map(text_at));
            lanes.into_iter().collect()
        }
        LaneSpec::Region(region) => only(&|c| region.matches(c)),
        LaneSpec::Nearest(nearest) => {
            let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
            let radius = nearest.radius.unwrap_or(u64::MAX);
            let mut lanes = only(&|c| distance(c) <= radius);
            lanes.sort_by_key(|(c, _)| (distance(c), *c));
            lanes.truncate(nearest.count as usize);
            lanes
        }
    }
}

/// How many lanes a specification has, passed over where they can be.
fn count(phext: &Phext, spec: &LaneSpec) -> usize {
    let mut cursor = phext.lanes(spec).unwrap();
    let mut count = 0;
    loop {
        match cursor.skip_batch(3).unwrap() {
            Some(0) => return count,
            Some(passed) => count += passed,
            None => return lanes(phext, spec).unwrap().len(),
        }
    }
}

fn check_spec(phext: &Phext, scrolls: &BTreeMap<Coordinate, Vec<u8>>, spec: &LaneSpec) {
    let found = lanes(phext, spec).unwrap();
    let expected = expected_lanes(scrolls, spec);
    assert_eq!(count(phext, spec), expected.len(), "{spec:?}");
    let coordinates: Vec<Coordinate> = found.iter().map(|lane| lane.coordinate).collect();
    assert_eq!(
        coordinates,
        expected.iter().map(|(c, _)| *c).collect::<Vec<_>>(),
        "{spec:?}"
    );
    for (lane, (_, text)) in found.iter().zip(&expected) {
        check_lane(lane, text);
        let alone = phext.text(&lane.coordinate).unwrap();
        assert_eq!(alone.unwrap_or_default(), &text[..]);
        assert_eq!(alone.is_some(), !text.is_empty());
        let located = phext.locate(&lane.coordinate).unwrap();
        check_lane(
            &Lane {
                coordinate: lane.coordinate,
                location: located,
            },
            text,
        );
    }
}

fn check_lane(lane: &Lane<'_>, text: &[u8]) {
    let location = lane.location;
    assert_eq!(location.is_present(), !text.is_empty());
    assert_eq!(location.text().unwrap(), text);
    assert_eq!(location.text_len().unwrap(), text.len() as u64);
    assert_eq!(location.checksum().unwrap(), xxh3_128(text));
    let mut lines = 0;
    for line in text.split(|&byte| byte == b'\n') {
        lines += 1;
        let span = location.line(lines).unwrap().unwrap();
        assert_eq!(&text[span.bytes], line, "line {lines}");
    }
    assert_eq!(location.line(lines + 1).unwrap(), None);
}

fn check(order: &str, memtable_bytes: u64, steps: Vec<Step>, specs: &[LaneSpec]) {
    let mut pair = Pair::new(Options {
        order: order.parse::<Order>().unwrap(),
        memtable_bytes,
        ..small()
    });
    steps.into_iter().for_each(|step| pair.take(step));
    pair.check(specs);
    pair.take(Step::Seal);
    pair.take(Step::Merge);
    pair.take(Step::Reopen);
    pair.check(specs);
}

fn short_sequences(order: &'static str) {
    let cases = (300..3000u64, vec(step(), 1..40), vec(spec(), 1..5));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&cases, |(memtable_bytes, steps, specs)| {
        check(order, memtable_bytes, steps, &specs);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn auto_agrees_with_the_model() {
    short_sequences(ORDERS[0]);
}

#[test]
fn lexicographic_agrees_with_the_model() {
    short_sequences(ORDERS[1]);
}

#[test]
fn curves_agree_with_the_model() {
    ORDERS[2..5].iter().for_each(|order| short_sequences(order));
}

#[test]
fn prefixes_agree_with_the_model() {
    ORDERS[5..].iter().for_each(|order| short_sequences(order));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Sequences long enough for several tiers of merging.
    #[test]
    fn long_sequences_agree_with_the_model(
        order in prop::sample::select(ORDERS.to_vec()),
        steps in vec(step(), 200..300),
        specs in vec(spec(), 4),
    ) {
        check(order, 600, steps, &specs);
    }
}

/// More slots than one block, so that `auto` takes a curve and a part has several blocks.
#[test]
fn large_parts_agree_with_the_model() {
    for order in ORDERS {
        let mut pair = Pair::new(Options {
            order: order.parse().unwrap(),
            memtable_bytes: 1 << 20,
            ..small()
        });
        let key =
            |n: u32| Coordinate::new([1 + n % 3, 1, 1, n % 7 + 1, 1, 1, n % 11 + 1, 1, n + 1]);
        for round in 0..3u32 {
            let puts = (0..1500)
                .filter(|n| n % (round + 1) == 0)
                .map(|n| support::put(key(n).unwrap(), format!("{round} {n}")));
            pair.take(Step::Commit(support::batch("z", puts.collect())));
            pair.take(Step::Seal);
        }
        let (from, to) = (key(300).unwrap(), key(701).unwrap());
        let specs = [LaneSpec::All, LaneSpec::Range { from, to }];
        pair.check(&specs);
        pair.take(Step::Merge);
        pair.take(Step::Reopen);
        pair.check(&specs);
    }
}
